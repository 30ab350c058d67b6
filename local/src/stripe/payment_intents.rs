//! PaymentIntents: <https://docs.stripe.com/api/payment_intents>.

use serde_json::{Map, Value, json};

use super::accounts;
use super::context::Context;
use super::customers;
use super::errors::ApiError;
use super::list;
use super::money;
use super::params::Params;
use super::payment_methods;
use super::payments::{self, Try};
use super::state::{Fields, Kind, new_id, random_text};
use super::transfers;

/// Parameters of `POST /v1/payment_intents`. `payment_method_types` is what `allowed_payment_method_types` was called
/// before the pinned API version: older SDKs send it.
pub(crate) const CREATE: &str = "allowed_payment_method_types[] amount:i amount_details:any application_fee_amount:i \
    automatic_payment_methods{allow_redirects:(always|never) enabled:b} \
    capture_method:(automatic|automatic_async|manual) confirm:b confirmation_method:(automatic|manual) \
    confirmation_token currency customer customer_account description error_on_requires_action:b \
    excluded_payment_method_types[] hooks:any mandate mandate_data:any metadata:m off_session \
    on_behalf_of payment_details:any payment_method payment_method_configuration payment_method_data{type \
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
    payment_method_configuration payment_method_data{type allow_redisplay billing_details{address{city country line1 \
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
    payment_method_data{type allow_redisplay billing_details{address{city country line1 line2 postal_code state} email \
    name phone tax_id} card{token number exp_month:i exp_year:i cvc} metadata:m radar_options:any} \
    payment_method_options:any payment_method_types[] radar_options:any receipt_email return_url \
    setup_future_usage:(off_session|on_session) \
    shipping{address{city country line1 line2 postal_code state} carrier name phone tracking_number} use_stripe_sdk:b";

/// Parameters of `POST /v1/payment_intents/{id}/capture`.
pub(crate) const CAPTURE: &str = "amount_details:any amount_to_capture:i application_fee_amount:i final_capture:b \
    hooks:any metadata:m payment_details:any statement_descriptor statement_descriptor_suffix transfer_data{amount:i}";

/// Parameters of `POST /v1/payment_intents/{id}/cancel`.
pub(crate) const CANCEL: &str = "cancellation_reason:(duplicate|fraudulent|requested_by_customer|abandoned)";

/// Where a payment can still be changed.
const OPEN: [&str; 3] = ["requires_payment_method", "requires_confirmation", "requires_action"];

fn unexpected_state(intent: &Value, message: String) -> ApiError {
    ApiError::invalid(message).code("payment_intent_unexpected_state").with("payment_intent", intent.clone())
}

/// The application fee is positive, less than the amount, and somebody else's charge.
fn check_fee(ctx: &Context, fee: i64, amount: i64, destination: bool) -> Result<(), ApiError> {
    if fee < 1 {
        return Err(ApiError::invalid("This value must be greater than or equal to 1.")
            .code("parameter_invalid_integer")
            .param("application_fee_amount"));
    }
    if fee >= amount {
        return Err(ApiError::invalid("Your application fee must be less than the amount of the charge.").param("application_fee_amount"));
    }
    if !ctx.is_connected() && !destination {
        return Err(ApiError::invalid(
            "Can only apply an application_fee_amount when the PaymentIntent is attempting a direct payment (using an \
             OAuth key or Stripe-Account header) or destination payment (using `transfer_data[destination]`).",
        )
        .param("application_fee_amount"));
    }
    Ok(())
}

/// Where the money of a destination charge goes.
fn check_destination(ctx: &Context, destination: &str, on_behalf_of: bool) -> Result<(), ApiError> {
    let account = transfers::check_destination(ctx, destination, "transfer_data[destination]")?;
    let own = ctx.state.account(&ctx.account).map_or("US", |account| account.text("country"));
    let theirs = account.text("country");
    if !on_behalf_of && accounts::region(own) != accounts::region(theirs) {
        return Err(ApiError::invalid(format!(
            "Cannot create a destination charge for connected accounts in {theirs} because funds would be settled on \
             the platform and the connected account is outside the platform's region. You may use the on_behalf_of \
             parameter to have the charge settle in the connected account's country."
        ))
        .param("transfer_data[destination]"));
    }
    Ok(())
}

fn check_charges_enabled(ctx: &Context, account: &str, param: Option<&str>) -> Result<(), ApiError> {
    let enabled = ctx
        .state
        .account(account)
        .is_some_and(|object| object.flag("charges_enabled") && accounts::has_capability(object, "card_payments"));
    if enabled {
        return Ok(());
    }
    let error =
        ApiError::invalid("Your account cannot currently make charges. Complete its onboarding and wait for its card_payments capability.")
            .code("account_invalid");
    Err(match param {
        Some(param) => error.param(param),
        None => error,
    })
}

/// The parameters of a new PaymentIntent, checked.
#[derive(Clone, Debug)]
pub(crate) struct Checked {
    amount: i64,
    currency: String,
    customer: Option<String>,
    on_behalf_of: Option<String>,
    destination: Option<String>,
    /// The part of the amount that is transferred, where it is not all of it.
    part: Option<i64>,
    fee: Option<i64>,
    types: Vec<String>,
}

/// Checks the parameters of a new PaymentIntent, but for its PaymentMethod.
///
/// # Errors
/// 400, and nothing is made.
pub(crate) fn check(ctx: &Context, params: &Params) -> Result<Checked, ApiError> {
    let amount = params.int("amount").ok_or_else(|| ApiError::missing("amount"))?;
    let currency = money::currency(params.required("currency")?, "currency")?;
    money::check_charge(amount, &currency, "amount")?;
    let customer = params.text("customer").map(str::to_owned);
    if let Some(customer) = &customer {
        customers::living(ctx, customer, "customer")?;
    }
    let transfer = params.object("transfer_data");
    let destination = transfer.text("destination").map(str::to_owned);
    if params.has("transfer_data") && destination.is_none() {
        return Err(ApiError::missing("transfer_data[destination]"));
    }
    let on_behalf_of = params.text("on_behalf_of").map(str::to_owned);
    if let Some(account) = &on_behalf_of {
        if ctx.state.account(account).is_none() || ctx.state.link(account) == super::state::Link::None {
            return Err(ApiError::no_such_param(Kind::Account, account, "on_behalf_of"));
        }
        check_charges_enabled(ctx, account, Some("on_behalf_of"))?;
    }
    if let Some(destination) = &destination {
        check_destination(ctx, destination, on_behalf_of.is_some())?;
    }
    if ctx.is_connected() {
        check_charges_enabled(ctx, &ctx.account, None)?;
    }
    let fee = params.int("application_fee_amount");
    if let Some(fee) = fee {
        check_fee(ctx, fee, amount, destination.is_some())?;
    }
    let part = transfer.int("amount");
    if let Some(part) = part {
        if fee.is_some() {
            return Err(ApiError::invalid("You may not provide both application_fee_amount and transfer_data[amount].")
                .param("transfer_data[amount]"));
        }
        if part < 1 || part > amount {
            return Err(
                ApiError::invalid("The transfer amount must be between 1 and the amount of the charge.").param("transfer_data[amount]")
            );
        }
    }
    let automatic = params.object("automatic_payment_methods");
    let types = types(params);
    if !types.is_empty() && automatic.is("enabled") {
        return Err(ApiError::invalid("You may only specify one of these parameters: automatic_payment_methods, payment_method_types."));
    }
    if let Some(other) = types.iter().find(|kind| *kind != "card" && *kind != "link") {
        return Err(ApiError::invalid(format!(
            "The payment method type \"{other}\" is invalid. Please ensure the provided type is activated in your \
             dashboard and your account is enabled for any preview features that you are trying to use."
        ))
        .param("payment_method_types"));
    }
    Ok(Checked { amount, currency, customer, on_behalf_of, destination, part, fee, types })
}

/// Checks the parameters of a new PaymentIntent and stores it without confirming it: its id.
pub(crate) fn make(ctx: &mut Context, params: &Params) -> Result<String, ApiError> {
    let Checked { amount, currency, customer, on_behalf_of, destination, part, fee, types } = check(ctx, params)?;
    let automatic = params.object("automatic_payment_methods");
    let method = method(ctx, params, customer.as_deref())?;
    let id = new_id("pi");
    let types_given = !types.is_empty();
    let redirects = automatic.text("allow_redirects").unwrap_or("always").to_owned();
    let object = json!({
        "id": id,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_details": { "tip": {} },
        "amount_received": 0,
        "application": if ctx.is_connected() { ctx.client_id.as_str().into() } else { Value::Null },
        "application_fee_amount": fee,
        "automatic_payment_methods": if types_given || params.has("automatic_payment_methods") && !automatic.is("enabled") {
            Value::Null
        } else {
            json!({ "allow_redirects": redirects, "enabled": true })
        },
        "canceled_at": null,
        "cancellation_reason": null,
        "capture_method": params.text("capture_method").unwrap_or("automatic_async"),
        "client_secret": format!("{id}_secret_{}", random_text(25)),
        "confirmation_method": params.text("confirmation_method").unwrap_or("automatic"),
        "created": ctx.now(),
        "currency": currency,
        "customer": customer,
        "customer_account": null,
        "description": params.json("description"),
        "excluded_payment_method_types": null,
        "last_payment_error": null,
        "latest_charge": null,
        "livemode": false,
        "metadata": params.metadata(),
        "next_action": null,
        "on_behalf_of": on_behalf_of,
        "payment_method": method,
        "payment_method_configuration_details": null,
        "payment_method_options": {
            "card": {
                "installments": null, "mandate_options": null, "network": null, "request_three_d_secure": "automatic",
            },
        },
        "payment_method_types": if types_given { types } else { vec!["card".to_owned()] },
        "processing": null,
        "receipt_email": params.json("receipt_email"),
        "review": null,
        "setup_future_usage": params.json("setup_future_usage"),
        "shipping": shipping(params),
        "source": null,
        "statement_descriptor": params.json("statement_descriptor"),
        "statement_descriptor_suffix": params.json("statement_descriptor_suffix"),
        "status": if method.is_some() { "requires_confirmation" } else { "requires_payment_method" },
        "transfer_data": destination.as_ref().map(|destination| {
            let mut data = json!({ "destination": destination });
            if let Some(part) = part {
                data["amount"] = part.into();
            }
            data
        }),
        "transfer_group": params.json("transfer_group"),
    });
    let mut hidden = Map::new();
    // Redirects are possible unless they are switched off or the types are all cards.
    if !types_given && (!params.has("automatic_payment_methods") || automatic.is("enabled")) && redirects == "always" {
        hidden.insert("redirects".into(), true.into());
    }
    let account = ctx.account.clone();
    ctx.state.insert(&account, Kind::PaymentIntent, object, hidden);
    ctx.emit("payment_intent.created", Kind::PaymentIntent, &id);
    Ok(id)
}

fn types(params: &Params) -> Vec<String> {
    let new = params.texts("allowed_payment_method_types");
    if new.is_empty() { params.texts("payment_method_types") } else { new }
}

fn shipping(params: &Params) -> Value {
    if !params.has("shipping") || params.unsets("shipping") {
        return Value::Null;
    }
    let given = params.object("shipping");
    json!({
        "address": customers::address(&given, "address"),
        "carrier": given.text("carrier"),
        "name": given.text("name"),
        "phone": given.text("phone"),
        "tracking_number": given.text("tracking_number"),
    })
}

/// The PaymentMethod that the parameters name or describe, if any.
fn method(ctx: &mut Context, params: &Params, customer: Option<&str>) -> Result<Option<String>, ApiError> {
    if params.has("confirmation_token") {
        return Err(ApiError::invalid("The stand-in has no ConfirmationTokens.").param("confirmation_token"));
    }
    if let Some(id) = params.text("payment_method") {
        let id = payment_methods::resolve(ctx, id, "payment_method")?;
        payment_methods::check_use(ctx, &id, customer)?;
        return Ok(Some(id));
    }
    if params.has("payment_method_data") {
        let data = payment_methods::create(ctx, &[], &params.object("payment_method_data"))?;
        return Ok(Some(data.text("id").to_owned()));
    }
    Ok(None)
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
