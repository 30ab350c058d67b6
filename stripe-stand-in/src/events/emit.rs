//! Events: what happened to which object, stored in its account and queued for webhook endpoints.
//! Snapshot events contain the object; thin events only name it.

use serde_json::{Map, Value, json};

use crate::events::context::Context;
use crate::events::endpoints;
use crate::state::outbox::Destination;
use crate::state::row::Link;
use crate::words::calendar;
use crate::words::ids::new_id;
use crate::words::kind::Kind;
use crate::words::options::API_VERSION;

impl Context<'_> {
    /// Records that something happened to a stored object of the current account.
    pub(crate) fn emit(&mut self, event: &str, kind: Kind, id: &str) {
        let account = self.account.clone();
        self.emit_in(&account, event, kind, id);
    }

    /// Records that something happened to a stored object of any account.
    pub(crate) fn emit_in(&mut self, account: &str, event: &str, kind: Kind, id: &str) {
        if let Some(object) = self.state.object(account, kind, id).cloned() {
            self.emit_object(account, event, object, Value::Null);
        }
    }

    /// Records a change, with the previous values of changed fields.
    pub(crate) fn emit_change(&mut self, account: &str, event: &str, kind: Kind, id: &str, before: &Value) {
        if let Some(object) = self.state.object(account, kind, id).cloned() {
            let changed: Map<String, Value> = before
                .as_object()
                .into_iter()
                .flatten()
                .filter(|(name, value)| object[name.as_str()] != **value)
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect();
            self.emit_object(account, event, object, Value::Object(changed));
        }
    }

    /// Records an event about any object.
    pub(crate) fn emit_object(&mut self, account: &str, event: &str, object: Value, before: Value) {
        let connected = account != self.state.platform;
        let visible = !connected || self.state.link(account) != Link::None || event == "account.application.deauthorized";
        let id = new_id("evt");
        let endpoints = if visible { endpoints::endpoints_for(self.state, connected, event) } else { Vec::new() };
        let mut data = json!({ "object": object });
        if !before.is_null() {
            data["previous_attributes"] = before;
        }
        let mut row = json!({
            "id": id,
            "object": "event",
            "api_version": API_VERSION,
            "created": self.state.now(),
            "data": data,
            "livemode": false,
            "pending_webhooks": endpoints.len(),
            "request": { "id": self.request_id, "idempotency_key": self.idempotency_key },
            "type": event,
        });
        if connected {
            row["account"] = account.into();
        }
        self.record(account, Kind::Event, event, row, &endpoints);
    }

    /// Records a thin event of an account: <https://docs.stripe.com/api/v2/core/events>. `related` is `{"id", "type", "url"}`.
    pub(crate) fn emit_thin(&mut self, account: &str, event: &str, related: Value, data: Value) {
        let connected = account != self.state.platform;
        let visible = !connected || self.state.link(account) != Link::None;
        let endpoints = if visible { endpoints::of_thin(self.state, connected, event) } else { Vec::new() };
        self.emit_thin_to(account, event, related, data, &endpoints);
    }

    /// Records a thin event for these endpoints. Returns it as the API does.
    pub(crate) fn emit_thin_to(&mut self, account: &str, event: &str, related: Value, data: Value, endpoints: &[Destination]) -> Value {
        let request = self.request_id.as_ref().map(|id| json!({ "id": id, "idempotency_key": self.idempotency_key }));
        let row = json!({
            "id": new_id("evt"),
            "object": "v2.core.event",
            "changes": null,
            "context": (account != self.state.platform).then_some(account),
            "created": calendar::timestamp(self.state.now()),
            "data": data,
            "livemode": false,
            "reason": request.map(|request| json!({ "type": "request", "request": request })),
            "related_object": related,
            "type": event,
        });
        self.record(account, Kind::ThinEvent, event, row.clone(), endpoints);
        row
    }

    fn record(&mut self, account: &str, kind: Kind, event: &str, row: Value, endpoints: &[Destination]) {
        self.state.event_count += 1;
        let mut hidden = Map::new();
        hidden.insert("place".into(), self.state.event_count.into());
        let id = row["id"].as_str().unwrap_or_default().to_owned();
        self.state.insert(account, kind, row, hidden);
        self.state.outbox.queue(account, &id, event, endpoints);
    }
}

/// A thin event as it is delivered. The rest must be fetched.
pub(crate) fn notification(event: &Value) -> Value {
    let mut sent = event.clone();
    if let Some(fields) = sent.as_object_mut() {
        fields.remove("changes");
        fields.remove("data");
    }
    sent
}
