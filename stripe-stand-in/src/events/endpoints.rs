//! The endpoints to which an event is sent.

use crate::state::all::State;
use crate::state::outbox::Destination;
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

/// An endpoint's current settings and API version; `None` if it is gone or disabled.
pub(crate) fn target(state: &State, id: &str) -> Option<(WebhookEndpoint, Option<String>)> {
    let row = state.row(&state.platform, Kind::WebhookEndpoint, id)?;
    let endpoint = WebhookEndpoint {
        url: row.object.text("url").to_owned(),
        secret: row.hidden["secret"].as_str()?.to_owned(),
        connect: row.hidden["connect"] == true,
    };
    (row.object.text("status") == "enabled").then(|| (endpoint, row.object.maybe("api_version").map(str::to_owned)))
}

/// The endpoints that receive an event. Those that the stand-in was started with receive all.
pub(crate) fn endpoints_for(state: &State, connect: bool, event: &str) -> Vec<Destination> {
    let set = state.outbox.endpoints.iter().filter(|endpoint| endpoint.connect == connect);
    let set = set.map(|endpoint| Destination { url: endpoint.url.clone(), made: None });
    let made = wanting(state, connect, event).into_iter();
    set.chain(made.map(|(id, url)| Destination { url, made: Some(id) })).collect()
}
