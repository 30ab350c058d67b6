//! `POST /courses/charge` without a payment method: hosted Checkout.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{Answer, Shop, World};

async fn ask(world: &World, shop: &Shop) -> Answer {
    world.post("/courses/charge", json!({"course_id": shop.course_id})).bearer(&shop.buyer.token).await
}

/// The newest session at Stripe.
async fn session(world: &World) -> Value {
    world.stripe("/checkout/sessions", None).await["data"][0].clone()
}

/// The buyer pays the newest session.
async fn pay(world: &World, card: &str) -> Value {
    let path = format!("checkout/sessions/{}/pay", session(world).await["id"].as_str().expect("an id"));
    world.admin("POST", &path, json!({"card": card})).await
}

async fn status(world: &World, shop: &Shop) -> Value {
    world.get("/purchases").bearer(&shop.buyer.token).await.json()["items"][0]["status"].clone()
}

#[tokio::test]
async fn checkout_is_paid_at_stripe_and_reported_by_webhook() {
    let world = World::start().await;
    let shop = world.shop().await;
    let answer = ask(&world, &shop).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let body = answer.json();
    assert_eq!(body["purchase"]["status"], "pending");
    let session = session(&world).await;
    assert_eq!(body["checkout_url"], session["url"]);
    let purchase_id = body["purchase"]["id"].as_str().expect("an id");
    assert_eq!(session["success_url"], format!("http://localhost:3000/purchase.html?id={purchase_id}"));
    assert_eq!(session["metadata"]["purchase_id"], purchase_id);
    assert!(!world.stored().await.contains("/c/pay/"), "the page's address is not stored");

    let declined = pay(&world, "pm_card_visa_chargeDeclined").await;
    assert!(declined["error"].is_object(), "{declined}");
    world.deliver().await;
    assert_eq!(status(&world, &shop).await, "pending", "the page is still open");

    pay(&world, "pm_card_visa").await;
    assert_eq!(status(&world, &shop).await, "pending", "returning proves nothing");
    world.deliver().await;
    assert_eq!(status(&world, &shop).await, "paid");
    let payment = &world.succeeded(None).await[0];
    assert_eq!(payment["metadata"]["purchase_id"], purchase_id);
    assert_eq!((&payment["application_fee_amount"], &payment["transfer_data"]["destination"]), (&json!(2500), &json!(shop.account)));
    world.books().await;
}

#[tokio::test]
async fn an_open_checkout_is_returned_again() {
    let world = World::start().await;
    let shop = world.shop().await;
    let first = ask(&world, &shop).await.json();
    let answers = join_all((0..10).map(|_| ask(&world, &shop))).await;
    for answer in &answers {
        match answer.status {
            201 => assert_eq!(answer.json()["checkout_url"], first["checkout_url"]),
            _ => assert_eq!(answer.text("code"), "purchase_in_progress"),
        }
    }
    assert!(answers.iter().any(|answer| answer.status == 201));
    assert_eq!(world.stripe("/checkout/sessions", None).await["data"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn paying_another_way_expires_the_checkout_first() {
    let world = World::start().await;
    let shop = world.shop().await;
    ask(&world, &shop).await;
    let answer = world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await;
    assert_eq!((answer.status, &answer.json()["purchase"]["status"]), (201, &json!("paid")), "{}", answer.body);
    assert_eq!(session(&world).await["status"], "expired");
    world.deliver().await;
    assert_eq!(status(&world, &shop).await, "paid", "the expiry came late and changed nothing");
    assert_eq!(world.succeeded(None).await.len(), 1);
}

#[tokio::test]
async fn a_checkout_that_was_already_paid_is_not_paid_another_way() {
    let world = World::start().await;
    let shop = world.shop().await;
    ask(&world, &shop).await;
    pay(&world, "pm_card_visa").await;
    // The webhook has not arrived yet, so Stripe is asked.
    let answer = world.buy(&shop.buyer, &shop.course_id, "pm_card_mastercard").await;
    assert_eq!((answer.status, &answer.json()["purchase"]["status"]), (201, &json!("paid")), "{}", answer.body);
    world.deliver().await;
    assert_eq!(world.succeeded(None).await.len(), 1);
}

#[tokio::test]
async fn an_expired_checkout_ends_the_attempt_and_the_next_begins() {
    let world = World::start().await;
    let shop = world.shop().await;
    ask(&world, &shop).await;
    let first = session(&world).await;
    world.admin("POST", &format!("checkout/sessions/{}/expire", first["id"].as_str().expect("an id")), json!({})).await;
    world.deliver().await;
    assert_eq!(status(&world, &shop).await, "canceled");
    let second = ask(&world, &shop).await;
    assert_eq!(second.status, 201, "{}", second.body);
    assert_ne!(second.json()["checkout_url"], first["url"]);
    assert_eq!(second.json()["purchase"]["attempts"], 2);
}

#[tokio::test]
async fn a_checkout_at_an_old_price_is_not_returned() {
    let world = World::start().await;
    let shop = world.shop().await;
    let first = ask(&world, &shop).await.json();
    let price = json!({"price": {"amount": 7000, "currency": "usd"}});
    assert_eq!(world.patch("/courses/flask-microservices", price).bearer(&shop.seller.token).await.status, 200);
    let second = ask(&world, &shop).await.json();
    assert_ne!(second["checkout_url"], first["checkout_url"]);
    assert_eq!((&second["purchase"]["amount"], &second["purchase"]["application_fee"]), (&json!(7000), &json!(3500)));
    let sessions = world.stripe("/checkout/sessions", None).await;
    let open = sessions["data"].as_array().expect("a list").iter().filter(|session| session["status"] == "open").count();
    assert_eq!(open, 1);
}
