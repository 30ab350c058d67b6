//! `/admin/users`, and each user's purchases and sales

use serde_json::json;
use time::Duration;

use crate::harness::World;

#[tokio::test]
async fn staff_see_all_users_the_newest_first() {
    let world = World::start().await;
    let staff = world.staff("staff@example.com").await;
    let mut emails = vec!["staff@example.com".to_owned()];
    for number in 0..5 {
        emails.push(world.buyer(&format!("u{number}@example.com")).await.email);
    }
    emails.reverse();
    world.proxy.clear();
    let first = world.get("/admin/users?limit=4").bearer(&staff.token).await;
    assert_eq!(world.operations(), ["BatchGetItem", "Query"]);
    let second = world.get(format!("/admin/users?limit=4&cursor={}", first.text("next_cursor"))).bearer(&staff.token).await;
    assert_eq!(second.json()["next_cursor"], json!(null));
    let found: Vec<String> = [first, second]
        .iter()
        .flat_map(|page| page.json()["items"].as_array().expect("it is a list").clone())
        .map(|user| user["email"].as_str().expect("it is text").to_owned())
        .collect();
    assert_eq!(found, emails);
}

#[tokio::test]
async fn staff_find_users_by_a_part_of_the_address() {
    let world = World::start().await;
    let staff = world.staff("staff@example.com").await;
    let person = world.buyer("Findme@example.com").await;
    let me = world.get("/users/me").bearer(&person.token).await.json();
    for part in ["findME", "%20findme@", "FINDME%40EXAMPLE"] {
        let answer = world.get(format!("/admin/users?q={part}")).bearer(&staff.token).await;
        answer.is(200, &json!({"items": [me], "next_cursor": null}));
    }
    let none = world.get("/admin/users?q=nobody").bearer(&staff.token).await;
    none.is(200, &json!({"items": [], "next_cursor": null}));
    let long = world.get(format!("/admin/users?q={}", "x".repeat(255))).bearer(&staff.token).await;
    long.is_problem(422, "invalid_request", "q must have at most 254 characters");
    assert!(!none.body.contains("argon2"));
}

#[tokio::test]
async fn a_change_of_role_applies_immediately_in_open_sessions() {
    let world = World::start().await;
    let staff = world.staff("staff@example.com").await;
    let person = world.buyer("a@example.com").await;
    let course = json!({"title": "A course", "price": {"amount": 5000, "currency": "usd"}});
    let create = || world.post("/courses", course.clone()).bearer(&person.token);
    let set = |roles| world.patch(format!("/admin/users/{}", person.id), roles).bearer(&staff.token);

    create().await.is_problem(403, "not_a_seller", "only sellers may do this; ask the staff to make you one");
    world.proxy.clear();
    let answer = set(json!({"is_seller": true})).await;
    assert_eq!(world.operations(), ["BatchGetItem", "BatchGetItem", "TransactWriteItems"]);
    let me = world.get("/users/me").bearer(&person.token).await.json();
    assert_eq!(me["is_seller"], true);
    answer.is(200, &me);
    assert_eq!(create().await.status, 201);

    set(json!({"is_seller": false})).await;
    create().await.is_problem(403, "not_a_seller", "only sellers may do this; ask the staff to make you one");
    assert_eq!(world.get("/courses").await.json()["items"].as_array().map(Vec::len), Some(1), "their courses stay");
    set(json!({"is_seller": true})).await;
    assert_eq!(world.patch("/courses/a-course", json!({"title": "Still mine"})).bearer(&person.token).await.status, 200);

    assert_eq!(set(json!({"is_staff": true})).await.json()["is_staff"], true);
    assert_eq!(world.get("/admin/users").bearer(&person.token).await.status, 200);
    assert_eq!(set(json!({"is_staff": false})).await.json()["is_staff"], false);
    assert_eq!(world.get("/admin/users").bearer(&person.token).await.status, 403);
}

#[tokio::test]
async fn staff_see_one_user_as_they_see_themselves() {
    let world = World::start().await;
    let staff = world.staff("staff@example.com").await;
    let person = world.buyer("a@example.com").await;
    let path = format!("/admin/users/{}", person.id);
    let me = world.get("/users/me").bearer(&person.token).await.json();
    world.operations();
    world.get(path.clone()).bearer(&staff.token).await.is(200, &me);
    let mut operations = world.operations();
    operations.sort();
    assert_eq!(operations, ["BatchGetItem", "GetItem"]);

    world.get(path.clone()).bearer(&person.token).await.is_problem(403, "forbidden", "you may not do this");
    world.get("/admin/users/nobody").bearer(&person.token).await.is_problem(403, "forbidden", "you may not do this");
    world.get(path.clone()).await.is_problem(401, "not_signed_in", "log in first");
    world.erase(&person.token).await.is_empty(204);
    for path in [path.as_str(), "/admin/users/usr_0000000000000000", "/admin/users/nobody", "/admin/users/%00"] {
        world.get(path).bearer(&staff.token).await.is_problem(404, "not_found", "there is no such user");
    }
}

#[tokio::test]
async fn others_neither_see_nor_change_users() {
    let world = World::start().await;
    let (buyer, seller) = (world.buyer("a@example.com").await, world.seller("b@example.com").await);
    for token in [&buyer.token, &seller.token] {
        world.get("/admin/users").bearer(token).await.is_problem(403, "forbidden", "you may not do this");
        let appoint = world.patch(format!("/admin/users/{}", buyer.id), json!({"is_seller": true, "is_staff": true})).bearer(token).await;
        appoint.is_problem(403, "forbidden", "you may not do this");
    }
    world.get("/admin/users").await.is_problem(401, "not_signed_in", "log in first");
    let me = world.get("/users/me").bearer(&buyer.token).await.json();
    assert_eq!((&me["is_seller"], &me["is_staff"]), (&json!(false), &json!(false)));
}

#[tokio::test]
async fn staff_cannot_remove_their_own_role() {
    let world = World::start().await;
    let staff = world.staff("staff@example.com").await;
    let path = format!("/admin/users/{}", staff.id);
    let answer = world.patch(path.clone(), json!({"is_seller": true, "is_staff": false})).bearer(&staff.token).await;
    answer.is_problem(422, "invalid_request", "is_staff: another staff member must remove this role");
    let me = world.get("/users/me").bearer(&staff.token).await.json();
    assert_eq!((&me["is_seller"], &me["is_staff"]), (&json!(false), &json!(true)), "nothing was changed");
    assert_eq!(world.patch(path, json!({"is_seller": true})).bearer(&staff.token).await.status, 200);
}

#[tokio::test]
async fn unknown_users_and_invalid_roles_are_refused() {
    let world = World::start().await;
    let staff = world.staff("staff@example.com").await;
    for id in ["usr_0000000000000000", "nobody", "%00", "usr_%F0%9F%A6%80"] {
        let answer = world.patch(format!("/admin/users/{id}"), json!({"is_seller": true})).bearer(&staff.token).await;
        answer.is_problem(404, "not_found", "there is no such user");
    }
    assert!(!world.stored().await.contains("usr_0000000000000000"), "an update creates no user");
    for (body, detail) in [
        (json!({}), "is_seller, is_staff, terms, suspended or clear_page is required"),
        (json!({"is_seller": "yes"}), "is_seller: invalid type: string \"yes\", expected a boolean at line 1 column 18"),
    ] {
        let answer = world.patch(format!("/admin/users/{}", staff.id), body).bearer(&staff.token).await;
        answer.is_problem(422, "invalid_request", detail);
    }
}

#[tokio::test]
async fn staff_see_a_users_purchases_and_sales_as_the_user_does() {
    let world = World::start().await;
    let shop = world.shop().await;
    let staff = world.staff("staff@example.com").await;
    for number in 0..3 {
        let course = world.course(&shop.seller, &format!("Course {number}"), 1000 + number, "usd", 10).await;
        let answer = world.buy(&shop.buyer, course["id"].as_str().expect("it has an id"), "pm_card_visa").await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        world.app.clock.advance(time::Duration::seconds(1));
    }
    for (list, person) in [("purchases", &shop.buyer), ("sales", &shop.seller)] {
        let theirs = world.get(format!("/{list}")).bearer(&person.token).await.json();
        assert_eq!(theirs["items"].as_array().map(Vec::len), Some(3), "{list}");
        let path = format!("/admin/users/{}/{list}", person.id);
        world.operations();
        let whole = world.get(path.clone()).bearer(&staff.token).await;
        whole.is(200, &theirs);
        assert_eq!(whole.header("cache-control"), Some("private, no-store"), "{list}");
        let mut operations = world.operations();
        operations.sort();
        let expected = if list == "sales" { vec!["BatchGetItem", "Query", "Query"] } else { vec!["BatchGetItem", "Query"] };
        assert_eq!(operations, expected, "{list}");

        let first = world.get(format!("{path}?limit=2")).bearer(&staff.token).await;
        assert_eq!(first.json()["items"], json!(theirs["items"].as_array().expect("a list")[..2]), "{list}");
        let cursor = first.text("next_cursor");
        let rest = world.get(format!("{path}?limit=2&cursor={cursor}")).bearer(&staff.token).await.json();
        assert_eq!((&rest["items"], &rest["next_cursor"]), (&json!([theirs["items"][2]]), &json!(null)), "{list}");
        // A cursor of one user's list does not work for another user's.
        let others = world.get(format!("/admin/users/{}/{list}?cursor={cursor}", staff.id)).bearer(&staff.token).await;
        others.is_problem(400, "bad_cursor", "cursor must be the next_cursor of an earlier response of the same list");
    }

    world.roles(&shop.seller, Some(false), None).await;
    let sales = world.get(format!("/admin/users/{}/sales", shop.seller.id)).bearer(&staff.token).await.json();
    assert_eq!((&sales["totals"][0]["sales"], &sales["totals"][0]["gross"]), (&json!(3), &json!(3003)), "what they sold stays");
}

#[tokio::test]
async fn staff_still_see_an_erased_users_purchases() {
    let world = World::start().await;
    let shop = world.shop().await;
    let staff = world.staff("staff@example.com").await;
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await.status, 201);
    let path = format!("/admin/users/{}/purchases", shop.buyer.id);
    let before = world.get(path.clone()).bearer(&staff.token).await;
    assert_eq!(before.json()["items"].as_array().map(Vec::len), Some(1));
    let erased = world.erase(&shop.buyer.token).await;
    erased.is_empty(204);
    world.get(path).bearer(&staff.token).await.is(200, &before.json());
}

#[tokio::test]
async fn only_staff_see_other_users_purchases_and_sales() {
    let world = World::start().await;
    let shop = world.shop().await;
    let staff = world.staff("staff@example.com").await;
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await.status, 201);
    for list in ["purchases", "sales"] {
        for id in [shop.buyer.id.as_str(), shop.seller.id.as_str(), "nobody"] {
            let path = format!("/admin/users/{id}/{list}");
            for person in [&shop.buyer, &shop.seller] {
                world.get(path.clone()).bearer(&person.token).await.is_problem(403, "forbidden", "you may not do this");
            }
            world.get(path).await.is_problem(401, "not_signed_in", "log in first");
        }
        for id in ["nobody", "%00", "me", &shop.course_id] {
            let answer = world.get(format!("/admin/users/{id}/{list}")).bearer(&staff.token).await;
            answer.is_problem(404, "not_found", "there is no such user");
        }
        let unknown = world.get(format!("/admin/users/usr_0000000000000000/{list}")).bearer(&staff.token).await;
        assert_eq!((unknown.status, &unknown.json()["items"]), (200, &json!([])), "{list}");
        let long = world.get(format!("/admin/users/{}/{list}?limit=101", shop.buyer.id)).bearer(&staff.token).await;
        long.is_problem(422, "invalid_request", "limit must be a whole number from 1 to 100");
    }
}

const PASSWORD_REQUIRED: &str = "enter your password again first: PUT /sessions/current";

#[tokio::test]
async fn a_stolen_session_of_staff_reads_but_changes_nothing_without_the_password() {
    let world = World::start().await;
    let shop = world.shop().await;
    let (staff, accomplice) = (world.staff("staff@example.com").await, world.buyer("accomplice@example.com").await);
    let seller_too = world.staff("seller-too@example.com").await;
    world.roles(&seller_too, Some(true), None).await;
    let bought = world.buy(&shop.buyer, &shop.course_id, "pm_card_bypassPending").await.json();
    let refund = format!("/purchases/{}/refund", bought["purchase"]["id"].as_str().expect("an id"));
    world.deliver().await;
    world.app.clock.advance(Duration::minutes(14));
    let user = format!("/admin/users/{}", accomplice.id);
    let is_seller = world.patch(user.as_str(), json!({"is_seller": true})).bearer(&staff.token).await;
    assert_eq!(is_seller.status, 200, "within a quarter of an hour: {}", is_seller.body);
    world.app.clock.advance(Duration::minutes(2));

    let sessions = format!("{user}/sessions");
    let course = format!("/courses/{}", shop.course_id);
    let acts = || {
        [
            world.patch(user.as_str(), json!({"is_staff": true})),
            world.patch(user.as_str(), json!({"terms": {"fee_percent": 0}})),
            world.patch(user.as_str(), json!({"suspended": {"reason": "In the way"}})),
            world.delete(sessions.as_str()),
            world.patch(course.as_str(), json!({"fee_percent": 0})),
            world.patch(course.as_str(), json!({"taken_down": {"reason": "In the way"}})),
            world.post(refund.as_str(), json!({})),
            world.post(refund.as_str(), json!({"amount": 100, "platform_pays": true})),
        ]
    };
    world.asked_stripe().await;
    world.operations();
    for act in acts() {
        act.bearer(&staff.token).await.is_problem(403, "password_required", PASSWORD_REQUIRED);
    }
    for act in acts() {
        act.cookie(&staff.token).await.is_problem(403, "password_required", PASSWORD_REQUIRED);
    }
    let own = json!({"title": "Free of fees", "price": {"amount": 5000, "currency": "usd"}, "fee_percent": 0});
    world.post("/courses", own.clone()).bearer(&seller_too.token).await.is_problem(403, "password_required", PASSWORD_REQUIRED);
    let writes = |operation: &String| !["GetItem", "BatchGetItem", "Query"].contains(&operation.as_str());
    assert_eq!(world.operations().into_iter().filter(writes).collect::<Vec<_>>(), Vec::<String>::new());
    assert_eq!(world.asked_stripe().await, Vec::<String>::new());
    // Others are told that it is not theirs, and sellers refund as before.
    world.patch(user.as_str(), json!({"is_staff": true})).bearer(&accomplice.token).await.is_problem(
        403,
        "forbidden",
        "you may not do this",
    );
    assert_eq!(world.post(refund.as_str(), json!({"amount": 100})).bearer(&shop.seller.token).await.status, 200);
    // Reading needs no password.
    for path in ["/admin/users", user.as_str(), "/admin/audit", "/admin/findings", "/admin/disputes", "/admin/applications"] {
        assert_eq!(world.get(path).bearer(&staff.token).await.status, 200, "{path}");
    }
    for path in [&format!("{user}/sales"), &format!("{user}/purchases")] {
        assert_eq!(world.get(path.as_str()).bearer(&staff.token).await.status, 200, "{path}");
    }
    let plain = json!({"title": "With the platform's fee", "price": {"amount": 5000, "currency": "usd"}});
    assert_eq!(world.post("/courses", plain).bearer(&seller_too.token).await.status, 201, "what sellers do is theirs");

    world.enter_password(&staff).await;
    for body in [json!({"is_staff": true}), json!({"is_staff": false}), json!({"suspended": {"reason": "Theft"}})] {
        assert_eq!(world.patch(user.as_str(), body).bearer(&staff.token).await.status, 200);
    }
    world.delete(sessions.as_str()).bearer(&staff.token).await.is_empty(204);
    assert_eq!(world.patch(course.as_str(), json!({"fee_percent": 0})).bearer(&staff.token).await.status, 200);
    assert_eq!(world.post(refund.as_str(), json!({"amount": 100})).bearer(&staff.token).await.status, 200);
    world.enter_password(&seller_too).await;
    assert_eq!(world.post("/courses", own).bearer(&seller_too.token).await.status, 201);
}
