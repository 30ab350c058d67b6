//! Cookies: the session's, and the one that binds an OAuth round trip to its browser.

use lambda_http::http::header::{AUTHORIZATION, COOKIE};

use super::Request;
use crate::config::Config;

/// A cookie of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cookie {
    /// The session's token.
    Session,
    /// The browser's half of an OAuth `state`.
    OAuth,
}

/// Whether a request comes with what could be a session, good or not.
#[must_use]
pub fn names_a_session(request: &Request) -> bool {
    let cookies = request.headers().get_all(COOKIE).iter().filter_map(|header| header.to_str().ok());
    let mut names = cookies.flat_map(|header| header.split(';')).filter_map(|pair| Some(pair.trim().split_once('=')?.0));
    request.headers().contains_key(AUTHORIZATION) || names.any(|name| matches!(name, "session" | "__Host-session"))
}

impl Cookie {
    /// With the prefix `__Host-` no other site on the domain can set it. That prefix wants TLS, which a laptop has not.
    fn name(self, config: &Config) -> &'static str {
        match (self, config.secure_cookies()) {
            (Self::Session, true) => "__Host-session",
            (Self::Session, false) => "session",
            (Self::OAuth, true) => "__Host-oauth",
            (Self::OAuth, false) => "oauth",
        }
    }

    /// The value that the browser sent.
    #[must_use]
    pub fn read(self, request: &Request, config: &Config) -> Option<String> {
        let name = self.name(config);
        let cookies = request.headers().get_all(COOKIE).iter().filter_map(|header| header.to_str().ok());
        let mut pairs = cookies.flat_map(|header| header.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(found, _)| *found == name).map(|(_, value)| value.to_owned())
    }

    /// `Set-Cookie` for `seconds`; zero removes it.
    #[must_use]
    pub fn set(self, value: &str, seconds: i64, config: &Config) -> String {
        let secure = if config.secure_cookies() { "; Secure" } else { "" };
        format!("{}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}", self.name(config))
    }
}
