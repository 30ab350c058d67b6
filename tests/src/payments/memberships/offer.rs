//! `/sellers/{id}/membership`

use serde_json::json;

use crate::harness::World;

#[tokio::test]
async fn a_seller_offers_a_membership_changes_it_and_ends_it() {
    let world = World::start().await;
    let (seller, other) = (world.seller("seller@example.com").await, world.seller("other@example.com").await);
    let buyer = world.buyer("buyer@example.com").await;
    let path = format!("/sellers/{}/membership", seller.id);
    let none = "there is no such membership";
    world.get(&path).await.is(200, &json!({"offered": false}));
    world.get("/sellers/nobody/membership").await.is_problem(404, "not_found", none);

    let monthly = json!({"monthly": {"amount": 1000}, "currency": "usd"});
    world.post(&path, monthly.clone()).await.is_problem(401, "not_signed_in", "log in first");
    world.post(&path, monthly.clone()).bearer(&other.token).await.is_problem(403, "forbidden", "you may not do this");
    let of_buyer = world.post(format!("/sellers/{}/membership", buyer.id), monthly.clone()).bearer(&buyer.token).await;
    assert_eq!((of_buyer.status, of_buyer.text("code")), (403, "not_a_seller".to_owned()));
    for (body, detail) in [
        (json!({"currency": "usd"}), "monthly or yearly must be given"),
        (json!({"monthly": {"amount": 49}, "currency": "usd"}), "monthly.amount must lie between 50 and 99999999 minor units of usd"),
        (json!({"yearly": {"amount": 0}, "currency": "usd"}), "yearly.amount must lie between 50 and 99999999 minor units of usd"),
        (
            json!({"monthly": {"amount": 1000}, "currency": "usd", "title": " "}),
            "title must be one line of 1 to 200 characters, without hidden ones",
        ),
        (
            json!({"monthly": {"amount": 1000}, "currency": "usd", "title": "\u{3164}"}),
            "title must be one line of 1 to 200 characters, without hidden ones",
        ),
    ] {
        world.post(&path, body).bearer(&seller.token).await.is_problem(422, "invalid_request", detail);
    }
    world.operations();
    let made = world.post(&path, monthly).bearer(&seller.token).await;
    let mut expected = json!({
        "offered": true, "available": false, "seller_id": seller.id, "title": "Membership", "monthly": {"amount": 1000}, "yearly": null, "currency": "usd", "updated_at": "[time]",
    });
    made.is(200, &expected);
    assert_eq!(world.operations(), ["BatchGetItem", "TransactWriteItems"]);
    world.get(&path).await.is(200, &expected);

    let body = json!({"title": "All of it", "yearly": {"amount": 9000}, "currency": "eur"});
    world.post(&path, body).bearer(&seller.token).await;
    expected["title"] = "All of it".into();
    expected["monthly"] = json!(null);
    expected["yearly"] = json!({"amount": 9000});
    expected["currency"] = "eur".into();
    world.get(&path).bearer(&buyer.token).await.is(200, &expected);

    world.delete(&path).bearer(&other.token).await.is_problem(403, "forbidden", "you may not do this");
    world.delete(&path).bearer(&seller.token).await.is_empty(204);
    world.get(&path).await.is(200, &json!({"offered": false}));
    assert!(world.asked_stripe().await.is_empty(), "prices are created with the first subscription");
}
