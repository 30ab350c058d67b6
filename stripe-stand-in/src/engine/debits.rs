//! Debits of bank accounts, whose banks answer days later
//! (<https://docs.stripe.com/payments/payment-methods#payment-notification>).

use serde_json::{Map, Value, json};

use crate::engine::attempts;
use crate::events::context::Context;
use crate::state::agenda::Job;
use crate::words::cards::{TestCard, Verdict};
use crate::words::errors::ApiError;
use crate::words::json::Fields;
use crate::words::kind::Kind;

/// Asks the bank. The response comes after the account's own delay or after the admin API's, whichever is longer.
pub(crate) fn begin(ctx: &mut Context, id: &str, intent: &Value, account: &TestCard, seconds: i64, succeeds: bool) {
    let owner = ctx.account.clone();
    attempts::save_method(ctx, intent, intent.text("payment_method"), false);
    let mut charge = attempts::new_charge(ctx, intent, account, false);
    let charge_id = charge.text("id").to_owned();
    charge["status"] = "pending".into();
    charge["captured"] = true.into();
    charge["amount_captured"] = intent["amount"].clone();
    charge["outcome"] = json!({
        "advice_code": null, "network_advice_code": null, "network_decline_code": null, "network_status": "approved_by_network",
        "reason": null, "risk_level": "not_assessed", "seller_message": "Payment complete.", "type": "authorized",
    });
    let hidden = Map::from_iter([("card".to_owned(), account.name.into())]);
    ctx.state.insert(&owner, Kind::Charge, charge, hidden);
    let fields = json!({ "last_payment_error": null, "latest_charge": charge_id, "next_action": null, "status": "processing" });
    ctx.set(Kind::PaymentIntent, id, fields);
    let at = ctx.now() + seconds.max(ctx.state.settings.debit_delay);
    ctx.state.jobs.push(Job::Clear { at, account: owner, intent: id.to_owned(), succeeds });
    ctx.emit("payment_intent.processing", Kind::PaymentIntent, id);
    ctx.emit("charge.pending", Kind::Charge, &charge_id);
    ctx.follow(|after| after.processing, id);
}

/// The bank answers.
///
/// # Errors
/// 400 if the payment is not waiting for a bank.
pub(crate) fn clear(ctx: &mut Context, id: &str, succeeds: bool) -> Result<(), ApiError> {
    let intent = ctx.fetch(Kind::PaymentIntent, id, "intent")?;
    if intent.text("status") != "processing" {
        return Err(ApiError::invalid(format!("This PaymentIntent has a status of {}: no bank is asked.", intent.text("status"))));
    }
    let account = ctx.account.clone();
    let charge = intent.text("latest_charge").to_owned();
    if succeeds {
        ctx.set(Kind::Charge, &charge, json!({ "paid": true, "status": "succeeded" }));
        attempts::collect(ctx, id, &charge, intent.int("amount"), "charge.succeeded");
        return Ok(());
    }
    let name = ctx.state.hidden(&account, Kind::Charge, &charge, "card").and_then(Value::as_str).and_then(TestCard::of_name);
    let code = match name.map(|account| account.verdict) {
        Some(Verdict::Later { failure: Some(code), .. }) => code,
        _ => "insufficient_funds",
    };
    let message = "The customer's bank account could not be debited.";
    ctx.set(
        Kind::Charge,
        &charge,
        json!({ "amount_captured": 0, "captured": false, "failure_code": code, "failure_message": message, "status": "failed" }),
    );
    ctx.emit("charge.failed", Kind::Charge, &charge);
    let error = ApiError::card(code, None, message).with("charge", charge.as_str());
    attempts::fail(ctx, id, error);
    Ok(())
}
