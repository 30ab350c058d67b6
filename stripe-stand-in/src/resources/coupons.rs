//! Coupons and promotion codes: <https://docs.stripe.com/api/coupons>, <https://docs.stripe.com/api/promotion_codes>.

use serde_json::{Map, Value, json};

use crate::engine::discounts;
use crate::events::context::Context;
use crate::resources::list;
use crate::words::errors::ApiError;
use crate::words::ids::{new_id, random_text};
use crate::words::json::Fields;
use crate::words::kind::Kind;
use crate::words::money;
use crate::words::params::Params;

/// Parameters of `POST /v1/coupons`.
pub(crate) const CREATE: &str = "amount_off:i applies_to{products[]} currency currency_options:any duration:(forever|once|repeating) \
    duration_in_months:i id max_redemptions:i metadata:m name percent_off redeem_by:i";

/// The longest validity of a coupon, in seconds.
const LONGEST: i64 = 5 * 366 * 24 * 60 * 60;

fn positive(params: &Params, name: &str) -> Result<Option<i64>, ApiError> {
    match params.int(name) {
        Some(number) if number < 1 => {
            Err(ApiError::invalid("This value must be greater than or equal to 1.").code("parameter_invalid_integer").param(name))
        }
        number => Ok(number),
    }
}

/// `POST /v1/coupons`
pub(crate) fn create(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let id = params.text("id").map_or_else(|| random_text(8), str::to_owned);
    if ctx.state.object(&ctx.account, Kind::Coupon, &id).is_some() {
        return Err(ApiError::invalid("Coupon already exists.").code("resource_already_exists").param("id"));
    }
    let percent = params.text("percent_off").map(|text| {
        let given = text.parse::<f64>().ok().filter(|percent| *percent > 0.0 && *percent <= 100.0);
        given.ok_or_else(|| ApiError::invalid("Invalid decimal; must be greater than 0 and at most 100").param("percent_off"))
    });
    let percent = percent.transpose()?;
    let amount = positive(params, "amount_off")?;
    if percent.is_some() == amount.is_some() {
        return Err(ApiError::invalid("Must provide exactly one of percent_off and amount_off."));
    }
    let currency = match amount {
        Some(_) => Some(money::currency(params.required("currency")?, "currency")?),
        None => None,
    };
    let duration = params.text("duration").unwrap_or("once");
    let months = positive(params, "duration_in_months")?;
    if (duration == "repeating") != months.is_some() {
        return Err(ApiError::invalid("`duration_in_months` is only allowed with a duration of `repeating`.").param("duration_in_months"));
    }
    let now = ctx.now();
    let ends = params.int("redeem_by");
    if ends.is_some_and(|at| at <= now || at > now + LONGEST) {
        return Err(ApiError::invalid("`redeem_by` must be in the future, within five years.").param("redeem_by"));
    }
    let coupon = json!({
        "id": id,
        "object": "coupon",
        "amount_off": amount,
        "created": now,
        "currency": currency,
        "duration": duration,
        "duration_in_months": months,
        "livemode": false,
        "max_redemptions": positive(params, "max_redemptions")?,
        "metadata": params.metadata(),
        "name": params.json("name"),
        "percent_off": percent,
        "redeem_by": ends,
        "times_redeemed": 0,
        "valid": true,
    });
    let mut hidden = Map::new();
    if params.has("applies_to") {
        hidden.insert("applies_to".into(), params.json("applies_to"));
    }
    let mut options = json!({});
    for (currency, option) in params.json("currency_options").as_object().into_iter().flatten() {
        let amount = option.text("amount_off").parse::<i64>().ok().filter(|amount| *amount > 0);
        let place = format!("currency_options[{currency}][amount_off]");
        options[currency.as_str()] = json!({ "amount_off": amount.ok_or_else(|| ApiError::missing(&place))? });
    }
    hidden.insert("currency_options".into(), options);
    let account = ctx.account.clone();
    ctx.state.insert(&account, Kind::Coupon, coupon, hidden);
    ctx.emit("coupon.created", Kind::Coupon, &id);
    ctx.fetch(Kind::Coupon, &id, "coupon")
}

/// `GET /v1/coupons/{id}`
pub(crate) fn retrieve(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    ctx.fetch(Kind::Coupon, path[0], "coupon")
}

/// `GET /v1/coupons`
pub(crate) fn index(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    list::page(ctx, Kind::Coupon, params, "/v1/coupons", |_| true)
}

/// `DELETE /v1/coupons/{id}`: its codes end with it.
pub(crate) fn delete(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    ctx.fetch(Kind::Coupon, path[0], "coupon")?;
    ctx.emit("coupon.deleted", Kind::Coupon, path[0]);
    let account = ctx.account.clone();
    ctx.state.remove(&account, Kind::Coupon, path[0]);
    Ok(json!({ "id": path[0], "object": "coupon", "deleted": true }))
}

/// Parameters of `POST /v1/promotion_codes`.
pub(crate) const CREATE_CODE: &str = "active:b code customer customer_account expires_at:i max_redemptions:i metadata:m \
    promotion{coupon type:(coupon)} restrictions{currency_options:any first_time_transaction:b minimum_amount:i minimum_amount_currency}";

/// `POST /v1/promotion_codes`
pub(crate) fn create_code(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let promotion = params.object("promotion");
    promotion.required("type").map_err(|_| ApiError::missing("promotion[type]"))?;
    let coupon = promotion.required("coupon").map_err(|_| ApiError::missing("promotion[coupon]"))?;
    ctx.fetch_param(Kind::Coupon, coupon, "promotion[coupon]")?;
    let code = params.text("code").map_or_else(|| random_text(8).to_uppercase(), str::to_owned);
    let active = params.flag("active").unwrap_or(true);
    if active && discounts::of_code(ctx, &code).is_some() {
        return Err(ApiError::invalid(format!("An active promotion code with `code: {code}` already exists.")).param("code"));
    }
    let rules = params.object("restrictions");
    if rules.has("minimum_amount") != rules.has("minimum_amount_currency") {
        return Err(ApiError::invalid("A minimum amount needs a currency.").param("restrictions[minimum_amount]"));
    }
    let now = ctx.now();
    if params.int("expires_at").is_some_and(|at| at <= now) {
        return Err(ApiError::invalid("`expires_at` must be in the future.").param("expires_at"));
    }
    let id = new_id("promo");
    let object = json!({
        "id": id,
        "object": "promotion_code",
        "active": active,
        "code": code,
        "created": now,
        "customer": params.json("customer"),
        "customer_account": null,
        "expires_at": params.int("expires_at"),
        "livemode": false,
        "max_redemptions": positive(params, "max_redemptions")?,
        "metadata": params.metadata(),
        "promotion": { "coupon": coupon, "type": "coupon" },
        "restrictions": {
            "first_time_transaction": rules.is("first_time_transaction"),
            "minimum_amount": rules.int("minimum_amount"),
            "minimum_amount_currency": rules.text("minimum_amount_currency").map(str::to_lowercase),
        },
        "times_redeemed": 0,
    });
    ctx.insert(Kind::PromotionCode, object);
    ctx.emit("promotion_code.created", Kind::PromotionCode, &id);
    ctx.fetch(Kind::PromotionCode, &id, "promotion_code")
}

/// `GET /v1/promotion_codes/{id}`
pub(crate) fn retrieve_code(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    ctx.fetch(Kind::PromotionCode, path[0], "promotion_code")
}

/// `POST /v1/promotion_codes/{id}`
pub(crate) fn update_code(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let before = ctx.fetch(Kind::PromotionCode, path[0], "promotion_code")?;
    let mut after = json!({ "metadata": params.merged_metadata(&before["metadata"]) });
    if let Some(active) = params.flag("active") {
        let open = discounts::is_open(&before, "expires_at", ctx.now());
        if active && !before.flag("active") && (!open || discounts::of_code(ctx, before.text("code")).is_some()) {
            return Err(ApiError::invalid("This promotion code cannot be active again.").param("active"));
        }
        after["active"] = active.into();
    }
    ctx.set(Kind::PromotionCode, path[0], after);
    let account = ctx.account.clone();
    ctx.emit_change(&account, "promotion_code.updated", Kind::PromotionCode, path[0], &before);
    ctx.fetch(Kind::PromotionCode, path[0], "promotion_code")
}

/// `GET /v1/promotion_codes`
pub(crate) fn codes(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    list::page(ctx, Kind::PromotionCode, params, "/v1/promotion_codes", |row| {
        params.text("code").is_none_or(|code| row.text("code").eq_ignore_ascii_case(code))
            && params.text("coupon").is_none_or(|coupon| row["promotion"].text("coupon") == coupon)
            && params.text("customer").is_none_or(|customer| row.text("customer") == customer)
            && params.flag("active").is_none_or(|active| row.flag("active") == active)
    })
}
