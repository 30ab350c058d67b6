//! Webhook events. <https://docs.stripe.com/api/events/object>

use serde::Deserialize;

/// An event, with its object not parsed yet. Events of other API versions, and other JSON, are parsed as far as possible.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Event {
    /// `evt_…`; empty if this is not an event.
    #[serde(default)]
    pub id: String,
    /// `payment_intent.succeeded`, …
    #[serde(default, rename = "type")]
    pub kind: String,
    /// When it happened, in Unix seconds.
    #[serde(default)]
    pub created: i64,
    /// Whether it happened in live mode.
    #[serde(default)]
    pub livemode: bool,
    /// The connected account that it happened on; `None` for the platform's own events.
    #[serde(default)]
    pub account: Option<String>,
    /// Contains the object.
    #[serde(default)]
    pub data: Data,
}

/// The event's data.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Data {
    /// The object, as it was at the time of the event.
    #[serde(default)]
    pub object: serde_json::Value,
}
