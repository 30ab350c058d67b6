//! `/cancel`, `/resume` and `/switch`

use futures_util::future::join;
use local::proxy::{Fault, Gate, Kind};
use serde_json::{Value, json};
use time::Duration;

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
        assert!(world.asked_stripe().await.is_empty(), "nothing changes");
        let refused = change(&world, &club, &id, "switch", json!({"interval": "year"})).await;
        refused.is_problem(409, "subscription_not_running", "this subscription is not active, or is about to end");
        pass(&world, &mut club, 25).await;
        assert!(club.is_open(&world).await);
        pass(&world, &mut club, 7).await;
        assert!(!club.is_open(&world).await, "no grace period after a cancellation");
        assert_eq!(club.subscription(&world, &id).await["status"], "canceled");
        for what in ["cancel", "resume", "switch"] {
            let body = if what == "switch" { json!({"interval": "year"}) } else { json!({}) };
            let refused = change(&world, &club, &id, what, body).await;
            refused.is_problem(409, "subscription_not_running", "this subscription is not active, or is about to end");
        }
        assert_eq!(world.succeeded(account).await.len(), 1);
        club.joined(&world, "month").await;
    }
}

#[tokio::test]
async fn an_undone_cancellation_renews() {
    let world = World::start().await;
    let mut club = Club::open(&world).await;
    let id = club.joined(&world, "month").await;
    // Each change back and forth is a new request to Stripe, not a replay.
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
        assert_eq!(payments.len(), 2, "one difference, however often it is requested");
        assert!((10_300..10_400).contains(&paid), "a third of the month was used: {paid}");
        world.deliver().await;
        pass(&world, &mut club, 300).await;
        assert!(club.is_open(&world).await);
        let totals = world.get("/sales").bearer(&club.shop.seller.token).await.json()["totals"][0].clone();
        assert_eq!((&totals["gross"], &totals["sales"]), (&json!(paid), &json!(2)));
    }
}

/// Stripe's own fee has a fixed part, which is more of a difference than of a price.
/// A renewal that is not paid yet is no credit, also if the period ends while the switch is being made.
#[tokio::test]
async fn a_switch_that_a_renewal_overtakes_is_refused() {
    for settings in [&[][..], &DIRECT] {
        let world = World::with(settings).await;
        let mut club = Club::open(&world).await;
        offer(&world, &club.shop.seller, json!({"monthly": {"amount": 9000}, "yearly": {"amount": 10_000}, "currency": "usd"})).await;
        let account = club.account(settings);
        let account = account.as_deref();
        let id = club.joined(&world, "month").await;
        world.deliver().await;
        let month = club.at_stripe(&world, account).await[0].clone();
        let end = month["items"]["data"][0]["current_period_end"].as_i64().expect("a time");
        world.pass(Duration::seconds(end - world.app.clock.now().unix_timestamp()) - Duration::seconds(2)).await;
        club.log_in(&world).await;
        world.deliver().await;
        let gate = Gate::new();
        let operation = format!("POST /v1/subscriptions/{}", month["id"].as_str().expect("an id"));
        world.stripe_proxy.inject(Fault::next(&operation, Kind::Hold(gate.clone())));
        let meanwhile = async {
            gate.reached().await;
            world.pass(Duration::seconds(4)).await;
            gate.open();
        };
        let (refused, ()) = join(change(&world, &club, &id, "switch", json!({"interval": "year"})), meanwhile).await;
        assert_eq!((refused.status, refused.text("code")), (409, "subscription_past_due".to_owned()), "{}", refused.body);
        let at_stripe = club.at_stripe(&world, account).await[0].clone();
        assert_eq!(at_stripe["items"]["data"][0]["price"]["unit_amount"], 9000, "nothing is switched");
        assert_eq!(world.succeeded(account).await.len(), 1, "nothing is charged");
        // The renewal is paid an hour later, and then credited.
        pass(&world, &mut club, 1).await;
        let switched = change(&world, &club, &id, "switch", json!({"interval": "year"})).await;
        assert_eq!((switched.status, &switched.json()["interval"]), (200, &json!("year")), "{}", switched.body);
        world.deliver().await;
        assert_eq!(world.succeeded(account).await.len(), 3);
        world.books().await;
    }
}

#[tokio::test]
async fn a_switch_earns_the_platform_at_least_stripes_fee() {
    for is_lost in [false, true] {
        let world = World::with(&[("DEFAULT_FEE_PERCENT", "0"), ("FEE_MINIMUM", "")]).await;
        let mut club = Club::open(&world).await;
        offer(&world, &club.shop.seller, json!({"monthly": {"amount": 1000}, "yearly": {"amount": 1100}, "currency": "usd"})).await;
        let id = club.joined(&world, "month").await;
        world.deliver().await;
        let stripe_id = club.at_stripe(&world, None).await[0]["id"].as_str().expect("an id").to_owned();
        if is_lost {
            // The switch arrives, and its percentage is not set back.
            let back = Fault { operation: Some(format!("POST /v1/subscriptions/{stripe_id}")), skip: 1, times: 9, kind: Kind::Drop };
            world.stripe_proxy.inject(back);
        }
        let switched = change(&world, &club, &id, "switch", json!({"interval": "year"})).await;
        assert_eq!((switched.status, &switched.json()["amount"]), (200, &json!(1100)), "{}", switched.body);
        let payments = world.succeeded(None).await;
        let difference = payments.iter().find(|one| one["amount"] == 100).unwrap_or_else(|| panic!("{payments:?}"));
        // 30 cents and 6.5 %
        assert_eq!(difference["application_fee_amount"], 37);
        let percent = async || club.at_stripe(&world, None).await[0]["application_fee_percent"].clone();
        if is_lost {
            assert_eq!(percent().await, 37.0);
            world.stripe_proxy.clear();
            world.pass(Duration::minutes(10)).await;
            world.reconcile().await;
        }
        assert_eq!(percent().await, 9.28, "102 of 1100, as for any year");
        world.deliver().await;
        pass(&world, &mut club, 370).await;
        let renewal = world.succeeded(None).await.into_iter().find(|one| one["amount"] == 1100).expect("it was renewed");
        assert_eq!(renewal["application_fee_amount"], 102);
    }
}

/// Stripe would credit the time even though the money was returned.
#[tokio::test]
async fn refunded_or_disputed_time_is_not_credited_towards_a_year() {
    for refunded in [None, Some(900), Some(1000)] {
        let world = World::start().await;
        let club = Club::open(&world).await;
        let id = club.joined(&world, "month").await;
        world.deliver().await;
        if let Some(amount) = refunded {
            let given = super::refunds::give_back(&world, &club.shop.seller, &id, json!({"amount": amount})).await;
            assert_eq!(given.status, 200, "{}", given.body);
        } else {
            let charge = world.succeeded(None).await[0]["latest_charge"].as_str().expect("it was charged").to_owned();
            world.admin("POST", &format!("charges/{charge}/dispute"), json!({})).await;
        }
        world.deliver().await;
        let switched = change(&world, &club, &id, "switch", json!({"interval": "year"})).await;
        assert_eq!((switched.status, switched.text("code")), (409, "period_refunded".to_owned()), "{}", switched.body);
        assert_eq!(world.succeeded(None).await.len(), 1, "nothing was charged");
    }
}

#[tokio::test]
async fn a_switch_to_months_waits_for_the_end_of_the_year_and_leaves_no_credit() {
    for settings in [&[][..], &DIRECT] {
        let world = World::with(settings).await;
        let mut club = Club::open(&world).await;
        let account = club.account(settings);
        let account = account.as_deref();
        let id = club.joined(&world, "year").await;
        let year = club.subscription(&world, &id).await;
        pass(&world, &mut club, 73).await;
        let answer = change(&world, &club, &id, "switch", json!({"interval": "month"})).await;
        let month = answer.json();
        assert_eq!((answer.status, &month["interval"], &month["amount"]), (200, &json!("month"), &json!(1000)), "{}", answer.body);
        assert_eq!(
            (&month["status"], &month["paid_until"]),
            (&json!("active"), &year["paid_until"]),
            "access lasts until the paid period ends"
        );
        assert_eq!((&month["switches_at"], &month["current_period_end"]), (&year["paid_until"], &year["paid_until"]));
        assert_eq!(world.succeeded(account).await.len(), 1, "nothing is charged now");
        assert_eq!(balances(&world, account).await, [0], "and nothing is left over");
        world.deliver().await;
        assert_eq!(club.subscription(&world, &id).await["paid_until"], year["paid_until"]);

        // Switching back to the year cancels the planned switch, and nothing is charged now.
        let back = change(&world, &club, &id, "switch", json!({"interval": "year"})).await;
        assert_eq!(
            (back.status, &back.json()["interval"], &back.json()["switches_at"]),
            (200, &json!("year"), &year["paid_until"]),
            "{}",
            back.body
        );
        assert_eq!(change(&world, &club, &id, "switch", json!({"interval": "month"})).await.status, 200);
        assert_eq!(world.succeeded(account).await.len(), 1);

        // The subscription can be canceled and resumed like any other.
        for (what, ending) in [("cancel", true), ("resume", false)] {
            assert_eq!(change(&world, &club, &id, what, json!({})).await.json()["cancel_at_period_end"], json!(ending));
        }
        pass(&world, &mut club, 280).await;
        assert!(club.is_open(&world).await);
        assert_eq!(world.succeeded(account).await.len(), 1);
        pass(&world, &mut club, 14).await;
        assert!(club.is_open(&world).await);
        let after = club.subscription(&world, &id).await;
        assert_eq!((&after["status"], after.get("switches_at")), (&json!("active"), None), "{after}");
        let mut amounts: Vec<i64> = world.succeeded(account).await.iter().filter_map(|payment| payment["amount"].as_i64()).collect();
        amounts.sort_unstable();
        assert_eq!(amounts, [1000, 10_000]);
    }
}

/// The credit or debt of all customers on an account.
async fn balances(world: &World, account: Option<&str>) -> Vec<i64> {
    let customers = world.stripe("/customers?limit=100", account).await;
    customers["data"].as_array().expect("a list").iter().map(|customer| customer["balance"].as_i64().expect("a balance")).collect()
}

#[tokio::test]
async fn no_seller_is_paid_with_a_credit_from_another() {
    let world = World::start().await;
    let mut club = Club::open(&world).await;
    let other = world.seller("other@example.com").await;
    world.link(&other).await;
    world.course(&other, "Another course", 5000, "usd", 10).await;
    offer(&world, &other, json!({"monthly": {"amount": 1000}, "currency": "usd"})).await;
    let id = club.joined(&world, "year").await;
    let path = format!("/sellers/{}/membership/subscribe", other.id);
    let joined = world.post(path, json!({"interval": "month", "payment_method": club.card})).bearer(&club.shop.buyer.token).await;
    assert_eq!(joined.status, 201, "{}", joined.body);
    assert_eq!(change(&world, &club, &id, "switch", json!({"interval": "month"})).await.status, 200);
    pass(&world, &mut club, 65).await;
    let other_token = world.log_in(&other).await;
    let totals = world.get("/sales").bearer(&other_token).await.json()["totals"][0].clone();
    assert_eq!((&totals["sales"], &totals["gross"]), (&json!(3), &json!(3000)), "every month is paid to its seller");
    assert!(balances(&world, None).await.iter().all(|balance| *balance == 0));
}

#[tokio::test]
async fn a_switch_whose_difference_is_too_small_to_be_charged_waits() {
    let world = World::start().await;
    let mut club = Club::open(&world).await;
    offer(&world, &club.shop.seller, json!({"monthly": {"amount": 1000}, "yearly": {"amount": 1049}, "currency": "usd"})).await;
    let id = club.joined(&world, "month").await;
    let waits = change(&world, &club, &id, "switch", json!({"interval": "year"})).await;
    assert_eq!((waits.status, waits.json()["switches_at"].is_string()), (200, true), "{}", waits.body);
    pass(&world, &mut club, 33).await;
    assert_eq!(balances(&world, None).await, [0], "no cents for another invoice");
    let year = club.subscription(&world, &id).await;
    assert_eq!((&year["interval"], world.succeeded(None).await.len()), (&json!("year"), 2));
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
    assert_eq!(change(&world, &club, &id, "switch", json!({"interval": "year"})).await.status, 200, "a declined attempt is not replayed");

    // The debt must be paid first.
    super::pay_with(&world, &club, "pm_card_chargeCustomerFail").await;
    pass(&world, &mut club, 370).await;
    let owes = change(&world, &club, &id, "switch", json!({"interval": "month"})).await;
    owes.is_problem(409, "subscription_past_due", "pay this subscription's open invoice first");
}

#[tokio::test]
async fn only_the_buyer_can_switch_and_only_to_an_offered_interval() {
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
    assert_eq!(change(&world, &club, &id, "switch", json!({"interval": "month"})).await.status, 200, "nothing changes");
}

#[tokio::test]
async fn an_account_with_a_subscription_cannot_be_erased() {
    let world = World::start().await;
    let mut club = Club::open(&world).await;
    let id = club.joined(&world, "month").await;
    let erase = async |token: &str| world.erase(token).await;
    erase(&club.shop.buyer.token).await.is_problem(
        409,
        "still_subscribed",
        "one of your subscriptions is still active; end it at once, or wait until it ends",
    );
    change(&world, &club, &id, "cancel", json!({})).await;
    assert_eq!(erase(&club.shop.buyer.token).await.status, 409, "it still runs");
    pass(&world, &mut club, 32).await;
    erase(&club.shop.buyer.token).await.is_empty(204);
}
