//! Payments: authentication, the bank's decision, the charge, and where the money goes.

use serde_json::{Map, Value, json};

use crate::engine::attempts;
use crate::engine::debits;
use crate::engine::payment_methods;
use crate::events::context::Context;
use crate::words::cards::{Authentication, Decline, TestCard, Verdict};
use crate::words::errors::ApiError;
use crate::words::ids::random_text;
use crate::words::json::Fields;
use crate::words::kind::Kind;

/// How to attempt a payment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Try {
    /// The cardholder has authenticated.
    pub(crate) authenticated: bool,
    /// The cardholder is not present to authenticate.
    pub(crate) off_session: bool,
    /// Refuse instead of asking for authentication.
    pub(crate) error_on_action: bool,
}

/// The error with which a payment with this PaymentMethod would end, if any.
pub(crate) fn foresee(ctx: &Context, method: &str) -> Option<ApiError> {
    let card = payment_methods::card(ctx, method)?;
    let asks = match card.authentication {
        Authentication::Never => false,
        Authentication::Always => true,
        Authentication::UnlessSetUp => !payment_methods::is_set_up(ctx, method),
    };
    match card.verdict {
        _ if asks => Some(ApiError::card(
            "subscription_payment_intent_requires_action",
            None,
            "Payment for this subscription requires additional user action before it can be completed successfully. Payment can be \
             completed using the PaymentIntent associated with `subscription.latest_invoice`. Additional information is available here: \
             https://stripe.com/docs/billing/subscriptions/overview#requires-action",
        )),
        Verdict::Decline(decline) => Some(decline.error()),
        Verdict::Approve | Verdict::Later { .. } => None,
    }
}

/// Tries to pay a PaymentIntent that has a PaymentMethod.
///
/// # Errors
/// 402 for a decline; the PaymentIntent is then in `requires_payment_method`, and the error carries it.
pub(crate) fn attempt(ctx: &mut Context, id: &str, how: Try) -> Result<(), ApiError> {
    let intent = ctx.fetch(Kind::PaymentIntent, id, "intent")?;
    let method = intent.text("payment_method").to_owned();
    let card =
        payment_methods::card(ctx, &method).ok_or_else(|| ApiError::no_such_param(Kind::PaymentMethod, &method, "payment_method"))?;
    check_kind(ctx, &intent, &card)?;
    let authenticate = !how.authenticated
        && match card.authentication {
            Authentication::Never => false,
            Authentication::Always => true,
            Authentication::UnlessSetUp => !payment_methods::is_set_up(ctx, &method),
        };
    if authenticate && how.error_on_action && !how.off_session {
        // There was never a charge.
        return Err(attempts::fail(ctx, id, Decline::UNHANDLED.error()));
    }
    if authenticate && how.off_session {
        return Err(decline_charge(ctx, id, &intent, &card, Decline::UNAUTHENTICATED, how));
    }
    if authenticate {
        ask_for_authentication(ctx, id, &intent);
        return Ok(());
    }
    match card.verdict {
        Verdict::Decline(decline) => Err(decline_charge(ctx, id, &intent, &card, decline, how)),
        Verdict::Approve => {
            approve(ctx, id, &intent, &card, how);
            Ok(())
        }
        Verdict::Later { seconds, failure } => {
            debits::begin(ctx, id, &intent, &card, seconds, failure.is_none());
            Ok(())
        }
    }
}

/// Checks that a payment method other than a card can make a payment.
fn check_kind(ctx: &Context, intent: &Value, card: &TestCard) -> Result<(), ApiError> {
    let (only, kind) = (card.only_currencies(), card.kind);
    let types: Vec<&str> = intent["payment_method_types"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if kind != "card" && intent["automatic_payment_methods"].is_null() && !types.contains(&kind) {
        return Err(ApiError::invalid(format!(
            "The PaymentMethod provided ({kind}) is not allowed for this PaymentIntent. Please attach a PaymentMethod of one of the following \
             types: {}. Alternatively, update the allowed payment_method_types for this PaymentIntent to include \"{kind}\"",
            types.join(", ")
        ))
        .param("payment_method"));
    }
    if !only.is_empty() && !only.contains(&intent.text("currency")) {
        let only = only.join(", ");
        return Err(ApiError::invalid(format!(
            "The payment method `{kind}` cannot be used with the currency {}: it only supports {only}.",
            intent.text("currency")
        ))
        .param("currency"));
    }
    if !["klarna", "link"].contains(&kind) {
        return Ok(());
    }
    let redirects = ctx.state.hidden(&ctx.account, Kind::PaymentIntent, intent.text("id"), "return_url").is_some();
    if kind == "klarna" && !redirects {
        return Err(ApiError::invalid("Klarna redirects its buyers, and this PaymentIntent has no `return_url`.").param("return_url"));
    }
    if !card.can_be_kept() && intent.maybe("setup_future_usage").is_some() {
        return Err(ApiError::invalid(format!("PaymentMethods of type {kind} cannot be saved to customers.")).param("setup_future_usage"));
    }
    Ok(())
}

fn ask_for_authentication(ctx: &mut Context, id: &str, intent: &Value) {
    let secret = intent.text("client_secret");
    let page = format!("{}/3ds/{id}?client_secret={secret}", ctx.origin);
    let return_url = ctx.state.hidden(&ctx.account, Kind::PaymentIntent, id, "return_url").cloned();
    let action = match return_url {
        Some(return_url) => json!({
            "redirect_to_url": { "return_url": return_url, "url": page },
            "type": "redirect_to_url",
        }),
        None => json!({
            "type": "use_stripe_sdk",
            "use_stripe_sdk": {
                "source": format!("src_{}", random_text(24)),
                "stripe_js": page,
                "type": "three_d_secure_redirect",
            },
        }),
    };
    ctx.set(Kind::PaymentIntent, id, json!({ "status": "requires_action", "next_action": action, "last_payment_error": null }));
    ctx.emit("payment_intent.requires_action", Kind::PaymentIntent, id);
    ctx.follow(|after| after.authentication_wanted, id);
}

/// Records a charge that the bank declines. Returns the error.
fn decline_charge(ctx: &mut Context, id: &str, intent: &Value, card: &TestCard, decline: Decline, how: Try) -> ApiError {
    let mut charge = attempts::new_charge(ctx, intent, card, how.authenticated);
    let charge_id = charge.text("id").to_owned();
    charge["failure_code"] = decline.code.into();
    charge["failure_message"] = decline.message.into();
    charge["outcome"] = decline.outcome();
    if decline.blocked {
        charge["fraud_details"] = json!({ "stripe_report": "fraudulent" });
    }
    ctx.insert(Kind::Charge, charge);
    ctx.emit("charge.failed", Kind::Charge, &charge_id);
    let error = decline.error().with("charge", charge_id.as_str());
    ctx.set(Kind::PaymentIntent, id, json!({ "latest_charge": charge_id }));
    attempts::fail(ctx, id, error)
}

fn approve(ctx: &mut Context, id: &str, intent: &Value, card: &TestCard, how: Try) {
    let account = ctx.account.clone();
    let method = intent.text("payment_method").to_owned();
    attempts::save_method(ctx, intent, &method, how.authenticated);
    let mut charge = attempts::new_charge(ctx, intent, card, how.authenticated);
    let charge_id = charge.text("id").to_owned();
    charge["outcome"] = card.outcome();
    charge["paid"] = true.into();
    charge["receipt_url"] = format!("{}/receipts/{charge_id}", ctx.origin).into();
    charge["status"] = "succeeded".into();
    let mut hidden = Map::new();
    hidden.insert("card".into(), card.name.into());
    ctx.state.insert(&account, Kind::Charge, charge, hidden);
    ctx.set(Kind::PaymentIntent, id, json!({ "last_payment_error": null, "latest_charge": charge_id, "next_action": null }));
    if intent.text("capture_method") == "manual" {
        ctx.set(Kind::PaymentIntent, id, json!({ "amount_capturable": intent.int("amount"), "status": "requires_capture" }));
        ctx.emit("charge.succeeded", Kind::Charge, &charge_id);
        ctx.emit("payment_intent.amount_capturable_updated", Kind::PaymentIntent, id);
    } else {
        attempts::collect(ctx, id, &charge_id, intent.int("amount"), "charge.succeeded");
    }
}

/// The cardholder answers the authentication request.
///
/// # Errors
/// 400 if none is pending.
pub(crate) fn authenticate(ctx: &mut Context, id: &str, succeeded: bool) -> Result<(), ApiError> {
    let intent = ctx.fetch(Kind::PaymentIntent, id, "intent")?;
    if intent.text("status") != "requires_action" {
        return Err(ApiError::invalid(format!(
            "This PaymentIntent has a status of {}: there is nothing to authenticate.",
            intent.text("status")
        )));
    }
    if succeeded {
        // A decline after authentication is recorded in the PaymentIntent, where the client looks for it.
        let _ = attempt(ctx, id, Try { authenticated: true, ..Try::default() });
    } else {
        let error = ApiError::invalid(
            "The provided PaymentMethod has failed authentication. You can provide payment_method_data or a new \
             PaymentMethod to attempt to fulfill this PaymentIntent again.",
        )
        .code("payment_intent_authentication_failure");
        attempts::fail(ctx, id, error);
    }
    Ok(())
}
