//! Forwards `/api/*` and the rendered pages to the API, as the deployed site's CloudFront does.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;

use crate::net;

/// Headers that describe a connection rather than the message on it (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [HeaderName; 6] =
    [header::CONNECTION, header::TE, header::TRAILER, header::TRANSFER_ENCODING, header::UPGRADE, HeaderName::from_static("keep-alive")];

#[derive(Debug)]
struct Api {
    origin: String,
    client: Client<HttpConnector, Body>,
}

fn api(origin: &str) -> Arc<Api> {
    Arc::new(Api { origin: origin.trim_end_matches('/').to_owned(), client: net::client() })
}

/// The routes under `/api`, forwarded to the API at `origin`.
pub(super) fn routes(origin: &str) -> Router {
    Router::new().route("/api", any(pass_on)).route("/api/{*path}", any(pass_on)).with_state(api(origin))
}

/// The pages that the API at `origin` renders, forwarded under its `/pages`, without anything that says who asks.
pub(super) fn rendered(origin: &str) -> Router {
    let router = Router::new().route("/courses/{slug}", get(render)).route("/sitemap.xml", get(render)).route("/robots.txt", get(render));
    router.with_state(api(origin))
}

async fn pass_on(State(api): State<Arc<Api>>, request: Request) -> Response {
    let target = without_prefix(request.uri()).to_owned();
    forward(&api, &target, request).await
}

async fn render(State(api): State<Arc<Api>>, mut request: Request) -> Response {
    let target = format!("/pages{}", request.uri().path_and_query().map_or("/", PathAndQuery::as_str));
    request.headers_mut().clear();
    forward(&api, &target, request).await
}

/// Forwards a request. Redirects and cookies are returned unchanged.
async fn forward(api: &Api, target: &str, mut request: Request) -> Response {
    let target = format!("{}{target}", api.origin);
    let Ok(target) = target.parse::<Uri>() else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let host = target.authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    *request.uri_mut() = target;
    forget_hop(request.headers_mut());
    if let Some(host) = host {
        request.headers_mut().insert(header::HOST, host);
    }
    match api.client.request(request).await {
        Ok(response) => {
            let mut response = response.map(Body::new);
            forget_hop(response.headers_mut());
            response
        }
        Err(_) => unreachable_api(&api.origin),
    }
}

fn without_prefix(uri: &Uri) -> &str {
    let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    match path.strip_prefix("/api") {
        Some(rest) if rest.starts_with('/') => rest,
        _ => "/",
    }
}

fn forget_hop(headers: &mut HeaderMap) {
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

fn unreachable_api(origin: &str) -> Response {
    let problem = json!({
        "type": "about:blank",
        "title": "Bad Gateway",
        "status": 502,
        "detail": format!("The API at {origin} does not answer."),
        "code": "api_unreachable",
        "request_id": ""
    });
    let kind = [(header::CONTENT_TYPE, "application/problem+json")];
    (StatusCode::BAD_GATEWAY, kind, problem.to_string()).into_response()
}
