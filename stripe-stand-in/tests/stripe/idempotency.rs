//! Idempotency keys.

use reqwest::Method;
use serde_json::json;

use crate::client::{CARD, Stripe, form_body, id, send};

const INTENTS: &str = "/v1/payment_intents";

fn charge(card: &'static str) -> Vec<(&'static str, &'static str)> {
    vec![("amount", "5000"), ("currency", "usd"), ("confirm", "true"), ("payment_method", card), CARD]
}

async fn cardholders(stripe: &Stripe) -> i64 {
    stripe.books().await["outside"]["usd"]["cardholders"].as_i64().unwrap_or(0)
}

#[tokio::test]
async fn the_same_key_and_parameters_get_the_first_answer_and_one_charge() {
    let stripe = Stripe::start().await;
    let first = stripe.post_keyed("k1", INTENTS, &charge("pm_card_visa")).await;
    let again = stripe.post_keyed("k1", INTENTS, &charge("pm_card_visa")).await;
    assert_eq!(first.headers.get("idempotent-replayed"), None);
    assert_eq!(again.headers["idempotent-replayed"], "true");
    assert_eq!(again.headers["original-request"], first.headers["request-id"]);
    assert_ne!(again.headers["request-id"], first.headers["request-id"]);
    assert_eq!(first.ok(), again.ok());
    assert_eq!(cardholders(&stripe).await, 5000);
}

#[tokio::test]
async fn the_order_of_the_parameters_does_not_matter_and_their_values_do() {
    let stripe = Stripe::start().await;
    let mut form = charge("pm_card_visa");
    stripe.post_keyed("k1", INTENTS, &form).await.ok();
    form.swap(0, 1);
    stripe.post_keyed("k1", INTENTS, &form).await.ok();
    form[1].1 = "6000";
    let other = stripe.post_keyed("k1", INTENTS, &form).await;
    assert_eq!(other.error(), (400, "idempotency_error"));
    let elsewhere = stripe.post_keyed("k1", "/v1/customers", &[]).await;
    assert_eq!(elsewhere.error(), (400, "idempotency_error"));
    assert_eq!(cardholders(&stripe).await, 5000);
}

#[tokio::test]
async fn a_decline_is_replayed() {
    let stripe = Stripe::start().await;
    let first = stripe.post_keyed("k1", INTENTS, &charge("pm_card_chargeDeclined")).await;
    let again = stripe.post_keyed("k1", INTENTS, &charge("pm_card_chargeDeclined")).await;
    assert_eq!(first.error(), (402, "card_declined"));
    assert_eq!(first.body, again.body);
    assert_eq!(again.headers["idempotent-replayed"], "true");
    let intents = stripe.get(INTENTS).await.ok();
    assert_eq!(intents["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_500_is_replayed_and_its_effects_stay() {
    let stripe = Stripe::start().await;
    for (kind, charged) in [("status", 0), ("status_after", 5000)] {
        let fault = json!({ "match": { "path": INTENTS }, "fault": { "kind": kind, "status": 500 } });
        stripe.admin("POST", "faults", fault).await.ok();
        let first = stripe.post_keyed(kind, INTENTS, &charge("pm_card_visa")).await;
        let again = stripe.post_keyed(kind, INTENTS, &charge("pm_card_visa")).await;
        assert_eq!((first.status, again.status), (500, 500));
        assert_eq!(again.headers["idempotent-replayed"], "true");
        assert_eq!(cardholders(&stripe).await, charged);
    }
}

#[tokio::test]
async fn refusals_before_execution_leave_the_key_free() {
    let stripe = Stripe::start().await;
    let fault = json!({ "match": { "path": INTENTS }, "fault": { "kind": "status", "status": 429 } });
    stripe.admin("POST", "faults", fault).await.ok();
    assert_eq!(stripe.post_keyed("k1", INTENTS, &charge("pm_card_visa")).await.error(), (429, "rate_limit"));
    let unauthorized = stripe.http.post(stripe.url(INTENTS)).bearer_auth("sk_test_wrong").header("idempotency-key", "k1");
    assert_eq!(send(form_body(unauthorized, &charge("pm_card_visa"))).await.status, 401);
    let mut invalid = charge("pm_card_visa");
    invalid[0].1 = "ten";
    assert_eq!(stripe.post_keyed("k1", INTENTS, &invalid).await.error(), (400, "parameter_invalid_integer"));
    let done = stripe.post_keyed("k1", INTENTS, &charge("pm_card_visa")).await;
    assert_eq!(done.headers.get("idempotent-replayed"), None);
    assert_eq!(done.ok()["status"], "succeeded");
}

#[tokio::test]
async fn a_key_in_flight_is_a_conflict() {
    let stripe = Stripe::start().await;
    let fault = json!({ "match": { "path": INTENTS }, "fault": { "kind": "delay", "ms": 60_000 } });
    stripe.admin("POST", "faults", fault).await.ok();
    // The first request is abandoned: its client disconnects.
    let request = stripe.request(Method::POST, INTENTS).header("idempotency-key", "k1");
    let first = tokio::spawn(form_body(request, &charge("pm_card_visa")).send());
    loop {
        let log = stripe.admin("GET", "requests", json!(null)).await.ok();
        if log["requests"].as_array().unwrap().len() == 1 {
            break;
        }
        tokio::task::yield_now().await;
    }
    let second = stripe.post_keyed("k1", INTENTS, &charge("pm_card_visa")).await;
    assert_eq!(second.error(), (409, "idempotency_key_in_use"));
    assert_eq!(stripe.post_keyed("k2", INTENTS, &charge("pm_card_visa")).await.status, 200);
    first.abort();
}

#[tokio::test]
async fn concurrent_uses_of_one_key_make_one_charge() {
    let stripe = Stripe::start().await;
    let form = charge("pm_card_visa");
    let all = (0..30).map(|_| {
        let request = stripe.request(Method::POST, INTENTS).header("idempotency-key", "k1");
        tokio::spawn(send(form_body(request, &form)))
    });
    let mut ids = std::collections::BTreeSet::new();
    for one in all.collect::<Vec<_>>() {
        let answer = one.await.unwrap();
        if answer.status == 200 {
            ids.insert(id(&answer.body).to_owned());
        } else {
            assert_eq!(answer.error(), (409, "idempotency_key_in_use"));
        }
    }
    assert_eq!(ids.len(), 1);
    assert_eq!(cardholders(&stripe).await, 5000);
}

#[tokio::test]
async fn keys_belong_to_an_account_and_expire_after_a_day() {
    let stripe = Stripe::start().await;
    let (one, two) = (stripe.account().await, stripe.account().await);
    let create = async |account: &str| {
        let request = stripe.request(Method::POST, "/v1/customers").header("idempotency-key", "k1");
        let answer = send(form_body(request.header("stripe-account", account), &[])).await.ok();
        id(&answer).to_owned()
    };
    let first = create(&one).await;
    assert_ne!(create(&two).await, first);
    assert_eq!(create(&one).await, first);
    stripe.admin("POST", "clock/advance", json!({ "seconds": 24 * 60 * 60 + 1 })).await.ok();
    assert_ne!(create(&one).await, first);
}

#[tokio::test]
async fn a_key_is_at_most_255_characters() {
    let stripe = Stripe::start().await;
    assert_eq!(stripe.post_keyed(&"k".repeat(255), "/v1/customers", &[]).await.status, 200);
    assert_eq!(stripe.post_keyed(&"k".repeat(256), "/v1/customers", &[]).await.status, 400);
}
