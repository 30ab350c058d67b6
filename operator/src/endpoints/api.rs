//! Stripe's two APIs for endpoints: <https://docs.stripe.com/api/webhook_endpoints> for those that receive snapshots, and
//! <https://docs.stripe.com/api/v2/core/event-destinations> for those that receive thin events.

use serde::Deserialize;
use serde_json::{Value, json};
use shared::stripe::error::StripeError;
use shared::stripe::{API_VERSION, Gateway, Post};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use url::form_urlencoded::Serializer;

/// The metadata that marks our endpoints.
const MARK: (&str, &str) = ("registered_by", "make stripe-setup");

/// The accounts whose thin events are wanted. Those about a connected account happen on it; that all of them do is not documented.
const EVENTS_FROM: [&str; 2] = ["@self", "@accounts"];

const SNAPSHOTS: &str = "/webhook_endpoints";
const THIN: &str = "/v2/core/event_destinations";

/// What an endpoint receives. Stripe sends one form of event to each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Payload {
    /// Events of the platform, or of connected accounts.
    Snapshots { connect: bool },
    /// Of all accounts.
    Thin,
}

/// An endpoint at Stripe.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    pub(super) id: String,
    pub(super) url: String,
    pub(super) payload: Payload,
    pub(super) is_enabled: bool,
    /// In seconds since 1970.
    pub(super) created: i64,
    /// What the endpoint sends that a new one would not, if that cannot be changed.
    pub(super) outdated: Option<String>,
    pub(super) events: Vec<String>,
    /// Whether we registered it.
    pub(super) is_marked: bool,
    /// The signing secret, only in the response that creates the endpoint.
    pub(super) signing: Option<String>,
}

/// A page of either list.
#[derive(Deserialize)]
struct Page<T> {
    data: Vec<T>,
    #[serde(default)]
    has_more: bool,
    #[serde(default)]
    next_page_url: Option<String>,
}

#[derive(Deserialize)]
struct WebhookEndpoint {
    id: String,
    url: String,
    status: String,
    created: i64,
    api_version: Option<String>,
    /// The platform's client id, if it receives the events of connected accounts.
    application: Option<String>,
    #[serde(default)]
    enabled_events: Vec<String>,
    #[serde(default)]
    metadata: Value,
    secret: Option<String>,
}

#[derive(Deserialize)]
struct EventDestination {
    id: String,
    status: String,
    /// By RFC 3339.
    created: String,
    event_payload: String,
    #[serde(default)]
    enabled_events: Vec<String>,
    #[serde(default)]
    events_from: Vec<String>,
    #[serde(default)]
    metadata: Value,
    /// `None` for other types of destination.
    webhook_endpoint: Option<Place>,
}

/// Stripe includes each only on request.
#[derive(Default, Deserialize)]
struct Place {
    url: Option<String>,
    signing_secret: Option<String>,
}

fn is_marked(metadata: &Value) -> bool {
    metadata[MARK.0] == MARK.1
}

impl From<WebhookEndpoint> for Endpoint {
    fn from(read: WebhookEndpoint) -> Self {
        let is_current = read.api_version.as_deref() == Some(API_VERSION);
        let version = read.api_version.unwrap_or_else(|| "the account's version".to_owned());
        Self {
            payload: Payload::Snapshots { connect: read.application.is_some() },
            is_enabled: read.status == "enabled",
            created: read.created,
            outdated: (!is_current).then_some(version),
            events: read.enabled_events,
            is_marked: is_marked(&read.metadata),
            signing: read.secret,
            id: read.id,
            url: read.url,
        }
    }
}

impl From<EventDestination> for Endpoint {
    fn from(read: EventDestination) -> Self {
        let place = read.webhook_endpoint.unwrap_or_default();
        let is_current = EVENTS_FROM.iter().all(|from| read.events_from.iter().any(|one| one == from));
        Self {
            payload: Payload::Thin,
            is_enabled: read.status == "enabled",
            created: OffsetDateTime::parse(&read.created, &Rfc3339).map(OffsetDateTime::unix_timestamp).unwrap_or_default(),
            outdated: (!is_current).then(|| format!("events from {}", read.events_from.join(", "))),
            events: read.enabled_events,
            is_marked: is_marked(&read.metadata),
            signing: place.signing_secret,
            id: read.id,
            url: place.url.unwrap_or_default(),
        }
    }
}

/// All endpoints that receive snapshots. Whether Stripe's list also shows thin destinations is not documented, so these are left out.
pub(super) async fn snapshots(stripe: &Gateway) -> Result<Vec<Endpoint>, StripeError> {
    let mut found: Vec<WebhookEndpoint> = Vec::new();
    loop {
        let after = found.last().map(|last| format!("&starting_after={}", last.id)).unwrap_or_default();
        let page: Page<WebhookEndpoint> = stripe.get(&format!("{SNAPSHOTS}?limit=100{after}"), None).await?;
        found.extend(page.data);
        if !page.has_more {
            let is_thin = |one: &WebhookEndpoint| one.enabled_events.iter().any(|event| event.starts_with("v2."));
            return Ok(found.into_iter().filter(|one| !is_thin(one)).map(Endpoint::from).collect());
        }
    }
}

/// All destinations that receive thin events. Stripe's list also shows others.
pub(super) async fn thin(stripe: &Gateway) -> Result<Vec<Endpoint>, StripeError> {
    let mut found = Vec::new();
    let mut path = format!("{THIN}?include[0]=webhook_endpoint.url");
    loop {
        let page: Page<EventDestination> = stripe.get(&path, None).await?;
        found.extend(page.data.into_iter().filter(|one| one.event_payload == "thin").map(Endpoint::from));
        match page.next_page_url {
            Some(next) => path = next,
            None => return Ok(found),
        }
    }
}

/// The request that creates an endpoint.
pub(super) struct New {
    payload: Payload,
    /// A form, or JSON.
    pub(super) body: String,
}

impl New {
    pub(super) fn of(payload: Payload, url: &str, events: &[&str]) -> Self {
        let body = match payload {
            Payload::Snapshots { connect } => {
                let mut form = Serializer::new(String::new());
                form.append_pair("url", url).append_pair("connect", if connect { "true" } else { "false" });
                form.append_pair("api_version", API_VERSION).append_pair(&format!("metadata[{}]", MARK.0), MARK.1);
                form.extend_pairs(events.iter().map(|event| ("enabled_events[]", *event))).finish()
            }
            Payload::Thin => json!({
                "name": "Accounts",
                "type": "webhook_endpoint",
                "event_payload": "thin",
                "events_from": EVENTS_FROM,
                "enabled_events": events,
                "webhook_endpoint": { "url": url },
                "metadata": { MARK.0: MARK.1 },
                "include": ["webhook_endpoint.signing_secret", "webhook_endpoint.url"],
            })
            .to_string(),
        };
        Self { payload, body }
    }

    /// Sends it.
    pub(super) async fn send(&self, stripe: &Gateway, key: &str) -> Result<Endpoint, StripeError> {
        let post = |path| Post { path, body: &self.body, account: None, key };
        match self.payload {
            Payload::Snapshots { .. } => Ok(stripe.post::<WebhookEndpoint>(&post(SNAPSHOTS)).await?.into()),
            Payload::Thin => Ok(stripe.post::<EventDestination>(&post(THIN)).await?.into()),
        }
    }
}

impl Endpoint {
    fn path(&self) -> String {
        let list = match self.payload {
            Payload::Snapshots { .. } => SNAPSHOTS,
            Payload::Thin => THIN,
        };
        format!("{list}/{}", self.id)
    }

    /// Whether it still exists.
    pub(super) async fn exists(&self, stripe: &Gateway) -> Result<bool, StripeError> {
        match stripe.get::<Value>(&self.path(), None).await {
            Ok(_) => Ok(true),
            Err(StripeError::Refused { status: 404, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Enables it for these events.
    pub(super) async fn enable(&self, stripe: &Gateway, now: OffsetDateTime, events: &[&str]) -> Result<(), StripeError> {
        match self.payload {
            Payload::Snapshots { .. } => {
                let mut form = Serializer::new(String::new());
                form.extend_pairs(events.iter().map(|event| ("enabled_events[]", *event))).append_pair("disabled", "false");
                self.change(stripe, now, "", &form.finish()).await
            }
            Payload::Thin => {
                self.change(stripe, now, "", &json!({ "enabled_events": events }).to_string()).await?;
                self.change(stripe, now, "/enable", "{}").await
            }
        }
    }

    /// Disables it.
    pub(super) async fn disable(&self, stripe: &Gateway, now: OffsetDateTime) -> Result<(), StripeError> {
        match self.payload {
            Payload::Snapshots { .. } => self.change(stripe, now, "", "disabled=true").await,
            Payload::Thin => self.change(stripe, now, "/disable", "{}").await,
        }
    }

    /// The key is unique to this run, so that changes undone by hand can be made again.
    async fn change(&self, stripe: &Gateway, now: OffsetDateTime, action: &str, body: &str) -> Result<(), StripeError> {
        let key = format!("{}{action}-{}", self.id, now.unix_timestamp_nanos());
        let path = format!("{}{action}", self.path());
        let _: Value = stripe.post(&Post { path: &path, body, account: None, key: &key }).await?;
        Ok(())
    }
}
