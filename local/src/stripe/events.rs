//! Events: what happened to which object, kept in its account and sent to webhook endpoints.

use serde_json::{Map, Value, json};

use super::context::Context;
use super::errors::ApiError;
use super::list;
use super::params::Params;
use super::state::{Kind, Link, new_id};
use super::webhooks;

/// The API version that events are rendered in: the one that the project's Stripe crates are pinned to.
pub(crate) const API_VERSION: &str = "2026-09-30.endive";

impl Context<'_> {
    /// Records that something happened to a stored object of the account acted on.
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

    /// Records a change, with the values that fields had before.
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
        let endpoints = if visible { webhooks::endpoints_for(self.state, connected, event) } else { Vec::new() };
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

/// `GET /v1/events/{id}`
pub(crate) fn retrieve(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    ctx.fetch(Kind::Event, path[0], "id")
}

/// `GET /v1/events`
pub(crate) fn index(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let types = params.texts("types");
    let one = params.text("type").map(str::to_owned);
    list::page(ctx, Kind::Event, params, "/v1/events", |row| {
        let name = row["type"].as_str().unwrap_or_default();
        let matches = |wanted: &str| {
            wanted.strip_suffix(".*").map_or(wanted == name, |prefix| name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('.')))
        };
        (types.is_empty() || types.iter().any(|t| matches(t))) && one.as_deref().is_none_or(matches)
    })
}
