//! Helpers for all handlers.

use serde::de::DeserializeOwned;
use shared::base::metrics::{self, Unit};
use shared::stripe::read;
use shared::stripe::webhook::Event;

/// How many times to reread a record that others write as well, before the event fails and Stripe sends it again.
pub(super) const TRIES: usize = 8;

/// Reads the event's object. One that cannot be read would not become readable by sending it again: it
/// is counted and acknowledged, and the reconciliation reads from Stripe what the event would have reported.
pub(super) fn object<T: DeserializeOwned>(event: &Event) -> Option<T> {
    let read = read::value(event.data.object.clone());
    if let Err(error) = &read {
        tracing::error!(event_id = event.id, kind = event.kind, %error, "the event's object cannot be read");
        metrics::emit("WebhookUnreadable", Unit::Count, 1.0, &[], &[("kind", &event.kind)]);
    }
    read.ok()
}
