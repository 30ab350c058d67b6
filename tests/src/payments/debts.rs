//! Sellers who owe money, by an account's negative balance or by a reversal that Stripe refused, and would rather go on without.

use serde_json::{Value, json};
use time::Duration;

use crate::harness::{Answer, Person, World};

const OWES: &str = "your Stripe account owes money from refunds or disputes; continue with it until that is settled, or ask the platform";

const EMPTY: &str = "the payment provider refused the refund: balance_insufficient";

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

        // Without debts a seller leaves, and refunds what the account still has.
        let kept = sell(&world, "c@example.com", &course).await;
        disconnect(&world, &seller).await.is_empty(204);
        let part = world.post(format!("/purchases/{kept}/refund"), json!({"amount": 1000})).bearer(&seller.token).await;
        assert_eq!(part.status, 200, "{}", part.body);
        pay_out(&world, &account).await;
        for one in [&kept, &first] {
            refund(&world, &seller, one).await.is_problem(409, "refund_refused", EMPTY);
        }
        // The staff can have the platform stand in for it.
        let staff = world.staff("staff@example.com").await;
        assert_eq!(refund(&world, &staff, &first).await.status, 200);
        let other = if kind == "express" { "custom" } else { "express" };
        for body in [json!({"type": other}), json!({"type": kind, "country": "DE"})] {
            ask(&world, &seller, body).await.is_problem(409, "debts_open", OWES);
        }
        assert_eq!(connects(&world, &seller, None).await, "connect=error&reason=debts_open");

        // The account that owes can be had again, sells on, and is not left while it owes.
        assert_eq!(ask(&world, &seller, json!({"type": kind})).await.text("account_id"), account);
        disconnect(&world, &seller).await.is_problem(409, "debts_open", OWES);
        for buyer in ["d@example.com", "e@example.com"] {
            sell(&world, buyer, &course).await;
        }
        assert_eq!(refund(&world, &seller, &second).await.status, 200);
        disconnect(&world, &seller).await.is_empty(204);
        let abroad = ask(&world, &seller, json!({"type": kind, "country": "DE"})).await;
        assert_eq!(abroad.status, 200, "{}", abroad.body);

        // Nor does the account before the one in another country get out of sight.
        pay_out(&world, &account).await;
        refund(&world, &seller, &kept).await.is_problem(409, "refund_refused", EMPTY);
        assert_eq!(refund(&world, &staff, &kept).await.status, 200);
        disconnect(&world, &seller).await.is_empty(204);
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

/// Stripe is too busy to take back the seller's part of a lost dispute at once.
#[tokio::test]
async fn who_is_about_to_owe_a_lost_dispute_does_not_leave() {
    let world = World::with(&[("CHARGE_TYPE", "destination")]).await;
    let seller = world.seller("seller@example.com").await;
    let account = world.made_account(&seller, "express", "US").await;
    let course = world.course(&seller, "Django", 4000, "usd", 50).await;
    sell(&world, "a@example.com", &course).await;
    pay_out(&world, &account).await;
    let charge = world.succeeded(None).await.remove(0)["latest_charge"].clone();
    let charge = charge["id"].as_str().or(charge.as_str()).expect("it was charged").to_owned();
    world.admin("POST", &format!("charges/{charge}/dispute"), json!({})).await;
    let dispute = world.stripe(&format!("/disputes?charge={charge}"), None).await["data"][0]["id"].as_str().expect("an id").to_owned();
    let busy = json!({"match": {"method": "POST", "path": "/v1/transfers"}, "times": 20, "fault": {"kind": "status", "status": 429}});
    world.admin("POST", "faults", busy).await;
    world.admin("POST", &format!("disputes/{dispute}/close"), json!({"outcome": "lost"})).await;
    world.deliver().await;
    disconnect(&world, &seller).await.is_problem(409, "debts_open", OWES);
    world.admin("DELETE", "faults", json!({})).await;
    world.pass(Duration::minutes(10)).await;
    world.reconcile().await;
    disconnect(&world, &seller).await.is_problem(409, "debts_open", OWES);
    world.books().await;
}

/// The browser without a session confirms later, and the debt may be made in between.
#[tokio::test]
async fn a_link_that_waits_for_its_confirmation_is_no_way_round() {
    let world = World::with(&[("CHARGE_TYPE", "destination")]).await;
    let seller = world.seller("seller@example.com").await;
    let account = world.made_account(&seller, "express", "US").await;
    let course = world.course(&seller, "Django", 4000, "usd", 50).await;
    let purchase = sell(&world, "a@example.com", &course).await;
    for buyer in ["b@example.com", "c@example.com"] {
        sell(&world, buyer, &course).await;
    }
    pay_out(&world, &account).await;
    disconnect(&world, &seller).await.is_empty(204);

    let start = world.post("/users/authorize", json!({})).bearer(&seller.token).await.text("url");
    let start = world.get(start.strip_prefix(&world.app.config.public_api_url).unwrap_or(&start)).await;
    let consent = world.consent(start, "allow").await;
    let answer = world.get(consent.path.as_str()).header("cookie", consent.cookie.clone()).await;
    let location = answer.header("location").expect("it sends on");
    let code = location.split_once("connect=confirm&code=").unwrap_or_else(|| panic!("{location}")).1.to_owned();
    let staff = world.staff("staff@example.com").await;
    assert_eq!(refund(&world, &staff, &purchase).await.status, 200);
    let confirm = async || world.post("/users/oauth/confirm", json!({"code": code})).bearer(&seller.token).await;
    confirm().await.is_problem(409, "debts_open", OWES);

    // It waits until the debt is paid.
    let transfer = [("destination", account.as_str()), ("amount", "2000"), ("currency", "usd")];
    let paid = world.in_dashboard("/transfers", None, &transfer.map(|(name, value)| (name, value.to_owned()))).await;
    assert_eq!(paid["object"], "transfer", "{paid}");
    assert_eq!(confirm().await.status, 200);
}
