//! `POST /courses`, and `GET`, `PATCH` and `DELETE /courses/{slug}`

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::World;

const NOT_A_SELLER: &str = "only sellers may do this; ask the staff to make you one";

fn new_course() -> Value {
    json!({"title": "Flask Microservices", "price": {"amount": 5000, "currency": "usd"}})
}

/// A course as everybody sees it whose seller has no account that could be paid.
fn public(course: &Value) -> Value {
    let mut course = course.clone();
    course.as_object_mut().expect("it is an object").remove("fee_percent");
    course["for_sale"] = json!(false);
    course
}

#[tokio::test]
async fn a_seller_offers_a_course() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    world.proxy.clear();
    let answer = world.post("/courses", new_course()).bearer(&seller.token).await;
    assert_eq!(world.operations(), ["BatchGetItem", "TransactWriteItems"]);
    answer.is(
        201,
        &json!({
            "id": "[course]",
            "slug": "flask-microservices",
            "title": "Flask Microservices",
            "description": "",
            "price": {"amount": 5000, "currency": "usd"},
            "fee_percent": 50,
            "seller": {"id": seller.id},
            "published": true,
            "created_at": "[time]",
            "updated_at": "[time]",
        }),
    );
    assert_eq!(answer.header("location"), Some("http://localhost:9000/courses/flask-microservices"));

    let page = world.get("/courses/flask-microservices").await;
    assert_eq!(world.operations(), ["GetItem", "BatchGetItem"], "the course, and its seller with their page");
    page.is(200, &public(&answer.json()));
    assert_eq!(page.header("cache-control"), Some("public, max-age=0, s-maxage=60, stale-while-revalidate=60"));
    let tag = page.header("etag").expect("it has a tag");
    world.get("/courses/flask-microservices").header("if-none-match", tag).await.is_empty(304);
}

#[tokio::test]
async fn all_fields_of_a_new_course_are_stored() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    let body = json!({
        "title": "  '; DROP TABLE courses; -- 🦀 数学 <script>  ",
        "description": "Line one\nLine two\t\u{200f}\u{2067}x\u{2069}",
        "slug": "rust-2",
        "price": {"amount": 99_999_999, "currency": "eur"},
        "published": false,
        "seller_id": "usr_0000000000000000",
        "id": "crs_mine",
    });
    let answer = world.post("/courses", body).bearer(&seller.token).undescribed().await;
    answer.is(
        201,
        &json!({
            "id": "[course]",
            "slug": "rust-2",
            "title": "'; DROP TABLE courses; -- 🦀 数学 <script>",
            "description": "Line one\nLine two\t\u{200f}\u{2067}x\u{2069}",
            "price": {"amount": 99_999_999, "currency": "eur"},
            "fee_percent": 50,
            "seller": {"id": seller.id},
            "published": false,
            "created_at": "[time]",
            "updated_at": "[time]",
        }),
    );
}

#[tokio::test]
async fn currencies_without_minor_units_are_priced_in_whole_ones() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    let create = |amount: i64, currency: &str| {
        let body = json!({"title": "Course", "price": {"amount": amount, "currency": currency}});
        world.post("/courses", body).bearer(&seller.token)
    };
    let yen = create(500, "jpy").await;
    assert_eq!((yen.status, &yen.json()["price"]), (201, &json!({"amount": 500, "currency": "jpy"})));
    for (amount, currency, least) in
        [(49, "jpy", 50), (49, "usd", 50), (29, "gbp", 30), (0, "eur", 50), (-5000, "usd", 50), (100_000_000, "usd", 50)]
    {
        let detail = format!("price.amount must lie between {least} and 99999999 minor units of {currency}");
        create(amount, currency).await.is_problem(422, "invalid_request", &detail);
    }
}

#[tokio::test]
async fn invalid_courses_are_refused_with_a_reason() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    let with = |name: &str, value: Value| {
        let mut body = new_course();
        body[name] = value;
        body
    };
    for (body, detail) in [
        (json!({"title": "No price"}), "missing field `price`"),
        (json!({"price": {"amount": 5000, "currency": "usd"}}), "missing field `title`"),
        (with("title", json!("  ")), "title must be one line of 1 to 200 characters, without hidden ones"),
        (with("title", json!("x".repeat(201))), "title must be one line of 1 to 200 characters, without hidden ones"),
        (with("title", json!("fdp\u{202e}exe.")), "title must be one line of 1 to 200 characters, without hidden ones"),
        (with("title", json!("a\u{200b}b")), "title must be one line of 1 to 200 characters, without hidden ones"),
        (
            with("description", json!("\u{202e}desrever")),
            "description must be visible text, without control characters and overrides of direction",
        ),
        (with("description", json!("\u{0}")), "description must be visible text, without control characters and overrides of direction"),
        (with("title", json!("\u{3164}\u{2800}")), "title must be one line of 1 to 200 characters, without hidden ones"),
        (
            with("description", json!("\u{115f}\u{1160}\n")),
            "description must be visible text, without control characters and overrides of direction",
        ),
        (with("title", json!("two\nlines")), "title must be one line of 1 to 200 characters, without hidden ones"),
        (with("description", json!("x".repeat(10_001))), "description must have at most 10000 characters"),
        (with("slug", json!("Not a slug")), "slug must be lower-case letters, digits and single hyphens, at most 80 characters"),
        (with("slug", json!("charge")), "slug is a reserved word"),
        (with("slug", json!("")), "slug must be lower-case letters, digits and single hyphens, at most 80 characters"),
    ] {
        world.post("/courses", body).bearer(&seller.token).await.is_problem(422, "invalid_request", detail);
    }
    for (body, path) in [
        (with("title", json!(42)), "title: invalid type: integer `42`, expected a string"),
        (with("price", json!("50.00")), "price: invalid type: string \"50.00\", expected an object"),
        (with("price", json!([5000, "usd"])), "price: invalid type: sequence, expected an object"),
        (with("price", json!({"amount": 50.5, "currency": "usd"})), "price.amount: invalid type: floating point `50.5`, expected i64"),
        (with("price", json!({"amount": "5000", "currency": "usd"})), "price.amount: invalid type: string \"5000\", expected i64"),
        (with("price", json!({"amount": 5000})), "price: missing field `currency`"),
        (with("price", json!({"amount": 5000, "currency": "USD"})), "price.currency: unknown variant `USD`, expected one of `aud`"),
        (with("price", json!({"amount": 5000, "currency": "xxx"})), "price.currency: unknown variant `xxx`, expected one of `aud`"),
        (with("price", json!({"amount": 9_223_372_036_854_775_808_u64, "currency": "usd"})), "price.amount: invalid value: integer"),
        (with("fee_percent", json!(100)), "fee_percent: fee_percent must be a whole number from 0 to 99"),
        (with("fee_percent", json!(-1)), "fee_percent: fee_percent must be a whole number from 0 to 99"),
        (with("fee_percent", json!(12.5)), "fee_percent: invalid type: floating point `12.5`, expected i64"),
        (with("published", json!("no")), "published: invalid type: string \"no\", expected a boolean"),
    ] {
        let answer = world.post("/courses", body).bearer(&seller.token).await;
        let detail = answer.text("detail");
        assert!(detail.starts_with(path), "{detail}");
        answer.is_problem(422, "invalid_request", &detail);
    }
    world.get("/courses").await.is(200, &json!({"items": [], "next_cursor": null}));
}

#[tokio::test]
async fn only_staff_set_the_platforms_fee() {
    const REFUSED: &str = "only staff can set the platform's fee";
    let world = World::with(&[("DEFAULT_FEE_PERCENT", "7")]).await;
    let (seller, staff) = (world.seller("seller@example.com").await, world.staff("staff@example.com").await);
    for percent in [0, 1, 99] {
        let mut body = new_course();
        body["fee_percent"] = json!(percent);
        world.post("/courses", body).bearer(&seller.token).await.is_problem(403, "fee_is_the_platforms", REFUSED);
    }
    let course = world.post("/courses", new_course()).bearer(&seller.token).await.json();
    assert_eq!(course["fee_percent"], 7);
    let path = "/courses/flask-microservices";
    let by_seller = world.patch(path, json!({"fee_percent": 0, "title": "Mine"})).bearer(&seller.token).await;
    by_seller.is_problem(403, "fee_is_the_platforms", REFUSED);
    let buyer = world.buyer("buyer@example.com").await;
    let by_buyer = world.patch(path, json!({"fee_percent": 0})).bearer(&buyer.token).await;
    by_buyer.is_problem(403, "not_a_seller", NOT_A_SELLER);

    for percent in [0, 12, 99] {
        let set = world.patch(path, json!({"fee_percent": percent})).bearer(&staff.token).await;
        assert_eq!((set.status, &set.json()["fee_percent"]), (200, &json!(percent)), "{}", set.body);
    }
    // Staff can change nothing else; the rest is the seller's.
    let both = world.patch(path, json!({"fee_percent": 3, "title": "Stolen"})).bearer(&staff.token).await;
    both.is_problem(403, "not_a_seller", NOT_A_SELLER);
    let own = world.get(path).bearer(&seller.token).await.json();
    assert_eq!((&own["fee_percent"], &own["title"]), (&json!(99), &course["title"]));
    assert_eq!(world.get("/users/me/courses").bearer(&seller.token).await.json()["items"][0]["fee_percent"], 99);

    // Strangers do not see what seller and platform have agreed.
    for answer in [world.get(path).await, world.get(path).bearer(&buyer.token).await] {
        assert_eq!((answer.status, answer.json().get("fee_percent")), (200, None));
    }
    assert_eq!(world.get("/courses").await.json()["items"][0].get("fee_percent"), None);
}

#[tokio::test]
async fn a_course_taken_down_by_staff_is_neither_shown_nor_sold_and_its_seller_cannot_restore_it() {
    let world = World::start().await;
    let shop = world.shop().await;
    let staff = world.staff("staff@example.com").await;
    let late = world.buyer("late@example.com").await;
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await.status, 201);
    let path = "/courses/flask-microservices";
    let take_down = |token: &str| world.patch(path, json!({"taken_down": {"reason": "Copied from a book"}})).bearer(token);

    take_down(&shop.seller.token).await.is_problem(403, "forbidden", "you may not do this");
    for body in [
        json!({"taken_down": {}}),
        json!({"taken_down": {"reason": " "}}),
        json!({"taken_down": {"reason": "x", "by": "me"}}),
        json!({"taken_down": ["x"]}),
    ] {
        assert_eq!(world.patch(path, body.clone()).bearer(&staff.token).await.status, 422, "{body}");
    }
    let taken = take_down(&staff.token).await;
    assert_eq!((taken.status, &taken.json()["taken_down"]["reason"]), (200, &json!("Copied from a book")), "{}", taken.body);

    world.get(path).await.is_problem(404, "not_found", "there is no such course");
    assert_eq!(world.get("/courses").await.json()["items"], json!([]));
    assert_eq!(world.buy(&late, &shop.course_id, "pm_card_visa").await.status, 404);
    assert_eq!(world.get(path).bearer(&shop.buyer.token).await.status, 200, "buyers keep it");
    assert_eq!(world.get(format!("{path}/content")).bearer(&shop.buyer.token).await.status, 200);

    assert_eq!(world.patch(path, json!({"published": true})).bearer(&shop.seller.token).await.status, 200);
    let own = world.get(path).bearer(&shop.seller.token).await.json();
    assert_eq!((&own["published"], &own["taken_down"]["reason"]), (&json!(true), &json!("Copied from a book")));
    assert_eq!(world.get(path).await.status, 404);
    world.patch(path, json!({"taken_down": null})).bearer(&shop.seller.token).await.is_problem(403, "forbidden", "you may not do this");

    assert_eq!(world.patch(path, json!({"taken_down": null})).bearer(&staff.token).await.status, 200);
    assert_eq!(world.get(path).await.status, 200);
    assert_eq!(world.buy(&late, &shop.course_id, "pm_card_visa").await.status, 201);
}

#[tokio::test]
async fn only_sellers_offer_courses() {
    let world = World::start().await;
    let (buyer, staff) = (world.buyer("buyer@example.com").await, world.staff("staff@example.com").await);
    for token in [&buyer.token, &staff.token] {
        world.post("/courses", json!({"title": 1})).bearer(token).await.is_problem(403, "not_a_seller", NOT_A_SELLER);
    }
    world.post("/courses", new_course()).await.is_problem(401, "not_signed_in", "log in first");
    let seller = world.seller("seller@example.com").await;
    let foreign = world.post("/courses", new_course()).cookie(&seller.token).origin("https://evil.example").await;
    foreign.is_problem(403, "foreign_origin", "requests from this origin are not allowed to change anything");
    let storefront = world.post("/courses", new_course()).cookie(&seller.token).origin("http://localhost:3000").await;
    assert_eq!(storefront.status, 201);
    let program = world.post("/courses", new_course()).bearer(&seller.token).origin("https://evil.example").await;
    assert_eq!(program.status, 201);
}

#[tokio::test]
async fn a_slug_is_made_from_the_title_and_numbered_where_it_is_taken() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    let mut slugs = Vec::new();
    for title in ["C++ & Rust: what's new?", "c rust whats new", "…", "…", "Charge", "Français débutant", "数学"] {
        let body = json!({"title": title, "price": {"amount": 5000, "currency": "usd"}});
        slugs.push(world.post("/courses", body).bearer(&seller.token).await.text("slug"));
    }
    let expected = ["c-rust-whats-new", "c-rust-whats-new-2", "course", "course-2", "course-3", "francais-debutant", "shu-xue"];
    assert_eq!(slugs, expected);
}

#[tokio::test]
async fn thirty_courses_with_one_title_at_once_get_thirty_slugs() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    let answers = join_all((0..30).map(|_| world.post("/courses", new_course()).bearer(&seller.token).into_future())).await;
    assert!(answers.iter().all(|answer| answer.status == 201));
    let slugs: BTreeSet<String> = answers.iter().map(|answer| answer.text("slug")).collect();
    assert_eq!(slugs.len(), 30);
    assert!(slugs.contains("flask-microservices") && slugs.contains("flask-microservices-2"), "{slugs:?}");
    for answer in &answers {
        assert_eq!(world.get(format!("/courses/{}", answer.text("slug"))).await.json()["id"], answer.json()["id"]);
    }
}

#[tokio::test]
async fn only_one_of_thirty_concurrent_courses_gets_a_chosen_slug() {
    let world = World::start().await;
    let (one, other) = (world.seller("one@example.com").await, world.seller("other@example.com").await);
    let mut body = new_course();
    body["slug"] = json!("mine");
    let calls = (0..30).map(|number| {
        let seller = if number % 2 == 0 { &one } else { &other };
        world.post("/courses", body.clone()).bearer(&seller.token).into_future()
    });
    let answers = join_all(calls).await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 201);
    assert_eq!((won.len(), lost.len()), (1, 29));
    for answer in lost {
        answer.is_problem(409, "slug_taken", "another course already has this slug");
    }
    let listed = world.get("/courses").await.json();
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(1), "the losers left nothing");
}

#[tokio::test]
async fn a_seller_changes_what_is_given_and_nothing_else() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    let mut course = world.post("/courses", new_course()).bearer(&seller.token).await.json();
    world.app.clock.advance(time::Duration::seconds(5));
    world.proxy.clear();
    let changes = json!({"description": "New", "price": {"amount": 700, "currency": "jpy"}});
    let answer = world.patch("/courses/flask-microservices", changes.clone()).bearer(&seller.token).await;
    assert_eq!(world.operations(), ["BatchGetItem", "TransactWriteItems"]);
    for name in ["description", "price"] {
        course[name] = changes[name].clone();
    }
    assert_ne!(answer.json()["updated_at"], course["updated_at"]);
    course["updated_at"] = json!("[time]");
    answer.is(200, &course);
    world.get("/courses/flask-microservices").await.is(200, &public(&answer.json()));
    world.proxy.clear();
    world.patch("/courses/flask-microservices", json!({})).bearer(&seller.token).await.is(200, &answer.json());
    assert_eq!(world.operations(), ["BatchGetItem"], "if nothing changes, nothing is written");

    let wrong = world.patch("/courses/flask-microservices", json!({"price": {"amount": 1, "currency": "usd"}}));
    let detail = "price.amount must lie between 50 and 99999999 minor units of usd";
    wrong.bearer(&seller.token).await.is_problem(422, "invalid_request", detail);
}

#[tokio::test]
async fn changes_at_the_same_moment_are_all_made() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    world.post("/courses", new_course()).bearer(&seller.token).await;
    let staff = world.staff("staff@example.com").await;
    let own = seller.token.as_str();
    let changes =
        [(json!({"title": "Renamed"}), own), (json!({"description": "Described"}), own), (json!({"fee_percent": 3}), staff.token.as_str())];
    let calls = changes.iter().map(|(change, by)| world.patch("/courses/flask-microservices", change.clone()).bearer(by).into_future());
    for answer in join_all(calls).await {
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    let course = world.get("/courses/flask-microservices").bearer(own).await.json();
    assert_eq!((&course["title"], &course["description"], &course["fee_percent"]), (&json!("Renamed"), &json!("Described"), &json!(3)));
}

#[tokio::test]
async fn a_course_moves_to_a_free_slug_and_is_found_under_the_old_one() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    let course = world.post("/courses", new_course()).bearer(&seller.token).await.json();
    let mut other = new_course();
    other["slug"] = json!("taken");
    world.post("/courses", other.clone()).bearer(&seller.token).await;
    let to = |slug: &str| world.patch("/courses/flask-microservices", json!({"slug": slug})).bearer(&seller.token);
    to("taken").await.is_problem(409, "slug_taken", "another course already has this slug");
    assert_eq!(to("moved").await.json()["slug"], "moved");
    assert_eq!(world.get("/courses/moved").await.json()["id"], course["id"]);
    world.proxy.clear();
    let old = world.get("/courses/flask-microservices").await.json();
    assert_eq!((&old["id"], &old["slug"]), (&course["id"], &json!("moved")));
    assert_eq!(world.operations(), ["GetItem", "GetItem", "BatchGetItem"]);

    // It is changed, moved again and read under every slug that it had.
    assert_eq!(to("again").await.json()["slug"], "again");
    for slug in ["flask-microservices", "moved", "again"] {
        let path = format!("/courses/{slug}");
        let renamed = world.patch(&path, json!({"title": slug})).bearer(&seller.token).await.json();
        assert_eq!((&renamed["id"], &renamed["title"]), (&course["id"], &json!(slug)));
        assert_eq!(world.get(&path).bearer(&seller.token).await.json()["title"], slug);
    }
    // A former slug does not list the course a second time.
    assert_eq!(world.get("/courses").await.json()["items"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn only_the_same_seller_can_use_a_former_slug_again() {
    let world = World::start().await;
    let (seller, stranger) = (world.seller("seller@example.com").await, world.seller("stranger@example.com").await);
    let course = world.post("/courses", new_course()).bearer(&seller.token).await.json();
    let named = |slug: &str| {
        let mut body = new_course();
        body["slug"] = json!(slug);
        body
    };
    world.patch("/courses/flask-microservices", json!({"slug": "moved"})).bearer(&seller.token).await;
    world.post("/courses", named("theirs")).bearer(&stranger.token).await;
    for slug in ["flask-microservices", "moved"] {
        let taken = world.post("/courses", named(slug)).bearer(&stranger.token).await;
        taken.is_problem(409, "slug_taken", "another course already has this slug");
        let moved = world.patch("/courses/theirs", json!({"slug": slug})).bearer(&stranger.token).await;
        moved.is_problem(409, "slug_taken", "another course already has this slug");
    }
    // Derived from a title, it is numbered instead.
    assert_eq!(world.post("/courses", new_course()).bearer(&stranger.token).await.text("slug"), "flask-microservices-2");

    let second = world.post("/courses", named("flask-microservices")).bearer(&seller.token).await;
    assert_eq!(second.status, 201, "{}", second.body);
    assert_eq!(world.get("/courses/flask-microservices").await.json()["id"], second.json()["id"]);
    assert_eq!(world.get("/courses/moved").await.json()["id"], course["id"]);

    // Back to the slug of a course that was deleted, and for good if both are.
    world.delete("/courses/flask-microservices").bearer(&seller.token).await.is_empty(204);
    let back = world.patch("/courses/moved", json!({"slug": "flask-microservices"})).bearer(&seller.token).await;
    assert_eq!((back.status, &back.json()["id"]), (200, &course["id"]));
    assert_eq!(world.get("/courses/moved").await.json()["slug"], "flask-microservices");
    world.delete("/courses/moved").bearer(&seller.token).await.is_empty(204);
    for slug in ["flask-microservices", "moved"] {
        world.get(format!("/courses/{slug}")).await.is_problem(404, "not_found", "there is no such course");
        assert_eq!(world.post("/courses", named(slug)).bearer(&stranger.token).await.status, 409, "{slug}");
    }
}

#[tokio::test]
async fn a_seller_takes_no_more_than_a_thousand_slugs() {
    let world = World::start().await;
    let (seller, other) = (world.seller("seller@example.com").await, world.seller("other@example.com").await);
    let created = |slug: &str| {
        let mut body = new_course();
        body["slug"] = json!(slug);
        world.post("/courses", body).bearer(&seller.token)
    };
    let renamed = |from: &str, to: &str| world.patch(format!("/courses/{from}"), json!({"slug": to})).bearer(&seller.token);
    assert_eq!(created("one").await.status, 201);
    assert_eq!(renamed("one", "two").await.status, 200);
    let counter = json!({"pk": {"S": format!("USER#{}", seller.id)}, "sk": {"S": "SLUGS"}, "taken": {"N": "998"}});
    assert!(world.stored().await.contains("\"taken\": N(\"2\")"), "both were counted");
    world.import(vec![counter]);
    assert_eq!(created("three").await.status, 201);
    assert_eq!(renamed("three", "four").await.status, 200);
    let fault = "slug: a seller can take 1000 of them, and you have taken all";
    created("five").await.is_problem(422, "invalid_request", fault);
    world.post("/courses", new_course()).bearer(&seller.token).await.is_problem(422, "invalid_request", fault);
    renamed("four", "five").await.is_problem(422, "invalid_request", fault);
    created("two").await.is_problem(409, "slug_taken", "another course already has this slug");
    assert_eq!(world.patch("/courses/four", json!({"title": "T"})).bearer(&seller.token).await.status, 200, "all else goes on");
    assert_eq!(world.post("/courses", new_course()).bearer(&other.token).await.status, 201);
    assert_eq!(world.get("/courses/five").await.status, 404);
}

#[tokio::test]
async fn of_two_sellers_at_once_only_the_former_ones_get_a_slug_back() {
    let world = World::start().await;
    let (seller, stranger) = (world.seller("seller@example.com").await, world.seller("stranger@example.com").await);
    world.post("/courses", new_course()).bearer(&seller.token).await;
    world.delete("/courses/flask-microservices").bearer(&seller.token).await.is_empty(204);
    let mut body = new_course();
    body["slug"] = json!("flask-microservices");
    let tries =
        (0..10).map(|number| world.post("/courses", body.clone()).bearer(if number % 2 == 0 { &stranger.token } else { &seller.token }));
    let answers = join_all(tries.map(IntoFuture::into_future)).await;
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert_eq!(world.get("/courses/flask-microservices").await.json()["seller"]["id"], seller.id);
}

#[tokio::test]
async fn a_deleted_course_is_not_found_and_its_slug_is_its_sellers() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    world.post("/courses", new_course()).bearer(&seller.token).await;
    let delete = || world.delete("/courses/flask-microservices").bearer(&seller.token);
    world.proxy.clear();
    delete().await.is_empty(204);
    assert_eq!(world.operations(), ["BatchGetItem", "TransactWriteItems"]);
    delete().await.is_problem(404, "not_found", "there is no such course");
    world.get("/courses/flask-microservices").await.is_problem(404, "not_found", "there is no such course");
    for path in ["/courses", "/users/me/courses"] {
        world.get(path).bearer(&seller.token).await.is(200, &json!({"items": [], "next_cursor": null}));
    }
    let again = world.post("/courses", new_course()).bearer(&seller.token).await;
    assert_eq!((again.status, again.text("slug").as_str()), (201, "flask-microservices"));
}

#[tokio::test]
async fn other_sellers_courses_cannot_be_changed_and_hidden_ones_are_not_found() {
    let world = World::start().await;
    let (owner, other) = (world.seller("owner@example.com").await, world.seller("other@example.com").await);
    let (buyer, staff) = (world.buyer("buyer@example.com").await, world.staff("staff@example.com").await);
    let course = world.post("/courses", new_course()).bearer(&owner.token).await.json();
    let path = "/courses/flask-microservices";
    let patch = |token: &str| world.patch(path, json!({"title": "Stolen"})).bearer(token);
    let delete = |token: &str| world.delete(path).bearer(token);

    for call in [patch(&other.token), delete(&other.token)] {
        call.await.is_problem(403, "forbidden", "you may not do this");
    }
    for person in [&buyer, &staff] {
        for call in [patch(&person.token), delete(&person.token)] {
            call.await.is_problem(403, "not_a_seller", NOT_A_SELLER);
        }
    }
    for call in [world.patch(path, json!({})), world.delete(path)] {
        call.await.is_problem(401, "not_signed_in", "log in first");
    }
    let foreign = world.delete(path).cookie(&owner.token).origin("https://evil.example").await;
    foreign.is_problem(403, "foreign_origin", "requests from this origin are not allowed to change anything");
    world.get(path).await.is(200, &public(&course));

    world.patch(path, json!({"published": false})).bearer(&owner.token).await;
    let not_there = "there is no such course";
    for call in [world.get(path), world.get(path).bearer(&other.token), world.get(path).bearer(&buyer.token)] {
        call.await.is_problem(404, "not_found", not_there);
    }
    for call in [patch(&other.token), delete(&other.token)] {
        call.await.is_problem(404, "not_found", not_there);
    }
    let own = world.get(path).bearer(&owner.token).await;
    assert_eq!((&own.json()["published"], &own.json()["owned"]), (&json!(false), &json!(false)));

    world.roles(&owner, Some(false), None).await;
    patch(&owner.token).await.is_problem(403, "not_a_seller", NOT_A_SELLER);
}

#[tokio::test]
async fn a_page_says_whether_the_signed_in_user_owns_the_course() {
    let world = World::start().await;
    let shop = world.shop().await;
    let path = "/courses/flask-microservices";
    let public = world.get(path).await.json();
    let mut expected = public.clone();

    world.proxy.clear();
    let before = world.get(path).bearer(&shop.buyer.token).await;
    let mut operations = world.operations();
    operations.sort();
    assert_eq!(operations, ["BatchGetItem", "BatchGetItem", "BatchGetItem"], "the last two in parallel");
    expected["owned"] = json!(false);
    before.is(200, &expected);
    assert_eq!(before.header("cache-control"), Some("private, no-store"));
    assert_eq!(before.header("etag"), None);

    assert_eq!(world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await.status, 201);
    expected["owned"] = json!(true);
    world.get(path).cookie(&shop.buyer.token).await.is(200, &expected);

    world.patch(path, json!({"published": false})).bearer(&shop.seller.token).await;
    let hidden = world.get(path).bearer(&shop.buyer.token).await;
    assert_eq!((hidden.status, &hidden.json()["owned"]), (200, &json!(true)), "buyers keep it");
    world.get(path).await.is_problem(404, "not_found", "there is no such course");
}

#[tokio::test]
async fn a_page_says_whether_the_course_can_be_bought() {
    let world = World::with(&[("CHARGE_TYPE", "")]).await;
    let seller = world.seller("seller@example.com").await;
    world.post("/courses", new_course()).bearer(&seller.token).await;
    let path = "/courses/flask-microservices";
    let is_for_sale = async || world.get(path).await.json()["for_sale"].clone();
    assert_eq!(is_for_sale().await, json!(false), "nobody can be paid for it");
    let account = world.link(&seller).await;
    assert_eq!(is_for_sale().await, json!(true));

    let published = |is: bool| world.patch(path, json!({"published": is})).bearer(&seller.token);
    published(false).await;
    assert_eq!(world.get(path).bearer(&seller.token).await.json()["for_sale"], json!(false));
    published(true).await;

    world.admin("POST", &format!("accounts/{account}"), json!({"charges_enabled": false})).await;
    world.deliver().await;
    assert_eq!(is_for_sale().await, json!(false), "Stripe takes no charges for it");
}

#[tokio::test]
async fn an_ended_session_sees_the_public_page() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    let course = world.post("/courses", new_course()).bearer(&seller.token).await.json();
    world.delete("/sessions/current").bearer(&seller.token).await;
    let answer = world.get("/courses/flask-microservices").cookie(&seller.token).await;
    answer.is(200, &public(&course));
    assert_eq!(answer.header("cache-control"), Some("private, no-store"));
}

#[tokio::test]
async fn unknown_slugs_are_not_found() {
    let world = World::start().await;
    for slug in ["nothing", "Flask", "%F0%9F%A6%80", "%00", "a%2Fb", "+", "SLUG", &"x".repeat(3000)] {
        let answer = world.get(format!("/courses/{slug}")).await;
        answer.is_problem(404, "not_found", "there is no such course");
    }
}

/// Each former slug stays reserved, so one seller could otherwise take all words from the others.
#[tokio::test]
async fn a_slug_can_be_changed_ten_times() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    let body = json!({"title": "Course", "slug": "word-0", "description": "", "price": {"amount": 5000, "currency": "usd"}});
    assert_eq!(world.post("/courses", body).bearer(&seller.token).await.status, 201);
    let rename =
        |from: u8, to: u8| world.patch(format!("/courses/word-{from}"), json!({"slug": format!("word-{to}")})).bearer(&seller.token);
    for number in 0..10 {
        assert_eq!(rename(number, number + 1).await.status, 200, "{number}");
    }
    rename(10, 11).await.is_problem(422, "invalid_request", "the slug of a course can be changed 10 times");
    assert_eq!(world.get("/courses/word-0").await.json()["slug"], "word-10");
    let other = world.patch("/courses/word-10", json!({"title": "Another title"})).bearer(&seller.token).await;
    assert_eq!(other.status, 200, "{}", other.body);
}
