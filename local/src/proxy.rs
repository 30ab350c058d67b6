//! An HTTP proxy that counts the calls through it and injects faults.
//!
//! Tests put it in front of DynamoDB or Secrets Manager to check the number of round trips of a request, and to show what the
//! functions do when AWS fails: before the work is done, after it, or at all.

mod answers;
mod faults;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::task::JoinSet;

pub use faults::{Fault, Gate, Kind};

use crate::net::{self, Server};

/// One request that went through the proxy.
#[derive(Clone, Debug)]
pub struct Call {
    /// The AWS operation (`PutItem`, from `X-Amz-Target`), or method and path (`GET /v1/charges`) if there is none.
    pub operation: String,
    /// The request's JSON body; `null` if it is not JSON.
    pub body: Value,
    /// When the whole request had arrived.
    pub started: Instant,
    /// When it was answered; `None` while it is in progress, or if it was never answered.
    pub finished: Option<Instant>,
}

/// A running proxy.
#[derive(Debug)]
pub struct Proxy {
    server: Server,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    upstream: String,
    client: Client<HttpConnector, Body>,
    calls: Mutex<Vec<Call>>,
    faults: Mutex<Vec<Fault>>,
}

/// Starts a proxy on a free port in front of `upstream`, an origin such as `http://127.0.0.1:8000`.
///
/// # Errors
/// If no port is available.
pub async fn start(upstream: impl Into<String>) -> io::Result<Proxy> {
    let listener = net::listen(0)?;
    let shared = Arc::new(Shared {
        upstream: upstream.into().trim_end_matches('/').to_owned(),
        client: net::client(),
        calls: Mutex::default(),
        faults: Mutex::default(),
    });
    let state = Arc::clone(&shared);
    let server = Server::spawn(listener, |listener, mut stopped| async move {
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                Some(_) = connections.join_next(), if !connections.is_empty() => continue,
                _ = &mut stopped => return,
            };
            let Ok((stream, _)) = accepted else { continue };
            let _ = stream.set_nodelay(true);
            let state = Arc::clone(&state);
            connections.spawn(async move {
                let service = service_fn(move |request| forward(Arc::clone(&state), request));
                // A fault that drops the connection ends here as an error, on purpose.
                let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    })?;
    Ok(Proxy { server, shared })
}

impl Proxy {
    /// The proxy's own origin, which the code under test uses instead of the upstream's.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Every request since the start or the last [`clear`](Proxy::clear), including failed ones.
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.shared.calls).clone()
    }

    /// The operations of these requests, in order of arrival.
    pub fn operations(&self) -> Vec<String> {
        lock(&self.shared.calls).iter().map(|call| call.operation.clone()).collect()
    }

    /// The number of sequential trips: the longest chain of calls in which each began after the previous one was answered.
    ///
    /// Parallel calls only overlap if they take some time. Inject a [`Kind::Delay`] of a few milliseconds for every operation first.
    pub fn sequential_trips(&self) -> usize {
        let mut calls: Vec<(Instant, Instant)> =
            lock(&self.shared.calls).iter().filter_map(|call| Some((call.started, call.finished?))).collect();
        calls.sort_by_key(|(_, finished)| *finished);
        let mut last = None;
        let mut trips = 0;
        for (started, finished) in calls {
            if last.is_none_or(|last| started >= last) {
                last = Some(finished);
                trips += 1;
            }
        }
        trips
    }

    /// Clears the calls and the faults.
    pub fn clear(&self) {
        lock(&self.shared.calls).clear();
        lock(&self.shared.faults).clear();
    }

    /// Adds a fault. If several match a request, the one injected first applies.
    pub fn inject(&self, fault: Fault) {
        lock(&self.shared.faults).push(fault);
    }

    /// Removes a fault that would hold a request at this gate, if no request has reached it.
    pub fn withdraw(&self, gate: &Gate) {
        lock(&self.shared.faults).retain(|fault| !fault.is_held_at(gate));
    }

    /// Stops the proxy and closes its connections. The upstream keeps running.
    pub async fn shutdown(self) {
        self.server.shutdown().await;
    }
}

/// Handles one request. An error closes the connection without an answer.
async fn forward(shared: Arc<Shared>, request: Request<Incoming>) -> io::Result<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let operation = operation(&head.headers).unwrap_or_else(|| format!("{} {}", head.method, head.uri.path()));
    let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let call = {
        let mut calls = lock(&shared.calls);
        calls.push(Call { operation: operation.clone(), body: json.clone(), started: Instant::now(), finished: None });
        calls.len() - 1
    };
    let fault = faults::strike(&mut lock(&shared.faults), &operation);
    let answer = match fault {
        None => send(&shared, head, body).await,
        Some(Kind::Delay(time)) => {
            tokio::time::sleep(time).await;
            send(&shared, head, body).await
        }
        Some(Kind::Hold(gate)) => {
            gate.wait().await;
            send(&shared, head, body).await
        }
        Some(Kind::LoseAnswer) => {
            send(&shared, head, body).await?;
            Err(io::Error::other("the answer is lost"))
        }
        Some(Kind::HoldAnswer(gate)) => {
            let answer = send(&shared, head, body).await;
            gate.wait().await;
            answer
        }
        Some(Kind::Answer { status, body }) => answers::plain(status, body),
        Some(Kind::Drop) => Err(io::Error::other("the connection is dropped")),
        Some(Kind::InternalServerError) => Ok(answers::internal_server_error()),
        Some(Kind::Throttle) => Ok(answers::throttled()),
        Some(Kind::TransactionConflict) => Ok(answers::transaction_conflict(&operation, &json)),
    };
    if answer.is_ok() {
        let now = Instant::now();
        // The calls may have been cleared in the meantime.
        if let Some(call) = lock(&shared.calls).get_mut(call).filter(|call| call.operation == operation) {
            call.finished = Some(now);
        }
    }
    answer
}

/// Forwards the request and reads the whole answer.
async fn send(shared: &Shared, mut head: hyper::http::request::Parts, body: Bytes) -> io::Result<Response<Full<Bytes>>> {
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    head.uri = format!("{}{path}", shared.upstream).parse().map_err(io::Error::other)?;
    let request = Request::from_parts(head, Body::from(body));
    let answer = shared.client.request(request).await.map_err(io::Error::other)?;
    let (head, body) = answer.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    Ok(Response::from_parts(head, Full::new(body)))
}

/// Extracts `PutItem` from `X-Amz-Target: DynamoDB_20120810.PutItem`.
fn operation(headers: &HeaderMap) -> Option<String> {
    let target = headers.get("x-amz-target")?.to_str().ok()?;
    Some(target.rsplit('.').next().unwrap_or(target).to_owned())
}

/// A poisoned lock only means that another test failed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
