//! Small AWS stand-ins on one port: Secrets Manager, and SES with its mailbox.
//!
//! AWS gives each service its own host name. Here one origin serves them all, and the request names its service:
//! with `X-Amz-Target` for AWS JSON services, with the path for REST services.

mod mailbox;
mod secrets;
mod ses;

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};

pub use ses::{Mail, Mailbox, Outage};

use crate::net::{self, Server};
use secrets::{Refusal, Secrets};

/// The running stand-ins.
#[derive(Debug)]
pub struct AwsStandIn {
    server: Server,
    mailbox: Arc<Mailbox>,
}

/// Starts the stand-ins on `port` (0 takes any free one). `secrets` are Secrets Manager's values, by name.
///
/// # Errors
/// If the port is taken.
pub async fn start(port: u16, secrets: HashMap<String, String>) -> io::Result<AwsStandIn> {
    let mailbox = Arc::new(Mailbox::default());
    let ses = Router::new().route("/v2/email/outbound-emails", post(send_email)).with_state(Arc::clone(&mailbox));
    let app = Router::new().route("/", get(front_page).post(json_service)).with_state(Arc::new(Mutex::new(Secrets::new(secrets))));
    let app = app.merge(ses).merge(mailbox::routes(Arc::clone(&mailbox)));
    let server = Server::axum(net::listen(port)?, app)?;
    Ok(AwsStandIn { server, mailbox })
}

impl AwsStandIn {
    /// The mails that SES accepted, and how to make it fail.
    pub fn mailbox(&self) -> &Mailbox {
        &self.mailbox
    }

    /// The endpoint, for `AWS_ENDPOINT_URL_SECRETS_MANAGER` and `AWS_ENDPOINT_URL_SESV2`.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Stops answering.
    pub async fn shutdown(self) {
        self.server.shutdown().await;
    }
}

type Shared = Arc<Mutex<Secrets>>;

/// AWS JSON services: one path, with the operation in a header.
async fn json_service(State(secrets): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let Ok(request) = serde_json::from_slice::<Value>(&body) else {
        return failure("SerializationException", "The body is not JSON.");
    };
    match target {
        "secretsmanager.GetSecretValue" => told(lock(&secrets).get(&request)),
        "secretsmanager.PutSecretValue" => told(lock(&secrets).put(&request)),
        "secretsmanager.UpdateSecretVersionStage" => told(lock(&secrets).label(&request)),
        _ => failure("UnknownOperationException", &format!("The local stack does not have {target:?}.")),
    }
}

fn lock(secrets: &Shared) -> MutexGuard<'_, Secrets> {
    secrets.lock().unwrap_or_else(PoisonError::into_inner)
}

fn told(done: Result<Value, Refusal>) -> Response {
    match done {
        Ok(value) => answer(StatusCode::OK, &value),
        Err(Refusal { kind, message }) => failure(kind, &message),
    }
}

async fn send_email(State(mailbox): State<Arc<Mailbox>>, headers: HeaderMap, body: Bytes) -> Response {
    mailbox.send(&headers, &body)
}

fn failure(kind: &str, message: &str) -> Response {
    answer(StatusCode::BAD_REQUEST, &json!({"__type": kind, "Message": message}))
}

fn answer(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/x-amz-json-1.1")], body.to_string()).into_response()
}

async fn front_page(State(secrets): State<Shared>) -> Html<String> {
    let names = lock(&secrets).names();
    let names: String = names.iter().map(|name| format!("<li><code>{name}</code></li>")).collect();
    Html(format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Local AWS</title>\
         <h1>Local AWS</h1><p>Stand-ins for the AWS services that the functions use, apart from DynamoDB.</p>\
         <h2>SES</h2><p>What was sent stands in the <a href=/mailbox>mailbox</a>.</p>\
         <h2>Secrets Manager</h2><p><code>GetSecretValue</code>, <code>PutSecretValue</code> and <code>UpdateSecretVersionStage</code> of:</p><ul>{names}</ul></html>"
    ))
}
