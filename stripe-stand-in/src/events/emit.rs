//! Events: what happened to which object, stored in its account and queued for webhook endpoints.

use serde_json::{Map, Value, json};

use crate::events::context::Context;
use crate::events::endpoints;
use crate::state::row::Link;
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
        self.state.event_count += 1;
        let mut hidden = Map::new();
        hidden.insert("place".into(), self.state.event_count.into());
        self.state.insert(account, Kind::Event, row, hidden);
        self.state.outbox.queue(account, &id, event, &endpoints);
    }
}
