//! 429s from rate limits: <https://docs.stripe.com/rate-limits>.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use stripe_stand_in::{Limits, Options};

use crate::client::{Answer, CARD, Stripe, form_body, id, send};

/// A stand-in whose clock is held, with limits.
async fn limited(limits: Limits) -> Stripe {
    let stripe = Stripe::with(Options { limits, ..Options::default() }).await;
    stripe.admin("POST", "clock/hold", json!({ "at": 1_801_396_800 })).await.ok();
    stripe
}

fn reason(answer: &Answer) -> Option<&str> {
    answer.headers.get("stripe-rate-limited-reason").map(|reason| reason.to_str().unwrap())
}

#[tokio::test]
async fn nothing_is_limited_by_default() {
    let stripe = limited(Limits::default()).await;
    for _ in 0..60 {
        stripe.get("/v1/balance").await.ok();
    }
}

#[tokio::test]
async fn requests_per_second_are_limited_per_account() {
    let stripe = limited(Limits { global_rate: Some(3), ..Limits::default() }).await;
    let seller = stripe.account().await;
    stripe.get("/v1/balance").await.ok();
    stripe.get_on(&seller, "/v1/balance").await.ok();
    stripe.post("/v1/customers", &[]).await.ok();
    let refused = stripe.get("/v1/charges").await;
    assert_eq!((refused.error(), reason(&refused)), ((429, "rate_limit"), Some("global-rate")));
    assert_eq!(refused.headers.get("retry-after"), None);
    // A refusal is not stored under a key, and has no effect.
    assert_eq!(stripe.post_keyed("k", "/v1/customers", &[]).await.status, 429);
    stripe.admin("POST", "clock/advance", json!({ "seconds": 1 })).await.ok();
    let made = stripe.post_keyed("k", "/v1/customers", &[]).await;
    assert_eq!((made.status, reason(&made)), (200, None));
    assert_eq!(stripe.get("/v1/customers").await.ok()["data"].as_array().unwrap().len(), 2);
    // The admin API is not limited, and removes the limits.
    assert_eq!(stripe.admin("GET", "limits", json!({})).await.ok()["global_rate"], 3);
    stripe.admin("POST", "limits", json!({})).await.ok();
    for _ in 0..10 {
        stripe.get("/v1/balance").await.ok();
    }
}

#[tokio::test]
async fn each_endpoint_has_its_own_rate() {
    let stripe = limited(Limits { endpoint_rate: Some(2), ..Limits::default() }).await;
    let (one, two) = (stripe.post("/v1/customers", &[]).await.ok(), stripe.post("/v1/customers", &[]).await.ok());
    let refused = stripe.post("/v1/customers", &[]).await;
    assert_eq!((refused.status, reason(&refused)), (429, Some("endpoint-rate")));
    // Another operation is a different endpoint, whatever object it concerns.
    stripe.get(&format!("/v1/customers/{}", id(&one))).await.ok();
    stripe.get(&format!("/v1/customers/{}", id(&two))).await.ok();
    assert_eq!(reason(&stripe.get(&format!("/v1/customers/{}", id(&one))).await), Some("endpoint-rate"));
    stripe.get("/v1/customers").await.ok();
}

#[tokio::test]
async fn concurrent_requests_are_limited() {
    let slow = json!({ "match": { "path": "/v1/customers" }, "times": 1, "fault": { "kind": "delay", "ms": 700 } });
    for (limits, other, why) in [
        (Limits { global_concurrency: Some(1), ..Limits::default() }, "/v1/balance", "global-concurrency"),
        (Limits { endpoint_concurrency: Some(1), ..Limits::default() }, "/v1/customers", "endpoint-concurrency"),
    ] {
        let stripe = limited(limits).await;
        stripe.admin("POST", "faults", slow.clone()).await.ok();
        let first = tokio::spawn(send(stripe.request(Method::GET, "/v1/customers")));
        // Waits until it is being processed, which the log shows.
        while stripe.admin("GET", "faults", json!({})).await.ok()["faults"] != json!([]) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        let refused = stripe.get(other).await;
        assert_eq!((refused.status, reason(&refused)), (429, Some(why)));
        first.await.unwrap().ok();
        stripe.get(other).await.ok();
    }
}

#[tokio::test]
async fn changes_of_a_payment_intent_per_hour_are_limited() {
    let stripe = limited(Limits { payment_intent_updates: Some(2), ..Limits::default() }).await;
    let make = || stripe.post("/v1/payment_intents", &[("amount", "5000"), ("currency", "usd"), CARD]);
    let (one, two) = (make().await.ok(), make().await.ok());
    let change = |intent: &str| {
        let request = stripe.request(Method::POST, &format!("/v1/payment_intents/{intent}"));
        send(form_body(request, &[("description", "A course")]))
    };
    change(id(&one)).await.ok();
    change(id(&one)).await.ok();
    let refused = change(id(&one)).await;
    assert_eq!((refused.status, reason(&refused)), (429, Some("resource-specific")));
    change(id(&two)).await.ok();
    stripe.get(&format!("/v1/payment_intents/{}", id(&one))).await.ok();
    stripe.admin("POST", "clock/advance", json!({ "seconds": 3600 })).await.ok();
    change(id(&one)).await.ok();
}

#[tokio::test]
async fn a_fault_names_the_simulated_limit_and_a_lock_timeout_names_none() {
    let stripe = Stripe::start().await;
    for (code, why) in [(None, Some("global-rate")), (Some("lock_timeout"), None)] {
        stripe.admin("POST", "faults", json!({ "fault": { "kind": "status", "status": 429, "code": code } })).await.ok();
        let refused = stripe.get("/v1/balance").await;
        assert_eq!((refused.status, reason(&refused)), (429, why));
    }
}
