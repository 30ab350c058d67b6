//! SetupIntents: cards saved for later.

use serde_json::{Map, Value, json};

use crate::engine::customer_rows;
use crate::engine::new_payment_intent;
use crate::engine::payment_methods;
use crate::events::context::Context;
use crate::words::cards::{Authentication, TestCard, Verdict};
use crate::words::errors::ApiError;
use crate::words::ids::{new_id, random_text};
use crate::words::json::Fields;
use crate::words::kind::Kind;
use crate::words::params::Params;

pub(crate) const OPEN: [&str; 3] = ["requires_payment_method", "requires_confirmation", "requires_action"];

pub(crate) fn unexpected_state(intent: &Value, what: &str) -> ApiError {
    ApiError::invalid(format!("You cannot {what} this SetupIntent because it has a status of {}.", intent.text("status")))
        .code("setup_intent_unexpected_state")
        .with("setup_intent", intent.clone())
}

/// Creates a SetupIntent without confirming it.
///
/// # Errors
/// 400 if the customer or PaymentMethod cannot be used.
pub(crate) fn make(ctx: &mut Context, params: &Params) -> Result<String, ApiError> {
    let customer = params.text("customer").map(str::to_owned);
    if let Some(customer) = &customer {
        customer_rows::living(ctx, customer, "customer")?;
    }
    let method = method(ctx, params, customer.as_deref())?;
    let id = new_id("seti");
    new_payment_intent::check_types(params)?;
    let types = [params.texts("allowed_payment_method_types"), params.texts("payment_method_types")].concat();
    let redirects = params.object("automatic_payment_methods").text("allow_redirects").unwrap_or("always").to_owned();
    let object = json!({
        "id": id,
        "object": "setup_intent",
        "allowed_payment_method_types": new_payment_intent::allowed(params),
        "application": if ctx.is_connected() { ctx.client_id.as_str().into() } else { Value::Null },
        "automatic_payment_methods": if types.is_empty() { json!({ "allow_redirects": redirects, "enabled": true }) } else { Value::Null },
        "cancellation_reason": null,
        "client_secret": format!("{id}_secret_{}", random_text(25)),
        "created": ctx.now(),
        "customer": customer,
        "customer_account": null,
        "description": params.json("description"),
        "excluded_payment_method_types": null,
        "flow_directions": null,
        "last_setup_error": null,
        "latest_attempt": null,
        "livemode": false,
        "managed_payments": { "enabled": false },
        "mandate": null,
        "metadata": params.metadata(),
        "next_action": null,
        "on_behalf_of": params.json("on_behalf_of"),
        "payment_method": method,
        "payment_method_configuration_details": if types.is_empty() { new_payment_intent::configuration() } else { Value::Null },
        "payment_method_options": { "card": { "mandate_options": null, "network": null, "request_three_d_secure": "automatic" } },
        "payment_method_types": if types.is_empty() { vec!["card".to_owned()] } else { types },
        "single_use_mandate": null,
        "status": if method.is_some() { "requires_confirmation" } else { "requires_payment_method" },
        "usage": params.text("usage").unwrap_or("off_session"),
    });
    let account = ctx.account.clone();
    ctx.state.insert(&account, Kind::SetupIntent, object, Map::new());
    ctx.emit("setup_intent.created", Kind::SetupIntent, &id);
    Ok(id)
}

/// The PaymentMethod that the parameters name or describe.
pub(crate) fn method(ctx: &mut Context, params: &Params, customer: Option<&str>) -> Result<Option<String>, ApiError> {
    if params.has("payment_method_data") {
        return payment_methods::from_params(ctx, &params.object("payment_method_data")).map(Some);
    }
    let Some(id) = params.text("payment_method") else { return Ok(None) };
    let id = payment_methods::resolve(ctx, id, "payment_method")?;
    payment_methods::check_use(ctx, &id, customer)?;
    Ok(Some(id))
}

pub(crate) fn missing_method() -> ApiError {
    ApiError::invalid("You cannot confirm this SetupIntent because it's missing a payment method.").code("setup_intent_unexpected_state")
}

pub(crate) fn keep_return_url(ctx: &mut Context, id: &str, params: &Params) {
    if let Some(address) = params.text("return_url") {
        let account = ctx.account.clone();
        ctx.state.hide(&account, Kind::SetupIntent, id, "return_url", address.into());
    }
}

/// Tries to set up the card.
///
/// # Errors
/// 402 if the bank declines the card: the SetupIntent is then in `requires_payment_method`.
pub(crate) fn attempt(ctx: &mut Context, id: &str, authenticated: bool) -> Result<(), ApiError> {
    let intent = ctx.fetch(Kind::SetupIntent, id, "intent")?;
    let method = intent.text("payment_method").to_owned();
    ctx.set(Kind::SetupIntent, id, json!({ "latest_attempt": new_id("setatt") }));
    let card: TestCard =
        payment_methods::card(ctx, &method).ok_or_else(|| ApiError::no_such_param(Kind::PaymentMethod, &method, "payment_method"))?;
    let types: Vec<&str> = intent["payment_method_types"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if card.kind != "card" && intent["automatic_payment_methods"].is_null() && !types.contains(&card.kind) {
        return Err(ApiError::invalid(format!(
            "The PaymentMethod provided ({}) is not allowed for this SetupIntent. Please attach a PaymentMethod of one of the following types: {}.",
            card.kind,
            types.join(", ")
        ))
        .param("payment_method"));
    }
    if card.authentication != Authentication::Never && !authenticated {
        let page = format!("{}/3ds/{id}?client_secret={}", ctx.origin, intent.text("client_secret"));
        let action = match ctx.state.hidden(&ctx.account, Kind::SetupIntent, id, "return_url").cloned() {
            Some(back) => json!({ "redirect_to_url": { "return_url": back, "url": page }, "type": "redirect_to_url" }),
            None => json!({
                "type": "use_stripe_sdk",
                "use_stripe_sdk": { "source": new_id("src"), "stripe_js": page, "type": "three_d_secure_redirect" },
            }),
        };
        ctx.set(Kind::SetupIntent, id, json!({ "last_setup_error": null, "next_action": action, "status": "requires_action" }));
        ctx.emit("setup_intent.requires_action", Kind::SetupIntent, id);
        return Ok(());
    }
    match card.verdict {
        Verdict::Decline(decline) if card.declines_attach => Err(fail(ctx, id, decline.error())),
        _ => {
            succeed(ctx, id, &intent, &method);
            Ok(())
        }
    }
}

fn succeed(ctx: &mut Context, id: &str, intent: &Value, method: &str) {
    payment_methods::set_mark(ctx, method, "set_up");
    let attached = ctx.state.object(&ctx.account, Kind::PaymentMethod, method).is_some_and(|method| !method["customer"].is_null());
    if let Some(customer) = intent.maybe("customer").filter(|_| !attached) {
        // It exists and belongs to nobody, so nothing can fail.
        let _ = payment_methods::attach_to(ctx, method, customer);
    }
    ctx.set(Kind::SetupIntent, id, json!({ "last_setup_error": null, "next_action": null, "status": "succeeded" }));
    ctx.emit("setup_intent.succeeded", Kind::SetupIntent, id);
    ctx.follow(|after| after.set_up, id);
}

fn fail(ctx: &mut Context, id: &str, error: ApiError) -> ApiError {
    let account = ctx.account.clone();
    let intent = ctx.state.object(&account, Kind::SetupIntent, id).cloned().unwrap_or_default();
    let method = ctx.state.object(&account, Kind::PaymentMethod, intent.text("payment_method")).cloned();
    let error = match method {
        Some(method) => error.with("payment_method", method),
        None => error,
    };
    let changes = json!({
        "last_setup_error": error.fields(), "next_action": null, "payment_method": null, "status": "requires_payment_method",
    });
    ctx.set(Kind::SetupIntent, id, changes);
    ctx.emit("setup_intent.setup_failed", Kind::SetupIntent, id);
    let intent = ctx.state.object(&account, Kind::SetupIntent, id).cloned().unwrap_or_default();
    error.with("setup_intent", intent)
}

/// The cardholder answers the authentication request.
///
/// # Errors
/// 400 if none is pending.
pub(crate) fn authenticate(ctx: &mut Context, id: &str, succeeded: bool) -> Result<(), ApiError> {
    let intent = ctx.fetch(Kind::SetupIntent, id, "intent")?;
    if intent.text("status") != "requires_action" {
        return Err(unexpected_state(&intent, "authenticate"));
    }
    if succeeded {
        // A decline after authentication is recorded in the SetupIntent.
        let _ = attempt(ctx, id, true);
    } else {
        let error = ApiError::invalid(
            "The latest attempt to set up the payment method has failed because authentication failed. You can provide \
             payment_method_data or a new PaymentMethod to attempt to fulfill this SetupIntent again.",
        );
        fail(ctx, id, error.code("setup_intent_authentication_failure"));
    }
    Ok(())
}

/// Cancels a SetupIntent that is still open.
pub(crate) fn cancel_intent(ctx: &mut Context, id: &str, reason: Option<&str>) {
    ctx.set(Kind::SetupIntent, id, json!({ "cancellation_reason": reason, "next_action": null, "status": "canceled" }));
    ctx.emit("setup_intent.canceled", Kind::SetupIntent, id);
}
