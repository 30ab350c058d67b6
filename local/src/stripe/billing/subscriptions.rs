//! Subscriptions: how they begin, what invoices make of them, how they end (<https://docs.stripe.com/api/subscriptions>).

use serde_json::{Map, Value, json};

use super::{calendar, invoices, lines, prices};
use crate::stripe::checkout;
use crate::stripe::context::Context;
use crate::stripe::customers;
use crate::stripe::errors::ApiError;
use crate::stripe::params::Params;
use crate::stripe::payments;
use crate::stripe::state::{Fields, Kind, list_object, new_id};
use crate::stripe::transfers;

/// Parameters of `POST /v1/subscriptions`.
pub(crate) const CREATE: &str = "add_invoice_items:any application_fee_percent automatic_tax:any backdate_start_date:i \
    billing_cycle_anchor:i billing_cycle_anchor_config:any billing_mode:any billing_schedules:any billing_thresholds:any \
    cancel_at cancel_at_period_end:b collection_method:(charge_automatically|send_invoice) currency customer \
    customer_account days_until_due:i default_payment_method default_source default_tax_rates[] description \
    discounts:any invoice_settings:any items[]{billing_thresholds:any discounts:any metadata:m price \
    price_data{currency product recurring{interval interval_count:i} tax_behavior unit_amount:i unit_amount_decimal} \
    quantity:i tax_rates[] trial:any} metadata:m off_session:b on_behalf_of \
    payment_behavior:(allow_incomplete|default_incomplete|error_if_incomplete|pending_if_incomplete) \
    payment_settings{payment_method_options:any payment_method_types[] save_default_payment_method:(off|on_subscription)} \
    pending_invoice_item_interval:any proration_behavior:(always_invoice|create_prorations|none) \
    transfer_data{amount_percent destination} trial_end trial_from_plan:b trial_period_days:i trial_settings:any";

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

/// Where a subscription's money goes, checked.
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

/// The prices of new items: all recurring, of one currency and one interval.
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

/// Whether a price can be subscribed to.
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

/// `POST /v1/subscriptions`
pub(crate) fn create(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let customer = params.required("customer")?.to_owned();
    customers::living(ctx, &customer, "customer")?;
    if params.text("collection_method") == Some("send_invoice") {
        return Err(ApiError::invalid("The stand-in charges automatically only.").param("collection_method"));
    }
    let behavior = params.text("payment_behavior").unwrap_or("allow_incomplete").to_owned();
    if let Some(method) = params.text("default_payment_method") {
        own_method(ctx, method, &customer, "default_payment_method")?;
    }
    let id = make(ctx, params, &customer)?;
    let method = default_method(ctx, &id);
    let now = super::now_of(ctx, &customer);
    let subscription = ctx.fetch(Kind::Subscription, &id, "id")?;
    let invoice = subscription.text("latest_invoice").to_owned();
    let due = ctx.fetch(Kind::Invoice, &invoice, "invoice")?.int("amount_due");
    if due > 0 && behavior != "default_incomplete" {
        let refusal = match (&method, behavior.as_str()) {
            (None, _) => Some(invoices::no_method()),
            (Some(method), "error_if_incomplete") => payments::foresee(ctx, method),
            _ => None,
        };
        if let Some(refusal) = refusal {
            unmake(ctx, &id, &invoice);
            return Err(refusal);
        }
    }
    begin(ctx, &id, &invoice, behavior != "default_incomplete", now)?;
    ctx.fetch(Kind::Subscription, &id, "id")
}

/// The first invoice is finalized at once, and paid unless the buyer is to do that.
///
/// # Errors
/// 400 for a payment that could not be.
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
        // A first payment that fails leaves the subscription incomplete.
        let _ = invoices::pay(ctx, invoice, None, true, now);
    } else if let (Some(intent), Some(method)) = (invoices::intent_of(ctx, invoice), default_method(ctx, id)) {
        ctx.set(Kind::PaymentIntent, &intent, json!({ "payment_method": method, "status": "requires_confirmation" }));
    }
    ctx.state.hide(&account, Kind::Subscription, id, "announced", true.into());
    ctx.emit("customer.subscription.created", Kind::Subscription, id);
    Ok(())
}

/// A card of that customer.
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

/// Takes back a subscription that could not begin, before anybody was told of it.
fn unmake(ctx: &mut Context, id: &str, invoice: &str) {
    let account = ctx.account.clone();
    ctx.state.live.remove(&(account.clone(), id.to_owned()));
    ctx.state.remove(&account, Kind::Subscription, id);
    ctx.state.remove(&account, Kind::Invoice, invoice);
}

/// Makes a subscription with the draft of its first invoice; nobody is told of it yet.
pub(crate) fn make(ctx: &mut Context, params: &Params, customer: &str) -> Result<String, ApiError> {
    let (fee, transfer) = money_flow(ctx, params)?;
    let priced = priced(ctx, params)?;
    let now = super::now_of(ctx, customer);
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
        "billing_mode": { "flexible": { "proration_discounts": "included" }, "type": "flexible" },
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
    let lines = lines::of_period(&subscription, &names(ctx), trial.is_some());
    invoices::draft(ctx, &subscription, lines, "subscription_create", now);
    Ok(id)
}

/// The names of the account's products.
pub(crate) fn names(ctx: &Context) -> impl Fn(&str) -> String + use<> {
    let rows = ctx.state.rows(&ctx.account, Kind::Product).iter();
    let names: std::collections::BTreeMap<String, String> =
        rows.map(|row| (row.object.text("id").to_owned(), row.object.text("name").to_owned())).collect();
    move |product| names.get(product).cloned().unwrap_or_default()
}

/// The card that a subscription is paid with: its own, or its customer's default.
pub(crate) fn default_method(ctx: &Context, id: &str) -> Option<String> {
    let subscription = ctx.state.object(&ctx.account, Kind::Subscription, id)?;
    let usable = |method: &str| {
        let object = ctx.state.object(&ctx.account, Kind::PaymentMethod, method)?;
        (object["customer"] == subscription["customer"]).then(|| method.to_owned())
    };
    let own = subscription.maybe("default_payment_method").and_then(usable);
    own.or_else(|| {
        let customer = ctx.state.object(&ctx.account, Kind::Customer, subscription.text("customer"))?;
        customer["invoice_settings"].maybe("default_payment_method").and_then(usable)
    })
}

/// Changes a subscription and tells of it, once it has been announced.
pub(crate) fn change(ctx: &mut Context, id: &str, fields: Value) {
    let account = ctx.account.clone();
    let Some(before) = ctx.state.object(&account, Kind::Subscription, id).cloned() else { return };
    ctx.set(Kind::Subscription, id, fields);
    let announced = ctx.state.hidden(&account, Kind::Subscription, id, "announced").is_some();
    let changed = ctx.state.object(&account, Kind::Subscription, id).is_some_and(|after| *after != before);
    if announced && changed {
        ctx.emit_change(&account, "customer.subscription.updated", Kind::Subscription, id, &before);
    }
}

fn watched(ctx: &Context, id: &str) -> Vec<String> {
    let list = ctx.state.hidden(&ctx.account, Kind::Subscription, id, "open_invoices").and_then(Value::as_array);
    list.into_iter().flatten().filter_map(|id| id.as_str().map(str::to_owned)).collect()
}

/// The invoices of a subscription that something is still to happen to.
pub(crate) fn open_invoices(ctx: &Context, id: &str) -> Vec<Value> {
    watched(ctx, id).iter().filter_map(|invoice| ctx.state.object(&ctx.account, Kind::Invoice, invoice).cloned()).collect()
}

/// Something is still to happen to that invoice.
pub(crate) fn watch_invoice(ctx: &mut Context, id: &str, invoice: &str) {
    let mut list = watched(ctx, id);
    list.push(invoice.to_owned());
    let account = ctx.account.clone();
    ctx.state.hide(&account, Kind::Subscription, id, "open_invoices", list.into());
}

/// Nothing more happens to that invoice.
pub(crate) fn unwatch_invoice(ctx: &mut Context, id: &str, invoice: &str) {
    let mut list = watched(ctx, id);
    list.retain(|one| one != invoice);
    let account = ctx.account.clone();
    ctx.state.hide(&account, Kind::Subscription, id, "open_invoices", list.into());
}

/// An invoice was paid: what was owed for is open again.
pub(crate) fn invoice_paid(ctx: &mut Context, invoice: &Value) {
    let id = invoices::subscription_of(invoice);
    let account = ctx.account.clone();
    unwatch_invoice(ctx, &id, invoice.text("id"));
    let Some(subscription) = ctx.state.object(&account, Kind::Subscription, &id).cloned() else { return };
    let mut fields = json!({});
    let owes = open_invoices(ctx, &id).iter().any(|other| other.text("status") == "open");
    if ["incomplete", "past_due", "unpaid"].contains(&subscription.text("status")) && !owes {
        fields["status"] = "active".into();
    }
    let save = subscription["payment_settings"].text("save_default_payment_method") == "on_subscription";
    if save && let Some(intent) = invoices::intent_of(ctx, invoice.text("id")) {
        let method = ctx.state.object(&account, Kind::PaymentIntent, &intent).map(|intent| intent["payment_method"].clone());
        fields["default_payment_method"] = method.unwrap_or_default();
    }
    change(ctx, &id, fields);
    checkout::subscribe::complete(ctx, &id);
}

/// An invoice was not paid: a renewal makes the subscription past due, and the last try ends it.
pub(crate) fn invoice_failed(ctx: &mut Context, invoice: &Value) {
    let id = invoices::subscription_of(invoice);
    let status = ctx.state.object(&ctx.account, Kind::Subscription, &id).map(|s| s.text("status").to_owned()).unwrap_or_default();
    if status == "active" || status == "trialing" {
        change(ctx, &id, json!({ "status": "past_due" }));
    }
    let last = invoice["next_payment_attempt"].is_null() && invoice.text("billing_reason") != "subscription_create";
    if last && status == "past_due" && invoice.int("attempt_count") > 3 {
        end(ctx, &id, "payment_failed", invoices::time_of(ctx, invoice));
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
    for invoice in open_invoices(ctx, id) {
        if before.text("status") == "incomplete" {
            invoices::give_up(ctx, invoice.text("id"), "void", now);
        } else {
            // It can still be paid, but not by itself.
            ctx.set(Kind::Invoice, invoice.text("id"), json!({ "auto_advance": false, "next_payment_attempt": null }));
        }
    }
    ctx.emit("customer.subscription.deleted", Kind::Subscription, id);
}

/// A customer who is deleted subscribes to nothing.
pub(crate) fn end_of_customer(ctx: &mut Context, customer: &str) {
    let account = ctx.account.clone();
    let now = super::now_of(ctx, customer);
    let live: Vec<String> = ctx.state.live.iter().filter(|(owner, _)| *owner == account).map(|(_, id)| id.clone()).collect();
    for id in live {
        if ctx.state.object(&account, Kind::Subscription, &id).is_some_and(|one| one["customer"] == customer) {
            end(ctx, &id, "cancellation_requested", now);
        }
    }
}
