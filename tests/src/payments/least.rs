//! The minimum amount depends on the settlement currency. The seller learns of it before a buyer's payment fails.

use serde_json::json;

use crate::harness::World;

#[tokio::test]
async fn a_price_that_cannot_be_charged_is_refused_when_the_course_is_saved() {
    let world = World::start().await;
    let seller = world.seller("test@seller.com").await;
    let course = |amount: i64, currency: &str| json!({"title": "A course", "price": {"amount": amount, "currency": currency}});
    // India's minimum is half a rupee, but a platform in the US cannot receive so little.
    let refused = world.post("/courses", course(50, "inr")).bearer(&seller.token).await;
    assert_eq!((refused.status, refused.text("code")), (422, "invalid_request".to_owned()));
    assert!(refused.text("detail").starts_with("price.amount must be at least 5531 minor units of inr"), "{}", refused.body);
    let made = world.post("/courses", course(6000, "inr")).bearer(&seller.token).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let slug = made.text("slug");
    let patch = world.patch(format!("/courses/{slug}"), json!({"price": {"amount": 100, "currency": "inr"}})).bearer(&seller.token).await;
    assert_eq!(patch.status, 422, "{}", patch.body);
    assert_eq!(world.post("/courses", course(50, "usd")).bearer(&seller.token).await.status, 201);
}

#[tokio::test]
async fn a_price_saved_before_linking_is_refused_without_calling_stripe() {
    let world = World::with(&[("CHARGE_TYPE", "direct")]).await;
    let seller = world.seller("test@seller.com").await;
    let course = world.course(&seller, "Cheap", 50, "usd", 0).await;
    let account = world.link(&seller).await;
    world.admin("POST", &format!("accounts/{account}"), json!({"country": "HK"})).await;
    world.deliver().await;
    let buyer = world.buyer("test@buyer.com").await;
    world.asked_stripe().await;
    let answer = world.buy(&buyer, course["id"].as_str().expect("an id"), "pm_card_visa").await;
    assert_eq!((answer.status, answer.text("code")), (409, "price_too_low".to_owned()), "{}", answer.body);
    assert!(world.asked_stripe().await.is_empty(), "Stripe is not asked");
    let raised =
        world.patch(format!("/courses/{}", course["id"].as_str().expect("an id")), json!({"price": {"amount": 63, "currency": "usd"}}));
    assert_eq!(raised.bearer(&seller.token).await.status, 422);
    let raised =
        world.patch(format!("/courses/{}", course["id"].as_str().expect("an id")), json!({"price": {"amount": 64, "currency": "usd"}}));
    assert_eq!(raised.bearer(&seller.token).await.status, 200);
    assert_eq!(world.buy(&buyer, course["id"].as_str().expect("an id"), "pm_card_visa").await.status, 201);
}

#[tokio::test]
async fn sales_from_india_ask_for_the_buyers_address() {
    for (country, asks) in [("IN", true), ("US", false)] {
        let world = World::with(&[("CHARGE_TYPE", "direct")]).await;
        let shop = world.shop().await;
        world.admin("POST", &format!("accounts/{}", shop.account), json!({"country": country})).await;
        world.deliver().await;
        let asked = world.post("/courses/charge", json!({"course_id": shop.course_id})).bearer(&shop.buyer.token).await;
        let id = asked.json()["purchase"]["id"].as_str().unwrap_or_else(|| panic!("{}", asked.body)).parse().expect("an id");
        let purchase = world.app.store.purchase(&id).await.expect("the table").expect("it is there");
        assert_eq!(purchase.attempt().body.contains("billing_address_collection=required"), asks, "{country}");
    }
}
