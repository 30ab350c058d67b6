//! The storefront as it is deployed: a static site, and `/api/*` passed on to the API with the prefix taken off.

mod api;

use std::io;
use std::path::Path;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use tower_http::services::{ServeDir, ServeFile};

use crate::net::{self, Server};

/// What every page is sent with. Nothing inline, nothing from elsewhere.
const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "strict-origin-when-cross-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=(), payment=()"),
    // An edit shows at the next load.
    (header::CACHE_CONTROL, "no-store"),
];

/// What lies in the folder and is not part of the site.
const NOT_SERVED: [&str; 4] = ["tests", "node_modules", "package.json", "package-lock.json"];

/// The running storefront.
#[derive(Debug)]
pub struct Web {
    server: Server,
}

/// Serves `folder` on `port` (0 takes any free one), and `/api/*` from the API's origin `api`.
///
/// # Errors
/// Where the port is taken.
pub async fn start(port: u16, folder: &Path, api: &str) -> io::Result<Web> {
    let pages = ServeDir::new(folder).not_found_service(ServeFile::new(folder.join("404.html")));
    let site = Router::new().fallback_service(pages).layer(from_fn(site));
    let app = api::routes(api).fallback_service(site);
    let server = Server::axum(net::listen(port)?, app)?;
    Ok(Web { server })
}

impl Web {
    /// The origin.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Stops serving.
    pub async fn shutdown(self) {
        self.server.shutdown().await;
    }
}

/// Hides what is not part of the site, and adds the headers.
async fn site(request: Request, next: Next) -> Response {
    let first = request.uri().path().trim_start_matches('/').split('/').next().unwrap_or_default();
    let mut response = match first.starts_with('.') || NOT_SERVED.contains(&first) {
        true => StatusCode::NOT_FOUND.into_response(),
        false => next.run(request).await,
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
