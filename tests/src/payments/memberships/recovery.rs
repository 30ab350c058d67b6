//! Subscriptions whose creation was interrupted.

use std::time::Instant;

use reconcile::{Report, subscriptions};
use serde_json::json;
use time::Duration;

use super::{Club, DIRECT, pass, refund};
use crate::harness::World;

#[tokio::test]
async fn a_lost_response_is_looked_up_and_not_guessed() {
    for (settings, hours) in [(&[][..], 0), (&[], 30), (&DIRECT, 0), (&DIRECT, 30)] {
        let world = World::with(settings).await;
        let club = Club::open(&world).await;
        let account = club.account(settings);
        let account = account.as_deref();
        for _ in 0..3 {
            world.fault("POST", "/v1/subscriptions", json!({"kind": "drop_after"})).await;
        }
        let lost = club.subscribe(&world, "month").await;
        assert!([503, 504].contains(&lost.status), "{}", lost.body);
        assert_eq!(club.at_stripe(&world, account).await.len(), 1, "it was made");
        assert!(!club.is_open(&world).await);
        // By replaying the request, or, once the key has expired, by listing the customer's subscriptions.
        world.pass(Duration::hours(hours)).await;
        let found = club.subscribe(&world, "month").await;
        assert_eq!((found.status, &found.json()["subscription"]["status"]), (201, &json!("active")), "{}", found.body);
        assert!(club.is_open(&world).await);
        world.deliver().await;
        assert_eq!((club.at_stripe(&world, account).await.len(), world.succeeded(account).await.len()), (1, 1));
    }
}

#[tokio::test]
async fn a_lost_response_is_learned_from_events_too() {
    let world = World::start().await;
    let club = Club::open(&world).await;
    for _ in 0..3 {
        world.fault("POST", "/v1/subscriptions", json!({"kind": "drop_after"})).await;
    }
    assert_ne!(club.subscribe(&world, "month").await.status, 201);
    world.deliver().await;
    assert!(club.is_open(&world).await);
    assert_eq!(club.subscribe(&world, "month").await.text("code"), "already_subscribed");
}

#[tokio::test]
async fn a_request_that_never_reached_stripe_is_sent_again() {
    for hours in [0, 30] {
        let world = World::start().await;
        let club = Club::open(&world).await;
        for _ in 0..3 {
            world.fault("POST", "/v1/subscriptions", json!({"kind": "drop_before"})).await;
        }
        assert_ne!(club.subscribe(&world, "month").await.status, 201);
        assert!(club.at_stripe(&world, None).await.is_empty());
        world.pass(Duration::hours(hours)).await;
        // Once the key has expired, it is certain that nothing was created. The same request learns that, and the next one starts over.
        let mut answer = club.subscribe(&world, "month").await;
        if hours > 0 {
            assert_eq!(answer.status, 502, "{}", answer.body);
            answer = club.subscribe(&world, "month").await;
        }
        assert_eq!(answer.status, 201, "{}", answer.body);
        assert_eq!(club.at_stripe(&world, None).await.len(), 1);
    }
}

#[tokio::test]
async fn a_rejected_request_ends_only_itself() {
    let world = World::start().await;
    let club = Club::open(&world).await;
    for _ in 0..3 {
        world.fault("POST", "/v1/subscriptions", json!({"kind": "status", "status": 429})).await;
    }
    let turned_away = club.subscribe(&world, "month").await;
    assert_eq!(turned_away.status, 503, "{}", turned_away.body);
    let list = world.get("/subscriptions").bearer(&club.shop.buyer.token).await.json();
    assert_eq!((list["items"].as_array().map(Vec::len), &list["items"][0]["status"]), (Some(1), &json!("failed")));
    club.joined(&world, "month").await;
    assert_eq!(club.at_stripe(&world, None).await.len(), 1);
}

#[tokio::test]
async fn a_seller_who_revoked_access_gets_no_new_members_and_old_ones_keep_paid_access() {
    let world = World::with(&DIRECT).await;
    let mut club = Club::open(&world).await;
    club.joined(&world, "month").await;
    world.deliver().await;
    world.admin("POST", &format!("accounts/{}/deauthorize", club.shop.account), json!({})).await;
    world.deliver().await;
    let second = world.buyer("second@example.com").await;
    let refused = world.post(club.path(), json!({"interval": "month"})).bearer(&second.token).await;
    assert_eq!((refused.status, refused.text("code")), (409, "seller_not_connected".to_owned()));
    assert!(club.is_open(&world).await);
    world.app.clock.advance(Duration::days(40));
    club.log_in(&world).await;
    assert!(!club.is_open(&world).await);
}

/// What Stripe never made is not made later by anybody but the member who asks for the same again.
#[tokio::test]
async fn nobody_joins_by_the_reconciliation_or_by_asking_for_something_else() {
    for settings in [&[][..], &DIRECT] {
        for fault in [json!({"kind": "drop_before"}), json!({"kind": "status", "status": 429, "code": "lock_timeout"})] {
            let world = World::with(settings).await;
            let mut club = Club::open(&world).await;
            let account = club.account(settings);
            let account = account.as_deref();
            let is_certain = fault["status"] == 429;
            for _ in 0..3 {
                world.fault("POST", "/v1/subscriptions", fault.clone()).await;
            }
            let unmade = club.subscribe(&world, "month").await;
            assert_eq!(unmade.status, 503, "{}", unmade.body);
            let other = club.subscribe(&world, "year").await;
            if is_certain {
                assert_eq!((other.status, &other.json()["subscription"]["amount"]), (201, &json!(10_000)), "{}", other.body);
                assert_eq!(club.at_stripe(&world, account).await.len(), 1);
                continue;
            }
            assert_eq!((other.status, other.text("code")), (409, "subscription_in_progress".to_owned()), "{}", other.body);
            // The two minutes begin anew when the first request is sent again.
            world.pass(Duration::minutes(4)).await;
            for _ in 0..3 {
                world.fault("POST", "/v1/subscriptions", fault.clone()).await;
            }
            assert_eq!(club.subscribe(&world, "month").await.status, 503);
            assert_eq!(club.subscribe(&world, "year").await.text("code"), "subscription_in_progress");
            assert!(club.at_stripe(&world, account).await.is_empty());
            world.pass(Duration::minutes(6)).await;
            assert_eq!(looked_at(&world).await, 1);
            assert!(club.at_stripe(&world, account).await.is_empty());
            club.log_in(&world).await;
            let year = club.subscribe(&world, "year").await;
            assert_eq!((year.status, &year.json()["subscription"]["amount"]), (201, &json!(10_000)), "{}", year.body);
            assert_eq!((club.at_stripe(&world, account).await.len(), world.succeeded(account).await.len()), (1, 1));
        }
    }
}

/// Runs the schedule's work on subscriptions only, because a month of books takes long.
async fn looked_at(world: &World) -> u32 {
    let (until, mut report) = (Instant::now() + std::time::Duration::from_secs(600), Report::default());
    subscriptions::run(&world.payments.reconcile, until, &mut report).await.expect("the table is there");
    report.repaired
}

#[tokio::test]
async fn the_reconciliation_resolves_abandoned_subscriptions() {
    let world = World::start().await;
    let mut club = Club::open(&world).await;
    for _ in 0..3 {
        world.fault("POST", "/v1/subscriptions", json!({"kind": "drop_after"})).await;
    }
    assert_ne!(club.subscribe(&world, "month").await.status, 201);
    assert!(!club.is_open(&world).await);
    world.pass(Duration::minutes(10)).await;
    assert_eq!(world.reconcile().await.repaired, 1);
    assert!(club.is_open(&world).await);
    // A renewal without an event.
    let before = world.get("/subscriptions").bearer(&club.shop.buyer.token).await.json()["items"][0]["paid_until"].clone();
    world.pass(Duration::days(32)).await;
    club.log_in(&world).await;
    assert_eq!(looked_at(&world).await, 1);
    let after = world.get("/subscriptions").bearer(&club.shop.buyer.token).await.json()["items"][0]["paid_until"].clone();
    assert!(after.as_str() > before.as_str(), "{after}");
    assert_eq!((club.at_stripe(&world, None).await.len(), world.succeeded(None).await.len()), (1, 2));
    assert_eq!(looked_at(&world).await, 0, "it is at rest");
}

/// What was paid on Stripe's page, or at the bank, opens the courses although nothing tells of it.
#[tokio::test]
async fn a_first_payment_without_events_is_found_within_the_hour() {
    for settings in [&[][..], &DIRECT] {
        for page in [true, false] {
            for minutes in [5, 50] {
                let world = World::with(settings).await;
                let club = Club::open(&world).await;
                let account = club.account(settings);
                let body = json!({"interval": "month", "payment_method": "pm_card_threeDSecure2Required"});
                let asked = club.ask(&world, if page { json!({"interval": "month"}) } else { body }).await;
                assert_eq!(asked.status, 201, "{}", asked.body);
                world.pass(Duration::minutes(minutes)).await;
                looked_at(&world).await;
                let list = if page { "/checkout/sessions" } else { "/payment_intents" };
                let waits = world.stripe(list, account.as_deref()).await["data"][0]["id"].as_str().expect("an id").to_owned();
                let (what, body) =
                    if page { ("pay", json!({"card": "pm_card_visa"})) } else { ("authenticate", json!({"outcome": "succeed"})) };
                world.admin("POST", &format!("{}/{waits}/{what}", list.trim_start_matches('/')), body).await;
                assert!(!club.is_open(&world).await);
                world.pass(Duration::minutes(61)).await;
                assert_eq!(looked_at(&world).await, 1, "{page} {minutes}");
                assert!(club.is_open(&world).await);
            }
        }
    }
}

#[tokio::test]
async fn a_first_debit_that_is_paid_without_events_is_found_within_a_day() {
    for settings in [&[][..], &DIRECT] {
        let world = World::with(settings).await;
        let (mut club, _) = super::debits::debited(&world, "pm_usBankAccount_success").await;
        assert_eq!(looked_at(&world).await, 0);
        world.pass(Duration::days(super::debits::DAYS)).await;
        looked_at(&world).await;
        world.pass(Duration::days(1)).await;
        looked_at(&world).await;
        club.log_in(&world).await;
        assert!(club.is_open(&world).await);
    }
}

/// Those that cannot be checked must not keep the others from being checked.
#[tokio::test]
async fn a_subscription_that_could_not_be_checked_comes_last_in_the_next_run() {
    let world = World::start().await;
    let club = Club::open(&world).await;
    club.joined(&world, "month").await;
    world.deliver().await;
    let end = club.at_stripe(&world, None).await[0]["items"]["data"][0]["current_period_end"].as_i64().expect("a time");
    world.pass(Duration::seconds(end - world.app.clock.now().unix_timestamp()) - Duration::hours(12)).await;
    for _ in 0..9 {
        world.fault("GET", "/v1/customers", json!({"kind": "status", "status": 500})).await;
    }
    world.asked_stripe().await;
    looked_at(&world).await;
    assert!(!world.asked_stripe().await.is_empty(), "it is due");
    looked_at(&world).await;
    assert_eq!(world.asked_stripe().await, Vec::<String>::new(), "the others come first");
    world.pass(Duration::minutes(16)).await;
    looked_at(&world).await;
    assert!(!world.asked_stripe().await.is_empty());
}

#[tokio::test]
async fn a_renewal_whose_period_was_reported_without_its_payment_is_found() {
    for settings in [&[][..], &DIRECT] {
        let world = World::with(settings).await;
        let mut club = Club::open(&world).await;
        let account = club.account(settings);
        let id = club.joined(&world, "month").await;
        world.deliver().await;
        let end = club.at_stripe(&world, account.as_deref()).await[0]["items"]["data"][0]["current_period_end"].as_i64().expect("a time");
        world.pass(Duration::seconds(end - world.app.clock.now().unix_timestamp()) + Duration::minutes(5)).await;
        club.log_in(&world).await;
        let renewed = world.event("customer.subscription.updated", |object| object["metadata"]["subscription_id"] == id.as_str()).await;
        assert_eq!(world.tell(&renewed.expect("Stripe's event reports the period")).await.status, 200);
        let subscription = club.subscription(&world, &id).await;
        assert!(subscription["paid_until"].as_str() < subscription["current_period_end"].as_str(), "{subscription}");
        world.pass(Duration::hours(4)).await;
        assert_eq!(looked_at(&world).await, 1);
        let subscription = club.subscription(&world, &id).await;
        assert_eq!(subscription["paid_until"], subscription["current_period_end"]);
        assert_eq!(looked_at(&world).await, 0, "it is at rest");
    }
}

#[tokio::test]
async fn events_of_an_unreachable_account_are_read_when_it_is_linked_again() {
    let world = World::with(&DIRECT).await;
    let club = Club::open(&world).await;
    let id = club.joined(&world, "year").await;
    world.deliver().await;
    let account = club.shop.account.clone();
    let at_stripe = club.at_stripe(&world, Some(&account)).await[0]["id"].as_str().expect("an id").to_owned();
    world.delete_in_dashboard(&format!("/subscriptions/{at_stripe}"), Some(&account)).await;
    // The event is on its way when the seller revokes access.
    world.admin("POST", &format!("accounts/{account}/deauthorize"), json!({})).await;
    world.deliver().await;
    assert_eq!(club.subscription(&world, &id).await["status"], "active", "it could not be read");
    assert_eq!(looked_at(&world).await, 0);
    world.link_by(&club.shop.seller, "/users/authorize", Some(&account)).await;
    world.pass(Duration::hours(7)).await;
    assert_eq!(looked_at(&world).await, 1);
    assert_eq!(club.subscription(&world, &id).await["status"], "canceled");
    world.pass(Duration::hours(7)).await;
    assert_eq!(looked_at(&world).await, 0, "it is at rest");
    club.joined(&world, "year").await;
}

#[tokio::test]
async fn changes_without_events_are_read_from_an_accounts_subscriptions_and_invoices() {
    let world = World::with(&DIRECT).await;
    let mut club = Club::open(&world).await;
    let account = club.account(&DIRECT);
    let account = account.as_deref();
    let failing = json!({"payment_method": "pm_card_chargeCustomerFail"});
    let id = club.joined(&world, "month").await;
    let card = world.post(format!("/subscriptions/{id}/resume"), failing).bearer(&club.shop.buyer.token).await;
    assert_eq!(card.status, 200, "{}", card.body);
    pass(&world, &mut club, 32).await;
    assert_eq!(club.subscription(&world, &id).await["status"], "past_due");
    world.reconcile().await;
    let at_stripe = club.at_stripe(&world, account).await.remove(0);
    let text = |value: &serde_json::Value| value.as_str().expect("it is text").to_owned();

    // The seller ends it, the member's debt is paid anyway, and no event arrives.
    let silence = json!({"hold": true, "own_clock": true, "drop_next": 100});
    world.admin("POST", "webhooks/mode", silence).await;
    world.delete_in_dashboard(&format!("/subscriptions/{}", text(&at_stripe["id"])), account).await;
    let open = world.stripe(&format!("/invoices?status=open&subscription={}", text(&at_stripe["id"])), account).await;
    let customer = [("customer", text(&at_stripe["customer"]))];
    let method = world.in_dashboard("/payment_methods/pm_card_visa/attach", account, &customer).await;
    let path = format!("/invoices/{}/pay", text(&open["data"][0]["id"]));
    let paid = world.in_dashboard(&path, account, &[("payment_method", text(&method["id"]))]).await;
    assert_eq!(paid["status"], "paid", "{paid}");
    world.deliver().await;
    assert_eq!(club.subscription(&world, &id).await["status"], "past_due", "no event arrived");
    world.pass(Duration::hours(6)).await;
    assert_eq!(world.reconcile().await.repaired, 1);
    assert_eq!(club.subscription(&world, &id).await["status"], "canceled");
    let record = world.app.store.subscription(&id.parse().expect("an id")).await.expect("the table").expect("it is there");
    assert_eq!(record.payments.len(), 2, "{record:?}");
    assert!(club.is_open(&world).await);
    world.pass(Duration::hours(6)).await;
    assert_eq!(world.reconcile().await.repaired, 0, "it is at rest");
}

#[tokio::test]
async fn a_subscription_that_ended_without_an_event_is_found_within_hours() {
    let world = World::with(&DIRECT).await;
    let club = Club::open(&world).await;
    let account = club.account(&DIRECT);
    let account = account.as_deref();
    let id = club.joined(&world, "year").await;
    world.deliver().await;
    world.reconcile().await;
    let at_stripe = club.at_stripe(&world, account).await[0]["id"].as_str().expect("an id").to_owned();
    world.admin("POST", "webhooks/mode", json!({"hold": true, "own_clock": true, "drop_next": 100})).await;
    world.delete_in_dashboard(&format!("/subscriptions/{at_stripe}"), account).await;
    world.deliver().await;
    assert_eq!(club.subscription(&world, &id).await["status"], "active", "no event arrived, and it is due in a year");
    world.pass(Duration::hours(7)).await;
    assert_eq!(world.reconcile().await.repaired, 1);
    assert_eq!(club.subscription(&world, &id).await["status"], "canceled");
    world.pass(Duration::hours(7)).await;
    assert_eq!(world.reconcile().await.repaired, 0, "it is at rest");
}

#[tokio::test]
async fn the_books_contain_members_payments_and_refunds() {
    for settings in [&[][..], &DIRECT] {
        let world = World::with(settings).await;
        let club = Club::open(&world).await;
        let account = club.account(settings);
        world.reconcile().await;
        club.joined(&world, "month").await;
        world.deliver().await;
        let payment = world.succeeded(account.as_deref()).await[0]["id"].as_str().expect("an id").to_owned();
        refund(&world, account.as_deref(), &payment, "400").await;
        world.deliver().await;
        world.pass(Duration::hours(2)).await;
        // The event of this refund is lost.
        refund(&world, account.as_deref(), &payment, "600").await;
        world.pass(Duration::hours(4)).await;
        let report = world.reconcile().await;
        assert!(report.hours >= 3, "{report:?}");
        assert_eq!(report.differences, 0, "{report:?}");
        let staff = world.staff("staff@example.com").await;
        let findings = world.get("/admin/findings").bearer(&staff.token).await.json();
        assert_eq!(findings["items"], json!([]), "the books agree");
        if account.is_none() {
            assert_eq!(report.repaired, 1, "the second refund is in the books: {report:?}");
            assert!(!club.is_open(&world).await);
        }
    }
}
