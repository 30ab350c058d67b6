//! Prices: <https://docs.stripe.com/api/prices>.

use serde_json::{Value, json};

use crate::engine::billing::prices;
use crate::events::context::Context;
use crate::resources::list;
use crate::words::errors::ApiError;
use crate::words::json::Fields;
use crate::words::kind::Kind;
use crate::words::params::Params;

/// Parameters of `POST /v1/prices`.
pub(crate) const CREATE: &str = "active:b billing_scheme:(per_unit|tiered) currency currency_options:any \
    custom_unit_amount:any lookup_key metadata:m nickname product product_data{active:b id metadata:m name \
    statement_descriptor tax_code tax_details:any unit_label} recurring{interval:(day|month|week|year) interval_count:i \
    meter trial_period_days:i usage_type:(licensed|metered)} tax_behavior:(exclusive|inclusive|unspecified) tiers:any \
    tiers_mode transfer_lookup_key:b transform_quantity:any unit_amount:i unit_amount_decimal";

/// Parameters of `POST /v1/prices/{id}`.
pub(crate) const UPDATE: &str = "active:b currency_options:any lookup_key metadata:m nickname \
    tax_behavior:(exclusive|inclusive|unspecified) transfer_lookup_key:b";

/// `POST /v1/prices`
pub(crate) fn create(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let id = prices::make(ctx, params)?;
    ctx.fetch(Kind::Price, &id, "price")
}

/// `GET /v1/prices/{id}`
pub(crate) fn retrieve(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    ctx.fetch(Kind::Price, path[0], "price")
}

/// `POST /v1/prices/{id}`: the product and the amount cannot change.
pub(crate) fn update(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let before = ctx.fetch(Kind::Price, path[0], "price")?;
    let mut after = json!({ "metadata": params.merged_metadata(&before["metadata"]) });
    for name in ["active", "lookup_key", "nickname", "tax_behavior"] {
        if params.has(name) {
            after[name] = params.json(name);
        }
    }
    ctx.set(Kind::Price, path[0], after);
    let account = ctx.account.clone();
    ctx.emit_change(&account, "price.updated", Kind::Price, path[0], &before);
    ctx.fetch(Kind::Price, path[0], "price")
}

/// `GET /v1/prices`
pub(crate) fn index(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let (active, keys) = (params.flag("active"), params.texts("lookup_keys"));
    let interval = params.object("recurring").text("interval").map(str::to_owned);
    list::page(ctx, Kind::Price, params, "/v1/prices", |row| {
        ["product", "type", "currency"].iter().all(|name| params.text(name).is_none_or(|wanted| row.text(name) == wanted))
            && active.is_none_or(|active| row["active"] == active)
            && (keys.is_empty() || keys.iter().any(|key| row["lookup_key"] == **key))
            && interval.as_deref().is_none_or(|interval| row["recurring"].text("interval") == interval)
    })
}
