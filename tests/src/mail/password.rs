//! `/password-resets`: single-use, hashed, expiring tokens, and responses that do not reveal who has an account.

use futures_util::future::join_all;
use serde_json::json;
use time::Duration;

use crate::harness::{PASSWORD, Person, World, token_in};

const NEW: &str = "battery staple";

/// Requests a reset and reads the token from the mail.
async fn token_for(world: &World, person: &Person) -> String {
    world.mailbox().clear();
    world.post("/password-resets", json!({"email": person.email})).await.is_empty(202);
    world.pump().await;
    let mails: Vec<_> = world.mails_to(&person.email).into_iter().filter(|mail| mail.subject == "Set a new password").collect();
    assert_eq!(mails.len(), 1, "{mails:?}");
    token_in(&mails[0])
}

async fn log_in(world: &World, person: &Person, password: &str) -> u16 {
    world.post("/sessions", json!({"email": person.email, "password": password})).await.status
}

const GONE: &str = "this link was already used or has expired; request a new one";

#[tokio::test]
async fn a_token_sets_a_new_password_once_and_ends_every_session() {
    let world = World::start().await;
    let person = world.stranger("a@example.com").await;
    let other = world.log_in(&person).await;
    let token = token_for(&world, &person).await;

    world.put("/password-resets", json!({"token": token, "password": NEW})).await.is_empty(204);
    for session in [&person.token, &other] {
        assert_eq!(world.get("/users/me").bearer(session).await.status, 401);
    }
    assert_eq!((log_in(&world, &person, PASSWORD).await, log_in(&world, &person, NEW).await), (401, 200));
    world.put("/password-resets", json!({"token": token, "password": "a third one"})).await.is_problem(410, "link_gone", GONE);
    assert_eq!(log_in(&world, &person, NEW).await, 200);
}

#[tokio::test]
async fn response_and_cost_are_the_same_without_an_account() {
    let world = World::start().await;
    world.stranger("a@example.com").await;
    world.pump().await;
    world.mailbox().clear();
    world.operations();
    let known = world.post("/password-resets", json!({"email": " A@example.com"})).await;
    let trips = world.operations();
    let unknown = world.post("/password-resets", json!({"email": "nobody@example.com"})).await;
    assert_eq!(world.operations(), trips);
    assert_eq!((known.status, &known.body, &known.headers), (unknown.status, &unknown.body, &unknown.headers));
    assert_eq!(known.status, 202);
    world.pump().await;
    let to: Vec<_> = world.mailbox().mails().into_iter().flat_map(|mail| mail.to).collect();
    assert_eq!(to, ["a@example.com"], "nobody else gets a mail");
}

#[tokio::test]
async fn a_token_expires_after_an_hour() {
    let world = World::start().await;
    let person = world.stranger("a@example.com").await;
    let token = token_for(&world, &person).await;
    world.app.clock.advance(Duration::minutes(61));
    world.put("/password-resets", json!({"token": token, "password": NEW})).await.is_problem(410, "link_gone", GONE);
    let fresh = token_for(&world, &person).await;
    world.app.clock.advance(Duration::minutes(59));
    world.put("/password-resets", json!({"token": fresh, "password": NEW})).await.is_empty(204);
}

#[tokio::test]
async fn only_one_of_many_concurrent_uses_sets_the_password() {
    let world = World::start().await;
    let person = world.stranger("a@example.com").await;
    let token = token_for(&world, &person).await;
    let uses = (0..8).map(|number| {
        let body = json!({"token": token, "password": format!("password number {number}")});
        let world = &world;
        async move { world.put("/password-resets", body).await.status }
    });
    let mut statuses = join_all(uses).await;
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 410, 410, 410, 410, 410, 410, 410]);
}

#[tokio::test]
async fn the_mailboxs_owner_logs_in_although_a_stranger_tried_too_many_passwords() {
    let world = World::start().await;
    world.to_next_window();
    let person = world.stranger("a@example.com").await;
    for _ in 0..10 {
        assert_eq!(log_in(&world, &person, "a guess").await, 401);
    }
    assert_eq!(log_in(&world, &person, PASSWORD).await, 429);
    let token = token_for(&world, &person).await;
    let reset = world.put("/password-resets", json!({"token": token, "password": NEW})).await;
    reset.is_empty(204);
    let mark = reset.header("set-cookie").and_then(|cookie| cookie.split(';').next()).expect("it marks the device").to_owned();
    assert_eq!(log_in(&world, &person, NEW).await, 200);
    // An invalid link clears nothing.
    for _ in 0..10 {
        assert_eq!(log_in(&world, &person, "a guess").await, 401);
    }
    assert_eq!(world.put("/password-resets", json!({"token": token, "password": NEW})).await.status, 410);
    assert_eq!(log_in(&world, &person, NEW).await, 429);
    let own = world.post("/sessions", json!({"email": person.email, "password": NEW})).header("cookie", mark).await;
    assert_eq!(own.status, 200, "the browser that set the password is known: {}", own.body);
}

#[tokio::test]
async fn invalid_tokens_and_tokens_of_other_kinds_do_nothing() {
    let world = World::start().await;
    let (person, other) = (world.stranger("a@example.com").await, world.stranger("b@example.com").await);
    let token = token_for(&world, &person).await;
    world.mailbox().clear();
    // A token of the other kind.
    world.app.clock.advance(Duration::minutes(2));
    world.post("/email-confirmations", json!({})).bearer(&person.token).await.is_empty(202);
    world.pump().await;
    let confirmation = token_in(&world.mails_to("a@example.com")[0]);
    // With another user's part, another secret, a session's token, and no token at all.
    let secret = token.split_once('.').expect("two parts").1;
    let foreign = format!("{}.{secret}", other.token.split_once('.').expect("two parts").0);
    let made_up = format!("{}.{}", token.split_once('.').expect("two parts").0, "A".repeat(43));
    for wrong in [&confirmation, &foreign, &made_up, &person.token, "", "rubbish", &"x".repeat(5000)] {
        world.put("/password-resets", json!({"token": wrong, "password": NEW})).await.is_problem(410, "link_gone", GONE);
    }
    world.put("/email-confirmations", json!({"token": token})).await.is_problem(410, "link_gone", GONE);
    assert_eq!((log_in(&world, &person, PASSWORD).await, log_in(&world, &other, PASSWORD).await), (200, 200));
    world.put("/password-resets", json!({"token": token, "password": NEW})).await.is_empty(204);
}

#[tokio::test]
async fn a_new_password_or_address_ends_the_tokens_that_were_sent_before() {
    let world = World::start().await;
    let person = world.stranger("a@example.com").await;
    let first = token_for(&world, &person).await;
    world.app.clock.advance(Duration::minutes(2));
    let second = token_for(&world, &person).await;
    world.put("/password-resets", json!({"token": second, "password": NEW})).await.is_empty(204);
    world.put("/password-resets", json!({"token": first, "password": PASSWORD})).await.is_problem(410, "link_gone", GONE);

    world.app.clock.advance(Duration::minutes(2));
    let third = token_for(&world, &person).await;
    let session = world.post("/sessions", json!({"email": "a@example.com", "password": NEW})).await.text("token");
    let moved = world.patch("/users/me", json!({"email": "new@example.com", "current_password": NEW})).bearer(&session).await;
    assert_eq!(moved.status, 200, "{}", moved.body);
    world.pump().await;
    world.put("/email-confirmations", json!({"token": token_in(&world.mails_to("new@example.com")[0])})).await.is_empty(204);
    world.put("/password-resets", json!({"token": third, "password": PASSWORD})).await.is_problem(410, "link_gone", GONE);
}

#[tokio::test]
async fn a_refused_password_uses_up_no_token() {
    let world = World::start().await;
    let person = world.stranger("a@example.com").await;
    let token = token_for(&world, &person).await;
    let refused = world.put("/password-resets", json!({"token": token, "password": "short"})).await;
    refused.is_problem(422, "invalid_request", "password must have 8 to 256 characters");
    world.put("/password-resets", json!({"token": token, "password": NEW})).await.is_empty(204);
}

#[tokio::test]
async fn an_address_gets_one_mail_a_minute_and_five_in_a_quarter_of_an_hour() {
    let world = World::start().await;
    world.to_next_window();
    let person = world.stranger("a@example.com").await;
    world.pump().await;
    world.mailbox().clear();
    for minute in 0..8 {
        for _ in 0..2 {
            world.post("/password-resets", json!({"email": person.email})).await.is_empty(202);
        }
        world.pump().await;
        assert!(world.mails_to(&person.email).len() <= minute + 1);
        world.app.clock.advance(Duration::minutes(1));
    }
    assert_eq!(world.mails_to(&person.email).len(), 3, "requested five times, twice a minute");
    world.to_next_window();
    world.post("/password-resets", json!({"email": person.email})).await.is_empty(202);
    world.pump().await;
    assert_eq!(world.mails_to(&person.email).len(), 4);
}

#[tokio::test]
async fn no_token_is_in_the_table_or_its_stream() {
    let world = World::start().await;
    let person = world.stranger("a@example.com").await;
    world.post("/password-resets", json!({"email": person.email})).await.is_empty(202);
    let records = world.new_mails();
    let handed_over = serde_json::to_string(&records).expect("it is JSON");
    world.notify(&records).await;
    let stored = world.stored().await;
    for mail in world.mails_to(&person.email) {
        let token = token_in(&mail);
        let secret = token.split_once('.').expect("two parts").1;
        assert!(!stored.contains(secret) && !handed_over.contains(secret), "{}", mail.subject);
    }
    assert_eq!(world.mails_to(&person.email).len(), 2);
}

#[tokio::test]
async fn a_page_of_another_site_resets_nothing() {
    let world = World::start().await;
    let refused = world.post("/password-resets", json!({"email": "a@example.com"})).origin("https://evil.example").await;
    assert_eq!((refused.status, refused.text("code")), (403, "foreign_origin".to_owned()));
    let wrong = world.post("/password-resets", json!({"email": "nobody"})).await;
    assert_eq!((wrong.status, wrong.text("code")), (422, "invalid_request".to_owned()));
}
