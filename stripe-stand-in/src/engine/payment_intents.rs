//! Confirms and cancels PaymentIntents.

use serde_json::{Value, json};

use crate::engine::new_payment_intent::{method, shipping};
use crate::engine::payments::{self, Try};
use crate::events::context::Context;
use crate::words::errors::ApiError;
use crate::words::json::Fields;
use crate::words::kind::Kind;
use crate::words::params::Params;

/// The states in which a payment can still be changed.
pub(crate) const OPEN: [&str; 3] = ["requires_payment_method", "requires_confirmation", "requires_action"];

pub(crate) fn unexpected_state(intent: &Value, message: String) -> ApiError {
    ApiError::invalid(message).code("payment_intent_unexpected_state").with("payment_intent", intent.clone())
}

pub(crate) fn needs_return_url() -> ApiError {
    ApiError::invalid(
        "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. Because some of these \
         payment methods might redirect your customer off of your page, you must provide a `return_url`. If you don't \
         want to accept redirect-based payment methods, set `automatic_payment_methods[enabled]` to `true` and \
         `automatic_payment_methods[allow_redirects]` to `never` when creating Setup Intents and Payment Intents.",
    )
    .param("return_url")
}

/// Confirms a stored PaymentIntent.
pub(crate) fn confirm_intent(ctx: &mut Context, id: &str, params: &Params) -> Result<(), ApiError> {
    let intent = ctx.fetch(Kind::PaymentIntent, id, "intent")?;
    let account = ctx.account.clone();
    let given = method_of_confirm(ctx, params, &intent)?;
    if given.is_none() && intent["payment_method"].is_null() {
        return Err(unexpected_state(
            &intent,
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the \
             PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a payment \
             method or ConfirmationToken."
                .to_owned(),
        ));
    }
    let redirects = ctx.state.hidden(&account, Kind::PaymentIntent, id, "redirects").is_some();
    match params.text("return_url") {
        Some(address) => {
            if url::Url::parse(address).is_err() {
                return Err(ApiError::invalid("Not a valid URL").code("url_invalid").param("return_url"));
            }
            ctx.state.hide(&account, Kind::PaymentIntent, id, "return_url", address.into());
        }
        None if redirects => return Err(needs_return_url()),
        None => {}
    }
    let mut changes = json!({});
    if let Some(method) = given {
        changes["payment_method"] = method.into();
    }
    for name in ["receipt_email", "setup_future_usage", "capture_method"] {
        if params.has(name) {
            changes[name] = params.json(name);
        }
    }
    if params.has("shipping") {
        changes["shipping"] = shipping(params);
    }
    ctx.set(Kind::PaymentIntent, id, changes);
    let off_session = params.text("off_session").is_some_and(|text| text != "false");
    payments::attempt(ctx, id, Try { authenticated: false, off_session, error_on_action: params.is("error_on_requires_action") })
}

fn method_of_confirm(ctx: &mut Context, params: &Params, intent: &Value) -> Result<Option<String>, ApiError> {
    match intent["payment_method"].as_str() {
        // Created and confirmed in one call, so the PaymentMethod already exists.
        Some(_) if params.is("confirm") => Ok(None),
        _ => method(ctx, params, intent.maybe("customer")),
    }
}

/// Cancels a PaymentIntent if possible, and releases an authorized card.
pub(crate) fn cancel_intent(ctx: &mut Context, id: &str, reason: Option<&str>) {
    let now = ctx.now();
    let account = ctx.account.clone();
    let charge = ctx
        .state
        .object(&account, Kind::PaymentIntent, id)
        .filter(|intent| intent.text("status") == "requires_capture")
        .map(|intent| (intent.text("latest_charge").to_owned(), intent.int("amount")));
    if let Some((charge, amount)) = charge {
        ctx.set(Kind::Charge, &charge, json!({ "amount_refunded": amount, "refunded": true }));
        ctx.emit("charge.refunded", Kind::Charge, &charge);
    }
    ctx.set(
        Kind::PaymentIntent,
        id,
        json!({
            "amount_capturable": 0,
            "canceled_at": now,
            "cancellation_reason": reason,
            "next_action": null,
            "status": "canceled",
        }),
    );
    ctx.emit("payment_intent.canceled", Kind::PaymentIntent, id);
}
