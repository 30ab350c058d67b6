//! Buyers can read what they bought; nobody else can.

use serde_json::json;

use crate::harness::World;

#[tokio::test]
async fn content_is_for_those_who_paid_the_seller_and_staff() {
    let world = World::start().await;
    let shop = world.shop().await;
    let (stranger, staff) = (world.buyer("stranger@example.com").await, world.staff("staff@example.com").await);
    let path = "/courses/flask-microservices/content";
    let written = world.put(path, json!({"content": "# Lesson 1"})).bearer(&shop.seller.token).await;
    let expected = json!({
        "course_id": shop.course_id,
        "slug": "flask-microservices",
        "title": "Flask Microservices",
        "content": "# Lesson 1",
        "updated_at": "[time]",
    });
    written.is(200, &expected);
    world.get(path).await.is_problem(401, "not_signed_in", "log in first");
    for person in [&shop.buyer, &stranger] {
        world.get(path).bearer(&person.token).await.is_problem(403, "not_owned", "buy this course to read it");
    }
    for person in [&shop.seller, &staff] {
        world.get(path).bearer(&person.token).await.is(200, &expected);
    }
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, "pm_card_visa_chargeDeclined").await.status, 402);
    assert_eq!(world.get(path).bearer(&shop.buyer.token).await.status, 403, "a declined card gives no access");
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await.status, 201);
    world.operations();
    let read = world.get(path).bearer(&shop.buyer.token).await;
    read.is(200, &expected);
    assert_eq!(read.header("cache-control"), Some("private, no-store"));
    assert_eq!(world.operations(), ["BatchGetItem", "BatchGetItem", "TransactWriteItems"], "the first visit of a day is noted");

    // The buyer keeps access after the course was removed from the catalogue.
    let gone = world.delete("/courses/flask-microservices").bearer(&shop.seller.token).await;
    assert_eq!(gone.status, 204);
    world.get(path).bearer(&shop.buyer.token).await.is_problem(404, "not_found", "there is no such course");
    let by_id = format!("/courses/{}/content", shop.course_id);
    world.get(by_id.as_str()).bearer(&shop.buyer.token).await.is(200, &expected);
    world.get(by_id).bearer(&stranger.token).await.is_problem(404, "not_found", "there is no such course");
    let course = world.get(format!("/courses/{}", shop.course_id)).await;
    course.is_problem(404, "not_found", "there is no such course");
}

#[tokio::test]
async fn a_full_refund_ends_access_and_a_partial_one_does_not() {
    let world = World::start().await;
    let shop = world.shop().await;
    let answer = world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await;
    let id = answer.json()["purchase"]["id"].as_str().expect("an id").to_owned();
    let path = "/courses/flask-microservices/content";
    for (amount, status) in [(json!({"amount": 4999}), 200), (json!({}), 403)] {
        let refunded = world.post(format!("/purchases/{id}/refund"), amount).bearer(&shop.seller.token).await;
        assert_eq!(refunded.status, 200, "{}", refunded.body);
        assert_eq!(world.get(path).bearer(&shop.buyer.token).await.status, status);
    }
}

#[tokio::test]
async fn only_the_seller_writes_content() {
    let world = World::start().await;
    let shop = world.shop().await;
    let (other, staff) = (world.seller("other@example.com").await, world.staff("staff@example.com").await);
    let path = "/courses/flask-microservices/content";
    for person in [&shop.buyer, &other, &staff] {
        let answer = world.put(path, json!({"content": "x"})).bearer(&person.token).await;
        answer.is_problem(403, "forbidden", "you may not do this");
    }
    let empty = world.get(path).bearer(&shop.seller.token).await.json();
    assert_eq!((&empty["content"], &empty["updated_at"]), (&json!(""), &json!(null)));
    let long = world.put(path, json!({"content": "x".repeat(50_001)})).bearer(&shop.seller.token).await;
    long.is_problem(422, "invalid_request", "content must have at most 50000 bytes");
    assert_eq!(world.put(path, json!({})).bearer(&shop.seller.token).await.status, 422);
    assert_eq!(world.put(path, json!({"content": "x".repeat(50_000)})).bearer(&shop.seller.token).await.status, 200);
}
