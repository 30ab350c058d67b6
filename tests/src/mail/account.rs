//! `/email-confirmations`: who owns an address.

use serde_json::json;
use time::Duration;

use crate::harness::{PASSWORD, Person, World, token_in};

async fn is_confirmed(world: &World, person: &Person) -> bool {
    world.get("/users/me").bearer(&person.token).await.json()["email_confirmed"].as_bool().expect("it is said")
}

#[tokio::test]
async fn a_sign_up_sends_a_mail_whose_link_confirms_the_address_once() {
    let world = World::start().await;
    let person = world.stranger("a@example.com").await;
    assert!(!is_confirmed(&world, &person).await);
    world.pump().await;
    let mails = world.mails_to("a@example.com");
    assert_eq!(mails.iter().map(|mail| mail.subject.as_str()).collect::<Vec<_>>(), ["Confirm your email address"]);
    assert_eq!(mails[0].from, "Courses <courses@example.com>");
    assert!(mails[0].text.contains("http://localhost:3000/confirm.html#"), "{}", mails[0].text);
    let token = token_in(&mails[0]);
    // Works in any browser, so no session is sent.
    world.put("/email-confirmations", json!({"token": token})).await.is_empty(204);
    assert!(is_confirmed(&world, &person).await);
    assert_eq!(world.put("/email-confirmations", json!({"token": token})).await.status, 410);
    assert!(is_confirmed(&world, &person).await);
}

#[tokio::test]
async fn a_new_address_must_be_confirmed_and_then_the_old_ones_link_is_void() {
    let world = World::start().await;
    let person = world.stranger("old@example.com").await;
    world.pump().await;
    let old = token_in(&world.mails_to("old@example.com")[0]);
    let asked = world.patch("/users/me", json!({"email": "new@example.com", "current_password": PASSWORD})).bearer(&person.token).await;
    assert_eq!((asked.text("email"), asked.text("new_email")), ("old@example.com".to_owned(), "new@example.com".to_owned()));
    world.pump().await;
    let new = world.mails_to("new@example.com").pop().expect("a mail");
    assert!(new.text.contains("If it was not you"), "{}", new.text);
    assert_eq!(world.put("/email-confirmations", json!({"token": token_in(&new)})).await.status, 204);
    assert!(is_confirmed(&world, &person).await);
    assert_eq!(world.put("/email-confirmations", json!({"token": token_in(&new)})).await.status, 410);
    assert_eq!(world.put("/email-confirmations", json!({"token": old})).await.status, 410);
    world.pump().await;
    assert_eq!(world.mails_to("old@example.com").len(), 1, "it was never confirmed, and may be a stranger's");

    // A new password, the same address in another spelling, or a requested address leave it confirmed.
    for change in [
        json!({"password": PASSWORD, "current_password": PASSWORD}),
        json!({"email": "NEW@example.com", "current_password": PASSWORD}),
        json!({"email": "newer@example.com", "current_password": PASSWORD}),
    ] {
        let answer = world.patch("/users/me", change).bearer(&person.token).await;
        assert_eq!(answer.json()["email_confirmed"], true, "{}", answer.body);
        assert!(is_confirmed(&world, &person).await);
    }
    // Requesting another address, or none, withdraws the first one.
    world.pump().await;
    let newer = token_in(&world.mails_to("newer@example.com")[0]);
    world.patch("/users/me", json!({"email": "new@example.com", "current_password": PASSWORD})).bearer(&person.token).await;
    assert_eq!(world.put("/email-confirmations", json!({"token": newer})).await.status, 410);
}

#[tokio::test]
async fn an_account_takeover_can_be_undone_from_the_old_mailbox() {
    const NEW: &str = "battery staple";
    let world = World::start().await;
    let owner = world.buyer("owner@example.com").await;
    world.pump().await;
    let thief = world.log_in(&owner).await;
    let mut password = PASSWORD.to_owned();
    for (number, email) in ["thief@example.com", "elsewhere@example.com"].into_iter().enumerate() {
        let change = json!({"email": email, "password": format!("thief's own {number}"), "current_password": password});
        let changed = world.patch("/users/me", change).bearer(&thief).await;
        assert_eq!(changed.status, 200, "{}", changed.body);
        password = format!("thief's own {number}");
        world.pump().await;
        let token = token_in(&world.mails_to(email)[0]);
        world.put("/email-confirmations", json!({"token": token})).await.is_empty(204);
        world.pump().await;
        world.app.clock.advance(Duration::minutes(1));
    }
    let subjects: Vec<_> = world.mails_to("owner@example.com").into_iter().map(|mail| mail.subject).collect();
    assert_eq!(subjects, ["Your password was changed", "Your email address was changed"]);
    let told = world.mails_to("owner@example.com");
    assert!(told[0].text.contains("If this was not you") && told[0].text.contains("/forgot.html"), "{}", told[0].text);
    assert!(told[1].text.contains("If this was not you") && told[1].text.contains("/reset.html#"), "{}", told[1].text);
    let undo = token_in(&told[1]);
    world.put("/email-confirmations", json!({"token": undo})).await.is_problem(
        410,
        "link_gone",
        "this link was already used or has expired; request a new one",
    );
    world.put("/password-resets", json!({"token": undo, "password": NEW})).await.is_empty(204);
    assert_eq!(world.get("/users/me").bearer(&thief).await.status, 401);
    let back = world.post("/sessions", json!({"email": "owner@example.com", "password": NEW})).await;
    assert_eq!((back.status, back.json()["user"]["id"].as_str()), (200, Some(owner.id.as_str())), "{}", back.body);
    assert_eq!(world.post("/sessions", json!({"email": "elsewhere@example.com", "password": NEW})).await.status, 401);

    // The thief's own mailbox undoes nothing, and the link works once.
    let theirs = world.mails_to("thief@example.com").pop().expect("a mail");
    assert_eq!(theirs.subject, "Your email address was changed");
    assert_eq!(world.put("/password-resets", json!({"token": token_in(&theirs), "password": NEW})).await.status, 410);
    assert_eq!(world.put("/password-resets", json!({"token": undo, "password": NEW})).await.status, 410);
}

#[tokio::test]
async fn a_link_that_undoes_a_change_works_for_seven_days_and_the_address_stays_reserved() {
    for (days, expected) in [(6, 204), (8, 410)] {
        let world = World::start().await;
        let owner = world.buyer("owner@example.com").await;
        world.patch("/users/me", json!({"email": "new@example.com", "current_password": PASSWORD})).bearer(&owner.token).await;
        world.pump().await;
        world.put("/email-confirmations", json!({"token": token_in(&world.mails_to("new@example.com")[0])})).await.is_empty(204);
        world.pump().await;
        let undo = token_in(&world.mails_to("owner@example.com").pop().expect("a mail"));
        world.app.clock.advance(Duration::days(days));
        // Nobody can sign up with it, and the old address does not open the account.
        let sign_up = || world.post("/users", json!({"email": "OWNER@example.com", "password": "squatter's own"}));
        assert_eq!(sign_up().await.text("code"), "email_taken");
        assert_eq!(world.post("/sessions", json!({"email": "owner@example.com", "password": PASSWORD})).await.status, 401);
        let answer = world.put("/password-resets", json!({"token": undo, "password": "battery staple"})).await;
        assert_eq!(answer.status, expected, "after {days} days: {}", answer.body);
        world.app.clock.advance(Duration::days(8));
        assert_eq!(sign_up().await.status, if expected == 204 { 409 } else { 201 });
    }
}

#[tokio::test]
async fn a_new_password_discards_a_requested_address() {
    let world = World::start().await;
    let owner = world.buyer("owner@example.com").await;
    world.patch("/users/me", json!({"email": "thief@example.com", "current_password": PASSWORD})).bearer(&owner.token).await;
    world.pump().await;
    let theirs = token_in(&world.mails_to("thief@example.com")[0]);
    world.post("/password-resets", json!({"email": "owner@example.com"})).await.is_empty(202);
    world.pump().await;
    let reset = token_in(&world.mails_to("owner@example.com").pop().expect("a mail"));
    world.put("/password-resets", json!({"token": reset, "password": "battery staple"})).await.is_empty(204);
    assert_eq!(world.put("/email-confirmations", json!({"token": theirs})).await.status, 410);
    world.pump().await;
    assert_eq!(world.mails_to("owner@example.com").pop().map(|mail| mail.subject), Some("Your password was changed".to_owned()));
}

#[tokio::test]
async fn the_mail_can_be_sent_again_once_a_minute_until_the_address_is_confirmed() {
    let world = World::start().await;
    let person = world.stranger("a@example.com").await;
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
    let person = world.stranger("a@example.com").await;
    world.pump().await;
    let token = token_in(&world.mails_to("a@example.com")[0]);
    world.app.clock.advance(Duration::hours(25));
    assert_eq!(world.put("/email-confirmations", json!({"token": token})).await.status, 410);
    assert!(!is_confirmed(&world, &person).await);
}

#[tokio::test]
async fn somebody_who_keeps_moving_waits_until_the_first_address_is_no_longer_theirs() {
    let world = World::start().await;
    world.to_next_window();
    let owner = world.buyer("owner@example.com").await;
    let ask = |number: u32| {
        let body = json!({"email": format!("{number}@example.com"), "current_password": PASSWORD});
        world.patch("/users/me", body).bearer(&owner.token)
    };
    let move_on = async |number: u32| {
        world.app.clock.advance(Duration::minutes(15));
        let asked = ask(number).await;
        assert_eq!(asked.status, 200, "{number}: {}", asked.body);
        world.pump().await;
        let to = format!("{number}@example.com");
        let confirm = world.mails_to(&to).into_iter().rfind(|mail| mail.subject == "Confirm your new email address").expect("a mail");
        world.put("/email-confirmations", json!({"token": token_in(&confirm)})).await.is_empty(204);
        world.pump().await;
    };
    let left = async || world.app.store.user(&owner.id.parse().expect("an id")).await.expect("the table").expect("a user").left_emails;
    for number in 0..10 {
        move_on(number).await;
    }
    // To and fro leaves each once.
    for number in [8, 9, 8, 9] {
        move_on(number).await;
    }
    assert_eq!(left().await.len(), 10);
    for number in 10..20 {
        move_on(number).await;
    }
    assert_eq!(left().await.len(), 20);
    world.app.clock.advance(Duration::minutes(15));
    let refused = ask(20).await;
    assert_eq!((refused.status, refused.text("code")), (429, "too_many_mails".to_owned()), "{}", refused.body);
    let after: i64 = refused.header("retry-after").and_then(|seconds| seconds.parse().ok()).expect("a number");
    assert!((13 * 86_400..14 * 86_400).contains(&after), "{after}");
    assert_eq!(
        world.patch("/users/me", json!({"email": "19@example.com", "current_password": PASSWORD})).bearer(&owner.token).await.status,
        200
    );

    // What undoing needs is all there.
    let undo = token_in(&world.mails_to("owner@example.com").pop().expect("a mail"));
    let sign_up = |email: &str| world.post("/users", json!({"email": email, "password": "squatter's own"}));
    assert_eq!(sign_up("owner@example.com").await.text("code"), "email_taken");

    // Later, the first ones are forgotten, and somebody else may have them.
    world.app.clock.advance(Duration::days(13) + Duration::hours(23));
    assert_eq!(world.put("/password-resets", json!({"token": undo, "password": "battery staple"})).await.status, 410, "after seven days");
    let session = world.post("/sessions", json!({"email": "19@example.com", "password": PASSWORD})).await.text("token");
    let asked = world.patch("/users/me", json!({"email": "21@example.com", "current_password": PASSWORD})).bearer(&session).await;
    assert_eq!(asked.status, 200, "{}", asked.body);
    let rest = left().await;
    assert!((1..20).contains(&rest.len()) && !rest.contains(&"owner@example.com".to_owned()), "{rest:?}");
    assert!(!world.stored().await.contains("EMAIL#owner@example.com"), "nothing is left of it");
    assert_eq!(sign_up("owner@example.com").await.status, 201);
}

#[tokio::test]
async fn somebody_who_has_moved_twenty_times_can_still_undo_the_first() {
    let world = World::start().await;
    world.to_next_window();
    let owner = world.buyer("owner@example.com").await;
    for number in 0..20 {
        world.app.clock.advance(Duration::minutes(15));
        let to = format!("{number}@example.com");
        let asked = world.patch("/users/me", json!({"email": to, "current_password": PASSWORD})).bearer(&owner.token).await;
        assert_eq!(asked.status, 200, "{}", asked.body);
        world.pump().await;
        world.put("/email-confirmations", json!({"token": token_in(&world.mails_to(&to)[0])})).await.is_empty(204);
        world.pump().await;
    }
    let undo = token_in(&world.mails_to("owner@example.com").pop().expect("a mail"));
    world.put("/password-resets", json!({"token": undo, "password": "battery staple"})).await.is_empty(204);
    assert_eq!(world.post("/sessions", json!({"email": "owner@example.com", "password": "battery staple"})).await.status, 200);
}
