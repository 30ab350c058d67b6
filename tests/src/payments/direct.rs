//! `CHARGE_TYPE=direct`: the charge is on the connected account.

use serde_json::{Value, json};

use crate::harness::World;

const DIRECT: [(&str, &str); 1] = [("CHARGE_TYPE", "direct")];

#[tokio::test]
async fn a_direct_charge_is_on_the_sellers_account() {
    let world = World::with(&DIRECT).await;
    let shop = world.shop().await;
    let answer = world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert_eq!(answer.json()["purchase"]["charge_type"], "direct");
    assert!(world.succeeded(None).await.is_empty(), "nothing on the platform");
    let payments = world.succeeded(Some(&shop.account)).await;
    assert_eq!((payments.len(), &payments[0]["application_fee_amount"]), (1, &json!(2500)));
    let customers = world.stripe("/customers", Some(&shop.account)).await;
    assert_eq!(payments[0]["customer"], customers["data"][0]["id"], "the account has its own customer");
    let fees = world.stripe("/application_fees", None).await;
    assert_eq!(fees["data"][0]["amount"], 2500);
    world.books().await;
}

#[tokio::test]
async fn a_direct_charge_names_its_account_if_the_buyer_must_authenticate() {
    let world = World::with(&DIRECT).await;
    let shop = world.shop().await;
    let body = world.buy(&shop.buyer, &shop.course_id, "pm_card_threeDSecure2Required").await.json();
    assert_eq!((&body["purchase"]["status"], &body["stripe_account"]), (&json!("requires_action"), &json!(shop.account)));
    let id = body["client_secret"].as_str().and_then(|secret| secret.split("_secret_").next()).expect("an id");
    world.admin("POST", &format!("payment_intents/{id}/authenticate"), json!({"outcome": "succeed"})).await;
    world.deliver().await;
    let purchases = world.get("/purchases").bearer(&shop.buyer.token).await.json();
    assert_eq!(purchases["items"][0]["status"], "paid", "the Connect endpoint got the event");
}

#[tokio::test]
async fn a_direct_checkout_is_the_sellers() {
    let world = World::with(&DIRECT).await;
    let shop = world.shop().await;
    let answer = world.post("/courses/charge", json!({"course_id": shop.course_id})).bearer(&shop.buyer.token).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let sessions = world.stripe("/checkout/sessions", Some(&shop.account)).await;
    let id = sessions["data"][0]["id"].as_str().unwrap_or_else(|| panic!("{sessions}"));
    world.admin("POST", &format!("checkout/sessions/{id}/pay"), json!({"card": "pm_card_visa"})).await;
    world.deliver().await;
    let purchases = world.get("/purchases").bearer(&shop.buyer.token).await.json();
    assert_eq!(purchases["items"][0]["status"], "paid");
    assert_eq!(world.succeeded(Some(&shop.account)).await.len(), 1);
}

#[tokio::test]
async fn the_platforms_payment_method_is_cloned_to_the_account() {
    let world = World::with(&DIRECT).await;
    let shop = world.shop().await;
    let url = format!("{}/v1/payment_methods", world.app.config.stripe_api_base);
    let made = world.app.http.post(&url).bearer_auth("sk_test_local").form(&[("type", "card"), ("card[token]", "tok_visa")]);
    let made: Value = serde_json::from_str(&made.send().await.expect("it runs").text().await.expect("text")).expect("JSON");
    let id = made["id"].as_str().unwrap_or_else(|| panic!("{made}"));
    let answer = world.buy(&shop.buyer, &shop.course_id, id).await;
    assert_eq!((answer.status, &answer.json()["purchase"]["status"]), (201, &json!("paid")), "{}", answer.body);
    let payments = world.succeeded(Some(&shop.account)).await;
    assert_eq!(payments.len(), 1);
    assert_ne!(payments[0]["payment_method"], id);
}
