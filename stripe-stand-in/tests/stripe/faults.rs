//! Injected faults.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{CARD, Stripe, form_body};

const INTENTS: &str = "/v1/payment_intents";

fn request(stripe: &Stripe, key: &str) -> reqwest::RequestBuilder {
    let form = [("amount", "5000"), ("currency", "usd"), ("confirm", "true"), ("payment_method", "pm_card_visa"), CARD];
    form_body(stripe.request(Method::POST, INTENTS).header("idempotency-key", key), &form)
}

async fn fault(stripe: &Stripe, fault: Value) {
    let body = json!({ "match": { "method": "POST", "path": INTENTS }, "fault": fault });
    stripe.admin("POST", "faults", body).await.ok();
}

async fn charged(stripe: &Stripe) -> i64 {
    stripe.books().await["outside"]["usd"]["cardholders"].as_i64().unwrap_or(0)
}

#[tokio::test]
async fn a_connection_dropped_before_the_work_leaves_nothing_and_the_key_free() {
    let stripe = Stripe::start().await;
    fault(&stripe, json!({ "kind": "drop_before" })).await;
    assert!(request(&stripe, "k1").send().await.is_err());
    assert_eq!(charged(&stripe).await, 0);
    let done = request(&stripe, "k1").send().await.unwrap();
    assert_eq!((done.status().as_u16(), done.headers().contains_key("idempotent-replayed")), (200, false));
}

#[tokio::test]
async fn a_response_lost_after_the_work_is_replayed_by_its_key() {
    let stripe = Stripe::start().await;
    for kind in ["drop_after", "truncate"] {
        stripe.admin("POST", "reset", json!({})).await.ok();
        fault(&stripe, json!({ "kind": kind })).await;
        let lost = request(&stripe, "k1").send().await;
        let lost = match lost {
            Ok(answer) => answer.text().await.is_err(),
            Err(_) => true,
        };
        assert!(lost, "{kind}");
        assert_eq!(charged(&stripe).await, 5000, "{kind}");
        let again = request(&stripe, "k1").send().await.unwrap();
        assert_eq!((again.status().as_u16(), &again.headers()["idempotent-replayed"]), (200, &"true".parse().unwrap()));
        assert_eq!(charged(&stripe).await, 5000, "{kind}");
        let log = stripe.admin("GET", "requests", Value::Null).await.ok();
        let last = log["requests"].as_array().unwrap().last().unwrap().clone();
        assert_eq!((&last["replayed"], &last["status"]), (&json!(true), &json!(200)));
    }
}

#[tokio::test]
async fn the_work_is_done_even_without_a_response() {
    let stripe = Stripe::start().await;
    fault(&stripe, json!({ "kind": "no_answer" })).await;
    let error = request(&stripe, "k1").timeout(Duration::from_secs(2)).send().await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert_eq!(charged(&stripe).await, 5000);
    fault(&stripe, json!({ "kind": "no_answer", "work": false })).await;
    assert!(request(&stripe, "k2").timeout(Duration::from_secs(2)).send().await.unwrap_err().is_timeout());
    assert_eq!(charged(&stripe).await, 5000);
}

#[tokio::test]
async fn a_client_that_gives_up_does_not_stop_the_work() {
    let stripe = Stripe::start().await;
    fault(&stripe, json!({ "kind": "delay", "ms": 400 })).await;
    assert!(request(&stripe, "k1").timeout(Duration::from_millis(100)).send().await.unwrap_err().is_timeout());
    let deadline = Instant::now() + Duration::from_secs(60);
    while charged(&stripe).await == 0 {
        assert!(Instant::now() < deadline, "the work was given up");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_page_of_html_can_come_from_in_front_of_the_api() {
    let stripe = Stripe::start().await;
    fault(&stripe, json!({ "kind": "html_503" })).await;
    let page = request(&stripe, "k1").send().await.unwrap();
    assert_eq!(page.status(), 503);
    assert!(page.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    assert_eq!(charged(&stripe).await, 0);
    assert_eq!(request(&stripe, "k1").send().await.unwrap().status(), 200);

    let oauth = json!({ "match": { "path": "/oauth/token" }, "fault": { "kind": "html", "status": 502 } });
    stripe.admin("POST", "faults", oauth).await.ok();
    let answer = stripe.post("/oauth/token", &[("grant_type", "authorization_code"), ("code", "ac_x")]).await;
    assert_eq!(answer.status, 502);
    assert!(answer.body.as_str().unwrap().contains("<html>"));
}

#[tokio::test]
async fn a_fault_hits_the_requests_that_it_names_and_no_others() {
    let stripe = Stripe::start().await;
    let account = stripe.account().await;
    let body = json!({
        "match": { "method": "POST", "path": "/v1/customers", "account": account },
        "skip": 1,
        "times": 2,
        "fault": { "kind": "status", "status": 500, "should_retry": true },
    });
    stripe.admin("POST", "faults", body).await.ok();
    assert_eq!(stripe.post("/v1/customers", &[]).await.status, 200);
    assert_eq!(stripe.get_on(&account, "/v1/customers").await.status, 200);
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let answer = stripe.post_on(&account, "/v1/customers", &[]).await;
        if answer.status == 500 {
            assert_eq!(answer.headers["stripe-should-retry"], "true");
            assert_eq!(answer.body["error"]["type"], "api_error");
        }
        statuses.push(answer.status);
    }
    assert_eq!(statuses, [200, 500, 500, 200]);

    let exact = json!({ "match": { "path": "/v1/customers", "exact": true }, "fault": { "kind": "status", "status": 500 } });
    stripe.admin("POST", "faults", exact).await.ok();
    assert_eq!(stripe.get("/v1/customers/cus_x").await.status, 404);
    stripe.admin("DELETE", "faults", Value::Null).await.ok();
    assert_eq!(stripe.get("/v1/customers").await.status, 200);
    let refused = stripe.admin("POST", "faults", json!({ "fault": { "kind": "explode" } })).await;
    assert_eq!(refused.status, 400);
}
