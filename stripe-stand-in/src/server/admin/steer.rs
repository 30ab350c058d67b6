//! The part of the admin API that concerns the whole stand-in. All requests are listed in `server/admin/mod.rs`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::engine::accounts::build::New;
use crate::engine::accounts::rows;
use crate::engine::ledger;
use crate::engine::payouts;
use crate::engine::time;
use crate::server::admin::objects;
use crate::server::admin::read::{self, Refusal};
use crate::server::deliveries;
use crate::server::host::Server;
use crate::state::all::State;
use crate::state::outbox::Mode;
use crate::state::row::{Link, Row};
use crate::state::settings::Settings;
use crate::words::faults::Fault;
use crate::words::form::Node;
use crate::words::http::{Answer, Incomer};
use crate::words::json::Fields;
use crate::words::kind::Kind;
use crate::words::options::WebhookEndpoint;

/// Answers a request under `/_admin/`.
pub(crate) async fn answer(server: &Arc<Server>, request: &Incomer) -> Answer {
    match act(server, request).await {
        Ok(body) => Answer::json(200, &body),
        Err(Refusal::Bad(message)) => Answer::json(400, &json!({ "error": { "message": message } })),
        Err(Refusal::NotFound) => Answer::json(404, &json!({ "error": { "message": "no such thing" } })),
        Err(Refusal::Api(error)) => Answer::json(error.status, &error.body()),
    }
}

async fn act(server: &Arc<Server>, request: &Incomer) -> Result<Value, Refusal> {
    let parts: Vec<&str> = request.path.trim_start_matches("/_admin/").split('/').collect();
    let query = Node::parse(&[request.query.as_bytes()]).to_value();
    match (request.method.as_str(), parts.as_slice()) {
        ("POST", ["webhooks", "deliver"]) => deliver(server, request).await,
        ("POST", ["webhooks", "flush"]) => {
            deliveries::flush(server).await;
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
            *state = rows::found(Settings::of(&server.options));
            state.version = version + 1;
            state.outbox.endpoints = server.options.webhooks.clone();
            Ok(json!({}))
        }
        (method, parts) => {
            let mut state = server.state();
            state.version += 1;
            time::catch_up(&mut state);
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
            let endpoints = read::read::<Endpoints>(request)?.endpoints;
            if !endpoints.iter().all(WebhookEndpoint::has_secret) {
                return Err(Refusal::Bad("a webhook endpoint's secret is blank".to_owned()));
            }
            state.outbox.endpoints = endpoints;
            Ok(json!({ "endpoints": state.outbox.endpoints }))
        }
        ("POST", ["webhooks", "mode"]) => {
            state.outbox.set_mode(read::read::<Mode>(request)?);
            Ok(json!({ "mode": state.outbox.mode }))
        }
        ("POST", ["keys"]) => {
            let Rolled { make, expire } = read::read(request)?;
            state.rolled_keys.extend(make.map(|key| (key, true)));
            state.rolled_keys.extend(expire.map(|key| (key, false)));
            Ok(json!({}))
        }
        ("GET", ["events"]) => Ok(events(state, query.maybe("account"), query.text("since").parse().unwrap_or(0))),
        ("POST", ["clock", "hold"]) => {
            (state.held_at, state.clock_offset) = (Some(read::read::<Held>(request)?.at), 0);
            time::catch_up(state);
            Ok(json!({ "now": state.now() }))
        }
        ("POST", ["clock", "advance"]) => {
            state.clock_offset += read::read::<Advance>(request)?.seconds;
            time::catch_up(state);
            Ok(json!({ "now": state.now() }))
        }
        ("GET", ["rates"]) => Ok(json!({ "rates": state.settings.rates() })),
        ("POST", ["rates"]) => {
            for (from, others) in read::read::<Rates>(request)? {
                for (to, rate) in others {
                    state.settings.set_rate(&from, &to, rate);
                }
            }
            Ok(json!({ "rates": state.settings.rates() }))
        }
        ("POST", ["settings"]) => {
            let Changed { every_currency, capture_delay, debit_delay, borders, accounts_v1, accounts_v2 } = read::read(request)?;
            state.settings.accounts_v1 = accounts_v1.unwrap_or(state.settings.accounts_v1);
            state.settings.accounts_v2 = accounts_v2.unwrap_or(state.settings.accounts_v2);
            state.settings.borders = borders.unwrap_or(state.settings.borders);
            state.settings.every_currency = every_currency.unwrap_or(state.settings.every_currency);
            state.settings.capture_delay = capture_delay.unwrap_or(state.settings.capture_delay);
            state.settings.debit_delay = debit_delay.unwrap_or(state.settings.debit_delay);
            Ok(json!({}))
        }
        ("GET", ["limits"]) => Ok(json!(state.settings.limits)),
        ("POST", ["limits"]) => {
            state.settings.limits = read::read(request)?;
            Ok(json!(state.settings.limits))
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
            let id = make_account(state, read::read(request)?)?;
            state.account(&id).cloned().ok_or(Refusal::NotFound)
        }
        ("POST", ["accounts", id]) => {
            let mut fields: Value = read::read(request)?;
            state.account(id).ok_or(Refusal::NotFound)?;
            if let Some(currencies) = fields.as_object_mut().and_then(|fields| fields.remove("settlement_currencies")) {
                state.hide(id, Kind::Account, id, "settlement_currencies", currencies);
            }
            rows::change(&mut read::context(server, request, state, id), id, fields);
            state.account(id).cloned().ok_or(Refusal::NotFound)
        }
        ("POST", ["accounts", id, "requirements"]) => {
            state.account(id).ok_or(Refusal::NotFound)?;
            objects::judge(&mut read::context(server, request, state, id), id, read::read(request)?)?;
            state.account(id).cloned().ok_or(Refusal::NotFound)
        }
        ("POST", ["accounts", id, "payout"]) => {
            state.account(id).ok_or(Refusal::NotFound)?;
            let made = payouts::run_schedule(&mut read::context(server, request, state, id))?;
            Ok(json!({ "payouts": made }))
        }
        ("POST", ["accounts", id, "deauthorize"]) => {
            if state.link(id) == Link::None {
                return Err(Refusal::Bad(format!("{id} is not connected")));
            }
            rows::deauthorize(&mut read::context(server, request, state, id), id);
            Ok(json!({ "stripe_user_id": id }))
        }
        ("POST", [kind, rest @ ..]) => objects::act(server, request, state, kind, rest),
        _ => Err(Refusal::NotFound),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rolled {
    make: Option<String>,
    expire: Option<String>,
}

/// The value of one unit of the first currency in the second.
type Rates = BTreeMap<String, BTreeMap<String, f64>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Changed {
    every_currency: Option<bool>,
    capture_delay: Option<i64>,
    debit_delay: Option<i64>,
    borders: Option<bool>,
    accounts_v1: Option<bool>,
    accounts_v2: Option<bool>,
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
    default_currency: Option<String>,
    /// Its settlement currencies besides its default.
    settlement_currencies: Option<Vec<String>>,
    /// Whether it is linked to the platform at once; true by default.
    connected: Option<bool>,
    scope: Option<String>,
}

fn read_faults(request: &Incomer) -> Result<Vec<Fault>, Refusal> {
    let body: Value = read::read(request)?;
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
    let id = rows::add(
        state,
        &New {
            kind: new.r#type,
            email: new.email,
            country: new.country,
            name: new.name,
            capabilities: new.capabilities,
            charges_enabled: new.charges_enabled,
            metadata: None,
            default_currency: new.default_currency,
            by_platform: false,
        },
    );
    if let Some(currencies) = new.settlement_currencies {
        state.hide(&id, Kind::Account, &id, "settlement_currencies", currencies.into());
    }
    state.links.insert(id.clone(), link);
    Ok(id)
}

fn events(state: &State, account: Option<&str>, since: u64) -> Value {
    let mut all = Vec::new();
    for id in state.account_ids() {
        if account.is_some_and(|wanted| wanted != id) {
            continue;
        }
        // They are stored in order, so the new ones are last.
        let place = |row: &Row| row.hidden.get("place").and_then(Value::as_u64).unwrap_or(0);
        let of_kind = |kind: Kind| state.rows(&id, kind).iter().rev().take_while(|row| place(row) > since);
        for row in of_kind(Kind::Event).chain(of_kind(Kind::ThinEvent)) {
            let deliveries: Vec<Value> = state
                .outbox
                .of_event(row.object.text("id"))
                .iter()
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
    let wanted: Delivering = read::read(request)?;
    let attempts = deliveries::deliver(server, &wanted.event, wanted.endpoint).await.map_err(Refusal::Bad)?;
    Ok(json!({ "attempts": attempts }))
}
