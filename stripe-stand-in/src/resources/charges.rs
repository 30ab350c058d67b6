//! Charges: <https://docs.stripe.com/api/charges>. PaymentIntents create
//! them; a transfer creates a payment (`py_…`) on its destination account.

use serde_json::{Value, json};

use crate::engine::customer_rows;
use crate::events::context::Context;
use crate::resources::list;
use crate::words::errors::ApiError;
use crate::words::json::Fields;
use crate::words::kind::Kind;
use crate::words::params::Params;

/// Parameters of `POST /v1/charges/{id}`.
pub(crate) const UPDATE: &str = "customer description fraud_details{user_report} metadata:m receipt_email \
    shipping{address:any carrier name phone tracking_number} transfer_group";

/// `GET /v1/charges/{id}`
pub(crate) fn retrieve(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    ctx.fetch(Kind::Charge, path[0], "id")
}

/// `POST /v1/charges/{id}`
pub(crate) fn update(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let before = ctx.fetch(Kind::Charge, path[0], "id")?;
    if let Some(customer) = params.text("customer") {
        customer_rows::living(ctx, customer, "customer")?;
    }
    let mut after = json!({ "metadata": params.merged_metadata(&before["metadata"]) });
    for name in ["customer", "description", "receipt_email", "transfer_group"] {
        if params.has(name) {
            after[name] = params.json(name);
        }
    }
    ctx.set(Kind::Charge, path[0], after);
    let account = ctx.account.clone();
    ctx.emit_change(&account, "charge.updated", Kind::Charge, path[0], &before);
    ctx.fetch(Kind::Charge, path[0], "id")
}

/// `GET /v1/charges`
pub(crate) fn index(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let wanted =
        |row: &Value| ["customer", "transfer_group"].iter().all(|name| params.text(name).is_none_or(|wanted| row.text(name) == wanted));
    match params.text("payment_intent") {
        Some(intent) => list::page_of_children(ctx, Kind::Charge, intent, params, "/v1/charges", wanted),
        None => list::page(ctx, Kind::Charge, params, "/v1/charges", wanted),
    }
}
