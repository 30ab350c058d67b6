//! Application fees of the platform and their refunds: <https://docs.stripe.com/api/application_fees>.

use serde_json::Value;

use crate::engine::application_fees;
use crate::events::context::Context;
use crate::resources::list;
use crate::words::errors::ApiError;
use crate::words::json::Fields;
use crate::words::kind::Kind;
use crate::words::money;
use crate::words::params::Params;

/// `GET /v1/application_fees`
pub(crate) fn index(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let charge = params.text("charge").map(str::to_owned);
    list::page(ctx, Kind::ApplicationFee, params, "/v1/application_fees", |row| {
        charge.as_deref().is_none_or(|charge| row["charge"] == charge || row["originating_transaction"] == charge)
    })
}

/// `GET /v1/application_fees/{id}`
pub(crate) fn retrieve(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    ctx.fetch(Kind::ApplicationFee, path[0], "id")
}

/// `GET /v1/application_fees/{id}/refunds`
pub(crate) fn refunds(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    ctx.fetch(Kind::ApplicationFee, path[0], "id")?;
    let url = format!("/v1/application_fees/{}/refunds", path[0]);
    list::page_of_children(ctx, Kind::FeeRefund, path[0], params, &url, |_| true)
}

/// `POST /v1/application_fees/{id}/refunds`: the money goes back to the connected account.
pub(crate) fn refund(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let fee = ctx.fetch(Kind::ApplicationFee, path[0], "id")?;
    let left = fee.int("amount") - fee.int("amount_refunded");
    let amount = params.int("amount").unwrap_or(left);
    let currency = fee.text("currency");
    if left == 0 {
        return Err(ApiError::invalid(format!("Application fee {} has already been refunded.", path[0])));
    }
    if amount < 1 || amount > left {
        return Err(ApiError::invalid(format!(
            "Refund amount ({}) is greater than unrefunded amount on fee ({})",
            money::display(amount, currency),
            money::display(left, currency)
        ))
        .param("amount"));
    }
    let id = application_fees::give_back(ctx, path[0], amount, params.metadata());
    ctx.fetch(Kind::FeeRefund, &id, "id")
}

/// `GET /v1/application_fees/{id}/refunds/{refund}`
pub(crate) fn retrieve_refund(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    let refund = ctx.fetch(Kind::FeeRefund, path[1], "id")?;
    if refund["fee"] == path[0] { Ok(refund) } else { Err(ApiError::no_such(Kind::FeeRefund, path[1], "id")) }
}
