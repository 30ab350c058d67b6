//! The functions of `make dev`: which exist, and when they are ready.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use axum::body::Body;
use http_body_util::BodyExt;
use hyper::{Method, Request, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::processes;
use crate::gateway::{self, Gateway, Routes};
use crate::net;
use crate::settings::Settings;

/// How long a built function may take to start and answer.
const START: Duration = Duration::from_secs(60);

/// How long a request may take: as long as API Gateway waits, and longer than the timeouts of the API's functions in template.yaml.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How many requests one function serves concurrently.
const CONCURRENCY: usize = 8;

/// Serves the functions built next to this program, using the routes in Cargo.toml.
pub(super) async fn serve(settings: &Settings) -> Result<Gateway, String> {
    let manifest = settings.root().join("Cargo.toml");
    let text = std::fs::read_to_string(&manifest).map_err(|error| format!("{} cannot be read: {error}", manifest.display()))?;
    let environment = settings.functions();
    let origins = environment.get("ALLOWED_ORIGINS").map(String::as_str).unwrap_or_default();
    let options = gateway::Options {
        port: settings.ports().api,
        routes: Routes::from_manifest(&text)?,
        functions: programs(settings)?,
        origins: origins.split(',').map(|origin| origin.trim().to_owned()).filter(|origin| !origin.is_empty()).collect(),
        environment,
        concurrency: CONCURRENCY,
        timeout: TIMEOUT,
    };
    gateway::start(options).await.map_err(|error| format!("the API cannot be served: {error}"))
}

/// Builds the functions, and other programs of the workspace beside them. They are selected by name from all default members, so that
/// their dependencies are those of every other build on this machine.
pub(super) async fn build(settings: &Settings, beside: &[&str]) -> Result<(), String> {
    let mut command = processes::cargo(settings);
    command.arg("build");
    for name in names(settings)?.iter().map(String::as_str).chain(beside.iter().copied()) {
        command.args(["--bin", name]);
    }
    processes::run("cargo build", &mut command).await
}

/// The functions' names and programs. `cargo build` puts them next to this program, which `cargo run` started.
fn programs(settings: &Settings) -> Result<BTreeMap<String, PathBuf>, String> {
    let this = std::env::current_exe().map_err(|error| format!("this program cannot be found: {error}"))?;
    Ok(names(settings)?.into_iter().map(|name| (name.clone(), this.with_file_name(name))).collect())
}

/// Overrides of `functions.env`, in the format that cargo-lambda reads from its own environment.
///
/// `--env-var` and `--env-file` do not work: at each start of a function, cargo-lambda rereads its settings
/// without the command line's and lets them override the command line. Values from `CARGO_LAMBDA_WATCH`
/// survive that, and its `env_var` takes precedence over the `env_file` in Cargo.toml.
pub(super) fn environment(overrides: &BTreeMap<String, String>) -> String {
    let variables: Vec<String> = overrides.iter().map(|(name, value)| Value::from(format!("{name}={value}")).to_string()).collect();
    format!("{{env_var=[{}]}}", variables.join(","))
}

/// Waits until every function has answered a request, so that the user's first requests are not slow.
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

/// Invokes a function until it answers, whatever the answer.
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
    // The gateway may need a moment before it answers.
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

/// The functions' names: one per folder in `functions/`.
fn names(settings: &Settings) -> Result<Vec<String>, String> {
    let folder = settings.root().join("functions");
    let entries = std::fs::read_dir(&folder).map_err(|error| format!("{} cannot be read: {error}", folder.display()))?;
    let names = entries.filter_map(|entry| {
        let entry = entry.ok()?;
        entry.path().join("Cargo.toml").is_file().then(|| entry.file_name().to_string_lossy().into_owned())
    });
    Ok(names.collect())
}
