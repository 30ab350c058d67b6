//! The admin API, under `/_admin/`: what tests do to the stand-in. Bodies and answers are JSON.
//!
//! | Request | Does |
//! | --- | --- |
//! | `POST /_admin/faults` | adds a fault, or an array of them: `{"match":{"method","path","exact","account"},"times":1,"skip":0,"fault":{"kind":…}}` |
//! | `GET`, `DELETE /_admin/faults` | those that still wait; takes them away |
//! | `GET /_admin/requests?since=N` | the log of API requests after number N: `{"requests":[…],"last":N}` |
//! | `DELETE /_admin/requests` | clears the log |
//! | `GET`, `PUT /_admin/webhooks` | the endpoints: `{"endpoints":[{"url","secret","connect"}]}` |
//! | `POST /_admin/webhooks/mode` | `{"hold","duplicate","drop_next","shuffle","delay_ms","own_clock"}`; what is left out is off |
//! | `POST /_admin/webhooks/deliver` | `{"event","endpoint"}` sends one event now, to an endpoint by place or to those it belongs to |
//! | `POST /_admin/webhooks/flush` | lets held deliveries go and answers when each was tried once |
//! | `POST /_admin/keys` | `{"make":"sk_test_…","expire":"sk_test_…"}`: rolls the platform's secret key |
//! | `GET /_admin/events?account=…&since=N` | events after number N, newest first, with their deliveries: `{"events":[…],"last":N}` |
//! | `POST /_admin/clock/advance` | `{"seconds"}` |
//! | `POST /_admin/clock/hold` | `{"at"}`, in epoch seconds: from now on time passes only by `advance` |
//! | `GET /_admin/books` | every account's balance and the sum of its transactions, and whether all agree |
//! | `GET`, `POST /_admin/accounts` | all accounts; makes one: `{"type","email","country","name","capabilities","charges_enabled","connected","scope"}` |
//! | `POST /_admin/accounts/{id}` | changes fields of an account as Stripe would, with events |
//! | `POST /_admin/accounts/{id}/requirements` | `{"verdict":"complete"\|"pending"\|"failed","failure":{"requirement","code","reason"}}` gives what is missing; `{"demand":["individual.verification.document"],"seconds":86400}` asks for more by a time |
//! | `POST /_admin/accounts/{id}/payout` | pays out all that is available, as the account's schedule would |
//! | `POST /_admin/payouts/{id}/fail`, `/arrive` | the bank sends a payout back: `{"reason":"account_closed"}`; the bank has it |
//! | `POST /_admin/accounts/{id}/deauthorize` | the seller revokes the platform's access |
//! | `POST /_admin/payment_intents/{id}/authenticate` | `{"outcome":"succeed"\|"fail"}`; `setup_intents` likewise |
//! | `POST /_admin/checkout/sessions/{id}/pay` | `{"card":"pm_card_visa","email"}`; 402 where it is declined |
//! | `POST /_admin/checkout/sessions/{id}/expire` | |
//! | `POST /_admin/charges/{id}/dispute` | the cardholder disputes it: `{"reason":"fraudulent","amount"}` |
//! | `POST /_admin/disputes/{id}/close` | `{"outcome":"won"\|"lost"}` |
//! | `POST /_admin/refunds/{id}/fail` | the bank sends a refund back: `{"reason":"expired_or_canceled_card"}` |
//! | `POST /_admin/refunds/{id}/succeed` | a pending refund arrives |
//! | `POST /_admin/reset` | forgets everything but the endpoints and the key it was started with |
//!
//! The kinds of fault: `delay {ms}` and `delay_after {ms}`; `status {status,code,message,should_retry}` before the work
//! and `status_after {status,should_retry}` after it; `html_503`, `html {status}` and `raw {status,content_type,body}`;
//! `drop_before` and `drop_after` close the connection; `no_answer {work}` leaves it open; `truncate` breaks off the body.

mod objects;

use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::accounts::{self, New};
use super::context::Context;
use super::errors::ApiError;
use super::faults::Fault;
use super::form::Node;
use super::server::{Answer, Incomer, Server};
use super::state::{Fields, Kind, Link, Row, State};
use super::webhooks::{self, Mode, WebhookEndpoint};
use super::{jobs, ledger, payouts};

/// Why an admin request is refused.
enum Refusal {
    /// 400 with a sentence.
    Bad(String),
    /// 404.
    NotFound,
    /// What the API would have answered.
    Api(ApiError),
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

/// Answers a request under `/_admin/`.
pub(crate) async fn answer(server: &Arc<Server>, request: &Incomer) -> Answer {
    match act(server, request).await {
        Ok(body) => Answer::json(200, &body),
        Err(Refusal::Bad(message)) => Answer::json(400, &json!({ "error": { "message": message } })),
        Err(Refusal::NotFound) => Answer::json(404, &json!({ "error": { "message": "no such thing" } })),
        Err(Refusal::Api(error)) => Answer::json(error.status, &error.body()),
    }
}

fn read<T: DeserializeOwned>(request: &Incomer) -> Result<T, Refusal> {
    let body: &[u8] = if request.body.is_empty() { b"{}" } else { &request.body };
    serde_json::from_slice(body).map_err(|error| Refusal::Bad(error.to_string()))
}

async fn act(server: &Arc<Server>, request: &Incomer) -> Result<Value, Refusal> {
    let parts: Vec<&str> = request.path.trim_start_matches("/_admin/").split('/').collect();
    let query = Node::parse(&[request.query.as_bytes()]).to_value();
    match (request.method.as_str(), parts.as_slice()) {
        ("POST", ["webhooks", "deliver"]) => deliver(server, request).await,
        ("POST", ["webhooks", "flush"]) => {
            webhooks::flush(server).await;
            Ok(json!({}))
        }
        ("GET", ["requests"]) => {
            let state = server.state();
            let since = query.text("since").parse().unwrap_or(0);
            Ok(json!({ "requests": state.log.since(since), "last": state.log.last() }))
        }
        ("DELETE", ["requests"]) => {
            server.state().log.clear();
            Ok(json!({}))
        }
        ("POST", ["reset"]) => {
            let mut state = server.state();
            let version = state.version;
            *state = State::new();
            state.version = version + 1;
            state.outbox.endpoints = server.options.webhooks.clone();
            Ok(json!({}))
        }
        (method, parts) => {
            let mut state = server.state();
            state.version += 1;
            jobs::catch_up(&mut state);
            steer(server, request, &mut state, method, parts, &query)
        }
    }
}

fn steer(server: &Server, request: &Incomer, state: &mut State, method: &str, parts: &[&str], query: &Value) -> Result<Value, Refusal> {
    match (method, parts) {
        ("POST", ["faults"]) => {
            state.faults.extend(read_faults(request)?);
            Ok(json!({ "faults": state.faults }))
        }
        ("GET", ["faults"]) => Ok(json!({ "faults": state.faults })),
        ("DELETE", ["faults"]) => {
            state.faults.clear();
            Ok(json!({}))
        }
        ("GET", ["webhooks"]) => Ok(json!({ "endpoints": state.outbox.endpoints, "mode": state.outbox.mode })),
        ("PUT", ["webhooks"]) => {
            state.outbox.endpoints = read::<Endpoints>(request)?.endpoints;
            Ok(json!({ "endpoints": state.outbox.endpoints }))
        }
        ("POST", ["webhooks", "mode"]) => {
            state.outbox.set_mode(read::<Mode>(request)?);
            Ok(json!({ "mode": state.outbox.mode }))
        }
        ("POST", ["keys"]) => {
            let Rolled { make, expire } = read(request)?;
            state.rolled_keys.extend(make.map(|key| (key, true)));
            state.rolled_keys.extend(expire.map(|key| (key, false)));
            Ok(json!({}))
        }
        ("GET", ["events"]) => Ok(events(state, query.maybe("account"), query.text("since").parse().unwrap_or(0))),
        ("POST", ["clock", "hold"]) => {
            (state.held_at, state.clock_offset) = (Some(read::<Held>(request)?.at), 0);
            jobs::catch_up(state);
            Ok(json!({ "now": state.now() }))
        }
        ("POST", ["clock", "advance"]) => {
            state.clock_offset += read::<Advance>(request)?.seconds;
            jobs::catch_up(state);
            Ok(json!({ "now": state.now() }))
        }
        ("GET", ["books"]) => Ok(ledger::books(state)),
        ("GET", ["accounts"]) => {
            let ids = state.account_ids();
            let all: Vec<Value> = ids
                .iter()
                .filter_map(|id| {
                    let mut account = state.account(id)?.clone();
                    account["link"] = json!(state.link(id));
                    Some(account)
                })
                .collect();
            Ok(json!({ "accounts": all, "platform": state.platform }))
        }
        ("POST", ["accounts"]) => {
            let id = make_account(state, read(request)?)?;
            state.account(&id).cloned().ok_or(Refusal::NotFound)
        }
        ("POST", ["accounts", id]) => {
            let fields: Value = read(request)?;
            state.account(id).ok_or(Refusal::NotFound)?;
            accounts::change(&mut context(server, request, state, id), id, fields);
            state.account(id).cloned().ok_or(Refusal::NotFound)
        }
        ("POST", ["accounts", id, "requirements"]) => {
            state.account(id).ok_or(Refusal::NotFound)?;
            objects::judge(&mut context(server, request, state, id), id, read(request)?)?;
            state.account(id).cloned().ok_or(Refusal::NotFound)
        }
        ("POST", ["accounts", id, "payout"]) => {
            state.account(id).ok_or(Refusal::NotFound)?;
            let made = payouts::run_schedule(&mut context(server, request, state, id))?;
            Ok(json!({ "payouts": made }))
        }
        ("POST", ["accounts", id, "deauthorize"]) => {
            if state.link(id) == Link::None {
                return Err(Refusal::Bad(format!("{id} is not connected")));
            }
            accounts::deauthorize(&mut context(server, request, state, id), id);
            Ok(json!({ "stripe_user_id": id }))
        }
        ("POST", [kind, rest @ ..]) => objects::act(server, request, state, kind, rest),
        _ => Err(Refusal::NotFound),
    }
}

fn context<'a>(server: &Server, request: &Incomer, state: &'a mut State, account: &str) -> Context<'a> {
    let mut ctx = Context::internal(state, account);
    ctx.origin = request.origin(server);
    ctx.client_id = server.options.client_id.clone();
    ctx
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rolled {
    make: Option<String>,
    expire: Option<String>,
}

#[derive(Deserialize)]
struct Endpoints {
    endpoints: Vec<WebhookEndpoint>,
}

#[derive(Deserialize)]
struct Advance {
    seconds: i64,
}

#[derive(Deserialize)]
struct Held {
    at: i64,
}

#[derive(Deserialize)]
struct Delivering {
    event: String,
    endpoint: Option<usize>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct NewAccount {
    r#type: Option<String>,
    email: Option<String>,
    country: Option<String>,
    name: Option<String>,
    capabilities: Option<Map<String, Value>>,
    charges_enabled: Option<bool>,
    /// Linked to the platform at once; true unless set.
    connected: Option<bool>,
    scope: Option<String>,
}

fn read_faults(request: &Incomer) -> Result<Vec<Fault>, Refusal> {
    let body: Value = read(request)?;
    let list = if body.is_array() { body } else { json!([body]) };
    serde_json::from_value(list).map_err(|error| Refusal::Bad(error.to_string()))
}

fn make_account(state: &mut State, new: NewAccount) -> Result<String, Refusal> {
    let link = match (new.connected.unwrap_or(true), new.scope.as_deref()) {
        (false, _) => Link::None,
        (true, Some("read_only")) => Link::ReadOnly,
        (true, None | Some("read_write")) => Link::ReadWrite,
        (true, Some(other)) => return Err(Refusal::Bad(format!("no such scope: {other}"))),
    };
    let id = accounts::add(
        state,
        &New {
            kind: new.r#type,
            email: new.email,
            country: new.country,
            name: new.name,
            capabilities: new.capabilities,
            charges_enabled: new.charges_enabled,
            metadata: None,
        },
    );
    state.links.insert(id.clone(), link);
    Ok(id)
}

fn events(state: &State, account: Option<&str>, since: u64) -> Value {
    let mut all = Vec::new();
    for id in state.account_ids() {
        if account.is_some_and(|wanted| wanted != id) {
            continue;
        }
        // They are stored in their order, so that the new ones are the last.
        let place = |row: &Row| row.hidden.get("place").and_then(Value::as_u64).unwrap_or(0);
        for row in state.rows(&id, Kind::Event).iter().rev().take_while(|row| place(row) > since) {
            let deliveries: Vec<Value> = state
                .outbox
                .of_event(row.object.text("id"))
                .map(|delivery| {
                    json!({
                        "endpoint": delivery.endpoint,
                        "status": delivery.status,
                        "attempts": delivery.attempts,
                    })
                })
                .collect();
            let mut event = row.object.clone();
            event["deliveries"] = deliveries.into();
            all.push((place(row), event));
        }
    }
    all.sort_by_key(|(place, _)| std::cmp::Reverse(*place));
    let all: Vec<Value> = all.into_iter().map(|(_, event)| event).collect();
    json!({ "events": all, "last": state.event_count })
}

async fn deliver(server: &Server, request: &Incomer) -> Result<Value, Refusal> {
    let wanted: Delivering = read(request)?;
    let attempts = webhooks::deliver(server, &wanted.event, wanted.endpoint).await.map_err(Refusal::Bad)?;
    Ok(json!({ "attempts": attempts }))
}
