//! After a cancellation nothing is charged any more.

use serde_json::{Value, json};
use time::Duration;

use super::{Club, DIRECT, pass, pay_with};
use crate::harness::{Answer, World};

async fn cancel(world: &World, club: &Club, id: &str, body: Value) -> Answer {
    world.post(format!("/subscriptions/{id}/cancel"), body).bearer(&club.shop.buyer.token).await
}

/// A member whose renewal could not be paid.
async fn owes(world: &World, club: &mut Club, settings: &[(&str, &str)]) -> String {
    let id = club.joined(world, "month").await;
    world.deliver().await;
    let failing = json!({"payment_method": "pm_card_chargeCustomerFail"});
    let changed = world.post(format!("/subscriptions/{id}/resume"), failing).bearer(&club.shop.buyer.token).await;
    assert_eq!(changed.status, 200, "{settings:?}: {}", changed.body);
    pass(world, club, 32).await;
    assert_eq!(club.subscription(world, &id).await["status"], "past_due");
    id
}

async fn invoices(world: &World, account: Option<&str>, status: &str) -> Vec<Value> {
    world.stripe(&format!("/invoices?limit=100&status={status}"), account).await["data"].as_array().expect("a list").clone()
}

#[tokio::test]
async fn a_cancellation_voids_what_is_owed() {
    for settings in [&[][..], &DIRECT] {
        let world = World::with(settings).await;
        let mut club = Club::open(&world).await;
        let account = club.account(settings);
        let account = account.as_deref();
        let id = owes(&world, &mut club, settings).await;
        assert_eq!(invoices(&world, account, "open").await.len(), 1);
        let canceled = cancel(&world, &club, &id, json!({})).await;
        assert_eq!((canceled.status, canceled.text("status")), (200, "canceled".to_owned()), "{}", canceled.body);
        assert_eq!(canceled.text("ended_by"), "member");
        assert!(invoices(&world, account, "open").await.is_empty());
        assert_eq!(invoices(&world, account, "void").await.len(), 1);
        world.deliver().await;
        // The card would work by now, and Stripe retries for weeks.
        pass(&world, &mut club, 30).await;
        assert_eq!(world.succeeded(account).await.len(), 1, "nothing more was charged");
        assert_eq!(cancel(&world, &club, &id, json!({})).await.text("code"), "subscription_not_running");
        club.joined(&world, "month").await;
    }
}

#[tokio::test]
async fn a_drafted_renewal_is_not_charged_after_a_cancellation() {
    let world = World::start().await;
    let mut club = Club::open(&world).await;
    let id = club.joined(&world, "month").await;
    world.deliver().await;
    let end = club.at_stripe(&world, None).await[0]["items"]["data"][0]["current_period_end"].as_i64().expect("a time");
    world.pass(Duration::seconds(end - world.app.clock.now().unix_timestamp()) + Duration::minutes(5)).await;
    club.log_in(&world).await;
    assert_eq!(invoices(&world, None, "draft").await.len(), 1);
    // No event about the new period has arrived yet.
    let canceled = cancel(&world, &club, &id, json!({})).await;
    assert_eq!((canceled.status, canceled.text("status")), (200, "canceled".to_owned()), "{}", canceled.body);
    pass(&world, &mut club, 3).await;
    assert_eq!(world.succeeded(None).await.len(), 1);
    assert!(invoices(&world, None, "draft").await.is_empty());
}

#[tokio::test]
async fn an_immediate_end_keeps_paid_access_and_allows_erasing_the_account() {
    for settings in [&[][..], &DIRECT] {
        let world = World::with(settings).await;
        let mut club = Club::open(&world).await;
        let account = club.account(settings);
        let id = club.joined(&world, "year").await;
        world.deliver().await;
        pass(&world, &mut club, 10).await;
        let ended = cancel(&world, &club, &id, json!({"at_once": true})).await;
        assert_eq!((ended.status, ended.text("status")), (200, "canceled".to_owned()), "{}", ended.body);
        assert!(club.is_open(&world).await, "access lasts until the paid period ends");
        let customer = &world.stripe("/customers?limit=1", account.as_deref()).await["data"][0];
        assert_eq!(customer["balance"], 0, "no credit");
        world.deliver().await;
        pass(&world, &mut club, 360).await;
        assert!(!club.is_open(&world).await, "no grace period once it has ended");
        assert_eq!(world.succeeded(account.as_deref()).await.len(), 1);
        world.erase(&club.shop.buyer.token).await.is_empty(204);
    }
}

#[tokio::test]
async fn the_reconciliation_completes_an_end_that_stripe_did_not_answer() {
    let world = World::start().await;
    let mut club = Club::open(&world).await;
    let id = owes(&world, &mut club, &[]).await;
    for _ in 0..3 {
        world.fault("DELETE", "/v1/subscriptions", json!({"kind": "drop_before"})).await;
    }
    let lost = cancel(&world, &club, &id, json!({})).await;
    assert!([503, 504].contains(&lost.status), "{}", lost.body);
    pay_with(&world, &club, "pm_card_visa").await;
    world.pass(Duration::minutes(20)).await;
    world.reconcile().await;
    let subscription = club.subscription(&world, &id).await;
    assert_eq!((&subscription["status"], &subscription["ended_by"]), (&json!("canceled"), &json!("member")));
    assert!(invoices(&world, None, "open").await.is_empty());
    pass(&world, &mut club, 20).await;
    assert_eq!(world.succeeded(None).await.len(), 1);
}

#[tokio::test]
async fn at_once_is_yes_or_no() {
    let world = World::start().await;
    let club = Club::open(&world).await;
    let id = club.joined(&world, "month").await;
    assert_eq!(cancel(&world, &club, &id, json!({"at_once": "now"})).await.status, 422);
    assert_eq!(club.subscription(&world, &id).await["cancel_at_period_end"], false);
}
