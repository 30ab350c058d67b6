//! Reads requests: bodies, paths and queries, within limits.

use std::fmt;
use std::marker::PhantomData;

use lambda_http::http::header::CONTENT_TYPE;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::message::{Body, Request};
use crate::domain::error::Error;
use crate::store::page::{Cursor, Page};

/// The longest accepted body, in bytes.
pub const BODY_MAX: usize = 64 * 1024;

/// The raw bytes of the body.
///
/// # Errors
/// [`Error::BodyTooLarge`].
pub fn bytes(request: &Request) -> Result<&[u8], Error> {
    bytes_up_to(request, BODY_MAX)
}

/// The same with a different limit.
///
/// # Errors
/// [`Error::BodyTooLarge`].
pub fn bytes_up_to(request: &Request, most: usize) -> Result<&[u8], Error> {
    let bytes = match request.body() {
        Body::Text(text) => text.as_bytes(),
        Body::Binary(bytes) => bytes,
        _ => &[],
    };
    if bytes.len() > most { Err(Error::BodyTooLarge { most }) } else { Ok(bytes) }
}

/// A value that must be a JSON object. Serde would also read a struct from an array, by field order, which no client intends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfMap<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for OfMap<T> {
            type Value = T;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }

        deserializer.deserialize_map(OfMap(PhantomData)).map(Self)
    }
}

/// The body, which must be a JSON object. Unknown fields are ignored.
///
/// # Errors
/// [`Error::UnsupportedMediaType`], [`Error::BodyTooLarge`], [`Error::MalformedJson`], and [`Error::InvalidRequest`]
/// with the field's path if a field is missing or has the wrong type.
pub fn json<T: DeserializeOwned>(request: &Request) -> Result<T, Error> {
    let kind = request.headers().get(CONTENT_TYPE).map(|kind| kind.to_str().unwrap_or_default().to_ascii_lowercase());
    if kind.is_some_and(|kind| !kind.starts_with("application/json")) {
        return Err(Error::UnsupportedMediaType);
    }
    let bytes = bytes(request)?;
    std::str::from_utf8(bytes).map_err(|_| Error::MalformedJson("it is not UTF-8".to_owned()))?;
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let Object(value) = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
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

/// The decoded segments of the path.
#[must_use]
pub fn segments(request: &Request) -> Vec<String> {
    let path = request.uri().path().trim_matches('/');
    // Form decoding turns `+` into a space, but in a path `+` is literal.
    path.split('/').map(|segment| decode(&segment.replace('+', "%2B"))).collect()
}

fn decode(text: &str) -> String {
    url::form_urlencoded::parse(text.as_bytes())
        .next()
        .map_or_else(String::new, |(name, value)| if value.is_empty() { name.into_owned() } else { format!("{name}={value}") })
}

/// The parameters of the query, in order, including repeated ones.
#[must_use]
pub fn query(request: &Request) -> Vec<(String, String)> {
    url::form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes()).into_owned().collect()
}

/// One parameter of the query.
///
/// # Errors
/// [`Error::InvalidRequest`] if it is given twice.
pub fn parameter(request: &Request, name: &str) -> Result<Option<String>, Error> {
    let mut values = query(request).into_iter().filter(|(found, _)| found == name).map(|(_, value)| value);
    let first = values.next();
    if values.next().is_some() { Err(Error::InvalidRequest(format!("{name} is given twice"))) } else { Ok(first) }
}

/// The page size: `?limit` (1 to 100, default 20).
///
/// # Errors
/// [`Error::InvalidRequest`] for a limit out of range.
pub fn limit(request: &Request) -> Result<i32, Error> {
    let Some(text) = parameter(request, "limit")? else { return Ok(20) };
    let limit = text.parse().ok().filter(|limit| (1..=100).contains(limit));
    limit.ok_or_else(|| Error::InvalidRequest("limit must be a whole number from 1 to 100".to_owned()))
}

/// The requested page: `?limit` (1 to 100, default 20) and `?cursor`.
///
/// # Errors
/// [`Error::InvalidRequest`] for a limit out of range, [`Error::BadCursor`].
pub fn page(request: &Request) -> Result<Page, Error> {
    let limit = limit(request)?;
    let after = parameter(request, "cursor")?.map(|text| Cursor::decode(&text).ok_or(Error::BadCursor)).transpose()?;
    Ok(Page { limit, after })
}

/// The client's idempotency key, if it sent one. Requests with the same key are the same request.
///
/// # Errors
/// [`Error::InvalidRequest`] for an invalid key.
pub fn idempotency_key(request: &Request) -> Result<Option<String>, Error> {
    let Some(key) = request.headers().get("idempotency-key") else { return Ok(None) };
    let sound = |key: &&str| !key.is_empty() && key.len() <= 255 && key.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    let key = key.to_str().ok().filter(sound);
    key.map(|key| Some(key.to_owned()))
        .ok_or_else(|| Error::InvalidRequest("Idempotency-Key must be 1 to 255 printable characters".to_owned()))
}
