//! Early fraud warnings and reviews: <https://docs.stripe.com/api/radar/early_fraud_warnings>,
//! <https://docs.stripe.com/api/radar/reviews>.

use serde_json::Value;

use crate::engine::radar;
use crate::events::context::Context;
use crate::resources::list;
use crate::words::errors::ApiError;
use crate::words::json::Fields;
use crate::words::kind::Kind;
use crate::words::params::Params;

/// `GET /v1/radar/early_fraud_warnings/{id}`
pub(crate) fn warning(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    ctx.fetch(Kind::EarlyFraudWarning, path[0], "early_fraud_warning")
}

/// `GET /v1/radar/early_fraud_warnings`
pub(crate) fn warnings(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    list::page(ctx, Kind::EarlyFraudWarning, params, "/v1/radar/early_fraud_warnings", |row| {
        ["charge", "payment_intent"].iter().all(|name| params.text(name).is_none_or(|wanted| row.text(name) == wanted))
    })
}

/// `GET /v1/reviews/{id}`
pub(crate) fn review(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    ctx.fetch(Kind::Review, path[0], "review")
}

/// `GET /v1/reviews`: those that are open.
pub(crate) fn reviews(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    list::page(ctx, Kind::Review, params, "/v1/reviews", |row| row.flag("open"))
}

/// `POST /v1/reviews/{id}/approve`
pub(crate) fn approve(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    let before = ctx.fetch(Kind::Review, path[0], "review")?;
    if !before.flag("open") {
        return Err(ApiError::invalid(format!("This review was closed already: {}.", before.text("closed_reason"))));
    }
    radar::close_review(ctx, path[0], "approved");
    ctx.fetch(Kind::Review, path[0], "review")
}
