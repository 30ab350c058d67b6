//! The storefront as it is deployed: a static site, with `/api/*` forwarded to the API without the prefix, and the pages that the API renders.
//! Only here, `/stripe-stand-in/*` is forwarded to the Stripe stand-in, so that a page can load its Connect.js without naming another site.

mod forward;

use std::io;
use std::path::Path;

use axum::extract::{Request, State};
use axum::http::header::InvalidHeaderValue;
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tower_http::services::{ServeDir, ServeFile};

use crate::net::{self, Server};

/// The headers of every response. The deployed site's CloudFront sends the same, except for the last.
const HEADERS: [(HeaderName, &str); 3] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "strict-origin-when-cross-origin"),
    // Changes show up at the next load.
    (header::CACHE_CONTROL, "no-store"),
];

const PERMISSIONS: HeaderName = HeaderName::from_static("permissions-policy");

/// Additional headers of pages: nothing inline, nothing from other sites.
const STRICT: [(HeaderName, &str); 3] = [
    (header::CONTENT_SECURITY_POLICY, "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'"),
    (PERMISSIONS, "camera=(), geolocation=(), microphone=(), payment=()"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// The policy of a course's page, whose lessons embed videos of these hosts, separated by commas.
fn with_embeds(hosts: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    let sources: String = hosts.split(',').filter(|host| !host.is_empty()).map(|host| format!(" https://{host}")).collect();
    let sources = if sources.is_empty() { " 'none'" } else { &sources };
    HeaderValue::from_str(&STRICT[0].1.replacen(';', &format!("; frame-src{sources};"), 1))
}

/// The headers of the page that loads Stripe.js instead. Stripe.js embeds frames for Stripe's fields and a bank's page.
/// <https://docs.stripe.com/security/guide#content-security-policy>
const WITH_STRIPE_JS: [(HeaderName, &str); 2] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'self'; script-src 'self' https://js.stripe.com https://*.js.stripe.com; \
         frame-src https://js.stripe.com https://*.js.stripe.com https://hooks.stripe.com; connect-src 'self' https://api.stripe.com; \
         img-src 'self' https://*.stripe.com; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    (PERMISSIONS, "camera=(), geolocation=(), microphone=(), payment=(self \"https://js.stripe.com\")"),
];

/// The headers of the page that loads Connect.js instead. Connect.js embeds frames, adds an empty `style` element, whose hash this is,
/// and opens a window in which the seller logs in at Stripe, so there is no cross-origin-opener-policy.
/// <https://docs.stripe.com/connect/get-started-connect-embedded-components#csp-and-http-header-requirements>
const WITH_CONNECT_JS: [(HeaderName, &str); 2] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'self'; script-src 'self' https://connect-js.stripe.com https://js.stripe.com; \
         frame-src https://connect-js.stripe.com https://js.stripe.com; connect-src 'self' https://connect-js.stripe.com https://api.stripe.com; \
         img-src 'self' https://*.stripe.com; style-src 'self' 'sha256-0hAheEzaMe6uXIKV4EehS9pu1am1lj/KnnzrOYqckXk='; \
         base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    (PERMISSIONS, "camera=(), geolocation=(), microphone=(), payment=()"),
];

/// Files in the folder that are not part of the site.
const NOT_SERVED: [&str; 4] = ["tests", "node_modules", "package.json", "package-lock.json"];

/// The running storefront.
#[derive(Debug)]
pub struct Web {
    server: Server,
}

/// Serves `folder` on `port` (0 takes any free one), and forwards `/api/*` to the API's origin `api`, and what is for the Stripe stand-in
/// to its origin, if it is in use. Lessons may embed videos of the hosts `embeds`, which are separated by commas.
///
/// # Errors
/// If the port is taken, or those are no hosts.
pub async fn start(port: u16, folder: &Path, api: &str, stripe: Option<&str>, embeds: &str) -> io::Result<Web> {
    let embeds = with_embeds(embeds).map_err(io::Error::other)?;
    let pages = ServeDir::new(folder).not_found_service(ServeFile::new(folder.join("404.html")));
    let site = forward::rendered(api).fallback_service(pages).layer(from_fn_with_state(embeds, site));
    let mut app = forward::routes("/api", api);
    if let Some(stripe) = stripe {
        app = app.merge(forward::routes("/stripe-stand-in", stripe));
    }
    let app = app.fallback_service(site);
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

/// The present address of a course, of which a former one is asked for: `/course.html?slug=…`.
fn present_address(uri: &Uri) -> Option<String> {
    let query = uri.query().filter(|_| uri.path() == "/course.html")?;
    let slug = query.split('&').find_map(|pair| pair.strip_prefix("slug="))?;
    let is_slug = !slug.is_empty() && slug.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    is_slug.then(|| format!("/courses/{slug}"))
}

/// Hides what is not part of the site, and adds the headers.
async fn site(State(embeds): State<HeaderValue>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let has_lessons = path == "/course.html" || path.starts_with("/courses/");
    let of_page: &[_] = match path {
        "/pay.html" => &WITH_STRIPE_JS,
        "/seller.html" => &WITH_CONNECT_JS,
        _ => &STRICT,
    };
    let first = request.uri().path().trim_start_matches('/').split('/').next().unwrap_or_default();
    let mut response = if first.starts_with('.') || NOT_SERVED.contains(&first) {
        StatusCode::NOT_FOUND.into_response()
    } else if let Some(address) = present_address(request.uri()) {
        (StatusCode::MOVED_PERMANENTLY, [(header::LOCATION, address)]).into_response()
    } else {
        next.run(request).await
    };
    for (name, value) in HEADERS.iter().chain(of_page) {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    if has_lessons {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, embeds);
    }
    response
}
