//! `/email-confirmations`: whose address it is.

use serde_json::json;
use time::Duration;

use crate::harness::{PASSWORD, Person, World, token_in};

async fn is_confirmed(world: &World, person: &Person) -> bool {
    world.get("/users/me").bearer(&person.token).await.json()["email_confirmed"].as_bool().expect("it is said")
}

#[tokio::test]
async fn who_signs_up_gets_a_mail_whose_link_confirms_the_address_once() {
    let world = World::start().await;
    let person = world.buyer("a@example.com").await;
    assert!(!is_confirmed(&world, &person).await);
    world.pump().await;
    let mails = world.mails_to("a@example.com");
    assert_eq!(mails.iter().map(|mail| mail.subject.as_str()).collect::<Vec<_>>(), ["Confirm your e-mail address"]);
    assert_eq!(mails[0].from, "Courses <courses@example.com>");
    assert!(mails[0].text.contains("http://localhost:3000/confirm.html#"), "{}", mails[0].text);
    let token = token_in(&mails[0]);
    // In any browser: no session is sent.
    world.put("/email-confirmations", json!({"token": token})).await.is_empty(204);
    assert!(is_confirmed(&world, &person).await);
    assert_eq!(world.put("/email-confirmations", json!({"token": token})).await.status, 410);
    assert!(is_confirmed(&world, &person).await);
}

#[tokio::test]
async fn a_new_address_is_to_be_confirmed_and_the_old_ones_link_confirms_nothing() {
    let world = World::start().await;
    let person = world.buyer("old@example.com").await;
    world.pump().await;
    let old = token_in(&world.mails_to("old@example.com")[0]);
    let moved = world.patch("/users/me", json!({"email": "new@example.com", "current_password": PASSWORD})).bearer(&person.token).await;
    assert_eq!(moved.json()["email_confirmed"], false);
    assert_eq!(world.put("/email-confirmations", json!({"token": old})).await.status, 410);
    assert!(!is_confirmed(&world, &person).await);
    world.pump().await;
    let new = token_in(&world.mails_to("new@example.com")[0]);
    assert_eq!(world.put("/email-confirmations", json!({"token": new})).await.status, 204);
    assert!(is_confirmed(&world, &person).await);

    // Another password, or the same address written otherwise, leaves it confirmed; another address does not.
    for (change, confirmed) in [
        (json!({"password": PASSWORD, "current_password": PASSWORD}), true),
        (json!({"email": "NEW@example.com", "current_password": PASSWORD}), true),
        (json!({"email": "newer@example.com", "current_password": PASSWORD}), false),
    ] {
        let answer = world.patch("/users/me", change).bearer(&person.token).await;
        assert_eq!(answer.json()["email_confirmed"], confirmed, "{}", answer.body);
        assert_eq!(is_confirmed(&world, &person).await, confirmed);
    }
}

#[tokio::test]
async fn the_mail_comes_again_once_a_minute_until_the_address_is_confirmed() {
    let world = World::start().await;
    let person = world.buyer("a@example.com").await;
    world.pump().await;
    world.app.clock.advance(Duration::minutes(2));
    for _ in 0..3 {
        world.post("/email-confirmations", json!({})).bearer(&person.token).await.is_empty(202);
    }
    world.pump().await;
    let mails = world.mails_to("a@example.com");
    assert!((2..=3).contains(&mails.len()), "{} mails", mails.len());
    assert_eq!(world.put("/email-confirmations", json!({"token": token_in(mails.last().expect("a mail"))})).await.status, 204);

    world.app.clock.advance(Duration::minutes(2));
    world.post("/email-confirmations", json!({})).bearer(&person.token).await.is_empty(202);
    world.pump().await;
    assert_eq!(world.mails_to("a@example.com").len(), mails.len());
    assert_eq!(world.post("/email-confirmations", json!({})).await.status, 401);
}

#[tokio::test]
async fn a_link_expires_after_a_day() {
    let world = World::start().await;
    let person = world.buyer("a@example.com").await;
    world.pump().await;
    let token = token_in(&world.mails_to("a@example.com")[0]);
    world.app.clock.advance(Duration::hours(25));
    assert_eq!(world.put("/email-confirmations", json!({"token": token})).await.status, 410);
    assert!(!is_confirmed(&world, &person).await);
}
