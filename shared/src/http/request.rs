//! Reading requests: bodies, paths and queries, within bounds.

use lambda_http::http::header::CONTENT_TYPE;
use serde::de::DeserializeOwned;

use super::{Body, Request};
use crate::error::Error;
use crate::store::page::{Cursor, Page};

/// The longest body, in bytes.
pub const BODY_MAX: usize = 64 * 1024;

/// The body's bytes, as they were sent.
///
/// # Errors
/// [`Error::BodyTooLarge`].
pub fn bytes(request: &Request) -> Result<&[u8], Error> {
    let bytes = match request.body() {
        Body::Text(text) => text.as_bytes(),
        Body::Binary(bytes) => bytes,
        _ => &[],
    };
    if bytes.len() > BODY_MAX { Err(Error::BodyTooLarge) } else { Ok(bytes) }
}

/// The body as JSON. Fields that are not known are passed over.
///
/// # Errors
/// [`Error::UnsupportedMediaType`], [`Error::BodyTooLarge`], [`Error::MalformedJson`], and [`Error::InvalidRequest`]
/// where a field is missing or has the wrong type, with its path.
pub fn json<T: DeserializeOwned>(request: &Request) -> Result<T, Error> {
    let kind = request.headers().get(CONTENT_TYPE).map(|kind| kind.to_str().unwrap_or_default().to_ascii_lowercase());
    if kind.is_some_and(|kind| !kind.starts_with("application/json")) {
        return Err(Error::UnsupportedMediaType);
    }
    let bytes = bytes(request)?;
    std::str::from_utf8(bytes).map_err(|_| Error::MalformedJson("it is not UTF-8".to_owned()))?;
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        if inner.is_data() {
            let what = if path == "." { inner.to_string() } else { format!("{path}: {inner}") };
            Error::InvalidRequest(what)
        } else {
            Error::MalformedJson(inner.to_string())
        }
    })?;
    deserializer.end().map_err(|error| Error::MalformedJson(error.to_string()))?;
    Ok(value)
}

/// The path's segments, decoded.
#[must_use]
pub fn segments(request: &Request) -> Vec<String> {
    let path = request.uri().path().trim_matches('/');
    // Form decoding would take `+` for a space, which it is not in a path.
    path.split('/').map(|segment| decode(&segment.replace('+', "%2B"))).collect()
}

fn decode(text: &str) -> String {
    url::form_urlencoded::parse(text.as_bytes())
        .next()
        .map_or_else(String::new, |(name, value)| if value.is_empty() { name.into_owned() } else { format!("{name}={value}") })
}

/// The query's parameters, in order, repeated ones too.
#[must_use]
pub fn query(request: &Request) -> Vec<(String, String)> {
    url::form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes()).into_owned().collect()
}

/// One parameter of the query.
///
/// # Errors
/// [`Error::InvalidRequest`] where it stands there twice.
pub fn parameter(request: &Request, name: &str) -> Result<Option<String>, Error> {
    let mut values = query(request).into_iter().filter(|(found, _)| found == name).map(|(_, value)| value);
    let first = values.next();
    if values.next().is_some() { Err(Error::InvalidRequest(format!("{name} is given twice"))) } else { Ok(first) }
}

/// How much of a list is asked for: `?limit` (1 to 100, default 20).
///
/// # Errors
/// [`Error::InvalidRequest`] for a limit out of range.
pub fn limit(request: &Request) -> Result<i32, Error> {
    let Some(text) = parameter(request, "limit")? else { return Ok(20) };
    let limit = text.parse().ok().filter(|limit| (1..=100).contains(limit));
    limit.ok_or_else(|| Error::InvalidRequest("limit must be a whole number from 1 to 100".to_owned()))
}

/// Which page of a list is asked for: `?limit` (1 to 100, default 20) and `?cursor`.
///
/// # Errors
/// [`Error::InvalidRequest`] for a limit out of range, [`Error::BadCursor`].
pub fn page(request: &Request) -> Result<Page, Error> {
    let limit = limit(request)?;
    let after = parameter(request, "cursor")?.map(|text| Cursor::decode(&text).ok_or(Error::BadCursor)).transpose()?;
    Ok(Page { limit, after })
}
