//! Lists: newest first, by cursor (<https://docs.stripe.com/api/pagination>).

use serde_json::{Value, json};

use super::context::Context;
use super::errors::ApiError;
use super::params::Params;
use super::state::{Fields, Kind};

/// The parameters that every list takes.
pub(crate) const PARAMS: &str = "limit:i starting_after ending_before expand[]";

/// A page of an account's objects of one kind.
///
/// # Errors
/// 400 for a limit outside of 1–100, or a cursor that is not an object of this list.
pub(crate) fn page(ctx: &Context, kind: Kind, params: &Params, url: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value, ApiError> {
    let created = params.value().get("created").cloned().unwrap_or(Value::Null);
    let rows = ctx.state.rows(&ctx.account, kind).iter().rev().map(|row| &row.object);
    let matching: Vec<&Value> = rows.filter(|row| in_range(row.int("created"), &created) && wanted(row)).collect();
    let cursor = |name: &str| -> Result<Option<usize>, ApiError> {
        let Some(id) = params.text(name) else { return Ok(None) };
        if let Some(place) = matching.iter().position(|row| row.text("id") == id) {
            return Ok(Some(if name == "starting_after" { place + 1 } else { place }));
        }
        // A cursor that the filter leaves out still has its place in time.
        let rows = ctx.state.rows(&ctx.account, kind);
        let place = rows.iter().position(|row| row.object.text("id") == id);
        let Some(place) = place else { return Err(ApiError::no_such_param(kind, id, name)) };
        let older = rows[..place].iter().map(|row| &row.object);
        let older = older.filter(|row| in_range(row.int("created"), &created) && wanted(row)).count();
        Ok(Some(matching.len() - older))
    };
    slice(&matching, params, url, cursor)
}

/// A page of objects that are already at hand, newest first.
///
/// # Errors
/// As [`page`].
pub(crate) fn page_of(kind: Kind, data: &[Value], params: &Params, url: &str) -> Result<Value, ApiError> {
    let created = params.value().get("created").unwrap_or(&Value::Null);
    let rows: Vec<&Value> = data.iter().filter(|row| in_range(row.int("created"), created)).collect();
    slice(&rows, params, url, |name| {
        let Some(id) = params.text(name) else { return Ok(None) };
        let place = rows.iter().position(|row| row.text("id") == id);
        let place = place.ok_or_else(|| ApiError::no_such_param(kind, id, name))?;
        Ok(Some(if name == "starting_after" { place + 1 } else { place }))
    })
}

/// What a search finds of an account's objects of one kind: <https://docs.stripe.com/search>. At once, where Stripe takes up to a minute.
/// Of its language there is what has the form `field:'value'` or `metadata['key']:'value'`, joined by `AND`; a page is the number of its
/// first result.
///
/// # Errors
/// 400 for a query that is none of that, a limit outside of 1–100, or a page that was not answered before.
pub(crate) fn search(ctx: &Context, kind: Kind, params: &Params, url: &str) -> Result<Value, ApiError> {
    let query = params.text("query").unwrap_or_default();
    let clauses: Option<Vec<(String, String)>> = query.split(" AND ").map(clause).collect();
    let clauses = clauses.ok_or_else(|| ApiError::invalid("We were unable to parse your search query.").param("query"))?;
    let rows = ctx.state.rows(&ctx.account, kind).iter().rev().map(|row| &row.object);
    let fits = |row: &Value| clauses.iter().all(|(path, value)| row.pointer(path).and_then(Value::as_str) == Some(value));
    let found: Vec<&Value> = rows.filter(|row| !row.flag("deleted") && fits(row)).collect();
    let first: usize = match params.text("page").map(str::parse) {
        None => 0,
        Some(Ok(first)) if first < found.len() => first,
        Some(_) => return Err(ApiError::invalid("Invalid page.").param("page")),
    };
    let mut page = slice(&found, params, url, |name| Ok((name == "starting_after" && first > 0).then_some(first)))?;
    page["object"] = "search_result".into();
    let next = first + page["data"].as_array().map_or(0, Vec::len);
    page["next_page"] = if page.flag("has_more") { next.to_string().into() } else { Value::Null };
    Ok(page)
}

/// The place of a field, as a JSON pointer, and its value.
fn clause(text: &str) -> Option<(String, String)> {
    let (field, value) = text.split_once(':')?;
    let quoted = |text: &str| {
        let quote = text.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
        text.strip_prefix(quote)?.strip_suffix(quote).map(str::to_owned)
    };
    let place = match field.strip_prefix("metadata[") {
        Some(key) => format!("/metadata/{}", quoted(key.strip_suffix(']')?)?),
        None => format!("/{field}"),
    };
    Some((place, quoted(value)?))
}

fn slice(
    rows: &[&Value],
    params: &Params,
    url: &str,
    // Where the page begins (`starting_after`) or ends (`ending_before`).
    cursor: impl Fn(&str) -> Result<Option<usize>, ApiError>,
) -> Result<Value, ApiError> {
    let limit = params.int("limit").unwrap_or(10);
    if !(1..=100).contains(&limit) {
        let bound = if limit < 1 { "greater than or equal to 1" } else { "less than or equal to 100" };
        return Err(ApiError::invalid(format!("Invalid limit: must be {bound}")).code("parameter_invalid_integer").param("limit"));
    }
    let limit = usize::try_from(limit).unwrap_or(10);
    let (page, has_more) = match (cursor("starting_after")?, cursor("ending_before")?) {
        (Some(_), Some(_)) => {
            return Err(ApiError::invalid("You may only specify one of these parameters: ending_before, starting_after."));
        }
        (None, Some(end)) => {
            let begin = end.saturating_sub(limit);
            (&rows[begin..end.min(rows.len())], begin > 0)
        }
        (after, None) => {
            let begin = after.unwrap_or(0).min(rows.len());
            let end = (begin + limit).min(rows.len());
            (&rows[begin..end], end < rows.len())
        }
    };
    Ok(json!({ "object": "list", "data": page, "has_more": has_more, "url": url }))
}

/// Whether a time is what `created` asks for: a time, or `gt`, `gte`, `lt`, `lte`.
fn in_range(time: i64, created: &Value) -> bool {
    match created {
        Value::Number(exact) => exact.as_i64() == Some(time),
        Value::Object(bounds) => bounds.iter().all(|(name, bound)| {
            let bound = bound.as_i64().unwrap_or_default();
            match name.as_str() {
                "gt" => time > bound,
                "gte" => time >= bound,
                "lt" => time < bound,
                _ => time <= bound,
            }
        }),
        _ => true,
    }
}
