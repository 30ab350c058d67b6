//! Lambda's side of the Runtime API. One server serves all processes, each under its own path.
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::sync::mpsc;

use crate::net::{self, Server};

/// An event on its way to a process.
#[derive(Debug)]
pub(super) struct Event {
    /// The id of the request.
    pub(super) id: String,
    /// The deadline, in milliseconds since 1970.
    pub(super) deadline: u128,
    pub(super) body: Bytes,
}

/// What a process reports about its event.
#[derive(Debug)]
pub(super) enum Said {
    /// The answer.
    Answer(Bytes),
    /// It failed, with the reason.
    Error(String),
}

/// The gateway's connection to one process.
#[derive(Debug)]
pub(super) struct Line {
    /// For `AWS_LAMBDA_RUNTIME_API`.
    pub(super) address: String,
    pub(super) events: mpsc::UnboundedSender<Event>,
    /// Each with the id of its request.
    pub(super) said: mpsc::UnboundedReceiver<(String, Said)>,
    api: Arc<Processes>,
    number: u64,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.api.lines().remove(&self.number);
    }
}

#[derive(Debug, Default)]
struct Processes {
    lines: Mutex<HashMap<u64, Arc<Process>>>,
}

impl Processes {
    fn lines(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Arc<Process>>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Process {
    name: String,
    events: tokio::sync::Mutex<mpsc::UnboundedReceiver<Event>>,
    said: mpsc::UnboundedSender<(String, Said)>,
}

/// The running server.
#[derive(Debug)]
pub(super) struct RuntimeApi {
    server: Server,
    processes: Arc<Processes>,
}

impl RuntimeApi {
    pub(super) fn start() -> io::Result<RuntimeApi> {
        let processes = Arc::new(Processes::default());
        let app = Router::new()
            .route("/{process}/2018-06-01/runtime/invocation/next", get(next))
            .route("/{process}/2018-06-01/runtime/invocation/{id}/response", post(response))
            .route("/{process}/2018-06-01/runtime/invocation/{id}/error", post(error))
            .route("/{process}/2018-06-01/runtime/init/error", post(init_error))
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(&processes));
        Ok(RuntimeApi { server: Server::axum(net::listen(0)?, app)?, processes })
    }

    /// A connection for a process that is about to start. Numbers are never reused.
    pub(super) fn line(&self, name: &str, number: u64) -> Line {
        let (events, queue) = mpsc::unbounded_channel();
        let (said, hear) = mpsc::unbounded_channel();
        let process = Process { name: name.to_owned(), events: tokio::sync::Mutex::new(queue), said };
        self.processes.lines().insert(number, Arc::new(process));
        // Include the scheme: without it the runtime does not accept an address with a path.
        let address = format!("{}/{number}", self.server.url());
        Line { address, events, said: hear, api: Arc::clone(&self.processes), number }
    }
}

fn process(processes: &Processes, number: u64) -> Option<Arc<Process>> {
    processes.lines().get(&number).cloned()
}

/// Gives the process its next event as soon as there is one.
async fn next(State(processes): State<Arc<Processes>>, Path(number): Path<u64>) -> Response {
    let Some(process) = process(&processes, number) else { return StatusCode::GONE.into_response() };
    let Some(event) = process.events.lock().await.recv().await else { return StatusCode::GONE.into_response() };
    let arn = format!("arn:aws:lambda:us-east-1:000000000000:function:{}", process.name);
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("lambda-runtime-aws-request-id", event.id),
        ("lambda-runtime-deadline-ms", event.deadline.to_string()),
        ("lambda-runtime-invoked-function-arn", arn),
        ("lambda-runtime-trace-id", "Root=1-00000000-000000000000000000000000;Sampled=0".to_owned()),
    ];
    (headers, Body::from(event.body)).into_response()
}

async fn response(State(processes): State<Arc<Processes>>, Path((number, id)): Path<(u64, String)>, answer: Bytes) -> StatusCode {
    say(&processes, number, id, Said::Answer(answer))
}

async fn error(State(processes): State<Arc<Processes>>, Path((number, id)): Path<(u64, String)>, error: Bytes) -> StatusCode {
    say(&processes, number, id, Said::Error(String::from_utf8_lossy(&error).into_owned()))
}

fn say(processes: &Processes, number: u64, id: String, said: Said) -> StatusCode {
    // The requester may have given up, and the process is being killed.
    let heard = process(processes, number).is_some_and(|process| process.said.send((id, said)).is_ok());
    if heard { StatusCode::ACCEPTED } else { StatusCode::GONE }
}

/// The process ends after this, which is detected separately.
async fn init_error(State(processes): State<Arc<Processes>>, Path(number): Path<u64>, error: String) -> StatusCode {
    if let Some(process) = process(&processes, number) {
        eprintln!("local: {} could not start: {error}", process.name);
    }
    StatusCode::ACCEPTED
}
