//! `GET /courses`

use serde_json::{Value, json};

use crate::harness::{Answer, Person, World};

async fn add(world: &World, seller: &Person, title: &str, description: &str) -> Value {
    let body = json!({"title": title, "description": description, "price": {"amount": 5000, "currency": "usd"}});
    let answer = world.post("/courses", body).bearer(&seller.token).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.json()
}

fn titles(answer: &Answer) -> Vec<String> {
    let body = answer.json();
    let items = body["items"].as_array().unwrap_or_else(|| panic!("{body} has no items"));
    items.iter().map(|course| course["title"].as_str().expect("it has a title").to_owned()).collect()
}

/// Follows the cursors from page to page.
async fn all_titles(world: &World, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut next = path.to_owned();
    loop {
        let page = world.get(next).await;
        assert_eq!(page.status, 200, "{}", page.body);
        found.extend(titles(&page));
        match page.json()["next_cursor"].as_str() {
            None => return found,
            Some(cursor) => next = format!("{path}&cursor={cursor}"),
        }
    }
}

#[tokio::test]
async fn an_empty_catalogue_is_an_empty_list() {
    let world = World::start().await;
    world.get("/courses").await.is(200, &json!({"items": [], "next_cursor": null}));
}

#[tokio::test]
async fn forty_five_courses_come_in_pages_the_newest_first() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    let mut expected = Vec::new();
    for number in 0..45 {
        expected.push(format!("Course {number}"));
        add(&world, &seller, &format!("Course {number}"), "").await;
    }
    expected.reverse();
    assert_eq!(titles(&world.get("/courses").await), expected[..20], "twenty by default");
    for limit in [1, 7, 44, 45, 100] {
        assert_eq!(all_titles(&world, &format!("/courses?limit={limit}")).await, expected, "{limit}");
    }
    for exact in ["/courses?limit=45", "/courses?limit=100"] {
        assert_eq!(world.get(exact).await.json()["next_cursor"], Value::Null, "no empty page at the end");
    }

    world.proxy.clear();
    world.get("/courses?limit=10").await;
    let calls = world.proxy.calls();
    assert_eq!(calls.len(), 2);
    assert_eq!((calls[0].operation.as_str(), &calls[0].body["Limit"]), ("Query", &json!(11)), "it only reads its page");
}

#[tokio::test]
async fn pages_go_on_where_they_were_while_courses_come_and_go() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    for number in 0..6 {
        add(&world, &seller, &format!("Course {number}"), "").await;
    }
    let first = world.get("/courses?limit=2").await;
    assert_eq!(titles(&first), ["Course 5", "Course 4"]);
    add(&world, &seller, "Course 6", "").await;
    // The cursor names exactly this course.
    assert_eq!(world.delete("/courses/course-4").bearer(&seller.token).await.status, 204);
    let second = world.get(format!("/courses?limit=2&cursor={}", first.text("next_cursor"))).await;
    assert_eq!(titles(&second), ["Course 3", "Course 2"]);
}

#[tokio::test]
async fn only_published_courses_are_listed() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    add(&world, &seller, "Public", "").await;
    add(&world, &seller, "Hidden", "").await;
    let publish = |published: bool| world.patch("/courses/hidden", json!({"published": published})).bearer(&seller.token);
    publish(false).await;
    assert_eq!(titles(&world.get("/courses").await), ["Public"]);
    assert_eq!(titles(&world.get("/courses").bearer(&seller.token).await), ["Public"], "the same for everybody");
    assert_eq!(titles(&world.get("/courses?q=hidden").await), Vec::<String>::new());
    publish(true).await;
    assert_eq!(titles(&world.get("/courses").await), ["Hidden", "Public"]);
}

/// The item of the course that was written since the last [`local::proxy::Proxy::clear`].
pub(super) fn written(world: &World) -> Value {
    let calls = world.proxy.calls();
    let writes = calls.iter().flat_map(|call| call.body["TransactItems"].as_array().into_iter().flatten());
    let mut items = writes.map(|write| &write["Put"]["Item"]);
    items.find(|item| item["gsi1pk"]["S"] == "COURSES").expect("it is listed").clone()
}

/// Copies of a course's item, each newer than the one before, a hundred per seller.
pub(super) fn copies(original: &Value, numbers: std::ops::Range<usize>) -> Vec<Value> {
    let text = |name: &str| original[name]["S"].as_str().unwrap_or_else(|| panic!("{original} has no {name}"));
    let (seller, own) = text("id").strip_prefix("crs_").and_then(|parts| parts.split_once('_')).expect("it has two parts");
    let place: usize = text("gsi1sk").split_once('#').and_then(|(place, _)| place.parse().ok()).expect("nanoseconds");
    let copy = |number: usize| {
        let seller = format!("{}{:03}", &seller[..seller.len() - 3], number / 100);
        let id = format!("crs_{seller}_{}{number:05}", &own[..own.len() - 5]);
        let mut item = original.clone();
        for (name, value) in [
            ("pk", format!("USER#usr_{seller}")),
            ("sk", format!("COURSE#{id}")),
            ("gsi1sk", format!("{:020}#{id}", place + number + 1)),
            ("seller_id", format!("usr_{seller}")),
            ("slug", format!("copy-{number:05}")),
            ("title", format!("Copy {number:05}")),
            ("id", id),
        ] {
            assert!(item[name].is_object(), "{name} is not an attribute of a course");
            item[name] = json!({"S": value});
        }
        item
    };
    numbers.map(copy).collect()
}

#[tokio::test]
async fn courses_are_listed_with_their_teachers_unless_their_page_is_hidden() {
    let world = World::start().await;
    let (ada, grace) = (world.seller("ada@example.com").await, world.seller("grace@example.com").await);
    add(&world, &ada, "One", "").await;
    add(&world, &grace, "Two", "").await;
    world.patch("/users/me/page", json!({"name": "Ada Teaches"})).bearer(&ada.token).await;
    let teachers = async |path: &str| {
        let list = world.get(path).await.json();
        list["items"].as_array().expect("a list").iter().map(|one| one["seller"].clone()).collect::<Vec<_>>()
    };
    let (named, nameless) = (json!({"id": ada.id, "handle": "ada-teaches", "name": "Ada Teaches"}), json!({"id": grace.id}));
    for path in ["/courses".to_owned(), "/courses?q=o".to_owned(), format!("/courses?seller={}", ada.id)] {
        let expected = if path.contains("seller") { vec![named.clone()] } else { vec![nameless.clone(), named.clone()] };
        assert_eq!(teachers(&path).await, expected, "{path}");
    }
    let staff = world.staff("staff@example.com").await;
    let suspend = json!({"suspended": {"reason": "Sells what is not theirs"}});
    assert_eq!(world.patch(format!("/admin/users/{}", ada.id), suspend).bearer(&staff.token).await.status, 200);
    assert!(!teachers("/courses").await.contains(&named));
}

#[tokio::test]
async fn a_page_costs_its_courses_and_not_the_catalogue() {
    const FEW: usize = 50;
    const MANY: usize = 10_000;
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    world.proxy.clear();
    add(&world, &seller, "Copy", &"Read by nobody. ".repeat(20)).await;
    let course = &written(&world);
    let query = |call: &local::proxy::Call| (call.operation.clone(), call.body.clone());

    world.import(copies(course, 0..FEW));
    world.proxy.clear();
    let few = world.get("/courses").await;
    let calls_of_few: Vec<_> = world.proxy.calls().iter().map(query).collect();
    world.import(copies(course, FEW..MANY));
    world.proxy.clear();
    let many = world.get("/courses").await;
    let calls_of_many: Vec<_> = world.proxy.calls().iter().map(query).collect();

    let newest = |count: usize| -> Vec<String> { (count - 20..count).rev().map(|number| format!("Copy {number:05}")).collect() };
    assert_eq!((titles(&few), titles(&many)), (newest(FEW), newest(MANY)));
    let sellers = |calls: &[(String, Value)]| calls[1].1["RequestItems"]["courses-under-test"]["Keys"].as_array().map_or(0, Vec::len);
    assert_eq!(calls_of_many.iter().map(|call| call.0.as_str()).collect::<Vec<_>>(), ["Query", "BatchGetItem"]);
    assert_eq!((calls_of_many.len(), &calls_of_many[0]), (calls_of_few.len(), &calls_of_few[0]));
    assert_eq!(sellers(&calls_of_many), sellers(&calls_of_few), "the pages of the courses' sellers");
    assert_eq!(calls_of_many[0].1["Limit"], 21, "DynamoDB reads the page, and one to know whether there is more");
    assert_eq!(many.body.len(), few.body.len());

    // The next page costs the same.
    let path = format!("/courses?cursor={}", many.text("next_cursor"));
    world.proxy.clear();
    let next = world.get(path).await;
    assert_eq!(titles(&next), newest(MANY - 20));
    let calls = world.proxy.calls();
    assert_eq!((calls.len(), &calls[0].body["Limit"]), (2, &json!(21)));
    assert_eq!(next.body.len(), many.body.len());
}

#[tokio::test]
async fn a_search_reads_a_hundred_courses_a_request_and_its_cursor_reaches_all() {
    const REACH: usize = 100;
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    world.proxy.clear();
    add(&world, &seller, "Copy", "").await;
    let calls = world.proxy.calls();
    let writes = calls.iter().flat_map(|call| call.body["TransactItems"].as_array().into_iter().flatten());
    let mut items = writes.map(|write| &write["Put"]["Item"]);
    let course = items.find(|item| item["gsi1pk"]["S"] == "COURSES").expect("it is listed");
    world.import(copies(course, 0..5 * REACH));
    // All that match are among the oldest.
    let mut path = "/courses?q=copy+0000".to_owned();
    let (mut found, mut requests) = (Vec::new(), 0);
    loop {
        world.proxy.clear();
        let answer = world.get(path.as_str()).await;
        let calls = world.proxy.calls();
        assert!(calls.len() <= 2, "whatever is asked for");
        assert_eq!(calls[0].body["Limit"], json!(REACH));
        found.extend(titles(&answer));
        requests += 1;
        let Some(next) = answer.json()["next_cursor"].as_str().map(str::to_owned) else { break };
        path = format!("/courses?q=copy+0000&cursor={next}");
    }
    let expected: Vec<String> = (0..10).rev().map(|number| format!("Copy {number:05}")).collect();
    assert_eq!((found, requests), (expected, 6));
}

#[tokio::test]
async fn a_search_finds_all_its_words_in_title_and_description() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    add(&world, &seller, "Rust for Django people", "Ownership, slowly").await;
    add(&world, &seller, "Django Channels", "WebSockets & Größe").await;
    add(&world, &seller, "100% SQL", "'; DROP TABLE courses; --").await;
    for (query, expected) in [
        ("django", vec!["Django Channels", "Rust for Django people"]),
        ("DJANGO+rust", vec!["Rust for Django people"]),
        ("%20slowly%20%20django%20", vec!["Rust for Django people"]),
        ("gr%C3%B6%C3%9Fe", vec!["Django Channels"]),
        ("%27%3B+drop+table", vec!["100% SQL"]),
        ("100%25", vec!["100% SQL"]),
        ("haskell", vec![]),
        ("", vec!["100% SQL", "Django Channels", "Rust for Django people"]),
    ] {
        assert_eq!(all_titles(&world, &format!("/courses?q={query}")).await, expected, "{query}");
        assert_eq!(all_titles(&world, &format!("/courses?q={query}&limit=1")).await, expected, "{query} one by one");
    }
    world.proxy.clear();
    world.get("/courses?q=django").await;
    assert_eq!(world.operations(), ["Query", "BatchGetItem"], "the courses, and their sellers' pages");

    let long = world.get(format!("/courses?q={}", "x".repeat(201))).await;
    long.is_problem(422, "invalid_request", "q must have at most 200 characters");
    let many = world.get(format!("/courses?q={}", ["a"; 11].join("+"))).await;
    many.is_problem(422, "invalid_request", "q must have at most 10 words");
    assert_eq!(world.get(format!("/courses?q={}", "%F0%9F%A6%80".repeat(200))).await.status, 200);
}

#[tokio::test]
async fn invalid_limits_and_cursors_are_refused() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    for number in 0..3 {
        add(&world, &seller, &format!("Course {number}"), "").await;
    }
    for limit in ["0", "101", "1000", "-1", "1.5", "ten", "", "99999999999999999999", "1%00"] {
        let answer = world.get(format!("/courses?limit={limit}")).await;
        answer.is_problem(422, "invalid_request", "limit must be a whole number from 1 to 100");
    }
    let twice = world.get("/courses?limit=1&limit=2").await;
    twice.is_problem(422, "invalid_request", "limit is given twice");

    let own = world.get("/users/me/courses?limit=1").bearer(&seller.token).await.text("next_cursor");
    let good = world.get("/courses?limit=1").await.text("next_cursor");
    let staff = world.staff("staff@example.com").await;
    let users = world.get("/admin/users?limit=1").bearer(&staff.token).await.text("next_cursor");
    let broken = good[..good.len() - 3].to_owned();
    let longer = format!("{good}AAAA");
    for cursor in ["", "x", "!!!", "AAAA", &own, &users, &"A".repeat(2000), "%00", "..%2F..", &longer] {
        let answer = world.get(format!("/courses?cursor={cursor}")).await;
        answer.is_problem(400, "bad_cursor", "cursor must be the next_cursor of an earlier response of the same list");
    }
    let others = world.get(format!("/users/me/courses?cursor={good}")).bearer(&seller.token).await;
    others.is_problem(400, "bad_cursor", "cursor must be the next_cursor of an earlier response of the same list");
    // A truncated cursor may still be valid, but never leads out of the list.
    assert!([200, 400].contains(&world.get(format!("/courses?cursor={broken}")).await.status));
}

#[tokio::test]
async fn a_current_copy_is_not_sent_again() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    add(&world, &seller, "Course", "").await;
    let first = world.get("/courses").await;
    let tag = first.header("etag").expect("it has a tag").to_owned();
    assert_eq!(first.header("cache-control"), Some("public, max-age=0, s-maxage=60, stale-while-revalidate=60"));
    assert_eq!(first.header("vary"), None, "it is the same for everybody");
    for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
        let again = world.get("/courses").header("if-none-match", &known).await;
        again.is_empty(304);
        assert_eq!(again.header("etag"), Some(tag.as_str()));
    }
    add(&world, &seller, "Another course", "").await;
    let changed = world.get("/courses").header("if-none-match", &tag).await;
    assert_eq!(changed.status, 200);
    assert_ne!(changed.header("etag"), Some(tag.as_str()));
}

#[tokio::test]
async fn responses_that_may_differ_with_a_session_are_not_stored_in_shared_caches() {
    let world = World::start().await;
    let person = world.buyer("a@example.com").await;
    let seller = world.seller("seller@example.com").await;
    let course = add(&world, &seller, "Course", "").await;
    let page = format!("/courses/{}", course["slug"].as_str().expect("a slug"));
    let public = |answer: &Answer| answer.header("cache-control").is_some_and(|value| value.starts_with("public"));
    for path in ["/courses", "/courses?q=course", "/config", &page] {
        let guest = world.get(path).header("cookie", "signed_in=1; not_the_session=2").await;
        assert!(public(&guest), "{path}");
        for call in [world.get(path).bearer(&person.token), world.get(path).cookie(&person.token), world.get(path).bearer("no session")] {
            let answer = call.await;
            if path == page {
                assert!(!public(&answer), "{path}");
            } else {
                assert!(public(&answer), "{path}");
                assert_eq!(answer.json(), guest.json(), "{path}");
            }
        }
    }
}
