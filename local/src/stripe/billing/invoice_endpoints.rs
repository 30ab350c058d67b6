//! What can be asked of invoices and their payments.

use serde_json::{Value, json};

use super::invoices;
use crate::stripe::context::Context;
use crate::stripe::errors::ApiError;
use crate::stripe::list;
use crate::stripe::params::Params;
use crate::stripe::payment_methods;
use crate::stripe::state::{Fields, Kind};

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
    let now = super::now_of(ctx, invoice.text("customer"));
    invoices::finalize(ctx, path[0], now)?;
    if invoice.int("amount_due") == 0 {
        invoices::mark_paid(ctx, path[0], now);
    } else if invoice.flag("auto_advance") {
        // Tried about an hour later.
        ctx.set(Kind::Invoice, path[0], json!({ "next_payment_attempt": now + invoices::DRAFT }));
    }
    ctx.fetch(Kind::Invoice, path[0], "invoice")
}

/// `POST /v1/invoices/{id}/pay`
pub(crate) fn pay(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let id = path[0];
    let mut invoice = ctx.fetch(Kind::Invoice, id, "invoice")?;
    let now = super::now_of(ctx, invoice.text("customer"));
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
    let now = super::now_of(ctx, invoice.text("customer"));
    invoices::give_up(ctx, id, status, now);
    ctx.fetch(Kind::Invoice, id, "invoice")
}

/// `GET /v1/invoice_payments`: which invoice a PaymentIntent pays, and the other way round.
pub(crate) fn payments(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let intent = params.object("payment").text("payment_intent").map(str::to_owned);
    list::page(ctx, Kind::InvoicePayment, params, "/v1/invoice_payments", |row| {
        ["invoice", "status"].iter().all(|name| params.text(name).is_none_or(|wanted| row.text(name) == wanted))
            && intent.as_deref().is_none_or(|intent| row["payment"].text("payment_intent") == intent)
    })
}

/// `GET /v1/invoice_payments/{id}`
pub(crate) fn payment(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    ctx.fetch(Kind::InvoicePayment, path[0], "invoice_payment")
}

/// What an invoice has only where it is asked for: its payments.
pub(crate) fn payments_of(ctx: &Context, invoice: &str) -> Vec<Value> {
    let owner = ctx.state.owner_of(Kind::Invoice, invoice).unwrap_or_else(|| ctx.account.clone());
    let rows = ctx.state.rows(&owner, Kind::InvoicePayment).iter().map(|row| &row.object);
    rows.filter(|payment| payment["invoice"] == invoice).cloned().collect()
}

/// What an invoice has only where it is asked for: the secret by which a browser pays it.
pub(crate) fn confirmation_secret(ctx: &Context, invoice: &str) -> Value {
    let Some(intent) = invoices::intent_of(ctx, invoice) else { return Value::Null };
    let Some(owner) = ctx.state.owner_of(Kind::PaymentIntent, &intent) else { return Value::Null };
    let secret = ctx.state.object(&owner, Kind::PaymentIntent, &intent).map(|intent| intent["client_secret"].clone());
    json!({ "client_secret": secret, "type": "payment_intent" })
}
