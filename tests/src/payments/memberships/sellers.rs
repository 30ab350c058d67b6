//! When a seller leaves, their memberships are not renewed.

use serde_json::{Value, json};
use time::Duration;

use super::{Club, DIRECT, pass};
use crate::harness::World;

/// Checks what a paying member sees once the seller has left: they were notified, and nothing more is charged.
async fn is_ended(world: &World, club: &mut Club, id: &str, account: Option<&str>) {
    let subscription = club.subscription(world, id).await;
    assert_eq!((&subscription["status"], &subscription["ended_by"]), (&json!("canceled"), &json!("seller")), "{subscription}");
    let all = club.at_stripe(world, account).await;
    assert!(all.iter().all(|one| one["status"] == "canceled"), "{all:?}");
    world.pump().await;
    let told = world.mails_to(&club.shop.buyer.email).into_iter().filter(|mail| mail.subject == "Your membership ends: Membership");
    let told: Vec<_> = told.collect();
    assert_eq!(told.len(), 1, "each member is notified once");
    let until = subscription["paid_until"].as_str().expect("it was paid");
    assert!(told[0].text.contains(&until[..10]), "{}", told[0].text);
    pass(world, club, 70).await;
    world.reconcile().await;
    assert_eq!(world.succeeded(account).await.len(), 1, "no renewal is paid");
}

#[tokio::test]
async fn a_seller_who_disconnects_gets_no_renewals() {
    for settings in [&[][..], &DIRECT] {
        let world = World::with(settings).await;
        let mut club = Club::open(&world).await;
        let account = club.account(settings);
        let id = club.joined(&world, "month").await;
        world.deliver().await;
        world.delete("/users/me/stripe").bearer(&club.shop.seller.token).await.is_empty(204);
        world.deliver().await;
        if account.is_some() {
            // Later, nobody could end it.
            assert_eq!(club.subscription(&world, &id).await["status"], "canceled", "it ends before access is revoked");
            assert!(club.is_open(&world).await);
            world.link_by(&club.shop.seller, "/users/authorize", account.as_deref()).await;
            is_ended(&world, &mut club, &id, account.as_deref()).await;
            continue;
        }
        world.reconcile().await;
        assert!(club.is_open(&world).await, "access lasts until the paid period ends");
        is_ended(&world, &mut club, &id, None).await;
        assert!(!club.is_open(&world).await);
    }
}

#[tokio::test]
async fn a_seller_who_is_dismissed_revokes_access_or_is_rejected_gets_no_renewals() {
    for how in ["unmade", "deauthorized", "rejected"] {
        let world = World::start().await;
        let mut club = Club::open(&world).await;
        let id = club.joined(&world, "month").await;
        world.deliver().await;
        let account = club.shop.account.clone();
        match how {
            "unmade" => {
                let staff = world.staff("staff@example.com").await;
                let path = format!("/admin/users/{}", club.shop.seller.id);
                let answer = world.patch(path, json!({"is_seller": false})).bearer(&staff.token).await;
                assert_eq!(answer.status, 200, "{}", answer.body);
            }
            "deauthorized" => drop(world.admin("POST", &format!("accounts/{account}/deauthorize"), json!({})).await),
            _ => {
                let rejected = json!({"charges_enabled": false, "requirements": {"disabled_reason": "rejected.fraud"}});
                world.admin("POST", &format!("accounts/{account}"), rejected).await;
            }
        }
        world.deliver().await;
        world.reconcile().await;
        is_ended(&world, &mut club, &id, None).await;
    }
}

#[tokio::test]
async fn a_drafted_renewal_for_a_seller_who_left_is_voided() {
    let world = World::start().await;
    let mut club = Club::open(&world).await;
    let id = club.joined(&world, "month").await;
    world.deliver().await;
    // The reconciliation does not run while the seller leaves and the period ends.
    let staff = world.staff("staff@example.com").await;
    let path = format!("/admin/users/{}", club.shop.seller.id);
    assert_eq!(world.patch(path, json!({"is_seller": false})).bearer(&staff.token).await.status, 200);
    let end = club.at_stripe(&world, None).await[0]["items"]["data"][0]["current_period_end"].as_i64().expect("a time");
    world.pass(Duration::seconds(end - world.app.clock.now().unix_timestamp()) + Duration::minutes(5)).await;
    world.deliver().await;
    club.log_in(&world).await;
    is_ended(&world, &mut club, &id, None).await;
}

/// The reconciliation runs a day before the period ends, and again after it.
async fn look_before_the_end(world: &World, club: &mut Club) {
    let end = club.at_stripe(world, None).await[0]["items"]["data"][0]["current_period_end"].as_i64().expect("a time");
    world.pass(Duration::seconds(end - world.app.clock.now().unix_timestamp()) - Duration::hours(20)).await;
    world.deliver().await;
    world.reconcile().await;
    club.log_in(world).await;
}

async fn publish(world: &World, club: &Club, published: bool) {
    let path = format!("/courses/{}", club.shop.course_id);
    let answer = world.patch(path, json!({"published": published})).bearer(&club.shop.seller.token).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[tokio::test]
async fn without_a_course_nothing_is_renewed_and_members_can_resume_later() {
    let world = World::start().await;
    let mut club = Club::open(&world).await;
    let id = club.joined(&world, "month").await;
    world.deliver().await;
    publish(&world, &club, false).await;
    look_before_the_end(&world, &mut club).await;
    let subscription = club.subscription(&world, &id).await;
    assert_eq!((&subscription["status"], &subscription["cancel_at_period_end"]), (&json!("active"), &json!(true)), "{subscription}");
    world.pump().await;
    let told = |world: &World| {
        world.mails_to(&club.shop.buyer.email).iter().filter(|mail| mail.subject.starts_with("Your membership ends")).count()
    };
    assert_eq!(told(&world), 1);

    publish(&world, &club, true).await;
    let stays = world.post(format!("/subscriptions/{id}/resume"), json!({})).bearer(&club.shop.buyer.token).await;
    assert_eq!((stays.status, &stays.json()["cancel_at_period_end"]), (200, &json!(false)), "{}", stays.body);
    pass(&world, &mut club, 3).await;
    assert_eq!(world.succeeded(None).await.len(), 2, "it is renewed");

    publish(&world, &club, false).await;
    look_before_the_end(&world, &mut club).await;
    pass(&world, &mut club, 5).await;
    assert_eq!(club.subscription(&world, &id).await["status"], "canceled");
    assert_eq!(world.succeeded(None).await.len(), 2);
}

#[tokio::test]
async fn nothing_is_renewed_while_the_account_cannot_be_charged() {
    let world = World::start().await;
    let mut club = Club::open(&world).await;
    let id = club.joined(&world, "month").await;
    world.deliver().await;
    world.admin("POST", &format!("accounts/{}", club.shop.account), json!({"capabilities": {"transfers": "inactive"}})).await;
    world.deliver().await;
    assert_eq!(club.subscription(&world, &id).await["cancel_at_period_end"], false, "that may change until then");
    look_before_the_end(&world, &mut club).await;
    assert_eq!(club.subscription(&world, &id).await["cancel_at_period_end"], true);
    pass(&world, &mut club, 5).await;
    let subscription = club.subscription(&world, &id).await;
    assert_eq!((&subscription["status"], world.succeeded(None).await.len()), (&json!("canceled"), 1));
}

#[tokio::test]
async fn a_seller_who_stays_keeps_their_members() {
    let world = World::start().await;
    let mut club = Club::open(&world).await;
    let id = club.joined(&world, "month").await;
    world.deliver().await;
    // The departure was recorded but did not happen.
    world.app.store.seller_goes(&club.shop.seller.id.parse().expect("an id"), world.app.clock.now()).await.expect("the table");
    world.fault("POST", "/oauth/deauthorize", json!({"kind": "html_503"})).await;
    assert_eq!(world.delete("/users/me/stripe").bearer(&club.shop.seller.token).await.status, 503);
    for _ in 0..2 {
        world.reconcile().await;
        world.pass(Duration::hours(2)).await;
    }
    assert_eq!(club.subscription(&world, &id).await["status"], "active");
    pass(&world, &mut club, 32).await;
    assert_eq!(world.succeeded(None).await.len(), 2);
    let mails: Vec<Value> = world.mails_to(&club.shop.buyer.email).iter().map(|mail| json!(mail.subject)).collect();
    assert!(!mails.contains(&json!("Your membership ends: Membership")), "{mails:?}");
}

/// Staff take the seller's only course down.
async fn take_down(world: &World, club: &Club) {
    let staff = world.staff("staff@example.com").await;
    let path = format!("/courses/{}", club.shop.course_id);
    let answer = world.patch(path, json!({"taken_down": {"reason": "Copied"}})).bearer(&staff.token).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[tokio::test]
async fn a_membership_whose_only_course_was_taken_down_is_neither_switched_nor_renewed() {
    let world = World::start().await;
    let mut club = Club::open(&world).await;
    let id = club.joined(&world, "month").await;
    world.deliver().await;
    take_down(&world, &club).await;
    let switched = world.post(format!("/subscriptions/{id}/switch"), json!({"interval": "year"})).bearer(&club.shop.buyer.token).await;
    assert_eq!((switched.status, switched.text("code")), (409, "interval_not_offered".to_owned()), "{}", switched.body);
    look_before_the_end(&world, &mut club).await;
    assert_eq!(club.subscription(&world, &id).await["cancel_at_period_end"], true);
    pass(&world, &mut club, 5).await;
    assert_eq!((&club.subscription(&world, &id).await["status"], world.succeeded(None).await.len()), (&json!("canceled"), 1));
}
