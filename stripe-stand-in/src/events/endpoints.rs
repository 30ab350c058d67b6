//! The endpoints to which an event is sent.

use serde_json::Value;

use crate::state::all::State;
use crate::state::outbox::Destination;
use crate::state::row::Row;
use crate::words::json::Fields;
use crate::words::kind::Kind;
use crate::words::options::WebhookEndpoint;

/// The platform's endpoints that are subscribed to an event, by id and URL.
pub(crate) fn wanting(state: &State, connect: bool, event: &str) -> Vec<(String, String)> {
    let rows = state.rows(&state.platform, Kind::WebhookEndpoint).iter();
    let of_kind = rows.filter(|row| row.hidden["connect"] == connect && row.object.text("status") == "enabled");
    let wanting = of_kind.filter(|row| {
        let events = row.object["enabled_events"].as_array().map(Vec::as_slice).unwrap_or_default();
        events.iter().any(|wanted| wanted == "*" || wanted == event)
    });
    wanting.map(|row| (row.object.text("id").to_owned(), row.object.text("url").to_owned())).collect()
}

/// The current settings of an endpoint or event destination, and its API version; `None` if it is gone or disabled.
pub(crate) fn target(state: &State, id: &str) -> Option<(WebhookEndpoint, Option<String>)> {
    let row = state.row(&state.platform, Kind::of_id(id)?, id)?;
    let hidden = |name: &str| row.hidden.get(name).and_then(Value::as_str);
    let endpoint = WebhookEndpoint {
        url: row.object.maybe("url").or(hidden("url"))?.to_owned(),
        secret: hidden("secret")?.to_owned(),
        connect: row.hidden.get("connect").is_some_and(|connect| *connect == true),
        thin: row.object.text("event_payload") == "thin",
    };
    (row.object.text("status") == "enabled").then(|| (endpoint, row.object.maybe("api_version").map(str::to_owned)))
}

/// The endpoints that receive an event. Those that the stand-in was started with receive all.
pub(crate) fn endpoints_for(state: &State, connect: bool, event: &str) -> Vec<Destination> {
    let set = state.outbox.endpoints.iter().filter(|endpoint| !endpoint.thin && endpoint.connect == connect);
    let set = set.map(|endpoint| Destination { url: endpoint.url.clone(), made: None });
    let made = wanting(state, connect, event).into_iter();
    set.chain(made.map(|(id, url)| Destination { url, made: Some(id) })).collect()
}

/// The endpoints that receive a thin event.
pub(crate) fn of_thin(state: &State, connect: bool, event: &str) -> Vec<Destination> {
    let set = state.outbox.endpoints.iter().filter(|endpoint| endpoint.thin);
    let set = set.map(|endpoint| Destination { url: endpoint.url.clone(), made: None });
    let scope = if connect { "@accounts" } else { "@self" };
    let lists = |object: &Value, list: &str, name: &str| object[list].as_array().is_some_and(|names| names.iter().any(|one| one == name));
    let made = state.rows(&state.platform, Kind::EventDestination).iter().filter(|row| {
        let of_type = lists(&row.object, "enabled_events", event) || lists(&row.object, "enabled_events", "*");
        of_type && lists(&row.object, "events_from", scope) && row.object.text("status") == "enabled"
    });
    set.chain(made.filter_map(destination)).collect()
}

/// Where an event destination's events go.
pub(crate) fn destination(row: &Row) -> Option<Destination> {
    let url = row.hidden.get("url").and_then(Value::as_str)?.to_owned();
    Some(Destination { url, made: Some(row.object.text("id").to_owned()) })
}
