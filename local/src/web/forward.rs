//! Forwards the paths under a prefix to another server, without the prefix, and the rendered pages to the API, as the deployed site's
//! CloudFront does.

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
struct Target {
    prefix: &'static str,
    origin: String,
    client: Client<HttpConnector, Body>,
}

fn target(prefix: &'static str, origin: &str) -> Arc<Target> {
    Arc::new(Target { prefix, origin: origin.trim_end_matches('/').to_owned(), client: net::client() })
}

/// The routes under `prefix`, forwarded to the server at `origin`.
pub(super) fn routes(prefix: &'static str, origin: &str) -> Router {
    let router = Router::new().route(prefix, any(pass_on)).route(&format!("{prefix}/{{*path}}"), any(pass_on));
    router.with_state(target(prefix, origin))
}

/// The pages that the API at `origin` renders, forwarded under its `/pages`, without anything that says who asks.
pub(super) fn rendered(origin: &str) -> Router {
    let router = Router::new()
        .route("/courses/{slug}", get(render))
        .route("/sellers/{handle}", get(render))
        .route("/sitemap.xml", get(render))
        .route("/robots.txt", get(render));
    router.with_state(target("", origin))
}

async fn pass_on(State(target): State<Arc<Target>>, request: Request) -> Response {
    let path = without_prefix(request.uri(), target.prefix).to_owned();
    forward(&target, &path, request).await
}

async fn render(State(target): State<Arc<Target>>, mut request: Request) -> Response {
    let path = format!("/pages{}", request.uri().path_and_query().map_or("/", PathAndQuery::as_str));
    request.headers_mut().clear();
    forward(&target, &path, request).await
}

/// Forwards a request. Redirects and cookies are returned unchanged.
async fn forward(target: &Target, path: &str, mut request: Request) -> Response {
    let Ok(uri) = format!("{}{path}", target.origin).parse::<Uri>() else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let host = uri.authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    *request.uri_mut() = uri;
    forget_hop(request.headers_mut());
    if let Some(host) = host {
        request.headers_mut().insert(header::HOST, host);
    }
    match target.client.request(request).await {
        Ok(response) => {
            let mut response = response.map(Body::new);
            forget_hop(response.headers_mut());
            response
        }
        Err(_) => unreachable_server(&target.origin),
    }
}

fn without_prefix<'a>(uri: &'a Uri, prefix: &str) -> &'a str {
    let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    match path.strip_prefix(prefix) {
        Some(rest) if rest.starts_with('/') => rest,
        _ => "/",
    }
}

fn forget_hop(headers: &mut HeaderMap) {
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

fn unreachable_server(origin: &str) -> Response {
    let problem = json!({
        "type": "about:blank",
        "title": "Bad Gateway",
        "status": 502,
        "detail": format!("The server at {origin} does not answer."),
        "code": "api_unreachable",
        "request_id": ""
    });
    let kind = [(header::CONTENT_TYPE, "application/problem+json")];
    (StatusCode::BAD_GATEWAY, kind, problem.to_string()).into_response()
}
