//! Cookies: one for the session, one that binds an OAuth round trip to its browser, and one that marks a device where its user has logged in.

use lambda_http::http::HeaderValue;
use lambda_http::http::header::{AUTHORIZATION, COOKIE};

use super::message::Request;
use crate::settings::config::Config;

/// A cookie that this API sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cookie {
    /// The session token.
    Session,
    /// The browser's half of an OAuth `state`.
    OAuth,
    /// The mark of a device, see [`User::device_mark`](crate::domain::user::User::device_mark).
    Device,
}

/// Whether a request carries anything that could be a session, valid or not.
#[must_use]
pub fn names_a_session(request: &Request) -> bool {
    let mut names = pairs(request).map(|(name, _)| name);
    request.headers().contains_key(AUTHORIZATION) || names.any(|name| matches!(name, b"session" | b"__Host-session"))
}

/// The cookie names and values as bytes: other programs on the domain may have set values that are not ASCII.
fn pairs(request: &Request) -> impl Iterator<Item = (&[u8], &[u8])> {
    let headers = request.headers().get_all(COOKIE).iter().map(HeaderValue::as_bytes);
    headers.flat_map(|header| header.split(|byte| *byte == b';')).filter_map(|pair| {
        let pair = pair.trim_ascii();
        let place = pair.iter().position(|byte| *byte == b'=')?;
        Some((&pair[..place], &pair[place + 1..]))
    })
}

impl Cookie {
    /// With the prefix `__Host-`, no other site on the domain can set the cookie. The prefix requires TLS, which a laptop lacks.
    fn name(self, config: &Config) -> &'static str {
        match (self, config.secure_cookies()) {
            (Self::Session, true) => "__Host-session",
            (Self::Session, false) => "session",
            (Self::OAuth, true) => "__Host-oauth",
            (Self::OAuth, false) => "oauth",
            (Self::Device, true) => "__Host-device",
            (Self::Device, false) => "device",
        }
    }

    /// The cookie's value in the request.
    #[must_use]
    pub fn read(self, request: &Request, config: &Config) -> Option<String> {
        let name = self.name(config);
        let mut of_this_name = pairs(request).filter(|(found, _)| *found == name.as_bytes());
        of_this_name.find_map(|(_, value)| std::str::from_utf8(value).ok().map(str::to_owned))
    }

    /// The `Set-Cookie` header for `seconds`; zero removes the cookie.
    #[must_use]
    pub fn set(self, value: &str, seconds: i64, config: &Config) -> String {
        let secure = if config.secure_cookies() { "; Secure" } else { "" };
        format!("{}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}", self.name(config))
    }
}
