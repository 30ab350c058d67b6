//! Connections, and the part of the server that handles a request.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use crate::server::admin::steer;
use crate::server::api;
use crate::server::deliveries;
use crate::server::embedded;
use crate::server::host::Server;
use crate::server::jobs;
use crate::server::oauth;
use crate::server::pages;
use crate::server::persistence;
use crate::words::errors::ApiError;
use crate::words::http::{Answer, Incomer};

/// Starts accepting connections, and starts the background work.
pub(crate) fn spawn(server: &Arc<Server>, listener: TcpListener) -> Vec<JoinHandle<()>> {
    let mut tasks = vec![
        tokio::spawn(deliveries::run(Arc::clone(server))),
        tokio::spawn(jobs::run(Arc::clone(server))),
        tokio::spawn(accept(Arc::clone(server), listener)),
    ];
    if let Some(path) = server.options.state_file.clone() {
        tasks.push(tokio::spawn(persistence::run(Arc::clone(server), path)));
    }
    tasks
}

async fn accept(server: Arc<Server>, listener: TcpListener) {
    // Connections end with the server, because the set is dropped with this task.
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
            // An error here is a client that disconnected, or a connection that was meant to be closed.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// Why a connection is closed without a response.
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
    // In a separate task, because the work continues if the client disconnects, as at Stripe.
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

/// The response to a bug in the stand-in. It says so, to be distinguishable from an injected fault.
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

/// A body that announces its full length but ends halfway.
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
                // The first half must reach the wire before the connection breaks.
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
        return steer::answer(server, request).await;
    }
    if request.method == Method::OPTIONS {
        return preflight();
    }
    if path.starts_with("/v1/") || path.starts_with("/v2/") || path == "/oauth/token" || path == "/oauth/deauthorize" {
        return api::answer(server, request).await;
    }
    if path == "/oauth/authorize" || path == "/express/oauth/authorize" {
        return oauth::authorize(server, request);
    }
    if path == "/v1.0/connect.js" || path.starts_with("/embedded/") {
        return embedded::answer(server, request);
    }
    pages::answer(server, request)
}

/// Browsers may call the API, as at Stripe.
fn preflight() -> Answer {
    Answer::text(204, "text/plain", String::new())
        .with("access-control-allow-origin", "*")
        .with("access-control-allow-methods", "GET, POST, DELETE")
        .with(
            "access-control-allow-headers",
            "authorization, content-type, idempotency-key, stripe-account, stripe-context, stripe-version",
        )
        .with("access-control-max-age", "300")
}
