//! Creates, finalizes and pays invoices (<https://docs.stripe.com/api/invoices>).

use serde_json::{Map, Value, json};

use crate::engine::billing::rows;
use crate::engine::customer_rows;
use crate::engine::new_payment_intent;
use crate::engine::payment_intents;
use crate::engine::payment_methods;
use crate::engine::payments::{self, Try};
use crate::events::context::Context;
use crate::words::errors::ApiError;
use crate::words::ids::new_id;
use crate::words::json::{Fields, list_object};
use crate::words::kind::Kind;
use crate::words::params::Params;

/// An invoice's payments, which are only included on request.
pub(crate) fn payments_of(ctx: &Context, invoice: &str) -> Vec<Value> {
    let owner = ctx.state.owner_of(Kind::Invoice, invoice).unwrap_or_else(|| ctx.account.clone());
    ctx.state.children(&owner, Kind::InvoicePayment, invoice).map(|row| row.object.clone()).collect()
}

/// The secret with which a browser pays an invoice, which is only included on request.
pub(crate) fn confirmation_secret(ctx: &Context, invoice: &str) -> Value {
    let Some(intent) = intent_of(ctx, invoice) else { return Value::Null };
    let Some(owner) = ctx.state.owner_of(Kind::PaymentIntent, &intent) else { return Value::Null };
    let secret = ctx.state.object(&owner, Kind::PaymentIntent, &intent).map(|intent| intent["client_secret"].clone());
    json!({ "client_secret": secret, "type": "payment_intent" })
}

/// Automatic retries of a failed renewal, in days after the previous attempt: the Dashboard's fixed schedule.
const RETRIES: [i64; 3] = [3, 5, 7];

const DAY: i64 = 24 * 60 * 60;

/// A draft is finalized automatically after an hour.
pub(crate) const DRAFT: i64 = 60 * 60;

/// A smaller amount is not charged but added to the next invoice.
const LEAST: i64 = 50;

/// Creates a draft with these lines, which then belong to it.
pub(crate) fn draft(ctx: &mut Context, subscription: &Value, lines: Vec<Value>, reason: &str, now: i64) -> String {
    let account = ctx.account.clone();
    let id = new_id("in");
    let object = build(ctx, &id, subscription, lines, reason, now);
    ctx.state.insert(&account, Kind::Invoice, object, Map::new());
    ctx.set(Kind::Subscription, subscription.text("id"), json!({ "latest_invoice": id }));
    rows::watch_invoice(ctx, subscription.text("id"), &id);
    ctx.emit("invoice.created", Kind::Invoice, &id);
    id
}

/// An invoice as drafted.
pub(crate) fn build(ctx: &Context, id: &str, subscription: &Value, lines: Vec<Value>, reason: &str, now: i64) -> Value {
    let account = ctx.account.clone();
    let customer_id = subscription.text("customer").to_owned();
    let customer = ctx.state.object(&account, Kind::Customer, &customer_id).cloned().unwrap_or_default();
    let owner = ctx.state.account(&account).cloned().unwrap_or_default();
    let lines: Vec<Value> = lines
        .into_iter()
        .map(|mut line| {
            line["invoice"] = json!(id);
            line
        })
        .collect();
    let total: i64 = lines.iter().map(|line| line.int("amount")).sum();
    let start = lines.iter().map(|line| line["period"].int("start")).min().unwrap_or(now);
    // A customer's credit is used first; a debit is added.
    let balance = customer_rows::balance(ctx, &customer_id, subscription.text("currency"));
    let whole = total + balance;
    let due = if whole < LEAST { 0 } else { whole };
    let mut list = list_object(lines, &format!("/v1/invoices/{id}/lines"));
    list["has_more"] = false.into();
    json!({
        "id": id,
        "object": "invoice",
        "account_country": owner["country"],
        "account_name": owner["settings"]["dashboard"]["display_name"],
        "account_tax_ids": null,
        "amount_due": due,
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_remaining": due,
        "amount_shipping": 0,
        "application": subscription["application"],
        "attempt_count": 0,
        "attempted": false,
        "auto_advance": true,
        "automatic_tax": { "disabled_reason": null, "enabled": false, "liability": null, "provider": null, "status": null },
        "automatically_finalizes_at": now + DRAFT,
        "billing_reason": reason,
        "collection_method": "charge_automatically",
        "created": now,
        "currency": subscription["currency"],
        "custom_fields": null,
        "customer": customer_id,
        "customer_account": null,
        "customer_address": customer["address"],
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "customer_phone": customer["phone"],
        "customer_shipping": customer["shipping"],
        "customer_tax_exempt": "none",
        "customer_tax_ids": [],
        "default_payment_method": null,
        "default_source": null,
        "default_tax_rates": [],
        "description": null,
        "discounts": [],
        "due_date": null,
        "effective_at": null,
        "ending_balance": null,
        "footer": null,
        "from_invoice": null,
        "hosted_invoice_url": null,
        "invoice_pdf": null,
        "issuer": { "type": "self" },
        "last_finalization_error": null,
        "latest_revision": null,
        "lines": list,
        "livemode": false,
        "metadata": {},
        "next_payment_attempt": now + DRAFT,
        "number": null,
        "on_behalf_of": subscription["on_behalf_of"],
        "parent": {
            "quote_details": null,
            "subscription_details": { "metadata": subscription["metadata"], "subscription": subscription["id"] },
            "type": "subscription_details",
        },
        "payment_settings": { "default_mandate": null, "payment_method_options": null, "payment_method_types": null },
        "period_end": now,
        "period_start": if reason == "subscription_cycle" { start } else { now },
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "receipt_number": null,
        "rendering": null,
        "shipping_cost": null,
        "shipping_details": null,
        "starting_balance": balance,
        "statement_descriptor": null,
        "status": "draft",
        "status_transitions": { "finalized_at": null, "marked_uncollectible_at": null, "paid_at": null, "voided_at": null },
        "subtotal": total,
        "subtotal_excluding_tax": total,
        "test_clock": subscription["test_clock"],
        "total": total,
        "total_discount_amounts": [],
        "total_excluding_tax": total,
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
        "webhooks_delivered_at": now,
    })
}

/// The subscription that an invoice is for.
pub(crate) fn subscription_of(invoice: &Value) -> String {
    invoice["parent"]["subscription_details"].text("subscription").to_owned()
}

/// The PaymentIntent of an invoice, if there is something to pay.
pub(crate) fn intent_of(ctx: &Context, invoice: &str) -> Option<String> {
    let owner = ctx.state.owner_of(Kind::Invoice, invoice)?;
    Some(ctx.state.hidden(&owner, Kind::Invoice, invoice, "intent")?.as_str()?.to_owned())
}

/// Turns a draft into an open invoice, with a PaymentIntent if there is something to pay.
///
/// # Errors
/// 400 if the payment is impossible, for example if the destination cannot receive transfers.
pub(crate) fn finalize(ctx: &mut Context, id: &str, now: i64) -> Result<(), ApiError> {
    let account = ctx.account.clone();
    let invoice = ctx.fetch(Kind::Invoice, id, "invoice")?;
    let subscription = ctx.state.object(&account, Kind::Subscription, &subscription_of(&invoice)).cloned().unwrap_or_default();
    let customer_id = invoice.text("customer").to_owned();
    let due = invoice.int("amount_due");
    if due > 0 {
        let intent = new_payment_intent::make(ctx, &intent_params(&invoice, &subscription))?;
        ctx.state.hide(&account, Kind::PaymentIntent, &intent, "invoice", id.into());
        ctx.set(Kind::PaymentIntent, &intent, json!({ "payment_details": { "customer_reference": null, "order_reference": id } }));
        ctx.state.hide(&account, Kind::Invoice, id, "intent", intent.as_str().into());
        let payment = new_payment(&invoice, &intent, due, true, now);
        ctx.insert(Kind::InvoicePayment, payment);
    }
    // The customer's remaining balance after this invoice.
    let ending = if due > 0 { 0 } else { invoice.int("starting_balance") + invoice.int("total") };
    let customer = ctx.state.object(&account, Kind::Customer, &customer_id).cloned().unwrap_or_default();
    let sequence = customer.int("next_invoice_sequence");
    ctx.set(Kind::Customer, &customer_id, json!({ "next_invoice_sequence": sequence + 1 }));
    customer_rows::set_balance(ctx, &customer_id, invoice.text("currency"), ending);
    let mut transitions = invoice["status_transitions"].clone();
    transitions["finalized_at"] = now.into();
    ctx.set(
        Kind::Invoice,
        id,
        json!({
            "automatically_finalizes_at": null,
            "effective_at": now,
            "ending_balance": ending,
            "hosted_invoice_url": format!("{}/i/{id}", ctx.origin),
            "invoice_pdf": format!("{}/i/{id}/pdf", ctx.origin),
            "next_payment_attempt": null,
            "number": format!("{}-{sequence:04}", customer.text("invoice_prefix")),
            "status": "open",
            "status_transitions": transitions,
        }),
    );
    ctx.emit("invoice.finalized", Kind::Invoice, id);
    Ok(())
}

/// A payment of an invoice: its own, or one that somebody attached.
pub(crate) fn new_payment(invoice: &Value, intent: &str, amount: i64, is_default: bool, now: i64) -> Value {
    json!({
        "id": new_id("inpay"),
        "object": "invoice_payment",
        "amount_paid": null,
        "amount_requested": amount,
        "created": now,
        "currency": invoice["currency"],
        "invoice": invoice["id"],
        "is_default": is_default,
        "livemode": false,
        "payment": { "payment_intent": intent, "type": "payment_intent" },
        "status": "open",
        "status_transitions": { "canceled_at": null, "paid_at": null },
    })
}

/// What an invoice's own payment takes, once another has paid a part.
pub(crate) fn shrink(ctx: &mut Context, id: &str, intent: &str, remaining: i64) {
    let account = ctx.account.clone();
    let Some(invoice) = ctx.state.object(&account, Kind::Invoice, id).cloned() else { return };
    let subscription = ctx.state.object(&account, Kind::Subscription, &subscription_of(&invoice)).cloned().unwrap_or_default();
    let mut changes = json!({ "amount": remaining });
    if let Some(percent) = subscription["application_fee_percent"].as_f64() {
        changes["application_fee_amount"] = part_of(remaining, percent).min(remaining - 1).into();
    }
    ctx.set(Kind::PaymentIntent, intent, changes);
    if let Some(payment) = payment_of(ctx, id) {
        ctx.set(Kind::InvoicePayment, &payment, json!({ "amount_requested": remaining }));
    }
}

/// The parameters of an invoice's PaymentIntent: the platform's fee and the destination.
fn intent_params(invoice: &Value, subscription: &Value) -> Params {
    let due = invoice.int("amount_due");
    let description = match invoice.text("billing_reason") {
        "subscription_create" => "Subscription creation",
        "manual" => "Payment for Invoice",
        _ => "Subscription update",
    };
    let mut form = json!({
        "amount": due,
        "currency": invoice["currency"],
        "customer": invoice["customer"],
        "description": description,
        "payment_method_types": subscription["payment_settings"]["payment_method_types"].as_array().cloned().unwrap_or_else(|| vec!["card".into()]),
        "setup_future_usage": "off_session",
    });
    if let Some(percent) = subscription["application_fee_percent"].as_f64() {
        let fee = part_of(due, percent);
        if fee > 0 {
            form["application_fee_amount"] = fee.min(due - 1).into();
        }
    }
    if let Some(destination) = subscription["transfer_data"].maybe("destination") {
        form["transfer_data"] = json!({ "destination": destination });
        if let Some(percent) = subscription["transfer_data"]["amount_percent"].as_f64() {
            form["transfer_data"]["amount"] = part_of(due, percent).into();
        }
    }
    if let Some(account) = subscription.maybe("on_behalf_of") {
        form["on_behalf_of"] = account.into();
    }
    Params::from_value(form)
}

/// A percentage (at most two decimals) of an amount, rounded half up.
fn part_of(amount: i64, percent: f64) -> i64 {
    #[allow(clippy::cast_possible_truncation, reason = "a percentage has at most two decimal places")]
    let hundredths = (percent * 100.0).round() as i64;
    (amount * hundredths + 5000) / 10_000
}

/// Tries to pay an open invoice with the subscription's card or the customer's
/// default. [`payment_succeeded`] and [`payment_failed`] record the outcome.
///
/// # Errors
/// 402 for a decline, 400 if there is no card.
pub(crate) fn pay(ctx: &mut Context, id: &str, method: Option<&str>, automatic: bool, now: i64) -> Result<(), ApiError> {
    let account = ctx.account.clone();
    let invoice = ctx.fetch(Kind::Invoice, id, "invoice")?;
    let attempts = invoice.int("attempt_count");
    let mut changes = json!({ "attempt_count": attempts + 1, "attempted": true });
    if automatic {
        // A subscription's first invoice is not retried automatically.
        let wait = usize::try_from(attempts).ok().and_then(|n| RETRIES.get(n));
        let retried = invoice.text("billing_reason") != "subscription_create";
        changes["next_payment_attempt"] = wait.filter(|_| retried).map(|days| now + days * DAY).into();
    }
    ctx.set(Kind::Invoice, id, changes);
    let Some(intent) = intent_of(ctx, id) else {
        mark_paid(ctx, id, now);
        return Ok(());
    };
    let chosen = method.map(str::to_owned).or_else(|| match subscription_of(&invoice).as_str() {
        "" => rows::default_method_of_invoice(ctx, &invoice),
        subscription => rows::default_method(ctx, subscription),
    });
    let Some(method) = chosen else {
        failed(ctx, id);
        return Err(no_method());
    };
    ctx.set(Kind::PaymentIntent, &intent, json!({ "payment_method": method }));
    // Without its own types, a subscription can be paid with everything that the Dashboard allows.
    let own = ctx.state.object(&account, Kind::Subscription, &subscription_of(&invoice)).map(|one| one["payment_settings"].clone());
    let kind = payment_methods::card(ctx, &method).map_or("card", |card| card.kind);
    if kind != "card" && own.is_some_and(|own| own["payment_method_types"].is_null()) {
        ctx.set(Kind::PaymentIntent, &intent, json!({ "payment_method_types": ["card", kind] }));
    }
    // While catching up, each attempt has its own time.
    ctx.state.hide(&account, Kind::Invoice, id, "now", now.into());
    let tried = payments::attempt(ctx, &intent, Try::default());
    ctx.state.hide(&account, Kind::Invoice, id, "now", Value::Null);
    tried
}

/// The error if there is no card.
pub(crate) fn no_method() -> ApiError {
    ApiError::invalid(
        "This customer has no attached payment source or default payment method. Please consider adding a default payment \
         method. For more information, visit https://stripe.com/docs/billing/subscriptions/payment-methods-setting#payment-method-priority.",
    )
    .code("resource_missing")
}

/// The current time for an invoice.
pub(crate) fn time_of(ctx: &Context, invoice: &Value) -> i64 {
    let tried = ctx.state.hidden(&ctx.account, Kind::Invoice, invoice.text("id"), "now").and_then(Value::as_i64);
    tried.unwrap_or_else(|| customer_rows::now_of(ctx, invoice.text("customer")))
}

/// The invoice that a PaymentIntent pays, and its current time.
fn of_intent(ctx: &Context, intent: &str) -> Option<(String, i64)> {
    let id = ctx.state.hidden(&ctx.account, Kind::PaymentIntent, intent, "invoice")?.as_str()?.to_owned();
    let invoice = ctx.state.object(&ctx.account, Kind::Invoice, &id)?;
    Some((id, time_of(ctx, invoice)))
}

/// The PaymentIntent of an invoice succeeded.
pub(crate) fn payment_succeeded(ctx: &mut Context, intent: &str) {
    if let Some((id, now)) = of_intent(ctx, intent) {
        mark_paid(ctx, &id, now);
    }
}

/// The PaymentIntent of an invoice failed.
pub(crate) fn payment_failed(ctx: &mut Context, intent: &str) {
    if let Some((id, _)) = of_intent(ctx, intent) {
        failed(ctx, &id);
    }
}

/// An invoice's PaymentIntent is waiting for the cardholder.
pub(crate) fn action_required(ctx: &mut Context, intent: &str) {
    if let Some((id, _)) = of_intent(ctx, intent) {
        ctx.emit("invoice.payment_action_required", Kind::Invoice, &id);
        let first = ctx.state.object(&ctx.account, Kind::Invoice, &id).is_some_and(|i| i.text("billing_reason") == "subscription_create");
        if !first {
            failed(ctx, &id);
        }
    }
}

fn failed(ctx: &mut Context, id: &str) {
    ctx.emit("invoice.payment_failed", Kind::Invoice, id);
    ctx.follow(|after| after.invoice_failed, id);
}

/// Its own payment, which Stripe makes when the invoice is finalized.
fn payment_of(ctx: &Context, id: &str) -> Option<String> {
    let mut all = ctx.state.children(&ctx.account, Kind::InvoicePayment, id);
    all.find(|payment| payment.object.flag("is_default")).map(|payment| payment.object.text("id").to_owned())
}

/// Marks an invoice as paid, by its PaymentIntent or because nothing is due any more.
pub(crate) fn mark_paid(ctx: &mut Context, id: &str, now: i64) {
    let Some(invoice) = ctx.state.object(&ctx.account, Kind::Invoice, id).cloned() else { return };
    let mut transitions = invoice["status_transitions"].clone();
    transitions["paid_at"] = now.into();
    ctx.set(
        Kind::Invoice,
        id,
        json!({
            "amount_paid": invoice["amount_due"],
            "amount_remaining": 0,
            "attempted": true,
            "attempt_count": invoice.int("attempt_count").max(1),
            "auto_advance": false,
            "next_payment_attempt": null,
            "status": "paid",
            "status_transitions": transitions,
        }),
    );
    let remaining = invoice.int("amount_remaining");
    if let Some(payment) = payment_of(ctx, id).filter(|_| remaining == 0) {
        ctx.set(
            Kind::InvoicePayment,
            &payment,
            json!({ "status": "canceled", "status_transitions": { "canceled_at": now, "paid_at": null } }),
        );
    } else if let Some(payment) = payment_of(ctx, id) {
        let paid = json!({
            "amount_paid": remaining, "status": "paid", "status_transitions": { "canceled_at": null, "paid_at": now },
        });
        ctx.set(Kind::InvoicePayment, &payment, paid);
        ctx.emit("invoice_payment.paid", Kind::InvoicePayment, &payment);
    }
    ctx.emit("invoice.paid", Kind::Invoice, id);
    ctx.emit("invoice.payment_succeeded", Kind::Invoice, id);
    ctx.follow(|after| after.invoice_paid, id);
}

/// Ends an invoice that will not be paid: `void` or `uncollectible`.
pub(crate) fn give_up(ctx: &mut Context, id: &str, status: &str, now: i64) {
    let Some(invoice) = ctx.state.object(&ctx.account, Kind::Invoice, id).cloned() else { return };
    let mut transitions = invoice["status_transitions"].clone();
    transitions[if status == "void" { "voided_at" } else { "marked_uncollectible_at" }] = now.into();
    let mut changes = json!({ "auto_advance": false, "next_payment_attempt": null, "status": status, "status_transitions": transitions });
    if status == "void" {
        changes["amount_remaining"] = invoice["amount_remaining"].clone();
        if let Some(intent) = intent_of(ctx, id) {
            payment_intents::cancel_intent(ctx, &intent, Some("void_invoice"));
        }
        if let Some(payment) = payment_of(ctx, id) {
            ctx.set(Kind::InvoicePayment, &payment, json!({ "status": "canceled" }));
        }
    }
    ctx.set(Kind::Invoice, id, changes);
    ctx.emit(if status == "void" { "invoice.voided" } else { "invoice.marked_uncollectible" }, Kind::Invoice, id);
    rows::unwatch_invoice(ctx, &subscription_of(&invoice), id);
}
