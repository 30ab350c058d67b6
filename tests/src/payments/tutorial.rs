//! The bugs of the tutorial app that this project started from. One test each shows that they cannot happen here.
//! Longer tests are next to their subject, and are named here.

use serde_json::{Value, json};

use crate::harness::{Shop, World};

/// A charge with any body.
async fn charge(world: &World, shop: &Shop, body: Value) -> crate::harness::Answer {
    world.post("/courses/charge", body).bearer(&shop.buyer.token).await
}

#[tokio::test]
async fn the_client_does_not_set_the_price() {
    let world = World::start().await;
    let shop = world.shop().await;
    let body =
        json!({"course_id": shop.course_id, "payment_method": "pm_card_visa", "amount": 1, "price": {"amount": 1}, "fee_percent": 0});
    let answer = world.post("/courses/charge", body).bearer(&shop.buyer.token).undescribed().await;
    let purchase = answer.json()["purchase"].clone();
    assert_eq!((&purchase["amount"], &purchase["application_fee"]), (&json!(5000), &json!(2500)));
    assert_eq!(world.succeeded(None).await[0]["amount"], 5000);
}

#[tokio::test]
async fn a_client_that_expects_another_price_is_not_charged() {
    let world = World::start().await;
    let shop = world.shop().await;
    let body = json!({"course_id": shop.course_id, "payment_method": "pm_card_visa", "expected_amount": 4999});
    let answer = charge(&world, &shop, body).await;
    assert_eq!((answer.status, answer.text("code")), (409, "price_changed".to_owned()));
    assert_eq!(answer.json()["price"], json!({"amount": 5000, "currency": "usd"}));
    assert!(world.asked_stripe().await.is_empty());
}

// `payments::oauth::wrong_turns_link_nothing_and_spend_no_code`: a callback without `state`, a bad code, a buyer there.
// `payments::oauth::stripes_failure_during_the_exchange_is_only_a_reason`: an HTML 502, and a slow token endpoint.
// `payments::oauth::tokens_are_stored_sealed_and_the_link_is_shown`: tokens in plain text.

#[tokio::test]
async fn a_customer_is_found_however_many_came_after() {
    let world = World::start().await;
    let shop = world.shop().await;
    let second = world.course(&shop.seller, "Django Channels", 4000, "usd", 50).await;
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await.status, 201);
    for number in 0..11 {
        let other = world.buyer(&format!("buyer{number}@example.com")).await;
        assert_eq!(world.buy(&other, &shop.course_id, "pm_card_visa").await.status, 201);
    }
    world.asked_stripe().await;
    assert_eq!(world.buy(&shop.buyer, second["id"].as_str().expect("an id"), "pm_card_visa").await.status, 201);
    assert_eq!(world.asked_stripe().await, ["POST /v1/payment_intents"]);
}

#[tokio::test]
async fn a_double_click_charges_once() {
    let world = World::start().await;
    let shop = world.shop().await;
    let (first, second) =
        tokio::join!(world.buy(&shop.buyer, &shop.course_id, "pm_card_visa"), world.buy(&shop.buyer, &shop.course_id, "pm_card_visa"),);
    let mut statuses = [first.status, second.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
    assert_eq!(world.succeeded(None).await.len(), 1);
}

#[tokio::test]
async fn every_post_to_stripe_has_a_key_that_repeats() {
    let world = World::start().await;
    let shop = world.shop().await;
    world.fault("POST", "/v1/payment_intents", json!({"kind": "drop_after"})).await;
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await.status, 201);
    let log = world.admin("GET", "requests", json!({})).await;
    let keys: Vec<(&str, &str)> = log["requests"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| (one["path"].as_str().expect("a path"), one["idempotency_key"].as_str().unwrap_or("none")))
        .collect();
    assert_eq!(keys.len(), 3, "{keys:?}");
    assert_eq!(keys[1], keys[2], "the repetition has the same key");
    assert!(keys.iter().all(|(_, key)| key.starts_with("platform:")), "{keys:?}");
    assert!(keys[1].1.contains("pur_"), "the key names the purchase");
}

#[tokio::test]
async fn a_signed_out_charge_is_a_401() {
    let world = World::start().await;
    let shop = world.shop().await;
    let body = json!({"course_id": shop.course_id, "payment_method": "pm_card_visa"});
    world.post("/courses/charge", body).await.is_problem(401, "not_signed_in", "log in first");
    let unknown = json!({"course_id": "7"});
    world.post("/courses/charge", unknown).bearer("rubbish").await.is_problem(401, "not_signed_in", "log in first");
}

#[tokio::test]
async fn keys_travel_in_headers_only() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    world.link(&seller).await;
    let log = world.admin("GET", "requests", json!({})).await;
    let requests = log["requests"].as_array().expect("a list");
    assert!(requests.iter().any(|one| one["path"] == "/oauth/token"), "{log}");
    for request in requests {
        let asked = format!("{} {}", request["path"], request["params"]);
        assert!(!asked.contains("sk_test_local"), "{asked}");
    }
}

#[tokio::test]
async fn fees_are_integers() {
    let world = World::start().await;
    let shop = world.shop().await;
    let course = world.course(&shop.seller, "Seventy", 1000, "usd", 70).await;
    let purchase = world.buy(&shop.buyer, course["id"].as_str().expect("an id"), "pm_card_visa").await.json()["purchase"].clone();
    assert_eq!(purchase["application_fee"], 700);
    let sales = world.get("/sales").bearer(&shop.seller.token).await.json();
    assert_eq!(sales["items"][0]["net"], 300);
}

#[tokio::test]
async fn a_seller_without_stripe_is_a_409_and_leaves_no_customer() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    let buyer = world.buyer("buyer@example.com").await;
    let course = world.course(&seller, "Unlinked", 5000, "usd", 50).await;
    world.asked_stripe().await;
    let answer = world.buy(&buyer, course["id"].as_str().expect("an id"), "pm_card_visa").await;
    answer.is_problem(409, "seller_not_connected", "the seller of this course cannot be paid at the moment");
    assert!(world.asked_stripe().await.is_empty());
    assert_eq!(world.get("/purchases").bearer(&buyer.token).await.json()["items"], json!([]));
}

#[tokio::test]
async fn a_seller_who_revoked_access_at_stripe_is_a_409() {
    let world = World::with(&[("CHARGE_TYPE", "direct")]).await;
    let shop = world.shop().await;
    // The webhook has not arrived, so only Stripe knows.
    world.admin("POST", &format!("accounts/{}/deauthorize", shop.account), json!({})).await;
    let answer = world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await;
    answer.is_problem(409, "seller_not_connected", "the seller of this course cannot be paid at the moment");
}

// `payments::charge::a_returning_buyers_new_card_is_the_card_charged`: the old card charged.

#[tokio::test]
async fn unmaking_a_seller_deletes_nothing() {
    let world = World::start().await;
    let shop = world.shop().await;
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await.status, 201);
    let staff = world.staff("staff@example.com").await;
    let path = format!("/admin/users/{}", shop.seller.id);
    let unmade = world.patch(path.as_str(), json!({"is_seller": false})).bearer(&staff.token).await;
    assert_eq!((unmade.status, &unmade.json()["is_seller"]), (200, &json!(false)));
    // A former seller cannot be paid. The course, the link, its tokens and the sale all exist.
    let other = world.buyer("other@example.com").await;
    assert_eq!(world.buy(&other, &shop.course_id, "pm_card_visa").await.text("code"), "seller_not_connected");
    assert_eq!(world.get("/courses/flask-microservices").await.status, 200);
    assert_eq!(world.patch(path.as_str(), json!({"is_seller": true})).bearer(&staff.token).await.status, 200);
    let me = world.get("/users/me").bearer(&shop.seller.token).await.json();
    assert_eq!(me["stripe"]["account_id"], json!(shop.account));
    let id = shop.seller.id.parse().expect("an id");
    assert!(world.app.store.sealed_tokens(&id).await.expect("the table").is_some());
    assert_eq!(world.get("/sales").bearer(&shop.seller.token).await.json()["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(world.buy(&other, &shop.course_id, "pm_card_visa").await.status, 201);
}

#[tokio::test]
async fn bad_input_is_a_4xx_with_a_code() {
    let world = World::start().await;
    let shop = world.shop().await;
    let id = &shop.course_id;
    for (body, status, code) in [
        (json!({"course_id": "7"}), 404, "not_found"),
        (json!({"course_id": id.replace("crs_", "crs_0").chars().take(31).collect::<String>()}), 404, "not_found"),
        (json!({}), 422, "invalid_request"),
        (json!({"course_id": 7}), 422, "invalid_request"),
        (json!({"course_id": id, "expected_amount": "5000"}), 422, "invalid_request"),
        (json!({"course_id": id, "payment_method": "4242424242424242"}), 422, "invalid_request"),
        (json!({"course_id": id, "payment_method": ""}), 422, "invalid_request"),
        (json!({"course_id": id, "payment_method": "pm_made_up"}), 422, "payment_method_refused"),
        (json!({"course_id": id, "payment_method": "tok_made_up"}), 422, "payment_method_refused"),
    ] {
        let answer = charge(&world, &shop, body.clone()).await;
        assert_eq!((answer.status, answer.text("code").as_str()), (status, code), "{body}: {}", answer.body);
    }
    let broken = world.call("POST", "/courses/charge").text("{\"course_id\":").bearer(&shop.buyer.token).await;
    assert_eq!((broken.status, broken.text("code")), (400, "malformed_json".to_owned()));
    let slug = json!({"title": "Another", "slug": "flask-microservices", "price": {"amount": 5000, "currency": "usd"}});
    let duplicate = world.post("/courses", slug).bearer(&shop.seller.token).await;
    assert_eq!((duplicate.status, duplicate.text("code")), (409, "slug_taken".to_owned()));
    assert!(world.succeeded(None).await.is_empty());
}

#[tokio::test]
async fn nobody_buys_their_own_course() {
    let world = World::start().await;
    let shop = world.shop().await;
    let answer = world.buy(&shop.seller, &shop.course_id, "pm_card_visa").await;
    answer.is_problem(403, "own_course", "you cannot buy your own course");
}

#[tokio::test]
async fn a_purchase_is_on_record_and_private() {
    let world = World::start().await;
    let shop = world.shop().await;
    let purchase = world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await.json()["purchase"].clone();
    let path = format!("/purchases/{}", purchase["id"].as_str().expect("an id"));
    assert_eq!(world.get(path.as_str()).bearer(&shop.buyer.token).await.json(), purchase);
    for person in [&shop.seller, &world.buyer("other@example.com").await] {
        assert_eq!(world.get(path.as_str()).bearer(&person.token).await.status, 404);
    }
}
