//! SetupIntents: cards saved for later (<https://docs.stripe.com/api/setup_intents>).

use serde_json::{Value, json};

use crate::engine::customer_rows;
use crate::engine::setup_intents::{self, OPEN};
use crate::events::context::Context;
use crate::resources::list;
use crate::words::errors::ApiError;
use crate::words::json::Fields;
use crate::words::kind::Kind;
use crate::words::params::Params;

/// Parameters of `POST /v1/setup_intents`. Older SDKs send `payment_method_types`.
pub(crate) const CREATE: &str = "allowed_payment_method_types[] attach_to_self:b \
    automatic_payment_methods{allow_redirects:(always|never) enabled:b} confirm:b confirmation_token customer \
    customer_account description excluded_payment_method_types[] flow_directions[] mandate_data:any metadata:m \
    on_behalf_of payment_method payment_method_configuration payment_method_data{klarna{dob:any} link:any sepa_debit{iban} us_bank_account{account_holder_type account_number account_type financial_connections_account routing_number} type allow_redisplay \
    billing_details{address{city country line1 line2 postal_code state} email name phone tax_id} card{token number \
    exp_month:i exp_year:i cvc} metadata:m radar_options:any} payment_method_options:any payment_method_types[] \
    return_url single_use:any usage:(off_session|on_session) use_stripe_sdk:b";

/// Parameters of `POST /v1/setup_intents/{id}`.
pub(crate) const UPDATE: &str = "allowed_payment_method_types[] attach_to_self:b customer customer_account description \
    excluded_payment_method_types[] flow_directions[] metadata:m payment_method payment_method_configuration \
    payment_method_data:any payment_method_options:any payment_method_types[]";

/// Parameters of `POST /v1/setup_intents/{id}/confirm`.
pub(crate) const CONFIRM: &str = "confirmation_token mandate_data:any payment_method payment_method_data{klarna{dob:any} link:any sepa_debit{iban} us_bank_account{account_holder_type account_number account_type financial_connections_account routing_number} type \
    allow_redisplay billing_details{address{city country line1 line2 postal_code state} email name phone tax_id} \
    card{token number exp_month:i exp_year:i cvc} metadata:m radar_options:any} payment_method_options:any return_url \
    use_stripe_sdk:b";

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
        return Err(setup_intents::missing_method());
    }
    let id = setup_intents::make(ctx, params)?;
    if confirm {
        setup_intents::keep_return_url(ctx, &id, params);
        setup_intents::attempt(ctx, &id, false)?;
    }
    ctx.fetch(Kind::SetupIntent, &id, "intent")
}

/// `GET /v1/setup_intents/{id}`: with a publishable key, the client secret is required.
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
        return Err(setup_intents::unexpected_state(&intent, "confirm"));
    }
    match setup_intents::method(ctx, params, intent.maybe("customer"))? {
        Some(method) => ctx.set(Kind::SetupIntent, id, json!({ "payment_method": method })),
        None if intent["payment_method"].is_null() => return Err(setup_intents::missing_method()),
        None => {}
    }
    setup_intents::keep_return_url(ctx, id, params);
    setup_intents::attempt(ctx, id, false)?;
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
            return Err(setup_intents::unexpected_state(&intent, "update"));
        }
        if let Some(customer) = params.text("customer") {
            customer_rows::living(ctx, customer, "customer")?;
            changes["customer"] = customer.into();
        }
        let customer = changes.maybe("customer").or(intent.maybe("customer")).map(str::to_owned);
        if let Some(method) = setup_intents::method(ctx, params, customer.as_deref())? {
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
        return Err(setup_intents::unexpected_state(&intent, "cancel"));
    }
    setup_intents::cancel_intent(ctx, path[0], params.text("cancellation_reason"));
    ctx.fetch(Kind::SetupIntent, path[0], "intent")
}

/// `GET /v1/setup_intents`
pub(crate) fn index(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    list::page(ctx, Kind::SetupIntent, params, "/v1/setup_intents", |row| {
        ["customer", "payment_method"].iter().all(|name| params.text(name).is_none_or(|wanted| row.text(name) == wanted))
    })
}
