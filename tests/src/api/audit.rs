//! The audit log: what staff and operators did to whom, written with the change itself.

use local::proxy::{self, Fault};
use serde_json::{Value, json};
use time::Duration;

use crate::harness::{Person, World};

/// The entries that a staff member sees, newest first.
async fn entries(world: &World, staff: &Person, query: &str) -> Vec<Value> {
    let answer = world.get(format!("/admin/audit{query}")).bearer(&staff.token).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["items"].as_array().expect("a list").clone()
}

fn actions(entries: &[Value]) -> Vec<&str> {
    entries.iter().map(|entry| entry["action"].as_str().expect("text")).collect()
}

#[tokio::test]
async fn each_change_to_a_user_is_on_record_once_with_what_was_before() {
    let world = World::start().await;
    let staff = world.staff("staff@example.com").await;
    let person = world.buyer("a@example.com").await;
    let set = |body: Value| world.patch(format!("/admin/users/{}", person.id), body).bearer(&staff.token).into_future();
    let terms = json!({"fee_percent": 7});
    let changes = [
        (json!({"is_seller": true}), "seller_role", json!({"is_seller": false}), json!({"is_seller": true})),
        (json!({"terms": terms}), "terms", json!({}), json!({"terms": terms})),
        (json!({"terms": null}), "terms", json!({"terms": terms}), json!({})),
        (json!({"is_staff": true}), "staff_role", json!({"is_staff": false}), json!({"is_staff": true})),
        (json!({"is_staff": false}), "staff_role", json!({"is_staff": true}), json!({"is_staff": false})),
    ];
    for (body, action, from, to) in changes {
        world.app.clock.advance(Duration::seconds(1));
        for _ in 0..2 {
            assert_eq!(set(body.clone()).await.status, 200, "{body}");
        }
        let newest = entries(&world, &staff, "").await.remove(0);
        assert_eq!((&newest["action"], &newest["from"], &newest["to"]), (&json!(action), &from, &to));
        assert_eq!((&newest["by"], &newest["staff_id"], &newest["user_id"]), (&json!("staff"), &json!(staff.id), &json!(person.id)));
    }
    assert_eq!(entries(&world, &staff, "").await.len(), 5, "the repetitions changed nothing");

    world.app.clock.advance(Duration::seconds(1));
    for _ in 0..2 {
        assert_eq!(set(json!({"suspended": {"reason": "Was mallory@example.com before"}})).await.status, 200);
    }
    world.app.clock.advance(Duration::seconds(1));
    assert_eq!(set(json!({"suspended": null})).await.status, 200);
    world.app.clock.advance(Duration::seconds(1));
    let sessions = format!("/admin/users/{}/sessions", person.id);
    world.delete(sessions.as_str()).bearer(&staff.token).await.is_empty(204);
    let all = entries(&world, &staff, "").await;
    assert_eq!(actions(&all[..3]), ["sessions_ended", "suspension", "suspension"]);
    assert_eq!(all.len(), 8);
    assert_eq!(all[2]["to"]["suspended"]["reason"], "Was [address] before");
    assert_eq!((&all[1]["from"]["suspended"], &all[1]["to"]), (&all[2]["to"]["suspended"], &json!({})));
}

#[tokio::test]
async fn several_changes_at_once_are_an_entry_each() {
    let world = World::start().await;
    let staff = world.staff("staff@example.com").await;
    let person = world.buyer("a@example.com").await;
    let body = json!({"is_seller": true, "is_staff": false, "terms": {"fee_percent": 7}});
    let answer = world.patch(format!("/admin/users/{}", person.id), body).bearer(&staff.token).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.json(), world.get("/users/me").bearer(&person.token).await.json());
    let mut all = actions(&entries(&world, &staff, "").await).iter().map(ToString::to_string).collect::<Vec<_>>();
    all.sort();
    assert_eq!(all, ["seller_role", "terms"], "the role of staff stays as it was");
}

#[tokio::test]
async fn what_failed_is_not_on_record_and_what_is_repeated_is_there_once() {
    let world = World::start().await;
    let staff = world.staff("staff@example.com").await;
    let person = world.buyer("a@example.com").await;
    let appoint = || world.patch(format!("/admin/users/{}", person.id), json!({"is_seller": true})).bearer(&staff.token).into_future();
    world.proxy.inject(Fault::next("TransactWriteItems", proxy::Kind::InternalServerError).times(3));
    assert_eq!(appoint().await.status, 500);
    assert_eq!(entries(&world, &staff, "").await, Vec::<Value>::new());
    assert_eq!(world.get("/users/me").bearer(&person.token).await.json()["is_seller"], false);

    let (one, two) = futures_util::future::join(appoint(), appoint()).await;
    assert_eq!((one.status, two.status), (200, 200));
    assert_eq!(actions(&entries(&world, &staff, "").await), ["seller_role"]);

    let refused = world.patch(format!("/admin/users/{}", staff.id), json!({"is_staff": false})).bearer(&staff.token).await;
    assert_eq!(refused.status, 422);
    let nobody = world.delete("/admin/users/usr_0000000000000000/sessions").bearer(&staff.token).await;
    assert_eq!(nobody.status, 404);
    assert_eq!(entries(&world, &staff, "").await.len(), 1);
}

#[tokio::test]
async fn a_users_own_changes_do_not_hold_up_the_staffs() {
    let world = World::start().await;
    let staff = world.staff("staff@example.com").await;
    let person = world.buyer("a@example.com").await;
    let other = world.staff("other@example.com").await;
    // Another change is written between reading the user and writing the change.
    let gate = proxy::Gate::new();
    world.proxy.inject(Fault::next("TransactWriteItems", proxy::Kind::Hold(gate.clone())));
    let set = |body: Value, by: &Person| world.patch(format!("/admin/users/{}", person.id), body).bearer(&by.token).into_future();
    let second = async {
        gate.reached().await;
        let answer = set(json!({"is_seller": true}), &other).await;
        gate.open();
        answer
    };
    let (late, early) = futures_util::future::join(set(json!({"terms": {"fee_percent": 3}}), &staff), second).await;
    assert_eq!((late.status, early.status), (200, 200), "{}", late.body);
    assert_eq!((&late.json()["is_seller"], &late.json()["terms"]["fee_percent"]), (&json!(true), &json!(3)));
    assert_eq!(entries(&world, &staff, "").await.len(), 2);
}

#[tokio::test]
async fn what_staff_do_to_a_course_is_on_record_and_what_its_seller_does_is_not() {
    let world = World::start().await;
    let shop = world.shop().await;
    let staff = world.staff("staff@example.com").await;
    let path = format!("/courses/{}", shop.course_id);
    let set = |body: Value, token: &str| world.patch(path.as_str(), body).bearer(token).into_future();
    assert_eq!(set(json!({"title": "Another title"}), &shop.seller.token).await.status, 200);
    for body in [json!({"fee_percent": 12}), json!({"taken_down": {"reason": "Copied"}}), json!({"taken_down": null})] {
        world.app.clock.advance(Duration::seconds(1));
        for _ in 0..2 {
            assert_eq!(set(body.clone(), &staff.token).await.status, 200, "{body}");
        }
    }
    let all = entries(&world, &staff, &format!("?user={}", shop.seller.id)).await;
    assert_eq!(actions(&all), ["course_taken_down", "course_taken_down", "course_fee"]);
    assert!(all.iter().all(|entry| entry["course_id"] == shop.course_id.as_str()), "{all:?}");
    assert_eq!((&all[2]["from"], &all[2]["to"]), (&json!({"fee_percent": 50}), &json!({"fee_percent": 12})));
    assert_eq!(all[1]["to"]["taken_down"]["reason"], "Copied");
    assert_eq!((&all[0]["from"], &all[0]["to"]), (&all[1]["to"], &json!({})));
}

#[tokio::test]
async fn a_refund_by_staff_is_on_record_once_and_a_sellers_is_not() {
    let world = World::start().await;
    let shop = world.shop().await;
    let staff = world.staff("staff@example.com").await;
    let bought = world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await.json();
    let id = bought["purchase"]["id"].as_str().expect("an id");
    let refund = |amount: i64, key: &str, token: &str| {
        world.post(format!("/purchases/{id}/refund"), json!({"amount": amount})).header("idempotency-key", key).bearer(token).into_future()
    };
    assert_eq!(refund(500, "one", &shop.seller.token).await.status, 200);
    for _ in 0..2 {
        let answer = refund(700, "two", &staff.token).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    let all = entries(&world, &staff, "").await;
    assert_eq!(actions(&all), ["refund"]);
    let facts = (&all[0]["purchase_id"], &all[0]["amount"], &all[0]["platform_pays"], &all[0]["user_id"]);
    assert_eq!(facts, (&json!(id), &json!({"amount": 700, "currency": "usd"}), &json!(false), &json!(shop.seller.id)));
}

#[tokio::test]
async fn the_operators_first_member_of_staff_is_on_record() {
    let world = World::start().await;
    let person = world.buyer("a@example.com").await;
    for _ in 0..2 {
        operator::staff::appoint(&world.app, "a@example.com").await.expect("they are a user");
    }
    let all = entries(&world, &person, "").await;
    assert_eq!(all.len(), 1, "they were staff already: {all:?}");
    assert_eq!((&all[0]["by"], all[0].get("staff_id"), &all[0]["action"]), (&json!("operator"), None, &json!("staff_role")));
}

#[tokio::test]
async fn the_log_has_pages_and_one_for_each_user() {
    let world = World::start().await;
    let staff = world.staff("staff@example.com").await;
    let people = [world.buyer("a@example.com").await, world.buyer("b@example.com").await];
    for _ in 0..3 {
        for person in &people {
            world.app.clock.advance(Duration::seconds(1));
            world.delete(format!("/admin/users/{}/sessions", person.id)).bearer(&staff.token).await.is_empty(204);
        }
    }
    world.operations();
    let all = entries(&world, &staff, "").await;
    let mut operations = world.operations();
    operations.sort();
    assert_eq!((all.len(), operations), (6, vec!["BatchGetItem".to_owned(), "Query".to_owned()]));
    let page = async |query: String| world.get(format!("/admin/audit?limit=2{query}")).bearer(&staff.token).await;
    for (query, expected) in [
        (String::new(), all.clone()),
        (format!("&user={}", people[0].id), all.iter().filter(|entry| entry["user_id"] == people[0].id.as_str()).cloned().collect()),
    ] {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let answer = page(format!("{query}{cursor}")).await.json();
            found.extend(answer["items"].as_array().expect("a list").clone());
            let Some(next) = answer["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(found, expected);
    }
    let cursor = page(String::new()).await.text("next_cursor");
    let other = page(format!("&user={}&cursor={cursor}", people[0].id)).await;
    other.is_problem(400, "bad_cursor", "cursor must be the next_cursor of an earlier response of the same list");
    page("&user=nobody".to_owned()).await.is_problem(404, "not_found", "there is no such user");
    assert_eq!(page("&user=usr_0000000000000000".to_owned()).await.json()["items"], json!([]));

    for query in ["", "?user=nobody"] {
        world.get(format!("/admin/audit{query}")).bearer(&world.log_in(&people[0]).await).await.is_problem(
            403,
            "forbidden",
            "you may not do this",
        );
        world.get(format!("/admin/audit{query}")).await.is_problem(401, "not_signed_in", "log in first");
    }
}

#[tokio::test]
async fn who_gets_or_loses_a_role_or_is_suspended_is_told_once() {
    let world = World::start().await;
    let staff = world.staff("staff@example.com").await;
    let person = world.buyer("a@example.com").await;
    world.pump().await;
    world.mailbox().clear();
    let set = |body: Value| world.patch(format!("/admin/users/{}", person.id), body).bearer(&staff.token).into_future();
    for body in [
        json!({"is_seller": true}),
        json!({"is_seller": false}),
        json!({"is_staff": true}),
        json!({"is_staff": false}),
        json!({"suspended": {"reason": "A secret of the staff"}}),
        json!({"suspended": null}),
    ] {
        for _ in 0..2 {
            assert_eq!(set(body.clone()).await.status, 200, "{body}");
        }
        world.pump().await;
    }
    let mails = world.mails_to("a@example.com");
    assert_eq!(
        mails.iter().map(|mail| mail.subject.as_str()).collect::<Vec<_>>(),
        [
            "You can sell courses now",
            "You are no longer a seller",
            "You are a staff member now",
            "You are no longer a staff member",
            "Your account is suspended",
            "Your account is no longer suspended",
        ]
    );
    assert!(mails.iter().all(|mail| !mail.text.contains("secret")), "the reason is the staff's");
}

#[tokio::test]
async fn what_a_seller_who_is_staff_sets_on_a_new_course_is_on_record() {
    let world = World::start().await;
    let (staff, other) = (world.staff("staff@example.com").await, world.staff("other@example.com").await);
    world.roles(&other, Some(true), None).await;
    let course = json!({"title": "Free of fees", "price": {"amount": 5000, "currency": "usd"}});
    let create = async |more: Value| {
        let mut body = course.clone();
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        let answer = world.post("/courses", body).bearer(&other.token).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.text("id")
    };
    create(json!({})).await;
    assert_eq!(entries(&world, &staff, "").await, Vec::<Value>::new(), "a seller's course");
    // The title's slug is taken, so a second try writes it.
    let id = create(json!({"fee_percent": 0})).await;
    let all = entries(&world, &staff, "").await;
    assert_eq!(actions(&all), ["course_fee"]);
    assert_eq!((&all[0]["staff_id"], &all[0]["user_id"], &all[0]["course_id"]), (&json!(other.id), &json!(other.id), &json!(id)));
    assert_eq!((&all[0]["from"], &all[0]["to"]), (&json!({"fee_percent": 50}), &json!({"fee_percent": 0})));
    world.app.clock.advance(Duration::seconds(1));
    create(json!({"taken_down": {"reason": "Not yet"}, "slug": "not-yet"})).await;
    let newest = entries(&world, &staff, "").await.remove(0);
    assert_eq!((&newest["action"], &newest["to"]["taken_down"]["reason"]), (&json!("course_taken_down"), &json!("Not yet")));
    let taken = json!({"title": "x", "price": {"amount": 5000, "currency": "usd"}, "slug": "not-yet", "fee_percent": 1});
    assert_eq!(world.post("/courses", taken).bearer(&other.token).await.text("code"), "slug_taken");
    assert_eq!(entries(&world, &staff, "").await.len(), 2, "what was refused is not on record");
}

#[tokio::test]
async fn a_refund_that_stripe_refuses_is_on_record_as_refused() {
    for (by_staff, is_lost) in [(true, false), (true, true), (false, false)] {
        let world = World::start().await;
        let shop = world.shop().await;
        let staff = world.staff("staff@example.com").await;
        let bought = world.buy(&shop.buyer, &shop.course_id, "pm_card_bypassPending").await.json();
        let id = bought["purchase"]["id"].as_str().expect("an id");
        world.deliver().await;
        // Somebody was faster in the Dashboard, and the events are on their way.
        let payment = world.succeeded(None).await.remove(0);
        let form = [("payment_intent", payment["id"].as_str().expect("an id"))];
        let made = world.app.http.post(format!("{}/v1/refunds", world.app.config.stripe_api_base)).bearer_auth("sk_test_local").form(&form);
        assert_eq!(made.send().await.expect("it runs").status().as_u16(), 200);
        let by = if by_staff { &staff } else { &shop.seller };
        if is_lost {
            // The function dies before it writes what Stripe said, and a repetition finds it.
            world.proxy.inject(Fault::next("TransactWriteItems", proxy::Kind::InternalServerError).skip(1).times(3));
        }
        for _ in 0..=i32::from(is_lost) {
            let answer = world.post(format!("/purchases/{id}/refund"), json!({})).bearer(&by.token).await;
            assert_eq!(answer.status, if is_lost && answer.status == 500 { 500 } else { 409 }, "{}", answer.body);
        }
        let all = entries(&world, &staff, "").await;
        if !by_staff {
            assert_eq!(all, Vec::<Value>::new());
            continue;
        }
        let mut found = actions(&all);
        found.sort_unstable();
        assert_eq!(found, ["refund", "refund_refused"], "lost: {is_lost}");
        let refused = all.iter().find(|entry| entry["action"] == "refund_refused").expect("it is there");
        assert_eq!((&refused["code"], &refused["purchase_id"]), (&json!("charge_already_refunded"), &json!(id)));
        assert_eq!((&refused["staff_id"], &refused["user_id"]), (&json!(staff.id), &json!(shop.seller.id)));
        assert_eq!(refused["amount"], json!({"amount": 5000, "currency": "usd"}));
    }
}
