//! Refunds as they are stored.

use serde_json::{Value, json};

use crate::events::context::Context;
use crate::words::kind::Kind;

/// A refund that succeeded.
pub(crate) fn blank(id: &str, charge: &str, amount: i64, currency: &str, now: i64) -> Value {
    json!({
        "id": id,
        "object": "refund",
        "amount": amount,
        "balance_transaction": null,
        "charge": charge,
        "created": now,
        "currency": currency,
        "customer": null,
        "customer_account": null,
        "destination_details": null,
        "metadata": {},
        "payment_intent": null,
        "payment_method": null,
        "reason": null,
        "receipt_number": null,
        "source_transfer_reversal": null,
        "status": "succeeded",
        "transfer_reversal": null,
    })
}

/// A charge's refunds, newest first.
pub(crate) fn of_charge(ctx: &Context, charge: &str) -> Vec<Value> {
    let account = ctx.state.owner_of(Kind::Charge, charge).unwrap_or_else(|| ctx.account.clone());
    ctx.state.children(&account, Kind::Refund, charge).rev().map(|row| row.object.clone()).collect()
}
