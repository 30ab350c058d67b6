//! Processes an API request: faults, key, parameters, idempotency, endpoint, response.

use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};

use crate::engine::consequences::AFTER;
use crate::engine::time;
use crate::events::context::Context;
use crate::resources::expand;
use crate::resources::routes::{self, Route};
use crate::server::auth::{self, Power};
use crate::server::host::Server;
use crate::server::oauth;
use crate::state::all::State;
use crate::state::traffic;
use crate::words::errors::ApiError;
use crate::words::faults::{self, Effect};
use crate::words::form::Node;
use crate::words::http::{self, Answer, Incomer};
use crate::words::idempotency::{self, Use};
use crate::words::ids::new_id;
use crate::words::options::API_VERSION;
use crate::words::params::Params;
use crate::words::request_log::Logged;
use crate::words::versions;

/// Answers a request to the API, or to OAuth's two API-like endpoints.
pub(crate) async fn answer(server: &Arc<Server>, request: &Incomer) -> Answer {
    let id = new_id("req");
    let tree = tree(request);
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
    for name in ["stripe-account", "stripe-context"] {
        if let Some(account) = request.header(name) {
            answer = answer.with(name, account);
        }
    }
    let limited = |answer: &Answer| matches!(answer, Answer::Full { status: 429, .. });
    if let Some(Effect::Status { status: 429, code, .. }) = &effect
        && code.as_deref() != Some("lock_timeout")
        && limited(&answer)
    {
        answer = answer.with(LIMITED, "global-rate");
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

/// The parameters: a JSON body in `/v2`, otherwise those of form and query.
fn tree(request: &Incomer) -> Node {
    if is_v2(request) && request.method == Method::POST {
        return Node::of_json(&body(request));
    }
    Node::parse(&[request.query.as_bytes(), form(request)])
}

/// The JSON body.
fn body(request: &Incomer) -> Value {
    serde_json::from_slice(&request.body).unwrap_or_else(|_| json!({}))
}

/// Whether it is a request to the newer API, whose bodies are JSON.
fn is_v2(request: &Incomer) -> bool {
    request.path.starts_with("/v2/")
}

/// The current account, if named by `Stripe-Context` or the older `Stripe-Account`
/// (<https://docs.stripe.com/context>).
fn scope(request: &Incomer) -> Option<&str> {
    request.header("stripe-context").or(request.header("stripe-account"))
}

/// An error in the format of the API that was called.
fn body_of(request: &Incomer, error: &ApiError) -> Value {
    if is_v2(request) { error.body_v2() } else { error.body() }
}

/// The body, if it is a form.
fn form(request: &Incomer) -> &[u8] {
    if is_json(request) { &[] } else { &request.body }
}

fn is_json(request: &Incomer) -> bool {
    request.header("content-type").is_some_and(|kind| kind.starts_with("application/json"))
}

/// Logs the request and takes the fault that applies to it.
fn begin(server: &Server, request: &Incomer, id: &str, tree: &Node) -> (Option<Effect>, u64) {
    let mut state = server.state();
    let (key, sent) = auth::sent_key(request);
    let header = scope(request);
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

/// Records in the log how the request ended.
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

/// The message of `lock_timeout`.
const BUSY: &str = "This object cannot be accessed right now because another API request or Stripe process is currently accessing it. If you \
    see this error intermittently, retry the request. If you see this error frequently and are making multiple concurrent requests to a \
    single object, make your requests serially or at a lower rate.";

fn injected(effect: &Effect) -> Option<ApiError> {
    let (status, code, message) = match effect {
        Effect::Status { status, code, message, .. } => (*status, code.clone(), message.clone()),
        Effect::StatusAfter { status, .. } => (*status, None, None),
        _ => return None,
    };
    let (kind, default_code, default_message) = match status {
        429 => ("invalid_request_error", Some("rate_limit"), "Request rate limit exceeded."),
        409 => ("invalid_request_error", Some("lock_timeout"), BUSY),
        400..=499 => ("invalid_request_error", None, "The request was refused by an injected fault."),
        _ => ("api_error", None, "An unknown error occurred."),
    };
    let default_message = if code.as_deref() == Some("lock_timeout") { BUSY } else { default_message };
    let error = ApiError::new(status, kind, message.unwrap_or_else(|| default_message.to_owned()));
    Some(match code.as_deref().or(default_code) {
        Some(code) => error.code(code),
        None => error,
    })
}

/// OAuth's endpoints have no idempotency, and errors in their own format.
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

/// A request to `/v1`. Returns the response and whether it was replayed.
async fn call(server: &Arc<Server>, request: &Incomer, id: &str, tree: &Node, effect: Option<&Effect>) -> (Answer, bool) {
    let prepared = prepare(server, request, tree);
    let prepared = match prepared {
        Ok(prepared) => prepared,
        Err(error) if error.status == 401 => return (Answer::json(error.status, &body_of(request, &error)), false),
        Err(error) => return (first(request, id, Answer::json(error.status, &body_of(request, &error))), false),
    };
    let call = traffic::Call {
        account: &prepared.owner,
        endpoint: &format!("{} {}", request.method, prepared.route.pattern),
        changes: (prepared.route.pattern == "/v1/payment_intents/*" && request.method == Method::POST).then(|| prepared.args[0].as_str()),
    };
    let entered = {
        let mut state = server.state();
        let (limits, now) = (state.settings.limits.clone(), state.now());
        state.traffic.enter(&limits, now, &call)
    };
    if let Err(reason) = entered {
        let answer = Answer::json(429, &logged(request, &too_many(), id)).with(LIMITED, reason);
        return (first(request, id, answer), false);
    }
    let answer = perform(server, request, id, tree, effect, &prepared).await;
    server.state().traffic.leave(&call);
    answer
}

/// The header that names the exceeded limit (<https://docs.stripe.com/rate-limits>).
const LIMITED: &str = "stripe-rate-limited-reason";

fn too_many() -> ApiError {
    ApiError::new(429, "invalid_request_error", "Request rate limit exceeded.").code("rate_limit")
}

/// Performs a request that exceeds no limit.
async fn perform(
    server: &Arc<Server>,
    request: &Incomer,
    id: &str,
    tree: &Node,
    effect: Option<&Effect>,
    prepared: &Prepared,
) -> (Answer, bool) {
    let used = idempotent_use(request, id, tree, &prepared.account);
    if let Some(used) = &used {
        let mut state = server.state();
        let now = state.now();
        state.version += 1;
        match state.keys.begin(used, now) {
            Err(error) => return (Answer::json(error.status, &body_of(request, &error)), false),
            Ok(Some(replay)) => {
                let mut answer = Answer::text(replay.status, "application/json", replay.body)
                    .with("idempotent-replayed", "true")
                    .with("original-request", replay.request);
                if replay.status < 500 {
                    answer = answer.with("stripe-should-retry", "false");
                }
                return (answer, true);
            }
            Ok(None) => {}
        }
    }
    // While the key is in use, so that using it again in the meantime is a conflict.
    delay(effect).await;
    let Executed { status, body, settled } = execute(server, request, id, prepared, effect);
    let text = serde_json::to_string_pretty(&body).unwrap_or_default();
    if let Some(used) = &used {
        let mut state = server.state();
        let now = state.now();
        let replay = without_secret(body).map_or_else(|| text.clone(), |body| body.to_string());
        let stored = (settled || idempotency::is_stored(status)).then_some((status, replay.as_str()));
        state.keys.end(used, now, stored);
    }
    let mut answer = first(request, id, Answer::text(status, "application/json", text));
    if settled && request.method == Method::POST {
        answer = answer.with("stripe-should-retry", "false");
    }
    (answer, false)
}

/// A new event destination as it is replayed. A replay in `/v2` creates nothing (<https://docs.stripe.com/api/idempotent_requests>), and
/// only the creation returns the secret.
fn without_secret(mut body: Value) -> Option<Value> {
    let secret = body.pointer_mut("/webhook_endpoint/signing_secret")?;
    *secret = Value::Null;
    Some(body)
}

/// A response that is not a replay: for a POST, it says that it is the original.
fn first(request: &Incomer, id: &str, answer: Answer) -> Answer {
    if request.method == Method::POST { answer.with("original-request", id) } else { answer }
}

/// The result of a request.
struct Executed {
    status: u16,
    body: Value,
    /// Whether a replay would return the same.
    settled: bool,
}

/// A request that may be executed.
struct Prepared {
    route: &'static Route,
    args: Vec<String>,
    params: Params,
    account: String,
    owner: String,
    power: Power,
}

fn prepare(server: &Server, request: &Incomer, tree: &Node) -> Result<Prepared, ApiError> {
    let state = server.state();
    let write = request.method != Method::GET;
    let (key, _) = auth::sent_key(request);
    let header = scope(request);
    if is_v2(request) {
        check_v2(request)?;
    }
    let caller = auth::authenticate(&server.options, &state, key.as_deref(), header, write)?;
    let (route, args) = routes::find(&request.method, &request.path).ok_or_else(|| http::unrecognized(request))?;
    if caller.power == Power::Publishable && !route.browser {
        return Err(ApiError::new(
            403,
            "invalid_request_error",
            "This API call cannot be made with a publishable API key. Please use a secret API key. You can find a list \
             of your API keys at https://dashboard.stripe.com/account/apikeys.",
        )
        .code("secret_key_required"));
    }
    if is_json(request) && !request.body.is_empty() && !is_v2(request) {
        return Err(ApiError::invalid(
            "Invalid request (check that your POST content type is application/x-www-form-urlencoded). If you have any \
             questions, we can help at https://support.stripe.com/.",
        ));
    }
    if std::str::from_utf8(&request.body).is_err() {
        return Err(ApiError::invalid("Invalid request: the body is not valid UTF-8."));
    }
    versions::check(request.header("stripe-version"), &request.path, tree)?;
    let json = is_v2(request) && request.method == Method::POST;
    let params = if json { route.schema.read_json(&body(request))? } else { route.schema.read(tree)? };
    Ok(Prepared { route, args, params, account: caller.account, owner: caller.owner, power: caller.power })
}

/// Checks what every request to `/v2` needs (<https://docs.stripe.com/api-v2-overview>).
fn check_v2(request: &Incomer) -> Result<(), ApiError> {
    if request.header("stripe-version").is_none() {
        return Err(ApiError::invalid("A request to /v2 needs the Stripe-Version header."));
    }
    if request.header("stripe-account").is_some() {
        return Err(ApiError::invalid("A request to /v2 names its account by the Stripe-Context header, not by Stripe-Account."));
    }
    let object = |body: &[u8]| serde_json::from_slice::<Value>(body).is_ok_and(|body| body.is_object());
    if request.method == Method::POST && !request.body.is_empty() && !(is_json(request) && object(&request.body)) {
        return Err(ApiError::invalid("The body of a request to /v2 is an object of JSON."));
    }
    Ok(())
}

/// The request's use of an idempotency key, if any. Only POST has idempotency.
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

/// Executes the request, without interruption.
fn execute(server: &Server, request: &Incomer, id: &str, prepared: &Prepared, effect: Option<&Effect>) -> Executed {
    let disturbed = |error: ApiError| Executed { status: error.status, body: logged(request, &error, id), settled: false };
    if let Some(effect @ Effect::Status { .. }) = effect
        && let Some(error) = injected(effect)
    {
        return disturbed(error);
    }
    let mut state = server.state();
    let result = run(server, request, id, prepared, &mut state);
    drop(state);
    if let Some(error) = effect.and_then(injected) {
        return disturbed(error);
    }
    match result {
        Ok(body) => Executed { status: 200, body, settled: true },
        Err(error) => {
            // An account that is out of reach has no log.
            let body = if error.status == 403 { body_of(request, &error) } else { logged(request, &error, id) };
            Executed { status: error.status, body, settled: error.is_executed() }
        }
    }
}

/// An error with the URL of its request in the Dashboard.
fn logged(request: &Incomer, error: &ApiError, id: &str) -> Value {
    let mut body = body_of(request, error);
    if is_v2(request) {
        return body;
    }
    body["error"]["request_log_url"] = json!(format!("https://dashboard.stripe.com/acct/test/logs/{id}"));
    body
}

fn run(server: &Server, request: &Incomer, id: &str, prepared: &Prepared, state: &mut State) -> Result<Value, ApiError> {
    time::catch_up(state);
    let write = request.method != Method::GET;
    let mut ctx = Context {
        state,
        account: prepared.account.clone(),
        request_id: write.then(|| id.to_owned()),
        idempotency_key: request.header("idempotency-key").map(str::to_owned),
        origin: request.origin(server.address),
        browser: prepared.power == Power::Publishable,
        client_id: server.options.client_id.clone(),
        shown_key: auth::masked(&auth::sent_key(request).0.unwrap_or_default()),
        after: &AFTER,
    };
    let args: Vec<&str> = prepared.args.iter().map(String::as_str).collect();
    let mut body = (prepared.route.handler)(&mut ctx, &args, &prepared.params)?;
    expand::apply(&ctx, &mut body, &prepared.params.texts("expand"))?;
    Ok(body)
}
