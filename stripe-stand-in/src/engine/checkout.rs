//! What happens to Checkout Sessions: they are paid, completed or closed.

use serde_json::{Value, json};

use crate::engine::checkout_rows;
use crate::engine::checkout_subscribe;
use crate::engine::discounts::{self, Chosen, Sale};
use crate::engine::new_payment_intent;
use crate::engine::payment_intents;
use crate::engine::payment_methods::{self, New};
use crate::engine::payments::{self, Try};
use crate::engine::setup_intents;
use crate::events::context::Context;
use crate::words::cards::TestCard;
use crate::words::errors::ApiError;
use crate::words::json::Fields;
use crate::words::kind::Kind;
use crate::words::params::Params;

/// What the person on the page entered.
#[derive(Clone, Debug)]
pub(crate) struct Payment<'a> {
    pub(crate) card: TestCard,
    pub(crate) exp_month: i64,
    pub(crate) exp_year: i64,
    pub(crate) email: Option<&'a str>,
}

/// Pays a session of the current account. Returns the id of its PaymentIntent or SetupIntent; empty if nothing was due.
///
/// # Errors
/// 400 if the session is not open; 402 for a decline, after which it is still open.
pub(crate) fn pay(ctx: &mut Context, id: &str, payment: &Payment) -> Result<String, ApiError> {
    let session = ctx.fetch(Kind::CheckoutSession, id, "session")?;
    if session.text("status") != "open" {
        return Err(not_open(&session, "paid"));
    }
    let allowed = session["allowed_payment_method_types"].as_array();
    if !payment.card.is_card() && allowed.is_some_and(|types| types.iter().all(|kind| *kind != payment.card.kind)) {
        return Err(ApiError::invalid(format!("This Checkout Session is not paid by {}.", payment.card.kind)));
    }
    let account = ctx.account.clone();
    let details = json!({
        "address": { "city": null, "country": "US", "line1": null, "line2": null, "postal_code": "94107", "state": null },
        "business_name": null,
        "email": session["customer_details"].maybe("email").or(session.maybe("customer_email")).or(payment.email),
        "individual_name": null,
        "name": "Test Buyer",
        "phone": null,
        "tax_exempt": "none",
        "tax_ids": [],
    });
    ctx.set(Kind::CheckoutSession, id, json!({ "customer_details": details }));
    if session["automatic_tax"].flag("enabled") {
        let mut tax = session["automatic_tax"].clone();
        tax["status"] = "complete".into();
        ctx.set(Kind::CheckoutSession, id, json!({ "automatic_tax": tax }));
    }
    let mut billing = details["address"].clone();
    billing = json!({
        "address": billing.take(), "email": details["email"], "name": details["name"], "phone": null, "tax_id": null,
    });
    let method = payment_methods::make(
        ctx,
        &New { exp_month: payment.exp_month, exp_year: payment.exp_year, billing, allow_redisplay: "limited", ..New::plain(payment.card) },
    );
    if session.text("mode") == "subscription" {
        return checkout_subscribe::pay(ctx, id, &method);
    }
    if let Some(chosen) = chosen(&session) {
        check_discount(ctx, id, &session, &chosen)?;
    }
    if session.text("mode") == "payment" && session.int("amount_total") == 0 {
        end_free(ctx, id);
        return Ok(String::new());
    }
    let intent = match session.maybe("payment_intent").or(session.maybe("setup_intent")) {
        Some(intent) => intent.to_owned(),
        None => {
            let data = ctx.state.hidden(&account, Kind::CheckoutSession, id, "intent").cloned().unwrap_or_default();
            let customer = session.maybe("customer");
            let params =
                checkout_rows::intent_params(session.int("amount_total"), session.text("currency"), customer, &Params::from_value(data));
            let intent = new_payment_intent::make(ctx, &params)?;
            ctx.state.hide(&account, Kind::PaymentIntent, &intent, "session", id.into());
            ctx.set(Kind::CheckoutSession, id, json!({ "payment_intent": intent }));
            intent
        }
    };
    let kind = Kind::of_id(&intent).unwrap_or(Kind::PaymentIntent);
    ctx.set(kind, &intent, json!({ "payment_method": method }));
    ctx.state.hide(&account, kind, &intent, "return_url", format!("{}/c/pay/{id}", ctx.origin).into());
    if kind == Kind::SetupIntent {
        setup_intents::attempt(ctx, &intent, false)?;
    } else {
        payments::attempt(ctx, &intent, Try::default())?;
    }
    Ok(intent)
}

/// The discount of a session.
fn chosen(session: &Value) -> Option<Chosen> {
    let one = session["discounts"].as_array()?.first()?;
    Some(Chosen { coupon: one.text("coupon").to_owned(), promotion_code: one.maybe("promotion_code").map(str::to_owned) })
}

fn check_discount(ctx: &Context, id: &str, session: &Value, chosen: &Chosen) -> Result<(), ApiError> {
    let items = checkout_rows::items(ctx, id);
    discounts::check(ctx, chosen, &Sale { items: &items, currency: session.text("currency"), customer: session.maybe("customer") })
}

/// The buyer enters a promotion code on the page.
///
/// # Errors
/// 400 if the session accepts none, or if the code does not exist, does not apply, or leaves too little to pay.
pub(crate) fn apply_code(ctx: &mut Context, id: &str, code: &str) -> Result<(), ApiError> {
    let session = ctx.fetch(Kind::CheckoutSession, id, "session")?;
    if session.text("status") != "open" || !session.flag("allow_promotion_codes") || session.maybe("payment_intent").is_some() {
        return Err(ApiError::invalid("This Checkout Session does not accept promotion codes."));
    }
    let invalid = || ApiError::invalid("This code is invalid.");
    let chosen = discounts::of_code(ctx, code).ok_or_else(invalid)?;
    check_discount(ctx, id, &session, &chosen)?;
    let account = ctx.account.clone();
    let (items, currency) = (checkout_rows::items(ctx, id), session.text("currency").to_owned());
    let items = discounts::take_off(ctx, &chosen, &Sale { items: &items, currency: &currency, customer: session.maybe("customer") });
    let off: i64 = items.iter().map(|item| item.int("amount_discount")).sum();
    let total = session.int("amount_subtotal") - off;
    if total > 0 {
        let data = ctx.state.hidden(&account, Kind::CheckoutSession, id, "intent").cloned().unwrap_or_default();
        let params = checkout_rows::intent_params(total, &currency, session.maybe("customer"), &Params::from_value(data));
        new_payment_intent::check(ctx, &params)?;
    }
    let mut details = session["total_details"].clone();
    details["amount_discount"] = off.into();
    ctx.state.hide(&account, Kind::CheckoutSession, id, "items", items.into());
    let changes = json!({
        "amount_total": total,
        "discounts": [{ "coupon": chosen.coupon, "promotion_code": chosen.promotion_code }],
        "payment_status": if total == 0 { "no_payment_required" } else { "unpaid" },
        "total_details": details,
    });
    ctx.set(Kind::CheckoutSession, id, changes);
    Ok(())
}

/// Nothing is left to pay, so the session ends without a PaymentIntent
/// (<https://docs.stripe.com/payments/checkout/no-cost-orders>).
fn end_free(ctx: &mut Context, id: &str) {
    let Some(session) = ctx.state.object(&ctx.account, Kind::CheckoutSession, id).cloned() else { return };
    let mut changes = json!({ "payment_status": "no_payment_required", "status": "complete", "url": null });
    if session.text("customer_creation") == "always" {
        changes["customer"] = checkout_rows::customer_of_page(ctx, &session).into();
    }
    ctx.set(Kind::CheckoutSession, id, changes);
    redeem(ctx, &session);
    ctx.emit("checkout.session.completed", Kind::CheckoutSession, id);
}

fn redeem(ctx: &mut Context, session: &Value) {
    if let Some(chosen) = chosen(session) {
        discounts::redeem(ctx, &chosen);
    }
}

pub(crate) fn not_open(session: &Value, what: &str) -> ApiError {
    ApiError::invalid(format!(
        "Only Checkout Sessions with a status in [\"open\"] can be {what}. This Checkout Session has a status of {}.",
        session.text("status")
    ))
}

/// Ends the session of a paid PaymentIntent, if it has one.
pub(crate) fn complete(ctx: &mut Context, intent: &str) {
    let Some((id, session)) = session_of(ctx, intent) else { return };
    if is_awaited(&session) {
        ctx.set(Kind::CheckoutSession, &id, json!({ "payment_status": "paid" }));
        ctx.emit("checkout.session.async_payment_succeeded", Kind::CheckoutSession, &id);
        return;
    }
    end(ctx, intent, &id, &session, "paid");
}

/// Whether a session has ended but its bank has not answered yet.
pub(crate) fn is_awaited(session: &Value) -> bool {
    session.text("status") == "complete" && session.text("payment_status") == "unpaid"
}

/// Ends the session of a PaymentIntent whose bank answers later.
pub(crate) fn processing(ctx: &mut Context, intent: &str) {
    if let Some((id, session)) = session_of(ctx, intent).filter(|(_, session)| session.text("status") == "open") {
        end(ctx, intent, &id, &session, "unpaid");
    }
}

/// The bank did not pay; the session stays complete.
pub(crate) fn payment_failed(ctx: &mut Context, intent: &str) {
    if let Some((id, _)) = session_of(ctx, intent).filter(|(_, session)| is_awaited(session)) {
        ctx.emit("checkout.session.async_payment_failed", Kind::CheckoutSession, &id);
    }
}

fn session_of(ctx: &Context, intent: &str) -> Option<(String, Value)> {
    let id = ctx.state.hidden(&ctx.account, Kind::PaymentIntent, intent, "session")?.as_str()?.to_owned();
    let session = ctx.state.object(&ctx.account, Kind::CheckoutSession, &id)?.clone();
    Some((id, session))
}

fn end(ctx: &mut Context, intent: &str, id: &str, session: &Value, payment_status: &str) {
    let mut changes = json!({ "payment_status": payment_status, "status": "complete", "url": null });
    if session.text("customer_creation") == "always" {
        let customer = checkout_rows::customer_of_page(ctx, session);
        ctx.set(Kind::PaymentIntent, intent, json!({ "customer": customer }));
        changes["customer"] = customer.into();
    }
    ctx.set(Kind::CheckoutSession, id, changes);
    redeem(ctx, session);
    ctx.emit("checkout.session.completed", Kind::CheckoutSession, id);
}

/// Ends the session of a succeeded SetupIntent, if it has one.
pub(crate) fn complete_setup(ctx: &mut Context, intent: &str) {
    let account = ctx.account.clone();
    let id = ctx.state.hidden(&account, Kind::SetupIntent, intent, "session").and_then(Value::as_str).map(str::to_owned);
    let Some(id) = id else { return };
    let Some(session) = ctx.state.object(&account, Kind::CheckoutSession, &id).cloned() else { return };
    let mut changes = json!({ "status": "complete", "url": null });
    if session.text("customer_creation") == "always" {
        let customer = checkout_rows::customer_of_page(ctx, &session);
        let method = ctx.state.object(&account, Kind::SetupIntent, intent).map(|intent| intent.text("payment_method").to_owned());
        // It was created for this page and belongs to nobody.
        let _ = payment_methods::attach_to(ctx, &method.unwrap_or_default(), &customer);
        ctx.set(Kind::SetupIntent, intent, json!({ "customer": customer }));
        changes["customer"] = customer.into();
    }
    ctx.set(Kind::CheckoutSession, &id, changes);
    ctx.emit("checkout.session.completed", Kind::CheckoutSession, &id);
}

/// Closes an open session without a payment, and ends what was started for it.
pub(crate) fn close(ctx: &mut Context, id: &str) {
    let account = ctx.account.clone();
    let Some(session) = ctx.state.object(&account, Kind::CheckoutSession, id).cloned() else { return };
    ctx.set(Kind::CheckoutSession, id, json!({ "status": "expired", "url": null }));
    if let Some(intent) = session.maybe("payment_intent") {
        payment_intents::cancel_intent(ctx, intent, Some("automatic"));
    }
    if let Some(intent) = session.maybe("setup_intent") {
        setup_intents::cancel_intent(ctx, intent, None);
    }
    checkout_subscribe::abandon(ctx, id);
    ctx.emit("checkout.session.expired", Kind::CheckoutSession, id);
}
