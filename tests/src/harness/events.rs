//! Stripe's events, signed and sent to the webhook as Stripe would, one at a time.

use ring::hmac;
use serde_json::{Value, json};

use super::{Answer, World};

/// The endpoint and signing secret for the platform's own events.
pub(crate) const PLATFORM: (&str, &str) = ("/webhooks/stripe", "whsec_local");

/// The endpoint and signing secret for connected accounts' events.
pub(crate) const CONNECT: (&str, &str) = ("/webhooks/stripe/connect", "whsec_local_connect");

/// The endpoint and signing secret for thin events.
pub(crate) const THIN: (&str, &str) = ("/webhooks/stripe/connect", "whsec_local_thin");

/// <https://docs.stripe.com/webhooks#verify-manually>
pub(crate) fn sign(secret: &str, at: i64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, format!("{at}.{body}").as_bytes());
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={at},v1={hex},v0=00")
}

impl World {
    /// Posts a signed body to one of the two endpoints.
    pub(crate) async fn send_event(&self, (path, secret): (&str, &str), body: &str) -> Answer {
        let at = self.app.clock.now().unix_timestamp();
        self.call("POST", path).text(body).header("stripe-signature", sign(secret, at, body)).await
    }

    /// Posts an event to its endpoint.
    pub(crate) async fn tell(&self, event: &Value) -> Answer {
        let endpoint = match event["account"].is_string() {
            _ if event["object"] == "v2.core.event" => THIN,
            true => CONNECT,
            false => PLATFORM,
        };
        self.send_event(endpoint, &event.to_string()).await
    }

    /// The newest event of a type that `mine` accepts, as Stripe stores it.
    pub(crate) async fn event(&self, kind: &str, mine: impl Fn(&Value) -> bool) -> Option<Value> {
        let events = self.admin("GET", "events", json!({})).await["events"].take();
        let all = events.as_array().expect("it is a list").iter();
        let found = all.filter(|event| event["type"] == kind).find(|event| mine(&event["data"]["object"]));
        found.cloned().map(|mut event| {
            event.as_object_mut().expect("it is an object").remove("deliveries");
            event
        })
    }
}
