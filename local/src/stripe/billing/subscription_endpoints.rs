//! What can be asked of subscriptions, and their end at once.

use serde_json::{Value, json};

use super::subscriptions::{end, names};
use super::{changes, lines};
use crate::stripe::context::Context;
use crate::stripe::errors::ApiError;
use crate::stripe::list;
use crate::stripe::params::Params;
use crate::stripe::state::{Fields, Kind};

/// Parameters of `DELETE /v1/subscriptions/{id}`.
pub(crate) const CANCEL: &str = "cancellation_details{comment feedback feedback_option} invoice_now:b prorate:b";

/// Parameters of `GET /v1/subscriptions`.
pub(crate) const LIST: &str = "automatic_tax:any collection_method created:range current_period_end:range \
    current_period_start:range customer customer_account plan price \
    status:(active|all|canceled|ended|incomplete|incomplete_expired|past_due|paused|trialing|unpaid) test_clock";

/// `GET /v1/subscriptions/{id}`
pub(crate) fn retrieve(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    ctx.fetch(Kind::Subscription, path[0], "id")
}

/// `DELETE /v1/subscriptions/{id}`: at once.
pub(crate) fn cancel(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let id = path[0];
    let subscription = ctx.fetch(Kind::Subscription, id, "id")?;
    if ["canceled", "incomplete_expired"].contains(&subscription.text("status")) {
        return Err(ApiError::no_such(Kind::Subscription, id, "id"));
    }
    let now = super::now_of(ctx, subscription.text("customer"));
    if params.is("prorate") {
        let names = names(ctx);
        let items = subscription["items"]["data"].as_array().cloned().unwrap_or_default();
        let credits = items.iter().map(|item| lines::proration(&subscription, item, &names(item["price"].text("product")), now, true));
        changes::add_pending(ctx, id, credits.collect());
    }
    let given = params.object("cancellation_details");
    let mut details = subscription["cancellation_details"].clone();
    for name in ["comment", "feedback"] {
        if given.has(name) {
            details[name] = given.json(name);
        }
    }
    ctx.set(Kind::Subscription, id, json!({ "cancellation_details": details }));
    end(ctx, id, "cancellation_requested", now);
    if params.is("invoice_now") {
        changes::invoice_pending(ctx, id, now)?;
    }
    ctx.fetch(Kind::Subscription, id, "id")
}

/// `GET /v1/subscriptions`: those that have not ended, unless a status is asked for.
pub(crate) fn index(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let status = params.text("status").map(str::to_owned);
    let price = params.text("price").map(str::to_owned);
    list::page(ctx, Kind::Subscription, params, "/v1/subscriptions", |row| {
        let ended = ["canceled", "incomplete_expired"].contains(&row.text("status"));
        let status = match status.as_deref() {
            None => !ended,
            Some("all") => true,
            Some("ended") => ended,
            Some(wanted) => row.text("status") == wanted,
        };
        let items = row["items"]["data"].as_array().map(Vec::as_slice).unwrap_or_default();
        status
            && ["customer", "test_clock"].iter().all(|name| params.text(name).is_none_or(|wanted| row.text(name) == wanted))
            && price.as_deref().is_none_or(|price| items.iter().any(|item| item["price"]["id"] == price))
    })
}
