//! How events change a subscription, in any order and from any source.

use serde_json::{Value, json};
use time::Duration;

use super::{Club, DIRECT, pass, refund};
use crate::harness::World;

/// All of Stripe's events so far that are about subscriptions, the newest first.
pub(super) async fn told(world: &World) -> Vec<Value> {
    let events = world.admin("GET", "events", json!({})).await["events"].as_array().expect("a list").clone();
    let kinds = ["invoice.", "customer.subscription.", "checkout.session.", "charge.refunded", "refund."];
    let mut told: Vec<Value> = events
        .into_iter()
        .filter(|event| kinds.iter().any(|kind| event["type"].as_str().is_some_and(|name| name.starts_with(kind))))
        .collect();
    for event in &mut told {
        event.as_object_mut().expect("it is an object").remove("deliveries");
    }
    told
}

#[tokio::test]
async fn any_single_event_reveals_a_subscription_started_at_checkout() {
    for kind in ["invoice.paid", "customer.subscription.created", "checkout.session.completed"] {
        let world = World::start().await;
        let club = Club::open(&world).await;
        club.ask(&world, json!({"interval": "month"})).await;
        let sessions = world.stripe("/checkout/sessions?status=open", None).await;
        let session = sessions["data"][0]["id"].as_str().expect("an id").to_owned();
        world.admin("POST", &format!("checkout/sessions/{session}/pay"), json!({})).await;
        let event = told(&world).await.into_iter().find(|event| event["type"] == kind);
        let event = event.unwrap_or_else(|| panic!("no {kind}"));
        for _ in 0..2 {
            assert_eq!(world.tell(&event).await.status, 200);
            assert!(club.is_open(&world).await, "{kind}");
        }
        let totals = world.get("/sales").bearer(&club.shop.seller.token).await.json()["totals"][0].clone();
        assert_eq!((&totals["sales"], &totals["gross"]), (&json!(1), &json!(1000)), "{kind} twice counts once");
    }
}

#[tokio::test]
async fn the_order_of_events_makes_no_difference() {
    let world = World::start().await;
    let mut club = Club::open(&world).await;
    let id = club.joined(&world, "month").await;
    world.pass(Duration::days(65)).await;
    club.log_in(&world).await;
    // Newest first, then again in the original order.
    let mut events = told(&world).await;
    let again: Vec<Value> = events.iter().rev().cloned().collect();
    events.extend(again);
    for event in &events {
        assert_eq!(world.tell(event).await.status, 200, "{event}");
    }
    let subscription = club.subscription(&world, &id).await;
    assert_eq!((&subscription["status"], &subscription["paid_until"]), (&json!("active"), &subscription["current_period_end"]));
    let totals = world.get("/sales").bearer(&club.shop.seller.token).await.json()["totals"][0].clone();
    assert_eq!((&totals["sales"], &totals["gross"]), (&json!(3), &json!(3000)));
}

#[tokio::test]
async fn an_events_payload_decides_nothing() {
    let world = World::start().await;
    let club = Club::open(&world).await;
    club.ask(&world, json!({"interval": "month", "payment_method": "pm_card_authenticationRequired"})).await;
    let created = told(&world).await.into_iter().find(|event| event["type"] == "customer.subscription.created");
    let mut event = created.expect("an event was sent");
    event["data"]["object"]["status"] = "active".into();
    assert_eq!(world.tell(&event).await.status, 200);
    assert!(!club.is_open(&world).await, "it is incomplete at Stripe");
}

#[tokio::test]
async fn an_account_can_only_report_on_its_own_subscriptions() {
    let world = World::with(&DIRECT).await;
    let mut club = Club::open(&world).await;
    let id = club.joined(&world, "month").await;
    let other = world.seller("other@example.com").await;
    let stranger = world.link(&other).await;
    world.deliver().await;
    world.pass(Duration::days(32)).await;
    club.log_in(&world).await;
    let events = told(&world).await;
    let before = club.subscription(&world, &id).await;
    for event in &events {
        for account in [json!(stranger), json!(null)] {
            let mut event = event.clone();
            event["id"] = format!("{}x", event["id"].as_str().expect("an id")).into();
            event["account"] = account;
            assert_eq!(world.tell(&event).await.status, 200);
        }
    }
    assert_eq!(club.subscription(&world, &id).await, before, "events of another account are not believed");
    world.deliver().await;
    assert_ne!(club.subscription(&world, &id).await["paid_until"], before["paid_until"]);
}

#[tokio::test]
async fn a_refunded_period_of_an_earlier_subscription_gives_no_access() {
    for settings in [&[][..], &DIRECT] {
        let world = World::with(settings).await;
        let club = Club::open(&world).await;
        let account = club.account(settings);
        let account = account.as_deref();
        // Two subscriptions are ended at once in the Dashboard, before their paid periods are over.
        for interval in ["month", "year"] {
            club.joined(&world, interval).await;
            let newest = club.at_stripe(&world, account).await.remove(0);
            world.delete_in_dashboard(&format!("/subscriptions/{}", newest["id"].as_str().expect("an id")), account).await;
            world.deliver().await;
            assert!(club.is_open(&world).await, "the paid period still gives access");
        }
        assert_eq!(club.ask(&world, json!({"interval": "month"})).await.status, 201, "hosted Checkout waits");
        world.deliver().await;
        assert!(club.is_open(&world).await);
        let payments = world.succeeded(account).await;
        for (payment, amount, opens) in [(&payments[0], "10000", true), (&payments[1], "1000", false)] {
            refund(&world, account, payment["id"].as_str().expect("an id"), amount).await;
            world.deliver().await;
            assert_eq!(club.is_open(&world).await, opens, "{amount}");
        }
    }
}

#[tokio::test]
async fn a_fully_refunded_period_gives_no_access() {
    for settings in [&[][..], &DIRECT] {
        let world = World::with(settings).await;
        let mut club = Club::open(&world).await;
        let account = club.account(settings);
        let account = account.as_deref();
        let id = club.joined(&world, "month").await;
        world.deliver().await;
        pass(&world, &mut club, 32).await;
        let payments = world.succeeded(account).await;
        let id_of = |payment: &Value| payment["id"].as_str().expect("an id").to_owned();
        let (newest, earlier) = (id_of(&payments[0]), id_of(&payments[1]));
        // A full refund of the earlier month, and a partial one of this month.
        refund(&world, account, &earlier, "1000").await;
        refund(&world, account, &newest, "400").await;
        world.deliver().await;
        assert!(club.is_open(&world).await);
        refund(&world, account, &newest, "600").await;
        world.deliver().await;
        assert!(!club.is_open(&world).await, "immediately: a refunded period has no grace period");
        assert_eq!(club.subscription(&world, &id).await["status"], "active");
        let totals = world.get("/sales").bearer(&club.shop.seller.token).await.json()["totals"][0].clone();
        assert_eq!((&totals["gross"], &totals["refunded"], &totals["net"]), (&json!(2000), &json!(2000), &json!(0)));
        // The next month is paid and gives access again.
        pass(&world, &mut club, 31).await;
        assert!(club.is_open(&world).await);
    }
}
