//! A course's outline, its lessons, and readers' progress.

mod progress;
mod writing;

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
    let sections =
        json!([{"title": "Basics", "lessons": [{"id": school.preview, "title": "Hello"}, {"id": school.paid, "title": "Routes"}]}]);
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
