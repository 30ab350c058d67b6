//! Invoices without a subscription, as in a seller's own invoicing: manual items,
//! and a draft of pending ones (<https://docs.stripe.com/api/invoiceitems>).

use serde_json::{Map, Value, json};

use crate::engine::billing::invoices;
use crate::engine::customer_rows::{self, now_of};
use crate::engine::customers;
use crate::events::context::Context;
use crate::resources::list;
use crate::words::errors::ApiError;
use crate::words::ids::new_id;
use crate::words::json::Fields;
use crate::words::kind::Kind;
use crate::words::money;
use crate::words::params::Params;

/// Parameters of `POST /v1/invoiceitems`.
pub(crate) const CREATE: &str = "amount:i currency customer customer_account description discountable:b discounts:any invoice metadata:m \
    period{end:i start:i} price_data:any pricing{price} quantity:i subscription tax_behavior tax_code tax_rates[] \
    unit_amount_decimal";

/// Parameters of `POST /v1/invoices`.
pub(crate) const INVOICE: &str = "account_tax_ids[] application_fee_amount:i auto_advance:b automatic_tax:any \
    automatically_finalizes_at:i collection_method:(charge_automatically|send_invoice) currency custom_fields:any customer \
    customer_account days_until_due:i default_payment_method default_source default_tax_rates[] description discounts:any due_date:i \
    effective_at:i footer from_invoice:any issuer:any metadata:m number on_behalf_of payment_settings:any \
    pending_invoice_items_behavior:(exclude|include) rendering:any shipping_cost:any shipping_details:any statement_descriptor \
    transfer_data:any";

/// `POST /v1/invoiceitems`
pub(crate) fn create(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let customer = params.required("customer")?.to_owned();
    customer_rows::living(ctx, &customer, "customer")?;
    let priced = match params.object("pricing").text("price") {
        Some(price) => Some(ctx.fetch_param(Kind::Price, price, "pricing[price]")?),
        None => None,
    };
    let quantity = params.int("quantity").unwrap_or(1);
    let (unit, currency) = match &priced {
        Some(price) => (price.int("unit_amount"), price.text("currency").to_owned()),
        None => {
            let amount = params.int("amount").ok_or_else(|| ApiError::missing("amount"))?;
            (amount, money::currency(params.required("currency")?, "currency")?)
        }
    };
    // Without a price, the amount is for the whole item.
    let amount = if priced.is_some() { unit.saturating_mul(quantity) } else { unit };
    let now = now_of(ctx, &customer);
    let stored = ctx.state.object(&ctx.account, Kind::Customer, &customer).cloned().unwrap_or_default();
    let period = params.object("period");
    let id = new_id("ii");
    let name = |field: &str, prefix: &str| priced.as_ref().map_or_else(|| new_id(prefix), |price| price.text(field).to_owned());
    let item = json!({
        "id": id,
        "object": "invoiceitem",
        "amount": amount,
        "currency": currency,
        "customer": customer,
        "customer_account": null,
        "date": now,
        "description": params.json("description"),
        "discountable": true,
        "discounts": [],
        "invoice": null,
        "livemode": false,
        "metadata": params.metadata(),
        "net_amount": amount,
        "parent": null,
        "period": { "end": period.int("end").unwrap_or(now), "start": period.int("start").unwrap_or(now) },
        "pricing": {
            "price_details": { "price": name("id", "price"), "product": name("product", "prod") },
            "type": "price_details",
            "unit_amount_decimal": (amount / quantity.max(1)).to_string(),
        },
        "proration": false,
        "proration_details": null,
        "quantity": quantity,
        "quantity_decimal": quantity.to_string(),
        "tax_rates": [],
        "test_clock": stored["test_clock"],
    });
    ctx.insert(Kind::InvoiceItem, item);
    if stored["currency"].is_null() {
        ctx.set(Kind::Customer, &customer, json!({ "currency": currency }));
    }
    ctx.emit("invoiceitem.created", Kind::InvoiceItem, &id);
    ctx.fetch(Kind::InvoiceItem, &id, "id")
}

/// `GET /v1/invoiceitems/{id}`
pub(crate) fn retrieve(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    ctx.fetch(Kind::InvoiceItem, path[0], "id")
}

/// `DELETE /v1/invoiceitems/{id}`: only an item that is on no invoice yet.
pub(crate) fn delete(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    let item = ctx.fetch(Kind::InvoiceItem, path[0], "id")?;
    if !item["invoice"].is_null() {
        return Err(ApiError::invalid("This invoice item is attached to an invoice and cannot be deleted."));
    }
    ctx.emit("invoiceitem.deleted", Kind::InvoiceItem, path[0]);
    let account = ctx.account.clone();
    ctx.state.remove(&account, Kind::InvoiceItem, path[0]);
    Ok(json!({ "id": path[0], "object": "invoiceitem", "deleted": true }))
}

/// `GET /v1/invoiceitems`
pub(crate) fn index(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let pending = params.flag("pending");
    list::page(ctx, Kind::InvoiceItem, params, "/v1/invoiceitems", |row| {
        ["customer", "invoice"].iter().all(|name| params.text(name).is_none_or(|wanted| row.text(name) == wanted))
            && pending.is_none_or(|pending| row["invoice"].is_null() == pending)
    })
}

/// `POST /v1/invoices`: a draft for a customer. Includes pending items if requested.
pub(crate) fn create_invoice(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let customer = params.required("customer")?.to_owned();
    let stored = customer_rows::living(ctx, &customer, "customer")?;
    if params.text("collection_method") == Some("send_invoice") {
        return Err(ApiError::invalid("The stand-in only charges automatically.").param("collection_method"));
    }
    let account = ctx.account.clone();
    let take = params.text("pending_invoice_items_behavior") == Some("include");
    let rows = ctx.state.rows(&account, Kind::InvoiceItem).iter().map(|row| row.object.clone());
    let waiting: Vec<Value> = rows.filter(|item| take && item["customer"] == customer.as_str() && item["invoice"].is_null()).collect();
    // The currency decides which items are included (<https://docs.stripe.com/api/invoices/create#create_invoice-currency>).
    let given = params.text("currency").or(stored.maybe("currency")).map(str::to_owned);
    let currency = given.unwrap_or_else(|| customers::own_currency(ctx));
    let currency = money::currency(&currency, "currency")?;
    let now = now_of(ctx, &customer);
    let id = new_id("in");
    let lines: Vec<Value> = waiting.iter().filter(|item| item["currency"] == currency.as_str()).map(line).collect();
    // In place of the subscription that an invoice is built from.
    let source = json!({
        "application": if ctx.is_connected() { ctx.client_id.as_str().into() } else { Value::Null },
        "currency": currency,
        "customer": customer,
        "on_behalf_of": params.json("on_behalf_of"),
        "test_clock": stored["test_clock"],
    });
    let mut object = invoices::build(ctx, &id, &source, lines, "manual", now);
    let advance = params.is("auto_advance");
    object["auto_advance"] = advance.into();
    if !advance {
        object["automatically_finalizes_at"] = Value::Null;
        object["next_payment_attempt"] = Value::Null;
    }
    object["default_payment_method"] = params.json("default_payment_method");
    object["description"] = params.json("description");
    object["metadata"] = params.metadata();
    object["parent"] = Value::Null;
    object["rendering"] = json!({ "amount_tax_display": null, "pdf": { "page_size": "auto" }, "template": null, "template_version": null });
    ctx.state.insert(&account, Kind::Invoice, object, Map::new());
    if stored["currency"].is_null() {
        ctx.set(Kind::Customer, &customer, json!({ "currency": currency }));
    }
    for item in waiting.iter().filter(|item| item["currency"] == currency.as_str()) {
        ctx.set(Kind::InvoiceItem, item.text("id"), json!({ "invoice": id }));
    }
    ctx.emit("invoice.created", Kind::Invoice, &id);
    ctx.fetch(Kind::Invoice, &id, "invoice")
}

fn line(item: &Value) -> Value {
    json!({
        "id": new_id("il"),
        "object": "line_item",
        "amount": item["amount"],
        "currency": item["currency"],
        "description": item["description"],
        "discount_amounts": [],
        "discountable": true,
        "discounts": [],
        "invoice": null,
        "livemode": false,
        "metadata": item["metadata"],
        "parent": {
            "invoice_item_details": {
                "invoice_item": item["id"],
                "proration": false,
                "proration_details": { "credited_items": null },
                "subscription": null,
            },
            "subscription_item_details": null,
            "type": "invoice_item_details",
        },
        "period": item["period"],
        "pretax_credit_amounts": [],
        "pricing": item["pricing"],
        "quantity": item["quantity"],
        "quantity_decimal": item["quantity_decimal"],
        "subtotal": item["amount"],
        "taxes": [],
    })
}
