//! Creates prices, and computes what they cost.

use serde_json::{Map, Value, json};

use crate::engine::billing::products;
use crate::events::context::Context;
use crate::words::errors::ApiError;
use crate::words::ids::new_id;
use crate::words::json::Fields;
use crate::words::kind::Kind;
use crate::words::money;
use crate::words::params::Params;

/// Creates a price, and its product if that is described instead of named.
///
/// # Errors
/// 400 for an impossible amount, currency or interval.
pub(crate) fn make(ctx: &mut Context, params: &Params) -> Result<String, ApiError> {
    let currency = money::currency(params.required("currency")?, "currency")?;
    let amount = params.int("unit_amount").ok_or_else(|| ApiError::missing("unit_amount"))?;
    if amount < 0 {
        return Err(ApiError::invalid("This value must be greater than or equal to 0.")
            .code("parameter_invalid_integer")
            .param("unit_amount"));
    }
    let recurring = recurring(params)?;
    let product = match params.text("product") {
        Some(product) => {
            ctx.fetch_param(Kind::Product, product, "product")?;
            product.to_owned()
        }
        None if params.has("product_data") => products::make(ctx, &params.object("product_data"))?,
        None => return Err(ApiError::missing("product")),
    };
    let key = params.text("lookup_key");
    let taken = key.is_some_and(|key| ctx.state.rows(&ctx.account, Kind::Price).iter().any(|row| row.object["lookup_key"] == key));
    if taken && !params.is("transfer_lookup_key") {
        return Err(ApiError::invalid(format!("A price (`{}`) already uses that lookup key.", key.unwrap_or_default())).param("lookup_key"));
    }
    let id = new_id("price");
    let object = json!({
        "id": id,
        "object": "price",
        "active": params.flag("active").unwrap_or(true),
        "billing_scheme": "per_unit",
        "created": ctx.now(),
        "currency": currency,
        "custom_unit_amount": null,
        "livemode": false,
        "lookup_key": params.json("lookup_key"),
        "metadata": params.metadata(),
        "nickname": params.json("nickname"),
        "product": product,
        "recurring": recurring,
        "tax_behavior": params.text("tax_behavior").unwrap_or("unspecified"),
        "tiers_mode": null,
        "transform_quantity": null,
        "type": if recurring.is_null() { "one_time" } else { "recurring" },
        "unit_amount": amount,
        "unit_amount_decimal": amount.to_string(),
    });
    let account = ctx.account.clone();
    ctx.state.insert(&account, Kind::Price, object, Map::new());
    ctx.emit("price.created", Kind::Price, &id);
    Ok(id)
}

fn recurring(params: &Params) -> Result<Value, ApiError> {
    if !params.has("recurring") {
        return Ok(Value::Null);
    }
    let given = params.object("recurring");
    let interval = given.text("interval").ok_or_else(|| ApiError::missing("recurring[interval]"))?;
    let count = given.int("interval_count").unwrap_or(1);
    let most = match interval {
        "year" => 3,
        "month" => 36,
        "week" => 156,
        "day" => 1095,
        _ => return Err(ApiError::invalid("Invalid interval: must be one of month, year, week, or day").param("recurring[interval]")),
    };
    if !(1..=most).contains(&count) {
        return Err(ApiError::invalid("The maximum billing interval is three years.").param("recurring[interval_count]"));
    }
    if given.text("usage_type") == Some("metered") {
        return Err(ApiError::invalid("The stand-in only has licensed prices.").param("recurring[usage_type]"));
    }
    Ok(json!({
        "interval": interval, "interval_count": count, "meter": null, "trial_period_days": given.int("trial_period_days"),
        "usage_type": "licensed",
    }))
}

/// The price that an item names or describes.
///
/// # Errors
/// 400 for a price that does not exist or is not active.
pub(crate) fn of_item(ctx: &mut Context, item: &Params, param: &str) -> Result<Value, ApiError> {
    let id = match item.text("price") {
        Some(price) => price.to_owned(),
        None if item.has("price_data") => make(ctx, &item.object("price_data"))?,
        None => return Err(ApiError::missing(&format!("{param}[price]"))),
    };
    let price = ctx.fetch_param(Kind::Price, &id, &format!("{param}[price]"))?;
    if !price.flag("active") {
        return Err(ApiError::invalid(format!("The price specified is inactive. This field only accepts active prices: {id}."))
            .param(&format!("{param}[price]")));
    }
    Ok(price)
}

/// The `plan` that a subscription's item still contains besides its price.
pub(crate) fn plan(price: &Value) -> Value {
    json!({
        "id": price["id"],
        "object": "plan",
        "active": price["active"],
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": "per_unit",
        "created": price["created"],
        "currency": price["currency"],
        "interval": price["recurring"]["interval"],
        "interval_count": price["recurring"]["interval_count"],
        "livemode": false,
        "metadata": price["metadata"],
        "meter": null,
        "nickname": price["nickname"],
        "product": price["product"],
        "tiers_mode": null,
        "transform_usage": null,
        "trial_period_days": null,
        "usage_type": "licensed",
    })
}
