//! A seller raises a price, or changes its currency, while a buyer looks at the old one: nobody is charged a price that they did not see.

use serde_json::{Value, json};

use crate::harness::{Answer, Person, Shop, World};

async fn reprice(world: &World, shop: &Shop, amount: i64, currency: &str) {
    let body = json!({"price": {"amount": amount, "currency": currency}});
    let answer = world.patch(format!("/courses/{}", shop.course_id), body).bearer(&shop.seller.token).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// Buys the shop's course at the price that the buyer was shown.
async fn buy(world: &World, shop: &Shop, card: Option<&str>, amount: i64, currency: &str) -> Answer {
    let mut body = json!({"course_id": shop.course_id, "expected_amount": amount, "expected_currency": currency});
    if let Some(card) = card {
        body["payment_method"] = card.into();
    }
    world.post("/courses/charge", body).bearer(&shop.buyer.token).await
}

fn refused(answer: &Answer, amount: i64, currency: &str) {
    assert_eq!((answer.status, answer.text("code")), (409, "price_changed".to_owned()), "{}", answer.body);
    assert_eq!(answer.json()["price"], json!({"amount": amount, "currency": currency}));
}

async fn authenticate(world: &World, answer: &Answer) {
    let intent = answer.json()["client_secret"].as_str().and_then(|secret| secret.split("_secret_").next()).expect("it waits").to_owned();
    world.admin("POST", &format!("payment_intents/{intent}/authenticate"), json!({"outcome": "succeed"})).await;
    world.deliver().await;
}

#[tokio::test]
async fn the_same_number_in_another_currency_is_another_price() {
    let world = World::start().await;
    let shop = world.shop().await;
    reprice(&world, &shop, 5000, "eur").await;
    refused(&buy(&world, &shop, Some("pm_card_visa"), 5000, "usd").await, 5000, "eur");
    assert!(world.asked_stripe().await.is_empty(), "Stripe is not asked");
    assert_eq!(buy(&world, &shop, Some("pm_card_visa"), 5000, "eur").await.status, 201);
    let body = json!({"course_id": shop.course_id, "expected_amount": 5000, "expected_currency": "euro"});
    assert_eq!(world.post("/courses/charge", body).bearer(&shop.buyer.token).await.status, 422);
}

#[tokio::test]
async fn a_payment_at_the_bank_is_withdrawn_once_its_price_has_changed() {
    for (amount, currency) in [(4000, "usd"), (9000, "usd"), (5000, "eur")] {
        let world = World::start().await;
        let shop = world.shop().await;
        let first = buy(&world, &shop, Some("pm_card_threeDSecure2Required"), 5000, "usd").await;
        assert_eq!(first.json()["purchase"]["status"], "requires_action", "{}", first.body);
        reprice(&world, &shop, amount, currency).await;
        refused(&buy(&world, &shop, Some("pm_card_threeDSecure2Required"), 5000, "usd").await, amount, currency);

        let second = buy(&world, &shop, Some("pm_card_threeDSecure2Required"), amount, currency).await;
        let shown = |answer: &Answer| {
            let purchase = answer.json()["purchase"].clone();
            (purchase["status"].clone(), purchase["amount"].clone(), purchase["currency"].clone())
        };
        assert_eq!(shown(&second), (json!("requires_action"), json!(amount), json!(currency)), "{}", second.body);
        authenticate(&world, &second).await;
        let paid = world.succeeded(None).await;
        assert_eq!(paid.len(), 1, "the first payment can no longer be made");
        assert_eq!((&paid[0]["amount"], &paid[0]["currency"]), (&json!(amount), &json!(currency)));
    }
}

#[tokio::test]
async fn an_open_page_with_the_same_number_in_another_currency_is_not_shown_again() {
    let world = World::start().await;
    let shop = world.shop().await;
    reprice(&world, &shop, 5000, "jpy").await;
    let before = buy(&world, &shop, None, 5000, "jpy").await;
    reprice(&world, &shop, 5000, "usd").await;
    let after = buy(&world, &shop, None, 5000, "usd").await;
    assert_eq!((after.status, &after.json()["purchase"]["currency"]), (201, &json!("usd")), "{}", after.body);
    assert_ne!(before.json()["checkout_url"], after.json()["checkout_url"]);
}

async fn offer(world: &World, seller: &Person, offer: Value) {
    let answer = world.post(format!("/sellers/{}/membership", seller.id), offer).bearer(&seller.token).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[tokio::test]
async fn a_membership_is_charged_at_the_price_that_was_shown() {
    let world = World::start().await;
    let shop = world.shop().await;
    let subscribe = async |interval: &str, amount: i64, currency: &str| {
        let card = "pm_card_visa";
        let body = json!({"interval": interval, "payment_method": card, "expected_amount": amount, "expected_currency": currency});
        world.post(format!("/sellers/{}/membership/subscribe", shop.seller.id), body).bearer(&shop.buyer.token).await
    };
    offer(&world, &shop.seller, json!({"monthly": {"amount": 99_999_900}, "yearly": {"amount": 500}, "currency": "usd"})).await;
    world.asked_stripe().await;
    refused(&subscribe("month", 500, "usd").await, 99_999_900, "usd");
    refused(&subscribe("year", 500, "jpy").await, 500, "usd");
    assert!(world.asked_stripe().await.is_empty(), "Stripe is not asked");

    offer(&world, &shop.seller, json!({"monthly": {"amount": 500}, "yearly": {"amount": 5000}, "currency": "usd"})).await;
    let joined = subscribe("month", 500, "usd").await;
    assert_eq!((joined.status, &joined.json()["subscription"]["status"]), (201, &json!("active")), "{}", joined.body);
    let id = joined.json()["subscription"]["id"].as_str().expect("an id").to_owned();

    offer(&world, &shop.seller, json!({"monthly": {"amount": 500}, "yearly": {"amount": 5_000_000}, "currency": "usd"})).await;
    let switch = async |amount: i64| {
        let body = json!({"interval": "year", "expected_amount": amount, "expected_currency": "usd"});
        world.post(format!("/subscriptions/{id}/switch"), body).bearer(&shop.buyer.token).await
    };
    refused(&switch(5000).await, 5_000_000, "usd");
    assert_eq!(world.succeeded(None).await.len(), 1, "only the month was paid");
    assert_eq!(switch(5_000_000).await.status, 200);
}

#[tokio::test]
async fn a_membership_that_could_not_be_charged_is_not_offered() {
    let world = World::start().await;
    let shop = world.shop().await;
    let path = format!("/sellers/{}/membership", shop.seller.id);
    let body = json!({"yearly": {"amount": 60_000}, "monthly": {"amount": 50}, "currency": "inr"});
    let refused = world.post(&path, body).bearer(&shop.seller.token).await;
    assert_eq!((refused.status, refused.text("code")), (422, "invalid_request".to_owned()), "{}", refused.body);
    assert!(refused.text("detail").starts_with("monthly.amount must be at least 5531 minor units of inr"), "{}", refused.body);
    // It was offered before the seller's account was linked.
    let alone = world.seller("alone@example.com").await;
    offer(&world, &alone, json!({"monthly": {"amount": 50}, "currency": "usd"})).await;
    let account = world.link(&alone).await;
    world.admin("POST", &format!("accounts/{account}"), json!({"country": "HK"})).await;
    world.deliver().await;
    world.asked_stripe().await;
    let body = json!({"interval": "month", "payment_method": "pm_card_visa"});
    let answer = world.post(format!("/sellers/{}/membership/subscribe", alone.id), body).bearer(&shop.buyer.token).await;
    assert_eq!((answer.status, answer.text("code")), (409, "price_too_low".to_owned()), "{}", answer.body);
    assert!(world.asked_stripe().await.is_empty(), "Stripe is not asked");
}
