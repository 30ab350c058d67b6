//! How far readers have got.

use serde_json::json;
use time::Duration;

use super::{COURSE, School, around, outline};
use crate::harness::{Person, World};

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
    bad.is_problem(422, "invalid_request", "lesson: not an id at line 1 column 14");
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
