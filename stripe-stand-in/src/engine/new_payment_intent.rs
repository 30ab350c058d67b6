//! Validates and stores new PaymentIntents.

use serde_json::{Map, Value, json};

use crate::engine::accounts::build;
use crate::engine::accounts::rows;
use crate::engine::customer_rows;
use crate::engine::exchange;
use crate::engine::payment_methods;
use crate::engine::transfers;
use crate::events::context::Context;
use crate::state::row::Link;
use crate::words::errors::ApiError;
use crate::words::ids::{new_id, random_text};
use crate::words::json::Fields;
use crate::words::kind::Kind;
use crate::words::money;
use crate::words::params::Params;

/// Checks that the application fee is positive, less than the amount, and taken from another account.
pub(crate) fn check_fee(ctx: &Context, fee: i64, amount: i64, destination: bool) -> Result<(), ApiError> {
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

/// Checks where the money of a destination charge goes.
fn check_destination(ctx: &Context, destination: &str, on_behalf_of: bool) -> Result<(), ApiError> {
    let account = transfers::check_destination(ctx, destination, "transfer_data[destination]")?;
    let own = ctx.state.account(&ctx.account).map_or("US", |account| account.text("country"));
    let theirs = account.text("country");
    if !on_behalf_of && build::region(own) != build::region(theirs) {
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
    let enabled =
        ctx.state.account(account).is_some_and(|object| object.flag("charges_enabled") && rows::has_capability(object, "card_payments"));
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

/// The validated parameters of a new PaymentIntent.
#[derive(Clone, Debug)]
pub(crate) struct Checked {
    amount: i64,
    currency: String,
    customer: Option<String>,
    on_behalf_of: Option<String>,
    destination: Option<String>,
    /// The part of the amount to transfer, if not all of it.
    part: Option<i64>,
    fee: Option<i64>,
    types: Vec<String>,
}

/// Validates the parameters of a new PaymentIntent, except its PaymentMethod.
///
/// # Errors
/// 400, and nothing is created.
pub(crate) fn check(ctx: &Context, params: &Params) -> Result<Checked, ApiError> {
    let amount = params.int("amount").ok_or_else(|| ApiError::missing("amount"))?;
    let currency = money::currency(params.required("currency")?, "currency")?;
    money::check_charge(amount, &currency, "amount")?;
    let customer = params.text("customer").map(str::to_owned);
    if let Some(customer) = &customer {
        customer_rows::living(ctx, customer, "customer")?;
    }
    let transfer = params.object("transfer_data");
    let destination = transfer.text("destination").map(str::to_owned);
    if params.has("transfer_data") && destination.is_none() {
        return Err(ApiError::missing("transfer_data[destination]"));
    }
    let on_behalf_of = params.text("on_behalf_of").map(str::to_owned);
    if let Some(account) = &on_behalf_of {
        if ctx.state.account(account).is_none() || ctx.state.link(account) == Link::None {
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
    let settled = exchange::incoming(ctx, on_behalf_of.as_deref().unwrap_or(&ctx.account), amount, &currency);
    if settled.rate.is_some() {
        money::check_settled(amount, &currency, settled.amount, &settled.currency)?;
    }
    check_types(params)?;
    let types = types(params);
    if let Some(other) = types.iter().find(|kind| !["card", "klarna", "link"].contains(&kind.as_str())) {
        return Err(ApiError::invalid(format!(
            "The payment method type \"{other}\" is invalid. Please ensure the provided type is activated in your \
             dashboard and your account is enabled for any preview features that you are trying to use."
        ))
        .param("payment_method_types"));
    }
    Ok(Checked { amount, currency, customer, on_behalf_of, destination, part, fee, types })
}

/// Validates the parameters of a new PaymentIntent and stores it without confirming it. Returns its id.
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
        "allowed_payment_method_types": allowed(params),
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
        "managed_payments": { "enabled": false },
        "metadata": params.metadata(),
        "next_action": null,
        "on_behalf_of": on_behalf_of,
        "payment_method": method,
        "payment_method_configuration_details": if types_given { Value::Null } else { configuration() },
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
    // Redirects are possible unless they are disabled or all types are cards.
    if !types_given && (!params.has("automatic_payment_methods") || automatic.is("enabled")) && redirects == "always" {
        hidden.insert("redirects".into(), true.into());
    }
    let account = ctx.account.clone();
    ctx.state.insert(&account, Kind::PaymentIntent, object, hidden);
    ctx.emit("payment_intent.created", Kind::PaymentIntent, &id);
    Ok(id)
}

/// The Dashboard's payment method configuration, used if the request contains none.
pub(crate) fn configuration() -> Value {
    json!({ "id": "pmc_1LocalPlatformMethods00", "parent": null })
}

/// `allowed_payment_method_types` as it was sent.
pub(crate) fn allowed(params: &Params) -> Value {
    let types = params.texts("allowed_payment_method_types");
    if types.is_empty() { Value::Null } else { types.into() }
}

/// Refuses parameters that exclude each other (<https://docs.stripe.com/changelog/dahlia/2026-07-29/allowed-payment-method-types-parameter>).
pub(crate) fn check_types(params: &Params) -> Result<(), ApiError> {
    const ALONE: [&str; 2] = ["allowed_payment_method_types", "payment_method_types"];
    const OTHERS: [&str; 3] = ["automatic_payment_methods", "excluded_payment_method_types", "payment_method_configuration"];
    let sent =
        |name: &str| params.has(name) && !(name == "automatic_payment_methods" && params.object(name).flag("enabled") == Some(false));
    let alone: Vec<&str> = ALONE.into_iter().filter(|name| sent(name)).collect();
    let others: Vec<&str> = OTHERS.into_iter().filter(|name| sent(name)).collect();
    if alone.is_empty() || alone.len() + others.len() < 2 {
        return Ok(());
    }
    let mut both = [alone, others].concat();
    both.sort_unstable();
    Err(ApiError::invalid(format!("You may only specify one of these parameters: {}.", both.join(", "))).of_parameters())
}

pub(crate) fn types(params: &Params) -> Vec<String> {
    let new = params.texts("allowed_payment_method_types");
    if new.is_empty() { params.texts("payment_method_types") } else { new }
}

pub(crate) fn shipping(params: &Params) -> Value {
    if !params.has("shipping") || params.unsets("shipping") {
        return Value::Null;
    }
    let given = params.object("shipping");
    json!({
        "address": customer_rows::address(&given, "address"),
        "carrier": given.text("carrier"),
        "name": given.text("name"),
        "phone": given.text("phone"),
        "tracking_number": given.text("tracking_number"),
    })
}

/// The PaymentMethod that the parameters name or describe, if any.
pub(crate) fn method(ctx: &mut Context, params: &Params, customer: Option<&str>) -> Result<Option<String>, ApiError> {
    if params.has("confirmation_token") {
        return Err(ApiError::invalid("The stand-in has no ConfirmationTokens.").param("confirmation_token"));
    }
    if let Some(id) = params.text("payment_method") {
        let id = payment_methods::resolve(ctx, id, "payment_method")?;
        payment_methods::check_use(ctx, &id, customer)?;
        return Ok(Some(id));
    }
    if params.has("payment_method_data") {
        return payment_methods::from_params(ctx, &params.object("payment_method_data")).map(Some);
    }
    Ok(None)
}
