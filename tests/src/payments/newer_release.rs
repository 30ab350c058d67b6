//! Two releases run side by side during a deploy, for half an hour if it moves requests gradually: this release must get along with
//! what a newer one stores.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};

use crate::harness::World;

/// Adds an unknown attribute to every item, and to the records in its lists, such as a purchase's attempts.
async fn add_what_a_newer_release_would(world: &World) -> usize {
    let mut changed = 0;
    for table in [&world.app.config.table_name, &world.app.config.credentials_table] {
        let mut pages = world.database().scan().table_name(table).into_paginator().send();
        while let Some(page) = pages.next().await {
            for mut item in page.expect("the table can be read").items.unwrap_or_default() {
                add(&mut item);
                world.database().put_item().table_name(table).set_item(Some(item)).send().await.expect("the table can be written");
                changed += 1;
            }
        }
    }
    changed
}

fn add(record: &mut HashMap<String, AttributeValue>) {
    for list in record.values_mut() {
        if let AttributeValue::L(records) = list {
            for one in records {
                if let AttributeValue::M(one) = one {
                    add(one);
                }
            }
        }
    }
    let unknown = HashMap::from([("of".to_owned(), AttributeValue::S("a newer release".to_owned()))]);
    record.insert("added_later".to_owned(), AttributeValue::M(unknown));
}

#[tokio::test]
async fn what_a_newer_release_adds_to_an_item_is_skipped_and_the_item_is_used() {
    let world = World::start().await;
    let shop = world.shop().await;
    let staff = world.staff("staff@example.com").await;
    let course = format!("/courses/{}", shop.course_id);
    let outline = json!({"version": 0, "sections": [{"title": "Basics", "lessons": [{"title": "Routes"}]}]});
    assert_eq!(world.put(format!("{course}/outline"), outline).bearer(&shop.seller.token).await.status, 200);
    let club = format!("/sellers/{}/membership", shop.seller.id);
    let offer = json!({"title": "Club", "monthly": {"amount": 1000}, "currency": "usd"});
    assert_eq!(world.post(club.as_str(), offer).bearer(&shop.seller.token).await.status, 200);
    let joins = json!({"interval": "month", "payment_method": "pm_card_visa"});
    let joined = world.post(format!("{club}/subscribe"), joins).bearer(&shop.buyer.token).await;
    assert_eq!(joined.status, 201, "{}", joined.body);
    let bought = world.buy(&shop.buyer, &shop.course_id, "pm_card_bypassPending").await;
    assert_eq!(bought.status, 201, "{}", bought.body);
    let purchase = format!("/purchases/{}", bought.json()["purchase"]["id"].as_str().expect("an id"));
    world.deliver().await;

    let seen = [
        ("/users/me", &shop.buyer.token),
        ("/users/me", &shop.seller.token),
        ("/courses", &shop.buyer.token),
        (course.as_str(), &shop.buyer.token),
        ("/purchases", &shop.buyer.token),
        (purchase.as_str(), &shop.buyer.token),
        ("/subscriptions", &shop.buyer.token),
        ("/sales", &shop.seller.token),
        ("/admin/users", &staff.token),
    ];
    let read = async || {
        let mut answers = Vec::new();
        for (path, token) in seen {
            let answer = world.get(path).bearer(token).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.body);
            answers.push(answer.json());
        }
        answers
    };
    let before = read().await;
    assert!(add_what_a_newer_release_would(&world).await > 20);
    assert_eq!(read().await, before);

    // What changes such an item still does: a refund, a member's cancellation, a change of the course, a run of reconcile.
    let refunded = world.post(format!("{purchase}/refund"), json!({"amount": 1000})).bearer(&shop.seller.token).await;
    assert_eq!((refunded.status, &refunded.json()["refunded"]), (200, &json!(1000)), "{}", refunded.body);
    let subscription = before[6]["items"][0]["id"].as_str().expect("an id");
    let canceled = world.post(format!("/subscriptions/{subscription}/cancel"), json!({})).bearer(&shop.buyer.token).await;
    assert_eq!(canceled.status, 200, "{}", canceled.body);
    let renamed = world.patch(course.as_str(), json!({"title": "Flask again"})).bearer(&shop.seller.token).await;
    assert_eq!((renamed.status, &renamed.json()["title"]), (200, &json!("Flask again")), "{}", renamed.body);
    world.deliver().await;
    let run = world.reconcile().await;
    assert_eq!(run.differences, 0, "{run:?}");
    world.books().await;
    let again: Value = world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await.json();
    assert_eq!(again["code"], "already_owned");
}
