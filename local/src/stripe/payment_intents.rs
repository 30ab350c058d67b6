//! PaymentIntents: <https://docs.stripe.com/api/payment_intents>.

mod new;
mod parameters;

use serde_json::{Value, json};

use super::context::Context;
use super::customers;
use super::errors::ApiError;
use super::list;
use super::money;
use super::params::Params;
use super::payments::{self, Try};
use super::state::{Fields, Kind};

pub(crate) use new::{check, make};
use new::{check_fee, method, shipping, types};
pub(crate) use parameters::{CANCEL, CAPTURE, CONFIRM, CREATE, UPDATE};

/// Where a payment can still be changed.
const OPEN: [&str; 3] = ["requires_payment_method", "requires_confirmation", "requires_action"];

fn unexpected_state(intent: &Value, message: String) -> ApiError {
    ApiError::invalid(message).code("payment_intent_unexpected_state").with("payment_intent", intent.clone())
}

/// `POST /v1/payment_intents`
pub(crate) fn create(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let confirm = params.is("confirm");
    for name in ["return_url", "off_session", "error_on_requires_action", "mandate_data"] {
        if !confirm && params.has(name) {
            return Err(ApiError::invalid(format!(
                "The parameter `{name}` cannot be passed when creating a PaymentIntent unless `confirm` is set to true."
            ))
            .param(name));
        }
    }
    if confirm {
        // Before anything is made: a refusal leaves nothing behind.
        if !params.has("payment_method") && !params.has("payment_method_data") && !params.has("confirmation_token") {
            return Err(ApiError::invalid(
                "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the \
                 PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a \
                 payment method or ConfirmationToken.",
            )
            .code("payment_intent_unexpected_state"));
        }
        let automatic = params.object("automatic_payment_methods");
        let off = params.has("automatic_payment_methods") && !automatic.is("enabled");
        let redirects = !off && automatic.text("allow_redirects") != Some("never") && types(params).is_empty();
        if redirects && params.text("return_url").is_none() {
            return Err(needs_return_url());
        }
    }
    let id = make(ctx, params)?;
    if confirm {
        confirm_intent(ctx, &id, params)?;
    }
    ctx.fetch(Kind::PaymentIntent, &id, "intent")
}

fn needs_return_url() -> ApiError {
    ApiError::invalid(
        "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. Because some of these \
         payment methods might redirect your customer off of your page, you must provide a `return_url`. If you don't \
         want to accept redirect-based payment methods, set `automatic_payment_methods[enabled]` to `true` and \
         `automatic_payment_methods[allow_redirects]` to `never` when creating Setup Intents and Payment Intents.",
    )
    .param("return_url")
}

/// Confirms a stored PaymentIntent.
fn confirm_intent(ctx: &mut Context, id: &str, params: &Params) -> Result<(), ApiError> {
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
        // Created and confirmed in one call: the PaymentMethod is there already.
        Some(_) if params.is("confirm") => Ok(None),
        _ => method(ctx, params, intent.maybe("customer")),
    }
}

/// `GET /v1/payment_intents/{id}`: with a publishable key the client secret is needed.
pub(crate) fn retrieve(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let intent = ctx.fetch(Kind::PaymentIntent, path[0], "intent")?;
    check_client_secret(ctx, &intent, params)?;
    Ok(intent)
}

fn check_client_secret(ctx: &Context, intent: &Value, params: &Params) -> Result<(), ApiError> {
    let given = params.text("client_secret");
    let wrong = given.is_some_and(|secret| secret != intent.text("client_secret"));
    if wrong || (ctx.browser && given.is_none()) {
        return Err(ApiError::invalid("The client_secret provided does not match the client_secret of this object.").param("client_secret"));
    }
    Ok(())
}

/// `GET /v1/payment_intents`
pub(crate) fn index(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let customer = params.text("customer").map(str::to_owned);
    list::page(ctx, Kind::PaymentIntent, params, "/v1/payment_intents", |row| {
        customer.as_deref().is_none_or(|customer| row["customer"] == customer)
    })
}

/// `POST /v1/payment_intents/{id}/confirm`
pub(crate) fn confirm(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let intent = ctx.fetch(Kind::PaymentIntent, path[0], "intent")?;
    check_client_secret(ctx, &intent, params)?;
    refuse_of_checkout(ctx, path[0])?;
    let status = intent.text("status");
    if !OPEN.contains(&status) {
        let why = match status {
            "succeeded" => "it has already succeeded after being previously confirmed",
            "canceled" => "it has a status of canceled",
            _ => "it has already been confirmed and its funds are to be captured",
        };
        return Err(unexpected_state(&intent, format!("You cannot confirm this PaymentIntent because {why}.")));
    }
    if let Some(expected) = params.int("amount_to_confirm").filter(|amount| *amount != intent.int("amount")) {
        return Err(ApiError::invalid(format!(
            "The amount_to_confirm ({expected}) does not match the amount of this PaymentIntent ({}).",
            intent.int("amount")
        ))
        .param("amount_to_confirm"));
    }
    confirm_intent(ctx, path[0], params)?;
    ctx.fetch(Kind::PaymentIntent, path[0], "intent")
}

/// `POST /v1/payment_intents/{id}`
pub(crate) fn update(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let intent = ctx.fetch(Kind::PaymentIntent, path[0], "intent")?;
    let id = path[0];
    let mut changes = json!({ "metadata": params.merged_metadata(&intent["metadata"]) });
    // These can be changed at any time; the rest only before the payment is made.
    for name in ["description", "receipt_email"] {
        if params.has(name) {
            changes[name] = params.json(name);
        }
    }
    let restricted = [
        "amount",
        "application_fee_amount",
        "currency",
        "customer",
        "payment_method",
        "payment_method_data",
        "setup_future_usage",
        "shipping",
        "statement_descriptor",
        "statement_descriptor_suffix",
        "transfer_data",
        "transfer_group",
        "capture_method",
    ];
    if let Some(name) = restricted.iter().find(|name| params.has(name)) {
        refuse_of_checkout(ctx, id)?;
        if !OPEN.contains(&intent.text("status")) {
            return Err(unexpected_state(
                &intent,
                format!(
                    "This PaymentIntent's {name} could not be updated because it has a status of {}. You may only update \
                     the {name} of a PaymentIntent with one of the following statuses: {}.",
                    intent.text("status"),
                    OPEN.join(", ")
                ),
            ));
        }
    }
    for name in ["setup_future_usage", "statement_descriptor", "statement_descriptor_suffix", "transfer_group", "capture_method"] {
        if params.has(name) {
            changes[name] = params.json(name);
        }
    }
    if params.has("shipping") {
        changes["shipping"] = shipping(params);
    }
    let amount = params.int("amount").unwrap_or(intent.int("amount"));
    let currency = match params.text("currency") {
        Some(code) => money::currency(code, "currency")?,
        None => intent.text("currency").to_owned(),
    };
    money::check_charge(amount, &currency, "amount")?;
    let fee = match params.int("application_fee_amount") {
        Some(fee) => Some(fee),
        None => intent["application_fee_amount"].as_i64(),
    };
    if let Some(fee) = fee {
        check_fee(ctx, fee, amount, intent["transfer_data"].is_object())?;
    }
    changes["amount"] = amount.into();
    changes["currency"] = currency.into();
    changes["application_fee_amount"] = fee.into();
    if let Some(customer) = params.text("customer") {
        customers::living(ctx, customer, "customer")?;
        changes["customer"] = customer.into();
    }
    if let Some(part) = params.object("transfer_data").int("amount") {
        changes["transfer_data"] = intent["transfer_data"].clone();
        changes["transfer_data"]["amount"] = part.into();
    }
    let customer = changes.maybe("customer").or(intent.maybe("customer")).map(str::to_owned);
    if let Some(method) = method(ctx, params, customer.as_deref())? {
        changes["payment_method"] = method.into();
        changes["status"] = "requires_confirmation".into();
        changes["next_action"] = Value::Null;
    }
    ctx.set(Kind::PaymentIntent, id, changes);
    ctx.fetch(Kind::PaymentIntent, id, "intent")
}

/// What belongs to a Checkout Session is changed through it.
fn refuse_of_checkout(ctx: &Context, id: &str) -> Result<(), ApiError> {
    match ctx.state.hidden(&ctx.account, Kind::PaymentIntent, id, "session") {
        Some(_) => Err(ApiError::invalid("You cannot perform this action on PaymentIntents created by Checkout.")
            .code("payment_intent_unexpected_state")),
        None => Ok(()),
    }
}

/// `POST /v1/payment_intents/{id}/capture`
pub(crate) fn capture(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let intent = ctx.fetch(Kind::PaymentIntent, path[0], "intent")?;
    if intent.text("status") != "requires_capture" {
        return Err(unexpected_state(
            &intent,
            format!(
                "This PaymentIntent could not be captured because it has a status of {}. Only a PaymentIntent with one \
                 of the following statuses may be captured: requires_capture.",
                intent.text("status")
            ),
        ));
    }
    let amount = params.int("amount_to_capture").unwrap_or(intent.int("amount_capturable"));
    if amount < 1 || amount > intent.int("amount_capturable") {
        return Err(ApiError::invalid("The amount to capture must be between 1 and the capturable amount.")
            .code("amount_too_large")
            .param("amount_to_capture"));
    }
    let mut changes = json!({ "metadata": params.merged_metadata(&intent["metadata"]) });
    if let Some(fee) = params.int("application_fee_amount") {
        check_fee(ctx, fee, amount, intent["transfer_data"].is_object())?;
        changes["application_fee_amount"] = fee.into();
    }
    ctx.set(Kind::PaymentIntent, path[0], changes);
    payments::collect(ctx, path[0], intent.text("latest_charge"), amount, "charge.captured");
    ctx.fetch(Kind::PaymentIntent, path[0], "intent")
}

/// `POST /v1/payment_intents/{id}/cancel`
pub(crate) fn cancel(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let intent = ctx.fetch(Kind::PaymentIntent, path[0], "intent")?;
    refuse_of_checkout(ctx, path[0])?;
    let status = intent.text("status");
    if status == "succeeded" || status == "canceled" {
        return Err(unexpected_state(
            &intent,
            format!(
                "You cannot cancel this PaymentIntent because it has a status of {status}. Only a PaymentIntent with one \
                 of the following statuses may be canceled: requires_payment_method, requires_capture, \
                 requires_confirmation, requires_action, processing."
            ),
        ));
    }
    cancel_intent(ctx, path[0], params.text("cancellation_reason"));
    ctx.fetch(Kind::PaymentIntent, path[0], "intent")
}

/// Cancels a PaymentIntent that may be canceled, and lets an authorised card go.
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
