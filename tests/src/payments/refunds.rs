//! Refunds: who may make them, how much, what moves with them, and what happens if they fail.

use serde_json::{Value, json};
use shared::domain::purchase::MovementKind;

use crate::harness::{Answer, Shop, World, patience_with};

async fn bought(world: &World) -> (Shop, String) {
    // Its funds are available at once, so payees can return them.
    bought_with(world, "pm_card_bypassPending").await
}

async fn bought_with(world: &World, card: &str) -> (Shop, String) {
    let shop = world.shop().await;
    let answer = world.buy(&shop.buyer, &shop.course_id, card).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    world.deliver().await;
    let id = answer.json()["purchase"]["id"].as_str().expect("it has an id").to_owned();
    world.asked_stripe().await;
    world.operations();
    (shop, id)
}

async fn refund(world: &World, token: &str, id: &str, body: Value) -> Answer {
    world.post(format!("/purchases/{id}/refund"), body).bearer(token).await
}

async fn sales(world: &World, shop: &Shop) -> Value {
    world.get("/sales").bearer(&shop.seller.token).await.json()
}

/// The sum of an account's charges, refunds and transfers, without Stripe's fees.
async fn held(world: &World, account: Option<&str>) -> i64 {
    let list = world.stripe("/balance_transactions?limit=100", account).await;
    let all = list["data"].as_array().unwrap_or_else(|| panic!("{list}")).clone();
    let stripe_fee = |one: &Value| -> i64 {
        let fees = one["fee_details"].as_array().cloned().unwrap_or_default();
        fees.iter().filter(|fee| fee["type"] != "application_fee").filter_map(|fee| fee["amount"].as_i64()).sum()
    };
    all.iter().map(|one| one["net"].as_i64().unwrap_or(0) + stripe_fee(one)).sum()
}

#[tokio::test]
async fn a_refund_moves_everybodys_part_for_each_type_of_charge() {
    for charge_type in ["direct", "destination", "separate"] {
        let world = World::with(&[("CHARGE_TYPE", charge_type)]).await;
        let (shop, id) = bought(&world).await;
        let (platform, seller) = (held(&world, None).await, held(&world, Some(&shop.account)).await);
        assert_eq!((platform, seller), (2500, 2500), "{charge_type}");

        let answer = refund(&world, &shop.seller.token, &id, json!({"amount": 1001})).await;
        assert_eq!(answer.status, 200, "{charge_type}: {}", answer.body);
        let purchase = answer.json();
        assert_eq!((&purchase["status"], &purchase["refunded"]), (&json!("partially_refunded"), &json!(1001)), "{charge_type}");
        let made = &purchase["refunds"][0];
        assert_eq!((&made["amount"], &made["status"], &made["application_fee_refunded"]), (&json!(1001), &json!("succeeded"), &json!(501)));
        let reversed = match charge_type {
            "direct" => 0,
            "destination" => 1001,
            _ => 500,
        };
        assert_eq!(made["transfer_reversed"], reversed, "{charge_type}");
        assert_eq!((held(&world, None).await, held(&world, Some(&shop.account)).await), (1999, 2000), "{charge_type}");

        world.deliver().await;
        let sale = sales(&world, &shop).await;
        assert_eq!((&sale["items"][0]["net"], &sale["items"][0]["refunded"]), (&json!(2000), &json!(1001)), "{charge_type}");
        assert_eq!((&sale["totals"][0]["net"], &sale["totals"][0]["refunded"]), (&json!(2000), &json!(1001)), "{charge_type}");
        assert_eq!(sale["totals"][0]["application_fee"], 1999, "{charge_type}");

        let rest = refund(&world, &shop.seller.token, &id, json!({})).await;
        assert_eq!((rest.status, &rest.json()["status"]), (200, &json!("refunded")), "{charge_type}: {}", rest.body);
        assert_eq!((held(&world, None).await, held(&world, Some(&shop.account)).await), (0, 0), "{charge_type}");
        world.deliver().await;
        let sale = sales(&world, &shop).await;
        assert_eq!((&sale["items"][0]["net"], &sale["totals"][0]["net"]), (&json!(0), &json!(0)), "{charge_type}");
        assert_eq!(sale["items"][0]["application_fee_refunded"], 2500, "{charge_type}");
        let once_more = refund(&world, &shop.seller.token, &id, json!({})).await;
        once_more.is_problem(409, "already_refunded", "this purchase was already refunded in full");
        world.books().await;
    }
}

#[tokio::test]
async fn a_refund_is_three_trips_and_one_call() {
    let world = World::start().await;
    let (shop, id) = bought(&world).await;
    assert_eq!(refund(&world, &shop.seller.token, &id, json!({})).await.status, 200);
    let mut operations = world.operations();
    operations[..2].sort();
    assert_eq!(operations, ["BatchGetItem", "GetItem", "TransactWriteItems", "TransactWriteItems"], "the first two are parallel");
    assert_eq!(world.asked_stripe().await, ["POST /v1/refunds"]);
}

#[tokio::test]
async fn refunds_are_for_the_seller_and_staff() {
    let world = World::start().await;
    let (shop, id) = bought(&world).await;
    let (stranger, other) = (world.buyer("stranger@example.com").await, world.seller("other@example.com").await);
    refund(&world, &shop.buyer.token, &id, json!({})).await.is_problem(403, "forbidden", "you may not do this");
    for person in [&stranger, &other] {
        refund(&world, &person.token, &id, json!({})).await.is_problem(404, "not_found", "there is no such purchase");
    }
    world.post(format!("/purchases/{id}/refund"), json!({})).await.is_problem(401, "not_signed_in", "log in first");
    refund(&world, &shop.seller.token, "pur_x", json!({})).await.is_problem(404, "not_found", "there is no such purchase");
    for amount in [json!(0), json!(-1)] {
        let answer = refund(&world, &shop.seller.token, &id, json!({"amount": amount})).await;
        answer.is_problem(422, "invalid_request", "amount must be at least 1 minor unit");
    }
    assert_eq!(refund(&world, &shop.seller.token, &id, json!({"amount": "all"})).await.status, 422);
    let answer = refund(&world, &shop.seller.token, &id, json!({"amount": 5001})).await;
    assert_eq!((answer.status, answer.text("code"), &answer.json()["left"]["amount"]), (422, "refund_too_large".into(), &json!(5000)));
    assert!(world.asked_stripe().await.is_empty(), "nothing of this reaches Stripe");
    let staff = world.staff("staff@example.com").await;
    assert_eq!(refund(&world, &staff.token, &id, json!({"amount": 1})).await.status, 200);
}

#[tokio::test]
async fn an_unpaid_purchase_cannot_be_refunded() {
    let world = World::start().await;
    let shop = world.shop().await;
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, "pm_card_visa_chargeDeclined").await.status, 402);
    let purchases = world.get("/purchases").bearer(&shop.buyer.token).await.json();
    let id = purchases["items"][0]["id"].as_str().expect("it is on record");
    refund(&world, &shop.seller.token, id, json!({})).await.is_problem(409, "not_paid", "this purchase was not paid");
}

#[tokio::test]
async fn concurrent_refunds_never_exceed_what_was_paid() {
    let world = World::start().await;
    let (shop, id) = bought(&world).await;
    let asks = (0..8).map(|number| {
        let (world, token, id) = (&world, &shop.seller.token, &id);
        async move {
            let amount = json!({"amount": 1000 + number});
            world.post(format!("/purchases/{id}/refund"), amount).header("idempotency-key", format!("ask-{number}")).bearer(token).await
        }
    });
    let answers = futures_util::future::join_all(asks).await;
    for answer in &answers {
        assert!([200, 409, 422, 503].contains(&answer.status), "{}: {}", answer.status, answer.body);
    }
    world.deliver().await;
    let list = world.stripe("/refunds?limit=100", None).await;
    let given: i64 = list["data"].as_array().expect("a list").iter().filter_map(|one| one["amount"].as_i64()).sum();
    assert!((1000..=5000).contains(&given), "{given}");
    let purchase = world.get(format!("/purchases/{id}")).bearer(&shop.buyer.token).await.json();
    assert_eq!(purchase["refunded"], given);
    let sale = sales(&world, &shop).await;
    assert_eq!(sale["items"][0]["net"], held(&world, Some(&shop.account)).await);
    world.books().await;
}

#[tokio::test]
async fn a_double_click_is_one_refund() {
    let world = World::start().await;
    let (shop, id) = bought(&world).await;
    let ask = || {
        let request = world.post(format!("/purchases/{id}/refund"), json!({"amount": 700})).bearer(&shop.seller.token);
        request.header("idempotency-key", "click-1")
    };
    let (one, other) = tokio::join!(ask(), ask());
    assert!(one.status == 200 || other.status == 200, "{} {}", one.body, other.body);
    let later = ask().await;
    assert_eq!((later.status, &later.json()["refunded"]), (200, &json!(700)));
    let changed = world.post(format!("/purchases/{id}/refund"), json!({"amount": 800})).bearer(&shop.seller.token);
    let changed = changed.header("idempotency-key", "click-1").await;
    changed.is_problem(422, "invalid_request", "this Idempotency-Key was used for a refund of another amount");
    assert_eq!(world.stripe("/refunds", None).await["data"].as_array().map(Vec::len), Some(1));
}

/// The answer gets lost on its way to the client, which repeats the request without a key.
#[tokio::test]
async fn a_repeated_partial_refund_without_a_key_is_made_once() {
    let world = World::start().await;
    let (shop, id) = bought(&world).await;
    let staff = world.staff("staff@example.com").await;
    let ask = async |token: &str| refund(&world, token, &id, json!({"amount": 700})).await;
    let (one, other) = tokio::join!(ask(&shop.seller.token), ask(&shop.seller.token));
    let made = async || world.stripe("/refunds", None).await["data"].as_array().map(Vec::len);
    assert!(one.status == 200 || other.status == 200, "{} {}", one.body, other.body);
    assert_eq!(made().await, Some(1), "two at once are one");
    world.pass(time::Duration::minutes(9)).await;
    let again = ask(&shop.seller.token).await;
    assert_eq!((again.status, &again.json()["refunded"], made().await), (200, &json!(700), Some(1)), "{}", again.body);
    let others = ask(&staff.token).await;
    assert_eq!((others.status, &others.json()["refunded"], made().await), (200, &json!(1400), Some(2)), "somebody else's is another");
    let keyed = world.post(format!("/purchases/{id}/refund"), json!({"amount": 700})).bearer(&shop.seller.token);
    let keyed = keyed.header("idempotency-key", "second").await;
    assert_eq!((keyed.status, &keyed.json()["refunded"], made().await), (200, &json!(2100), Some(3)), "a key of its own is another");
    world.pass(time::Duration::minutes(10)).await;
    let later = ask(&shop.seller.token).await;
    assert_eq!((later.status, &later.json()["refunded"], made().await), (200, &json!(2800), Some(4)), "{}", later.body);
}

#[tokio::test]
async fn a_refund_whose_answer_is_lost_is_found_and_not_made_twice() {
    for fault in [json!({"kind": "drop_after"}), json!({"kind": "drop_before"}), json!({"kind": "html_503"}), json!({"kind": "no_answer"})]
    {
        let world = World::with(&[("STRIPE_TIMEOUT_MS", patience_with(&fault))]).await;
        let (shop, id) = bought(&world).await;
        let lasting = json!({"match": {"method": "POST", "path": "/v1/refunds"}, "times": 3, "fault": fault});
        world.admin("POST", "faults", lasting).await;
        let lost = refund(&world, &shop.seller.token, &id, json!({"amount": 1000})).await;
        assert!([503, 504].contains(&lost.status), "{fault}: {}", lost.body);
        world.admin("DELETE", "faults", json!({})).await;
        let again = refund(&world, &shop.seller.token, &id, json!({"amount": 1000})).await;
        assert_eq!((again.status, &again.json()["refunded"]), (200, &json!(1000)), "{fault}: {}", again.body);
        let list = world.stripe("/refunds", None).await;
        assert_eq!(list["data"].as_array().map(Vec::len), Some(1), "{fault}");

        // All that is left is another refund than the one whose answer was lost.
        world.admin("POST", "faults", json!({"match": {"method": "POST", "path": "/v1/refunds"}, "times": 3, "fault": fault})).await;
        assert!([503, 504].contains(&refund(&world, &shop.seller.token, &id, json!({"amount": 1001})).await.status), "{fault}");
        world.admin("DELETE", "faults", json!({})).await;
        let rest = refund(&world, &shop.seller.token, &id, json!({})).await;
        assert_eq!((rest.status, &rest.json()["refunded"]), (200, &json!(5000)), "{fault}: {}", rest.body);
    }
}

/// Stripe may roll a failed request forward later: <https://docs.stripe.com/error-low-level>.
#[tokio::test]
async fn a_refund_that_stripe_carries_out_after_a_stored_500_counts_and_nobody_has_their_part_twice() {
    for charge_type in ["destination", "separate"] {
        let world = World::with(&[("CHARGE_TYPE", charge_type)]).await;
        let (shop, id) = bought(&world).await;
        world.fault("POST", "/v1/refunds", json!({"kind": "status", "status": 500})).await;
        let failed = refund(&world, &shop.seller.token, &id, json!({"amount": 1000})).await;
        assert_ne!(failed.status, 200, "{charge_type}: {}", failed.body);
        let purchase = world.app.store.purchase(&id.parse().expect("an id")).await.expect("the table").expect("a purchase");
        let movement = purchase.movements().iter().find(|one| one.kind == MovementKind::Refund).expect("a refund");
        assert_eq!(movement.failure.as_deref(), Some("never_made"), "{charge_type}");
        // What payees returned for it, they get again.
        world.pass(time::Duration::minutes(30)).await;
        world.reconcile().await;
        assert_eq!(held(&world, Some(&shop.account)).await, 2500, "{charge_type}");
        let mut form = vec![
            ("payment_intent", purchase.attempt().payment_intent.clone().expect("it is paid")),
            ("amount", "1000".to_owned()),
            ("metadata[purchase_id]", id.clone()),
            ("metadata[movement]", movement.number.to_string()),
        ];
        if charge_type == "destination" {
            form.extend([("reverse_transfer", "true".to_owned()), ("refund_application_fee", "true".to_owned())]);
        }
        world.in_dashboard("/refunds", None, &form).await;
        world.deliver().await;
        for _ in 0..3 {
            world.pass(time::Duration::days(4)).await;
            world.reconcile().await;
        }
        let purchase = world.get(format!("/purchases/{id}")).bearer(&shop.buyer.token).await.json();
        assert_eq!((&purchase["status"], &purchase["refunded"]), (&json!("partially_refunded"), &json!(1000)), "{charge_type}");
        assert_eq!(held(&world, Some(&shop.account)).await, 2000, "{charge_type}: the seller has their part of what is left, once");
        assert_eq!(sales(&world, &shop).await["items"][0]["net"], 2000, "{charge_type}");
        world.books().await;
    }
}

#[tokio::test]
async fn a_lost_refund_is_finished_by_the_reconciliation() {
    let world = World::with(&[("CHARGE_TYPE", "separate")]).await;
    let (shop, id) = bought(&world).await;
    let lasting = json!({"match": {"method": "POST", "path": "/v1/refunds"}, "times": 3, "fault": {"kind": "drop_before"}});
    world.admin("POST", "faults", lasting).await;
    assert_eq!(refund(&world, &shop.seller.token, &id, json!({})).await.status, 503);
    assert_eq!(world.reconcile().await.checked, 0, "the request may still be in progress");
    world.pass(time::Duration::minutes(5)).await;
    assert_eq!(world.reconcile().await.repaired, 1);
    let purchase = world.get(format!("/purchases/{id}")).bearer(&shop.buyer.token).await.json();
    assert_eq!(purchase["status"], "refunded");
    assert_eq!(held(&world, Some(&shop.account)).await, 0, "the seller's part was reversed with it");
    assert_eq!(world.reconcile().await.checked, 0, "it is at rest");
}

#[tokio::test]
async fn a_refund_that_the_bank_returns_does_not_count() {
    for charge_type in ["destination", "separate"] {
        let world = World::with(&[("CHARGE_TYPE", charge_type)]).await;
        let (shop, id) = bought(&world).await;
        assert_eq!(refund(&world, &shop.seller.token, &id, json!({})).await.status, 200);
        world.deliver().await;
        let refund = world.stripe("/refunds", None).await["data"][0]["id"].as_str().expect("an id").to_owned();
        world.admin("POST", &format!("refunds/{refund}/fail"), json!({})).await;
        world.deliver().await;
        // What was reversed is transferred again once the funds are available.
        world.pass(time::Duration::days(8)).await;
        world.reconcile().await;
        let purchase = world.get(format!("/purchases/{id}")).bearer(&shop.buyer.token).await.json();
        assert_eq!((&purchase["status"], &purchase["refunded"]), (&json!("paid"), &json!(0)), "{charge_type}");
        assert_eq!(purchase["refunds"][0]["status"], "failed");
        let sale = sales(&world, &shop).await;
        assert_eq!(sale["items"][0]["net"], held(&world, Some(&shop.account)).await, "{charge_type}");
        assert_eq!(sale["items"][0]["net"], 2500, "{charge_type}: the seller has their part again");
        world.books().await;
    }
}

#[tokio::test]
async fn a_buyer_who_bought_again_keeps_the_course_whatever_happens_to_the_first_purchase() {
    let world = World::with(&[("CHARGE_TYPE", "separate")]).await;
    let (shop, first) = bought(&world).await;
    assert_eq!(refund(&world, &shop.seller.token, &first, json!({})).await.status, 200);
    world.deliver().await;
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await.status, 201);
    let sent_back = world.stripe("/refunds", None).await["data"][0]["id"].as_str().expect("an id").to_owned();
    world.admin("POST", &format!("refunds/{sent_back}/fail"), json!({})).await;
    world.deliver().await;
    world.pass(time::Duration::days(8)).await;
    world.reconcile().await;
    // Several refunds, so that the first purchase reaches the version that the slot has.
    for _ in 0..4 {
        assert_eq!(refund(&world, &shop.seller.token, &first, json!({"amount": 1250})).await.status, 200);
        world.deliver().await;
        let content = world.get(format!("/courses/{}/content", shop.course_id)).bearer(&shop.buyer.token).await;
        assert_eq!(content.status, 200, "{}", content.body);
        let again = world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await;
        assert_eq!((again.status, again.text("code")), (409, "already_owned".to_owned()));
    }
    assert_eq!(world.succeeded(None).await.len(), 2);
}

#[tokio::test]
async fn a_returned_refund_restores_access_after_an_attempt_to_buy_again() {
    let world = World::start().await;
    let (shop, first) = bought(&world).await;
    assert_eq!(refund(&world, &shop.seller.token, &first, json!({})).await.status, 200);
    world.deliver().await;
    let reads = async || world.get(format!("/courses/{}/content", shop.course_id)).bearer(&shop.buyer.token).await.status;
    let tries = async |card| {
        let answer = world.buy(&shop.buyer, &shop.course_id, card).await;
        (answer.status, answer.text("code"))
    };
    assert_eq!(tries("pm_card_visa_chargeDeclined").await, (402, "card_declined".to_owned()));
    assert_eq!(reads().await, 403);
    let sent_back = world.stripe("/refunds", None).await["data"][0]["id"].as_str().expect("an id").to_owned();
    world.admin("POST", &format!("refunds/{sent_back}/fail"), json!({})).await;
    world.deliver().await;
    assert_eq!(reads().await, 200, "the money is with the seller");
    assert_eq!(tries("pm_card_visa").await, (409, "already_owned".to_owned()));
    // Late events of the failed second purchase do not end the first one.
    world.deliver().await;
    assert_eq!(reads().await, 200);
    assert_eq!(refund(&world, &shop.seller.token, &first, json!({})).await.status, 200);
    world.deliver().await;
    assert_eq!(reads().await, 403);
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await.status, 201);
    assert_eq!(reads().await, 200);
}

#[tokio::test]
async fn refunds_made_in_stripes_dashboard_are_taken_in() {
    for (charge_type, reverse) in [("destination", true), ("destination", false), ("direct", false)] {
        let world = World::with(&[("CHARGE_TYPE", charge_type)]).await;
        let (shop, id) = bought(&world).await;
        let account = (charge_type == "direct").then_some(shop.account.as_str());
        let payment = world.succeeded(account).await.remove(0);
        let mut form = vec![("payment_intent", payment["id"].as_str().expect("an id").to_owned()), ("amount", "1000".to_owned())];
        if reverse {
            form.push(("reverse_transfer", "true".to_owned()));
            form.push(("refund_application_fee", "true".to_owned()));
        }
        assert_eq!(world.in_dashboard("/refunds", account, &form).await["status"], "succeeded");
        world.deliver().await;
        let purchase = world.get(format!("/purchases/{id}")).bearer(&shop.buyer.token).await.json();
        assert_eq!((&purchase["refunded"], &purchase["refunds"][0]["amount"]), (&json!(1000), &json!(1000)), "{charge_type} {reverse}");
        let sale = sales(&world, &shop).await;
        assert_eq!(sale["items"][0]["net"], held(&world, Some(&shop.account)).await, "{charge_type} {reverse}");
        let rest = refund(&world, &shop.seller.token, &id, json!({"amount": 4001})).await;
        assert_eq!((rest.status, rest.text("code")), (422, "refund_too_large".to_owned()));
    }
}

#[tokio::test]
async fn the_platform_knows_its_fee_of_a_refund_on_an_unreachable_account() {
    let world = World::with(&[("CHARGE_TYPE", "direct")]).await;
    let (shop, _) = bought(&world).await;
    let payment = world.succeeded(Some(&shop.account)).await.remove(0);
    let form = [
        ("payment_intent", payment["id"].as_str().expect("an id").to_owned()),
        ("amount", "1000".to_owned()),
        ("refund_application_fee", "true".to_owned()),
    ];
    assert_eq!(world.in_dashboard("/refunds", Some(&shop.account), &form).await["status"], "succeeded");
    let held = held(&world, Some(&shop.account)).await;
    world.admin("POST", &format!("accounts/{}/deauthorize", shop.account), json!({})).await;
    world.deliver().await;
    let fee = world.stripe("/application_fees", None).await["data"][0].clone();
    assert!(fee["amount_refunded"].as_i64() > Some(0), "{fee}");
    let sale = sales(&world, &shop).await["items"][0].clone();
    assert_eq!((&sale["refunded"], &sale["application_fee_refunded"]), (&json!(1000), &fee["amount_refunded"]));
    assert_eq!(sale["net"], held);
}

#[tokio::test]
async fn a_refund_that_stripe_refuses_moves_nothing_and_says_why() {
    let world = World::start().await;
    let (shop, id) = bought(&world).await;
    // Somebody was faster in the Dashboard, and the events are on their way.
    let payment = world.succeeded(None).await.remove(0);
    let form = [("payment_intent", payment["id"].as_str().expect("an id"))];
    let request = world.app.http.post(format!("{}/v1/refunds", world.app.config.stripe_api_base)).bearer_auth("sk_test_local");
    assert_eq!(request.form(&form).send().await.expect("it runs").status().as_u16(), 200);
    let answer = refund(&world, &shop.seller.token, &id, json!({})).await;
    answer.is_problem(409, "refund_refused", "the payment provider refused the refund: charge_already_refunded");
    let purchase = world.get(format!("/purchases/{id}")).bearer(&shop.buyer.token).await.json();
    assert_eq!(purchase["status"], "refunded", "it was looked up");
    world.deliver().await;
    let purchase = world.get(format!("/purchases/{id}")).bearer(&shop.buyer.token).await.json();
    assert_eq!((&purchase["status"], purchase["refunds"].as_array().map(Vec::len)), (&json!("refunded"), Some(1)));
}

#[tokio::test]
async fn a_pending_refund_is_followed_to_its_end() {
    let world = World::start().await;
    let (shop, id) = bought_with(&world, "pm_card_pendingRefund").await;
    let answer = refund(&world, &shop.seller.token, &id, json!({})).await;
    assert_eq!((answer.status, &answer.json()["refunds"][0]["status"]), (200, &json!("pending")), "{}", answer.body);
    let refund = world.stripe("/refunds", None).await["data"][0]["id"].as_str().expect("an id").to_owned();
    world.admin("POST", &format!("refunds/{refund}/succeed"), json!({})).await;
    // No event arrives; a day later Stripe is asked.
    world.pass(time::Duration::days(2)).await;
    assert_eq!(world.reconcile().await.repaired, 1);
    let purchase = world.get(format!("/purchases/{id}")).bearer(&shop.buyer.token).await.json();
    assert_eq!(purchase["refunds"][0]["status"], "succeeded");
}

/// After a failed refund, the seller's share is in a transfer that Stripe does not reverse with the next refund. So it is reversed
/// first; otherwise a seller who was already paid out could make the platform pay the buyer.
#[tokio::test]
async fn a_refund_after_a_returned_one_waits_for_the_sellers_part() {
    for part in [json!({}), json!({"amount": 2000})] {
        let world = World::start().await;
        let (shop, id) = bought(&world).await;
        let seen = async || world.get(format!("/purchases/{id}")).bearer(&shop.buyer.token).await.json();
        assert_eq!(refund(&world, &shop.seller.token, &id, json!({})).await.status, 200);
        world.deliver().await;
        let first = world.stripe("/refunds", None).await["data"][0]["id"].as_str().expect("an id").to_owned();
        world.admin("POST", &format!("refunds/{first}/fail"), json!({})).await;
        world.deliver().await;
        world.pass(time::Duration::days(8)).await;
        world.reconcile().await;
        let before = held(&world, Some(&shop.account)).await;
        assert_eq!(before, 2500, "the seller has their part again");
        world.admin("POST", &format!("accounts/{}/payout", shop.account), json!({})).await;

        let waiting = refund(&world, &shop.seller.token, &id, part.clone()).await;
        assert_eq!((waiting.status, &waiting.json()["refunds"][1]["status"]), (202, &json!("waiting")), "{}", waiting.body);
        assert_eq!(world.stripe("/refunds", None).await["data"].as_array().map(Vec::len), Some(1), "no money has left");
        let debts = world.get("/sales").bearer(&shop.seller.token).await.json()["debts"].clone();
        assert_eq!(debts[0]["reason"], "balance_insufficient", "{debts}");

        // Another sale adds to the seller's balance, and both steps then complete by themselves.
        let other = world.buyer("other@example.com").await;
        assert_eq!(world.buy(&other, &shop.course_id, "pm_card_bypassPending").await.status, 201);
        world.pass(time::Duration::hours(2)).await;
        world.reconcile().await;
        world.deliver().await;
        let (done, amount) = (seen().await, part["amount"].as_i64().unwrap_or(5000));
        assert_eq!((&done["refunds"][1]["status"], &done["refunded"]), (&json!("succeeded"), &json!(amount)), "{done}");
        assert_eq!(world.get("/sales").bearer(&shop.seller.token).await.json()["debts"], Value::Null);
        let sale = sales(&world, &shop).await;
        let first = sale["items"].as_array().and_then(|all| all.iter().find(|one| one["purchase_id"] == *id)).expect("it is listed");
        assert_eq!(first["net"], (5000 - amount) / 2, "{first}");
        world.books().await;
    }
}
