//! Products: <https://docs.stripe.com/api/products>.

use serde_json::{Map, Value, json};

use crate::stripe::context::Context;
use crate::stripe::errors::ApiError;
use crate::stripe::list;
use crate::stripe::params::Params;
use crate::stripe::state::{Kind, new_id};

/// Parameters of `POST /v1/products`.
pub(crate) const CREATE: &str = "active:b default_price_data:any description id images[] marketing_features:any metadata:m \
    name package_dimensions:any shippable:b statement_descriptor tax_code tax_details:any type:(good|service) unit_label url";

/// Parameters of `POST /v1/products/{id}`.
pub(crate) const UPDATE: &str = "active:b default_price description images[] marketing_features:any metadata:m name \
    package_dimensions:any shippable:b statement_descriptor tax_code tax_details:any unit_label url";

/// Makes a product.
///
/// # Errors
/// 400 without a name.
pub(crate) fn make(ctx: &mut Context, params: &Params) -> Result<String, ApiError> {
    let name = params.required("name")?;
    let id = params.text("id").map_or_else(|| new_id("prod"), str::to_owned);
    let now = ctx.now();
    let object = json!({
        "id": id,
        "object": "product",
        "active": params.flag("active").unwrap_or(true),
        "created": now,
        "default_price": null,
        "description": params.json("description"),
        "images": params.texts("images"),
        "livemode": false,
        "marketing_features": [],
        "metadata": params.metadata(),
        "name": name,
        "package_dimensions": null,
        "shippable": null,
        "statement_descriptor": params.json("statement_descriptor"),
        "tax_code": null,
        "type": params.text("type").unwrap_or("service"),
        "unit_label": params.json("unit_label"),
        "updated": now,
        "url": params.json("url"),
    });
    let account = ctx.account.clone();
    ctx.state.insert(&account, Kind::Product, object, Map::new());
    ctx.emit("product.created", Kind::Product, &id);
    Ok(id)
}

/// `POST /v1/products`
pub(crate) fn create(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    if let Some(id) = params.text("id")
        && ctx.state.object(&ctx.account, Kind::Product, id).is_some()
    {
        return Err(ApiError::invalid("Product already exists.").code("resource_already_exists").param("id"));
    }
    let id = make(ctx, params)?;
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
