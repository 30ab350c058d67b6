//! Payment attempts: their charges, their outcomes, and the money that is collected.

use serde_json::{Value, json};

use crate::engine::charges;
use crate::engine::disputes::{self, Outcome, Stage};
use crate::engine::payment_methods;
use crate::engine::radar;
use crate::engine::settlement;
use crate::events::context::Context;
use crate::state::agenda::Job;
use crate::words::cards::{Aftermath, TestCard};
use crate::words::errors::ApiError;
use crate::words::ids::new_id;
use crate::words::json::Fields;
use crate::words::kind::Kind;

/// The charge of an attempt, whether or not it succeeds.
pub(crate) fn new_charge(ctx: &mut Context, intent: &Value, card: &TestCard, authenticated: bool) -> Value {
    let amount = intent.int("amount");
    let currency = intent.text("currency");
    let method = ctx.state.object(&ctx.account, Kind::PaymentMethod, intent.text("payment_method")).cloned();
    let method = method.unwrap_or_default();
    let mut charge = charges::blank(&new_id(if card.is_card() { "ch" } else { "py" }), amount, currency, ctx.now());
    charge["application"] = if ctx.is_connected() { ctx.client_id.as_str().into() } else { Value::Null };
    charge["billing_details"] = method["billing_details"].clone();
    charge["calculated_statement_descriptor"] = "LOCAL PLATFORM".into();
    charge["application_fee_amount"] = intent["application_fee_amount"].clone();
    charge["payment_intent"] = intent["id"].clone();
    charge["payment_method_details"] = json!({ "type": card.kind });
    charge["payment_method_details"][card.kind] = if card.is_card() {
        card.charge_details(&method["card"], authenticated, amount)
    } else {
        card.payment_details(&method["billing_details"])
    };
    for name in [
        "customer",
        "description",
        "metadata",
        "on_behalf_of",
        "payment_method",
        "receipt_email",
        "shipping",
        "statement_descriptor",
        "statement_descriptor_suffix",
        "transfer_group",
    ] {
        charge[name] = intent[name].clone();
    }
    if let Some(destination) = intent["transfer_data"].maybe("destination") {
        charge["transfer_data"] = json!({ "amount": intent["transfer_data"]["amount"], "destination": destination });
    }
    charge
}

/// Ends an attempt without a payment. The error is stored in the PaymentIntent and returned.
pub(crate) fn fail(ctx: &mut Context, id: &str, error: ApiError) -> ApiError {
    let account = ctx.account.clone();
    let intent = ctx.state.object(&account, Kind::PaymentIntent, id).cloned().unwrap_or_default();
    let method = ctx.state.object(&account, Kind::PaymentMethod, intent.text("payment_method")).cloned();
    let error = match method {
        Some(method) => error.with("payment_method", method),
        None => error,
    };
    ctx.set(
        Kind::PaymentIntent,
        id,
        json!({
            "last_payment_error": error.fields(),
            "next_action": null,
            "payment_method": null,
            "status": "requires_payment_method",
        }),
    );
    ctx.emit("payment_intent.payment_failed", Kind::PaymentIntent, id);
    ctx.follow(|after| after.failed, id);
    let intent = ctx.state.object(&account, Kind::PaymentIntent, id).cloned().unwrap_or_default();
    error.with("payment_intent", intent)
}

/// Attaches the card if it should be saved; otherwise it cannot be used a second time.
pub(crate) fn save_method(ctx: &mut Context, intent: &Value, method: &str, authenticated: bool) {
    let attached = ctx.state.object(&ctx.account, Kind::PaymentMethod, method).is_some_and(|method| method.maybe("customer").is_some());
    let keep = intent.maybe("setup_future_usage").is_some();
    if keep && authenticated {
        payment_methods::set_mark(ctx, method, "set_up");
    }
    if attached {
        return;
    }
    match intent.maybe("customer") {
        Some(customer) if keep => {
            let _ = payment_methods::attach_to(ctx, method, customer);
        }
        _ => payment_methods::set_mark(ctx, method, "spent"),
    }
}

/// Collects the money of an approved charge and passes it on: at once, or later if the capture is asynchronous
/// (<https://docs.stripe.com/payments/payment-intents/asynchronous-capture>).
pub(crate) fn collect(ctx: &mut Context, id: &str, charge: &str, amount: i64, event: &str) {
    let account = ctx.account.clone();
    let Some(intent) = ctx.state.object(&account, Kind::PaymentIntent, id).cloned() else { return };
    ctx.set(Kind::Charge, charge, json!({ "amount_captured": amount, "captured": true }));
    if intent["transfer_data"].maybe("destination").is_some() {
        let group = intent.maybe("transfer_group").map_or_else(|| format!("group_{id}"), str::to_owned);
        ctx.set(Kind::Charge, charge, json!({ "transfer_group": group }));
        ctx.set(Kind::PaymentIntent, id, json!({ "transfer_group": group }));
    }
    let delay = ctx.state.settings.capture_delay;
    let later = delay > 0 && intent.text("capture_method") == "automatic_async";
    if !later {
        settlement::settle(ctx, id, charge);
    }
    ctx.set(Kind::PaymentIntent, id, json!({ "amount_capturable": 0, "amount_received": amount, "status": "succeeded" }));
    ctx.emit(event, Kind::Charge, charge);
    ctx.emit("payment_intent.succeeded", Kind::PaymentIntent, id);
    ctx.follow(|after| after.paid, id);
    if later {
        let job = Job::Settle { at: ctx.now() + delay, account, intent: id.to_owned(), charge: charge.to_owned() };
        ctx.state.jobs.push(job);
    } else {
        follow_card(ctx, charge);
    }
}

/// The result of an asynchronous capture becomes known.
pub(crate) fn settle_later(ctx: &mut Context, intent: &str, charge: &str) {
    let account = ctx.account.clone();
    let Some(before) = ctx.state.object(&account, Kind::Charge, charge).cloned() else { return };
    settlement::settle(ctx, intent, charge);
    ctx.emit_change(&account, "charge.updated", Kind::Charge, charge, &before);
    follow_card(ctx, charge);
}

/// Triggers what a test card does after it was charged.
fn follow_card(ctx: &mut Context, charge: &str) {
    match settlement::aftermath(ctx, charge) {
        Aftermath::Inquiry(reason) => drop(disputes::open(ctx, charge, reason, Stage::Inquiry)),
        Aftermath::Dispute(reason) => dispute(ctx, charge, reason),
        Aftermath::Disputes(reason) => disputes::open_twice(ctx, charge, reason),
        Aftermath::FraudWarning => {
            if let Some(object) = ctx.state.object(&ctx.account, Kind::Charge, charge).cloned() {
                radar::warn(ctx, &object, radar::USUAL_FRAUD);
            }
        }
        Aftermath::Review => radar::open_review(ctx, charge),
        Aftermath::None | Aftermath::AvailableAtOnce | Aftermath::RefundFails | Aftermath::RefundPends => {}
    }
}

fn dispute(ctx: &mut Context, charge: &str, reason: &str) {
    let dispute = disputes::open(ctx, charge, reason, Stage::Chargeback);
    // Disputes of debits cannot be answered; they are lost at once.
    let debited = ctx.state.object(&ctx.account, Kind::Charge, charge).is_some_and(|one| one["payment_method_details"]["type"] != "card");
    if let Some(dispute) = dispute.filter(|_| debited) {
        let _ = disputes::close(ctx, &dispute, Outcome::Lost);
    }
}
