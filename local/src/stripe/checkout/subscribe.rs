//! Checkout in subscription mode: the page's card pays the first invoice.

use serde_json::{Value, json};

use super::{customer_of_page, items};
use crate::stripe::billing::{cycle, invoices, now_of, subscriptions};
use crate::stripe::context::Context;
use crate::stripe::errors::ApiError;
use crate::stripe::params::Params;
use crate::stripe::payment_methods;
use crate::stripe::state::{Fields, Kind};

fn hidden(ctx: &Context, session: &str, name: &str) -> Option<String> {
    Some(ctx.state.hidden(&ctx.account, Kind::CheckoutSession, session, name)?.as_str()?.to_owned())
}

/// Subscribes with a card that belongs to nobody yet: the id of the PaymentIntent, empty where nothing was due.
///
/// # Errors
/// 402 for a decline, after which another card can be tried.
pub(super) fn pay(ctx: &mut Context, id: &str, method: &str) -> Result<String, ApiError> {
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
    // A card that its bank declines is not kept.
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

/// Makes the subscription, incomplete until its first invoice is paid.
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

/// Ends the session of a subscription that was paid for, if it has one that is open.
pub(crate) fn complete(ctx: &mut Context, subscription: &str) {
    let account = ctx.account.clone();
    let id = ctx.state.hidden(&account, Kind::Subscription, subscription, "session").and_then(Value::as_str).map(str::to_owned);
    let Some(id) = id else { return };
    let open = ctx.state.object(&account, Kind::CheckoutSession, &id).is_some_and(|session| session.text("status") == "open");
    let Some(object) = ctx.state.object(&account, Kind::Subscription, subscription).cloned().filter(|_| open) else { return };
    let changes = json!({
        "customer": object["customer"],
        "invoice": object["latest_invoice"],
        "payment_status": if object.text("status") == "trialing" { "no_payment_required" } else { "paid" },
        "status": "complete",
        "subscription": subscription,
        "url": null,
    });
    ctx.set(Kind::CheckoutSession, &id, changes);
    ctx.emit("checkout.session.completed", Kind::CheckoutSession, &id);
}

/// Ends what was begun for a session that expired.
pub(super) fn abandon(ctx: &mut Context, id: &str) {
    if let Some(subscription) = hidden(ctx, id, "subscription") {
        let now = ctx.now();
        cycle::expire(ctx, &subscription, now);
    }
}

/// Why the last card did not pay.
pub(crate) fn last_error(ctx: &Context, id: &str) -> Option<String> {
    let subscription = hidden(ctx, id, "subscription")?;
    let object = ctx.state.object(&ctx.account, Kind::Subscription, &subscription)?;
    let intent = invoices::intent_of(ctx, object.text("latest_invoice"))?;
    let intent = ctx.state.object(&ctx.account, Kind::PaymentIntent, &intent)?;
    intent["last_payment_error"].maybe("message").map(str::to_owned)
}
