//! The functions under `cargo lambda watch`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use axum::body::Body;
use http_body_util::BodyExt;
use hyper::{Method, Request, StatusCode};
use serde_json::{Value, json};
use tokio::process::Child;
use tokio::task::JoinSet;

use super::processes::command;
use crate::net;
use crate::settings::Settings;

/// How long a built function may take to start and answer.
const START: Duration = Duration::from_secs(60);

/// How long a request may take, in seconds. cargo-lambda ends a function's wait for its next request with it too, and
/// the function dies of that and is not started again: a day, so that nothing that idles on a laptop ends.
const TIMEOUT: &str = "86400";

/// Starts `cargo lambda watch`, with the router from Cargo.toml.
pub(super) fn watch(settings: &Settings, cargo_lambda: &Path) -> Result<Child, String> {
    let mut watch = command(settings, cargo_lambda);
    watch
        .args(["lambda", "watch", "--invoke-address", "127.0.0.1", "--timeout", TIMEOUT])
        .args(["--invoke-port", &settings.ports().api.to_string()])
        .env("CARGO_LAMBDA_WATCH", environment(&settings.overrides()));
    watch.spawn().map_err(|error| format!("`cargo lambda watch` could not be run: {error}"))
}

/// Overrides of `functions.env`, in the form that cargo-lambda takes from its own environment.
///
/// `--env-var` and `--env-file` do not do: for each start of a function, cargo-lambda reads its settings again without
/// the command line's, and puts them over those from the command line. What it reads from `CARGO_LAMBDA_WATCH` survives that,
/// and its `env_var` stands above the `env_file` of Cargo.toml.
pub(super) fn environment(overrides: &BTreeMap<String, String>) -> String {
    let variables: Vec<String> = overrides.iter().map(|(name, value)| Value::from(format!("{name}={value}")).to_string()).collect();
    format!("{{env_var=[{}]}}", variables.join(","))
}

/// Waits until every function has answered a request; the first ones after that are as quick as any.
pub(super) async fn ready(settings: &Settings) -> Result<(), String> {
    let origin = format!("http://127.0.0.1:{}", settings.ports().api);
    let mut answers = JoinSet::new();
    for name in names(settings)? {
        let address = format!("{origin}/2015-03-31/functions/{name}/invocations");
        answers.spawn(async move {
            let answered = tokio::time::timeout(START, invoke(&address)).await;
            answered.map_err(|_| format!("The function {name} has not answered within {} seconds.", START.as_secs()))
        });
    }
    while let Some(answer) = answers.join_next().await {
        answer.map_err(|error| error.to_string())??;
    }
    let courses = tokio::time::timeout(START, status(Method::GET, &format!("{origin}/courses"), Body::empty())).await;
    match courses {
        Ok(Some(StatusCode::OK)) => Ok(()),
        Ok(Some(other)) => Err(format!("GET /courses answers {other}: see the log above.")),
        _ => Err("GET /courses does not answer: see the log above.".to_owned()),
    }
}

/// Invokes a function until it answers, whatever it says.
async fn invoke(address: &str) {
    let event = json!({
        "version": "2.0", "routeKey": "$default", "rawPath": "/", "rawQueryString": "", "headers": {}, "isBase64Encoded": false,
        "requestContext": {
            "accountId": "000000000000", "apiId": "local", "domainName": "localhost", "domainPrefix": "localhost",
            "http": {"method": "GET", "path": "/", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "local"},
            "requestId": "start", "routeKey": "$default", "stage": "$default",
            "time": "01/Jan/2026:00:00:00 +0000", "timeEpoch": 1_767_225_600_000_i64
        }
    });
    // It takes a moment until cargo-lambda listens.
    while status(Method::POST, address, Body::from(event.to_string())).await.is_none() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn status(method: Method, address: &str, body: Body) -> Option<StatusCode> {
    let request = Request::builder().method(method).uri(address).body(body).ok()?;
    let answer = net::client().request(request).await.ok()?;
    let status = answer.status();
    answer.into_body().collect().await.ok()?;
    Some(status)
}

/// One folder in `functions/`, one function of that name.
fn names(settings: &Settings) -> Result<Vec<String>, String> {
    let folder = settings.root().join("functions");
    let entries = std::fs::read_dir(&folder).map_err(|error| format!("{} cannot be read: {error}", folder.display()))?;
    let names = entries.filter_map(|entry| {
        let entry = entry.ok()?;
        entry.path().join("Cargo.toml").is_file().then(|| entry.file_name().to_string_lossy().into_owned())
    });
    Ok(names.collect())
}
