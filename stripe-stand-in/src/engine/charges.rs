//! Charges as they are created: by PaymentIntents, or as the payment (`py_…`) of a transfer.

use serde_json::{Value, json};

use crate::engine::customer_rows;
use crate::events::context::Context;
use crate::words::json::Fields;
use crate::words::params::Params;

/// A charge with all fields that do not depend on its outcome.
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
        "billing_details": customer_rows::billing_details(&Params::none()),
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

/// The account whose country and currency decide the settlement: the one it is made on behalf of, or the one that makes it.
pub(crate) fn merchant(ctx: &Context, charge: &Value) -> String {
    charge.maybe("on_behalf_of").unwrap_or(&ctx.account).to_owned()
}
