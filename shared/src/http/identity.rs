//! Who makes a request, and from which address.

use std::net::{IpAddr, Ipv6Addr};

use lambda_http::RequestExt as _;
use lambda_http::http::header::{AUTHORIZATION, ORIGIN};
use lambda_http::http::{HeaderValue, Method};
use lambda_http::request::RequestContext;

use super::cookie::Cookie;
use super::message::Request;
use crate::app::App;
use crate::domain::error::Error;
use crate::domain::user::User;
use crate::settings::config::Config;
use crate::store::token::Token;

/// A session token and how it was sent.
#[derive(Clone)]
pub struct Presented {
    /// The token.
    pub token: Token,
    /// Whether a browser sent it automatically.
    pub by_cookie: bool,
}

fn bearer(request: &Request) -> Option<&str> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The session token of a request. A Bearer token takes precedence over a cookie. Only the table knows whether it is valid.
#[must_use]
pub fn presented(request: &Request, config: &Config) -> Option<Presented> {
    match bearer(request) {
        Some(text) => Token::parse(text).map(|token| Presented { token, by_cookie: false }),
        None => {
            Cookie::Session.read(request, config).and_then(|text| Token::parse(&text)).map(|token| Presented { token, by_cookie: true })
        }
    }
}

/// The session token of a request that needs one.
///
/// # Errors
/// [`Error::NotSignedIn`], and the errors of [`check_origin`].
pub fn required(request: &Request, config: &Config) -> Result<Presented, Error> {
    check_origin(request, config)?;
    presented(request, config).ok_or(Error::NotSignedIn)
}

/// The signed-in user: one DynamoDB trip.
///
/// # Errors
/// [`Error::NotSignedIn`], [`Error::ForeignOrigin`], or if DynamoDB fails.
pub async fn user(request: &Request, app: &App) -> Result<User, Error> {
    let presented = required(request, &app.config)?;
    app.store.user_by_token(&presented.token, app.clock.now()).await?.ok_or(Error::NotSignedIn)
}

/// The signed-in user, if they entered their password within the last quarter of an hour: one DynamoDB trip.
///
/// For requests that change where a seller's money goes, so that a stolen session is not enough. `PUT /sessions/current` takes the password.
///
/// # Errors
/// [`Error::PasswordRequired`], and the errors of [`user`].
pub async fn user_with_password(request: &Request, app: &App) -> Result<User, Error> {
    match user_and_recency(request, app).await? {
        (user, true) => Ok(user),
        (_, false) => Err(Error::PasswordRequired),
    }
}

/// The signed-in user in their role, see [`in_role`], for requests that sellers make and staff too: staff must have entered their
/// password within the last quarter of an hour, as for [`staff_with_password`]. One DynamoDB trip.
///
/// # Errors
/// [`Error::PasswordRequired`], and the errors of [`user`].
pub async fn user_or_staff_with_password(request: &Request, app: &App) -> Result<User, Error> {
    let (user, is_recent) = user_and_recency(request, app).await?;
    let user = in_role(user, &app.config);
    if user.is_staff && !is_recent { Err(Error::PasswordRequired) } else { Ok(user) }
}

async fn user_and_recency(request: &Request, app: &App) -> Result<(User, bool), Error> {
    let presented = required(request, &app.config)?;
    app.store.user_and_recency(&presented.token, app.clock.now()).await?.ok_or(Error::NotSignedIn)
}

/// The signed-in member of staff: one DynamoDB trip.
///
/// # Errors
/// [`Error::Forbidden`] for anybody else, [`Error::SecondFactorRequiredForStaff`], and the errors of [`user`].
pub async fn staff(request: &Request, app: &App) -> Result<User, Error> {
    as_staff(user(request, app).await?, &app.config)
}

/// The same for what staff do, so that a stolen session is not enough: they must have entered their password within the last quarter
/// of an hour. Reading needs [`staff`] only. One DynamoDB trip.
///
/// # Errors
/// [`Error::PasswordRequired`], and the errors of [`staff`].
pub async fn staff_with_password(request: &Request, app: &App) -> Result<User, Error> {
    let (user, is_recent) = user_and_recency(request, app).await?;
    let staff = as_staff(user, &app.config)?;
    if is_recent { Ok(staff) } else { Err(Error::PasswordRequired) }
}

fn as_staff(user: User, config: &Config) -> Result<User, Error> {
    if !user.is_staff {
        return Err(Error::Forbidden);
    }
    let user = in_role(user, config);
    if user.is_staff { Ok(user) } else { Err(Error::SecondFactorRequiredForStaff) }
}

/// The user for requests that are not only staff's: without the role of staff while a second factor is required for it and missing.
#[must_use]
pub fn in_role(user: User, config: &Config) -> User {
    User { is_staff: user.is_staff && (user.has_second_factor() || !config.staff_second_factor), ..user }
}

/// Refuses a write that another site's page makes with the browser's cookie.
///
/// Browsers send the page's origin with every cross-origin write. A request without an origin does not come from a page,
/// and a client that sends a Bearer token knows the token.
///
/// # Errors
/// [`Error::ForeignOrigin`].
pub fn check_origin(request: &Request, config: &Config) -> Result<(), Error> {
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) || bearer(request).is_some() {
        return Ok(());
    }
    let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap_or("null").to_owned());
    let allowed = match header(ORIGIN.as_str()) {
        Some(origin) => is_allowed(&origin, config),
        None => header("sec-fetch-site").is_none_or(|site| site != "cross-site"),
    };
    if allowed { Ok(()) } else { Err(Error::ForeignOrigin) }
}

fn is_allowed(origin: &str, config: &Config) -> bool {
    config.allowed_origins.iter().any(|allowed| allowed == origin)
        || url::Url::parse(&config.storefront_url).is_ok_and(|storefront| storefront.origin().ascii_serialization() == origin)
}

/// Whether a request proves that it came through our CloudFront.
pub(super) fn is_through_cloudfront(request: &Request, config: &Config) -> bool {
    request.headers().get("x-origin-secret").is_some_and(|shown| config.origin_secret.is(shown.as_bytes()))
}

/// The client's address, from API Gateway, or from CloudFront if the request proves that it came through ours. Headers that a client
/// can set do not count. For IPv6, the /64 network: one customer usually has all of its addresses.
#[must_use]
pub fn address(request: &Request, config: &Config) -> String {
    if is_through_cloudfront(request, config) {
        let viewer = request.headers().get("x-viewer-address").map(HeaderValue::as_bytes);
        let viewer = viewer.and_then(|viewer| std::str::from_utf8(viewer).ok()?.parse::<IpAddr>().ok());
        if let Some(viewer) = viewer {
            return network(viewer);
        }
    }
    let seen = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.http.source_ip.clone().unwrap_or_default(),
        _ => String::new(),
    };
    seen.parse().map_or(seen, network)
}

fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("{}/64", Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}
