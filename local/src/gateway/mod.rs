//! What API Gateway and Lambda do for the functions, on this machine: routes, events, and processes that handle them.
//!
//! Requests are routed by the table in `Cargo.toml` that `cargo lambda watch` also reads. As on Lambda, a function serves
//! concurrent requests with one process each, and a dead process is replaced at the next request. If a client disconnects, its
//! request is still handled to the end.
//! <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html>

mod cors;
mod event;
mod function;
mod routes;
mod runtime_api;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};

pub use self::routes::Routes;

use self::cors::Cors;
use self::function::{Function, Outcome};
use self::runtime_api::RuntimeApi;
use crate::net::{self, Server};

/// The largest request that API Gateway accepts.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html>
const LARGEST: usize = 10 * 1024 * 1024;

/// What the gateway serves, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The port to listen on; 0 takes any free one.
    pub port: u16,
    /// The routes from requests to functions.
    pub routes: Routes,
    /// The functions' names and programs.
    pub functions: BTreeMap<String, PathBuf>,
    /// The environment variables of every function, in addition to Lambda's.
    pub environment: BTreeMap<String, String>,
    /// The origins whose pages may call the API across sites.
    pub origins: Vec<String>,
    /// How many requests one function serves concurrently. Further ones wait.
    pub concurrency: usize,
    /// How long one request may take. After that its process is killed, as on Lambda.
    pub timeout: Duration,
}

/// The running gateway.
#[derive(Debug)]
pub struct Gateway {
    server: Server,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    routes: Routes,
    cors: Cors,
    functions: HashMap<String, Arc<Function>>,
}

impl Shared {
    fn renew(&self) {
        for function in self.functions.values() {
            function.renew();
        }
    }
}

/// Starts the gateway. Functions start at their first request.
///
/// # Errors
/// If the port is taken.
pub async fn start(options: Options) -> io::Result<Gateway> {
    let runtime_api = Arc::new(RuntimeApi::start()?);
    let functions = options.functions.iter().map(|(name, program)| {
        let function = Function::new(name, program, &options, Arc::clone(&runtime_api));
        (name.clone(), Arc::new(function))
    });
    let shared = Arc::new(Shared { functions: functions.collect(), cors: Cors::new(&options.origins), routes: options.routes });
    let app = Router::new()
        .route("/2015-03-31/functions/{name}/invocations", post(invoke))
        .fallback(any(request))
        .with_state(Arc::clone(&shared))
        .into_make_service_with_connect_info::<SocketAddr>();
    let server = Server::spawn(net::listen(options.port)?, |listener, stopped| async move {
        let served = axum::serve(listener, app).with_graceful_shutdown(async {
            let _ = stopped.await;
        });
        if let Err(error) = served.await {
            eprintln!("local: the gateway ended: {error}");
        }
    })?;
    Ok(Gateway { server, shared })
}

impl Gateway {
    /// The origin.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Makes every function use a new process for its next request. Requests in progress finish in the old ones.
    pub fn renew(&self) {
        self.shared.renew();
    }

    /// Invokes a function with an event.
    ///
    /// # Errors
    /// If the function does not exist or does not answer: a sentence with the reason.
    pub async fn invoke(&self, name: &str, event: Bytes) -> Result<Bytes, String> {
        let function = self.shared.functions.get(name).ok_or_else(|| format!("there is no function {name}"))?;
        match function::invoke(function, event).await {
            Outcome::Answered(answer) => Ok(answer),
            Outcome::Failed(reason) => Err(reason),
        }
    }

    /// Stops accepting requests and ends every function.
    pub async fn shutdown(self) {
        let Gateway { server, shared } = self;
        server.shutdown().await;
        shared.renew();
    }
}

/// A client's request, as API Gateway handles it.
async fn request(State(shared): State<Arc<Shared>>, ConnectInfo(client): ConnectInfo<SocketAddr>, request: Request) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    if let Some(answer) = shared.cors.preflight(&request) {
        return answer;
    }
    let mut answer = answer(&shared, client, request).await;
    shared.cors.allow(origin.as_ref(), answer.headers_mut());
    answer
}

async fn answer(shared: &Shared, client: SocketAddr, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Some(route) = shared.routes.find(head.method.as_str(), head.uri.path()) else {
        return gateway_s_own(StatusCode::NOT_FOUND, "Not Found");
    };
    let Ok(body) = axum::body::to_bytes(body, LARGEST).await else {
        return gateway_s_own(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
    };
    let Some(function) = shared.functions.get(&route.function) else {
        return gateway_s_own(StatusCode::NOT_FOUND, "Not Found");
    };
    let event = event::of_request(&head, &body, &route, client);
    match function::invoke(function, event).await {
        Outcome::Answered(answer) => event::to_response(&answer).unwrap_or_else(|| {
            eprintln!("local: {} returned an invalid HTTP API response", function.name());
            gateway_s_own(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
        }),
        Outcome::Failed(_) => gateway_s_own(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
    }
}

/// Lambda's own API: takes an event and returns the function's answer.
/// <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>
async fn invoke(State(shared): State<Arc<Shared>>, Path(name): Path<String>, event: Bytes) -> Response {
    let Some(function) = shared.functions.get(&name) else {
        return (StatusCode::NOT_FOUND, format!("Function not found: {name}")).into_response();
    };
    match function::invoke(function, event).await {
        Outcome::Answered(answer) => Response::new(Body::from(answer)),
        Outcome::Failed(reason) => {
            let error = serde_json::json!({"errorType": "Runtime.ExitError", "errorMessage": reason});
            ([("x-amz-function-error", "Unhandled")], axum::Json(error)).into_response()
        }
    }
}

/// An error from the gateway itself, in the format of an HTTP API.
fn gateway_s_own(status: StatusCode, message: &str) -> Response {
    (status, axum::Json(serde_json::json!({"message": message}))).into_response()
}
