//! PaymentIntents: <https://docs.stripe.com/api/payment_intents>.

use serde_json::{Value, json};

use crate::engine::attempts;
use crate::engine::customer_rows;
use crate::engine::new_payment_intent::{check_fee, make, method, shipping, types};
use crate::engine::payment_intents::{self, OPEN};
use crate::events::context::Context;
use crate::resources::list;
use crate::words::email;
use crate::words::errors::ApiError;
use crate::words::json::Fields;
use crate::words::kind::Kind;
use crate::words::money;
use crate::words::params::Params;

/// `POST /v1/payment_intents`
pub(crate) fn create(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let confirm = params.is("confirm");
    email::check(params, "receipt_email")?;
    // Errors of the amount come first.
    if let Some(amount) = params.int("amount") {
        money::check_charge(amount, &money::currency(params.required("currency")?, "currency")?, "amount")?;
    }
    for name in ["return_url", "off_session", "error_on_requires_action", "mandate_data"] {
        // `off_session=false` has no effect.
        let said = params.has(name) && !(name == "off_session" && params.text(name) == Some("false"));
        if !confirm && said {
            return Err(ApiError::invalid(format!(
                "The parameter `{name}` cannot be passed when creating a PaymentIntent unless `confirm` is set to true."
            ))
            .param(name));
        }
    }
    if confirm {
        // Before anything is created, so that a refusal leaves nothing behind.
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
            return Err(payment_intents::needs_return_url());
        }
    }
    let id = make(ctx, params)?;
    if confirm {
        payment_intents::confirm_intent(ctx, &id, params)?;
    }
    ctx.fetch(Kind::PaymentIntent, &id, "intent")
}

/// `GET /v1/payment_intents/{id}`: with a publishable key, the client secret is required.
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
        return Err(payment_intents::unexpected_state(&intent, format!("You cannot confirm this PaymentIntent because {why}.")));
    }
    if let Some(expected) = params.int("amount_to_confirm").filter(|amount| *amount != intent.int("amount")) {
        return Err(ApiError::invalid(format!(
            "The amount_to_confirm ({expected}) does not match the amount of this PaymentIntent ({}).",
            intent.int("amount")
        ))
        .param("amount_to_confirm"));
    }
    payment_intents::confirm_intent(ctx, path[0], params)?;
    ctx.fetch(Kind::PaymentIntent, path[0], "intent")
}

/// `POST /v1/payment_intents/{id}`
pub(crate) fn update(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let intent = ctx.fetch(Kind::PaymentIntent, path[0], "intent")?;
    let id = path[0];
    let mut changes = json!({ "metadata": params.merged_metadata(&intent["metadata"]) });
    // These can be changed at any time, the rest only before payment.
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
            return Err(payment_intents::unexpected_state(
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
        customer_rows::living(ctx, customer, "customer")?;
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

/// PaymentIntents of Checkout Sessions are only changed through them.
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
        return Err(payment_intents::unexpected_state(
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
    attempts::collect(ctx, path[0], intent.text("latest_charge"), amount, "charge.captured");
    ctx.fetch(Kind::PaymentIntent, path[0], "intent")
}

/// `POST /v1/payment_intents/{id}/cancel`
pub(crate) fn cancel(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let intent = ctx.fetch(Kind::PaymentIntent, path[0], "intent")?;
    refuse_of_checkout(ctx, path[0])?;
    let status = intent.text("status");
    if status == "succeeded" || status == "canceled" {
        return Err(payment_intents::unexpected_state(
            &intent,
            format!(
                "You cannot cancel this PaymentIntent because it has a status of {status}. Only a PaymentIntent with one \
                 of the following statuses may be canceled: requires_payment_method, requires_capture, \
                 requires_confirmation, requires_action, processing."
            ),
        ));
    }
    payment_intents::cancel_intent(ctx, path[0], params.text("cancellation_reason"));
    ctx.fetch(Kind::PaymentIntent, path[0], "intent")
}

/// Parameters of `POST /v1/payment_intents`. `payment_method_types` is the name of
/// `allowed_payment_method_types` before the pinned API version; older SDKs send it.
pub(crate) const CREATE: &str = "allowed_payment_method_types[] amount:i amount_details:any application_fee_amount:i \
    automatic_payment_methods{allow_redirects:(always|never) enabled:b} \
    capture_method:(automatic|automatic_async|manual) confirm:b confirmation_method:(automatic|manual) \
    confirmation_token currency customer customer_account description error_on_requires_action:b \
    excluded_payment_method_types[] hooks:any mandate mandate_data:any metadata:m off_session \
    on_behalf_of payment_details:any payment_method payment_method_configuration payment_method_data{klarna{dob:any} link:any sepa_debit{iban} us_bank_account{account_holder_type account_number account_type financial_connections_account routing_number} type \
    allow_redisplay billing_details{address{city country line1 line2 postal_code state} email name phone tax_id} \
    card{token number exp_month:i exp_year:i cvc} metadata:m radar_options:any} payment_method_options:any \
    payment_method_types[] radar_options:any receipt_email return_url setup_future_usage:(off_session|on_session) \
    shipping{address{city country line1 line2 postal_code state} carrier name phone tracking_number} \
    statement_descriptor statement_descriptor_suffix \
    transfer_data{amount:i description destination metadata:m payment_data:any} transfer_group use_stripe_sdk:b";

/// Parameters of `POST /v1/payment_intents/{id}`.
pub(crate) const UPDATE: &str = "allowed_payment_method_types[] amount:i amount_details:any application_fee_amount:i \
    capture_method:(automatic|automatic_async|manual) currency customer customer_account description \
    excluded_payment_method_types[] hooks:any metadata:m payment_details:any payment_method \
    payment_method_configuration payment_method_data{klarna{dob:any} link:any sepa_debit{iban} us_bank_account{account_holder_type account_number account_type financial_connections_account routing_number} type allow_redisplay billing_details{address{city country line1 \
    line2 postal_code state} email name phone tax_id} card{token number exp_month:i exp_year:i cvc} metadata:m \
    radar_options:any} payment_method_options:any payment_method_types[] receipt_email \
    setup_future_usage:(off_session|on_session) \
    shipping{address{city country line1 line2 postal_code state} carrier name phone tracking_number} \
    statement_descriptor statement_descriptor_suffix transfer_data{amount:i description metadata:m payment_data:any} \
    transfer_group";

/// Parameters of `POST /v1/payment_intents/{id}/confirm`.
pub(crate) const CONFIRM: &str = "allowed_payment_method_types[] amount_details:any amount_to_confirm:i \
    capture_method:(automatic|automatic_async|manual) confirmation_token error_on_requires_action:b \
    excluded_payment_method_types[] hooks:any mandate mandate_data:any off_session payment_details:any payment_method \
    payment_method_data{klarna{dob:any} link:any sepa_debit{iban} us_bank_account{account_holder_type account_number account_type financial_connections_account routing_number} type allow_redisplay billing_details{address{city country line1 line2 postal_code state} email \
    name phone tax_id} card{token number exp_month:i exp_year:i cvc} metadata:m radar_options:any} \
    payment_method_options:any payment_method_types[] radar_options:any receipt_email return_url \
    setup_future_usage:(off_session|on_session) \
    shipping{address{city country line1 line2 postal_code state} carrier name phone tracking_number} use_stripe_sdk:b";

/// Parameters of `POST /v1/payment_intents/{id}/capture`.
pub(crate) const CAPTURE: &str = "amount_details:any amount_to_capture:i application_fee_amount:i final_capture:b \
    hooks:any metadata:m payment_details:any statement_descriptor statement_descriptor_suffix transfer_data{amount:i}";

/// Parameters of `POST /v1/payment_intents/{id}/cancel`.
pub(crate) const CANCEL: &str = "cancellation_reason:(duplicate|fraudulent|requested_by_customer|abandoned)";
