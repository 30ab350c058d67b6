//! Invoice lines: for an item's period, and for the proration of a change.

use serde_json::{Value, json};

use crate::words::calendar;
use crate::words::ids::new_id;
use crate::words::json::Fields;

/// A line for an item's period from `start` to `end`. A proration is for part of a period, and may be a credit.
fn line(subscription: &Value, item: &Value, amount: i64, description: String, (start, end): (i64, i64), proration: bool) -> Value {
    let price = &item["price"];
    let (invoice_item, id) = if proration { (json!(new_id("ii")), new_id("il")) } else { (Value::Null, new_id("il")) };
    json!({
        "id": id,
        "object": "line_item",
        "amount": amount,
        "currency": subscription["currency"],
        "description": description,
        "discount_amounts": [],
        "discountable": !proration,
        "discounts": [],
        "invoice": null,
        "livemode": false,
        "metadata": subscription["metadata"],
        "parent": {
            "invoice_item_details": null,
            "subscription_item_details": {
                "invoice_item": invoice_item,
                "proration": proration,
                "proration_details": { "credited_items": null },
                "subscription": subscription["id"],
                "subscription_item": item["id"],
            },
            "type": "subscription_item_details",
        },
        "period": { "end": end, "start": start },
        "pretax_credit_amounts": [],
        "pricing": {
            "price_details": { "price": price["id"], "product": price["product"] },
            "type": "price_details",
            // Part of a period has no unit price.
            "unit_amount_decimal": if proration { Value::Null } else { price["unit_amount_decimal"].clone() },
        },
        "quantity": item["quantity"],
        "quantity_decimal": item.int("quantity").to_string(),
        "subtotal": amount,
        "taxes": [],
    })
}

/// The price of an item's full period.
pub(crate) fn cost(item: &Value) -> i64 {
    item["price"].int("unit_amount").saturating_mul(item.int("quantity"))
}

/// One line per item of a subscription, for the current period; free in a trial.
pub(crate) fn of_period(subscription: &Value, names: &dyn Fn(&str) -> String, trial: bool) -> Vec<Value> {
    let items = subscription["items"]["data"].as_array().map(Vec::as_slice).unwrap_or_default();
    items
        .iter()
        .map(|item| {
            let period = (item.int("current_period_start"), item.int("current_period_end"));
            let name = names(item["price"].text("product"));
            if trial {
                return line(subscription, item, 0, format!("Trial period for {name}"), period, false);
            }
            let price = format!("{} × {name} (per {})", item.int("quantity"), item["price"]["recurring"].text("interval"));
            line(subscription, item, cost(item), price, period, false)
        })
        .collect()
}

/// The rest of an item's period, as a credit or as a charge. To the second, rounded half away from zero.
pub(crate) fn proration(subscription: &Value, item: &Value, name: &str, at: i64, credit: bool) -> Value {
    let (start, end) = (item.int("current_period_start"), item.int("current_period_end"));
    let whole = (end - start).max(1);
    let left = (end - at).clamp(0, whole);
    let amount = i64::try_from((2 * i128::from(cost(item)) * i128::from(left) + i128::from(whole)) / (2 * i128::from(whole)));
    let amount = amount.unwrap_or(i64::MAX);
    let (amount, kind) = if credit { (-amount, "Unused") } else { (amount, "Remaining") };
    let description = format!("{kind} time on {} × {name} after {}", item.int("quantity"), calendar::display(at));
    line(subscription, item, amount, description, (at, end), true)
}
