//! Faults of the network and of Stripe during a charge. In every case, one purchase is one charge.

use local::proxy::{Fault, Kind};
use serde_json::{Value, json};
use time::Duration;

use crate::harness::{Shop, World, patience_with};

const PAYMENTS: &str = "/v1/payment_intents";
const CARD: &str = "pm_card_visa";

/// Injects a fault that outlasts all retries of one request.
async fn lasting(world: &World, path: &str, fault: &Value) {
    let body = json!({"match": {"method": "POST", "path": path}, "times": 3, "fault": fault});
    world.admin("POST", "faults", body).await;
}

/// Checks the outcome: one charge, recorded as paid, and balanced books.
async fn one_charge(world: &World, shop: &Shop) {
    world.deliver().await;
    assert_eq!(world.succeeded(None).await.len(), 1);
    let purchases = world.get("/purchases").bearer(&shop.buyer.token).await.json();
    assert_eq!(purchases["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(purchases["items"][0]["status"], "paid", "{purchases}");
    world.books().await;
}

#[tokio::test]
async fn a_single_fault_is_retried_under_the_same_key() {
    for fault in [
        json!({"kind": "drop_before"}),
        json!({"kind": "drop_after"}),
        json!({"kind": "html_503"}),
        json!({"kind": "status", "status": 429}),
    ] {
        let world = World::start().await;
        let shop = world.shop().await;
        world.fault("POST", PAYMENTS, fault.clone()).await;
        let answer = world.buy(&shop.buyer, &shop.course_id, CARD).await;
        assert_eq!(answer.status, 201, "{fault}: {}", answer.body);
        one_charge(&world, &shop).await;
    }
}

/// After `skip` more calls, Stripe refuses one with `status`.
fn turned_away(world: &World, skip: usize, status: u16) {
    let body = json!({"error": {"type": "invalid_request_error", "code": "any", "message": "Turned away."}}).to_string();
    world.stripe_proxy.inject(Fault { operation: None, skip, times: usize::MAX, kind: Kind::Answer { status, body } });
}

#[tokio::test]
async fn a_rejected_request_says_nothing_about_a_lost_charge() {
    for status in [429, 401] {
        let world = World::start().await;
        let shop = world.shop().await;
        // The first call is for the customer.
        world.stripe_proxy.clear();
        world.stripe_proxy.inject(Fault { operation: None, skip: 1, times: 1, kind: Kind::LoseAnswer });
        turned_away(&world, 2, status);
        let answer = world.buy(&shop.buyer, &shop.course_id, CARD).await;
        assert_eq!(answer.status, 503, "{status}: {}", answer.body);
        // A refusal when the payment is looked up does not either.
        world.stripe_proxy.clear();
        turned_away(&world, 0, status);
        world.pass(Duration::seconds(40)).await;
        let again = world.buy(&shop.buyer, &shop.course_id, CARD).await;
        assert!([502, 503].contains(&again.status), "{status}: {}", again.body);
        world.stripe_proxy.clear();
        world.pass(Duration::seconds(40)).await;
        let again = world.buy(&shop.buyer, &shop.course_id, CARD).await;
        assert_eq!(again.status, 201, "{status}: {}", again.body);
        one_charge(&world, &shop).await;
    }
}

#[tokio::test]
async fn a_lasting_failure_leaves_the_purchase_recoverable() {
    for (fault, status) in [
        (json!({"kind": "drop_after"}), 503),
        (json!({"kind": "drop_before"}), 503),
        (json!({"kind": "html_503"}), 503),
        (json!({"kind": "html", "status": 502}), 502),
        (json!({"kind": "no_answer"}), 504),
    ] {
        let world = World::with(&[("STRIPE_TIMEOUT_MS", patience_with(&fault))]).await;
        let shop = world.shop().await;
        lasting(&world, PAYMENTS, &fault).await;
        let answer = world.buy(&shop.buyer, &shop.course_id, CARD).await;
        assert_eq!(answer.status, status, "{fault}: {}", answer.body);
        let purchases = world.get("/purchases").bearer(&shop.buyer.token).await.json();
        assert_eq!(purchases["items"][0]["status"], "pending", "{fault}: what was tried is on record");

        world.admin("DELETE", "faults", json!({})).await;
        let again = world.buy(&shop.buyer, &shop.course_id, CARD).await;
        assert_eq!((again.status, &again.json()["purchase"]["status"]), (201, &json!("paid")), "{fault}: {}", again.body);
        assert_eq!(again.json()["purchase"]["attempts"], 1, "{fault}: the attempt was found, not made again");
        one_charge(&world, &shop).await;
    }
}

#[tokio::test]
async fn a_stored_500_with_nothing_behind_it_frees_the_next_attempt() {
    let world = World::start().await;
    let shop = world.shop().await;
    world.fault("POST", PAYMENTS, json!({"kind": "status", "status": 500})).await;
    let answer = world.buy(&shop.buyer, &shop.course_id, CARD).await;
    assert_eq!((answer.status, answer.text("code")), (502, "payment_provider_error".to_owned()));
    let again = world.buy(&shop.buyer, &shop.course_id, CARD).await;
    assert_eq!((again.status, &again.json()["purchase"]["attempts"]), (201, &json!(2)), "{}", again.body);
    one_charge(&world, &shop).await;
}

/// Stripe may roll a failed request forward later: <https://docs.stripe.com/error-low-level>.
#[tokio::test]
async fn what_stripe_carries_out_after_a_stored_500_counts_after_all() {
    let world = World::start().await;
    let shop = world.shop().await;
    world.fault("POST", PAYMENTS, json!({"kind": "status", "status": 500})).await;
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, CARD).await.status, 502);
    let listed = world.get("/purchases").bearer(&shop.buyer.token).await.json();
    let id = listed["items"][0]["id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
    let purchase = world.app.store.purchase(&id).await.expect("the table").expect("a purchase");
    let sent: Vec<(String, String)> = url::form_urlencoded::parse(purchase.attempt().body.as_bytes()).into_owned().collect();
    let sent: Vec<_> = sent.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    assert_eq!(world.in_dashboard("/payment_intents", None, &sent).await["status"], "succeeded");
    one_charge(&world, &shop).await;
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, CARD).await.text("code"), "already_owned");
}

#[tokio::test]
async fn a_stored_500_after_a_crash_does_not_answer_the_next_request() {
    let world = World::start().await;
    let shop = world.shop().await;
    world.fault("POST", PAYMENTS, json!({"kind": "status", "status": 500})).await;
    world.admin("POST", "faults", json!({"match": {"method": "GET", "path": PAYMENTS}, "times": 3, "fault": {"kind": "html_503"}})).await;
    let answer = world.buy(&shop.buyer, &shop.course_id, CARD).await;
    assert_eq!(answer.status, 503, "whether there is a charge is not known: {}", answer.body);
    let again = world.buy(&shop.buyer, &shop.course_id, CARD).await;
    assert_eq!((again.status, &again.json()["purchase"]["attempts"]), (201, &json!(2)), "{}", again.body);
    one_charge(&world, &shop).await;
}

#[tokio::test]
async fn a_stored_500_does_not_prevent_creating_a_customer() {
    for kind in ["status", "status_after"] {
        let world = World::start().await;
        let shop = world.shop().await;
        world.fault("POST", "/v1/customers", json!({"kind": kind, "status": 500})).await;
        let answer = world.buy(&shop.buyer, &shop.course_id, CARD).await;
        assert_eq!(answer.status, 201, "{kind}: {}", answer.body);
        one_charge(&world, &shop).await;
    }
}

#[tokio::test]
async fn a_stored_500_with_a_charge_behind_it_is_found_by_listing() {
    let world = World::start().await;
    let shop = world.shop().await;
    world.fault("POST", PAYMENTS, json!({"kind": "status_after", "status": 500})).await;
    let answer = world.buy(&shop.buyer, &shop.course_id, CARD).await;
    assert_eq!((answer.status, &answer.json()["purchase"]["attempts"]), (201, &json!(1)), "{}", answer.body);
    one_charge(&world, &shop).await;
}

#[tokio::test]
async fn an_unreadable_2xx_means_that_a_charge_was_made() {
    let world = World::start().await;
    let shop = world.shop().await;
    world.fault("POST", PAYMENTS, json!({"kind": "truncate"})).await;
    world.buy(&shop.buyer, &shop.course_id, CARD).await;
    let again = world.buy(&shop.buyer, &shop.course_id, CARD).await;
    assert!(again.status == 201 || again.text("code") == "already_owned", "{}", again.body);
    one_charge(&world, &shop).await;
}

#[tokio::test]
async fn a_lost_charge_is_found_by_its_event() {
    let world = World::start().await;
    let shop = world.shop().await;
    lasting(&world, PAYMENTS, &json!({"kind": "drop_after"})).await;
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, CARD).await.status, 503);
    one_charge(&world, &shop).await;
}

#[tokio::test]
async fn a_lost_charge_is_found_after_its_key_is_forgotten() {
    let world = World::start().await;
    let shop = world.shop().await;
    lasting(&world, PAYMENTS, &json!({"kind": "drop_after"})).await;
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, CARD).await.status, 503);
    // Two days later, without a webhook: the expired key would charge again, so the payments are listed instead.
    world.app.clock.advance(Duration::days(2));
    world.admin("POST", "clock/advance", json!({"seconds": 2 * 24 * 3600})).await;
    let again = world.buy(&shop.buyer, &shop.course_id, CARD).await;
    assert_eq!((again.status, &again.json()["purchase"]["status"]), (201, &json!("paid")), "{}", again.body);
    assert_eq!(world.succeeded(None).await.len(), 1);
}

#[tokio::test]
async fn a_lost_decline_is_found_and_not_retried() {
    let world = World::start().await;
    let shop = world.shop().await;
    lasting(&world, PAYMENTS, &json!({"kind": "drop_after"})).await;
    let declined = "pm_card_visa_chargeDeclined";
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, declined).await.status, 503);
    let found = world.buy(&shop.buyer, &shop.course_id, declined).await;
    assert_eq!((found.status, found.text("decline_code")), (402, "generic_decline".to_owned()));
    let all = world.stripe("/payment_intents", None).await;
    assert_eq!(all["data"].as_array().map(Vec::len), Some(1));
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, CARD).await.status, 201, "another card is another attempt");
    one_charge(&world, &shop).await;
}

#[tokio::test]
async fn a_lost_checkout_is_found_and_not_created_twice() {
    let world = World::start().await;
    let shop = world.shop().await;
    lasting(&world, "/v1/checkout/sessions", &json!({"kind": "drop_after"})).await;
    let ask = || async { world.post("/courses/charge", json!({"course_id": shop.course_id})).bearer(&shop.buyer.token).await };
    assert_eq!(ask().await.status, 503);
    let again = ask().await;
    assert!(again.status == 201 && again.json()["checkout_url"].is_string(), "{}", again.body);
    assert_eq!(world.stripe("/checkout/sessions", None).await["data"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_failure_before_the_intent_leaves_nothing_behind() {
    let world = World::start().await;
    let shop = world.shop().await;
    lasting(&world, "/v1/customers", &json!({"kind": "drop_after"})).await;
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, CARD).await.status, 503);
    assert_eq!(world.get("/purchases").bearer(&shop.buyer.token).await.json()["items"], json!([]));
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, CARD).await.status, 201);
    assert_eq!(world.stripe("/customers", None).await["data"].as_array().map(Vec::len), Some(1), "the customer is not orphaned");
    one_charge(&world, &shop).await;
}

#[tokio::test]
async fn unprocessed_keys_are_requested_again_a_limited_number_of_times() {
    let world = World::start().await;
    let buyer = world.buyer("test@buyer.com").await;
    let id: shared::domain::ids::UserId = buyer.id.parse().expect("an id");
    let table = &world.app.config.table_name;
    let key = json!({"pk": {"S": format!("USER#{id}")}, "sk": {"S": "PROFILE"}});
    let body = json!({"Responses": {table: []}, "UnprocessedKeys": {table: {"Keys": [key], "ConsistentRead": true}}}).to_string();
    let left =
        |times| local::proxy::Fault::next("BatchGetItem", local::proxy::Kind::Answer { status: 200, body: body.clone() }).times(times);
    world.operations();
    world.proxy.inject(left(3));
    let found = world.app.store.users_by_id(std::slice::from_ref(&id)).await.expect("it is read in the end");
    assert_eq!((found.len(), world.operations().len()), (1, 4));
    world.proxy.inject(left(100));
    world.app.store.users_by_id(&[id]).await.expect_err("it is given up");
    assert_eq!(world.operations().len(), 7);
}
