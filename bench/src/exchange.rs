//! Servers that immediately answer what a stand-in answered before.
//!
//! A request is rehearsed against the stand-ins, which do the work, and then measured against their recorded answers.
//! So the measurement covers the function and not the stand-ins' database, and one purchase can be repeated a thousand times.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{CONNECTION, CONTENT_LENGTH, DATE, HOST, HeaderMap, TRANSFER_ENCODING};
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::Failure;
use crate::server::{Received, Server};

/// A server in front of a stand-in.
#[derive(Debug)]
pub(crate) struct Exchange {
    server: Server,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    upstream: String,
    client: Client<HttpConnector, Full<Bytes>>,
    tape: Mutex<Tape>,
}

/// The recording, and whether it is being played.
#[derive(Debug, Default)]
struct Tape {
    playing: bool,
    /// By operation, in order of arrival.
    recorded: HashMap<String, Vec<Recorded>>,
    /// How often each operation was played.
    played: HashMap<String, usize>,
    /// An operation that was requested but never rehearsed.
    unknown: Option<String>,
}

#[derive(Clone, Debug)]
struct Recorded {
    request: Bytes,
    response: Response<Bytes>,
}

impl Exchange {
    /// Forwards everything to `upstream` and records it, until [`play`](Self::play).
    pub(crate) async fn start(upstream: String) -> Result<Self, Failure> {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let shared = Arc::new(Shared { upstream, client, tape: Mutex::default() });
        let state = Arc::clone(&shared);
        let server = Server::start(move |request| answer(Arc::clone(&state), request)).await?;
        Ok(Self { server, shared })
    }

    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// From now on, answers from the recording. The same requests must follow, any number of times.
    pub(crate) fn play(&self) {
        self.shared.tape().playing = true;
    }

    /// An operation that was requested but never rehearsed.
    pub(crate) fn unknown(&self) -> Option<String> {
        self.shared.tape().unknown.clone()
    }
}

impl Shared {
    fn tape(&self) -> MutexGuard<'_, Tape> {
        self.tape.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The AWS operation, or method and path if there is none.
fn operation(request: &Received) -> String {
    match request.headers().get("x-amz-target").and_then(|target| target.to_str().ok()) {
        Some(target) => target.to_owned(),
        None => format!("{} {}", request.method(), request.uri().path()),
    }
}

async fn answer(shared: Arc<Shared>, request: Received) -> Result<Response<Bytes>, Failure> {
    let operation = operation(&request);
    if shared.tape().playing {
        return shared.tape().play(&operation, request.body());
    }
    let body = request.body().clone();
    let response = forward(&shared, request).await?;
    let recorded = Recorded { request: body, response: response.clone() };
    shared.tape().recorded.entry(operation).or_default().push(recorded);
    Ok(response)
}

async fn forward(shared: &Shared, request: Received) -> Result<Response<Bytes>, Failure> {
    let (mut head, body) = request.into_parts();
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    head.uri = format!("{}{target}", shared.upstream).parse()?;
    head.headers.remove(HOST);
    let response = shared.client.request(Request::from_parts(head, Full::new(body))).await?;
    let (mut head, body) = response.into_parts();
    remove_framing(&mut head.headers);
    Ok(Response::from_parts(head, body.collect().await?.to_bytes()))
}

/// These headers belong to each connection.
fn remove_framing(headers: &mut HeaderMap) {
    for name in [CONNECTION, CONTENT_LENGTH, DATE, TRANSFER_ENCODING] {
        headers.remove(name);
    }
}

impl Tape {
    fn play(&mut self, operation: &str, request: &Bytes) -> Result<Response<Bytes>, Failure> {
        let Some(recorded) = self.recorded.get(operation) else {
            self.unknown = Some(operation.to_owned());
            return Err(format!("{operation} was not rehearsed").into());
        };
        // Comparing bodies takes time, so only do it if there is a choice.
        if let [only] = recorded.as_slice() {
            return Ok(only.response.clone());
        }
        let body: Option<Value> = serde_json::from_slice(request).ok();
        let same = |recorded: &&Recorded| body.is_some() && serde_json::from_slice(&recorded.request).ok() == body;
        if let Some(same) = recorded.iter().find(same) {
            return Ok(same.response.clone());
        }
        let count = self.played.entry(operation.to_owned()).or_default();
        let response = recorded[*count % recorded.len()].response.clone();
        *count += 1;
        Ok(response)
    }
}
