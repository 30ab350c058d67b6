//! Creates products.

use serde_json::{Map, json};

use crate::events::context::Context;
use crate::words::errors::ApiError;
use crate::words::ids::new_id;
use crate::words::kind::Kind;
use crate::words::params::Params;

/// Creates a product.
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
