//! The periods of a subscription's items.

use serde_json::Value;

use crate::words::calendar;
use crate::words::json::Fields;

/// The period of a subscription's items.
pub(crate) fn period(subscription: &Value) -> (i64, i64) {
    let item = &subscription["items"]["data"][0];
    (item.int("current_period_start"), item.int("current_period_end"))
}

/// Moves the items to the next period.
pub(crate) fn next_period(subscription: &mut Value) {
    let (_, start) = period(subscription);
    let end =
        calendar::period_end(subscription.int("billing_cycle_anchor"), start, &subscription["items"]["data"][0]["price"]["recurring"]);
    for item in subscription["items"]["data"].as_array_mut().into_iter().flatten() {
        item["current_period_start"] = start.into();
        item["current_period_end"] = end.into();
    }
}
