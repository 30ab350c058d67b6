//! `GET /users/me/courses`

use serde_json::{Value, json};

use crate::harness::World;

#[tokio::test]
async fn sellers_see_their_own_courses_the_newest_first_hidden_ones_too() {
    let world = World::start().await;
    let (seller, other) = (world.seller("seller@example.com").await, world.seller("other@example.com").await);
    let mut expected = Vec::new();
    for number in 0..5 {
        let body = json!({"title": format!("Course {number}"), "price": {"amount": 5000, "currency": "usd"}, "published": number % 2 == 0});
        expected.push(world.post("/courses", body.clone()).bearer(&seller.token).await.json());
        world.post("/courses", body).bearer(&other.token).await;
        // Ids are sorted by millisecond.
        world.app.clock.advance(time::Duration::seconds(1));
    }
    expected.reverse();
    world.proxy.clear();
    let all = world.get("/users/me/courses").bearer(&seller.token).await;
    all.is(200, &json!({"items": expected, "next_cursor": null}));
    assert_eq!(all.header("cache-control"), Some("private, no-store"));
    let mut operations = world.operations();
    operations.sort();
    assert_eq!(operations, ["BatchGetItem", "Query"]);

    let first = world.get("/users/me/courses?limit=2").bearer(&seller.token).await;
    first.is(200, &json!({"items": expected[..2], "next_cursor": "[cursor]"}));
    let cursor = first.text("next_cursor");
    let second = world.get(format!("/users/me/courses?cursor={cursor}")).bearer(&seller.token).await;
    second.is(200, &json!({"items": expected[2..], "next_cursor": null}));
    let others = world.get(format!("/users/me/courses?cursor={cursor}")).bearer(&other.token).await;
    others.is_problem(400, "bad_cursor", "cursor must be the next_cursor of an earlier response of the same list");
}

#[tokio::test]
async fn the_page_and_the_user_are_read_in_parallel() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    world.proxy.clear();
    world.proxy.inject(local::proxy::Fault::always(local::proxy::Kind::Delay(std::time::Duration::from_millis(200))));
    for path in ["/users/me/courses", "/sales", "/purchases"] {
        assert_eq!(world.get(path).bearer(&seller.token).await.status, 200);
    }
    assert_eq!(world.proxy.sequential_trips(), 3, "one each");
}

#[tokio::test]
async fn only_sellers_have_courses() {
    let world = World::start().await;
    let buyer = world.buyer("buyer@example.com").await;
    let answer = world.get("/users/me/courses").bearer(&buyer.token).await;
    answer.is_problem(403, "not_a_seller", "only sellers may do this; ask the staff to make you one");
    world.get("/users/me/courses").await.is_problem(401, "not_signed_in", "log in first");
    let other = world.seller("seller@example.com").await;
    let secret = buyer.token.split_once('.').expect("it has two parts").1;
    let stolen = format!("{}.{secret}", other.token.split_once('.').expect("it has two parts").0);
    let answer = world.get("/users/me/courses").bearer(&stolen).await;
    answer.is_problem(401, "not_signed_in", "log in first");
    assert_eq!(answer.json().get("items"), None::<&Value>);
}
