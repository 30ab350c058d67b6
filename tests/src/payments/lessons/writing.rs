//! Sellers write outlines and lessons: limits, and several who write at once.

use local::proxy::{Fault, Kind};
use serde_json::{Value, json};

use super::{COURSE, School, around, outline};
use crate::harness::World;

#[tokio::test]
async fn only_the_seller_writes_outline_and_lessons() {
    let world = World::start().await;
    let school = School::open(&world).await;
    let shop = &school.shop;
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await.status, 201);
    let (other, staff) = (world.seller("other@example.com").await, world.staff("staff@example.com").await);
    let paths = [format!("{COURSE}/outline"), format!("{COURSE}/lessons/{}", school.paid)];
    let body = json!({"version": 1, "sections": [], "content": "mine now"});
    for person in [&shop.buyer, &other, &staff] {
        for path in &paths {
            let refused = world.put(path.as_str(), body.clone()).bearer(&person.token).undescribed().await;
            refused.is_problem(403, "forbidden", "you may not do this");
        }
    }
    world.roles(&shop.seller, Some(false), None).await;
    for path in &paths {
        assert_eq!(world.put(path.as_str(), body.clone()).bearer(&shop.seller.token).undescribed().await.text("code"), "not_a_seller");
    }
    world.roles(&shop.seller, Some(true), None).await;
    assert_eq!(world.patch(COURSE, json!({"published": false})).bearer(&shop.seller.token).await.status, 200);
    for path in &paths {
        let hidden = world.put(path.as_str(), body.clone()).bearer(&other.token).undescribed().await;
        hidden.is_problem(404, "not_found", "there is no such course");
    }
    // An unpublished course is written in peace.
    assert_eq!(school.write(&world, &school.paid, 1, "# Better").await, (200, json!(2)));
}

#[tokio::test]
async fn of_two_who_change_the_outline_at_once_one_is_told_to_read_it_again() {
    let world = World::start().await;
    let school = School::open(&world).await;
    let seller = &school.shop.seller;
    let put = async |version: u64, title: &str| {
        let body = json!({"version": version, "sections": [{"title": title, "lessons": school.both()}]});
        world.put(format!("{COURSE}/outline"), body).bearer(&seller.token).await
    };
    world.operations();
    let first = put(1, "One").await;
    assert_eq!((first.status, &first.json()["version"]), (200, &json!(2)));
    assert_eq!(world.operations(), ["BatchGetItem", "BatchGetItem", "TransactWriteItems"]);
    let late = put(1, "Two").await;
    late.is_problem(409, "conflict", "another request changed it at the same time; read it again and retry");

    // Both have read the same version.
    let slower = around(&world, put(2, "Slower"), async { assert_eq!(put(2, "Faster").await.status, 200) }).await;
    assert_eq!(slower.text("code"), "conflict");
    let now = world.get(format!("{COURSE}/outline")).await.json();
    assert_eq!((&now["version"], &now["sections"][0]["title"]), (&json!(3), &json!("Faster")));
}

#[tokio::test]
async fn of_two_who_change_a_lesson_one_is_told_to_read_it_again_and_the_same_text_changes_nothing() {
    let world = World::start().await;
    let school = School::open(&world).await;
    assert_eq!(school.write(&world, &school.paid, 1, "# Two").await, (200, json!(2)));
    assert_eq!(world.operations(), ["BatchGetItem", "BatchGetItem", "TransactWriteItems"]);
    assert_eq!(school.write(&world, &school.paid, 1, "# Other").await, (409, json!("conflict")));
    assert_eq!(school.write(&world, &school.paid, 0, "# Other").await, (409, json!("conflict")));
    world.operations();
    assert_eq!(school.write(&world, &school.paid, 1, "# Two").await, (200, json!(2)), "the answer to the first was lost");
    assert_eq!(world.operations(), ["BatchGetItem", "BatchGetItem"]);

    let faster = async { assert_eq!(school.write(&world, &school.paid, 2, "# Faster").await, (200, json!(3))) };
    let slower = around(&world, school.write(&world, &school.paid, 2, "# Slower"), faster).await;
    assert_eq!(slower, (409, json!("conflict")));

    // A change of the outline is no reason to refuse a text.
    let renamed = async {
        outline(&world, &school.shop.seller, 1, json!([{"title": "Renamed", "lessons": school.both()}])).await;
    };
    assert_eq!(around(&world, school.write(&world, &school.paid, 3, "# Four"), renamed).await, (200, json!(4)));
}

#[tokio::test]
async fn a_removed_lesson_takes_its_text_along_and_no_text_outlives_it() {
    let world = World::start().await;
    let school = School::open(&world).await;
    let (seller, shop) = (&school.shop.seller, &school.shop);
    assert_eq!(school.write(&world, &school.paid, 1, "# A text to lose").await, (200, json!(2)));
    // It moves to another section and gets another title: the text stays.
    let first = json!({"title": "One", "lessons": [{"id": school.preview, "title": "Hello", "preview": true}]});
    let moved = json!([first, {"title": "Two", "lessons": [{"id": school.paid, "title": "Paths"}]}]);
    outline(&world, seller, 1, moved).await;
    let lesson = world.get(format!("{COURSE}/lessons/{}", school.paid)).bearer(&seller.token).await.json();
    assert_eq!((&lesson["title"], &lesson["content"]), (&json!("Paths"), &json!("# A text to lose")));

    // It is removed while its text is being written.
    let removed = async {
        outline(&world, seller, 2, json!([first])).await;
    };
    assert_eq!(around(&world, school.write(&world, &school.paid, 2, "# Too late"), removed).await, (404, json!("not_found")));
    let stored = world.stored().await;
    assert!(!stored.contains("A text to lose") && !stored.contains("Too late"), "{stored}");
    let gone = world.get(format!("{COURSE}/lessons/{}", school.paid)).bearer(&seller.token).await;
    gone.is_problem(404, "not_found", "there is no such lesson");

    // A write that fails removes nothing.
    world.proxy.inject(Fault::next("TransactWriteItems", Kind::InternalServerError).times(3));
    let body = json!({"version": 3, "sections": []});
    assert_eq!(world.put(format!("{COURSE}/outline"), body).bearer(&seller.token).await.status, 500);
    assert_eq!(world.get(format!("{COURSE}/lessons/{}", school.preview)).await.json()["content"], json!("# Hello"));

    // Buyers of a deleted course keep its lessons.
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await.status, 201);
    assert_eq!(world.delete(COURSE).bearer(&seller.token).await.status, 204);
    let kept = world.get(format!("/courses/{}/lessons/{}", shop.course_id, school.preview)).bearer(&shop.buyer.token).await;
    assert_eq!((kept.status, &kept.json()["content"]), (200, &json!("# Hello")));
}

#[tokio::test]
async fn outlines_and_lessons_have_limits() {
    let world = World::start().await;
    let school = School::open(&world).await;
    let seller = &school.shop.seller;
    let put = async |version: u64, sections: Value| {
        world.put(format!("{COURSE}/outline"), json!({"version": version, "sections": sections})).bearer(&seller.token).await
    };
    let lesson = |fields: Value| json!([{"title": "S", "lessons": [fields]}]);
    let section = |lessons: usize| json!({"title": "S", "lessons": vec![json!({"title": "L"}); lessons]});
    let title = "must be one line of 1 to 200 characters, without hidden ones";
    let other = world.course(seller, "Other", 4000, "usd", 50).await;
    let theirs = json!({"version": 0, "sections": lesson(json!({"title": "L"}))});
    let path = format!("/courses/{}/outline", other["slug"].as_str().expect("text"));
    let theirs = world.put(path, theirs).bearer(&seller.token).await.json()["sections"][0]["lessons"][0]["id"].clone();
    for (sections, detail) in [
        (json!(vec![section(0); 51]), "sections: a course has at most 50".to_owned()),
        (json!([section(100), section(101)]), "sections: a course has at most 200 lessons".to_owned()),
        (json!([{"title": " ", "lessons": []}]), format!("sections[0].title {title}")),
        (json!([section(0), {"title": "x".repeat(201), "lessons": []}]), format!("sections[1].title {title}")),
        (lesson(json!({"title": "two\nlines"})), format!("sections[0].lessons[0].title {title}")),
        (lesson(json!({"title": "a\u{202e}b"})), format!("sections[0].lessons[0].title {title}")),
        (lesson(json!({"title": "L", "minutes": 0})), "sections[0].lessons[0].minutes must lie between 1 and 600".to_owned()),
        (lesson(json!({"title": "L", "minutes": 601})), "sections[0].lessons[0].minutes must lie between 1 and 600".to_owned()),
        (lesson(json!({"title": "L", "id": "les_1"})), "sections[0].lessons[0].id: not an id".to_owned()),
        (
            lesson(json!({"title": "L", "id": theirs})),
            format!("sections: {} is not a lesson of this course", theirs.as_str().expect("an id")),
        ),
        (
            json!([{"title": "S", "lessons": school.both()}, {"title": "S", "lessons": school.both()}]),
            format!("sections: {} is listed twice", school.preview),
        ),
    ] {
        let refused = put(1, sections).await;
        assert_eq!((refused.status, refused.text("code").as_str()), (422, "invalid_request"), "{detail}");
        assert!(refused.text("detail").starts_with(&detail), "{}", refused.body);
    }
    for body in [json!({"sections": []}), json!({"version": -1, "sections": []}), json!({"version": 1, "sections": [["S", []]]})] {
        let answer = world.put(format!("{COURSE}/outline"), body.clone()).bearer(&seller.token).undescribed().await;
        assert_eq!(answer.status, 422, "{body}");
    }
    let mut most = vec![json!({"title": "S", "lessons": school.both()}), section(198)];
    most.resize(50, section(0));
    let full = put(1, json!(most)).await;
    assert_eq!(full.status, 200, "{}", full.body);
    let full = full.json();
    let all = full["sections"][1]["lessons"].as_array().expect("a list").clone();
    let keep = |count: usize| json!([{"title": "S", "lessons": school.both()}, {"title": "S", "lessons": &all[..count]}]);
    put(2, keep(147)).await.is_problem(422, "invalid_request", "sections: at most 50 lessons can be removed at once");
    assert_eq!(put(2, keep(148)).await.status, 200);
    let long = world.put(format!("{COURSE}/outline"), json!({"version": 3, "sections": [], "x": "x".repeat(70_000)}));
    assert_eq!(long.bearer(&seller.token).undescribed().await.text("code"), "body_too_large");

    let text = async |content: &str| {
        let body = json!({"version": 1, "content": content});
        world.put(format!("{COURSE}/lessons/{}", school.paid), body).bearer(&seller.token).await
    };
    text(&"x".repeat(50_001)).await.is_problem(422, "invalid_request", "content must have at most 50000 bytes");
    text(&"あ".repeat(16_667)).await.is_problem(422, "invalid_request", "content must have at most 50000 bytes");
    text("\u{202e}").await.is_problem(
        422,
        "invalid_request",
        "content must be visible text, without control characters and overrides of direction",
    );
    assert_eq!(text(&"x".repeat(50_000)).await.status, 200);
    let unknown = world.put(format!("{COURSE}/lessons/les_0000000000000000"), json!({"version": 0, "content": "x"}));
    unknown.bearer(&seller.token).await.is_problem(404, "not_found", "there is no such lesson");
}

#[tokio::test]
async fn fifty_of_the_largest_lessons_can_be_removed_at_once() {
    let world = World::start().await;
    let school = School::open(&world).await;
    let seller = &school.shop.seller;
    let sections = json!([{"title": "S", "lessons": vec![json!({"title": "L"}); 50]}]);
    let full = outline(&world, seller, 1, sections).await;
    let text = "x".repeat(50_000);
    for lesson in full["sections"][0]["lessons"].as_array().expect("a list") {
        assert_eq!(school.write(&world, lesson["id"].as_str().expect("an id"), 0, &text).await, (200, json!(1)));
    }
    outline(&world, seller, 2, json!([])).await;
    assert!(!world.stored().await.contains("LESSON#"));
}
