//! The reconciliation finds what requests and webhooks missed.

use serde_json::{Value, json};
use time::Duration;

use crate::harness::{Shop, World};

const CARD: &str = "pm_card_visa";

async fn lasting(world: &World, path: &str, kind: &str) {
    world.admin("POST", "faults", json!({"match": {"method": "POST", "path": path}, "times": 3, "fault": {"kind": kind}})).await;
}

async fn first(world: &World, shop: &Shop) -> Value {
    world.get("/purchases").bearer(&shop.buyer.token).await.json()["items"][0].clone()
}

/// Stripe's next events are lost.
async fn no_webhooks(world: &World) {
    world.admin("POST", "webhooks/mode", json!({"drop_next": 100, "own_clock": true})).await;
}

#[tokio::test]
async fn a_charge_that_nobody_heard_of_is_found_and_one_that_stripe_never_made_is_not_made() {
    for (kind, status, payments) in [("drop_after", "paid", 1), ("drop_before", "failed", 0)] {
        let world = World::start().await;
        let shop = world.shop().await;
        no_webhooks(&world).await;
        lasting(&world, "/v1/payment_intents", kind).await;
        assert_eq!(world.buy(&shop.buyer, &shop.course_id, CARD).await.status, 503);
        assert_eq!(world.reconcile().await.checked, 0, "the buyer may still try again");
        world.pass(Duration::minutes(6)).await;
        assert_eq!(world.reconcile().await.repaired, 1, "{kind}");
        assert_eq!(first(&world, &shop).await["status"], status, "{kind}");
        assert_eq!(world.succeeded(None).await.len(), payments, "{kind}");
        world.operations();
        assert_eq!(world.reconcile().await.checked, 0);
        let operations = world.operations();
        assert!(
            operations.len() <= 54,
            "it costs the parts of what is due, of open pages, of the ledger and of the accounts, and its progress, not the table: {operations:?}"
        );
    }
}

#[tokio::test]
async fn a_lost_charge_of_yesterday_is_found_without_its_key() {
    let world = World::start().await;
    let shop = world.shop().await;
    no_webhooks(&world).await;
    lasting(&world, "/v1/payment_intents", "drop_after").await;
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, CARD).await.status, 503);
    world.pass(Duration::days(2)).await;
    world.reconcile().await;
    assert_eq!(first(&world, &shop).await["status"], "paid");
    assert_eq!(world.succeeded(None).await.len(), 1);
}

#[tokio::test]
async fn a_payment_that_the_buyer_left_lying_is_taken_back_after_a_day() {
    let world = World::start().await;
    let shop = world.shop().await;
    let waiting = world.buy(&shop.buyer, &shop.course_id, "pm_card_threeDSecure2Required").await;
    assert_eq!(waiting.json()["purchase"]["status"], "requires_action");
    no_webhooks(&world).await;
    world.pass(Duration::minutes(20)).await;
    let report = world.reconcile().await;
    assert_eq!((report.checked, report.repaired), (1, 0), "it waits for the buyer");
    assert_eq!(world.reconcile().await.checked, 0, "and is looked at later again");
    world.pass(Duration::hours(25)).await;
    assert_eq!(world.reconcile().await.repaired, 1);
    assert_eq!(first(&world, &shop).await["status"], "canceled");
    let payments = world.stripe("/payment_intents", None).await;
    assert_eq!(payments["data"][0]["status"], "canceled");
    world.pass(Duration::days(2)).await;
    assert_eq!(world.reconcile().await.checked, 0);
}

#[tokio::test]
async fn a_checkout_that_was_paid_unheard_is_found() {
    let world = World::start().await;
    let shop = world.shop().await;
    let open = world.post("/courses/charge", json!({"course_id": shop.course_id})).bearer(&shop.buyer.token).await;
    assert_eq!(open.status, 201, "{}", open.body);
    no_webhooks(&world).await;
    let sessions = world.stripe("/checkout/sessions", None).await;
    let id = sessions["data"][0]["id"].as_str().expect("an id").to_owned();
    world.admin("POST", &format!("checkout/sessions/{id}/pay"), json!({"card": CARD})).await;
    world.pass(Duration::minutes(31)).await;
    assert_eq!(world.reconcile().await.repaired, 1);
    assert_eq!(first(&world, &shop).await["status"], "paid");
    let sale = world.get("/sales").bearer(&shop.seller.token).await.json();
    assert_eq!(sale["items"][0]["stripe_fee"], 175, "what Stripe took is known with it");
}

#[tokio::test]
async fn a_payment_without_a_purchase_is_put_on_record() {
    let world = World::with(&[("ORPHAN_POLICY", "record")]).await;
    let shop = world.shop().await;
    world.reconcile().await;
    let answer = world.buy(&shop.buyer, &shop.course_id, CARD).await;
    let id = answer.json()["purchase"]["id"].as_str().expect("an id").to_owned();
    world.forget_purchase(&id).await;
    assert_eq!(world.get("/purchases").bearer(&shop.buyer.token).await.json()["items"], json!([]));
    world.pass(Duration::minutes(30)).await;
    assert_eq!(world.reconcile().await.recorded, 1);
    let found = first(&world, &shop).await;
    assert_eq!((&found["id"], &found["status"], &found["amount"]), (&json!(id), &json!("paid"), &json!(5000)));
    assert_eq!(world.get(format!("/courses/{}/content", shop.course_id)).bearer(&shop.buyer.token).await.status, 200);
    let report = world.reconcile().await;
    assert_eq!((report.recorded, report.returned), (0, 0));
}

#[tokio::test]
async fn a_payment_for_nothing_is_given_back() {
    let world = World::with(&[("ORPHAN_POLICY", "record")]).await;
    let shop = world.shop().await;
    world.reconcile().await;
    let answer = world.buy(&shop.buyer, &shop.course_id, CARD).await;
    let id = answer.json()["purchase"]["id"].as_str().expect("an id").to_owned();
    world.forget_purchase(&id).await;
    // Meanwhile the buyer has bought the course again.
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, CARD).await.status, 201);
    world.pass(Duration::minutes(30)).await;
    assert_eq!(world.reconcile().await.returned, 1);
    let charges = world.stripe("/charges", None).await;
    let refunded: Vec<&Value> = charges["data"].as_array().expect("a list").iter().map(|one| &one["refunded"]).collect();
    assert_eq!(refunded, [&json!(false), &json!(true)]);
    let transfers = world.stripe("/transfers", None).await;
    assert_eq!(transfers["data"][1]["reversed"], true);
    world.pass(Duration::hours(1)).await;
    assert_eq!(world.reconcile().await.returned, 0);
}

#[tokio::test]
async fn an_hours_books_agree_and_a_wrong_amount_is_seen() {
    for charge_type in ["destination", "direct", "separate"] {
        let world = World::with(&[("CHARGE_TYPE", charge_type)]).await;
        let shop = world.shop().await;
        world.reconcile().await;
        let answer = world.buy(&shop.buyer, &shop.course_id, "pm_card_bypassPending").await;
        let id = answer.json()["purchase"]["id"].as_str().expect("an id").to_owned();
        world.deliver().await;
        let refund = world.post(format!("/purchases/{id}/refund"), json!({"amount": 1000})).bearer(&shop.seller.token).await;
        assert_eq!(refund.status, 200, "{}", refund.body);
        world.deliver().await;
        world.pass(Duration::hours(5)).await;
        let report = world.reconcile().await;
        assert!(report.hours >= 2, "{report:?}");
        assert_eq!(report.differences, 0, "{charge_type}");

        // Somebody changes the table by hand.
        let other = world.buyer("other@example.com").await;
        let answer = world.buy(&other, &shop.course_id, CARD).await;
        let id = answer.json()["purchase"]["id"].as_str().expect("an id").to_owned();
        world.forget_purchase(&id).await;
        world.pass(Duration::hours(5)).await;
        let policy = world.reconcile().await;
        assert!(policy.differences > 0 || policy.recorded + policy.returned > 0, "{charge_type}: {policy:?}");
    }
}

#[tokio::test]
async fn an_account_that_took_its_access_away_does_not_hold_up_the_books_of_others() {
    let world = World::with(&[("CHARGE_TYPE", "direct")]).await;
    let shop = world.shop().await;
    world.reconcile().await;
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, CARD).await.status, 201);
    world.deliver().await;
    world.admin("POST", &format!("accounts/{}/deauthorize", shop.account), json!({})).await;
    world.deliver().await;
    world.pass(Duration::hours(5)).await;
    let report = world.reconcile().await;
    assert!(report.hours >= 2, "{report:?}");
    assert_eq!(report.differences, 0, "{report:?}");
}

/// The buyer buys the course. Returns the purchase's id and its payment.
async fn sold(world: &World, shop: &Shop) -> (String, Value) {
    let answer = world.buy(&shop.buyer, &shop.course_id, CARD).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    world.deliver().await;
    let account =
        (world.app.config.terms.charge_type == Some(shared::domain::charging::ChargeType::Direct)).then_some(shop.account.as_str());
    let payment = world.succeeded(account).await.remove(0);
    (answer.json()["purchase"]["id"].as_str().expect("an id").to_owned(), payment)
}

#[tokio::test]
async fn what_stripes_books_have_and_no_event_told_is_taken_in() {
    for charge_type in ["destination", "direct", "separate"] {
        let world = World::with(&[("CHARGE_TYPE", charge_type)]).await;
        let shop = world.shop().await;
        world.reconcile().await;
        let (_, payment) = sold(&world, &shop).await;
        let account = (charge_type == "direct").then_some(shop.account.as_str());
        no_webhooks(&world).await;
        // In another hour, in which we moved nothing on that account.
        world.pass(Duration::hours(2)).await;
        let form = [("payment_intent", payment["id"].as_str().expect("an id").to_owned()), ("amount", "1000".to_owned())];
        assert_eq!(world.in_dashboard("/refunds", account, &form).await["amount"], 1000);
        let charge = payment["latest_charge"].as_str().expect("a charge");
        world.admin("POST", &format!("charges/{charge}/dispute"), json!({"amount": 700})).await;
        world.pass(Duration::hours(5)).await;
        let report = world.reconcile().await;
        assert_eq!((report.repaired > 0, report.differences), (true, 0), "{charge_type}: {report:?}");
        let purchase = first(&world, &shop).await;
        assert_eq!((&purchase["refunded"], &purchase["status"]), (&json!(1000), &json!("disputed")), "{charge_type}");
        world.pass(Duration::hours(1)).await;
        assert_eq!(world.reconcile().await.repaired, 0, "{charge_type}: once");
    }
}

#[tokio::test]
async fn what_moved_while_an_account_was_out_of_reach_is_taken_in_when_it_is_linked_again() {
    let world = World::with(&[("CHARGE_TYPE", "direct")]).await;
    let shop = world.shop().await;
    world.reconcile().await;
    let (_, payment) = sold(&world, &shop).await;
    no_webhooks(&world).await;
    let form = [("payment_intent", payment["id"].as_str().expect("an id").to_owned()), ("amount", "1000".to_owned())];
    assert_eq!(world.in_dashboard("/refunds", Some(&shop.account), &form).await["amount"], 1000);
    world.admin("POST", &format!("accounts/{}/deauthorize", shop.account), json!({})).await;
    for _ in 0..3 {
        world.pass(Duration::days(1)).await;
        assert_eq!(world.reconcile().await.differences, 0);
    }
    assert_eq!(first(&world, &shop).await["refunded"], 0, "nobody could know");
    assert_eq!(world.link_by(&shop.seller, "/users/authorize", Some(&shop.account)).await, shop.account);
    world.pass(Duration::hours(1)).await;
    assert_eq!(world.reconcile().await.repaired, 1);
    assert_eq!(first(&world, &shop).await["refunded"], 1000);
}

#[tokio::test]
async fn a_dispute_of_whose_end_nobody_told_is_asked_for() {
    let world = World::start().await;
    let mut shop = world.shop().await;
    let (_, payment) = sold(&world, &shop).await;
    let charge = payment["latest_charge"].as_str().expect("a charge");
    world.admin("POST", &format!("charges/{charge}/dispute"), json!({})).await;
    world.deliver().await;
    no_webhooks(&world).await;
    world.pass(Duration::days(8)).await;
    world.reconcile().await;
    assert_eq!(first(&world, &shop).await["dispute"]["status"], "needs_response");
    world.pass(Duration::hours(1)).await;
    assert_eq!(world.reconcile().await.checked, 0, "it is not asked for again at once");
    let dispute = world.stripe("/disputes", None).await["data"][0]["id"].as_str().expect("an id").to_owned();
    world.admin("POST", &format!("disputes/{dispute}/close"), json!({"outcome": "lost"})).await;
    world.pass(Duration::days(8)).await;
    assert_eq!(world.reconcile().await.repaired, 1);
    shop.buyer.token = world.log_in(&shop.buyer).await;
    assert_eq!(first(&world, &shop).await["dispute"]["status"], "lost");
    let transfers = world.stripe("/transfers", None).await;
    assert_eq!(transfers["data"][0]["amount_reversed"], 2500, "and the seller's part follows: {transfers}");
}

#[tokio::test]
async fn two_runs_at_once_do_no_harm() {
    let world = World::start().await;
    let shop = world.shop().await;
    no_webhooks(&world).await;
    lasting(&world, "/v1/payment_intents", "drop_after").await;
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, CARD).await.status, 503);
    world.pass(Duration::minutes(6)).await;
    let (one, other) = tokio::join!(world.reconcile(), world.reconcile());
    assert!(one.repaired + other.repaired >= 1);
    assert_eq!(first(&world, &shop).await["status"], "paid");
    assert_eq!(world.succeeded(None).await.len(), 1);
    world.books().await;
}

#[tokio::test]
async fn what_cannot_be_mended_does_not_hold_up_what_can() {
    let world = World::start().await;
    let shop = world.shop().await;
    no_webhooks(&world).await;
    lasting(&world, "/v1/payment_intents", "drop_after").await;
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, CARD).await.status, 503);
    let other = world.buyer("other@example.com").await;
    assert_eq!(world.buy(&other, &shop.course_id, "pm_card_threeDSecure2Required").await.status, 201);
    world.pass(Duration::minutes(6)).await;
    let fault = json!({"match": {"method": "GET", "path": "/v1/payment_intents/"}, "times": 3, "fault": {"kind": "html_503"}});
    world.admin("POST", "faults", fault).await;
    let report = world.reconcile().await;
    assert_eq!((report.checked, report.repaired), (2, 1));
    assert_eq!(first(&world, &shop).await["status"], "paid");
}
