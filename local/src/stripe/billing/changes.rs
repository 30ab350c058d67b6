//! Changes of a subscription: another price with its proration, the end of the period, and back again
//! (<https://docs.stripe.com/billing/subscriptions/prorations>).

use serde_json::{Value, json};

use super::subscriptions::{self, change, item, money_flow, names, own_method};
use super::{calendar, invoices, lines, prices};
use crate::stripe::context::Context;
use crate::stripe::errors::ApiError;
use crate::stripe::params::Params;
use crate::stripe::payments;
use crate::stripe::state::{Fields, Kind, random_text};

/// Parameters of `POST /v1/subscriptions/{id}`.
pub(crate) const UPDATE: &str = "application_fee_percent automatic_tax:any billing_cycle_anchor:(now|unchanged) \
    billing_thresholds:any cancel_at cancel_at_period_end:b cancellation_details{comment feedback feedback_option} \
    collection_method:(charge_automatically|send_invoice) days_until_due:i default_payment_method default_source \
    default_tax_rates[] description discounts:any invoice_settings:any items[]{billing_thresholds:any clear_usage:b \
    deleted:b discounts:any id metadata:m price price_data{currency product recurring{interval interval_count:i} \
    tax_behavior unit_amount:i unit_amount_decimal} quantity:i tax_rates[]} metadata:m off_session:b on_behalf_of \
    pause_collection:any payment_behavior:(allow_incomplete|default_incomplete|error_if_incomplete|pending_if_incomplete) \
    payment_settings{payment_method_options:any payment_method_types[] save_default_payment_method:(off|on_subscription)} \
    pending_invoice_item_interval:any proration_behavior:(always_invoice|create_prorations|none) proration_date:i \
    transfer_data{amount_percent destination} trial_end trial_from_plan:b trial_settings:any";

/// Parameters of `POST /v1/invoices/create_preview`.
pub(crate) const PREVIEW: &str = "customer customer_account subscription subscription_details{billing_cycle_anchor \
    cancel_at_period_end:b items[]{deleted:b id metadata:m price price_data{currency product \
    recurring{interval interval_count:i} tax_behavior unit_amount:i unit_amount_decimal} quantity:i} \
    proration_behavior:(always_invoice|create_prorations|none) proration_date:i}";

/// What a change of the items comes to.
struct Change {
    items: Vec<Value>,
    lines: Vec<Value>,
    /// The billing cycle begins anew: what is owed is invoiced at once.
    reset: bool,
    proration_date: i64,
}

fn plan(ctx: &mut Context, subscription: &Value, params: &Params, now: i64) -> Result<Change, ApiError> {
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

fn pending(ctx: &Context, id: &str) -> Vec<Value> {
    ctx.state.hidden(&ctx.account, Kind::Subscription, id, "pending").and_then(Value::as_array).cloned().unwrap_or_default()
}

/// Lines that wait for the next invoice.
pub(crate) fn add_pending(ctx: &mut Context, id: &str, lines: Vec<Value>) {
    let mut all = pending(ctx, id);
    all.extend(lines);
    let account = ctx.account.clone();
    ctx.state.hide(&account, Kind::Subscription, id, "pending", all.into());
}

/// Takes the lines that wait.
pub(crate) fn take_pending(ctx: &mut Context, id: &str) -> Vec<Value> {
    let all = pending(ctx, id);
    let account = ctx.account.clone();
    ctx.state.hide(&account, Kind::Subscription, id, "pending", json!([]));
    all
}

/// Invoices the lines that wait, and tries to have them paid.
///
/// # Errors
/// 400 for a payment that could not be.
pub(crate) fn invoice_pending(ctx: &mut Context, id: &str, now: i64) -> Result<(), ApiError> {
    let lines = take_pending(ctx, id);
    if lines.is_empty() {
        return Ok(());
    }
    let subscription = ctx.fetch(Kind::Subscription, id, "id")?;
    let invoice = invoices::draft(ctx, &subscription, lines, "subscription_update", now);
    invoices::finalize(ctx, &invoice, now)?;
    // A failure is in the invoice and makes the subscription past due.
    let _ = invoices::pay(ctx, &invoice, None, true, now);
    Ok(())
}

/// `POST /v1/subscriptions/{id}`
pub(crate) fn update(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let id = path[0];
    let before = ctx.fetch(Kind::Subscription, id, "id")?;
    let now = super::now_of(ctx, before.text("customer"));
    if ["canceled", "incomplete_expired"].contains(&before.text("status")) {
        return Err(ApiError::invalid("A canceled subscription can only update its cancellation_details and metadata."));
    }
    for (name, refused) in [("pause_collection", true), ("trial_end", params.text("trial_end").is_some_and(|end| end != "now"))] {
        if params.has(name) && refused {
            return Err(ApiError::invalid(format!("The stand-in does not change {name} in that way.")).param(name));
        }
    }
    let behavior = params.text("payment_behavior").unwrap_or("allow_incomplete");
    if behavior == "pending_if_incomplete" {
        return Err(ApiError::invalid("The stand-in has no pending updates.").param("payment_behavior"));
    }
    let mut fields = settings(ctx, &before, params, now)?;
    let mut invoice_now = false;
    if params.has("items") || params.text("billing_cycle_anchor") == Some("now") {
        let change = plan(ctx, &before, params, now)?;
        let owed: i64 = change.lines.iter().map(|line| line.int("amount")).sum();
        invoice_now = change.reset || params.text("proration_behavior") == Some("always_invoice");
        if invoice_now && behavior == "error_if_incomplete" && owed > 0 {
            let method = subscriptions::default_method(ctx, id).ok_or_else(invoices::no_method)?;
            if let Some(error) = payments::foresee(ctx, &method) {
                return Err(error);
            }
        }
        let mut list = before["items"].clone();
        list["total_count"] = change.items.len().into();
        list["data"] = change.items.into();
        fields["items"] = list;
        if change.reset {
            fields["billing_cycle_anchor"] = now.into();
        }
        add_pending(ctx, id, change.lines);
    }
    change(ctx, id, fields);
    if params.text("trial_end") == Some("now") && before.text("status") == "trialing" {
        super::cycle::end_trial(ctx, id, now)?;
    } else if invoice_now {
        invoice_pending(ctx, id, now)?;
    }
    ctx.fetch(Kind::Subscription, id, "id")
}

/// What is changed beside the items.
fn settings(ctx: &Context, before: &Value, params: &Params, now: i64) -> Result<Value, ApiError> {
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

/// `POST /v1/invoices/create_preview`: what the next invoice would be, with a change or without.
pub(crate) fn preview(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let id = params.required("subscription")?.to_owned();
    let subscription = ctx.fetch_param(Kind::Subscription, &id, "subscription")?;
    let now = super::now_of(ctx, subscription.text("customer"));
    let details = params.object("subscription_details");
    let mut all = pending(ctx, &id);
    let (mut after, mut at_once, mut date) = (subscription.clone(), false, None);
    if details.has("items") {
        let change = plan(ctx, &subscription, &details, now)?;
        at_once = change.reset || details.text("proration_behavior") == Some("always_invoice");
        date = Some(change.proration_date);
        all.extend(change.lines);
        after["items"]["data"] = change.items.into();
    }
    if !at_once {
        super::cycle::next_period(&mut after);
        all.extend(lines::of_period(&after, &names(ctx), false));
    }
    let upcoming = format!("upcoming_in_{}", random_text(24));
    let mut invoice = invoices::build(ctx, &upcoming, &after, all, "upcoming", now);
    invoice["parent"]["subscription_details"]["subscription_proration_date"] = date.into();
    Ok(invoice)
}
