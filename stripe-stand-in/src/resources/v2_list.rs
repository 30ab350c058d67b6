//! Lists of `/v2`: <https://docs.stripe.com/api-v2-overview>. A page's token contains an object, and whether the page is before or after it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::words::errors::ApiError;
use crate::words::params::Params;

/// A page of these objects, with the URLs of its neighbours, which repeat the `filters`.
///
/// # Errors
/// 400 for a `limit` outside 1 to 100, or a page that does not exist.
pub(crate) fn page(
    path: &str,
    ids: &[String],
    params: &Params,
    filters: &[(String, String)],
    show: impl Fn(&str) -> Value,
) -> Result<Value, ApiError> {
    let limit = params.int("limit").unwrap_or(10);
    if !(1..=100).contains(&limit) {
        return Err(ApiError::invalid("The limit must be between 1 and 100."));
    }
    let limit = usize::try_from(limit).unwrap_or(10);
    let (begin, end) = match params.text("page").map(place) {
        None => (0, limit.min(ids.len())),
        Some(Some((after, id))) => {
            let at = ids.iter().position(|one| *one == id).ok_or_else(|| ApiError::invalid("This page no longer exists."))?;
            if after { (at + 1, (at + 1 + limit).min(ids.len())) } else { (at.saturating_sub(limit), at) }
        }
        Some(None) => return Err(ApiError::invalid("This page does not exist.")),
    };
    let data: Vec<Value> = ids[begin..end].iter().map(|id| show(id)).collect();
    let url = |token: String| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(filters).append_pair("limit", &limit.to_string()).append_pair("page", &token);
        format!("{path}?{}", query.finish())
    };
    let next = (end < ids.len()).then(|| url(URL_SAFE_NO_PAD.encode(format!("after {}", ids[end - 1]))));
    let previous = (begin > 0).then(|| url(URL_SAFE_NO_PAD.encode(format!("before {}", ids[begin.min(ids.len() - 1)]))));
    Ok(json!({ "data": data, "next_page_url": next, "previous_page_url": previous }))
}

/// An array as it is repeated in a URL: `include[0]=…`.
pub(crate) fn repeated(name: &str, values: &[String]) -> Vec<(String, String)> {
    values.iter().enumerate().map(|(n, value)| (format!("{name}[{n}]"), value.clone())).collect()
}

/// Whether a page comes after an object, and which one.
fn place(token: &str) -> Option<(bool, String)> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    let (side, id) = text.split_once(' ')?;
    Some((side == "after", id.to_owned()))
}
