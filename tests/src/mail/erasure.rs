//! `DELETE /users/me`: the person is erased, the books stay.

use serde_json::json;

use crate::harness::{PASSWORD, World};

#[tokio::test]
async fn an_erased_buyer_is_on_no_record_and_the_payments_stay() {
    let world = World::start().await;
    let shop = world.shop().await;
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await.status, 201);
    let other = world.log_in(&shop.buyer).await;
    world.pump().await;

    world.erase(&shop.buyer.token).await.is_empty(204);
    for session in [&shop.buyer.token, &other] {
        assert_eq!(world.get("/users/me").bearer(session).await.status, 401);
        assert_eq!(world.get("/purchases").bearer(session).await.status, 401);
    }
    assert_eq!(world.post("/sessions", json!({"email": shop.buyer.email, "password": PASSWORD})).await.status, 401);
    assert!(!world.stored().await.contains(&shop.buyer.email), "the address is nowhere");
    let sales = world.get("/sales").bearer(&shop.seller.token).await.json();
    assert_eq!((&sales["items"][0]["status"], &sales["items"][0]["net"]), (&json!("paid"), &json!(2500)));
    world.books().await;

    let staff = world.staff("staff@example.com").await;
    let users = world.get("/admin/users").bearer(&staff.token).await;
    assert!(!users.body.contains(&shop.buyer.id), "{}", users.body);
    let again = world.stranger(&shop.buyer.email).await;
    assert_ne!(again.id, shop.buyer.id, "the address is free for a new account");
    assert_eq!(world.get("/purchases").bearer(&again.token).await.json()["items"], json!([]));
}

#[tokio::test]
async fn erasing_takes_the_current_password() {
    let world = World::start().await;
    let person = world.stranger("a@example.com").await;
    let erase = |body: serde_json::Value| world.delete("/users/me").json(&body).cookie(&person.token);
    let missing = world.delete("/users/me").cookie(&person.token).await;
    missing.is_problem(422, "invalid_request", "current_password is missing");
    assert_eq!(erase(json!({})).await.status, 422);
    // A stolen cookie is a Bearer token, too.
    assert_eq!(world.delete("/users/me").bearer(&person.token).await.status, 422);
    assert_eq!(erase(json!({"current_password": "wrong one"})).await.status, 401);
    assert_eq!(erase(json!({"current_password": PASSWORD})).origin("https://evil.example").await.status, 403);
    assert_eq!(world.get("/users/me").bearer(&person.token).await.status, 200);
    let erased = erase(json!({"current_password": PASSWORD})).await;
    erased.is_empty(204);
    assert!(erased.header("set-cookie").is_some_and(|cookie| cookie.starts_with("session=;") && cookie.contains("Max-Age=0")));
    assert_eq!(world.get("/users/me").bearer(&person.token).await.status, 401);
    assert_eq!(world.erase(&person.token).await.status, 401);
}

#[tokio::test]
async fn a_seller_disconnects_first_and_the_courses_go_with_the_account() {
    let world = World::start().await;
    let shop = world.shop().await;
    world.erase(&shop.seller.token).await.is_problem(409, "still_connected", "disconnect your Stripe account first");
    assert_eq!(world.get("/courses/flask-microservices").await.status, 200);
    assert_eq!(world.delete("/users/me/stripe").bearer(&shop.seller.token).await.status, 204);
    world.erase(&shop.seller.token).await.is_empty(204);
    assert_eq!(world.get("/courses/flask-microservices").await.status, 404);
    assert_eq!(world.get("/courses").await.json()["items"], json!([]));
    assert!(!world.stored().await.contains(&shop.seller.email));
}

#[tokio::test]
async fn the_staff_cannot_vanish_by_itself() {
    let world = World::start().await;
    let staff = world.staff("staff@example.com").await;
    assert_eq!(world.erase(&staff.token).await.status, 422);
    assert_eq!(world.get("/admin/users").bearer(&staff.token).await.status, 200);
}

#[tokio::test]
async fn mails_to_an_erased_person_are_not_sent() {
    let world = World::start().await;
    let person = world.stranger("a@example.com").await;
    world.erase(&person.token).await.is_empty(204);
    world.pump().await;
    world.sweep().await;
    assert!(world.mailbox().mails().is_empty());
}
