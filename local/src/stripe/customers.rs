//! Customers: <https://docs.stripe.com/api/customers>. Each account has its own.

use serde_json::{Value, json};

use super::billing::subscriptions;
use super::context::Context;
use super::errors::ApiError;
use super::params::Params;
use super::state::{Fields, Kind, new_id, random_text};
use super::{list, payment_methods};

/// Parameters of `POST /v1/customers`.
pub(crate) const CREATE: &str = "address{city country line1 line2 postal_code state} balance:i business_name \
    cash_balance:any coupon description email individual_name invoice_prefix \
    invoice_settings{custom_fields:any default_payment_method footer rendering_options:any} metadata:m name \
    next_invoice_sequence:i payment_method phone preferred_locales[] promotion_code \
    shipping{address{city country line1 line2 postal_code state} name phone} source tax:any \
    tax_exempt:(none|exempt|reverse) tax_id_data:any test_clock validate:b";

/// Parameters of `POST /v1/customers/{id}`.
pub(crate) const UPDATE: &str = "address{city country line1 line2 postal_code state} balance:i business_name \
    cash_balance:any coupon default_source description email individual_name invoice_prefix \
    invoice_settings{custom_fields:any default_payment_method footer rendering_options:any} metadata:m name \
    next_invoice_sequence:i phone preferred_locales[] promotion_code \
    shipping{address{city country line1 line2 postal_code state} name phone} source tax:any \
    tax_exempt:(none|exempt|reverse) validate:b";

/// An address with every field that Stripe answers, or `null`.
pub(crate) fn address(params: &Params, name: &str) -> Value {
    if !params.has(name) || params.unsets(name) {
        return Value::Null;
    }
    let given = params.object(name);
    let mut out = json!({});
    for field in ["city", "country", "line1", "line2", "postal_code", "state"] {
        out[field] = given.text(field).into();
    }
    out
}

fn shipping(params: &Params, name: &str) -> Value {
    if !params.has(name) || params.unsets(name) {
        return Value::Null;
    }
    let given = params.object(name);
    json!({ "address": address(&given, "address"), "name": given.text("name"), "phone": given.text("phone") })
}

fn check_email(params: &Params) -> Result<(), ApiError> {
    match params.text("email") {
        Some(email) if !email.contains('@') || email.len() > 512 || email.contains(' ') => {
            Err(ApiError::invalid(format!("Invalid email address: {email}")).code("email_invalid").param("email"))
        }
        _ => Ok(()),
    }
}

/// The customer of that id, unless it was deleted.
pub(crate) fn living(ctx: &Context, id: &str, param: &str) -> Result<Value, ApiError> {
    let customer = ctx.fetch_param(Kind::Customer, id, param)?;
    if customer.flag("deleted") {
        return Err(ApiError::no_such_param(Kind::Customer, id, param));
    }
    Ok(customer)
}

/// Makes a customer.
pub(crate) fn make(ctx: &mut Context, params: &Params) -> String {
    let id = new_id("cus");
    let object = json!({
        "id": id,
        "object": "customer",
        "address": address(params, "address"),
        "balance": params.int("balance").unwrap_or(0),
        "created": ctx.now(),
        "currency": null,
        "default_source": null,
        "delinquent": false,
        "description": params.json("description"),
        "discount": null,
        "email": params.json("email"),
        "invoice_prefix": params.text("invoice_prefix").map_or_else(|| random_text(8).to_uppercase(), str::to_owned),
        "invoice_settings": {
            "custom_fields": null,
            "default_payment_method": null,
            "footer": null,
            "rendering_options": null,
        },
        "livemode": false,
        "metadata": params.metadata(),
        "name": params.json("name"),
        "next_invoice_sequence": params.int("next_invoice_sequence").unwrap_or(1),
        "phone": params.json("phone"),
        "preferred_locales": params.texts("preferred_locales"),
        "shipping": shipping(params, "shipping"),
        "tax_exempt": params.text("tax_exempt").unwrap_or("none"),
        "test_clock": params.json("test_clock"),
    });
    ctx.insert(Kind::Customer, object);
    ctx.emit("customer.created", Kind::Customer, &id);
    id
}

/// `POST /v1/customers`
pub(crate) fn create(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    check_email(params)?;
    if let Some(clock) = params.text("test_clock") {
        ctx.fetch_param(Kind::TestClock, clock, "test_clock")?;
    }
    if let Some(card) = params.text("payment_method") {
        payment_methods::check_attach(ctx, card, "payment_method")?;
    }
    let settings = params.object("invoice_settings");
    let chosen = settings.text("default_payment_method");
    if chosen.is_some() && chosen != params.text("payment_method") {
        check_default(ctx, "", &settings)?;
    }
    let id = make(ctx, params);
    if let Some(card) = params.text("payment_method") {
        let method = payment_methods::attach_to(ctx, card, &id)?;
        if chosen.is_some() {
            set_default(ctx, &id, method.into());
        }
    }
    ctx.fetch(Kind::Customer, &id, "id")
}

/// The default of its invoices is one of the customer's own cards.
fn check_default(ctx: &Context, customer: &str, settings: &Params) -> Result<(), ApiError> {
    let Some(id) = settings.text("default_payment_method") else { return Ok(()) };
    let method = ctx.fetch_param(Kind::PaymentMethod, id, "invoice_settings[default_payment_method]")?;
    if method.maybe("customer") == Some(customer) {
        return Ok(());
    }
    Err(ApiError::invalid(format!(
        "The customer does not have a payment method with the ID {id}. The payment method must be attached to the customer."
    ))
    .code("resource_missing")
    .param("invoice_settings[default_payment_method]"))
}

fn set_default(ctx: &mut Context, customer: &str, method: Value) {
    let Ok(object) = ctx.fetch(Kind::Customer, customer, "id") else { return };
    let mut settings = object["invoice_settings"].clone();
    settings["default_payment_method"] = method;
    ctx.set(Kind::Customer, customer, json!({ "invoice_settings": settings }));
}

/// A card that is detached is nobody's default.
pub(crate) fn forget_card(ctx: &mut Context, customer: &str, card: &str) {
    let default = ctx
        .state
        .object(&ctx.account, Kind::Customer, customer)
        .is_some_and(|c| c["invoice_settings"].text("default_payment_method") == card);
    if default {
        set_default(ctx, customer, Value::Null);
    }
}

/// `GET /v1/customers/{id}`: a deleted one is answered as such.
pub(crate) fn retrieve(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    ctx.fetch(Kind::Customer, path[0], "id")
}

/// `POST /v1/customers/{id}`
pub(crate) fn update(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let before = ctx.fetch(Kind::Customer, path[0], "id")?;
    if before.flag("deleted") {
        return Err(ApiError::no_such(Kind::Customer, path[0], "id"));
    }
    check_email(params)?;
    let mut after = json!({ "metadata": params.merged_metadata(&before["metadata"]) });
    for name in ["description", "email", "name", "phone", "balance", "tax_exempt", "preferred_locales"] {
        if params.has(name) {
            after[name] = params.json(name);
        }
    }
    if params.has("address") {
        after["address"] = address(params, "address");
    }
    if params.has("shipping") {
        after["shipping"] = shipping(params, "shipping");
    }
    let settings = params.object("invoice_settings");
    if settings.has("default_payment_method") {
        check_default(ctx, path[0], &settings)?;
        after["invoice_settings"] = before["invoice_settings"].clone();
        after["invoice_settings"]["default_payment_method"] = settings.json("default_payment_method");
    }
    ctx.set(Kind::Customer, path[0], after);
    let account = ctx.account.clone();
    ctx.emit_change(&account, "customer.updated", Kind::Customer, path[0], &before);
    ctx.fetch(Kind::Customer, path[0], "id")
}

/// `DELETE /v1/customers/{id}`
pub(crate) fn delete(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    let id = path[0];
    let before = ctx.fetch(Kind::Customer, id, "id")?;
    if before.flag("deleted") {
        return Err(ApiError::no_such(Kind::Customer, id, "id"));
    }
    subscriptions::end_of_customer(ctx, id);
    for card in payment_methods::of_customer(ctx, id) {
        payment_methods::detach_from(ctx, card.text("id"));
    }
    let account = ctx.account.clone();
    let deleted = json!({ "id": id, "object": "customer", "deleted": true });
    if let Some(row) = ctx.state.row_mut(&account, Kind::Customer, id) {
        row.object = deleted.clone();
    }
    ctx.emit_object(&account, "customer.deleted", before, Value::Null);
    Ok(deleted)
}

/// `GET /v1/customers/search`
pub(crate) fn search(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    list::search(ctx, Kind::Customer, params, "/v1/customers/search")
}

/// `GET /v1/customers`
pub(crate) fn index(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let email = params.text("email").map(str::to_owned);
    let clock = params.text("test_clock").map(str::to_owned);
    list::page(ctx, Kind::Customer, params, "/v1/customers", |customer| {
        // Stripe compares the address with its case.
        !customer.flag("deleted")
            && clock.as_deref().is_none_or(|clock| customer.text("test_clock") == clock)
            && email.as_deref().is_none_or(|email| customer.text("email") == email)
    })
}

/// `GET /v1/customers/{id}/payment_methods`
pub(crate) fn payment_methods(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let customer = path[0];
    ctx.fetch(Kind::Customer, customer, "customer")?;
    let kind = params.text("type").unwrap_or("card").to_owned();
    let url = format!("/v1/customers/{customer}/payment_methods");
    list::page(ctx, Kind::PaymentMethod, params, &url, |row| row["customer"] == customer && row["type"] == *kind)
}

/// `GET /v1/customers/{id}/payment_methods/{payment_method}`
pub(crate) fn payment_method(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    let card = ctx.fetch(Kind::PaymentMethod, path[1], "payment_method")?;
    if card["customer"] == path[0] { Ok(card) } else { Err(ApiError::no_such(Kind::PaymentMethod, path[1], "payment_method")) }
}
