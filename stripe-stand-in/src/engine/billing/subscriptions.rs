//! Subscriptions: how they start, what invoices do to them, and how they end (<https://docs.stripe.com/api/subscriptions>).

use serde_json::{Map, Value, json};

use crate::engine::billing::invoices;
use crate::engine::billing::lines;
use crate::engine::billing::prices;
use crate::engine::billing::rows;
use crate::engine::customer_rows;
use crate::engine::transfers;
use crate::events::context::Context;
use crate::words::calendar;
use crate::words::errors::ApiError;
use crate::words::ids::new_id;
use crate::words::json::{Fields, list_object};
use crate::words::kind::Kind;
use crate::words::params::Params;

/// A percentage with at most two decimal places.
pub(crate) fn percent(text: Option<&str>, param: &str) -> Result<Option<f64>, ApiError> {
    let Some(text) = text else { return Ok(None) };
    let decimals = text.split_once('.').map_or(0, |(_, rest)| rest.len());
    match text.parse::<f64>() {
        Ok(percent) if (0.0..=100.0).contains(&percent) && decimals <= 2 => Ok(Some(percent)),
        _ => {
            Err(ApiError::invalid(format!("Invalid decimal: {text}; must be between 0 and 100 with at most two decimal places"))
                .param(param))
        }
    }
}

/// Where a subscription's money goes, validated.
pub(crate) fn money_flow(ctx: &Context, params: &Params) -> Result<(Option<f64>, Value), ApiError> {
    let fee = percent(params.text("application_fee_percent"), "application_fee_percent")?;
    let transfer = params.object("transfer_data");
    let part = percent(transfer.text("amount_percent"), "transfer_data[amount_percent]")?;
    let destination = transfer.text("destination");
    if params.has("transfer_data") && destination.is_none() {
        return Err(ApiError::missing("transfer_data[destination]"));
    }
    if let Some(destination) = destination {
        transfers::check_destination(ctx, destination, "transfer_data[destination]")?;
    }
    if fee.is_some() && destination.is_none() && !ctx.is_connected() {
        return Err(ApiError::invalid(
            "You can only apply an application_fee_percent when the request is made on behalf of another account (using \
             an OAuth key, the Stripe-Account header, or the transfer_data[destination] parameter).",
        )
        .param("application_fee_percent"));
    }
    let transfer = destination.map_or(Value::Null, |destination| json!({ "amount_percent": part, "destination": destination }));
    Ok((fee, transfer))
}

/// An item for a price, in the period from `start` to `end`.
pub(crate) fn item(subscription: &str, price: &Value, given: &Params, (start, end): (i64, i64)) -> Value {
    json!({
        "id": given.text("id").map_or_else(|| new_id("si"), str::to_owned),
        "object": "subscription_item",
        "billing_thresholds": null,
        "created": start,
        "current_period_end": end,
        "current_period_start": start,
        "discounts": [],
        "metadata": given.metadata(),
        "plan": prices::plan(price),
        "price": price,
        "quantity": given.int("quantity").unwrap_or(1),
        "subscription": subscription,
        "tax_rates": [],
    })
}

/// The prices of new items, which must all be recurring and have the same currency and interval.
fn priced(ctx: &mut Context, params: &Params) -> Result<Vec<(Params, Value)>, ApiError> {
    let given = params.objects("items");
    if given.is_empty() {
        return Err(ApiError::missing("items"));
    }
    let mut all = Vec::new();
    for (place, item) in given.into_iter().enumerate() {
        let price = prices::of_item(ctx, &item, &format!("items[{place}]"))?;
        check_recurring(&price, &format!("items[{place}][price]"))?;
        all.push((item, price));
    }
    let first = all[0].1.clone();
    if all
        .iter()
        .any(|(_, price)| price["currency"] != first["currency"] || price["recurring"]["interval"] != first["recurring"]["interval"])
    {
        return Err(ApiError::invalid("All items of a subscription have the same currency and interval in the stand-in.").param("items"));
    }
    Ok(all)
}

/// Checks that a price can be subscribed to.
pub(crate) fn check_recurring(price: &Value, param: &str) -> Result<(), ApiError> {
    if price.text("type") == "recurring" {
        return Ok(());
    }
    Err(ApiError::invalid(format!(
        "The price specified is set to `type=one_time` but this field only accepts prices with `type=recurring`: {}.",
        price.text("id")
    ))
    .param(param))
}

/// Finalizes the first invoice at once, and pays it unless the buyer will.
///
/// # Errors
/// 400 if the payment is impossible.
pub(crate) fn begin(ctx: &mut Context, id: &str, invoice: &str, pay: bool, now: i64) -> Result<(), ApiError> {
    let account = ctx.account.clone();
    if let Err(error) = invoices::finalize(ctx, invoice, now) {
        unmake(ctx, id, invoice);
        return Err(error);
    }
    let due = ctx.fetch(Kind::Invoice, invoice, "invoice")?.int("amount_due");
    if due == 0 {
        invoices::mark_paid(ctx, invoice, now);
    } else if pay {
        // If the first payment fails, the subscription stays incomplete.
        let _ = invoices::pay(ctx, invoice, None, true, now);
    } else if let (Some(intent), Some(method)) = (invoices::intent_of(ctx, invoice), rows::default_method(ctx, id)) {
        ctx.set(Kind::PaymentIntent, &intent, json!({ "payment_method": method, "status": "requires_confirmation" }));
    }
    ctx.state.hide(&account, Kind::Subscription, id, "announced", true.into());
    ctx.emit("customer.subscription.created", Kind::Subscription, id);
    Ok(())
}

/// Checks that a card belongs to the customer.
pub(crate) fn own_method(ctx: &Context, method: &str, customer: &str, param: &str) -> Result<(), ApiError> {
    let object = ctx.fetch_param(Kind::PaymentMethod, method, param)?;
    if object["customer"] == customer {
        return Ok(());
    }
    Err(ApiError::invalid(format!(
        "The customer does not have a payment method with the ID {method}. The payment method must be attached to the customer."
    ))
    .code("resource_missing")
    .param(param))
}

/// Removes a subscription that could not start, before it was announced.
pub(crate) fn unmake(ctx: &mut Context, id: &str, invoice: &str) {
    let account = ctx.account.clone();
    ctx.state.live.remove(&(account.clone(), id.to_owned()));
    ctx.state.remove(&account, Kind::Subscription, id);
    ctx.state.remove(&account, Kind::Invoice, invoice);
}

/// Checks that a customer can subscribe in a currency: nothing in another one may be running,
/// waiting for an invoice, owed or credited. Separate invoices may be in any currency.
/// <https://docs.stripe.com/invoicing/multi-currency-customers>
///
/// # Errors
/// 400 if there is something in another currency.
pub(crate) fn check_currency(ctx: &Context, customer: &str, currency: &str) -> Result<(), ApiError> {
    let of_customer = |one: &&Value| one["customer"] == customer && one.text("currency") != currency;
    let rows = |kind: Kind| ctx.state.rows(&ctx.account, kind).iter().map(|row| &row.object).filter(of_customer);
    let runs = rows(Kind::Subscription).find(|one| !["canceled", "incomplete_expired"].contains(&one.text("status")));
    let other = runs.or_else(|| rows(Kind::InvoiceItem).find(|one| one["invoice"].is_null()));
    let stored = ctx.state.object(&ctx.account, Kind::Customer, customer).filter(|one| one.int("balance") != 0);
    let credited = stored.and_then(|one| one.maybe("currency")).filter(|own| *own != currency);
    match other.map(|one| one.text("currency")).or(credited) {
        None => Ok(()),
        Some(other) => Err(ApiError::invalid(format!(
            "You cannot combine currencies on a single customer. This customer has an active subscription, subscription schedule, discount, \
             quote, or invoice item with currency {other}."
        ))),
    }
}

fn take_currency(ctx: &mut Context, customer: &str, currency: &str) -> Result<(), ApiError> {
    check_currency(ctx, customer, currency)?;
    customer_rows::set_currency(ctx, customer, currency);
    Ok(())
}

/// Creates a subscription with the draft of its first invoice, without announcing it yet.
pub(crate) fn make(ctx: &mut Context, params: &Params, customer: &str) -> Result<String, ApiError> {
    let (fee, transfer) = money_flow(ctx, params)?;
    let priced = priced(ctx, params)?;
    take_currency(ctx, customer, priced[0].1.text("currency"))?;
    let now = customer_rows::now_of(ctx, customer);
    let trial = match (params.text("trial_end"), params.int("trial_period_days")) {
        (Some("now"), _) | (None, None) => None,
        (Some(end), _) => Some(end.parse::<i64>().map_err(|_| ApiError::invalid("Invalid timestamp").param("trial_end"))?),
        (None, Some(days)) => Some(now + days * 24 * 60 * 60),
    };
    let trial = trial.filter(|end| *end > now);
    let anchor = trial.unwrap_or(now);
    let end = trial.unwrap_or_else(|| calendar::period_end(now, now, &priced[0].1["recurring"]));
    let id = new_id("sub");
    let items: Vec<Value> = priced.iter().map(|(given, price)| item(&id, price, given, (now, end))).collect();
    let settings = params.object("payment_settings");
    let types = settings.texts("payment_method_types");
    let stored = ctx.state.object(&ctx.account, Kind::Customer, customer).cloned().unwrap_or_default();
    let subscription = json!({
        "id": id,
        "object": "subscription",
        "application": if ctx.is_connected() { ctx.client_id.as_str().into() } else { Value::Null },
        "application_fee_percent": fee,
        "automatic_tax": { "disabled_reason": null, "enabled": false, "liability": null },
        "billing_cycle_anchor": anchor,
        "billing_cycle_anchor_config": null,
        "billing_mode": { "flexible": { "proration_discounts": "included" }, "type": "flexible", "updated_at": now },
        "billing_schedules": [],
        "billing_thresholds": null,
        "cancel_at": null,
        "cancel_at_period_end": false,
        "canceled_at": null,
        "cancellation_details": { "comment": null, "feedback": null, "reason": null },
        "collection_method": "charge_automatically",
        "created": now,
        "currency": priced[0].1["currency"],
        "customer": customer,
        "customer_account": null,
        "days_until_due": null,
        "default_payment_method": params.json("default_payment_method"),
        "default_source": null,
        "default_tax_rates": [],
        "description": params.json("description"),
        "discounts": [],
        "ended_at": null,
        "invoice_settings": { "account_tax_ids": null, "custom_fields": null, "description": null, "footer": null, "issuer": { "type": "self" } },
        "items": list_object(items, &format!("/v1/subscription_items?subscription={id}")),
        "latest_invoice": null,
        "livemode": false,
        "metadata": params.metadata(),
        "next_pending_invoice_item_invoice": null,
        "on_behalf_of": params.json("on_behalf_of"),
        "pause_collection": null,
        "payment_settings": {
            "payment_method_options": null,
            "payment_method_types": if types.is_empty() { Value::Null } else { types.into() },
            "save_default_payment_method": settings.text("save_default_payment_method").unwrap_or("off"),
        },
        "pending_invoice_item_interval": null,
        "pending_setup_intent": null,
        "pending_update": null,
        "schedule": null,
        "start_date": now,
        "status": if trial.is_some() { "trialing" } else { "incomplete" },
        "test_clock": stored["test_clock"],
        "transfer_data": transfer,
        "trial_end": trial,
        "trial_settings": { "end_behavior": { "missing_payment_method": "create_invoice" } },
        "trial_start": trial.map(|_| now),
    });
    let account = ctx.account.clone();
    // Renewals happen without a request.
    let mut hidden = Map::new();
    hidden.insert("client_id".into(), ctx.client_id.as_str().into());
    hidden.insert("origin".into(), ctx.origin.as_str().into());
    ctx.state.insert(&account, Kind::Subscription, subscription.clone(), hidden);
    ctx.state.live.insert((account, id.clone()));
    if params.is("cancel_at_period_end") {
        ctx.set(Kind::Subscription, &id, json!({ "cancel_at": end, "cancel_at_period_end": true, "canceled_at": now }));
    }
    let lines = lines::of_period(&subscription, &rows::names(ctx), trial.is_some());
    invoices::draft(ctx, &subscription, lines, "subscription_create", now);
    Ok(id)
}

/// The bank of an invoice's PaymentIntent answers later. A subscription that starts with it is
/// active until then. Code that treats an active subscription as paid is wrong, and this reveals
/// it.
pub(crate) fn processing(ctx: &mut Context, intent: &str) {
    let account = ctx.account.clone();
    let invoice = ctx.state.hidden(&account, Kind::PaymentIntent, intent, "invoice").and_then(Value::as_str);
    let Some(invoice) = invoice.and_then(|id| ctx.state.object(&account, Kind::Invoice, id)) else { return };
    let id = invoices::subscription_of(invoice);
    if ctx.state.object(&account, Kind::Subscription, &id).is_some_and(|one| one.text("status") == "incomplete") {
        rows::change(ctx, &id, json!({ "status": "active" }));
    }
}

/// An invoice was paid, so the subscription is active again.
pub(crate) fn invoice_paid(ctx: &mut Context, invoice: &str) {
    let Some(invoice) = ctx.state.object(&ctx.account, Kind::Invoice, invoice).cloned() else { return };
    let id = invoices::subscription_of(&invoice);
    let account = ctx.account.clone();
    rows::unwatch_invoice(ctx, &id, invoice.text("id"));
    let Some(subscription) = ctx.state.object(&account, Kind::Subscription, &id).cloned() else { return };
    let mut fields = json!({});
    let owes = rows::open_invoices(ctx, &id).iter().any(|other| other.text("status") == "open");
    if ["incomplete", "past_due", "unpaid"].contains(&subscription.text("status")) && !owes {
        fields["status"] = "active".into();
    }
    let save = subscription["payment_settings"].text("save_default_payment_method") == "on_subscription";
    if save && let Some(intent) = invoices::intent_of(ctx, invoice.text("id")) {
        let method = ctx.state.object(&account, Kind::PaymentIntent, &intent).map(|intent| intent["payment_method"].clone());
        fields["default_payment_method"] = method.unwrap_or_default();
    }
    rows::change(ctx, &id, fields);
    ctx.follow(|after| after.subscribed, &id);
}

/// An invoice was not paid: a renewal makes the subscription past due, and the last attempt ends it.
pub(crate) fn invoice_failed(ctx: &mut Context, invoice: &str) {
    let Some(invoice) = ctx.state.object(&ctx.account, Kind::Invoice, invoice).cloned() else { return };
    let id = invoices::subscription_of(&invoice);
    let status = ctx.state.object(&ctx.account, Kind::Subscription, &id).map(|s| s.text("status").to_owned()).unwrap_or_default();
    if status == "active" || status == "trialing" {
        rows::change(ctx, &id, json!({ "status": "past_due" }));
    }
    let last = invoice["next_payment_attempt"].is_null() && invoice.text("billing_reason") != "subscription_create";
    if last && status == "past_due" && invoice.int("attempt_count") > 3 {
        end(ctx, &id, "payment_failed", invoices::time_of(ctx, &invoice));
    }
}

/// Ends a subscription.
pub(crate) fn end(ctx: &mut Context, id: &str, reason: &str, now: i64) {
    let account = ctx.account.clone();
    let Some(before) = ctx.state.object(&account, Kind::Subscription, id).cloned() else { return };
    let mut details = before["cancellation_details"].clone();
    details["reason"] = reason.into();
    let canceled_at = if before["canceled_at"].is_null() { now.into() } else { before["canceled_at"].clone() };
    ctx.set(
        Kind::Subscription,
        id,
        json!({ "canceled_at": canceled_at, "cancellation_details": details, "ended_at": now, "status": "canceled" }),
    );
    ctx.state.live.remove(&(account, id.to_owned()));
    for invoice in rows::open_invoices(ctx, id) {
        if before.text("status") == "incomplete" {
            invoices::give_up(ctx, invoice.text("id"), "void", now);
        } else {
            // It can still be paid, but not automatically.
            ctx.set(Kind::Invoice, invoice.text("id"), json!({ "auto_advance": false, "next_payment_attempt": null }));
        }
    }
    ctx.emit("customer.subscription.deleted", Kind::Subscription, id);
}

/// Deleting a customer ends their subscriptions.
pub(crate) fn end_of_customer(ctx: &mut Context, customer: &str) {
    let account = ctx.account.clone();
    let now = customer_rows::now_of(ctx, customer);
    let live: Vec<String> = ctx.state.live.iter().filter(|(owner, _)| *owner == account).map(|(_, id)| id.clone()).collect();
    for id in live {
        if ctx.state.object(&account, Kind::Subscription, &id).is_some_and(|one| one["customer"] == customer) {
            end(ctx, &id, "cancellation_requested", now);
        }
    }
}
