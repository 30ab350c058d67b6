//! SetupIntents: cards kept for later (<https://docs.stripe.com/api/setup_intents>).

use serde_json::{Map, Value, json};

use super::cards::{Authentication, TestCard, Verdict};
use super::context::Context;
use super::customers;
use super::errors::ApiError;
use super::list;
use super::params::Params;
use super::payment_methods;
use super::state::{Fields, Kind, new_id, random_text};

/// Parameters of `POST /v1/setup_intents`. `payment_method_types` is what older SDKs send.
pub(crate) const CREATE: &str = "allowed_payment_method_types[] attach_to_self:b \
    automatic_payment_methods{allow_redirects:(always|never) enabled:b} confirm:b confirmation_token customer \
    customer_account description excluded_payment_method_types[] flow_directions[] mandate_data:any metadata:m \
    on_behalf_of payment_method payment_method_configuration payment_method_data{type allow_redisplay \
    billing_details{address{city country line1 line2 postal_code state} email name phone tax_id} card{token number \
    exp_month:i exp_year:i cvc} metadata:m radar_options:any} payment_method_options:any payment_method_types[] \
    return_url single_use:any usage:(off_session|on_session) use_stripe_sdk:b";

/// Parameters of `POST /v1/setup_intents/{id}`.
pub(crate) const UPDATE: &str = "allowed_payment_method_types[] attach_to_self:b customer customer_account description \
    excluded_payment_method_types[] flow_directions[] metadata:m payment_method payment_method_configuration \
    payment_method_data:any payment_method_options:any payment_method_types[]";

/// Parameters of `POST /v1/setup_intents/{id}/confirm`.
pub(crate) const CONFIRM: &str = "confirmation_token mandate_data:any payment_method payment_method_data{type \
    allow_redisplay billing_details{address{city country line1 line2 postal_code state} email name phone tax_id} \
    card{token number exp_month:i exp_year:i cvc} metadata:m radar_options:any} payment_method_options:any return_url \
    use_stripe_sdk:b";

const OPEN: [&str; 3] = ["requires_payment_method", "requires_confirmation", "requires_action"];

fn unexpected_state(intent: &Value, what: &str) -> ApiError {
    ApiError::invalid(format!("You cannot {what} this SetupIntent because it has a status of {}.", intent.text("status")))
        .code("setup_intent_unexpected_state")
        .with("setup_intent", intent.clone())
}

/// Makes a SetupIntent without confirming it.
///
/// # Errors
/// 400 for a customer or a PaymentMethod that cannot be used.
pub(crate) fn make(ctx: &mut Context, params: &Params) -> Result<String, ApiError> {
    let customer = params.text("customer").map(str::to_owned);
    if let Some(customer) = &customer {
        customers::living(ctx, customer, "customer")?;
    }
    let method = method(ctx, params, customer.as_deref())?;
    let id = new_id("seti");
    let types = [params.texts("allowed_payment_method_types"), params.texts("payment_method_types")].concat();
    let redirects = params.object("automatic_payment_methods").text("allow_redirects").unwrap_or("always").to_owned();
    let object = json!({
        "id": id,
        "object": "setup_intent",
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
        "mandate": null,
        "metadata": params.metadata(),
        "next_action": null,
        "on_behalf_of": params.json("on_behalf_of"),
        "payment_method": method,
        "payment_method_configuration_details": null,
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
fn method(ctx: &mut Context, params: &Params, customer: Option<&str>) -> Result<Option<String>, ApiError> {
    if params.has("payment_method_data") {
        let data = payment_methods::create(ctx, &[], &params.object("payment_method_data"))?;
        return Ok(Some(data.text("id").to_owned()));
    }
    let Some(id) = params.text("payment_method") else { return Ok(None) };
    let id = payment_methods::resolve(ctx, id, "payment_method")?;
    payment_methods::check_use(ctx, &id, customer)?;
    Ok(Some(id))
}

/// `POST /v1/setup_intents`
pub(crate) fn create(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let confirm = params.is("confirm");
    if !confirm && params.has("return_url") {
        return Err(ApiError::invalid(
            "The parameter `return_url` cannot be passed when creating a SetupIntent unless `confirm` is set to true.",
        )
        .param("return_url"));
    }
    if confirm && !params.has("payment_method") && !params.has("payment_method_data") {
        return Err(missing_method());
    }
    let id = make(ctx, params)?;
    if confirm {
        keep_return_url(ctx, &id, params);
        attempt(ctx, &id, false)?;
    }
    ctx.fetch(Kind::SetupIntent, &id, "intent")
}

fn missing_method() -> ApiError {
    ApiError::invalid("You cannot confirm this SetupIntent because it's missing a payment method.").code("setup_intent_unexpected_state")
}

fn keep_return_url(ctx: &mut Context, id: &str, params: &Params) {
    if let Some(address) = params.text("return_url") {
        let account = ctx.account.clone();
        ctx.state.hide(&account, Kind::SetupIntent, id, "return_url", address.into());
    }
}

/// Tries to set the card up.
///
/// # Errors
/// 402 for a card that its bank declines: the SetupIntent is then in `requires_payment_method`.
pub(crate) fn attempt(ctx: &mut Context, id: &str, authenticated: bool) -> Result<(), ApiError> {
    let intent = ctx.fetch(Kind::SetupIntent, id, "intent")?;
    let method = intent.text("payment_method").to_owned();
    let card: TestCard =
        payment_methods::card(ctx, &method).ok_or_else(|| ApiError::no_such_param(Kind::PaymentMethod, &method, "payment_method"))?;
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
        // It exists and belongs to nobody: nothing to refuse.
        let _ = payment_methods::attach_to(ctx, method, customer);
    }
    ctx.set(Kind::SetupIntent, id, json!({ "last_setup_error": null, "next_action": null, "status": "succeeded" }));
    ctx.emit("setup_intent.succeeded", Kind::SetupIntent, id);
    super::checkout::complete_setup(ctx, id);
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

/// The cardholder has answered the bank's question.
///
/// # Errors
/// 400 where there is no question open.
pub(crate) fn authenticate(ctx: &mut Context, id: &str, succeeded: bool) -> Result<(), ApiError> {
    let intent = ctx.fetch(Kind::SetupIntent, id, "intent")?;
    if intent.text("status") != "requires_action" {
        return Err(unexpected_state(&intent, "authenticate"));
    }
    if succeeded {
        // A decline after authentication is in the SetupIntent.
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

/// `GET /v1/setup_intents/{id}`: with a publishable key the client secret is needed.
pub(crate) fn retrieve(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let intent = ctx.fetch(Kind::SetupIntent, path[0], "intent")?;
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

/// `POST /v1/setup_intents/{id}/confirm`
pub(crate) fn confirm(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let id = path[0];
    let intent = ctx.fetch(Kind::SetupIntent, id, "intent")?;
    check_client_secret(ctx, &intent, params)?;
    if !OPEN.contains(&intent.text("status")) {
        return Err(unexpected_state(&intent, "confirm"));
    }
    match method(ctx, params, intent.maybe("customer"))? {
        Some(method) => ctx.set(Kind::SetupIntent, id, json!({ "payment_method": method })),
        None if intent["payment_method"].is_null() => return Err(missing_method()),
        None => {}
    }
    keep_return_url(ctx, id, params);
    attempt(ctx, id, false)?;
    ctx.fetch(Kind::SetupIntent, id, "intent")
}

/// `POST /v1/setup_intents/{id}`
pub(crate) fn update(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let id = path[0];
    let intent = ctx.fetch(Kind::SetupIntent, id, "intent")?;
    let mut changes = json!({ "metadata": params.merged_metadata(&intent["metadata"]) });
    if params.has("description") {
        changes["description"] = params.json("description");
    }
    if params.has("customer") || params.has("payment_method") {
        if !OPEN.contains(&intent.text("status")) {
            return Err(unexpected_state(&intent, "update"));
        }
        if let Some(customer) = params.text("customer") {
            customers::living(ctx, customer, "customer")?;
            changes["customer"] = customer.into();
        }
        let customer = changes.maybe("customer").or(intent.maybe("customer")).map(str::to_owned);
        if let Some(method) = method(ctx, params, customer.as_deref())? {
            changes["payment_method"] = method.into();
            changes["status"] = "requires_confirmation".into();
        }
    }
    ctx.set(Kind::SetupIntent, id, changes);
    ctx.fetch(Kind::SetupIntent, id, "intent")
}

/// `POST /v1/setup_intents/{id}/cancel`
pub(crate) fn cancel(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let intent = ctx.fetch(Kind::SetupIntent, path[0], "intent")?;
    if !OPEN.contains(&intent.text("status")) {
        return Err(unexpected_state(&intent, "cancel"));
    }
    cancel_intent(ctx, path[0], params.text("cancellation_reason"));
    ctx.fetch(Kind::SetupIntent, path[0], "intent")
}

/// Cancels a SetupIntent that is still open.
pub(crate) fn cancel_intent(ctx: &mut Context, id: &str, reason: Option<&str>) {
    ctx.set(Kind::SetupIntent, id, json!({ "cancellation_reason": reason, "next_action": null, "status": "canceled" }));
    ctx.emit("setup_intent.canceled", Kind::SetupIntent, id);
}

/// `GET /v1/setup_intents`
pub(crate) fn index(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    list::page(ctx, Kind::SetupIntent, params, "/v1/setup_intents", |row| {
        ["customer", "payment_method"].iter().all(|name| params.text(name).is_none_or(|wanted| row.text(name) == wanted))
    })
}
