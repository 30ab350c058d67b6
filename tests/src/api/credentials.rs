//! Password hashes: only what needs them can read them, and old ones are moved to their own table.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::json;

use crate::harness::{PASSWORD, Person, World};

/// Moves a user's hash back to the profile, where it used to be stored.
async fn as_before(world: &World, person: &Person) -> String {
    let id = person.id.parse().expect("an id");
    let hash = world.app.store.password_hash(&id).await.expect("the table is there").expect("a hash");
    let key = |name: &str| AttributeValue::S(if name == "pk" { format!("USER#{}", person.id) } else { "PROFILE".to_owned() });
    let update = world.database().update_item().table_name(&world.app.config.table_name).key("pk", key("pk")).key("sk", key("sk"));
    let update = update.update_expression("SET password_hash = :hash REMOVE password_digest");
    update.expression_attribute_values(":hash", AttributeValue::S(hash.clone())).send().await.expect("the table can be written");
    let delete = world.database().delete_item().table_name(format!("{}-credentials", world.app.config.table_name));
    delete.key("pk", key("pk")).key("sk", AttributeValue::S("PASSWORD".to_owned())).send().await.expect("the table can be written");
    hash
}

async fn log_in(world: &World, person: &Person, password: &str) -> u16 {
    world.post("/sessions", json!({"email": person.email, "password": password})).await.status
}

#[tokio::test]
async fn a_hash_that_is_on_the_profile_still_counts_and_moves_at_the_next_log_in() {
    let world = World::start().await;
    let person = world.buyer("a@example.com").await;
    let hash = as_before(&world, &person).await;
    assert_eq!(world.get("/users/me").bearer(&person.token).await.status, 200, "sessions go on");
    assert_eq!(log_in(&world, &person, "wrong password").await, 401);
    assert!(world.stored().await.contains(&hash));
    let laptop = world.log_in(&person).await;
    assert!(!world.stored().await.contains("argon2"), "it has moved");
    for token in [&person.token, &laptop] {
        assert_eq!(world.get("/users/me").bearer(token).await.status, 200, "sessions go on");
    }
    assert_eq!(log_in(&world, &person, PASSWORD).await, 200);
}

#[tokio::test]
async fn a_hash_moves_with_each_change_and_is_deleted_with_its_user() {
    let world = World::start().await;
    let (one, two, three) =
        (world.buyer("one@example.com").await, world.buyer("two@example.com").await, world.buyer("three@example.com").await);
    for person in [&one, &two, &three] {
        as_before(&world, person).await;
    }
    let new = json!({"password": "battery staple", "current_password": PASSWORD});
    assert_eq!(world.patch("/users/me", new).bearer(&one.token).await.status, 200);
    assert_eq!((log_in(&world, &one, PASSWORD).await, log_in(&world, &one, "battery staple").await), (401, 200));
    let moved = json!({"email": "new@example.com", "current_password": PASSWORD});
    assert_eq!(world.patch("/users/me", moved).bearer(&two.token).await.status, 200);
    world.erase(&three.token).await.is_empty(204);
    assert!(!world.stored().await.contains("argon2"));
    let gone = world.app.store.password_hash(&three.id.parse().expect("an id")).await.expect("the table is there");
    assert_eq!(gone, None);
}

#[tokio::test]
async fn the_operator_moves_the_hashes_of_users_who_never_log_in() {
    let world = World::start().await;
    let mut people = Vec::new();
    for number in 0..5 {
        let person = world.buyer(&format!("{number}@example.com")).await;
        as_before(&world, &person).await;
        people.push(person);
    }
    let done = operator::passwords::run(&world.app).await.expect("they are moved");
    assert!(done.starts_with("5 password hashes moved"), "{done}");
    assert!(!world.stored().await.contains("argon2"));
    for person in &people {
        assert_eq!(log_in(&world, person, PASSWORD).await, 200);
        assert_eq!(world.get("/users/me").bearer(&person.token).await.status, 200);
    }
    assert!(operator::passwords::run(&world.app).await.expect("they are moved").starts_with("0 "));
}
