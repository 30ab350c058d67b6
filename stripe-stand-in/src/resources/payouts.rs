//! Payouts: <https://docs.stripe.com/api/payouts>.

use serde_json::{Value, json};

use crate::engine::payouts;
use crate::events::context::Context;
use crate::resources::list;
use crate::words::errors::ApiError;
use crate::words::json::Fields;
use crate::words::kind::Kind;
use crate::words::money;
use crate::words::params::Params;

/// Parameters of `POST /v1/payouts`.
pub(crate) const CREATE: &str = "amount:i currency description destination metadata:m method:(instant|standard) \
    payout_method source_type:(card) statement_descriptor";

/// `POST /v1/payouts`
pub(crate) fn create(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let amount = params.int("amount").ok_or_else(|| ApiError::missing("amount"))?;
    let currency = money::currency(params.required("currency")?, "currency")?;
    if amount < 1 {
        let error = ApiError::invalid("This value must be greater than or equal to 1.");
        return Err(error.code("parameter_invalid_integer").param("amount"));
    }
    let id = payouts::make(ctx, amount, &currency, params, false)?;
    ctx.fetch(Kind::Payout, &id, "payout")
}

/// `POST /v1/payouts/{id}/cancel`
pub(crate) fn cancel(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    let payout = ctx.fetch(Kind::Payout, path[0], "payout")?;
    if payout.text("status") != "pending" || payout.flag("automatic") {
        return Err(ApiError::invalid("Payouts can only be canceled while they are pending, and automatic ones not at all."));
    }
    let transaction = payouts::post(ctx, path[0], "payout_cancel", payout.int("amount"), payout.text("currency"));
    ctx.set(Kind::Payout, path[0], json!({ "failure_balance_transaction": transaction, "status": "canceled" }));
    ctx.emit("payout.canceled", Kind::Payout, path[0]);
    ctx.fetch(Kind::Payout, path[0], "payout")
}

/// `GET /v1/payouts/{id}`
pub(crate) fn retrieve(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    ctx.fetch(Kind::Payout, path[0], "payout")
}

/// `POST /v1/payouts/{id}`
pub(crate) fn update(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let before = ctx.fetch(Kind::Payout, path[0], "payout")?;
    ctx.set(Kind::Payout, path[0], json!({ "metadata": params.merged_metadata(&before["metadata"]) }));
    let account = ctx.account.clone();
    ctx.emit_change(&account, "payout.updated", Kind::Payout, path[0], &before);
    ctx.fetch(Kind::Payout, path[0], "payout")
}

/// `GET /v1/payouts`
pub(crate) fn index(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    list::page(ctx, Kind::Payout, params, "/v1/payouts", |row| {
        ["destination", "status"].iter().all(|name| params.text(name).is_none_or(|wanted| row.text(name) == wanted))
    })
}
