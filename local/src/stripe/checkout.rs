//! Checkout Sessions with a hosted page: <https://docs.stripe.com/api/checkout/sessions>.

mod new;
pub(crate) mod subscribe;

use serde_json::{Value, json};

use super::cards::TestCard;
use super::context::Context;
use super::customers;
use super::errors::ApiError;
use super::list;
use super::params::Params;
use super::payment_intents;
use super::payment_methods::{self, New};
use super::payments::{self, Try};
use super::setup_intents;
use super::state::{Fields, Kind};

pub(crate) use new::{CREATE, create};

/// Parameters of `GET /v1/checkout/sessions`.
pub(crate) const LIST: &str = "created:range customer customer_account customer_details{email} payment_intent \
    payment_link status:(complete|expired|open) subscription";

/// What the PaymentIntent of a session is made with.
pub(super) fn intent_params(amount: i64, currency: &str, customer: Option<&str>, data: &Params) -> Params {
    let mut value = data.value().clone();
    if !value.is_object() {
        value = json!({});
    }
    value["amount"] = amount.into();
    value["currency"] = currency.into();
    if let Some(customer) = customer {
        value["customer"] = customer.into();
    }
    Params::from_value(value)
}

/// What a session sells.
pub(crate) fn items(ctx: &Context, id: &str) -> Vec<Value> {
    let account = ctx.state.owner_of(Kind::CheckoutSession, id).unwrap_or_else(|| ctx.account.clone());
    let items = ctx.state.hidden(&account, Kind::CheckoutSession, id, "items");
    items.and_then(Value::as_array).cloned().unwrap_or_default()
}

/// What the person at the page typed.
#[derive(Clone, Debug)]
pub(crate) struct Payment<'a> {
    pub(crate) card: TestCard,
    pub(crate) exp_month: i64,
    pub(crate) exp_year: i64,
    pub(crate) email: Option<&'a str>,
}

/// Pays a session of the account acted on: the id of its PaymentIntent or SetupIntent, empty where nothing was due.
///
/// # Errors
/// 400 for a session that is not open; 402 for a decline, after which it is still open.
pub(crate) fn pay(ctx: &mut Context, id: &str, payment: &Payment) -> Result<String, ApiError> {
    let session = ctx.fetch(Kind::CheckoutSession, id, "session")?;
    if session.text("status") != "open" {
        return Err(not_open(&session, "paid"));
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
    let mut billing = details["address"].clone();
    billing = json!({
        "address": billing.take(), "email": details["email"], "name": details["name"], "phone": null, "tax_id": null,
    });
    let method = payment_methods::make(
        ctx,
        &New { exp_month: payment.exp_month, exp_year: payment.exp_year, billing, allow_redisplay: "limited", ..New::plain(payment.card) },
    );
    if session.text("mode") == "subscription" {
        return subscribe::pay(ctx, id, &method);
    }
    let intent = match session.maybe("payment_intent").or(session.maybe("setup_intent")) {
        Some(intent) => intent.to_owned(),
        None => {
            let data = ctx.state.hidden(&account, Kind::CheckoutSession, id, "intent").cloned().unwrap_or_default();
            let customer = session.maybe("customer");
            let params = intent_params(session.int("amount_total"), session.text("currency"), customer, &Params::from_value(data));
            let intent = payment_intents::make(ctx, &params)?;
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

fn not_open(session: &Value, what: &str) -> ApiError {
    ApiError::invalid(format!(
        "Only Checkout Sessions with a status in [\"open\"] can be {what}. This Checkout Session has a status of {}.",
        session.text("status")
    ))
}

/// Ends the session of a PaymentIntent that was paid, if it has one.
pub(crate) fn complete(ctx: &mut Context, intent: &str) {
    let account = ctx.account.clone();
    let Some(id) = ctx.state.hidden(&account, Kind::PaymentIntent, intent, "session").and_then(Value::as_str) else {
        return;
    };
    let id = id.to_owned();
    let Some(session) = ctx.state.object(&account, Kind::CheckoutSession, &id).cloned() else { return };
    let mut changes = json!({ "payment_status": "paid", "status": "complete", "url": null });
    if session.text("customer_creation") == "always" {
        let customer = customer_of_page(ctx, &session);
        ctx.set(Kind::PaymentIntent, intent, json!({ "customer": customer }));
        changes["customer"] = customer.into();
    }
    ctx.set(Kind::CheckoutSession, &id, changes);
    ctx.emit("checkout.session.completed", Kind::CheckoutSession, &id);
}

/// Ends the session of a SetupIntent that succeeded, if it has one.
pub(crate) fn complete_setup(ctx: &mut Context, intent: &str) {
    let account = ctx.account.clone();
    let id = ctx.state.hidden(&account, Kind::SetupIntent, intent, "session").and_then(Value::as_str).map(str::to_owned);
    let Some(id) = id else { return };
    let Some(session) = ctx.state.object(&account, Kind::CheckoutSession, &id).cloned() else { return };
    let mut changes = json!({ "status": "complete", "url": null });
    if session.text("customer_creation") == "always" {
        let customer = customer_of_page(ctx, &session);
        let method = ctx.state.object(&account, Kind::SetupIntent, intent).map(|intent| intent.text("payment_method").to_owned());
        // It was made for this page and belongs to nobody.
        let _ = payment_methods::attach_to(ctx, &method.unwrap_or_default(), &customer);
        ctx.set(Kind::SetupIntent, intent, json!({ "customer": customer }));
        changes["customer"] = customer.into();
    }
    ctx.set(Kind::CheckoutSession, &id, changes);
    ctx.emit("checkout.session.completed", Kind::CheckoutSession, &id);
}

/// The customer that the page's details make.
fn customer_of_page(ctx: &mut Context, session: &Value) -> String {
    let details = &session["customer_details"];
    let params = Params::from_value(json!({ "email": details["email"], "name": details["name"] }));
    customers::make(ctx, &params)
}

/// Ends an open session without a payment, and what was begun for it.
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
    subscribe::abandon(ctx, id);
    ctx.emit("checkout.session.expired", Kind::CheckoutSession, id);
}

/// `GET /v1/checkout/sessions/{id}`
pub(crate) fn retrieve(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    ctx.fetch(Kind::CheckoutSession, path[0], "session")
}

/// `POST /v1/checkout/sessions/{id}`
pub(crate) fn update(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let before = ctx.fetch(Kind::CheckoutSession, path[0], "session")?;
    ctx.set(Kind::CheckoutSession, path[0], json!({ "metadata": params.merged_metadata(&before["metadata"]) }));
    ctx.fetch(Kind::CheckoutSession, path[0], "session")
}

/// `POST /v1/checkout/sessions/{id}/expire`
pub(crate) fn expire(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    let session = ctx.fetch(Kind::CheckoutSession, path[0], "session")?;
    if session.text("status") != "open" {
        return Err(not_open(&session, "expired"));
    }
    close(ctx, path[0]);
    ctx.fetch(Kind::CheckoutSession, path[0], "session")
}

/// `GET /v1/checkout/sessions/{id}/line_items`
pub(crate) fn line_items(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    ctx.fetch(Kind::CheckoutSession, path[0], "session")?;
    let url = format!("/v1/checkout/sessions/{}/line_items", path[0]);
    list::page_of(Kind::CheckoutSession, &items(ctx, path[0]), params, &url)
}

/// `GET /v1/checkout/sessions`
pub(crate) fn index(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let email = params.object("customer_details").text("email").map(str::to_owned);
    let elsewhere = params.has("payment_link");
    list::page(ctx, Kind::CheckoutSession, params, "/v1/checkout/sessions", |row| {
        !elsewhere
            && ["customer", "payment_intent", "status", "subscription"]
                .iter()
                .all(|name| params.text(name).is_none_or(|wanted| row.text(name) == wanted))
            && email.as_deref().is_none_or(|email| row["customer_details"].text("email") == email)
    })
}
