//! Products: <https://docs.stripe.com/api/products>.

use serde_json::{Value, json};

use crate::engine::billing::products;
use crate::events::context::Context;
use crate::resources::list;
use crate::words::errors::ApiError;
use crate::words::kind::Kind;
use crate::words::params::Params;

/// Parameters of `POST /v1/products`.
pub(crate) const CREATE: &str = "active:b default_price_data:any description id images[] marketing_features:any metadata:m \
    name package_dimensions:any shippable:b statement_descriptor tax_code tax_details:any type:(good|service) unit_label url";

/// Parameters of `POST /v1/products/{id}`.
pub(crate) const UPDATE: &str = "active:b default_price description images[] marketing_features:any metadata:m name \
    package_dimensions:any shippable:b statement_descriptor tax_code tax_details:any unit_label url";

/// `POST /v1/products`
pub(crate) fn create(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    if let Some(id) = params.text("id")
        && ctx.state.object(&ctx.account, Kind::Product, id).is_some()
    {
        return Err(ApiError::invalid("Product already exists.").code("resource_already_exists").param("id"));
    }
    let id = products::make(ctx, params)?;
    ctx.fetch(Kind::Product, &id, "id")
}

/// `GET /v1/products/{id}`
pub(crate) fn retrieve(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    ctx.fetch(Kind::Product, path[0], "id")
}

/// `POST /v1/products/{id}`
pub(crate) fn update(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let before = ctx.fetch(Kind::Product, path[0], "id")?;
    let mut after = json!({ "metadata": params.merged_metadata(&before["metadata"]), "updated": ctx.now() });
    for name in ["active", "description", "images", "name", "statement_descriptor", "unit_label", "url", "default_price"] {
        if params.has(name) {
            after[name] = params.json(name);
        }
    }
    if let Some(price) = params.text("default_price") {
        ctx.fetch_param(Kind::Price, price, "default_price")?;
    }
    ctx.set(Kind::Product, path[0], after);
    let account = ctx.account.clone();
    ctx.emit_change(&account, "product.updated", Kind::Product, path[0], &before);
    ctx.fetch(Kind::Product, path[0], "id")
}

/// `GET /v1/products`
pub(crate) fn index(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let (active, ids) = (params.flag("active"), params.texts("ids"));
    list::page(ctx, Kind::Product, params, "/v1/products", |row| {
        active.is_none_or(|active| row["active"] == active) && (ids.is_empty() || ids.iter().any(|id| row["id"] == **id))
    })
}
