//! CORS as API Gateway does it with the settings in template.yaml.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html>

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// The answer to a preflight from an allowed origin.
const PREFLIGHT: [(HeaderName, &str); 3] = [
    (header::ACCESS_CONTROL_ALLOW_METHODS, "DELETE,GET,PATCH,POST,PUT"),
    (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization,content-type,if-none-match"),
    (header::ACCESS_CONTROL_MAX_AGE, "600"),
];

const EXPOSED: &str = "etag,location,retry-after";

/// The allowed origins.
#[derive(Debug)]
pub(super) struct Cors {
    origins: Vec<String>,
}

impl Cors {
    pub(super) fn new(origins: &[String]) -> Cors {
        Cors { origins: origins.to_vec() }
    }

    /// The answer to a preflight; `None` if the request is not a preflight.
    pub(super) fn preflight(&self, request: &Request) -> Option<Response> {
        let origin = request.headers().get(header::ORIGIN)?;
        if request.method() != Method::OPTIONS || !request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) {
            return None;
        }
        let mut answer = StatusCode::NO_CONTENT.into_response();
        if self.allow(Some(origin), answer.headers_mut()) {
            for (name, value) in PREFLIGHT {
                answer.headers_mut().insert(name, HeaderValue::from_static(value));
            }
        }
        Some(answer)
    }

    /// Lets a page of the origin read the answer if the origin is allowed. Returns whether it is.
    pub(super) fn allow(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) -> bool {
        let Some(origin) = origin.filter(|origin| self.origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes())) else {
            return false;
        };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
        headers.append(header::VARY, HeaderValue::from_static("origin"));
        true
    }
}
