//! Checkout Sessions: <https://docs.stripe.com/api/checkout/sessions>.

use serde_json::{Value, json};

use crate::engine::checkout;
use crate::engine::checkout_rows;
use crate::events::context::Context;
use crate::resources::list;
use crate::words::errors::ApiError;
use crate::words::json::Fields;
use crate::words::kind::Kind;
use crate::words::params::Params;

/// Parameters of `GET /v1/checkout/sessions`.
pub(crate) const LIST: &str = "created:range customer customer_account customer_details{email} payment_intent \
    payment_link status:(complete|expired|open) subscription";

/// `GET /v1/checkout/sessions/{id}`
pub(crate) fn retrieve(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    ctx.fetch(Kind::CheckoutSession, path[0], "session")
}

/// `POST /v1/checkout/sessions/{id}`
pub(crate) fn update(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let before = ctx.fetch(Kind::CheckoutSession, path[0], "session")?;
    ctx.set(Kind::CheckoutSession, path[0], json!({ "metadata": params.merged_metadata(&before["metadata"]) }));
    ctx.fetch(Kind::CheckoutSession, path[0], "session")
}

/// `POST /v1/checkout/sessions/{id}/expire`
pub(crate) fn expire(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    let session = ctx.fetch(Kind::CheckoutSession, path[0], "session")?;
    if session.text("status") != "open" {
        return Err(checkout::not_open(&session, "expired"));
    }
    checkout::close(ctx, path[0]);
    ctx.fetch(Kind::CheckoutSession, path[0], "session")
}

/// `GET /v1/checkout/sessions/{id}/line_items`
pub(crate) fn line_items(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    ctx.fetch(Kind::CheckoutSession, path[0], "session")?;
    let url = format!("/v1/checkout/sessions/{}/line_items", path[0]);
    list::page_of(Kind::CheckoutSession, &checkout_rows::items(ctx, path[0]), params, &url)
}

/// `GET /v1/checkout/sessions`
pub(crate) fn index(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let email = params.object("customer_details").text("email").map(str::to_owned);
    let elsewhere = params.has("payment_link");
    list::page(ctx, Kind::CheckoutSession, params, "/v1/checkout/sessions", |row| {
        !elsewhere
            && ["customer", "payment_intent", "status", "subscription"]
                .iter()
                .all(|name| params.text(name).is_none_or(|wanted| row.text(name) == wanted))
            && email.as_deref().is_none_or(|email| row["customer_details"].text("email") == email)
    })
}
