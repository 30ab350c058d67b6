//! Lambda's side of the Runtime API, where a function polls for events and sends its answers.
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hyper::{Method, Response, StatusCode};
use tokio::sync::{Mutex, mpsc};

use crate::Failure;
use crate::server::{Received, Server};

const ARN: &str = "arn:aws:lambda:us-east-1:123456789012:function:bench";

/// How long a function may work on an event: as long as `reconcile` in `template.yaml`. Those of requests do not look at it.
const DEADLINE: Duration = Duration::from_secs(600);

/// What a function did.
#[derive(Debug)]
pub(crate) enum Step {
    /// It asked for an event.
    Polled { at: Instant },
    /// It answered an event.
    Answered(Answer),
    /// It reported an error, in an event or at its start.
    Failed(String),
}

/// A function's answer as API Gateway receives it.
#[derive(Debug)]
pub(crate) struct Answer {
    /// When the event was delivered.
    pub(crate) handed: Instant,
    /// When the complete answer had arrived.
    pub(crate) at: Instant,
    /// The answer in API Gateway's JSON.
    pub(crate) body: Bytes,
}

/// The Runtime API of one process.
#[derive(Debug)]
pub(crate) struct RuntimeApi {
    server: Server,
    events: mpsc::UnboundedSender<Bytes>,
    steps: mpsc::UnboundedReceiver<Step>,
}

#[derive(Debug)]
struct Shared {
    events: Mutex<mpsc::UnboundedReceiver<Bytes>>,
    steps: mpsc::UnboundedSender<Step>,
    handed: Mutex<(u64, Instant)>,
}

impl RuntimeApi {
    pub(crate) async fn start() -> Result<Self, Failure> {
        let (events, queue) = mpsc::unbounded_channel();
        let (reported, steps) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared { events: Mutex::new(queue), steps: reported, handed: Mutex::new((0, Instant::now())) });
        let server = Server::start(move |request| serve(Arc::clone(&shared), request)).await?;
        Ok(Self { server, events, steps })
    }

    /// For `AWS_LAMBDA_RUNTIME_API`.
    pub(crate) fn address(&self) -> String {
        self.server.address()
    }

    /// Provides an event for the function's next poll.
    pub(crate) fn give(&self, event: Bytes) {
        // This only fails when the server is gone, and then no step follows either.
        let _ = self.events.send(event);
    }

    /// Waits for what the function does next.
    pub(crate) async fn step(&mut self) -> Option<Step> {
        self.steps.recv().await
    }
}

async fn serve(shared: Arc<Shared>, request: Received) -> Result<Response<Bytes>, Failure> {
    let path = request.uri().path();
    let invocation = path.strip_prefix("/2018-06-01/runtime/invocation/");
    match (request.method(), invocation.and_then(|rest| rest.rsplit('/').next())) {
        (&Method::GET, Some("next")) => next(&shared).await,
        (&Method::POST, Some("response")) => {
            let at = Instant::now();
            let (_, handed) = *shared.handed.lock().await;
            shared.steps.send(Step::Answered(Answer { handed, at, body: request.into_body() }))?;
            accepted()
        }
        _ => {
            let reason = String::from_utf8_lossy(request.body()).into_owned();
            shared.steps.send(Step::Failed(format!("{} {path}: {reason}", request.method())))?;
            accepted()
        }
    }
}

async fn next(shared: &Shared) -> Result<Response<Bytes>, Failure> {
    shared.steps.send(Step::Polled { at: Instant::now() })?;
    let event = shared.events.lock().await.recv().await.ok_or("the benchmark is over")?;
    let deadline = (SystemTime::now() + DEADLINE).duration_since(UNIX_EPOCH)?.as_millis();
    let mut handed = shared.handed.lock().await;
    let number = handed.0 + 1;
    let response = Response::builder()
        .header("content-type", "application/json")
        .header("lambda-runtime-aws-request-id", format!("8476a536-e9f4-11e8-9739-{number:012}"))
        .header("lambda-runtime-deadline-ms", deadline.to_string())
        .header("lambda-runtime-invoked-function-arn", ARN)
        .header("lambda-runtime-trace-id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0")
        .body(event)?;
    *handed = (number, Instant::now());
    Ok(response)
}

fn accepted() -> Result<Response<Bytes>, Failure> {
    Ok(Response::builder().status(StatusCode::ACCEPTED).body(Bytes::from_static(b"{\"status\":\"OK\"}"))?)
}
