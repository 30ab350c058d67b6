//! Webhook events. <https://docs.stripe.com/api/events/object>

use serde::Deserialize;

/// An event, with its object unread.
#[derive(Clone, Debug, Deserialize)]
pub struct Event {
    /// `evt_…`
    pub id: String,
    /// `payment_intent.succeeded`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// When it happened, in Unix seconds.
    #[serde(default)]
    pub created: i64,
    /// Whether it happened in live mode.
    #[serde(default)]
    pub livemode: bool,
    /// The connected account that it happened on; none for the platform's own events.
    #[serde(default)]
    pub account: Option<String>,
    /// What it is about.
    pub data: Data,
}

/// What an event is about.
#[derive(Clone, Debug, Deserialize)]
pub struct Data {
    /// The object, as it was at the time of the event.
    pub object: serde_json::Value,
}
