//! `/users/me/application` and `/admin/applications`: buyers ask to become sellers, and staff decide.

use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use crate::harness::{Answer, Person, World};

const TEXT: &str = "I teach Rust and have two courses ready.";

async fn apply(world: &World, person: &Person, text: &str) -> Answer {
    world.post("/users/me/application", json!({"text": text})).bearer(&person.token).await
}

async fn own(world: &World, person: &Person) -> Value {
    let answer = world.get("/users/me/application").bearer(&person.token).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["application"].clone()
}

async fn waiting(world: &World, staff: &Person) -> Vec<Value> {
    let answer = world.get("/admin/applications").bearer(&staff.token).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["items"].as_array().expect("a list").clone()
}

/// Declines the application that the user has now.
async fn decline(world: &World, staff: &Person, person: &Person, note: &str) -> Answer {
    let id = person.id.parse().expect("an id");
    let own = world.app.store.application(&id).await.expect("the table is there");
    let at = own.map_or_else(|| "2026-11-01T08:00:00Z".to_owned(), |own| shared::base::clock::written(own.at));
    decline_of(world, staff, person, (note, &json!(at))).await
}

async fn decline_of(world: &World, staff: &Person, person: &Person, (note, at): (&str, &Value)) -> Answer {
    world.post(format!("/admin/applications/{}/decline", person.id), json!({"note": note, "at": at})).bearer(&staff.token).await
}

async fn make_seller(world: &World, staff: &Person, person: &Person) {
    let answer = world.patch(format!("/admin/users/{}", person.id), json!({"is_seller": true})).bearer(&staff.token).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[tokio::test]
async fn an_application_waits_until_its_user_is_made_a_seller() {
    let world = World::start().await;
    let (staff, person) = (world.staff("staff@example.com").await, world.buyer("a@example.com").await);
    assert_eq!(own(&world, &person).await, Value::Null);
    world.operations();
    let answer = apply(&world, &person, &format!(" {TEXT}\n")).await;
    let mut operations = world.operations();
    operations[..2].sort();
    assert_eq!(operations, ["BatchGetItem", "GetItem", "TransactWriteItems"]);
    answer.is(201, &json!({"application": {"text": TEXT, "at": "[time]"}}));
    assert_eq!(own(&world, &person).await, answer.json()["application"]);
    apply(&world, &person, "Please!").await.is_problem(409, "application_waiting", "your application is waiting for the staff");

    world.operations();
    let list = world.get("/admin/applications").bearer(&staff.token).await;
    assert_eq!(world.operations(), ["BatchGetItem", "Query", "BatchGetItem"]);
    let one = json!({"user_id": person.id, "email": person.email, "text": TEXT, "at": "[time]"});
    list.is(200, &json!({"items": [one], "next_cursor": null}));

    make_seller(&world, &staff, &person).await;
    assert!(waiting(&world, &staff).await.is_empty());
    assert_eq!(own(&world, &person).await, Value::Null);
    apply(&world, &person, TEXT).await.is_problem(409, "already_seller", "you are a seller already");
    decline(&world, &staff, &person, "No").await.is_problem(404, "not_found", "there is no such application");
    world.pump().await;
    assert!(world.mails_to(&person.email).iter().any(|mail| mail.subject == "You can sell courses now"));
}

#[tokio::test]
async fn a_declined_applicant_is_told_why_and_may_apply_again() {
    let world = World::start().await;
    let (staff, person) = (world.staff("staff@example.com").await, world.buyer("a@example.com").await);
    assert_eq!(apply(&world, &person, TEXT).await.status, 201);
    world.app.clock.advance(Duration::seconds(1));
    let note = "Show us a lesson, to us@example.com.";
    let at = own(&world, &person).await["at"].clone();
    world.operations();
    decline_of(&world, &staff, &person, (note, &at)).await.is_empty(204);
    assert_eq!(world.operations(), ["BatchGetItem", "TransactWriteItems"]);
    decline(&world, &staff, &person, "Again").await.is_problem(404, "not_found", "there is no such application");
    assert!(waiting(&world, &staff).await.is_empty());
    assert_eq!(own(&world, &person).await["declined"]["note"], note);
    for _ in 0..2 {
        world.pump().await;
        world.sweep().await;
    }
    let told: Vec<_> = world.mails_to(&person.email).into_iter().filter(|mail| mail.subject.starts_with("Your application")).collect();
    assert_eq!(told.len(), 1);
    assert!(told[0].text.contains(note), "{}", told[0].text);
    let entries = world.get(format!("/admin/audit?user={}", person.id)).bearer(&staff.token).await.json();
    let entry = &entries["items"][0];
    assert_eq!((&entry["action"], &entry["note"]), (&json!("application_declined"), &json!("Show us a lesson, to [address]")));
    assert_eq!((&entry["staff_id"], entries["items"].as_array().map(Vec::len)), (&json!(staff.id), Some(1)));

    let again_at = own(&world, &person).await["declined"]["apply_again_at"].clone();
    let again = apply(&world, &person, "Here is a lesson.").await;
    again.is_problem(429, "too_many_applications", "your application was declined; you can apply again in 168 hours");
    let seconds: i64 = again.header("retry-after").and_then(|seconds| seconds.parse().ok()).expect("it says for how long");
    assert!((604_700..=604_800).contains(&seconds), "{seconds}");
    world.app.clock.advance(Duration::days(7));
    let again_at = OffsetDateTime::parse(again_at.as_str().expect("text"), &Rfc3339).expect("a time");
    let now = world.app.clock.now();
    assert!(again_at <= now && now - again_at < Duration::minutes(1), "{again_at}");
    let again = apply(&world, &person, "Here is a lesson.").await;
    assert_eq!((again.status, again.json()["application"].get("declined")), (201, None), "{}", again.body);
    let staff = Person { token: world.log_in(&staff).await, ..staff };
    assert_eq!(waiting(&world, &staff).await[0]["text"], "Here is a lesson.");
}

/// Staff decide about what they have read, not about what came in its place.
#[tokio::test]
async fn a_decision_about_an_earlier_application_decides_nothing() {
    let world = World::start().await;
    let (staff, person) = (world.staff("staff@example.com").await, world.buyer("a@example.com").await);
    assert_eq!(apply(&world, &person, TEXT).await.status, 201);
    let first = waiting(&world, &staff).await[0]["at"].clone();
    decline_of(&world, &staff, &person, ("Not yet.", &first)).await.is_empty(204);
    world.app.clock.advance(Duration::days(8));
    let staff = Person { token: world.log_in(&staff).await, ..staff };
    assert_eq!(apply(&world, &person, "I teach picking locks.").await.status, 201);

    decline_of(&world, &staff, &person, ("No", &first)).await.is_problem(404, "not_found", "there is no such application");
    let accept = |at: &Value| {
        world.patch(format!("/admin/users/{}", person.id), json!({"is_seller": true, "application": at})).bearer(&staff.token).into_future()
    };
    accept(&first).await.is_problem(404, "not_found", "there is no such application");
    accept(&json!("yesterday")).await.is_problem(422, "invalid_request", "application must be the application's at");
    let alone = world.patch(format!("/admin/users/{}", person.id), json!({"is_staff": true, "application": first})).bearer(&staff.token);
    alone.await.is_problem(422, "invalid_request", "application goes with is_seller: true");
    let second = waiting(&world, &staff).await;
    assert_eq!((second.len(), &second[0]["text"]), (1, &json!("I teach picking locks.")));
    assert_eq!(accept(&second[0]["at"]).await.json()["is_seller"], true);
    assert_eq!(own(&world, &person).await, Value::Null);
}

/// The mail may be late, and the user may have applied again or be a seller by then.
#[tokio::test]
async fn the_mail_says_what_was_written_with_the_decision() {
    let world = World::start().await;
    let (staff, person) = (world.staff("staff@example.com").await, world.buyer("a@example.com").await);
    assert_eq!(apply(&world, &person, TEXT).await.status, 201);
    decline(&world, &staff, &person, "Show us a lesson, to us@example.com.").await.is_empty(204);
    make_seller(&world, &staff, &person).await;
    world.pump().await;
    let told: Vec<_> = world.mails_to(&person.email).into_iter().filter(|mail| mail.subject.starts_with("Your application")).collect();
    assert_eq!(told.len(), 1);
    assert!(told[0].text.contains("Show us a lesson, to us@example.com."), "{}", told[0].text);
    assert!(!world.stored().await.contains("us@example.com"), "it is forgotten once it is sent");
}

#[tokio::test]
async fn an_application_is_accepted_with_a_note_that_only_its_user_gets_whole() {
    let world = World::start().await;
    let (staff, person) = (world.staff("staff@example.com").await, world.buyer("a@example.com").await);
    assert_eq!(apply(&world, &person, TEXT).await.status, 201);
    let at = waiting(&world, &staff).await[0]["at"].clone();
    let path = format!("/admin/users/{}", person.id);
    let accept = |body: Value| world.patch(path.as_str(), body).bearer(&staff.token);
    let alone = accept(json!({"is_seller": true, "note": "Welcome!"})).await;
    alone.is_problem(422, "invalid_request", "note goes with application");
    for note in ["", " ", &"x".repeat(2001)] {
        let answer = accept(json!({"is_seller": true, "application": at, "note": note})).undescribed().await;
        answer.is_problem(422, "invalid_request", "note must have 1 to 2000 characters, without hidden ones");
    }
    assert_eq!(waiting(&world, &staff).await.len(), 1);
    let body = json!({"is_seller": true, "application": at, "note": " Welcome! Questions go to us@example.com. "});
    assert_eq!(accept(body.clone()).await.json()["is_seller"], true);
    // Repeated after a lost response, it tells nobody again.
    assert_eq!(accept(body).await.status, 200);
    world.pump().await;
    let told: Vec<_> = world.mails_to(&person.email).into_iter().filter(|mail| mail.subject == "You can sell courses now").collect();
    assert_eq!(told.len(), 1);
    assert!(told[0].text.contains("They wrote: Welcome! Questions go to us@example.com."), "{}", told[0].text);
    let entries = world.get(format!("/admin/audit?user={}", person.id)).bearer(&staff.token).await.json();
    let entry = &entries["items"][0];
    assert_eq!((&entry["action"], &entry["note"]), (&json!("seller_role"), &json!("Welcome! Questions go to [address]")));
    assert!(!world.stored().await.contains("us@example.com"), "it is forgotten once it is sent");
}

#[tokio::test]
async fn the_oldest_application_comes_first() {
    let world = World::start().await;
    let staff = world.staff("staff@example.com").await;
    let mut expected = Vec::new();
    for number in 0..3 {
        world.app.clock.advance(Duration::seconds(1));
        let person = world.buyer(&format!("u{number}@example.com")).await;
        assert_eq!(apply(&world, &person, TEXT).await.status, 201);
        expected.push(person.id);
    }
    let first = world.get("/admin/applications?limit=2").bearer(&staff.token).await;
    let next = world.get(format!("/admin/applications?limit=2&cursor={}", first.text("next_cursor"))).bearer(&staff.token).await;
    let pages = [first.json(), next.json()];
    let ids: Vec<&Value> = pages.iter().flat_map(|page| page["items"].as_array().expect("a list")).map(|one| &one["user_id"]).collect();
    assert_eq!(ids, expected.iter().map(|id| json!(id)).collect::<Vec<_>>().iter().collect::<Vec<_>>());
}

#[tokio::test]
async fn applications_need_a_confirmed_address_and_sound_text_and_staff_a_recent_password() {
    let world = World::start().await;
    let (staff, person) = (world.staff("staff@example.com").await, world.buyer("a@example.com").await);
    let stranger = world.stranger("new@example.com").await;
    apply(&world, &stranger, TEXT).await.is_problem(403, "email_not_confirmed", "confirm your e-mail address first");
    let detail = "text must have 1 to 2000 characters, without hidden ones";
    for text in ["", " \n", "\u{202e}txet", &"x".repeat(2001)] {
        let answer = world.post("/users/me/application", json!({"text": text})).bearer(&person.token).undescribed().await;
        answer.is_problem(422, "invalid_request", detail);
    }
    assert_eq!(world.post("/users/me/application", json!({"text": TEXT})).await.status, 401);
    assert_eq!(world.get("/admin/applications").bearer(&person.token).await.status, 403);
    assert_eq!(decline(&world, &person, &person, "No").await.status, 403);

    assert_eq!(apply(&world, &person, TEXT).await.status, 201);
    world.app.clock.advance(Duration::minutes(16));
    assert_eq!(decline(&world, &staff, &person, "No").await.text("code"), "password_required");
    assert_eq!(waiting(&world, &staff).await.len(), 1, "reading does not need it");
    world.enter_password(&staff).await;
    decline(&world, &staff, &person, "No").await.is_empty(204);
}

#[tokio::test]
async fn of_two_applications_and_two_decisions_at_once_one_counts() {
    let world = World::start().await;
    let (staff, person) = (world.staff("staff@example.com").await, world.buyer("a@example.com").await);
    let (one, two) = futures_util::future::join(apply(&world, &person, "One"), apply(&world, &person, "Two")).await;
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409], "{} {}", one.body, two.body);
    let (declined, ()) = futures_util::future::join(decline(&world, &staff, &person, "No"), make_seller(&world, &staff, &person)).await;
    assert!([204, 404].contains(&declined.status), "{}", declined.body);
    assert_eq!(own(&world, &person).await, Value::Null, "a seller has no application, whoever decided first");
    assert!(waiting(&world, &staff).await.is_empty());
}

#[tokio::test]
async fn an_application_is_exported_and_erased_with_its_user() {
    let world = World::start().await;
    let (staff, person) = (world.staff("staff@example.com").await, world.buyer("a@example.com").await);
    assert_eq!(apply(&world, &person, TEXT).await.status, 201);
    let export = world.get("/users/me/export").bearer(&person.token).await.json();
    assert_eq!(export["profile"]["application"], own(&world, &person).await);
    world.erase(&person.token).await.is_empty(204);
    assert!(waiting(&world, &staff).await.is_empty());
    assert!(!world.stored().await.contains(TEXT));
}
