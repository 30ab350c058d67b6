//! Requests with their bodies, and responses.

use std::net::SocketAddr;

use hyper::Method;
use hyper::body::Bytes;

use crate::words::errors::ApiError;

pub(crate) fn unrecognized(request: &Incomer) -> ApiError {
    ApiError::new(
        404,
        "invalid_request_error",
        format!(
            "Unrecognized request URL ({}: {}). Please see https://stripe.com/docs or we can help at \
             https://support.stripe.com/.",
            request.method, request.path
        ),
    )
}

/// The response for a URL that is neither part of the API nor a page.
pub(crate) fn unknown_url(request: &Incomer) -> Answer {
    Answer::json(404, &unrecognized(request).body())
}

/// A request with its body.
#[derive(Clone, Debug)]
pub(crate) struct Incomer {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: hyper::HeaderMap,
    pub(crate) body: Bytes,
}

impl Incomer {
    /// A header that is readable text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The origin that the caller used, or the server's own address.
    pub(crate) fn origin(&self, address: SocketAddr) -> String {
        self.header("host").map_or_else(|| format!("http://{address}"), |host| format!("http://{host}"))
    }
}

/// A response, or none.
#[derive(Debug)]
pub(crate) enum Answer {
    /// A whole response.
    Full {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: String,
        /// Closes the connection in the middle of the body.
        truncate: bool,
    },
    /// The connection is closed without a response.
    Close,
    /// The connection stays open without a response.
    Silence,
}

impl Answer {
    /// JSON.
    pub(crate) fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::text(status, "application/json", serde_json::to_string_pretty(body).unwrap_or_default())
    }

    /// A page.
    pub(crate) fn html(status: u16, body: String) -> Self {
        Self::text(status, "text/html; charset=utf-8", body)
    }

    /// Any body.
    pub(crate) fn text(status: u16, content_type: &str, body: String) -> Self {
        Self::Full { status, headers: vec![("content-type", content_type.to_owned())], body, truncate: false }
    }

    /// 303 to a URL.
    pub(crate) fn redirect(location: &str) -> Self {
        Self::Full { status: 303, headers: vec![("location", location.to_owned())], body: String::new(), truncate: false }
    }

    /// Adds a header.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        if let Self::Full { headers, .. } = &mut self {
            headers.push((name, value.into()));
        }
        self
    }
}
