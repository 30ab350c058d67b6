//! The operator's commands.

use serde_json::json;

use crate::harness::World;

async fn log_in(world: &World, email: &str) -> serde_json::Value {
    let answer = world.post("/sessions", json!({"email": email, "password": "justatest"})).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["user"].clone()
}

#[tokio::test]
async fn the_fixtures_are_written_once_and_left_alone_afterwards() {
    let world = World::start().await;
    operator::fixtures::write(&world.app).await.expect("they are written");
    for (email, is_seller, is_staff) in
        [("test@buyer.com", false, false), ("test@seller.com", true, false), ("test@admin.com", false, true)]
    {
        let user = log_in(&world, email).await;
        assert_eq!((&user["is_seller"], &user["is_staff"]), (&json!(is_seller), &json!(is_staff)), "{email}");
        assert_eq!(user["stripe"]["connected"], false);
    }
    let seller = log_in(&world, "test@seller.com").await;
    let as_seller = world.post("/sessions", json!({"email": "test@seller.com", "password": "justatest"})).await.text("token");
    for (slug, amount) in [("flask-microservices", 5000), ("django-channels", 4000)] {
        let course = world.get(format!("/courses/{slug}")).bearer(&as_seller).await.json();
        assert_eq!(course["price"], json!({"amount": amount, "currency": "usd"}));
        assert_eq!((&course["fee_percent"], &course["seller"]["id"]), (&json!(50), &seller["id"]));
    }

    let stored = world.get("/courses").await.json();
    let edited = world.post("/sessions", json!({"email": "test@seller.com", "password": "justatest"})).await.text("token");
    let price = json!({"price": {"amount": 100, "currency": "eur"}});
    assert_eq!(world.patch("/courses/django-channels", price).bearer(&edited).await.status, 200);
    operator::fixtures::write(&world.app).await.expect("they are there");
    let again = world.get("/courses").await.json();
    assert_eq!(again["items"].as_array().map(Vec::len), Some(2));
    assert_eq!(again["items"][1], stored["items"][1]);
    assert_eq!(again["items"][0]["price"]["amount"], 100, "what was changed stays changed");
    assert_eq!(world.get("/users/me").bearer(&edited).await.status, 200, "and sessions stay open");
}

#[tokio::test]
async fn the_table_is_made_once() {
    let world = World::start().await;
    let again = operator::table::create(world.database(), &world.app.config.table_name).await;
    assert_eq!(again.expect("it is there"), "the table courses-under-test already exists");
}

#[tokio::test]
async fn only_users_become_staff() {
    let world = World::start().await;
    world.buyer("a@example.com").await;
    let appointed = operator::staff::appoint(&world.app, "A@example.com").await.expect("they are a user");
    assert_eq!(appointed, "a@example.com is now a staff member");
    let unknown = operator::staff::appoint(&world.app, "b@example.com").await.expect_err("nobody has it");
    assert_eq!(unknown.to_string(), "no user has the e-mail address b@example.com; sign up with it first");
}

#[test]
fn addresses_of_aws_itself_are_not_local() {
    assert!(operator::is_local("http://127.0.0.1:8000"));
    for endpoint in [
        "https://dynamodb.eu-central-1.amazonaws.com",
        "https://123456789012.ddb.eu-west-1.amazonaws.com",
        "https://dynamodb.us-east-1.api.aws",
    ] {
        assert!(!operator::is_local(endpoint), "{endpoint}");
    }
}
