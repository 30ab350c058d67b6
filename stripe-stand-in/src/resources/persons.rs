//! Persons: <https://docs.stripe.com/api/persons>. An individual's account has one.

use serde_json::{Value, json};

use crate::engine::accounts::rows;
use crate::events::context::Context;
use crate::resources::list;
use crate::words::errors::ApiError;
use crate::words::kind::Kind;
use crate::words::params::Params;

fn of(account: &Value) -> Vec<Value> {
    account.get("individual").filter(|person| person.is_object()).cloned().into_iter().collect()
}

/// `GET /v1/accounts/{id}/persons`
pub(crate) fn index(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let account = rows::visible(ctx, path[0])?;
    list::page_of(Kind::Account, &of(&account), params, &format!("/v1/accounts/{}/persons", path[0]))
}

/// `GET /v1/accounts/{id}/persons/{person}`
pub(crate) fn retrieve(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    let account = rows::visible(ctx, path[0])?;
    of(&account).into_iter().find(|person| person["id"] == path[1]).ok_or_else(|| {
        ApiError::new(404, "invalid_request_error", format!("No such person: '{}'", path[1])).code("resource_missing").param("person")
    })
}

/// Parameters of `POST /v1/accounts/{id}/persons/{person}`.
pub(crate) const UPDATE: &str = "address:any dob:any email first_name id_number last_name metadata:m phone relationship:any ssn_last_4 \
    verification:any";

/// `POST /v1/accounts/{id}/persons/{person}`
pub(crate) fn update(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let before = retrieve(ctx, path, params)?;
    let mut after = before.clone();
    for name in ["email", "first_name", "last_name", "phone"] {
        if params.has(name) {
            after[name] = params.json(name);
        }
    }
    after["metadata"] = params.merged_metadata(&before["metadata"]);
    rows::change(ctx, path[0], json!({ "individual": after }));
    retrieve(ctx, path, params)
}
