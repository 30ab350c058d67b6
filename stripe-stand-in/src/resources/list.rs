//! Lists: newest first, with cursors (<https://docs.stripe.com/api/pagination>).

use serde_json::{Value, json};

use crate::events::context::Context;
use crate::state::row::Row;
use crate::words::errors::ApiError;
use crate::words::json::Fields;
use crate::words::kind::Kind;
use crate::words::params::Params;

/// The parameters of all lists.
pub(crate) const PARAMS: &str = "limit:i starting_after ending_before expand[]";

/// A page of an account's objects of one kind.
///
/// # Errors
/// 400 for a limit outside of 1–100, or a cursor that is not an object of this list.
pub(crate) fn page(ctx: &Context, kind: Kind, params: &Params, url: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value, ApiError> {
    let created = params.value().get("created").cloned().unwrap_or(Value::Null);
    let rows = ctx.state.rows(&ctx.account, kind);
    let fits = |row: &&Row| in_range(row.object.int("created"), &created) && wanted(&row.object);
    let limit = limit(params)?;
    // A cursor that the filter excludes still has its position.
    let place = |name: &str| match params.text(name) {
        Some(id) => ctx.state.place(&ctx.account, kind, id).map(Some).ok_or_else(|| ApiError::no_such_param(kind, id, name)),
        None => Ok(None),
    };
    // Checks no more objects than the page needs, plus one to see whether there are more.
    let mut page: Vec<&Row> = match (place("starting_after")?, place("ending_before")?) {
        (Some(_), Some(_)) => return Err(two_cursors()),
        (None, Some(end)) => {
            let mut page: Vec<&Row> = rows[end + 1..].iter().filter(fits).take(limit + 1).collect();
            let has_more = page.len() > limit;
            page.truncate(limit);
            page.reverse();
            return Ok(answer(page.into_iter().map(|row| &row.object), has_more, url));
        }
        (after, None) => rows[..after.unwrap_or(rows.len())].iter().rev().filter(fits).take(limit + 1).collect(),
    };
    let has_more = page.len() > limit;
    page.truncate(limit);
    Ok(answer(page.into_iter().map(|row| &row.object), has_more, url))
}

/// A page of the objects of one kind that belong to another object, such as a charge's refunds.
///
/// # Errors
/// As [`page`].
pub(crate) fn page_of_children(
    ctx: &Context,
    kind: Kind,
    parent: &str,
    params: &Params,
    url: &str,
    wanted: impl Fn(&Value) -> bool,
) -> Result<Value, ApiError> {
    let rows = ctx.state.children(&ctx.account, kind, parent).rev().map(|row| &row.object);
    let data: Vec<Value> = rows.filter(|row| wanted(row)).cloned().collect();
    page_of(kind, &data, params, url)
}

/// A page of given objects, newest first.
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

/// The search results among an account's objects of one kind: <https://docs.stripe.com/search>.
/// Immediately, where Stripe takes up to a minute. Only supports clauses `field:'value'` and
/// `metadata['key']:'value'`, joined by `AND`. A page is the number of its first result.
///
/// # Errors
/// 400 for any other query, a limit outside of 1–100, or a page that was not returned before.
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

/// The field as a JSON pointer, and its value.
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
    let limit = limit(params)?;
    let (page, has_more) = match (cursor("starting_after")?, cursor("ending_before")?) {
        (Some(_), Some(_)) => {
            return Err(two_cursors());
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
    Ok(answer(page.iter().copied(), has_more, url))
}

fn answer<'a>(page: impl Iterator<Item = &'a Value>, has_more: bool, url: &str) -> Value {
    json!({ "object": "list", "data": page.collect::<Vec<_>>(), "has_more": has_more, "url": url })
}

fn two_cursors() -> ApiError {
    ApiError::invalid("You may only specify one of these parameters: ending_before, starting_after.")
}

/// The length of a page.
fn limit(params: &Params) -> Result<usize, ApiError> {
    let limit = params.int("limit").unwrap_or(10);
    if !(1..=100).contains(&limit) {
        let bound = if limit < 1 { "greater than or equal to 1" } else { "less than or equal to 100" };
        return Err(ApiError::invalid(format!("Invalid limit: must be {bound}")).code("parameter_invalid_integer").param("limit"));
    }
    Ok(usize::try_from(limit).unwrap_or(10))
}

/// Whether a time matches `created`: a time, or `gt`, `gte`, `lt`, `lte`.
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
