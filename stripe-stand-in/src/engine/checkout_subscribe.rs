//! Checkout in subscription mode: the page's card pays the first invoice.

use serde_json::{Value, json};

use crate::engine::billing::cycle;
use crate::engine::billing::invoices;
use crate::engine::billing::subscriptions;
use crate::engine::checkout_rows::{customer_of_page, items};
use crate::engine::customer_rows::now_of;
use crate::engine::payment_methods;
use crate::events::context::Context;
use crate::words::errors::ApiError;
use crate::words::json::Fields;
use crate::words::kind::Kind;
use crate::words::params::Params;

fn hidden(ctx: &Context, session: &str, name: &str) -> Option<String> {
    Some(ctx.state.hidden(&ctx.account, Kind::CheckoutSession, session, name)?.as_str()?.to_owned())
}

/// Subscribes with a card that belongs to nobody yet. Returns the id of the PaymentIntent; empty if nothing was due.
///
/// # Errors
/// 402 for a decline, after which another card can be tried.
pub(crate) fn pay(ctx: &mut Context, id: &str, method: &str) -> Result<String, ApiError> {
    let account = ctx.account.clone();
    let session = ctx.fetch(Kind::CheckoutSession, id, "session")?;
    let customer = match session.maybe("customer").map(str::to_owned).or_else(|| hidden(ctx, id, "customer")) {
        Some(customer) => customer,
        None => {
            let customer = customer_of_page(ctx, &session);
            ctx.state.hide(&account, Kind::CheckoutSession, id, "customer", customer.as_str().into());
            customer
        }
    };
    // A declined card is not saved.
    payment_methods::check_attach(ctx, method, "payment_method")?;
    payment_methods::attach_to(ctx, method, &customer)?;
    let subscription = match hidden(ctx, id, "subscription") {
        Some(subscription) => subscription,
        None => begin(ctx, id, &customer, method)?,
    };
    ctx.set(Kind::Subscription, &subscription, json!({ "default_payment_method": method }));
    let object = ctx.fetch(Kind::Subscription, &subscription, "subscription")?;
    let invoice = object.text("latest_invoice").to_owned();
    let Some(intent) = invoices::intent_of(ctx, &invoice) else { return Ok(String::new()) };
    let back = format!("{}/c/pay/{id}", ctx.origin);
    ctx.state.hide(&account, Kind::PaymentIntent, &intent, "return_url", back.into());
    let now = now_of(ctx, &customer);
    invoices::pay(ctx, &invoice, Some(method), true, now)?;
    Ok(intent)
}

/// Creates the subscription, incomplete until its first invoice is paid.
fn begin(ctx: &mut Context, id: &str, customer: &str, method: &str) -> Result<String, ApiError> {
    let account = ctx.account.clone();
    let mut form = ctx.state.hidden(&account, Kind::CheckoutSession, id, "subscription_data").cloned().unwrap_or_default();
    if !form.is_object() {
        form = json!({});
    }
    form["items"] = items(ctx, id).iter().map(|item| json!({ "price": item["price"]["id"], "quantity": item["quantity"] })).collect();
    form["default_payment_method"] = method.into();
    let subscription = subscriptions::make(ctx, &Params::from_value(form), customer)?;
    ctx.state.hide(&account, Kind::CheckoutSession, id, "subscription", subscription.as_str().into());
    ctx.state.hide(&account, Kind::Subscription, &subscription, "session", id.into());
    let invoice = ctx.fetch(Kind::Subscription, &subscription, "subscription")?.text("latest_invoice").to_owned();
    let now = now_of(ctx, customer);
    subscriptions::begin(ctx, &subscription, &invoice, false, now)?;
    Ok(subscription)
}

/// Ends the open session of a paid subscription, if it has one.
pub(crate) fn complete(ctx: &mut Context, subscription: &str) {
    let account = ctx.account.clone();
    let id = ctx.state.hidden(&account, Kind::Subscription, subscription, "session").and_then(Value::as_str).map(str::to_owned);
    let Some(id) = id else { return };
    let Some(session) = ctx.state.object(&account, Kind::CheckoutSession, &id).cloned() else { return };
    if session.text("status") == "complete" && session.text("payment_status") == "unpaid" {
        ctx.set(Kind::CheckoutSession, &id, json!({ "payment_status": "paid" }));
        ctx.emit("checkout.session.async_payment_succeeded", Kind::CheckoutSession, &id);
    }
    if session.text("status") == "open" {
        end(ctx, &id, subscription, None);
    }
}

/// The session of the subscription whose first invoice a PaymentIntent pays.
fn session_of(ctx: &Context, intent: &str) -> Option<(String, String, Value)> {
    let invoice = ctx.state.hidden(&ctx.account, Kind::PaymentIntent, intent, "invoice")?.as_str()?;
    let invoice = ctx.state.object(&ctx.account, Kind::Invoice, invoice)?;
    let subscription = invoices::subscription_of(invoice);
    let id = ctx.state.hidden(&ctx.account, Kind::Subscription, &subscription, "session")?.as_str()?.to_owned();
    let session = ctx.state.object(&ctx.account, Kind::CheckoutSession, &id)?.clone();
    Some((id, subscription, session))
}

/// Ends the session of a subscription whose first payment is waiting for a bank.
pub(crate) fn processing(ctx: &mut Context, intent: &str) {
    if let Some((id, subscription, _)) = session_of(ctx, intent).filter(|(_, _, session)| session.text("status") == "open") {
        end(ctx, &id, &subscription, Some("unpaid"));
    }
}

/// The bank did not pay the first invoice; the session stays complete.
pub(crate) fn payment_failed(ctx: &mut Context, intent: &str) {
    let unpaid = |session: &Value| session.text("status") == "complete" && session.text("payment_status") == "unpaid";
    if let Some((id, _, _)) = session_of(ctx, intent).filter(|(_, _, session)| unpaid(session)) {
        ctx.emit("checkout.session.async_payment_failed", Kind::CheckoutSession, &id);
    }
}

fn end(ctx: &mut Context, id: &str, subscription: &str, payment_status: Option<&str>) {
    let account = ctx.account.clone();
    let Some(object) = ctx.state.object(&account, Kind::Subscription, subscription).cloned() else { return };
    let usual = if object.text("status") == "trialing" { "no_payment_required" } else { "paid" };
    let changes = json!({
        "customer": object["customer"],
        "invoice": object["latest_invoice"],
        "payment_status": payment_status.unwrap_or(usual),
        "status": "complete",
        "subscription": subscription,
        "url": null,
    });
    ctx.set(Kind::CheckoutSession, id, changes);
    ctx.emit("checkout.session.completed", Kind::CheckoutSession, id);
}

/// Ends what was started for an expired session.
pub(crate) fn abandon(ctx: &mut Context, id: &str) {
    if let Some(subscription) = hidden(ctx, id, "subscription") {
        let now = ctx.now();
        cycle::expire(ctx, &subscription, now);
    }
}

/// Why the last card failed.
pub(crate) fn last_error(ctx: &Context, id: &str) -> Option<String> {
    let subscription = hidden(ctx, id, "subscription")?;
    let object = ctx.state.object(&ctx.account, Kind::Subscription, &subscription)?;
    let intent = invoices::intent_of(ctx, object.text("latest_invoice"))?;
    let intent = ctx.state.object(&ctx.account, Kind::PaymentIntent, &intent)?;
    intent["last_payment_error"].maybe("message").map(str::to_owned)
}
