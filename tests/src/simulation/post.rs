//! Delivers Stripe's events: late, in any order, and repeatedly.

use ring::hmac;
use serde_json::{Value, json};

use crate::harness::{Answer, World};

/// An event that may be delivered.
#[derive(Clone, Debug)]
pub(super) struct Letter {
    /// The type, for the diary.
    pub(super) kind: String,
    body: String,
    /// Whether it is a connected account's.
    is_connect: bool,
}

/// The events that are waiting, and some delivered ones that may be repeated.
#[derive(Debug, Default)]
pub(super) struct Post {
    seen: u64,
    pub(super) waiting: Vec<Letter>,
    pub(super) delivered: Vec<Letter>,
}

impl Post {
    /// Collects what has happened at Stripe since the last call, oldest first. Events that Stripe sends are queued for delivery.
    pub(super) async fn collect(&mut self, world: &World) -> Vec<Value> {
        let answer = world.admin("GET", &format!("events?since={}", self.seen), json!({})).await;
        self.seen = answer["last"].as_u64().expect("a number");
        let mut events = answer["events"].as_array().expect("a list").clone();
        events.reverse();
        for event in &mut events {
            let deliveries = event.as_object_mut().and_then(|event| event.remove("deliveries")).unwrap_or_default();
            // Nothing is sent for an account that has revoked access.
            if deliveries.as_array().is_some_and(|deliveries| !deliveries.is_empty()) {
                self.waiting.push(Letter {
                    kind: event["type"].as_str().unwrap_or_default().to_owned(),
                    is_connect: event["account"].is_string(),
                    body: event.to_string(),
                });
            }
        }
        events
    }
}

impl Letter {
    /// Delivers it once.
    pub(super) async fn deliver(&self, world: &World) -> Answer {
        let (path, secret) =
            if self.is_connect { ("/webhooks/stripe/connect", "whsec_local_connect") } else { ("/webhooks/stripe", "whsec_local") };
        let at = world.app.clock.now().unix_timestamp();
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let tag = hmac::sign(&key, format!("{at}.{}", self.body).as_bytes());
        let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        world.call("POST", path).text(self.body.clone()).header("stripe-signature", format!("t={at},v1={hex}")).await
    }
}
