//! External accounts: <https://docs.stripe.com/api/external_accounts>.

use serde_json::{Value, json};

use crate::engine::accounts::{banks, rows};
use crate::events::context::Context;
use crate::resources::list;
use crate::words::errors::ApiError;
use crate::words::json::Fields;
use crate::words::kind::Kind;
use crate::words::params::Params;

/// Parameters of `POST /v1/accounts/{id}/external_accounts`.
pub(crate) const CREATE: &str = "default_for_currency:b external_account:any metadata:m";

/// Parameters of `POST /v1/accounts/{id}/external_accounts/{bank}`.
pub(crate) const UPDATE: &str = "account_holder_name account_holder_type account_type default_for_currency:b documents:any metadata:m";

fn place(account: &Value, bank: &str) -> Result<usize, ApiError> {
    let data = account["external_accounts"]["data"].as_array().map(Vec::as_slice).unwrap_or_default();
    data.iter().position(|one| one["id"] == bank).ok_or_else(|| {
        ApiError::new(404, "invalid_request_error", format!("No such external account: '{bank}'")).code("resource_missing").param("id")
    })
}

/// `GET /v1/accounts/{id}/external_accounts`
pub(crate) fn index(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let account = rows::visible(ctx, path[0])?;
    let data = account["external_accounts"]["data"].as_array().cloned().unwrap_or_default();
    let wanted = params.text("object").map(str::to_owned);
    let data: Vec<Value> = data.into_iter().filter(|bank| wanted.as_deref().is_none_or(|wanted| bank["object"] == wanted)).collect();
    list::page_of(Kind::Account, &data, params, &format!("/v1/accounts/{}/external_accounts", path[0]))
}

/// `POST /v1/accounts/{id}/external_accounts`
pub(crate) fn create(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let account = rows::visible(ctx, path[0])?;
    if !params.has("external_account") {
        return Err(ApiError::missing("external_account"));
    }
    banks::check(params)?;
    let mut all = banks::with(&account, &params.json("external_account"));
    let last = all["data"].as_array().map_or(0, |data| data.len().saturating_sub(1));
    all["data"][last]["metadata"] = params.metadata();
    let bank = all["data"][last].clone();
    rows::change(ctx, path[0], json!({ "external_accounts": all }));
    ctx.emit_object(path[0], "account.external_account.created", bank.clone(), Value::Null);
    Ok(bank)
}

/// `GET /v1/accounts/{id}/external_accounts/{bank}`
pub(crate) fn retrieve(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    let account = rows::visible(ctx, path[0])?;
    let place = place(&account, path[1])?;
    Ok(account["external_accounts"]["data"][place].clone())
}

/// `POST /v1/accounts/{id}/external_accounts/{bank}`
pub(crate) fn update(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let account = rows::visible(ctx, path[0])?;
    let place = place(&account, path[1])?;
    let mut all = account["external_accounts"].clone();
    let before = all["data"][place].clone();
    all["data"][place]["metadata"] = params.merged_metadata(&before["metadata"]);
    if params.is("default_for_currency") {
        for bank in all["data"].as_array_mut().into_iter().flatten() {
            if bank["currency"] == before["currency"] {
                bank["default_for_currency"] = (bank["id"] == path[1]).into();
            }
        }
    }
    let bank = all["data"][place].clone();
    rows::change(ctx, path[0], json!({ "external_accounts": all }));
    ctx.emit_object(path[0], "account.external_account.updated", bank.clone(), Value::Null);
    Ok(bank)
}

/// `DELETE /v1/accounts/{id}/external_accounts/{bank}`: any except a currency's default.
pub(crate) fn delete(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    let account = rows::visible(ctx, path[0])?;
    let place = place(&account, path[1])?;
    let mut all = account["external_accounts"].clone();
    let bank = all["data"][place].clone();
    if bank.flag("default_for_currency") && account["default_currency"] == bank["currency"] {
        return Err(ApiError::invalid(
            "You cannot delete the default external account for your default currency. Please make another external account the \
             default using the `default_for_currency` param, and then delete this one.",
        ));
    }
    if let Some(data) = all["data"].as_array_mut() {
        data.remove(place);
        all["total_count"] = data.len().into();
    }
    rows::change(ctx, path[0], json!({ "external_accounts": all }));
    ctx.emit_object(path[0], "account.external_account.deleted", bank.clone(), Value::Null);
    Ok(json!({ "id": path[1], "object": bank["object"], "currency": bank["currency"], "deleted": true }))
}
