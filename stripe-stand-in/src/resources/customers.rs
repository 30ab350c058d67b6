//! Customers: <https://docs.stripe.com/api/customers>. Each account has its own.

use serde_json::{Value, json};

use crate::engine::billing::subscriptions;
use crate::engine::customer_rows;
use crate::engine::customers;
use crate::engine::payment_methods;
use crate::events::context::Context;
use crate::resources::list;
use crate::words::email;
use crate::words::errors::ApiError;
use crate::words::json::Fields;
use crate::words::kind::Kind;
use crate::words::params::Params;

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

/// `POST /v1/customers`
pub(crate) fn create(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    email::check(params, "email")?;
    if let Some(clock) = params.text("test_clock") {
        ctx.fetch_param(Kind::TestClock, clock, "test_clock")?;
    }
    if let Some(card) = params.text("payment_method") {
        payment_methods::check_attach(ctx, card, "payment_method")?;
    }
    let settings = params.object("invoice_settings");
    let chosen = settings.text("default_payment_method");
    if chosen.is_some() && chosen != params.text("payment_method") {
        customers::check_default(ctx, "", &settings)?;
    }
    let id = customers::make(ctx, params);
    if let Some(card) = params.text("payment_method") {
        let method = payment_methods::attach_to(ctx, card, &id)?;
        if chosen.is_some() {
            customer_rows::set_default(ctx, &id, method.into());
        }
    }
    ctx.fetch(Kind::Customer, &id, "id")
}

/// `GET /v1/customers/{id}`: a deleted one is returned as deleted.
pub(crate) fn retrieve(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    ctx.fetch(Kind::Customer, path[0], "id")
}

/// `POST /v1/customers/{id}`
pub(crate) fn update(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let before = ctx.fetch(Kind::Customer, path[0], "id")?;
    if before.flag("deleted") {
        return Err(ApiError::no_such(Kind::Customer, path[0], "id"));
    }
    email::check(params, "email")?;
    let mut after = json!({ "metadata": params.merged_metadata(&before["metadata"]) });
    for name in ["description", "email", "name", "phone", "balance", "tax_exempt", "preferred_locales"] {
        if params.has(name) {
            after[name] = params.json(name);
        }
    }
    if before["currency"].is_null() && params.int("balance").is_some_and(|owed| owed != 0) {
        after["currency"] = customers::own_currency(ctx).into();
    }
    if params.has("address") {
        after["address"] = customer_rows::address(params, "address");
    }
    if params.has("shipping") {
        after["shipping"] = customer_rows::shipping(params, "shipping");
    }
    let settings = params.object("invoice_settings");
    if settings.has("default_payment_method") {
        customers::check_default(ctx, path[0], &settings)?;
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
        // Stripe compares addresses case-sensitively.
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
