//! Helpers for customers: whether they exist, their default cards, and their current time.

use serde_json::{Value, json};

use crate::events::context::Context;
use crate::words::errors::ApiError;
use crate::words::json::Fields;
use crate::words::kind::Kind;
use crate::words::params::Params;

/// The current time of one of the current account's customers.
pub(crate) fn now_of(ctx: &Context, customer: &str) -> i64 {
    let customer = ctx.state.object(&ctx.account, Kind::Customer, customer);
    let clock = customer.and_then(|customer| customer.maybe("test_clock"));
    let clock = clock.and_then(|clock| ctx.state.object(&ctx.account, Kind::TestClock, clock));
    clock.map_or_else(|| ctx.now(), |clock| clock.int("frozen_time"))
}

/// An address with all the fields that Stripe returns, or `null`.
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

pub(crate) fn shipping(params: &Params, name: &str) -> Value {
    if !params.has(name) || params.unsets(name) {
        return Value::Null;
    }
    let given = params.object(name);
    json!({ "address": address(&given, "address"), "name": given.text("name"), "phone": given.text("phone") })
}

/// The customer of that id, unless it was deleted.
pub(crate) fn living(ctx: &Context, id: &str, param: &str) -> Result<Value, ApiError> {
    let customer = ctx.fetch_param(Kind::Customer, id, param)?;
    if customer.flag("deleted") {
        return Err(ApiError::no_such_param(Kind::Customer, id, param));
    }
    Ok(customer)
}

/// What a customer owes on top of an invoice in that currency; negative for a credit. Other
/// currencies do not count (<https://docs.stripe.com/invoicing/multi-currency-customers>).
pub(crate) fn balance(ctx: &Context, customer: &str, currency: &str) -> i64 {
    let Some(row) = ctx.state.row(&ctx.account, Kind::Customer, customer) else { return 0 };
    match row.object.maybe("currency") {
        Some(own) if own != currency => row.hidden.get("balances").map_or(0, |others| others.int(currency)),
        _ => row.object.int("balance"),
    }
}

/// Sets what [`balance`] returns.
pub(crate) fn set_balance(ctx: &mut Context, customer: &str, currency: &str, balance: i64) {
    let own = ctx.state.object(&ctx.account, Kind::Customer, customer).and_then(|one| one.maybe("currency"));
    if own.is_none_or(|own| own == currency) {
        ctx.set(Kind::Customer, customer, json!({ "balance": balance }));
        return;
    }
    let account = ctx.account.clone();
    let mut others = ctx.state.hidden(&account, Kind::Customer, customer, "balances").cloned().unwrap_or_else(|| json!({}));
    others[currency] = balance.into();
    ctx.state.hide(&account, Kind::Customer, customer, "balances", others);
}

/// A customer's credits by currency, as positive amounts: `invoice_credit_balance`.
pub(crate) fn credits(ctx: &Context, customer: &str) -> Value {
    let mut all = json!({});
    let Some(row) = ctx.state.row(&ctx.account, Kind::Customer, customer) else { return all };
    if let Some(own) = row.object.maybe("currency") {
        all[own] = (-row.object.int("balance")).into();
    }
    for (currency, balance) in row.hidden.get("balances").and_then(Value::as_object).into_iter().flatten() {
        all[currency.as_str()] = (-balance.as_i64().unwrap_or(0)).into();
    }
    all
}

/// Sets the currency in which a customer is billed from now on, with the balance recorded in it.
pub(crate) fn set_currency(ctx: &mut Context, customer: &str, currency: &str) {
    let owed = balance(ctx, customer, currency);
    let account = ctx.account.clone();
    ctx.set(Kind::Customer, customer, json!({ "balance": owed, "currency": currency }));
    if let Some(mut others) = ctx.state.hidden(&account, Kind::Customer, customer, "balances").cloned() {
        if let Some(others) = others.as_object_mut() {
            others.remove(currency);
        }
        ctx.state.hide(&account, Kind::Customer, customer, "balances", others);
    }
}

pub(crate) fn set_default(ctx: &mut Context, customer: &str, method: Value) {
    let Ok(object) = ctx.fetch(Kind::Customer, customer, "id") else { return };
    let mut settings = object["invoice_settings"].clone();
    settings["default_payment_method"] = method;
    ctx.set(Kind::Customer, customer, json!({ "invoice_settings": settings }));
}

/// Removes a detached card as the default.
pub(crate) fn forget_card(ctx: &mut Context, customer: &str, card: &str) {
    let default = ctx
        .state
        .object(&ctx.account, Kind::Customer, customer)
        .is_some_and(|c| c["invoice_settings"].text("default_payment_method") == card);
    if default {
        set_default(ctx, customer, Value::Null);
    }
}

/// `billing_details` with all the fields that Stripe returns.
pub(crate) fn billing_details(given: &Params) -> Value {
    let mut street = address(given, "address");
    if street.is_null() {
        street = json!({
            "city": null, "country": null, "line1": null, "line2": null, "postal_code": null, "state": null,
        });
    }
    json!({
        "address": street,
        "email": given.text("email"),
        "name": given.text("name"),
        "phone": given.text("phone"),
        "tax_id": given.text("tax_id"),
    })
}
