//! Invoices and their payments: <https://docs.stripe.com/api/invoices>.

use serde_json::{Value, json};

use crate::engine::billing::attached;
use crate::engine::billing::changes;
use crate::engine::billing::invoices;
use crate::engine::billing::lines;
use crate::engine::billing::pending;
use crate::engine::billing::periods;
use crate::engine::billing::rows::names;
use crate::engine::customer_rows;
use crate::engine::payment_methods;
use crate::events::context::Context;
use crate::resources::list;
use crate::words::errors::ApiError;
use crate::words::ids::random_text;
use crate::words::json::Fields;
use crate::words::kind::Kind;
use crate::words::params::Params;

/// Parameters of `POST /v1/invoices/create_preview`.
pub(crate) const PREVIEW: &str = "customer customer_account subscription subscription_details{billing_cycle_anchor \
    cancel_at_period_end:b items[]{deleted:b id metadata:m price price_data{currency product \
    recurring{interval interval_count:i} tax_behavior unit_amount:i unit_amount_decimal} quantity:i} \
    proration_behavior:(always_invoice|create_prorations|none) proration_date:i}";

/// `POST /v1/invoices/create_preview`: the next invoice, with or without a change.
pub(crate) fn preview(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let id = params.required("subscription")?.to_owned();
    let subscription = ctx.fetch_param(Kind::Subscription, &id, "subscription")?;
    let now = customer_rows::now_of(ctx, subscription.text("customer"));
    let details = params.object("subscription_details");
    let mut all = pending::pending(ctx, &id);
    let (mut after, mut at_once, mut date) = (subscription.clone(), false, None);
    if details.has("items") {
        let change = changes::plan(ctx, &subscription, &details, now)?;
        at_once = change.reset || details.text("proration_behavior") == Some("always_invoice");
        date = Some(change.proration_date);
        all.extend(change.lines);
        after["items"]["data"] = change.items.into();
    }
    if !at_once {
        periods::next_period(&mut after);
        all.extend(lines::of_period(&after, &names(ctx), false));
    }
    let upcoming = format!("upcoming_in_{}", random_text(24));
    let mut invoice = invoices::build(ctx, &upcoming, &after, all, "upcoming", now);
    invoice["parent"]["subscription_details"]["subscription_proration_date"] = date.into();
    Ok(invoice)
}

/// Parameters of `GET /v1/invoices`.
pub(crate) const LIST: &str = "collection_method created:range customer customer_account due_date:range \
    status:(draft|open|paid|uncollectible|void) subscription";

/// Parameters of `POST /v1/invoices/{id}/pay`.
pub(crate) const PAY: &str = "forgive:b mandate off_session:b paid_out_of_band:b payment_method source";

fn unexpected(invoice: &Value, what: &str) -> ApiError {
    ApiError::invalid(format!("You can only {what}: this invoice has a status of {}.", invoice.text("status"))).code("invoice_not_editable")
}

/// `GET /v1/invoices/{id}`
pub(crate) fn retrieve(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    ctx.fetch(Kind::Invoice, path[0], "invoice")
}

/// `POST /v1/invoices/{id}`
pub(crate) fn update(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let before = ctx.fetch(Kind::Invoice, path[0], "invoice")?;
    let mut after = json!({ "metadata": params.merged_metadata(&before["metadata"]) });
    for name in ["auto_advance", "description"] {
        if params.has(name) {
            after[name] = params.json(name);
        }
    }
    ctx.set(Kind::Invoice, path[0], after);
    let account = ctx.account.clone();
    ctx.emit_change(&account, "invoice.updated", Kind::Invoice, path[0], &before);
    ctx.fetch(Kind::Invoice, path[0], "invoice")
}

/// `GET /v1/invoices`
pub(crate) fn index(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    list::page(ctx, Kind::Invoice, params, "/v1/invoices", |row| {
        ["customer", "status"].iter().all(|name| params.text(name).is_none_or(|wanted| row.text(name) == wanted))
            && params.text("subscription").is_none_or(|wanted| invoices::subscription_of(row) == wanted)
    })
}

/// `GET /v1/invoices/{id}/lines`
pub(crate) fn lines(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let invoice = ctx.fetch(Kind::Invoice, path[0], "invoice")?;
    let data = invoice["lines"]["data"].as_array().cloned().unwrap_or_default();
    list::page_of(Kind::Invoice, &data, params, &format!("/v1/invoices/{}/lines", path[0]))
}

/// `POST /v1/invoices/{id}/finalize`
pub(crate) fn finalize(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    let invoice = ctx.fetch(Kind::Invoice, path[0], "invoice")?;
    if invoice.text("status") != "draft" {
        return Err(unexpected(&invoice, "finalize draft invoices"));
    }
    let now = customer_rows::now_of(ctx, invoice.text("customer"));
    invoices::finalize(ctx, path[0], now)?;
    if invoice.int("amount_due") == 0 {
        invoices::mark_paid(ctx, path[0], now);
    } else if invoice.flag("auto_advance") {
        // The payment is attempted about an hour later.
        ctx.set(Kind::Invoice, path[0], json!({ "next_payment_attempt": now + invoices::DRAFT }));
    }
    ctx.fetch(Kind::Invoice, path[0], "invoice")
}

/// `POST /v1/invoices/{id}/pay`
pub(crate) fn pay(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let id = path[0];
    let mut invoice = ctx.fetch(Kind::Invoice, id, "invoice")?;
    let now = customer_rows::now_of(ctx, invoice.text("customer"));
    if invoice.text("status") == "paid" {
        return Err(ApiError::invalid("Invoice is already paid").code("invoice_already_paid"));
    }
    if invoice.text("status") == "draft" {
        invoices::finalize(ctx, id, now)?;
        invoice = ctx.fetch(Kind::Invoice, id, "invoice")?;
    }
    if !["open", "uncollectible"].contains(&invoice.text("status")) {
        return Err(unexpected(&invoice, "pay open invoices"));
    }
    if params.is("paid_out_of_band") {
        invoices::mark_paid(ctx, id, now);
        return ctx.fetch(Kind::Invoice, id, "invoice");
    }
    let method = match params.text("payment_method") {
        Some(method) => {
            let method = payment_methods::resolve(ctx, method, "payment_method")?;
            payment_methods::check_use(ctx, &method, invoice.maybe("customer"))?;
            Some(method)
        }
        None => None,
    };
    invoices::pay(ctx, id, method.as_deref(), false, now)?;
    match invoices::intent_of(ctx, id).and_then(|intent| ctx.state.object(&ctx.account, Kind::PaymentIntent, &intent)) {
        // The customer must authenticate on the invoice's page
        // (<https://docs.stripe.com/error-codes#invoice-payment-intent-requires-action>).
        Some(intent) if intent.text("status") == "requires_action" => Err(ApiError::card(
            "invoice_payment_intent_requires_action",
            None,
            "Payment for this invoice requires additional user action before it can be completed successfully. Payment can be completed \
             using the PaymentIntent associated with the invoice.",
        )),
        _ => ctx.fetch(Kind::Invoice, id, "invoice"),
    }
}

/// `POST /v1/invoices/{id}/attach_payment`
pub(crate) fn attach_payment(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let (id, intent) = (path[0], params.required("payment_intent")?.to_owned());
    let invoice = ctx.fetch(Kind::Invoice, id, "invoice")?;
    if !["open", "uncollectible"].contains(&invoice.text("status")) {
        return Err(unexpected(&invoice, "attach payments to open invoices"));
    }
    let now = customer_rows::now_of(ctx, invoice.text("customer"));
    attached::attach(ctx, id, &intent, now)?;
    ctx.fetch(Kind::Invoice, id, "invoice")
}

/// `POST /v1/invoices/{id}/void`
pub(crate) fn void(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    end(ctx, path[0], "void")
}

/// `POST /v1/invoices/{id}/mark_uncollectible`
pub(crate) fn mark_uncollectible(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    end(ctx, path[0], "uncollectible")
}

fn end(ctx: &mut Context, id: &str, status: &str) -> Result<Value, ApiError> {
    let invoice = ctx.fetch(Kind::Invoice, id, "invoice")?;
    if !["open", "uncollectible"].contains(&invoice.text("status")) || invoice.text("status") == status {
        return Err(unexpected(&invoice, "end open invoices"));
    }
    let now = customer_rows::now_of(ctx, invoice.text("customer"));
    invoices::give_up(ctx, id, status, now);
    ctx.fetch(Kind::Invoice, id, "invoice")
}

/// `GET /v1/invoice_payments`: which invoice a PaymentIntent pays, and vice versa.
pub(crate) fn payments(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let intent = params.object("payment").text("payment_intent").map(str::to_owned);
    let wanted = |row: &Value| {
        params.text("status").is_none_or(|wanted| row.text("status") == wanted)
            && intent.as_deref().is_none_or(|intent| row["payment"].text("payment_intent") == intent)
    };
    match params.text("invoice") {
        Some(invoice) => list::page_of_children(ctx, Kind::InvoicePayment, invoice, params, "/v1/invoice_payments", wanted),
        None => list::page(ctx, Kind::InvoicePayment, params, "/v1/invoice_payments", wanted),
    }
}

/// `GET /v1/invoice_payments/{id}`
pub(crate) fn payment(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    ctx.fetch(Kind::InvoicePayment, path[0], "invoice_payment")
}
