//! `expand[]`: replaces ids with the objects they name (<https://docs.stripe.com/api/expanding_objects>).

use serde_json::{Value, json};

use crate::engine::accounts::rows;
use crate::engine::billing::invoices;
use crate::engine::checkout_rows;
use crate::engine::customer_rows;
use crate::engine::refund_row;
use crate::events::context::Context;
use crate::words::errors::ApiError;
use crate::words::json::{Fields, list_object};
use crate::words::kind::Kind;

/// The maximum depth that Stripe accepts.
const DEEPEST: usize = 4;

/// Expandable fields that are absent if not set.
const LEFT_OUT: [(&str, &str); 2] = [("charge", "transfer"), ("refund", "failure_balance_transaction")];

/// Expands these paths in a response. In a list they start with `data`.
///
/// # Errors
/// 400 if a property cannot be expanded.
pub(crate) fn apply(ctx: &Context, answer: &mut Value, paths: &[String]) -> Result<(), ApiError> {
    for path in paths {
        let names: Vec<&str> = path.split('.').collect();
        if names.iter().filter(|name| **name != "data").count() > DEEPEST {
            return Err(ApiError::invalid(format!("You cannot expand more than {DEEPEST} levels of a property: {path}.")).param("expand"));
        }
        expand(ctx, answer, &names, path)?;
    }
    Ok(())
}

fn expand(ctx: &Context, value: &mut Value, names: &[&str], path: &str) -> Result<(), ApiError> {
    let Some((name, rest)) = names.split_first() else { return Ok(()) };
    if value.text("object") == "list" && *name == "data" {
        for item in value["data"].as_array_mut().into_iter().flatten() {
            expand(ctx, item, rest, path)?;
        }
        return Ok(());
    }
    include(ctx, value, name);
    let refused = || ApiError::invalid(format!("This property cannot be expanded ({path}).")).param("expand");
    let Some(field) = value.get_mut(*name) else {
        return if LEFT_OUT.contains(&(value.text("object"), *name)) { Ok(()) } else { Err(refused()) };
    };
    match field {
        Value::Null => return Ok(()),
        // A list of ids, or of objects that contain them.
        Value::Array(items) => {
            for item in items {
                match item {
                    Value::String(id) => *item = lookup(ctx, id).ok_or_else(refused)?,
                    item => expand(ctx, item, rest, path)?,
                }
            }
            return Ok(());
        }
        Value::String(id) => {
            *field = lookup(ctx, id).ok_or_else(refused)?;
        }
        Value::Object(_) => {}
        _ => return Err(refused()),
    }
    if field.text("object") == "list" && rest.first().is_some_and(|name| *name != "data") {
        return Err(refused());
    }
    expand(ctx, field, rest, path)
}

/// Some properties are only included on request.
fn include(ctx: &Context, value: &mut Value, name: &str) {
    let id = value.text("id").to_owned();
    if value.get(name).is_some() {
        return;
    }
    match (value.text("object"), name) {
        // Absent if there is none, but no reason to refuse.
        ("charge", "dispute" | "transfer") => value[name] = Value::Null,
        ("customer", "invoice_credit_balance") => value[name] = customer_rows::credits(ctx, &id),
        ("coupon", "applies_to" | "currency_options") => {
            let hidden = ctx.state.row(&ctx.account, Kind::Coupon, &id).and_then(|row| row.hidden.get(name));
            value[name] = hidden.cloned().unwrap_or_default();
        }
        ("charge", "refunds") => {
            let data = refund_row::of_charge(ctx, &id);
            value["refunds"] = list_object(data, &format!("/v1/charges/{id}/refunds"));
        }
        ("checkout.session", "line_items") => {
            let data = checkout_rows::items(ctx, &id);
            value["line_items"] = list_object(data, &format!("/v1/checkout/sessions/{id}/line_items"));
        }
        ("invoice", "payments") => {
            let data = invoices::payments_of(ctx, &id);
            value["payments"] = json!({ "object": "list", "data": data, "has_more": false, "url": "/v1/invoices/payments" });
        }
        ("invoice", "confirmation_secret") => value["confirmation_secret"] = invoices::confirmation_secret(ctx, &id),
        _ => {}
    }
}

/// The object with this id: the current account's, or another account's if an object links to it, such as a transfer's payment.
fn lookup(ctx: &Context, id: &str) -> Option<Value> {
    if id.starts_with("ca_") {
        return Some(rows::application(id));
    }
    // Coupons have ids that users choose.
    let kind = Kind::of_id(id).unwrap_or(Kind::Coupon);
    if let Some(object) = ctx.state.object(&ctx.account, kind, id) {
        return Some(object.clone());
    }
    let owner = ctx.state.owner_of(kind, id)?;
    ctx.state.object(&owner, kind, id).cloned()
}
