//! Changes of a subscription: another price with proration, and the end of the period
//! (<https://docs.stripe.com/billing/subscriptions/prorations>).

use serde_json::{Value, json};

use crate::engine::billing::invoices;
use crate::engine::billing::lines;
use crate::engine::billing::pending;
use crate::engine::billing::prices;
use crate::engine::billing::rows::names;
use crate::engine::billing::subscriptions::{self, item, money_flow, own_method};
use crate::events::context::Context;
use crate::words::calendar;
use crate::words::errors::ApiError;
use crate::words::json::Fields;
use crate::words::kind::Kind;
use crate::words::params::Params;

/// The result of changing the items.
pub(crate) struct Change {
    pub(crate) items: Vec<Value>,
    pub(crate) lines: Vec<Value>,
    /// The billing cycle restarts, so what is owed is invoiced immediately.
    pub(crate) reset: bool,
    pub(crate) proration_date: i64,
}

pub(crate) fn plan(ctx: &mut Context, subscription: &Value, params: &Params, now: i64) -> Result<Change, ApiError> {
    let before = subscription["items"]["data"].as_array().cloned().unwrap_or_default();
    let mut items = before.clone();
    let (mut old, mut new): (Vec<Value>, Vec<String>) = (Vec::new(), Vec::new());
    for (place, given) in params.objects("items").iter().enumerate() {
        let param = format!("items[{place}]");
        let known = given.text("id").map(|id| items.iter().position(|item| item.text("id") == id));
        let known = match known {
            Some(None) => {
                let id = given.text("id").unwrap_or_default();
                let error = ApiError::invalid(format!("No such subscription item: '{id}'"));
                return Err(error.code("resource_missing").param(&format!("{param}[id]")));
            }
            Some(Some(place)) => Some(place),
            None => None,
        };
        match known {
            Some(place) if given.is("deleted") => old.push(items.remove(place)),
            Some(place) => {
                let mut changed = items[place].clone();
                if given.has("price") || given.has("price_data") {
                    let price = prices::of_item(ctx, given, &param)?;
                    subscriptions::check_recurring(&price, &format!("{param}[price]"))?;
                    changed["plan"] = prices::plan(&price);
                    changed["price"] = price;
                }
                if let Some(quantity) = given.int("quantity") {
                    changed["quantity"] = quantity.into();
                }
                changed["metadata"] = given.merged_metadata(&changed["metadata"]);
                if changed["price"]["id"] != items[place]["price"]["id"] || changed["quantity"] != items[place]["quantity"] {
                    old.push(items[place].clone());
                    new.push(changed.text("id").to_owned());
                }
                items[place] = changed;
            }
            None => {
                let price = prices::of_item(ctx, given, &param)?;
                subscriptions::check_recurring(&price, &format!("{param}[price]"))?;
                let period = before.first().map_or((now, now), |one| (one.int("current_period_start"), one.int("current_period_end")));
                let made = item(subscription.text("id"), &price, given, period);
                new.push(made.text("id").to_owned());
                items.push(made);
            }
        }
    }
    let Some(first) = items.first() else {
        return Err(ApiError::invalid("A subscription must have at least one active plan. To stop it, cancel it.").param("items"));
    };
    let rhythm = |item: &Value| (item["price"]["recurring"]["interval"].clone(), item["price"]["recurring"]["interval_count"].clone());
    if items.iter().any(|item| rhythm(item) != rhythm(first) || item["price"]["currency"] != subscription["currency"]) {
        return Err(ApiError::invalid("All items of a subscription have the same currency and interval in the stand-in.").param("items"));
    }
    let trial = subscription.text("status") == "trialing";
    let another = before.first().is_some_and(|one| rhythm(one) != rhythm(first));
    let reset = !trial && (another || params.text("billing_cycle_anchor") == Some("now"));
    let at = params.int("proration_date").unwrap_or(now);
    let is_in_period = |item: &Value| (item.int("current_period_start")..=item.int("current_period_end")).contains(&at);
    if !before.iter().all(is_in_period) {
        // Two people quote it: <https://groups.google.com/a/lists.stripe.com/g/api-discuss/c/uTg9uWzU7qo> for the past.
        let error = ApiError::invalid("Cannot specify proration date outside of current subscription period");
        return Err(error.param("proration_date"));
    }
    let prorate = !trial && params.text("proration_behavior") != Some("none");
    let names = names(ctx);
    let name = |item: &Value| names(item["price"].text("product"));
    let mut changed_lines = Vec::new();
    if reset {
        if prorate {
            changed_lines.extend(before.iter().map(|item| lines::proration(subscription, item, &name(item), at, true)));
        }
        let end = calendar::period_end(now, now, &items[0]["price"]["recurring"]);
        for item in &mut items {
            item["current_period_start"] = now.into();
            item["current_period_end"] = end.into();
        }
        let mut after = subscription.clone();
        after["items"]["data"] = json!(items);
        changed_lines.extend(lines::of_period(&after, &names, false));
    } else if prorate {
        changed_lines.extend(old.iter().map(|item| lines::proration(subscription, item, &name(item), at, true)));
        let added = items.iter().filter(|item| new.iter().any(|id| item["id"] == **id));
        changed_lines.extend(added.map(|item| lines::proration(subscription, item, &name(item), at, false)));
    }
    Ok(Change { items, lines: changed_lines, reset, proration_date: at })
}

/// Invoices the pending lines and tries to pay the invoice.
///
/// # Errors
/// 400 if the payment is impossible.
pub(crate) fn invoice_pending(ctx: &mut Context, id: &str, now: i64) -> Result<(), ApiError> {
    let lines = pending::take_pending(ctx, id);
    if lines.is_empty() {
        return Ok(());
    }
    let subscription = ctx.fetch(Kind::Subscription, id, "id")?;
    let invoice = invoices::draft(ctx, &subscription, lines, "subscription_update", now);
    invoices::finalize(ctx, &invoice, now)?;
    // A failure is recorded in the invoice and makes the subscription past due.
    let _ = invoices::pay(ctx, &invoice, None, true, now);
    Ok(())
}

/// When the requested trial ends.
pub(crate) fn trial_end(params: &Params, now: i64) -> Result<Option<i64>, ApiError> {
    let Some(text) = params.text("trial_end").filter(|end| *end != "now") else { return Ok(None) };
    let end = text.parse::<i64>().map_err(|_| ApiError::invalid("Invalid timestamp").param("trial_end"))?;
    if end <= now {
        return Err(ApiError::invalid("The trial_end must be a timestamp in the future.").param("trial_end"));
    }
    Ok(Some(end))
}

/// Nothing is charged until the trial ends, and the billing cycle starts there.
pub(crate) fn begin_trial(fields: &mut Value, before: &Value, end: i64, now: i64) {
    if fields["items"].is_null() {
        fields["items"] = before["items"].clone();
    }
    let start = if before.text("status") == "trialing" { before.int("trial_start") } else { now };
    for item in fields["items"]["data"].as_array_mut().into_iter().flatten() {
        item["current_period_start"] = start.into();
        item["current_period_end"] = end.into();
    }
    fields["billing_cycle_anchor"] = end.into();
    fields["status"] = "trialing".into();
    fields["trial_end"] = end.into();
    fields["trial_start"] = start.into();
}

/// The changes other than the items.
pub(crate) fn settings(ctx: &Context, before: &Value, params: &Params, now: i64) -> Result<Value, ApiError> {
    let mut fields = json!({ "metadata": params.merged_metadata(&before["metadata"]) });
    for name in ["description", "on_behalf_of"] {
        if params.has(name) {
            fields[name] = params.json(name);
        }
    }
    if params.has("default_payment_method") {
        if let Some(method) = params.text("default_payment_method") {
            own_method(ctx, method, before.text("customer"), "default_payment_method")?;
        }
        fields["default_payment_method"] = params.json("default_payment_method");
    }
    if params.has("application_fee_percent") || params.has("transfer_data") {
        let mut flow = params.value().clone();
        if !params.has("transfer_data") && before["transfer_data"].is_object() {
            flow["transfer_data"] = json!({ "destination": before["transfer_data"]["destination"] });
        }
        let (fee, transfer) = money_flow(ctx, &Params::from_value(flow))?;
        if params.has("application_fee_percent") {
            fields["application_fee_percent"] = fee.into();
        }
        if params.has("transfer_data") {
            fields["transfer_data"] = transfer;
        }
    }
    if let Some(save) = params.object("payment_settings").text("save_default_payment_method") {
        fields["payment_settings"] = before["payment_settings"].clone();
        fields["payment_settings"]["save_default_payment_method"] = save.into();
    }
    let given = params.object("cancellation_details");
    let mut details = before["cancellation_details"].clone();
    for name in ["comment", "feedback"] {
        if given.has(name) {
            details[name] = given.json(name);
        }
    }
    let end = match (params.flag("cancel_at_period_end"), params.text("cancel_at")) {
        (Some(true), _) => Some((true, before["items"]["data"][0]["current_period_end"].clone())),
        (_, Some(at)) => Some((false, at.parse::<i64>().map_err(|_| ApiError::invalid("Invalid timestamp").param("cancel_at"))?.into())),
        (Some(false), None) => Some((false, Value::Null)),
        (None, None) if params.unsets("cancel_at") => Some((false, Value::Null)),
        (None, None) => None,
    };
    if let Some((at_period_end, at)) = end {
        fields["cancel_at_period_end"] = at_period_end.into();
        fields["canceled_at"] = if at.is_null() { Value::Null } else { now.into() };
        details["reason"] = if at.is_null() { Value::Null } else { "cancellation_requested".into() };
        fields["cancel_at"] = at;
    }
    fields["cancellation_details"] = details;
    Ok(fields)
}
