//! A course's outline, its lessons, and readers' progress.

use futures_util::future::join;
use local::proxy::{Fault, Gate, Kind};
use serde_json::{Value, json};
use time::Duration;

use crate::harness::{Person, Shop, World};

const COURSE: &str = "/courses/flask-microservices";

/// A shop whose course has an outline with two lessons: one that everybody may read, and one for buyers.
struct School {
    shop: Shop,
    preview: String,
    paid: String,
}

impl School {
    async fn open(world: &World) -> Self {
        let shop = world.shop().await;
        let lessons = json!([{"title": "Hello", "minutes": 10, "preview": true}, {"title": " Routes "}]);
        let outline = outline(world, &shop.seller, 0, json!([{"title": "Basics", "lessons": lessons}])).await;
        let id = |number: usize| outline["sections"][0]["lessons"][number]["id"].as_str().expect("an id").to_owned();
        let school = Self { preview: id(0), paid: id(1), shop };
        for (lesson, content) in [(&school.preview, "# Hello"), (&school.paid, "# Routes")] {
            let written = school.write(world, lesson, 0, content).await;
            assert_eq!(written, (200, json!(1)));
        }
        world.operations();
        school
    }

    /// Writes a lesson's text. Returns the status, and the new version or the error's code.
    async fn write(&self, world: &World, lesson: &str, version: u64, content: &str) -> (u16, Value) {
        let body = json!({"version": version, "content": content});
        let answer = world.put(format!("{COURSE}/lessons/{lesson}"), body).bearer(&self.shop.seller.token).await;
        let body = answer.json();
        (answer.status, if answer.status == 200 { body["version"].clone() } else { body["code"].clone() })
    }

    /// The outline's two lessons, as a request names them.
    fn both(&self) -> Value {
        json!([{"id": self.preview, "title": "Hello", "minutes": 10, "preview": true}, {"id": self.paid, "title": "Routes"}])
    }

    async fn note(&self, world: &World, reader: &Person, body: Value) -> Value {
        let answer = world.put(format!("{COURSE}/progress"), body).bearer(&reader.token).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()
    }

    /// The statuses of outline, preview, lesson, progress and content.
    async fn seen(&self, world: &World, course: &str, reader: Option<&Person>) -> [u16; 5] {
        let paths = [
            "outline".to_owned(),
            format!("lessons/{}", self.preview),
            format!("lessons/{}", self.paid),
            "progress".to_owned(),
            "content".to_owned(),
        ];
        let mut statuses = [0; 5];
        for (status, path) in statuses.iter_mut().zip(paths) {
            let call = world.get(format!("{course}/{path}"));
            *status = if let Some(reader) = reader { call.bearer(&reader.token) } else { call }.await.status;
        }
        statuses
    }
}

async fn outline(world: &World, seller: &Person, version: u64, sections: Value) -> Value {
    let answer = world.put(format!("{COURSE}/outline"), json!({"version": version, "sections": sections})).bearer(&seller.token).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

/// Sends a request, and does something else between what it reads and what it writes.
async fn around<T>(world: &World, request: impl Future<Output = T>, meanwhile: impl Future<Output = ()>) -> T {
    let gate = Gate::new();
    world.proxy.inject(Fault::next("TransactWriteItems", Kind::Hold(gate.clone())));
    let meanwhile = async {
        gate.reached().await;
        meanwhile.await;
        gate.open();
    };
    join(request, meanwhile).await.0
}

async fn joins(world: &World, seller: &Person, member: &Person) -> String {
    let club = format!("/sellers/{}/membership", seller.id);
    let offer = json!({"title": "Club", "monthly": {"amount": 1000}, "currency": "usd"});
    assert_eq!(world.post(club.as_str(), offer).bearer(&seller.token).await.status, 200);
    let body = json!({"interval": "month", "payment_method": "pm_card_visa"});
    let joined = world.post(format!("{club}/subscribe"), body).bearer(&member.token).await;
    assert_eq!(joined.status, 201, "{}", joined.body);
    joined.json()["subscription"]["id"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn lessons_are_for_whoever_may_read_the_content_and_previews_for_everybody() {
    let world = World::start().await;
    let school = School::open(&world).await;
    let shop = &school.shop;
    let (stranger, refunded, member) =
        (world.buyer("stranger@example.com").await, world.buyer("refunded@example.com").await, world.buyer("member@example.com").await);
    let (other, staff) = (world.seller("other@example.com").await, world.staff("staff@example.com").await);
    assert_eq!(school.seen(&world, COURSE, Some(&shop.buyer)).await, [200, 200, 403, 403, 403], "not bought yet");
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await.status, 201);
    let bought = world.buy(&refunded, &shop.course_id, "pm_card_visa").await;
    let refund = format!("/purchases/{}/refund", bought.json()["purchase"]["id"].as_str().expect("an id"));
    assert_eq!(world.post(refund, json!({})).bearer(&shop.seller.token).await.status, 200);
    joins(&world, &shop.seller, &member).await;

    let by_id = format!("/courses/{}", shop.course_id);
    for course in [COURSE, by_id.as_str()] {
        assert_eq!(school.seen(&world, course, None).await, [200, 200, 401, 401, 401], "{course}");
        for reader in [&stranger, &refunded, &other] {
            assert_eq!(school.seen(&world, course, Some(reader)).await, [200, 200, 403, 403, 403], "{course} {}", reader.email);
        }
        for reader in [&shop.buyer, &member, &shop.seller, &staff] {
            assert_eq!(school.seen(&world, course, Some(reader)).await, [200; 5], "{course} {}", reader.email);
        }
    }
    let lesson = world.get(format!("{COURSE}/lessons/{}", school.paid)).bearer(&shop.buyer.token).await;
    lesson.is(
        200,
        &json!({"course_id": shop.course_id, "id": school.paid, "title": "Routes", "content": "# Routes", "version": 1, "updated_at": "[time]"}),
    );

    // What is not in the catalogue is for its buyers, its seller and staff. Nobody else learns that it exists.
    let hidden = async |course: &str| {
        assert_eq!(school.seen(&world, course, None).await, [404, 404, 404, 401, 401], "{course}");
        for reader in [&stranger, &refunded, &other, &member] {
            assert_eq!(school.seen(&world, course, Some(reader)).await, [404; 5], "{course} {}", reader.email);
        }
        for reader in [&shop.buyer, &shop.seller, &staff] {
            assert_eq!(school.seen(&world, course, Some(reader)).await, [200; 5], "{course} {}", reader.email);
        }
    };
    assert_eq!(world.patch(COURSE, json!({"published": false})).bearer(&shop.seller.token).await.status, 200);
    hidden(COURSE).await;
    world.enter_password(&staff).await;
    let taken_down = json!({"taken_down": {"reason": "Copied"}});
    assert_eq!(world.patch(COURSE, json!({"published": true})).bearer(&shop.seller.token).await.status, 200);
    assert_eq!(world.patch(COURSE, taken_down).bearer(&staff.token).await.status, 200);
    hidden(COURSE).await;
    assert_eq!(world.delete(COURSE).bearer(&shop.seller.token).await.status, 204);
    hidden(&by_id).await;
    assert_eq!(school.seen(&world, COURSE, Some(&shop.buyer)).await, [404; 5], "the slug is gone");
}

#[tokio::test]
async fn an_ended_membership_closes_the_lessons_and_progress_waits_for_its_return() {
    let world = World::start().await;
    let school = School::open(&world).await;
    let mut member = world.buyer("member@example.com").await;
    let id = joins(&world, &school.shop.seller, &member).await;
    school.note(&world, &member, json!({"lesson": school.paid, "done": true})).await;
    assert_eq!(world.post(format!("/subscriptions/{id}/cancel"), json!({})).bearer(&member.token).await.status, 200);
    assert_eq!(school.seen(&world, COURSE, Some(&member)).await, [200; 5], "the month is paid");
    world.pass(Duration::days(40)).await;
    world.deliver().await;
    member.token = world.log_in(&member).await;
    assert_eq!(school.seen(&world, COURSE, Some(&member)).await, [200, 200, 403, 403, 403]);
    let refused = world.put(format!("{COURSE}/progress"), json!({"lesson": school.preview})).bearer(&member.token).await;
    refused.is_problem(403, "not_owned", "buy this course to read it");
    assert_eq!(world.buy(&member, &school.shop.course_id, "pm_card_visa").await.status, 201);
    let progress = world.get(format!("{COURSE}/progress")).bearer(&member.token).await.json();
    assert_eq!(progress["done"], json!([school.paid]));
}

#[tokio::test]
async fn an_outline_and_previews_can_be_cached_and_the_rest_cannot() {
    let world = World::start().await;
    let school = School::open(&world).await;
    let shop = &school.shop;
    let outline = world.get(format!("{COURSE}/outline")).await;
    assert_eq!(world.operations(), ["GetItem", "BatchGetItem"]);
    outline.is(
        200,
        &json!({
            "course_id": shop.course_id,
            "sections": [{"title": "Basics", "lessons": [
                {"id": school.preview, "title": "Hello", "minutes": 10, "preview": true},
                {"id": school.paid, "title": "Routes", "preview": false},
            ]}],
            "version": 1,
            "updated_at": "[time]",
        }),
    );
    let preview = format!("{COURSE}/lessons/{}", school.preview);
    for answer in [outline, world.get(preview.as_str()).await] {
        assert_eq!(answer.header("cache-control"), Some("public, max-age=0, s-maxage=60, stale-while-revalidate=60"));
    }
    assert_eq!(world.operations(), ["GetItem", "BatchGetItem"]);
    let tag = world.get(preview.as_str()).await.header("etag").expect("it has a tag").to_owned();
    world.get(preview.as_str()).header("if-none-match", tag).await.is_empty(304);
    for path in [preview.as_str(), &format!("{COURSE}/outline")] {
        world.operations();
        let answer = world.get(path).bearer(&shop.buyer.token).await;
        assert_eq!((answer.status, answer.header("cache-control")), (200, Some("private, no-cache")));
        assert_eq!(world.operations(), ["BatchGetItem", "BatchGetItem"]);
    }
    let paid = world.get(format!("{COURSE}/lessons/{}", school.paid)).bearer(&shop.seller.token).await;
    assert_eq!((paid.header("cache-control"), paid.header("etag")), (Some("private, no-store"), None));
    assert_eq!(world.operations(), ["BatchGetItem", "BatchGetItem"]);

    // No longer a preview.
    let sections = json!([{"title": "Basics", "lessons": [{"id": school.preview, "title": "Hello"}, {"id": school.paid, "title": "Routes"}]}]);
    self::outline(&world, &shop.seller, 1, sections).await;
    world.get(preview.as_str()).await.is_problem(401, "not_signed_in", "log in first");

    let plain = world.course(&shop.seller, "Plain", 4000, "usd", 50).await;
    let none = json!({"course_id": plain["id"], "sections": [], "version": 0, "updated_at": null});
    world.get("/courses/plain/outline").await.is(200, &none);
    world.get("/courses/nothing/outline").await.is_problem(404, "not_found", "there is no such course");
    for lesson in [school.paid.as_str(), "les_0000000000000000", "x"] {
        let absent = world.get(format!("/courses/plain/lessons/{lesson}")).bearer(&shop.seller.token).await;
        absent.is_problem(404, "not_found", "there is no such lesson");
    }
}

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
        put(1, sections).await.is_problem(422, "invalid_request", &detail);
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

#[tokio::test]
async fn progress_is_kept_for_each_reader_and_adds_up_across_devices() {
    let world = World::start().await;
    let school = School::open(&world).await;
    let shop = &school.shop;
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await.status, 201);
    let progress = async |reader: &Person| world.get(format!("{COURSE}/progress")).bearer(&reader.token).await.json();
    let path = format!("{COURSE}/progress");
    world.operations();
    let none = json!({"course_id": shop.course_id, "done": [], "last": null, "updated_at": null});
    world.get(path.as_str()).bearer(&shop.buyer.token).await.is(200, &none);
    assert_eq!(world.operations(), ["BatchGetItem", "BatchGetItem"]);

    let noted = world.put(path.as_str(), json!({"lesson": school.paid})).bearer(&shop.buyer.token).await;
    noted.is(200, &json!({"course_id": shop.course_id, "done": [], "last": school.paid, "updated_at": "[time]"}));
    assert_eq!(world.operations(), ["BatchGetItem", "BatchGetItem", "TransactWriteItems"]);
    school.note(&world, &shop.buyer, json!({"lesson": school.paid})).await;
    assert_eq!(world.operations(), ["BatchGetItem", "BatchGetItem"], "nothing changes");

    // Two devices at once.
    let other = async {
        school.note(&world, &shop.buyer, json!({"lesson": school.preview, "done": true})).await;
    };
    let both = around(&world, school.note(&world, &shop.buyer, json!({"lesson": school.paid, "done": true})), other).await;
    assert_eq!(both["done"], json!([school.preview, school.paid]), "in the order of the outline");
    assert_eq!(progress(&shop.seller).await["done"], json!([]), "everybody has their own");

    let undone = school.note(&world, &shop.buyer, json!({"lesson": school.preview, "done": false})).await;
    assert_eq!(undone["done"], json!([school.paid]));
    // A removed lesson is no longer in it.
    outline(&world, &shop.seller, 1, json!([{"title": "S", "lessons": [{"id": school.preview, "title": "Hello"}]}])).await;
    assert_eq!(progress(&shop.buyer).await["done"], json!([]));
    let gone = world.put(path.as_str(), json!({"lesson": school.paid})).bearer(&shop.buyer.token).await;
    gone.is_problem(404, "not_found", "there is no such lesson");
    let bad = world.put(path.as_str(), json!({"lesson": "x"})).bearer(&shop.buyer.token).await;
    bad.is_problem(422, "invalid_request", "lesson: not an id");
    world.put(path.as_str(), json!({"lesson": school.preview})).await.is_problem(401, "not_signed_in", "log in first");
}

#[tokio::test]
async fn progress_is_erased_with_the_account() {
    let world = World::start().await;
    let school = School::open(&world).await;
    let shop = &school.shop;
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await.status, 201);
    school.note(&world, &shop.buyer, json!({"lesson": school.paid, "done": true})).await;
    school.note(&world, &shop.seller, json!({"lesson": school.paid})).await;
    world.erase(&shop.buyer.token).await.is_empty(204);
    world.pass(Duration::minutes(5)).await;
    let report = world.erase_at_stripe().await;
    assert_eq!((report.done, report.waiting), (1, 0), "{report:?}");
    let kept: Vec<String> = world.items().await.into_iter().filter(|item| item.contains("PROGRESS#")).collect();
    assert!(kept.len() == 1 && kept[0].contains(&shop.seller.id), "only the seller's: {kept:?}");
}
