//! Charges: <https://docs.stripe.com/api/charges>. They are made by PaymentIntents; a transfer makes a payment (`py_…`)
//! on the account that it goes to.

use serde_json::{Value, json};

use super::context::Context;
use super::customers;
use super::errors::ApiError;
use super::list;
use super::params::Params;
use super::state::{Fields, Kind};

/// Parameters of `POST /v1/charges/{id}`.
pub(crate) const UPDATE: &str = "customer description fraud_details{user_report} metadata:m receipt_email \
    shipping{address:any carrier name phone tracking_number} transfer_group";

/// A charge with everything that does not depend on how it went.
pub(crate) fn blank(id: &str, amount: i64, currency: &str, now: i64) -> Value {
    json!({
        "id": id,
        "object": "charge",
        "amount": amount,
        "amount_captured": 0,
        "amount_refunded": 0,
        "application": null,
        "application_fee": null,
        "application_fee_amount": null,
        "balance_transaction": null,
        "billing_details": super::payment_methods::billing_details(&Params::none()),
        "calculated_statement_descriptor": null,
        "captured": false,
        "created": now,
        "currency": currency,
        "customer": null,
        "description": null,
        "disputed": false,
        "failure_balance_transaction": null,
        "failure_code": null,
        "failure_message": null,
        "fraud_details": {},
        "livemode": false,
        "metadata": {},
        "on_behalf_of": null,
        "outcome": null,
        "paid": false,
        "payment_intent": null,
        "payment_method": null,
        "payment_method_details": null,
        "radar_options": {},
        "receipt_email": null,
        "receipt_number": null,
        "receipt_url": null,
        "refunded": false,
        "review": null,
        "shipping": null,
        "source": null,
        "source_transfer": null,
        "statement_descriptor": null,
        "statement_descriptor_suffix": null,
        "status": "failed",
        "transfer_data": null,
        "transfer_group": null,
    })
}

/// `GET /v1/charges/{id}`
pub(crate) fn retrieve(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    ctx.fetch(Kind::Charge, path[0], "id")
}

/// `POST /v1/charges/{id}`
pub(crate) fn update(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let before = ctx.fetch(Kind::Charge, path[0], "id")?;
    if let Some(customer) = params.text("customer") {
        customers::living(ctx, customer, "customer")?;
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
    list::page(ctx, Kind::Charge, params, "/v1/charges", |row| {
        ["customer", "payment_intent", "transfer_group"].iter().all(|name| params.text(name).is_none_or(|wanted| row.text(name) == wanted))
    })
}
