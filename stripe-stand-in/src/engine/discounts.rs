//! Coupons, their promotion codes, and the discounted price (<https://docs.stripe.com/payments/checkout/discounts>).

use serde_json::{Value, json};

use crate::events::context::Context;
use crate::words::errors::ApiError;
use crate::words::json::Fields;
use crate::words::kind::Kind;
use crate::words::money;

/// A coupon, and the promotion code that led to it.
#[derive(Clone, Debug)]
pub(crate) struct Chosen {
    pub(crate) coupon: String,
    pub(crate) promotion_code: Option<String>,
}

/// The facts of a sale that matter for discounts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sale<'a> {
    pub(crate) items: &'a [Value],
    pub(crate) currency: &'a str,
    pub(crate) customer: Option<&'a str>,
}

impl Sale<'_> {
    fn subtotal(&self) -> i64 {
        self.items.iter().map(|item| item.int("amount_subtotal")).sum()
    }
}

/// Whether a coupon or code can still be used at a time.
pub(crate) fn is_open(object: &Value, end: &str, now: i64) -> bool {
    let used_up = object["max_redemptions"].as_i64().is_some_and(|most| object.int("times_redeemed") >= most);
    !used_up && object[end].as_i64().is_none_or(|end| now < end)
}

/// The active promotion code that somebody entered; case does not matter.
pub(crate) fn of_code(ctx: &Context, code: &str) -> Option<Chosen> {
    let rows = ctx.state.rows(&ctx.account, Kind::PromotionCode).iter().map(|row| &row.object);
    let found = rows.filter(|one| one.flag("active")).find(|one| one.text("code").eq_ignore_ascii_case(code.trim()))?;
    Some(Chosen { coupon: found["promotion"].text("coupon").to_owned(), promotion_code: Some(found.text("id").to_owned()) })
}

/// Checks that a coupon applies to a sale.
///
/// # Errors
/// 400 with the reason why not.
pub(crate) fn check(ctx: &Context, chosen: &Chosen, sale: &Sale) -> Result<(), ApiError> {
    let now = ctx.now();
    let coupon = ctx.fetch_param(Kind::Coupon, &chosen.coupon, "discounts[0][coupon]")?;
    if !is_open(&coupon, "redeem_by", now) {
        return Err(ApiError::invalid(format!("Coupon expired: {}", chosen.coupon)).code("coupon_expired").param("discounts[0][coupon]"));
    }
    if off(ctx, &chosen.coupon, sale).is_none() {
        return Err(ApiError::invalid(format!("The coupon {} is not in {}.", chosen.coupon, sale.currency)).param("discounts[0][coupon]"));
    }
    let Some(id) = &chosen.promotion_code else { return Ok(()) };
    let code = ctx.fetch_param(Kind::PromotionCode, id, "discounts[0][promotion_code]")?;
    let refused =
        |why: &str| Err(ApiError::invalid(format!("This promotion code cannot be redeemed: {why}.")).param("discounts[0][promotion_code]"));
    if !code.flag("active") || !is_open(&code, "expires_at", now) {
        return refused("it is no longer active");
    }
    if code.maybe("customer").is_some_and(|owner| sale.customer != Some(owner)) {
        return refused("it is another customer's");
    }
    let rules = &code["restrictions"];
    let too_small = |least| rules.text("minimum_amount_currency") != sale.currency || sale.subtotal() < least;
    if rules["minimum_amount"].as_i64().is_some_and(too_small) {
        return refused("the order is too small for it");
    }
    if rules.flag("first_time_transaction") && sale.customer.is_some_and(|customer| has_paid(ctx, customer)) {
        return refused("it is for a first purchase");
    }
    Ok(())
}

fn has_paid(ctx: &Context, customer: &str) -> bool {
    let mut rows = ctx.state.rows(&ctx.account, Kind::Charge).iter().map(|row| &row.object);
    rows.any(|charge| charge["customer"] == customer && charge.text("status") == "succeeded")
}

/// The discount of each item; `None` if the coupon is in another currency.
fn off(ctx: &Context, coupon: &str, sale: &Sale) -> Option<Vec<i64>> {
    let row = ctx.state.row(&ctx.account, Kind::Coupon, coupon)?;
    let products = row.hidden.get("applies_to").and_then(|only| only["products"].as_array());
    let fits = |item: &&Value| products.is_none_or(|products| products.contains(&item["price"]["product"]));
    let whole: i64 = sale.items.iter().filter(fits).map(|item| item.int("amount_subtotal")).sum();
    let taken = match row.object["percent_off"].as_f64() {
        Some(percent) => {
            #[allow(clippy::cast_possible_truncation, reason = "a percentage has at most two decimal places")]
            let hundredths = (percent * 100.0).round() as i64;
            money::share(whole, hundredths, 10_000)
        }
        None if row.object.text("currency") == sale.currency => row.object.int("amount_off").min(whole),
        None => row.hidden.get("currency_options")?[sale.currency]["amount_off"].as_i64()?.min(whole),
    };
    // The parts add up to the whole.
    let mut so_far = 0;
    let mut part = |item: &Value| {
        if !fits(&item) {
            return 0;
        }
        let before = money::share(taken, so_far, whole);
        so_far += item.int("amount_subtotal");
        money::share(taken, so_far, whole) - before
    };
    Some(sale.items.iter().map(&mut part).collect())
}

/// The items, with their discounts.
pub(crate) fn take_off(ctx: &Context, chosen: &Chosen, sale: &Sale) -> Vec<Value> {
    let parts = off(ctx, &chosen.coupon, sale).unwrap_or_default();
    let mut items = sale.items.to_vec();
    for (item, part) in items.iter_mut().zip(parts) {
        item["amount_discount"] = part.into();
        item["amount_total"] = (item.int("amount_subtotal") - part).into();
    }
    items
}

/// Records that a coupon was used.
pub(crate) fn redeem(ctx: &mut Context, chosen: &Chosen) {
    let now = ctx.now();
    let mut count = |kind: Kind, id: &str, end: &str, open: &str, event: &str| {
        let account = ctx.account.clone();
        let Some(before) = ctx.state.object(&account, kind, id).cloned() else { return };
        let mut after = before.clone();
        after["times_redeemed"] = (before.int("times_redeemed") + 1).into();
        let still = before.flag(open) && is_open(&after, end, now);
        ctx.set(kind, id, json!({ "times_redeemed": after["times_redeemed"], open: still }));
        ctx.emit_change(&account, event, kind, id, &before);
    };
    count(Kind::Coupon, &chosen.coupon, "redeem_by", "valid", "coupon.updated");
    if let Some(code) = &chosen.promotion_code {
        count(Kind::PromotionCode, code, "expires_at", "active", "promotion_code.updated");
    }
}
