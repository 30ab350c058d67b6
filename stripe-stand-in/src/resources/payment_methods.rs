//! PaymentMethods, of cards and bank accounts: <https://docs.stripe.com/api/payment_methods>.

use serde_json::{Value, json};

use crate::engine::customer_rows;
use crate::engine::payment_methods;
use crate::events::context::Context;
use crate::resources::list;
use crate::words::cards::TestCard;
use crate::words::errors::ApiError;
use crate::words::json::Fields;
use crate::words::kind::Kind;
use crate::words::params::Params;

/// Parameters of `POST /v1/payment_methods`.
pub(crate) const CREATE: &str = "allow_redisplay billing_details{address{city country line1 line2 postal_code state} \
    email name phone tax_id} card{cvc exp_month:i exp_year:i networks:any number token} customer klarna{dob:any} link:any metadata:m \
    payment_method radar_options:any sepa_debit{iban} type us_bank_account{account_holder_type account_number account_type \
    financial_connections_account routing_number}";

/// Parameters of `POST /v1/payment_methods/{id}`.
pub(crate) const UPDATE: &str = "allow_redisplay billing_details{address{city country line1 line2 postal_code state} \
    email name phone tax_id} card{exp_month:i exp_year:i networks:any} metadata:m";

/// `POST /v1/payment_methods`: from a token, from a card's number (with a browser's key), or as a clone of the platform's.
pub(crate) fn create(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let id = payment_methods::from_params(ctx, params)?;
    ctx.fetch(Kind::PaymentMethod, &id, "id")
}

/// `GET /v1/payment_methods/{id}`
pub(crate) fn retrieve(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    // A test id returns a new one.
    if let Some(card) = TestCard::of_id(path[0]).filter(|_| path[0].starts_with("pm_")) {
        let id = payment_methods::make(ctx, &payment_methods::New::plain(card));
        return ctx.fetch(Kind::PaymentMethod, &id, "payment_method");
    }
    let method = ctx.state.object(&ctx.account, Kind::PaymentMethod, path[0]).cloned();
    method.ok_or_else(|| payment_methods::missing(ctx, path[0], 404, "payment_method"))
}

/// `POST /v1/payment_methods/{id}`: only one that belongs to a customer.
pub(crate) fn update(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let before = ctx.fetch(Kind::PaymentMethod, path[0], "payment_method")?;
    if before["customer"].is_null() {
        return Err(ApiError::invalid("You must save this PaymentMethod to a customer before you can update it."));
    }
    let mut after = json!({ "metadata": params.merged_metadata(&before["metadata"]) });
    if params.has("billing_details") {
        after["billing_details"] = customer_rows::billing_details(&params.object("billing_details"));
    }
    if let Some(choice) = params.text("allow_redisplay") {
        after["allow_redisplay"] = choice.into();
    }
    let card = params.object("card");
    after["card"] = before["card"].clone();
    for name in ["exp_month", "exp_year"] {
        if let Some(number) = card.int(name) {
            after["card"][name] = number.into();
        }
    }
    ctx.set(Kind::PaymentMethod, path[0], after);
    let account = ctx.account.clone();
    ctx.emit_change(&account, "payment_method.updated", Kind::PaymentMethod, path[0], &before);
    ctx.fetch(Kind::PaymentMethod, path[0], "payment_method")
}

/// `POST /v1/payment_methods/{id}/attach`
pub(crate) fn attach(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let customer = params.required("customer")?.to_owned();
    customer_rows::living(ctx, &customer, "customer")?;
    // Attaching again to the same customer changes nothing.
    if let Some(method) = ctx.state.object(&ctx.account, Kind::PaymentMethod, path[0])
        && method.maybe("customer") == Some(&customer)
    {
        return Ok(method.clone());
    }
    if TestCard::of_id(path[0]).is_none() && ctx.state.object(&ctx.account, Kind::PaymentMethod, path[0]).is_none() {
        return Err(payment_methods::missing(ctx, path[0], 404, "payment_method"));
    }
    payment_methods::check_attach(ctx, path[0], "payment_method")?;
    let id = payment_methods::attach_to(ctx, path[0], &customer)?;
    ctx.fetch(Kind::PaymentMethod, &id, "payment_method")
}

/// `POST /v1/payment_methods/{id}/detach`
pub(crate) fn detach(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    let method = ctx.fetch(Kind::PaymentMethod, path[0], "payment_method")?;
    if method["customer"].is_null() {
        return Err(ApiError::invalid("The payment method you provided is not attached to a customer so detachment is impossible."));
    }
    payment_methods::detach_from(ctx, path[0]);
    ctx.fetch(Kind::PaymentMethod, path[0], "payment_method")
}

/// `GET /v1/payment_methods`: a customer's, or all of the account's.
pub(crate) fn index(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let customer = params.text("customer").map(str::to_owned);
    if let Some(customer) = &customer {
        ctx.fetch_param(Kind::Customer, customer, "customer")?;
    }
    let kind = params.text("type").map(str::to_owned);
    list::page(ctx, Kind::PaymentMethod, params, "/v1/payment_methods", |row| {
        customer.as_deref().is_none_or(|customer| row["customer"] == customer) && kind.as_deref().is_none_or(|kind| row["type"] == kind)
    })
}
