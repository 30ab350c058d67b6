//! What happens to a subscription over time.

use serde_json::{Value, json};

use super::{Club, DIRECT, pass, pay_with};
use crate::harness::World;

#[tokio::test]
async fn a_year_of_months_is_paid_month_by_month() {
    for settings in [&[][..], &DIRECT] {
        let world = World::with(settings).await;
        let mut club = Club::open(&world).await;
        let account = club.account(settings);
        let account = account.as_deref();
        let id = club.joined(&world, "month").await;
        world.deliver().await;
        let mut paid_until = club.subscription(&world, &id).await["paid_until"].as_str().expect("it is paid").to_owned();
        for day in 1..=73 {
            pass(&world, &mut club, 5).await;
            assert!(club.is_open(&world).await, "after {} days", day * 5);
            let now = club.subscription(&world, &id).await["paid_until"].as_str().expect("it is paid").to_owned();
            assert!(now >= paid_until);
            paid_until = now;
        }
        // The first payment, and one each month.
        let paid = world.succeeded(account).await.len();
        assert!((12..=13).contains(&paid), "on the same day of each month: {paid}");
        let totals = world.get("/sales").bearer(&club.shop.seller.token).await.json()["totals"][0].clone();
        let months = i64::try_from(paid).expect("a few");
        assert_eq!((&totals["sales"], &totals["gross"], &totals["net"]), (&json!(months), &json!(months * 1000), &json!(months * 500)));
    }
}

#[tokio::test]
async fn a_failed_renewal_has_a_grace_period_and_another_card_can_pay_it() {
    let world = World::start().await;
    let mut club = Club::open(&world).await;
    let id = club.joined(&world, "month").await;
    pay_with(&world, &club, "pm_card_chargeCustomerFail").await;
    pass(&world, &mut club, 32).await;
    let owes = club.subscription(&world, &id).await;
    assert_eq!(owes["status"], "past_due");
    assert!(owes["paid_until"].as_str() < owes["current_period_end"].as_str());
    assert!(club.is_open(&world).await, "within the grace");
    pass(&world, &mut club, 8).await;
    assert!(!club.is_open(&world).await, "after it");
    club.subscribe(&world, "month").await.is_problem(409, "already_subscribed", "you already subscribe to this membership");
    pay_with(&world, &club, "pm_card_visa").await;
    // Stripe's next automatic retry.
    pass(&world, &mut club, 7).await;
    let mended = club.subscription(&world, &id).await;
    assert_eq!((&mended["status"], &mended["paid_until"]), (&json!("active"), &mended["current_period_end"]));
    assert!(club.is_open(&world).await);
    world.pump().await;
    let mails = world.mails_to(&club.shop.buyer.email);
    let told = mails.iter().filter(|mail| mail.subject == "A renewal did not go through: Membership").count();
    assert_eq!(told, 1, "once per invoice, however often it is retried");
}

#[tokio::test]
async fn a_renewal_that_is_never_paid_ends_the_subscription_and_another_can_begin() {
    let world = World::with(&[("MEMBERSHIP_GRACE_DAYS", "3")]).await;
    let mut club = Club::open(&world).await;
    let id = club.joined(&world, "month").await;
    pay_with(&world, &club, "pm_card_chargeCustomerFail").await;
    pass(&world, &mut club, 35).await;
    assert!(!club.is_open(&world).await);
    pass(&world, &mut club, 15).await;
    assert_eq!(club.subscription(&world, &id).await["status"], "canceled");
    assert!(!club.is_open(&world).await);
    let second = club.joined(&world, "year").await;
    assert!(club.is_open(&world).await);
    let list = world.get("/subscriptions").bearer(&club.shop.buyer.token).await.json();
    let ids: Vec<&Value> = list["items"].as_array().expect("a list").iter().map(|one| &one["id"]).collect();
    assert_eq!(ids, [&json!(second), &json!(id)], "the newest first");
    assert_eq!(world.succeeded(None).await.len(), 2);
}

/// Stripe leaves the invoice of a renewal open when it gives up, and its page would still take money for a period that is over.
#[tokio::test]
async fn what_is_owed_when_stripe_gives_up_on_a_renewal_is_voided() {
    for settings in [&[][..], &DIRECT] {
        for is_lost in [false, true] {
            let world = World::with(settings).await;
            let mut club = Club::open(&world).await;
            let account = club.account(settings);
            let id = club.joined(&world, "month").await;
            world.deliver().await;
            let failing = json!({"payment_method": "pm_card_chargeCustomerFail"});
            let changed = world.post(format!("/subscriptions/{id}/resume"), failing).bearer(&club.shop.buyer.token).await;
            assert_eq!(changed.status, 200, "{}", changed.body);
            pass(&world, &mut club, 40).await;
            if is_lost {
                world.admin("POST", "webhooks/mode", json!({"drop_next": 100, "own_clock": true})).await;
            }
            pass(&world, &mut club, 10).await;
            if is_lost {
                world.pass(time::Duration::days(1)).await;
                world.reconcile().await;
            }
            assert_eq!(club.subscription(&world, &id).await["status"], "canceled");
            let invoices = world.stripe("/invoices?limit=100", account.as_deref()).await;
            let states: Vec<&Value> = invoices["data"].as_array().expect("a list").iter().map(|one| &one["status"]).collect();
            assert_eq!(states, [&json!("void"), &json!("paid")], "lost: {is_lost}");
        }
    }
}

#[tokio::test]
async fn a_member_who_owes_pays_with_another_card() {
    for settings in [&[][..], &DIRECT] {
        let world = World::with(settings).await;
        let mut club = Club::open(&world).await;
        let account = club.account(settings);
        let body = json!({"interval": "month", "payment_method": "pm_card_visa"});
        let id = club.ask(&world, body).await.json()["subscription"]["id"].as_str().expect("an id").to_owned();
        world.deliver().await;
        let path = format!("/subscriptions/{id}/resume");
        // Stripe attaches a failing card to the customer anyway.
        let failing = json!({"payment_method": "pm_card_chargeCustomerFail"});
        let changed = world.post(&path, failing.clone()).bearer(&club.shop.buyer.token).await;
        assert_eq!((changed.status, changed.text("status")), (200, "active".to_owned()), "nothing is owed: {}", changed.body);
        pass(&world, &mut club, 40).await;
        assert_eq!(club.subscription(&world, &id).await["status"], "past_due");
        assert!(!club.is_open(&world).await);
        let declined = world.post(&path, failing).bearer(&club.shop.buyer.token).await;
        assert_eq!((declined.status, declined.text("code")), (402, "card_declined".to_owned()), "{}", declined.body);
        let paid = world.post(&path, json!({"payment_method": club.card})).bearer(&club.shop.buyer.token).await;
        assert_eq!((paid.status, paid.text("status")), (200, "active".to_owned()), "{}", paid.body);
        assert!(club.is_open(&world).await);
        assert_eq!(world.succeeded(account.as_deref()).await.len(), 2);
        // It also pays the next period.
        pass(&world, &mut club, 31).await;
        assert_eq!((club.is_open(&world).await, world.succeeded(account.as_deref()).await.len()), (true, 3));
        let wrong = world.post(&path, json!({"payment_method": "tok_visa"})).bearer(&club.shop.buyer.token).await;
        assert_eq!(wrong.status, 422);
    }
}

#[tokio::test]
async fn a_year_with_a_card_that_fails_a_switch_and_a_cancellation() {
    for settings in [&[][..], &DIRECT] {
        let world = World::with(settings).await;
        let mut club = Club::open(&world).await;
        let account = club.account(settings);
        let account = account.as_deref();
        let id = club.joined(&world, "month").await;
        world.deliver().await;
        let ask = async |club: &Club, what: &str, body: Value| {
            world.post(format!("/subscriptions/{id}/{what}"), body).bearer(&club.shop.buyer.token).await
        };
        for months in [2, 3] {
            pass(&world, &mut club, 31).await;
            assert_eq!((club.is_open(&world).await, world.succeeded(account).await.len()), (true, months));
        }

        // The card fails: there is a grace period, and then access ends.
        assert_eq!(ask(&club, "resume", json!({"payment_method": "pm_card_chargeCustomerFail"})).await.status, 200);
        pass(&world, &mut club, 31).await;
        assert_eq!(club.subscription(&world, &id).await["status"], "past_due");
        assert!(club.is_open(&world).await);
        assert_eq!(ask(&club, "switch", json!({"interval": "year"})).await.text("code"), "subscription_past_due");
        pass(&world, &mut club, 8).await;
        assert!(!club.is_open(&world).await);
        assert_eq!(ask(&club, "resume", json!({"payment_method": club.card})).await.text("status"), "active");
        assert_eq!((club.is_open(&world).await, world.succeeded(account).await.len()), (true, 4));

        // The price of a year, less the rest of the month.
        let switched = ask(&club, "switch", json!({"interval": "year"})).await;
        assert_eq!((switched.status, switched.text("interval")), (200, "year".to_owned()), "{}", switched.body);
        pass(&world, &mut club, 100).await;
        let canceled = ask(&club, "cancel", json!({})).await;
        assert_eq!((canceled.status, &canceled.json()["cancel_at_period_end"]), (200, &json!(true)), "{}", canceled.body);
        pass(&world, &mut club, 264).await;
        assert!(club.is_open(&world).await, "a day before the end");
        pass(&world, &mut club, 3).await;
        assert!(!club.is_open(&world).await);
        assert_eq!(club.subscription(&world, &id).await["status"], "canceled");

        // The total.
        let paid = world.succeeded(account).await;
        let sum = |name: &str| paid.iter().map(|payment| payment[name].as_i64().expect("an amount")).sum::<i64>();
        let (gross, fees) = (sum("amount"), sum("application_fee_amount"));
        assert_eq!(paid.len(), 5);
        assert!((13_000..14_000).contains(&gross), "four months and a year, less a part of a month: {gross}");
        let totals = world.get("/sales").bearer(&club.shop.seller.token).await.json()["totals"][0].clone();
        let told = ["sales", "gross", "application_fee", "net"].map(|name| totals[name].as_i64().expect("an amount"));
        assert_eq!(told, [5, gross, fees, gross - fees]);
        world.books().await;
    }
}

#[tokio::test]
async fn a_renewal_that_the_bank_wants_confirmed_is_paid_on_stripes_page() {
    for settings in [&[][..], &DIRECT] {
        let world = World::with(settings).await;
        let mut club = Club::open(&world).await;
        let account = club.account(settings);
        let account = account.as_deref();
        let id = club.joined(&world, "month").await;
        world.deliver().await;
        let path = format!("/subscriptions/{id}/resume");
        let nothing = world.post(&path, json!({})).bearer(&club.shop.buyer.token).await;
        assert_eq!((nothing.status, nothing.json().get("payment_url")), (200, None), "nothing is owed: {}", nothing.body);
        let asks = json!({"payment_method": "pm_card_authenticationRequired"});
        assert_eq!(world.post(&path, asks).bearer(&club.shop.buyer.token).await.status, 200);
        world.pump().await;
        world.mailbox().clear();
        pass(&world, &mut club, 32).await;
        assert_eq!(club.subscription(&world, &id).await["status"], "past_due");
        world.pump().await;
        let mails = world.mails_to(&club.shop.buyer.email);
        assert_eq!(mails.len(), 1, "once for both events: {mails:?}");
        assert!(mails[0].text.contains("/account.html#memberships"), "{}", mails[0].text);

        // The page linked in the mail sends this request and continues on Stripe's page.
        let answer = world.post(&path, json!({})).bearer(&club.shop.buyer.token).await;
        let way = answer.json();
        assert_eq!((answer.status, &way["status"]), (200, &json!("past_due")), "{}", answer.body);
        assert!(way["payment_url"].as_str().is_some_and(|url| url.contains("/i/in_")), "{way}");
        assert!(!answer.body.contains("_secret_"), "with a secret a browser could try card after card: {}", answer.body);
        let newest = world.stripe("/payment_intents?limit=1", account).await;
        let intent = newest["data"][0]["id"].as_str().expect("the renewal's").to_owned();
        world.admin("POST", &format!("payment_intents/{intent}/authenticate"), json!({"outcome": "succeed"})).await;
        world.deliver().await;
        assert_eq!(club.subscription(&world, &id).await["status"], "active");
        assert!(club.is_open(&world).await);
        assert_eq!(world.succeeded(account).await.len(), 2);
        let paid = world.post(&path, json!({})).bearer(&club.shop.buyer.token).await.json();
        assert_eq!(paid.get("payment_url"), None);
    }
}

#[tokio::test]
async fn a_card_that_must_be_confirmed_pays_what_is_owed_on_stripes_page() {
    let world = World::start().await;
    let mut club = Club::open(&world).await;
    let id = club.joined(&world, "month").await;
    pay_with(&world, &club, "pm_card_chargeCustomerFail").await;
    pass(&world, &mut club, 32).await;
    let path = format!("/subscriptions/{id}/resume");
    let answer = world.post(&path, json!({"payment_method": "pm_card_authenticationRequired"})).bearer(&club.shop.buyer.token).await;
    assert_eq!((answer.status, answer.text("status")), (200, "past_due".to_owned()), "{}", answer.body);
    assert!(answer.json()["payment_url"].is_string(), "{}", answer.body);
}

#[tokio::test]
async fn a_card_that_pays_a_membership_is_removed_only_on_explicit_request() {
    for settings in [&[][..], &DIRECT] {
        let world = World::with(settings).await;
        let club = Club::open(&world).await;
        let id = club.joined(&world, "month").await;
        world.deliver().await;
        let path = format!("/users/me/payment-methods/{}", club.card);
        let remove = async |query: &str| world.delete(format!("{path}{query}")).bearer(&club.shop.buyer.token).await;
        if settings.is_empty() {
            remove("").await.is_problem(
                409,
                "card_in_use",
                "a membership is paid with this card; choose another for it first, or remove this one with in_use=true",
            );
            assert_eq!(remove("?in_use=perhaps").await.status, 422);
            // From now on another card pays.
            let other = json!({"payment_method": "pm_card_mastercard"});
            assert_eq!(world.post(format!("/subscriptions/{id}/resume"), other).bearer(&club.shop.buyer.token).await.status, 200);
            let cards = world.get("/users/me/payment-methods").bearer(&club.shop.buyer.token).await.json();
            let mastercard =
                cards["items"].as_array().expect("a list").iter().find(|card| card["brand"] == "mastercard").expect("it is kept");
            let path = format!("/users/me/payment-methods/{}", mastercard["id"].as_str().expect("an id"));
            assert_eq!(world.delete(&path).bearer(&club.shop.buyer.token).await.text("code"), "card_in_use");
            world.delete(format!("{path}?in_use=true")).bearer(&club.shop.buyer.token).await.is_empty(204);
        }
        // On the seller's account, a clone of the card pays.
        remove("").await.is_empty(204);
    }
}
