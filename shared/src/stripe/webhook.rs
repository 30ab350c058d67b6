//! Stripe's events, however they arrive. They have two forms, <https://docs.stripe.com/event-destinations#events-overview>: a snapshot
//! contains its object as it was, <https://docs.stripe.com/api/events/object>; a thin event only names it,
//! <https://docs.stripe.com/api/v2/core/events/object>.

use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::read;

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
    /// Contains the object; empty if the event is thin.
    #[serde(default)]
    pub data: Data,
    /// The request that caused it; `None` if Stripe did it by itself.
    #[serde(default)]
    request: Option<Cause>,
}

/// <https://docs.stripe.com/api/events/object#event_object-request>
#[derive(Clone, Debug, Default, Deserialize)]
struct Cause {
    #[serde(default)]
    idempotency_key: Option<String>,
}

impl Event {
    /// The idempotency key of the request that caused it.
    #[must_use]
    pub fn idempotency_key(&self) -> Option<&str> {
        self.request.as_ref()?.idempotency_key.as_deref()
    }

    /// An event in either form; without an id if this is not one.
    #[must_use]
    pub fn read(sent: serde_json::Value) -> Self {
        if sent["object"] == "v2.core.event" {
            read::value(sent).map(|thin: Thin| thin.into()).unwrap_or_default()
        } else {
            read::value(sent).unwrap_or_default()
        }
    }
}

/// A thin event. Of one that is about an account, only the account matters here: what it is now must be asked for.
#[derive(Default, Deserialize)]
struct Thin {
    #[serde(default)]
    id: String,
    #[serde(default, rename = "type")]
    kind: String,
    /// By RFC 3339.
    #[serde(default)]
    created: String,
    #[serde(default)]
    livemode: bool,
    /// The connected account that it happened on.
    #[serde(default)]
    context: Option<String>,
    #[serde(default)]
    related_object: Option<Related>,
}

#[derive(Deserialize)]
struct Related {
    id: String,
    #[serde(rename = "type")]
    kind: String,
}

impl From<Thin> for Event {
    fn from(thin: Thin) -> Self {
        let related = thin.related_object.filter(|related| related.kind == "v2.core.account").map(|related| related.id);
        Self {
            id: thin.id,
            kind: thin.kind,
            created: OffsetDateTime::parse(&thin.created, &Rfc3339).map(OffsetDateTime::unix_timestamp).unwrap_or_default(),
            livemode: thin.livemode,
            account: related.or(thin.context),
            ..Self::default()
        }
    }
}

/// The event's data.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Data {
    /// The object, as it was at the time of the event.
    #[serde(default)]
    pub object: serde_json::Value,
}
