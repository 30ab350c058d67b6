//! Sellers who owe money, by an account's negative balance or by a reversal that Stripe refused, and would rather go on without.

use serde_json::{Value, json};
use time::Duration;

use crate::harness::{Answer, Person, World};

const OWES: &str = "your Stripe account owes money from refunds or disputes; continue with it until that is settled, or ask the platform";

async fn ask(world: &World, seller: &Person, body: Value) -> Answer {
    world.post("/users/me/stripe/onboarding", body).bearer(&seller.token).await
}

async fn disconnect(world: &World, seller: &Person) -> Answer {
    world.delete("/users/me/stripe").bearer(&seller.token).await
}

async fn pay_out(world: &World, account: &str) {
    world.admin("POST", &format!("accounts/{account}/payout"), json!({})).await;
}

/// Sells the seller's course for money that is available at once, and returns the purchase.
async fn sell(world: &World, buyer: &str, course: &Value) -> String {
    let buyer = world.buyer(buyer).await;
    let sold = world.buy(&buyer, course["id"].as_str().expect("an id"), "pm_card_bypassPending").await;
    assert_eq!(sold.status, 201, "{}", sold.body);
    world.deliver().await;
    sold.json()["purchase"]["id"].as_str().expect("an id").to_owned()
}

async fn refund(world: &World, seller: &Person, purchase: &str) -> Answer {
    world.post(format!("/purchases/{purchase}/refund"), json!({})).bearer(&seller.token).await
}

/// The query of the address at which a browser ends that comes back from connecting an account.
async fn connects(world: &World, seller: &Person, account: Option<&str>) -> String {
    world.enter_password(seller).await;
    let authorize = world.get("/users/authorize").cookie(&seller.token).await;
    let consent = world.consent_for(authorize, "allow", account).await;
    let answer = world.get(consent.path.as_str()).header("cookie", format!("session={}; {}", seller.token, consent.cookie)).await;
    answer.header("location").and_then(|location| location.split_once('?')).map(|(_, query)| query.to_owned()).expect("it leads on")
}

#[tokio::test]
async fn whose_account_is_negative_neither_leaves_it_nor_gets_another() {
    for kind in ["express", "custom"] {
        let world = World::with(&[("CHARGE_TYPE", "destination")]).await;
        let seller = world.seller("seller@example.com").await;
        let account = world.made_account(&seller, kind, "US").await;
        let course = world.course(&seller, "Django", 4000, "usd", 50).await;
        let [first, second] = [sell(&world, "a@example.com", &course).await, sell(&world, "b@example.com", &course).await];
        pay_out(&world, &account).await;

        // Without debts a seller leaves, and can come back. What is refunded meanwhile is taken from an empty account.
        disconnect(&world, &seller).await.is_empty(204);
        assert_eq!(refund(&world, &seller, &first).await.status, 200);
        let other = if kind == "express" { "custom" } else { "express" };
        for body in [json!({"type": other}), json!({"type": kind, "country": "DE"})] {
            ask(&world, &seller, body).await.is_problem(409, "debts_open", OWES);
        }
        assert_eq!(connects(&world, &seller, None).await, "connect=error&reason=debts_open");

        // The account that owes can be had again, sells on, and is not left while it owes.
        assert_eq!(ask(&world, &seller, json!({"type": kind})).await.text("account_id"), account);
        disconnect(&world, &seller).await.is_problem(409, "debts_open", OWES);
        for buyer in ["c@example.com", "d@example.com"] {
            sell(&world, buyer, &course).await;
        }
        assert_eq!(refund(&world, &seller, &second).await.status, 200);
        disconnect(&world, &seller).await.is_empty(204);
        let abroad = ask(&world, &seller, json!({"type": kind, "country": "DE"})).await;
        assert_eq!(abroad.status, 200, "{}", abroad.body);

        // Nor does the account before the one in another country get out of sight.
        disconnect(&world, &seller).await.is_empty(204);
        pay_out(&world, &account).await;
        let third = world.get("/sales").bearer(&seller.token).await.json()["items"].clone();
        let paid = third.as_array().expect("a list").iter().find(|one| one["refunded"] == 0).expect("two of four are not refunded");
        assert_eq!(refund(&world, &seller, paid["purchase_id"].as_str().expect("an id")).await.status, 200);
        ask(&world, &seller, json!({"type": other})).await.is_problem(409, "debts_open", OWES);
        ask(&world, &seller, json!({"type": kind, "country": "FR"})).await.is_problem(409, "debts_open", OWES);
        world.books().await;
    }
}

#[tokio::test]
async fn who_owes_a_refused_reversal_neither_leaves_nor_gets_another_account() {
    let world = World::with(&[("CHARGE_TYPE", "separate")]).await;
    let seller = world.seller("seller@example.com").await;
    let account = world.link(&seller).await;
    let course = world.course(&seller, "Django", 4000, "usd", 50).await;
    let purchase = sell(&world, "a@example.com", &course).await;
    world.pass(Duration::hours(1)).await;
    world.enter_password(&seller).await;
    world.reconcile().await;
    pay_out(&world, &account).await;
    assert_eq!(refund(&world, &seller, &purchase).await.status, 202);
    disconnect(&world, &seller).await.is_problem(409, "debts_open", OWES);

    // Access ends at Stripe, whatever is owed.
    world.admin("POST", &format!("accounts/{account}/deauthorize"), json!({})).await;
    world.deliver().await;
    world.erase(&seller.token).await.is_problem(409, "debts_open", OWES);
    ask(&world, &seller, json!({"type": "express"})).await.is_problem(409, "debts_open", OWES);
    assert_eq!(connects(&world, &seller, None).await, "connect=error&reason=debts_open");
    assert_eq!(connects(&world, &seller, Some(&account)).await, "connect=success");
    sell(&world, "b@example.com", &course).await;
    world.pass(Duration::hours(2)).await;
    world.enter_password(&seller).await;
    world.reconcile().await;
    world.deliver().await;
    disconnect(&world, &seller).await.is_empty(204);
    world.erase(&seller.token).await.is_empty(204);
    world.books().await;
}
