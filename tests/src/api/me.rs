//! `GET` and `PATCH /users/me`

use futures_util::future::join_all;
use serde_json::json;

use crate::harness::{PASSWORD, Person, World, token_in};

async fn status_of(world: &World, token: &str) -> u16 {
    world.get("/users/me").bearer(token).await.status
}

async fn log_in(world: &World, email: &str, password: &str) -> u16 {
    world.post("/sessions", json!({"email": email, "password": password})).await.status
}

#[tokio::test]
async fn reading_my_account_is_one_trip_and_private() {
    let world = World::start().await;
    let person = world.stranger("a@example.com").await;
    world.proxy.clear();
    let answer = world.get("/users/me").bearer(&person.token).await;
    answer.is(
        200,
        &json!({
            "id": person.id,
            "email": "a@example.com",
            "email_confirmed": false,
            "is_seller": false,
            "is_staff": false,
            "second_factor": false,
            "created_at": "[time]",
            "stripe": {
                "connected": false,
                "account_id": null,
                "account_type": null,
                "charges_enabled": false,
                "scope": null,
                "livemode": null,
            },
        }),
    );
    assert_eq!(answer.header("cache-control"), Some("private, no-store"));
    assert_eq!(world.operations(), ["BatchGetItem"]);
    world.get("/users/me").await.is_problem(401, "not_signed_in", "log in first");
    assert_eq!(world.operations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_new_address_replaces_the_old_one_once_it_is_confirmed() {
    let world = World::start().await;
    let person = world.buyer("old@example.com").await;
    let body = json!({"email": "New@example.com", "current_password": PASSWORD});
    let answer = world.patch("/users/me", body).bearer(&person.token).await;
    let me = world.get("/users/me").bearer(&person.token).await.json();
    answer.is(200, &me);
    assert_eq!((&me["email"], &me["new_email"]), (&json!("old@example.com"), &json!("New@example.com")));
    assert_eq!((log_in(&world, "new@example.com", PASSWORD).await, log_in(&world, "old@example.com", PASSWORD).await), (401, 200));

    world.pump().await;
    let token = token_in(&world.mails_to("New@example.com")[0]);
    world.put("/email-confirmations", json!({"token": token})).await.is_empty(204);
    let me = world.get("/users/me").bearer(&person.token).await.json();
    assert_eq!((&me["email"], &me["email_confirmed"], me.get("new_email")), (&json!("New@example.com"), &json!(true), None));
    assert_eq!((log_in(&world, "new@example.com", PASSWORD).await, log_in(&world, "old@example.com", PASSWORD).await), (200, 401));
    world.app.clock.advance(time::Duration::days(15));
    let other = world.buyer("old@example.com").await;
    assert_ne!(other.id, person.id, "the old address is free, after a while");
}

#[tokio::test]
async fn an_address_can_be_written_in_another_case() {
    let world = World::start().await;
    let person = world.buyer("a@example.com").await;
    let body = json!({"email": "A@Example.com", "current_password": PASSWORD});
    assert_eq!(world.patch("/users/me", body).bearer(&person.token).await.text("email"), "A@Example.com");
    assert_eq!(log_in(&world, "a@example.com", PASSWORD).await, 200);
    let again = world.post("/users", json!({"email": "a@example.com", "password": PASSWORD})).await;
    again.is_problem(409, "email_taken", "an account with this e-mail already exists");
}

#[tokio::test]
async fn a_new_password_ends_all_other_sessions() {
    let world = World::start().await;
    let person = world.buyer("a@example.com").await;
    let (phone, laptop) = (world.log_in(&person).await, world.log_in(&person).await);
    let body = json!({"password": "battery staple", "current_password": PASSWORD});
    assert_eq!(world.patch("/users/me", body).bearer(&phone).await.status, 200);

    assert_eq!(status_of(&world, &phone).await, 200, "the session that changed it continues");
    assert_eq!(status_of(&world, &laptop).await, 401);
    assert_eq!(status_of(&world, &person.token).await, 401);
    assert_eq!(log_in(&world, "a@example.com", PASSWORD).await, 401);
    assert_eq!(log_in(&world, "a@example.com", "battery staple").await, 200);
}

#[tokio::test]
async fn a_log_in_with_the_old_password_that_is_under_way_ends_with_it() {
    let world = World::start().await;
    let person = world.buyer("a@example.com").await;
    // The log-in has accepted the old password and is held just before it writes its session.
    let gate = local::proxy::Gate::new();
    world.proxy.inject(local::proxy::Fault::next("TransactWriteItems", local::proxy::Kind::Hold(gate.clone())));
    let log_in = world.post("/sessions", json!({"email": "a@example.com", "password": PASSWORD})).into_future();
    let change = async {
        gate.reached().await;
        let body = json!({"password": "battery staple", "current_password": PASSWORD});
        let answer = world.patch("/users/me", body).bearer(&person.token).await;
        gate.open();
        answer
    };
    let (late, change) = futures_util::future::join(log_in, change).await;
    assert_eq!((change.status, late.status), (200, 200));
    assert_eq!(status_of(&world, &late.text("token")).await, 401);
    assert_eq!(status_of(&world, &person.token).await, 200);
}

#[tokio::test]
async fn nobody_learns_from_a_change_whether_an_address_has_an_account() {
    let world = World::start().await;
    let person = world.buyer("a@example.com").await;
    world.buyer("taken@example.com").await;
    world.pump().await;
    let ask = async |email: &str| {
        world.operations();
        let body = json!({"email": email, "current_password": PASSWORD});
        let answer = world.patch("/users/me", body).bearer(&person.token).await;
        (answer.status, answer.body.replace(email, "…"), world.operations().len())
    };
    assert_eq!(ask("taken@example.com").await, ask("other@example.com").await);
    ask("taken@example.com").await;
    world.pump().await;
    let told = world.mails_to("taken@example.com").pop().expect("a mail");
    assert_eq!(told.subject, "This address already has an account");
    assert!(told.text.contains("If it was not you") && !told.text.contains('#'), "{}", told.text);
    assert_eq!(log_in(&world, "taken@example.com", PASSWORD).await, 200);
    let me = world.get("/users/me").bearer(&person.token).await.json();
    assert_eq!(me["email"], "a@example.com");
}

#[tokio::test]
async fn an_address_taken_in_the_meantime_stays_with_its_owner() {
    let world = World::start().await;
    let person = world.buyer("a@example.com").await;
    world.patch("/users/me", json!({"email": "b@example.com", "current_password": PASSWORD})).bearer(&person.token).await;
    world.pump().await;
    let token = token_in(&world.mails_to("b@example.com")[0]);
    let other = world.buyer("b@example.com").await;
    assert_eq!(world.put("/email-confirmations", json!({"token": token})).await.status, 410);
    world.log_in(&other).await;
    assert_eq!(world.get("/users/me").bearer(&person.token).await.text("email"), "a@example.com");
}

#[tokio::test]
async fn strangers_are_mailed_within_limits_by_user_by_address_and_by_recipient() {
    let world = World::with(&[("ADDRESS_LIMITS", "1")]).await;
    world.to_next_window();
    let person = world.buyer("a@example.com").await;
    let ask = |person: &Person, email: String, from: &str| {
        world.patch("/users/me", json!({"email": email, "current_password": PASSWORD})).bearer(&person.token).from(from.to_owned())
    };
    for number in 0..5 {
        assert_eq!(ask(&person, format!("stranger{number}@example.com"), "192.0.2.1").await.status, 200);
    }
    let held_up = ask(&person, "stranger5@example.com".to_owned(), "192.0.2.2").await;
    assert_eq!((held_up.status, held_up.text("code")), (429, "too_many_mails".to_owned()), "{}", held_up.body);
    let again = world.post("/email-confirmations", json!({})).bearer(&person.token).await;
    assert_eq!((again.status, again.text("code")), (429, "too_many_mails".to_owned()));
    assert!(held_up.header("retry-after").is_some());
    let to_own = world.patch("/users/me", json!({"email": "A@example.com", "current_password": PASSWORD})).bearer(&person.token).await;
    assert_eq!(to_own.status, 200, "withdrawing an address mails nobody: {}", to_own.body);

    // Many accounts, one victim: a limited number of mails, and the same responses.
    world.pump().await;
    for number in 0..8 {
        let sender =
            world.post("/users", json!({"email": format!("sender{number}@example.com"), "password": PASSWORD})).from("192.0.2.3").await;
        let sender = Person { id: String::new(), email: String::new(), token: sender.text("token") };
        assert_eq!(ask(&sender, "victim@example.com".to_owned(), "192.0.2.3").await.status, 200);
    }
    world.pump().await;
    assert_eq!(world.mails_to("victim@example.com").len(), 5);

    // One address or IPv6 network, many accounts.
    let mut refused = 0;
    for number in 0..31 {
        let from = format!("2001:db8::{number:x}");
        let sender =
            world.post("/users", json!({"email": format!("other{number}@example.com"), "password": PASSWORD})).from(from.clone()).await;
        if sender.status == 429 {
            refused += 1;
            continue;
        }
        let sender = Person { id: String::new(), email: String::new(), token: sender.text("token") };
        let asked = ask(&sender, format!("victim{number}@example.com"), &from).await;
        refused += i32::from(asked.status == 429);
    }
    assert_eq!(refused, 1, "at most sixty sign-ups and mails");
}

#[tokio::test]
async fn both_can_change_at_once_in_four_trips() {
    let world = World::start().await;
    let person = world.buyer("a@example.com").await;
    world.proxy.clear();
    let slow = local::proxy::Kind::Delay(std::time::Duration::from_millis(200));
    world.proxy.inject(local::proxy::Fault::always(slow));
    let body = json!({"email": "b@example.com", "password": "battery staple", "current_password": PASSWORD});
    let answer = world.patch("/users/me", body).bearer(&person.token).await;
    assert_eq!((answer.status, answer.text("new_email").as_str()), (200, "b@example.com"));
    assert_eq!(world.proxy.sequential_trips(), 4, "the mail is counted");
    world.proxy.clear();
    assert_eq!(log_in(&world, "a@example.com", "battery staple").await, 200);
}

#[tokio::test]
async fn the_current_password_is_asked_for_and_throttled_by_session() {
    let world = World::start().await;
    world.to_next_window();
    let person = world.buyer("a@example.com").await;
    let elsewhere = world.log_in(&person).await;
    let change =
        |current: &str| world.patch("/users/me", json!({"password": "battery staple", "current_password": current})).bearer(&person.token);
    for _ in 0..10 {
        assert_eq!(log_in(&world, "a@example.com", "wrong password").await, 401);
    }
    assert_eq!(log_in(&world, "a@example.com", PASSWORD).await, 429);
    // Strangers' attempts do not lock the owner out of an open session.
    for _ in 0..10 {
        change("wrong password").await.is_problem(401, "bad_credentials", "the e-mail or the password is wrong");
    }
    assert_eq!(change(PASSWORD).await.status, 429);
    // Changing, erasing and confirming count together: a session has ten attempts in total.
    let erased = world.delete("/users/me").json(&json!({"current_password": PASSWORD})).bearer(&person.token).await;
    assert_eq!(erased.status, 429, "{}", erased.body);
    assert_eq!(world.put("/sessions/current", json!({"current_password": PASSWORD})).bearer(&person.token).await.status, 429);
    assert_eq!(status_of(&world, &person.token).await, 200);
    // Nor does a stolen session lock the owner out of another one.
    world.put("/sessions/current", json!({"current_password": PASSWORD})).bearer(&elsewhere).await.is_empty(204);
    world.app.clock.advance(time::Duration::minutes(15));
    assert_eq!(change(PASSWORD).await.status, 200);
}

#[tokio::test]
async fn a_change_that_cannot_be_made_is_refused_with_a_reason() {
    let world = World::start().await;
    let person = world.buyer("a@example.com").await;
    for (body, detail) in [
        (json!({"current_password": PASSWORD}), "email or password is required"),
        (json!({}), "email or password is required"),
        (json!({"password": "battery staple"}), "current_password is missing"),
        (json!({"password": "short", "current_password": PASSWORD}), "password must have 8 to 256 characters"),
        (json!({"email": "nobody", "current_password": PASSWORD}), "email must be an address such as name@example.com"),
        (json!({"email": 1, "current_password": PASSWORD}), "email: invalid type: integer `1`, expected a string at line 1 column 45"),
    ] {
        world.patch("/users/me", body).bearer(&person.token).await.is_problem(422, "invalid_request", detail);
    }
    let signed_out = world.patch("/users/me", json!({})).await;
    signed_out.is_problem(401, "not_signed_in", "log in first");
    let foreign = world.patch("/users/me", json!({})).cookie(&person.token).origin("https://evil.example").await;
    foreign.is_problem(403, "foreign_origin", "requests from this origin are not allowed to change anything");
}

#[tokio::test]
async fn only_one_of_many_concurrent_changes_is_made_and_no_address_is_lost() {
    let world = World::start().await;
    world.to_next_window();
    let Person { token, .. } = world.buyer("a@example.com").await;
    let changes = (0..5).map(|number| {
        let body = json!({"email": format!("b{number}@example.com"), "current_password": PASSWORD});
        world.patch("/users/me", body).bearer(&token).into_future()
    });
    for answer in join_all(changes).await {
        assert!([200, 409].contains(&answer.status), "{}", answer.body);
    }
    world.pump().await;
    let tokens = (0..5).filter_map(|number| world.mails_to(&format!("b{number}@example.com")).pop()).map(|mail| token_in(&mail));
    let confirmed = join_all(tokens.map(|token| world.put("/email-confirmations", json!({"token": token})).into_future())).await;
    assert_eq!(confirmed.iter().filter(|answer| answer.status == 204).count(), 1, "the last one requested");
    let email = world.get("/users/me").bearer(&token).await.text("email");
    for number in 0..5 {
        let candidate = format!("b{number}@example.com");
        let expected = if candidate == email { 200 } else { 401 };
        assert_eq!(log_in(&world, &candidate, PASSWORD).await, expected, "{candidate}");
    }
    world.app.clock.advance(time::Duration::days(15));
    world.buyer("a@example.com").await;
}
