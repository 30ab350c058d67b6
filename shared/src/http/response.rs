//! Builds responses.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lambda_http::http::HeaderValue;
use lambda_http::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION, SET_COOKIE, VARY};
use serde::Serialize;

use super::cookie::names_a_session;
use super::message::{Body, Request, Response};
use crate::store::page::Paged;

/// How long CloudFront may answer from its cache. Browsers revalidate each time.
const PUBLIC: &str = "public, max-age=0, s-maxage=60, stale-while-revalidate=60";

fn encode<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("views have string keys and no fallible parts")
}

/// The length of a value as JSON, in bytes.
#[must_use]
pub fn length<T: Serialize>(value: &T) -> usize {
    encode(value).len()
}

/// A private JSON response.
#[must_use]
pub fn json<T: Serialize>(status: u16, value: &T) -> Response {
    lambda_http::Response::builder()
        .status(status)
        .header(CONTENT_TYPE, "application/json")
        .header(CACHE_CONTROL, "private, no-store")
        .body(Body::from(encode(value)))
        .expect("the headers are sound")
}

/// A JSON response that is the same for everybody, with or without a session, with an `ETag`. CloudFront may cache it for a minute. Answers
/// 304 without a body if the client already has it.
#[must_use]
pub fn shared<T: Serialize>(request: &Request, value: &T) -> Response {
    tagged(request, value, PUBLIC)
}

/// As [`shared`], for what differs with a session: then only the client's own browser may store the response, and it must revalidate.
#[must_use]
pub fn cacheable<T: Serialize>(request: &Request, value: &T) -> Response {
    let mut response = tagged(request, value, if names_a_session(request) { "private, no-cache" } else { PUBLIC });
    response.headers_mut().insert(VARY, HeaderValue::from_static("Authorization, Cookie"));
    response
}

fn tagged<T: Serialize>(request: &Request, value: &T, caching: &str) -> Response {
    let body = encode(value);
    let digest = ring::digest::digest(&ring::digest::SHA256, body.as_bytes());
    let tag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(&digest.as_ref()[..12]));
    let known = request.headers().get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    // RFC 9110 requires weak comparison here: a cache may have marked the tag as weak.
    let unchanged = known
        .flat_map(|list| list.split(','))
        .any(|one| matches!(one.trim().trim_start_matches("W/"), found if found == tag || found == "*"));
    let builder = lambda_http::Response::builder().header(ETAG, tag).header(CACHE_CONTROL, caching);
    let response = if unchanged {
        builder.status(304).body(Body::Empty)
    } else {
        builder.status(200).header(CONTENT_TYPE, "application/json").body(Body::from(body))
    };
    response.expect("the headers are sound")
}

/// 204 without a body.
#[must_use]
pub fn no_content() -> Response {
    lambda_http::Response::builder().status(204).header(CACHE_CONTROL, "no-store").body(Body::Empty).expect("the headers are sound")
}

/// 202 without a body.
#[must_use]
pub fn accepted() -> Response {
    lambda_http::Response::builder().status(202).header(CACHE_CONTROL, "no-store").body(Body::Empty).expect("the headers are sound")
}

/// Redirects a browser.
///
/// # Panics
/// If `location` is not a valid header value. Pass a URL built here, never a client's text.
#[must_use]
pub fn redirect(location: &str) -> Response {
    lambda_http::Response::builder()
        .status(302)
        .header(LOCATION, location)
        .header(CACHE_CONTROL, "no-store")
        .header("referrer-policy", "no-referrer")
        .body(Body::Empty)
        .expect("a URL is a header value")
}

/// Text for everybody, whoever asks: a page, or something for robots. CloudFront may cache it for a minute, unless it says that there is nothing.
#[must_use]
pub fn public(status: u16, media: &'static str, body: String) -> Response {
    lambda_http::Response::builder()
        .status(status)
        .header(CONTENT_TYPE, media)
        .header(CACHE_CONTROL, if status == 200 { PUBLIC } else { "no-store" })
        .body(Body::from(body))
        .expect("the headers are sound")
}

/// Says that a page has another address for good.
///
/// # Panics
/// If `location` is not a valid header value. Pass a URL built here, never a client's text.
#[must_use]
pub fn moved(location: &str) -> Response {
    lambda_http::Response::builder()
        .status(301)
        .header(LOCATION, location)
        .header(CACHE_CONTROL, PUBLIC)
        .body(Body::Empty)
        .expect("a URL is a header value")
}

/// Adds a cookie to a response.
///
/// # Panics
/// If the cookie is not a valid header value, which cannot happen with this API's cookies.
#[must_use]
pub fn with_cookie(mut response: Response, cookie: &str) -> Response {
    response.headers_mut().append(SET_COOKIE, cookie.parse().expect("cookies of ours are ASCII"));
    response
}

#[derive(Serialize)]
struct List<T> {
    items: Vec<T>,
    next_cursor: Option<String>,
}

/// A page of a list as clients see it.
#[must_use]
pub fn list<T, V: Serialize>(paged: Paged<T>, view: impl FnMut(T) -> V) -> impl Serialize {
    List { items: paged.items.into_iter().map(view).collect(), next_cursor: paged.next.map(|cursor| cursor.encode()) }
}
