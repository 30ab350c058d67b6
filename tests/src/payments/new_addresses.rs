//! Customers at Stripe follow a user's new address.

use serde_json::{Value, json};
use time::Duration;

use super::erasures::{customers, known_to_both};
use crate::harness::{PASSWORD, Person, World, token_in};

async fn move_to(world: &World, person: &Person, email: &str) {
    let asked = world.patch("/users/me", json!({"email": email, "current_password": PASSWORD})).bearer(&person.token).await;
    assert_eq!(asked.status, 200, "{}", asked.body);
    world.pump().await;
    let token = token_in(&world.mails_to(email).pop().expect("a mail"));
    world.put("/email-confirmations", json!({"token": token})).await.is_empty(204);
    world.pump().await;
}

/// The addresses of the customers on the platform and on the account.
async fn addresses(world: &World, account: &str) -> Vec<Value> {
    let mut all = customers(world, None).await;
    all.append(&mut customers(world, Some(account)).await);
    all.into_iter().map(|customer| customer["email"].clone()).collect()
}

#[tokio::test]
async fn stripes_customers_get_a_new_address_and_the_old_one_if_it_is_restored() {
    let world = World::with(&[("CHARGE_TYPE", "direct")]).await;
    let shop = known_to_both(&world).await;
    let before = shop.buyer.email.clone();
    move_to(&world, &shop.buyer, "new@example.com").await;
    assert_eq!(addresses(&world, &shop.account).await, [before.as_str(), before.as_str()], "the request does not wait for Stripe");
    world.reconcile().await;
    assert_eq!(addresses(&world, &shop.account).await, [before.as_str(), before.as_str()], "a purchase may still be at work");
    world.pass(Duration::minutes(3)).await;
    let customer = customers(&world, Some(&shop.account)).await[0]["id"].as_str().expect("an id").to_owned();
    for _ in 0..6 {
        world.fault("POST", &format!("/v1/customers/{customer}"), json!({"kind": "status", "status": 500})).await;
    }
    world.reconcile().await;
    assert_eq!(addresses(&world, &shop.account).await, ["new@example.com", before.as_str()]);
    world.pass(Duration::minutes(16)).await;
    world.reconcile().await;
    assert_eq!(addresses(&world, &shop.account).await, ["new@example.com", "new@example.com"]);
    world.asked_stripe().await;
    world.pass(Duration::hours(17)).await;
    world.reconcile().await;
    let asked = world.asked_stripe().await;
    assert!(asked.iter().all(|one| !one.contains("/customers/")), "nothing is left to do: {asked:?}");

    // The key of the first change to this address must not answer for a second one.
    for email in ["newer@example.com", "new@example.com"] {
        world.pass(Duration::minutes(10)).await;
        move_to(&world, &shop.buyer, email).await;
        world.pass(Duration::minutes(3)).await;
        world.reconcile().await;
        assert_eq!(addresses(&world, &shop.account).await, [email, email]);
    }
    let told = world.mails_to(&before).into_iter().find(|mail| mail.text.contains("/reset.html#")).expect("a mail");
    world.put("/password-resets", json!({"token": token_in(&told), "password": "battery staple"})).await.is_empty(204);
    world.pass(Duration::minutes(3)).await;
    world.reconcile().await;
    assert_eq!(addresses(&world, &shop.account).await, [before.as_str(), before.as_str()]);
}

#[tokio::test]
async fn a_customer_of_another_deployment_keeps_its_address() {
    let world = World::with(&[("CHARGE_TYPE", "direct")]).await;
    let shop = known_to_both(&world).await;
    let customer = customers(&world, Some(&shop.account)).await[0]["id"].as_str().expect("an id").to_owned();
    let form = [("metadata[stack_id]", "another".to_owned())];
    world.in_dashboard(&format!("/customers/{customer}"), Some(&shop.account), &form).await;
    move_to(&world, &shop.buyer, "new@example.com").await;
    world.pass(Duration::minutes(3)).await;
    world.reconcile().await;
    assert_eq!(addresses(&world, &shop.account).await, ["new@example.com", shop.buyer.email.as_str()]);
}
