//! Events and their delivery.

use std::time::Duration;

use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::client::{Stripe, id};
use crate::receiver::{Received, Receiver};

/// Verifies a signature as documented.
pub fn is_signed_with(received: &Received, secret: &str) -> bool {
    let parts: Vec<(&str, &str)> = received.signature.split(',').filter_map(|part| part.split_once('=')).collect();
    let part = |name: &str| parts.iter().find(|(n, _)| *n == name).unwrap().1;
    let age = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() - part("t").parse::<u64>().unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{}.{}", part("t"), received.body).as_bytes());
    let expected: Vec<String> = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    age < 300 && expected.concat() == part("v1")
}

async fn customer(stripe: &Stripe) -> Value {
    stripe.post("/v1/customers", &[("email", "buyer@example.com")]).await.ok()
}

#[tokio::test]
async fn events_reach_the_endpoint_they_belong_to_signed_with_its_secret() {
    let receiver = Receiver::start().await;
    let stripe = Stripe::with_webhooks(&receiver).await;
    let account = stripe.account().await;
    let mine = stripe.post_keyed("key-1", "/v1/customers", &[]).await;
    let theirs = stripe.post_on(&account, "/v1/customers", &[]).await.ok();
    let received = receiver.wait_for(2, |_| true).await;
    let at = |path: &str| received.iter().find(|received| received.path == path).unwrap();

    let (platform, connect) = (at("/platform"), at("/connect"));
    assert!(is_signed_with(platform, "whsec_platform") && !is_signed_with(platform, "whsec_connect"));
    assert!(is_signed_with(connect, "whsec_connect"));
    let event = platform.event();
    assert_eq!(event.get("account"), None);
    assert_eq!(event["request"], json!({ "id": mine.headers["request-id"].to_str().unwrap(), "idempotency_key": "key-1" }));
    assert_eq!(event["data"]["object"], mine.ok());
    assert_eq!((&event["livemode"], &event["api_version"]), (&json!(false), &json!("2026-09-30.endive")));
    assert_eq!(connect.event()["account"], account);
    assert_eq!(connect.event()["data"]["object"]["id"], id(&theirs));
    assert_eq!(stripe.get(&format!("/v1/events/{}", id(&event))).await.ok()["type"], "customer.created");
}

#[tokio::test]
async fn a_failed_delivery_is_retried() {
    let receiver = Receiver::start().await;
    let stripe = Stripe::with_webhooks(&receiver).await;
    receiver.answer(&[500, 302]);
    customer(&stripe).await;
    let received = receiver.wait_for(3, |_| true).await;
    assert!(received.windows(2).all(|pair| pair[0].body == pair[1].body && is_signed_with(&pair[1], "whsec_platform")));
    let delivered = async {
        loop {
            let event = stripe.events(None).await.remove(0);
            if event["deliveries"][0]["status"] == "delivered" {
                return event;
            }
            tokio::task::yield_now().await;
        }
    };
    let event = tokio::time::timeout(Duration::from_secs(30), delivered).await.unwrap();
    let statuses: Vec<&Value> = event["deliveries"][0]["attempts"].as_array().unwrap().iter().map(|a| &a["status"]).collect();
    assert_eq!(statuses, [500, 302, 200]);
    assert_eq!(event["pending_webhooks"], 0);
}

#[tokio::test]
async fn held_events_wait_for_the_flush() {
    let receiver = Receiver::start().await;
    let stripe = Stripe::with_webhooks(&receiver).await;
    stripe.admin("POST", "webhooks/mode", json!({ "hold": true })).await.ok();
    customer(&stripe).await;
    customer(&stripe).await;
    let held: Vec<Value> = stripe.events(None).await.iter().map(|event| event["deliveries"][0]["status"].clone()).collect();
    assert_eq!(held, ["held", "held"]);
    stripe.admin("POST", "webhooks/flush", json!({})).await.ok();
    assert_eq!(receiver.received().len(), 2);
    customer(&stripe).await;
    stripe.admin("POST", "webhooks/mode", json!({})).await.ok();
    receiver.wait_for(3, |_| true).await;
}

#[tokio::test]
async fn events_can_come_twice_or_not_at_all() {
    let receiver = Receiver::start().await;
    let stripe = Stripe::with_webhooks(&receiver).await;
    stripe.admin("POST", "webhooks/mode", json!({ "duplicate": 2, "drop_next": 1 })).await.ok();
    let lost = customer(&stripe).await;
    let thrice = customer(&stripe).await;
    stripe.admin("POST", "webhooks/flush", json!({})).await.ok();
    let ids: Vec<Value> = receiver.received().iter().map(|received| received.event()["data"]["object"]["id"].clone()).collect();
    assert_eq!(ids, vec![thrice["id"].clone(); 3]);

    let event = id(&stripe.events(None).await[0]).to_owned();
    let sent = stripe.admin("POST", "webhooks/deliver", json!({ "event": event })).await.ok();
    assert_eq!(sent["attempts"][0]["status"], 200);
    assert_eq!(receiver.received().last().unwrap().event()["data"]["object"]["id"], lost["id"]);
    // An event can also be sent to the wrong endpoint.
    stripe.admin("POST", "webhooks/deliver", json!({ "event": event, "endpoint": 1 })).await.ok();
    let last = receiver.received().pop().unwrap();
    assert_eq!(last.path, "/connect");
    assert!(is_signed_with(&last, "whsec_connect"));
}

#[tokio::test]
async fn events_can_come_in_another_order() {
    let receiver = Receiver::start().await;
    let stripe = Stripe::with_webhooks(&receiver).await;
    stripe.admin("POST", "webhooks/mode", json!({ "hold": true, "shuffle": true })).await.ok();
    let mut made = Vec::new();
    for _ in 0..20 {
        made.push(id(&customer(&stripe).await).to_owned());
    }
    stripe.admin("POST", "webhooks/flush", json!({})).await.ok();
    let mut came: Vec<String> = receiver.received().iter().map(|received| id(&received.event()["data"]["object"]).to_owned()).collect();
    assert_ne!(came, made);
    came.sort();
    made.sort();
    assert_eq!(came, made);
}

#[tokio::test]
async fn one_url_can_receive_both_kinds_of_event() {
    let receiver = Receiver::start().await;
    let stripe = Stripe::start().await;
    let endpoint = |secret, connect| json!({ "url": format!("{}/both", receiver.url), "secret": secret, "connect": connect });
    let endpoints = json!({ "endpoints": [endpoint("whsec_1", false), endpoint("whsec_2", true)] });
    stripe.admin("PUT", "webhooks", endpoints).await.ok();
    let account = stripe.account().await;
    customer(&stripe).await;
    stripe.post_on(&account, "/v1/customers", &[]).await.ok();
    for received in receiver.wait_for(2, |_| true).await {
        let secret = if received.event()["account"].is_null() { "whsec_1" } else { "whsec_2" };
        assert!(is_signed_with(&received, secret), "{received:?}");
    }
}

#[tokio::test]
async fn a_deauthorized_account_is_announced_and_sends_nothing_more() {
    let receiver = Receiver::start().await;
    let stripe = Stripe::with_webhooks(&receiver).await;
    let account = stripe.account().await;
    stripe.admin("POST", &format!("accounts/{account}/deauthorize"), json!({})).await.ok();
    let received = receiver.wait_for_type("account.application.deauthorized").await;
    assert_eq!(received.path, "/connect");
    let event = received.event();
    assert_eq!((&event["account"], &event["data"]["object"]["id"]), (&json!(account), &json!("ca_local")));
    // It cannot be retrieved afterwards.
    assert_eq!(stripe.get_on(&account, &format!("/v1/events/{}", id(&event))).await.error(), (403, "account_invalid"));
    stripe.admin("POST", &format!("accounts/{account}"), json!({ "email": "new@example.com" })).await.ok();
    stripe.admin("POST", "webhooks/flush", json!({})).await.ok();
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test]
async fn a_changed_account_is_reported_with_its_previous_values() {
    let receiver = Receiver::start().await;
    let stripe = Stripe::with_webhooks(&receiver).await;
    let account = stripe.account().await;
    let change = json!({ "charges_enabled": false, "capabilities": { "card_payments": "inactive", "transfers": "active" } });
    stripe.admin("POST", &format!("accounts/{account}"), change).await.ok();
    let updated = receiver.wait_for_type("account.updated").await.event();
    assert_eq!(updated["data"]["previous_attributes"]["charges_enabled"], true);
    assert_eq!(updated["data"]["object"]["charges_enabled"], false);
    let capability = receiver.wait_for_type("capability.updated").await.event();
    assert_eq!(capability["data"]["object"]["id"], "card_payments");
}
