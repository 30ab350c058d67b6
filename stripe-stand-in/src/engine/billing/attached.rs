//! Payments that somebody attaches to an invoice, besides its own: <https://docs.stripe.com/api/invoices/attach_payment>,
//! <https://docs.stripe.com/api/invoice-payment/object>.

use serde_json::{Value, json};

use crate::engine::billing::invoices;
use crate::engine::payment_intents;
use crate::events::context::Context;
use crate::words::errors::ApiError;
use crate::words::json::Fields;
use crate::words::kind::Kind;

/// Adds a PaymentIntent to an invoice's payments. One that has succeeded is credited at once, another when it succeeds. It may be attached
/// to several invoices, and pays each as far as it reaches.
///
/// # Errors
/// 400 if it is canceled, of another customer or currency, or already one of the invoice's payments.
pub(crate) fn attach(ctx: &mut Context, id: &str, intent: &str, now: i64) -> Result<(), ApiError> {
    let invoice = ctx.fetch(Kind::Invoice, id, "invoice")?;
    let payment = ctx.fetch_param(Kind::PaymentIntent, intent, "payment_intent")?;
    let refused = |message: &str| Err(ApiError::invalid(message).param("payment_intent"));
    if payment.text("status") == "canceled" {
        return refused("You cannot attach a PaymentIntent that was canceled.");
    }
    if payment.text("currency") != invoice.text("currency") {
        return refused("The currency of the PaymentIntent does not match the currency of the invoice.");
    }
    if payment.maybe("customer").is_some_and(|customer| customer != invoice.text("customer")) {
        return refused("The customer of the PaymentIntent does not match the customer of the invoice.");
    }
    if invoices::payments_of(ctx, id).iter().any(|one| one["payment"].text("payment_intent") == intent) {
        return refused("This PaymentIntent is already attached to the invoice.");
    }
    let attached = invoices::new_payment(&invoice, intent, payment.int("amount"), false, now);
    ctx.insert(Kind::InvoicePayment, attached);
    if payment.text("status") == "succeeded" {
        payment_succeeded(ctx, intent);
    }
    Ok(())
}

/// Credits a payment that succeeded to the invoices that it was attached to, oldest first.
pub(crate) fn payment_succeeded(ctx: &mut Context, intent: &str) {
    let account = ctx.account.clone();
    let received = ctx.state.object(&account, Kind::PaymentIntent, intent).map_or(0, |intent| intent.int("amount_received"));
    let of_intent: Vec<Value> = ctx
        .state
        .rows(&account, Kind::InvoicePayment)
        .iter()
        .filter(|one| one.object["payment"].text("payment_intent") == intent)
        .map(|one| one.object.clone())
        .collect();
    let mut left = received - of_intent.iter().map(|one| one.int("amount_paid")).sum::<i64>();
    for one in of_intent.iter().filter(|one| one.text("status") == "open" && !one.flag("is_default")) {
        left -= credit(ctx, one, left);
    }
}

/// Credits up to `left` of a payment to its invoice, and returns how much. What the invoice's own payment would take shrinks by that.
fn credit(ctx: &mut Context, attached: &Value, left: i64) -> i64 {
    let (id, account) = (attached.text("invoice").to_owned(), ctx.account.clone());
    let Some(invoice) = ctx.state.object(&account, Kind::Invoice, &id).cloned() else { return 0 };
    let now = invoices::time_of(ctx, &invoice);
    let amount = left.min(attached.int("amount_requested")).min(invoice.int("amount_remaining")).max(0);
    if amount == 0 || invoice.text("status") == "void" {
        return 0;
    }
    let paid = json!({ "amount_paid": amount, "status": "paid", "status_transitions": { "canceled_at": null, "paid_at": now } });
    ctx.set(Kind::InvoicePayment, attached.text("id"), paid);
    let remaining = invoice.int("amount_remaining") - amount;
    ctx.set(Kind::Invoice, &id, json!({ "amount_paid": invoice.int("amount_paid") + amount, "amount_remaining": remaining }));
    ctx.emit("invoice_payment.paid", Kind::InvoicePayment, attached.text("id"));
    let own = invoices::intent_of(ctx, &id);
    if remaining == 0 {
        if let Some(own) = own {
            payment_intents::cancel_intent(ctx, &own, Some("automatic"));
        }
        invoices::mark_paid(ctx, &id, now);
    } else if let Some(own) = own {
        invoices::shrink(ctx, &id, &own, remaining);
    }
    amount
}
