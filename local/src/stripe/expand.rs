//! `expand[]`: ids replaced by the objects that they name (<https://docs.stripe.com/api/expanding_objects>).

use serde_json::Value;

use super::billing::invoice_endpoints;
use super::context::Context;
use super::errors::ApiError;
use super::state::{Fields, Kind, list_object};
use super::{checkout, refunds};

/// The deepest path that Stripe takes.
const DEEPEST: usize = 4;

/// Expands these paths in an answer. In a list they begin with `data`.
///
/// # Errors
/// 400 for a property that cannot be expanded.
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
    let Some(field) = value.get_mut(*name) else { return Err(refused()) };
    match field {
        Value::Null => return Ok(()),
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

/// Some properties are there only when they are asked for.
fn include(ctx: &Context, value: &mut Value, name: &str) {
    let id = value.text("id").to_owned();
    match (value.text("object"), name) {
        ("charge", "refunds") => {
            let data = refunds::of_charge(ctx, &id);
            value["refunds"] = list_object(data, &format!("/v1/charges/{id}/refunds"));
        }
        ("checkout.session", "line_items") => {
            let data = checkout::items(ctx, &id);
            value["line_items"] = list_object(data, &format!("/v1/checkout/sessions/{id}/line_items"));
        }
        ("invoice", "payments") => {
            let data = invoice_endpoints::payments_of(ctx, &id);
            value["payments"] = list_object(data, &format!("/v1/invoice_payments?invoice={id}"));
        }
        ("invoice", "confirmation_secret") => value["confirmation_secret"] = invoice_endpoints::confirmation_secret(ctx, &id),
        _ => {}
    }
}

/// The object of that id: of the account acted on, or of another where an object links to it (a transfer's payment).
fn lookup(ctx: &Context, id: &str) -> Option<Value> {
    if id.starts_with("ca_") {
        return Some(super::accounts::application(id));
    }
    let kind = Kind::of_id(id)?;
    if let Some(object) = ctx.state.object(&ctx.account, kind, id) {
        return Some(object.clone());
    }
    let owner = ctx.state.owner_of(kind, id)?;
    ctx.state.object(&owner, kind, id).cloned()
}
