//! The way of an API request: faults, key, parameters, idempotency, the endpoint, the answer.

use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};

use super::auth::{self, Power};
use super::context::Context;
use super::errors::ApiError;
use super::events::API_VERSION;
use super::faults::{self, Effect};
use super::form::Node;
use super::idempotency::{self, Use};
use super::params::Params;
use super::request_log::Logged;
use super::routes::{self, Route};
use super::server::{Answer, Incomer, Server};
use super::state::{State, new_id};
use super::{expand, oauth};

/// Answers a request to the API, or to OAuth's two API-like endpoints.
pub(crate) async fn answer(server: &Arc<Server>, request: &Incomer) -> Answer {
    let id = new_id("req");
    let tree = Node::parse(&[request.query.as_bytes(), form(request)]);
    let (effect, n) = begin(server, request, &id, &tree);
    match &effect {
        Some(Effect::DropBefore) => return end(server, n, Answer::Close, false),
        Some(Effect::NoAnswer { work: false }) => return end(server, n, Answer::Silence, false),
        Some(Effect::Html503) => return end(server, n, html(503), false),
        Some(Effect::Html { status }) => return end(server, n, html(*status), false),
        Some(Effect::Raw { status, content_type, body }) => {
            let kind = content_type.as_deref().unwrap_or("text/plain");
            return end(server, n, Answer::text(*status, kind, body.clone()), false);
        }
        _ => {}
    }
    let (mut answer, replayed) = if request.path.starts_with("/oauth/") {
        delay(effect.as_ref()).await;
        (oauth_answer(server, request, &tree, effect.as_ref()), false)
    } else {
        call(server, request, &id, &tree, effect.as_ref()).await
    };
    answer = answer
        .with("request-id", id)
        .with("stripe-version", request.header("stripe-version").unwrap_or(API_VERSION))
        .with("access-control-allow-origin", "*");
    if let Some(key) = request.header("idempotency-key") {
        answer = answer.with("idempotency-key", key);
    }
    match effect {
        Some(Effect::DelayAfter { ms }) => tokio::time::sleep(Duration::from_millis(ms)).await,
        Some(Effect::DropAfter) => answer = Answer::Close,
        Some(Effect::NoAnswer { .. }) => answer = Answer::Silence,
        Some(Effect::Truncate) => {
            if let Answer::Full { truncate, .. } = &mut answer {
                *truncate = true;
            }
        }
        Some(Effect::Status { should_retry: Some(retry), .. } | Effect::StatusAfter { should_retry: Some(retry), .. }) => {
            answer = answer.with("stripe-should-retry", retry.to_string());
        }
        _ => {}
    }
    end(server, n, answer, replayed)
}

async fn delay(effect: Option<&Effect>) {
    if let Some(Effect::Delay { ms }) = effect {
        tokio::time::sleep(Duration::from_millis(*ms)).await;
    }
}

/// The body, where it is a form.
fn form(request: &Incomer) -> &[u8] {
    if is_json(request) { &[] } else { &request.body }
}

fn is_json(request: &Incomer) -> bool {
    request.header("content-type").is_some_and(|kind| kind.starts_with("application/json"))
}

/// Logs the request and takes the fault that hits it.
fn begin(server: &Server, request: &Incomer, id: &str, tree: &Node) -> (Option<Effect>, u64) {
    let mut state = server.state();
    let (key, sent) = auth::sent_key(request);
    let header = request.header("stripe-account");
    let own = key.as_deref().and_then(|key| state.grants.get(key)).map(|grant| grant.account.clone());
    let account = header.map(str::to_owned).or(own).unwrap_or_else(|| state.platform.clone());
    let effect = faults::take(&mut state.faults, request.method.as_str(), &request.path, &account);
    let mut params = tree.to_value();
    let in_form = params.get("client_secret").is_some() && request.path.starts_with("/oauth/");
    if in_form {
        params["client_secret"] = "…".into();
    }
    let at = state.now();
    let n = state.log.push(Logged {
        n: 0,
        id: id.to_owned(),
        at,
        method: request.method.to_string(),
        path: request.path.clone(),
        account: header.map(str::to_owned),
        idempotency_key: request.header("idempotency-key").map(str::to_owned),
        version: request.header("stripe-version").map(str::to_owned),
        auth: if key.is_none() && in_form { "form" } else { sent }.to_owned(),
        params,
        status: None,
        replayed: false,
        fault: effect.as_ref().map(Effect::name),
    });
    (effect, n)
}

/// Notes in the log how the request ended.
fn end(server: &Server, n: u64, answer: Answer, replayed: bool) -> Answer {
    let mut state = server.state();
    if let Some(entry) = state.log.entry(n) {
        entry.replayed = replayed;
        if let Answer::Full { status, .. } = &answer {
            entry.status = Some(*status);
        }
    }
    answer
}

fn html(status: u16) -> Answer {
    Answer::html(status, format!("<html><body><h1>{status}</h1><p>The service is unavailable.</p></body></html>"))
}

fn injected(effect: &Effect) -> Option<ApiError> {
    let (status, code, message) = match effect {
        Effect::Status { status, code, message, .. } => (*status, code.clone(), message.clone()),
        Effect::StatusAfter { status, .. } => (*status, None, None),
        _ => return None,
    };
    let (kind, default_code, default_message) = match status {
        429 => ("invalid_request_error", Some("rate_limit"), "Request rate limit exceeded."),
        409 => ("invalid_request_error", Some("lock_timeout"), "This object cannot be accessed right now."),
        400..=499 => ("invalid_request_error", None, "The request was refused on demand."),
        _ => ("api_error", None, "An unknown error occurred."),
    };
    let error = ApiError::new(status, kind, message.unwrap_or_else(|| default_message.to_owned()));
    Some(match code.as_deref().or(default_code) {
        Some(code) => error.code(code),
        None => error,
    })
}

/// OAuth's endpoints have no idempotency and errors of their own shape.
fn oauth_answer(server: &Server, request: &Incomer, tree: &Node, effect: Option<&Effect>) -> Answer {
    if let Some(error @ Effect::Status { .. }) = effect
        && let Some(error) = injected(error)
    {
        return Answer::json(error.status, &error.body());
    }
    let answer = oauth::call(server, request, tree);
    match effect.and_then(injected) {
        Some(error) => Answer::json(error.status, &error.body()),
        None => answer,
    }
}

/// A request to `/v1`: the answer, and whether it was replayed.
async fn call(server: &Arc<Server>, request: &Incomer, id: &str, tree: &Node, effect: Option<&Effect>) -> (Answer, bool) {
    let prepared = prepare(server, request, tree);
    let prepared = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return (Answer::json(error.status, &error.body()), false),
    };
    let used = idempotent_use(request, id, tree, &prepared.account);
    if let Some(used) = &used {
        let mut state = server.state();
        let now = state.now();
        state.version += 1;
        match state.keys.begin(used, now) {
            Err(error) => return (Answer::json(error.status, &error.body()), false),
            Ok(Some(replay)) => {
                let answer = Answer::text(replay.status, "application/json", replay.body)
                    .with("idempotent-replayed", "true")
                    .with("original-request", replay.request);
                return (answer, true);
            }
            Ok(None) => {}
        }
    }
    // With the key taken: a second use of it meanwhile is a conflict.
    delay(effect).await;
    let (status, body) = execute(server, request, id, &prepared, effect);
    let text = serde_json::to_string_pretty(&body).unwrap_or_default();
    if let Some(used) = &used {
        let mut state = server.state();
        let now = state.now();
        let stored = idempotency::is_stored(status).then_some((status, text.as_str()));
        state.keys.end(used, now, stored);
    }
    (Answer::text(status, "application/json", text), false)
}

/// A request that may be executed.
struct Prepared {
    route: &'static Route,
    args: Vec<String>,
    params: Params,
    account: String,
    power: Power,
}

fn prepare(server: &Server, request: &Incomer, tree: &Node) -> Result<Prepared, ApiError> {
    let state = server.state();
    let write = request.method != Method::GET;
    let (key, _) = auth::sent_key(request);
    let header = request.header("stripe-account");
    let caller = auth::authenticate(&server.options, &state, key.as_deref(), header, write)?;
    let (route, args) = routes::find(&request.method, &request.path).ok_or_else(|| unrecognized(request))?;
    if caller.power == Power::Publishable && !route.browser {
        return Err(ApiError::new(
            403,
            "invalid_request_error",
            "This API call cannot be made with a publishable API key. Please use a secret API key. You can find a list \
             of your API keys at https://dashboard.stripe.com/account/apikeys.",
        )
        .code("secret_key_required"));
    }
    if is_json(request) && !request.body.is_empty() {
        return Err(ApiError::invalid(
            "Invalid request (check that your POST content type is application/x-www-form-urlencoded). If you have any \
             questions, we can help at https://support.stripe.com/.",
        ));
    }
    if std::str::from_utf8(&request.body).is_err() {
        return Err(ApiError::invalid("Invalid request: the body is not valid UTF-8."));
    }
    let params = route.schema.read(tree)?;
    Ok(Prepared { route, args, params, account: caller.account, power: caller.power })
}

fn unrecognized(request: &Incomer) -> ApiError {
    ApiError::new(
        404,
        "invalid_request_error",
        format!(
            "Unrecognized request URL ({}: {}). Please see https://stripe.com/docs or we can help at \
             https://support.stripe.com/.",
            request.method, request.path
        ),
    )
}

/// The answer to an address that is neither of the API nor a page.
pub(crate) fn unknown_url(request: &Incomer) -> Answer {
    Answer::json(404, &unrecognized(request).body())
}

/// The use of an idempotency key that the request makes, if any. Only POST has idempotency.
fn idempotent_use(request: &Incomer, id: &str, tree: &Node, account: &str) -> Option<Use> {
    let key = request.header("idempotency-key").filter(|key| !key.is_empty())?;
    (request.method == Method::POST).then(|| Use {
        account: account.to_owned(),
        key: key.to_owned(),
        request: id.to_owned(),
        path: request.path.clone(),
        fingerprint: tree.to_value().to_string(),
    })
}

/// Does the work, in one piece.
fn execute(server: &Server, request: &Incomer, id: &str, prepared: &Prepared, effect: Option<&Effect>) -> (u16, Value) {
    if let Some(effect @ Effect::Status { .. }) = effect
        && let Some(error) = injected(effect)
    {
        return (error.status, error.body());
    }
    let mut state = server.state();
    let result = run(server, request, id, prepared, &mut state);
    drop(state);
    if let Some(error) = effect.and_then(injected) {
        return (error.status, error.body());
    }
    match result {
        Ok(body) => (200, body),
        Err(error) => {
            let mut body = error.body();
            body["error"]["request_log_url"] = json!(format!("https://dashboard.stripe.com/acct/test/logs/{id}"));
            (error.status, body)
        }
    }
}

fn run(server: &Server, request: &Incomer, id: &str, prepared: &Prepared, state: &mut State) -> Result<Value, ApiError> {
    super::jobs::catch_up(state);
    let write = request.method != Method::GET;
    let mut ctx = Context {
        state,
        account: prepared.account.clone(),
        request_id: write.then(|| id.to_owned()),
        idempotency_key: request.header("idempotency-key").map(str::to_owned),
        origin: request.origin(server),
        browser: prepared.power == Power::Publishable,
        client_id: server.options.client_id.clone(),
    };
    let args: Vec<&str> = prepared.args.iter().map(String::as_str).collect();
    let mut body = (prepared.route.handler)(&mut ctx, &args, &prepared.params)?;
    expand::apply(&ctx, &mut body, &prepared.params.texts("expand"))?;
    Ok(body)
}
