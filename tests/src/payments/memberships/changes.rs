//! `/cancel`, `/resume` and `/switch`

use serde_json::{Value, json};

use super::{Club, DIRECT, offer, pass};
use crate::harness::{Answer, World};

async fn change(world: &World, club: &Club, id: &str, what: &str, body: Value) -> Answer {
    world.post(format!("/subscriptions/{id}/{what}"), body).bearer(&club.shop.buyer.token).await
}

#[tokio::test]
async fn a_cancellation_lets_the_member_read_to_the_end_of_the_period() {
    for settings in [&[][..], &DIRECT] {
        let world = World::with(settings).await;
        let mut club = Club::open(&world).await;
        let account = club.account(settings);
        let account = account.as_deref();
        let id = club.joined(&world, "month").await;
        world.deliver().await;
        let canceled = change(&world, &club, &id, "cancel", json!({})).await;
        assert_eq!((canceled.status, &canceled.json()["cancel_at_period_end"]), (200, &json!(true)), "{}", canceled.body);
        assert_eq!(canceled.json()["status"], "active");
        world.asked_stripe().await;
        assert_eq!(change(&world, &club, &id, "cancel", json!({})).await.status, 200);
        assert!(world.asked_stripe().await.is_empty(), "it is so already");
        let refused = change(&world, &club, &id, "switch", json!({"interval": "year"})).await;
        refused.is_problem(409, "subscription_not_running", "this subscription does not run, or is about to end");
        pass(&world, &mut club, 25).await;
        assert!(club.is_open(&world).await);
        pass(&world, &mut club, 7).await;
        assert!(!club.is_open(&world).await, "no grace for what ends");
        assert_eq!(club.subscription(&world, &id).await["status"], "canceled");
        for what in ["cancel", "resume", "switch"] {
            let refused = change(&world, &club, &id, what, json!({"interval": "year"})).await;
            refused.is_problem(409, "subscription_not_running", "this subscription does not run, or is about to end");
        }
        assert_eq!(world.succeeded(account).await.len(), 1);
        club.joined(&world, "month").await;
    }
}

#[tokio::test]
async fn a_cancellation_that_is_taken_back_renews() {
    let world = World::start().await;
    let mut club = Club::open(&world).await;
    let id = club.joined(&world, "month").await;
    // Back and forth: each is another request.
    for (what, ending) in [("cancel", true), ("resume", false), ("cancel", true), ("resume", false)] {
        let answer = change(&world, &club, &id, what, json!({})).await;
        assert_eq!((answer.status, &answer.json()["cancel_at_period_end"]), (200, &json!(ending)), "{}", answer.body);
    }
    pass(&world, &mut club, 40).await;
    assert!(club.is_open(&world).await);
    assert_eq!((club.subscription(&world, &id).await["status"].clone(), world.succeeded(None).await.len()), (json!("active"), 2));
}

#[tokio::test]
async fn a_switch_to_a_year_charges_the_difference_once() {
    for settings in [&[][..], &DIRECT] {
        let world = World::with(settings).await;
        let mut club = Club::open(&world).await;
        let account = club.account(settings);
        let account = account.as_deref();
        let id = club.joined(&world, "month").await;
        let month = club.subscription(&world, &id).await;
        pass(&world, &mut club, 10).await;
        let switches = (0..5).map(|_| change(&world, &club, &id, "switch", json!({"interval": "year"})));
        for answer in futures_util::future::join_all(switches).await {
            assert!([200, 409, 503].contains(&answer.status), "{}", answer.body);
        }
        let answer = change(&world, &club, &id, "switch", json!({"interval": "year"})).await;
        let year = answer.json();
        assert_eq!((answer.status, &year["interval"], &year["amount"]), (200, &json!("year"), &json!(10_000)), "{}", answer.body);
        assert_eq!((&year["status"], &year["paid_until"]), (&json!("active"), &year["current_period_end"]));
        assert!(year["paid_until"].as_str() > month["paid_until"].as_str());
        let payments = world.succeeded(account).await;
        let paid: i64 = payments.iter().filter_map(|payment| payment["amount"].as_i64()).sum();
        assert_eq!(payments.len(), 2, "one difference, however often it is asked for");
        assert!((10_300..10_400).contains(&paid), "a third of the month was used: {paid}");
        world.deliver().await;
        pass(&world, &mut club, 300).await;
        assert!(club.is_open(&world).await);
        let totals = world.get("/sales").bearer(&club.shop.seller.token).await.json()["totals"][0].clone();
        assert_eq!((&totals["gross"], &totals["sales"]), (&json!(paid), &json!(2)));
    }
}

#[tokio::test]
async fn a_switch_to_months_uses_the_credit_up() {
    let world = World::start().await;
    let mut club = Club::open(&world).await;
    let id = club.joined(&world, "year").await;
    pass(&world, &mut club, 73).await;
    let answer = change(&world, &club, &id, "switch", json!({"interval": "month"})).await;
    let month = answer.json();
    assert_eq!((answer.status, &month["interval"], &month["status"]), (200, &json!("month"), &json!("active")), "{}", answer.body);
    assert_eq!(month["paid_until"], month["current_period_end"], "what was paid for the year does not count any more");
    // Four fifths of 100.00 pay eight months.
    for _ in 0..23 {
        pass(&world, &mut club, 10).await;
        assert!(club.is_open(&world).await);
    }
    assert_eq!(world.succeeded(None).await.len(), 1);
    pass(&world, &mut club, 62).await;
    assert!(world.succeeded(None).await.len() > 1);
    assert!(club.is_open(&world).await);
}

#[tokio::test]
async fn a_switch_that_cannot_be_paid_changes_nothing() {
    let world = World::start().await;
    let mut club = Club::with_card(&world, "pm_card_chargeCustomerFail").await;
    // The first payment comes from another card, which Stripe then loses.
    let answer = club.ask(&world, json!({"interval": "month", "payment_method": "pm_card_visa"})).await;
    let id = answer.json()["subscription"]["id"].as_str().unwrap_or_else(|| panic!("{}", answer.body)).to_owned();
    let before = club.subscription(&world, &id).await;
    super::pay_with(&world, &club, "pm_card_chargeCustomerFail").await;
    for _ in 0..2 {
        let declined = change(&world, &club, &id, "switch", json!({"interval": "year"})).await;
        assert_eq!((declined.status, declined.text("code")), (402, "card_declined".to_owned()), "{}", declined.body);
    }
    let after = club.subscription(&world, &id).await;
    assert_eq!((&after["interval"], &after["paid_until"]), (&before["interval"], &before["paid_until"]));
    assert_eq!(world.succeeded(None).await.len(), 1);
    super::pay_with(&world, &club, "pm_card_visa").await;
    assert_eq!(change(&world, &club, &id, "switch", json!({"interval": "year"})).await.status, 200, "a declined try is not replayed");

    // What is owed comes first.
    super::pay_with(&world, &club, "pm_card_chargeCustomerFail").await;
    pass(&world, &mut club, 370).await;
    let owes = change(&world, &club, &id, "switch", json!({"interval": "month"})).await;
    owes.is_problem(409, "subscription_past_due", "pay what this subscription owes first");
}

#[tokio::test]
async fn only_what_is_offered_can_be_switched_to_and_only_by_its_buyer() {
    let world = World::start().await;
    let club = Club::open(&world).await;
    let id = club.joined(&world, "month").await;
    for what in ["cancel", "resume", "switch"] {
        let path = format!("/subscriptions/{id}/{what}");
        let body = json!({"interval": "year"});
        world.post(&path, body.clone()).await.is_problem(401, "not_signed_in", "log in first");
        let others = world.post(&path, body).bearer(&club.shop.seller.token).await;
        others.is_problem(404, "not_found", "there is no such subscription");
    }
    assert_eq!(change(&world, &club, &id, "switch", json!({"interval": "week"})).await.status, 422);
    for body in [json!({"monthly": {"amount": 1000}, "currency": "usd"}), json!({"yearly": {"amount": 9000}, "currency": "eur"})] {
        offer(&world, &club.shop.seller, body).await;
        let refused = change(&world, &club, &id, "switch", json!({"interval": "year"})).await;
        refused.is_problem(409, "interval_not_offered", "this membership is not offered for that interval");
    }
    assert_eq!(change(&world, &club, &id, "switch", json!({"interval": "month"})).await.status, 200, "it is so already");
}

#[tokio::test]
async fn an_account_with_a_subscription_cannot_be_erased() {
    let world = World::start().await;
    let mut club = Club::open(&world).await;
    let id = club.joined(&world, "month").await;
    let erase = async |token: &str| world.call("DELETE", "/users/me").bearer(token).await;
    erase(&club.shop.buyer.token).await.is_problem(
        409,
        "still_subscribed",
        "a subscription of yours still runs; cancel it and wait for its end first",
    );
    change(&world, &club, &id, "cancel", json!({})).await;
    assert_eq!(erase(&club.shop.buyer.token).await.status, 409, "it still runs");
    pass(&world, &mut club, 32).await;
    erase(&club.shop.buyer.token).await.is_empty(204);
}
