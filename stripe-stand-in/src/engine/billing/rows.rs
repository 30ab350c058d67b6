//! Stored subscriptions, and their pending invoices.

use serde_json::Value;

use crate::events::context::Context;
use crate::words::json::Fields;
use crate::words::kind::Kind;

/// The names of the account's products.
pub(crate) fn names(ctx: &Context) -> impl Fn(&str) -> String + use<> {
    let rows = ctx.state.rows(&ctx.account, Kind::Product).iter();
    let names: std::collections::BTreeMap<String, String> =
        rows.map(|row| (row.object.text("id").to_owned(), row.object.text("name").to_owned())).collect();
    move |product| names.get(product).cloned().unwrap_or_default()
}

/// The card that pays for a subscription: its own, or its customer's default.
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

/// Changes a subscription and sends the event, once its creation was announced.
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

/// A subscription's invoices that are not finished.
pub(crate) fn open_invoices(ctx: &Context, id: &str) -> Vec<Value> {
    watched(ctx, id).iter().filter_map(|invoice| ctx.state.object(&ctx.account, Kind::Invoice, invoice).cloned()).collect()
}

/// Marks an invoice as not finished.
pub(crate) fn watch_invoice(ctx: &mut Context, id: &str, invoice: &str) {
    let mut list = watched(ctx, id);
    list.push(invoice.to_owned());
    let account = ctx.account.clone();
    ctx.state.hide(&account, Kind::Subscription, id, "open_invoices", list.into());
}

/// Marks an invoice as finished.
pub(crate) fn unwatch_invoice(ctx: &mut Context, id: &str, invoice: &str) {
    let mut list = watched(ctx, id);
    list.retain(|one| one != invoice);
    let account = ctx.account.clone();
    ctx.state.hide(&account, Kind::Subscription, id, "open_invoices", list.into());
}

/// The card that pays a customer's invoices, unless a subscription has another.
pub(crate) fn default_method_of_invoice(ctx: &Context, invoice: &Value) -> Option<String> {
    let own = invoice.maybe("default_payment_method").map(str::to_owned);
    let customer = ctx.state.object(&ctx.account, Kind::Customer, invoice.text("customer"))?;
    own.or_else(|| customer["invoice_settings"].maybe("default_payment_method").map(str::to_owned))
}
