//! Subscriptions: <https://docs.stripe.com/api/subscriptions>.

use serde_json::{Value, json};

use crate::engine::billing::changes;
use crate::engine::billing::cycle;
use crate::engine::billing::invoices;
use crate::engine::billing::lines;
use crate::engine::billing::pending;
use crate::engine::billing::rows::{self, change, names};
use crate::engine::billing::subscriptions::{self, end};
use crate::engine::customer_rows;
use crate::engine::payments;
use crate::events::context::Context;
use crate::resources::list;
use crate::words::errors::ApiError;
use crate::words::json::Fields;
use crate::words::kind::Kind;
use crate::words::params::Params;

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

/// `POST /v1/subscriptions/{id}`
pub(crate) fn update(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let id = path[0];
    let before = ctx.fetch(Kind::Subscription, id, "id")?;
    let now = customer_rows::now_of(ctx, before.text("customer"));
    let is_about_nothing_else = params
        .value()
        .as_object()
        .is_some_and(|given| given.keys().all(|name| ["cancellation_details", "metadata"].contains(&name.as_str())));
    if ["canceled", "incomplete_expired"].contains(&before.text("status")) && !is_about_nothing_else {
        return Err(ApiError::invalid("A canceled subscription can only update its cancellation_details and metadata."));
    }
    if params.has("pause_collection") {
        return Err(ApiError::invalid("The stand-in does not support this change of pause_collection.").param("pause_collection"));
    }
    let trial = changes::trial_end(params, now)?;
    if trial.is_some() && params.text("proration_behavior") != Some("none") {
        return Err(ApiError::invalid("The stand-in only starts trials without prorations.").param("proration_behavior"));
    }
    let behavior = params.text("payment_behavior").unwrap_or("allow_incomplete");
    if behavior == "pending_if_incomplete" {
        return Err(ApiError::invalid("The stand-in does not support pending updates.").param("payment_behavior"));
    }
    let mut fields = changes::settings(ctx, &before, params, now)?;
    let mut invoice_now = false;
    if params.has("items") || params.text("billing_cycle_anchor") == Some("now") {
        let change = changes::plan(ctx, &before, params, now)?;
        let owed: i64 = change.lines.iter().map(|line| line.int("amount")).sum();
        invoice_now = change.reset || params.text("proration_behavior") == Some("always_invoice");
        if invoice_now && behavior == "error_if_incomplete" && owed > 0 {
            let method = rows::default_method(ctx, id).ok_or_else(invoices::no_method)?;
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
        pending::add_pending(ctx, id, change.lines);
    }
    if let Some(end) = trial {
        changes::begin_trial(&mut fields, &before, end, now);
        invoice_now = false;
        pending::take_pending(ctx, id);
    }
    change(ctx, id, fields);
    if trial.is_some() && before.text("status") != "trialing" {
        // Free time has an invoice too.
        let subscription = ctx.fetch(Kind::Subscription, id, "id")?;
        let free = lines::of_period(&subscription, &names(ctx), true);
        let invoice = invoices::draft(ctx, &subscription, free, "subscription_update", now);
        invoices::finalize(ctx, &invoice, now)?;
        invoices::mark_paid(ctx, &invoice, now);
    }
    if params.text("trial_end") == Some("now") && before.text("status") == "trialing" {
        cycle::end_trial(ctx, id, now)?;
    } else if invoice_now {
        changes::invoice_pending(ctx, id, now)?;
    }
    ctx.fetch(Kind::Subscription, id, "id")
}

/// Parameters of `DELETE /v1/subscriptions/{id}`.
pub(crate) const CANCEL: &str = "cancellation_details{comment feedback feedback_option} invoice_now:b prorate:b";

/// Parameters of `GET /v1/subscriptions`.
pub(crate) const LIST: &str = "automatic_tax:any collection_method created:range current_period_end:range \
    current_period_start:range customer customer_account plan price \
    status:(active|all|canceled|ended|incomplete|incomplete_expired|past_due|paused|trialing|unpaid) test_clock";

/// `GET /v1/subscriptions/{id}`
pub(crate) fn retrieve(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    ctx.fetch(Kind::Subscription, path[0], "id")
}

/// `DELETE /v1/subscriptions/{id}`: ends it at once.
pub(crate) fn cancel(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let id = path[0];
    let subscription = ctx.fetch(Kind::Subscription, id, "id")?;
    if ["canceled", "incomplete_expired"].contains(&subscription.text("status")) {
        return Err(ApiError::no_such(Kind::Subscription, id, "id"));
    }
    let now = customer_rows::now_of(ctx, subscription.text("customer"));
    if params.is("prorate") {
        let names = names(ctx);
        let items = subscription["items"]["data"].as_array().cloned().unwrap_or_default();
        let credits = items.iter().map(|item| lines::proration(&subscription, item, &names(item["price"].text("product")), now, true));
        pending::add_pending(ctx, id, credits.collect());
    }
    let given = params.object("cancellation_details");
    let mut details = subscription["cancellation_details"].clone();
    for name in ["comment", "feedback"] {
        if given.has(name) {
            details[name] = given.json(name);
        }
    }
    ctx.set(Kind::Subscription, id, json!({ "cancellation_details": details }));
    end(ctx, id, "cancellation_requested", now);
    if params.is("invoice_now") {
        changes::invoice_pending(ctx, id, now)?;
    }
    ctx.fetch(Kind::Subscription, id, "id")
}

/// `GET /v1/subscriptions`: those that have not ended, unless a status is given.
pub(crate) fn index(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let status = params.text("status").map(str::to_owned);
    let price = params.text("price").map(str::to_owned);
    list::page(ctx, Kind::Subscription, params, "/v1/subscriptions", |row| {
        let ended = ["canceled", "incomplete_expired"].contains(&row.text("status"));
        let status = match status.as_deref() {
            None => !ended,
            Some("all") => true,
            Some("ended") => ended,
            Some(wanted) => row.text("status") == wanted,
        };
        let items = row["items"]["data"].as_array().map(Vec::as_slice).unwrap_or_default();
        status
            && ["customer", "test_clock"].iter().all(|name| params.text(name).is_none_or(|wanted| row.text(name) == wanted))
            && price.as_deref().is_none_or(|price| items.iter().any(|item| item["price"]["id"] == price))
    })
}

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

/// `POST /v1/subscriptions`
pub(crate) fn create(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let customer = params.required("customer")?.to_owned();
    customer_rows::living(ctx, &customer, "customer")?;
    if params.text("collection_method") == Some("send_invoice") {
        return Err(ApiError::invalid("The stand-in only charges automatically.").param("collection_method"));
    }
    let behavior = params.text("payment_behavior").unwrap_or("allow_incomplete").to_owned();
    if let Some(method) = params.text("default_payment_method") {
        subscriptions::own_method(ctx, method, &customer, "default_payment_method")?;
    }
    let id = subscriptions::make(ctx, params, &customer)?;
    let method = rows::default_method(ctx, &id);
    let now = customer_rows::now_of(ctx, &customer);
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
            subscriptions::unmake(ctx, &id, &invoice);
            return Err(refusal);
        }
    }
    subscriptions::begin(ctx, &id, &invoice, behavior != "default_incomplete", now)?;
    ctx.fetch(Kind::Subscription, &id, "id")
}
