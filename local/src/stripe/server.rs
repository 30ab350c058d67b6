//! The HTTP server: connections, the way of an API request, and what is written to disk.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};

use super::errors::ApiError;
use super::state::State;
use super::{Options, admin, api, jobs, oauth, pages, persistence, webhooks};

/// Everything that a request needs.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) options: Options,
    pub(crate) address: SocketAddr,
    state: Mutex<State>,
    /// Wakes the sender of webhooks.
    pub(crate) wake: Notify,
    pub(crate) client: reqwest::Client,
}

impl Server {
    /// A server that is bound to that address.
    ///
    /// # Errors
    /// Where no HTTP client can be made for the webhooks.
    pub(crate) fn new(options: Options, address: SocketAddr, mut state: State) -> io::Result<Self> {
        state.outbox.endpoints = options.webhooks.clone();
        // A redirect is no delivery, and nothing here is to be found through a proxy.
        // Built together with the functions, reqwest has TLS without a provider, and wants one even for plain HTTP.
        let _installed_already = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
        let client = client.build().map_err(io::Error::other)?;
        Ok(Self { options, address, state: Mutex::new(state), wake: Notify::new(), client })
    }

    /// The state, locked. Never held across an await.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request with its body read.
#[derive(Clone, Debug)]
pub(crate) struct Incomer {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    headers: hyper::HeaderMap,
    pub(crate) body: Bytes,
}

impl Incomer {
    /// A header that is readable text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The origin that the caller used, or the server's own address.
    pub(crate) fn origin(&self, server: &Server) -> String {
        self.header("host").map_or_else(|| format!("http://{}", server.address), |host| format!("http://{host}"))
    }
}

/// An answer, or none.
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
    /// The connection is closed without an answer.
    Close,
    /// The connection stays open without an answer.
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

    /// 303 to that address.
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

/// Begins to accept connections, and the background work beside it.
pub(crate) fn spawn(server: &Arc<Server>, listener: TcpListener) -> Vec<JoinHandle<()>> {
    let mut tasks = vec![
        tokio::spawn(webhooks::run(Arc::clone(server))),
        tokio::spawn(jobs::run(Arc::clone(server))),
        tokio::spawn(accept(Arc::clone(server), listener)),
    ];
    if let Some(path) = server.options.state_file.clone() {
        tasks.push(tokio::spawn(persistence::run(Arc::clone(server), path)));
    }
    tasks
}

async fn accept(server: Arc<Server>, listener: TcpListener) {
    // Connections end with the server: the set is dropped with this task.
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        while connections.try_join_next().is_some() {}
        let _ = stream.set_nodelay(true);
        let server = Arc::clone(&server);
        connections.spawn(async move {
            let service = hyper::service::service_fn(move |request| answer(Arc::clone(&server), request));
            // An error here is a client that went away, or a connection that was to be closed.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// Why a connection is closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("closed on demand")]
struct Closed;

type Body = http_body_util::combinators::BoxBody<Bytes, Closed>;

async fn answer(server: Arc<Server>, request: Request<Incoming>) -> Result<Response<Body>, Closed> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Closed)?.to_bytes();
    let incomer = Incomer {
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        method: parts.method,
        headers: parts.headers,
        body,
    };
    // In a task of its own: the work goes on when the client hangs up, as it does at Stripe.
    let work = tokio::spawn(async move {
        let answer = dispatch(&server, &incomer).await;
        server.wake.notify_one();
        answer
    });
    match work.await.unwrap_or_else(|error| broken(&error)) {
        Answer::Close => Err(Closed),
        Answer::Silence => std::future::pending().await,
        Answer::Full { status, headers, body, truncate } => {
            let mut response = Response::new(to_body(body, truncate));
            *response.status_mut() = hyper::StatusCode::from_u16(status).map_err(|_| Closed)?;
            for (name, value) in headers {
                if let Ok(value) = HeaderValue::from_str(&value) {
                    response.headers_mut().append(HeaderName::from_static(name), value);
                }
            }
            Ok(response)
        }
    }
}

/// A bug of the stand-in's own. It is said as such, and does not look like a fault that was asked for.
fn broken(error: &tokio::task::JoinError) -> Answer {
    let message = format!("The Stripe stand-in itself failed: {error}");
    Answer::json(500, &ApiError::new(500, "api_error", message).body())
}

fn to_body(body: String, truncate: bool) -> Body {
    let bytes = Bytes::from(body);
    if truncate {
        return Truncated { half: Some(bytes.slice(..bytes.len() / 2)), whole: bytes.len() as u64 }.boxed();
    }
    Full::new(bytes).map_err(|never: Infallible| match never {}).boxed()
}

/// A body that says how long it is and breaks off in the middle.
struct Truncated {
    half: Option<Bytes>,
    whole: u64,
}

impl hyper::body::Body for Truncated {
    type Data = Bytes;
    type Error = Closed;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut std::task::Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Closed>>> {
        match self.half.take() {
            Some(half) => {
                // The first half is to reach the wire before the connection breaks.
                context.waker().wake_by_ref();
                Poll::Ready(Some(Ok(Frame::data(half))))
            }
            None => Poll::Ready(Some(Err(Closed))),
        }
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        hyper::body::SizeHint::with_exact(self.whole)
    }
}

async fn dispatch(server: &Arc<Server>, request: &Incomer) -> Answer {
    let path = request.path.as_str();
    if path.starts_with("/_admin/") {
        return admin::answer(server, request).await;
    }
    if request.method == Method::OPTIONS {
        return preflight();
    }
    if path.starts_with("/v1/") || path == "/oauth/token" || path == "/oauth/deauthorize" {
        return api::answer(server, request).await;
    }
    if path == "/oauth/authorize" || path == "/express/oauth/authorize" {
        return oauth::authorize(server, request);
    }
    pages::answer(server, request)
}

/// Browsers may call the API, as they may call Stripe's.
fn preflight() -> Answer {
    Answer::text(204, "text/plain", String::new())
        .with("access-control-allow-origin", "*")
        .with("access-control-allow-methods", "GET, POST, DELETE")
        .with("access-control-allow-headers", "authorization, content-type, idempotency-key, stripe-account, stripe-version")
        .with("access-control-max-age", "300")
}
