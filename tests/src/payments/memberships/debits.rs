//! Memberships that a bank debit pays on Stripe's page. The bank answers days later, and the stand-in calls the subscription active until
//! then: what Stripe says meanwhile is not documented, and access must not depend on it.

use serde_json::{Value, json};
use time::Duration;

use super::{Club, DIRECT, pass, pay_with};
use crate::harness::World;

/// How long the bank takes.
pub(super) const DAYS: i64 = 4;

/// Somebody who subscribed by the month on Stripe's page, with a bank account.
pub(super) async fn debited(world: &World, bank: &str) -> (Club, String) {
    world.admin("POST", "settings", json!({"debit_delay": DAYS * 24 * 60 * 60})).await;
    let club = Club::open(world).await;
    let asked = club.ask(world, json!({"interval": "month"})).await;
    assert_eq!(asked.status, 201, "{}", asked.body);
    let account = charged(world, &club);
    let session = world.stripe("/checkout/sessions?status=open", account.as_deref()).await["data"][0]["id"].clone();
    world.admin("POST", &format!("checkout/sessions/{}/pay", session.as_str().expect("an id")), json!({"card": bank})).await;
    world.deliver().await;
    (club, asked.json()["subscription"]["id"].as_str().expect("an id").to_owned())
}

fn charged(world: &World, club: &Club) -> Option<String> {
    let is_direct = world.app.config.terms.charge_type == Some(shared::domain::charging::ChargeType::Direct);
    is_direct.then(|| club.shop.account.clone())
}

/// What the seller has sold, refunded and keeps.
async fn totals(world: &World, club: &Club) -> Value {
    let totals = world.get("/sales").bearer(&club.shop.seller.token).await.json()["totals"][0].clone();
    json!([totals["gross"], totals["refunded"], totals["net"]])
}

#[tokio::test]
async fn a_membership_opens_once_the_bank_has_paid_and_stays_open_while_it_is_asked_again() {
    for settings in [&[][..], &DIRECT] {
        let world = World::with(settings).await;
        let (mut club, id) = debited(&world, "pm_usBankAccount_success").await;
        let nothing = totals(&world, &club).await;
        assert!(!club.is_open(&world).await, "the bank has not answered");
        // Nor does anything that asks Stripe in between take it for paid.
        pass(&world, &mut club, DAYS - 1).await;
        world.reconcile().await;
        world.deliver().await;
        assert!(!club.is_open(&world).await, "{}", club.subscription(&world, &id).await);
        assert_eq!(totals(&world, &club).await, nothing);

        pass(&world, &mut club, 2).await;
        assert!(club.is_open(&world).await, "{}", club.subscription(&world, &id).await);
        assert_eq!(club.subscription(&world, &id).await["status"], "active");
        assert_eq!(totals(&world, &club).await, json!([1000, 0, 500]));

        // The period is over, and the bank is asked for the next one.
        pass(&world, &mut club, 31 - DAYS + 1).await;
        assert_eq!(totals(&world, &club).await, json!([1000, 0, 500]));
        assert!(club.is_open(&world).await, "the days of grace are not over");
        pass(&world, &mut club, DAYS).await;
        assert_eq!(totals(&world, &club).await, json!([2000, 0, 1000]));
        assert!(club.is_open(&world).await);
        world.pass(Duration::hours(7)).await;
        world.reconcile().await;
        world.books().await;
    }
}

#[tokio::test]
async fn a_first_debit_that_the_bank_refuses_opens_nothing_until_a_card_pays() {
    for settings in [&[][..], &DIRECT] {
        let world = World::with(settings).await;
        let (mut club, id) = debited(&world, "pm_usBankAccount_insufficientFunds").await;
        let nothing = totals(&world, &club).await;
        for _ in 0..2 {
            pass(&world, &mut club, DAYS - 1).await;
            world.reconcile().await;
            world.deliver().await;
            assert!(!club.is_open(&world).await, "{}", club.subscription(&world, &id).await);
            assert_eq!(totals(&world, &club).await, nothing);
        }
        world.pump().await;
        let told: Vec<_> = world.mails_to(&club.shop.buyer.email).into_iter().filter(|mail| mail.text.contains("#memberships")).collect();
        assert_eq!(told.len(), 1, "however often the bank was asked");
        assert!(told[0].subject.starts_with("A payment did not go through: "), "{}", told[0].subject);
        // Stripe goes on asking for the first period, so this is paid with a card, and no second one begins.
        assert_eq!(club.subscription(&world, &id).await["status"], "past_due");
        assert_eq!(club.subscribe(&world, "month").await.text("code"), "already_subscribed");
        let card = json!({"payment_method": club.card});
        let resumed = world.post(format!("/subscriptions/{id}/resume"), card).bearer(&club.shop.buyer.token).await;
        assert_eq!((resumed.status, &resumed.json()["status"]), (200, &json!("active")), "{}", resumed.body);
        world.deliver().await;
        assert!(club.is_open(&world).await);
        assert_eq!(totals(&world, &club).await, json!([1000, 0, 500]));
        let account = charged(&world, &club);
        let open = club.at_stripe(&world, account.as_deref()).await.into_iter().filter(|one| one["status"] != "canceled").count();
        assert_eq!(open, 1, "nothing is charged twice");
        world.books().await;
    }
}

#[tokio::test]
async fn a_renewal_that_the_bank_refuses_ends_access_after_the_days_of_grace() {
    let world = World::start().await;
    let (mut club, id) = debited(&world, "pm_usBankAccount_success").await;
    pass(&world, &mut club, DAYS + 1).await;
    assert!(club.is_open(&world).await);
    pay_with(&world, &club, "pm_usBankAccount_insufficientFunds").await;
    pass(&world, &mut club, 31 - DAYS).await;
    assert!(club.is_open(&world).await, "the bank is asked");
    pass(&world, &mut club, DAYS + 5).await;
    assert!(!club.is_open(&world).await, "{}", club.subscription(&world, &id).await);
    assert_eq!(club.subscription(&world, &id).await["status"], "past_due");
    assert_eq!(totals(&world, &club).await, json!([1000, 0, 500]));
    world.pump().await;
    let told = world.mails_to(&club.shop.buyer.email).into_iter().filter(|mail| mail.subject.starts_with("A renewal")).count();
    assert_eq!(told, 1);
    world.books().await;
}
