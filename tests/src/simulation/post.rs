//! Stripe's events on their way to us: late, in any order, and more than once.

use ring::hmac;
use serde_json::{Value, json};

use crate::harness::{Answer, World};

/// An event that may be delivered.
#[derive(Clone, Debug)]
pub(super) struct Letter {
    /// What it is, for the diary.
    pub(super) kind: String,
    body: String,
    /// Of a connected account.
    is_connect: bool,
}

/// The events that wait, and some that were delivered and may come again.
#[derive(Debug, Default)]
pub(super) struct Post {
    seen: u64,
    pub(super) waiting: Vec<Letter>,
    pub(super) delivered: Vec<Letter>,
}

impl Post {
    /// Takes in what has happened at Stripe since the last time, oldest first; those that Stripe sends will be delivered.
    pub(super) async fn collect(&mut self, world: &World) -> Vec<Value> {
        let answer = world.admin("GET", &format!("events?since={}", self.seen), json!({})).await;
        self.seen = answer["last"].as_u64().expect("a number");
        let mut events = answer["events"].as_array().expect("a list").clone();
        events.reverse();
        for event in &mut events {
            let deliveries = event.as_object_mut().and_then(|event| event.remove("deliveries")).unwrap_or_default();
            // Of an account that has taken its access away, nothing is sent.
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
