//! `GET /purchases`, `GET /purchases/{id}` and `GET /sales`

use serde_json::{Value, json};

use crate::harness::{Shop, World};

fn items(body: &Value) -> &[Value] {
    body["items"].as_array().map(Vec::as_slice).unwrap_or_else(|| panic!("{body} has no items"))
}

async fn sold(world: &World) -> (Shop, String) {
    let shop = world.shop().await;
    let answer = world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let id = answer.json()["purchase"]["id"].as_str().expect("it has an id").to_owned();
    (shop, id)
}

#[tokio::test]
async fn buyers_see_what_they_bought() {
    let world = World::start().await;
    let (shop, id) = sold(&world).await;
    let expected = json!({
        "id": id,
        "course_id": shop.course_id,
        "course_slug": "flask-microservices",
        "course_title": "Flask Microservices",
        "status": "paid",
        "processing": false,
        "amount": 5000,
        "currency": "usd",
        "application_fee": 2500,
        "charge_type": "destination",
        "refunded": 0,
        "refunds": [],
        "attempts": 1,
        "created_at": "[time]",
        "updated_at": "[time]",
        "paid_at": "[time]",
    });
    world.operations();
    let one = world.get(format!("/purchases/{id}")).bearer(&shop.buyer.token).await;
    one.is(200, &expected);
    assert_eq!(one.header("cache-control"), Some("private, no-store"));
    let mut operations = world.operations();
    operations.sort();
    assert_eq!(operations, ["BatchGetItem", "GetItem"]);

    let all = world.get("/purchases").bearer(&shop.buyer.token).await;
    all.is(200, &json!({"items": [one.json()], "next_cursor": null}));
    let mut operations = world.operations();
    operations.sort();
    assert_eq!(operations, ["BatchGetItem", "Query"]);
}

#[tokio::test]
async fn a_purchase_is_visible_only_to_its_buyer() {
    let world = World::start().await;
    let (shop, id) = sold(&world).await;
    let (stranger, staff) = (world.buyer("stranger@example.com").await, world.staff("staff@example.com").await);
    for person in [&stranger, &staff, &shop.seller] {
        let answer = world.get(format!("/purchases/{id}")).bearer(&person.token).await;
        answer.is_problem(404, "not_found", "there is no such purchase");
        let list = world.get("/purchases").bearer(&person.token).await;
        list.is(200, &json!({"items": [], "next_cursor": null}));
    }
    // A token with the buyer's id and somebody else's secret.
    let part = shop.buyer.token.split_once('.').expect("it has two parts").0;
    let stolen = format!("{part}.{}", stranger.token.split_once('.').expect("it has two parts").1);
    for path in [format!("/purchases/{id}"), "/purchases".to_owned(), "/sales".to_owned()] {
        world.get(path.as_str()).bearer(&stolen).await.is_problem(401, "not_signed_in", "log in first");
        world.get(path.as_str()).await.is_problem(401, "not_signed_in", "log in first");
    }
    let (all_but_one, other_end) = (&id[..id.len() - 1], if id.ends_with('0') { '1' } else { '0' });
    for id in ["pur_x", "%00", "x", &id.replace("pur_", "crs_"), all_but_one, &format!("{all_but_one}{other_end}")] {
        let answer = world.get(format!("/purchases/{id}")).bearer(&shop.buyer.token).await;
        answer.is_problem(404, "not_found", "there is no such purchase");
    }
}

#[tokio::test]
async fn purchases_come_in_pages_the_newest_first() {
    let world = World::start().await;
    let shop = world.shop().await;
    let mut expected = Vec::new();
    for number in 0..5 {
        let course = world.course(&shop.seller, &format!("Course {number}"), 1000 + number, "usd", 10).await;
        let answer = world.buy(&shop.buyer, course["id"].as_str().expect("it has an id"), "pm_card_visa").await;
        expected.push(answer.json()["purchase"].clone());
        world.app.clock.advance(time::Duration::seconds(1));
    }
    expected.reverse();
    let first = world.get("/purchases?limit=3").bearer(&shop.buyer.token).await;
    first.is(200, &json!({"items": expected[..3], "next_cursor": "[cursor]"}));
    let rest = format!("/purchases?limit=3&cursor={}", first.text("next_cursor"));
    world.get(rest.as_str()).bearer(&shop.buyer.token).await.is(200, &json!({"items": expected[3..], "next_cursor": null}));
    let others = world.get(rest).bearer(&shop.seller.token).await;
    others.is_problem(400, "bad_cursor", "cursor must be the next_cursor of an earlier response of the same list");

    let sales = world.get("/sales?limit=4").bearer(&shop.seller.token).await.json();
    let amounts: Vec<&Value> = items(&sales).iter().map(|sale| &sale["amount"]).collect();
    assert_eq!(amounts, [1004, 1003, 1002, 1001]);
    let cursor = sales["next_cursor"].as_str().expect("there is more");
    let last = world.get(format!("/sales?cursor={cursor}")).bearer(&shop.seller.token).await.json();
    assert_eq!((items(&last).len(), &items(&last)[0]["amount"]), (1, &json!(1000)));
}

#[tokio::test]
async fn sellers_see_their_sales_and_earnings() {
    let world = World::start().await;
    let (shop, id) = sold(&world).await;
    let declined = world.buyer("declined@example.com").await;
    let answer = world.buy(&declined, &shop.course_id, "pm_card_visa_chargeDeclined").await;
    assert_eq!(answer.status, 402, "{}", answer.body);

    world.operations();
    let sales = world.get("/sales").bearer(&shop.seller.token).await;
    sales.is(
        200,
        &json!({
            "items": [{
                "purchase_id": id,
                "course_id": shop.course_id,
                "course_title": "Flask Microservices",
                "status": "paid",
                "processing": false,
                "amount": 5000,
                "currency": "usd",
                "application_fee": 2500,
                "charge_type": "destination",
                "application_fee_refunded": 0,
                "refunded": 0,
                "disputed": 0,
                "stripe_fee": 175,
                "net": 2500,
                "created_at": "[time]",
                "paid_at": "[time]",
            }],
            "next_cursor": null,
            "totals": [{
                "currency": "usd",
                "sales": 1,
                "gross": 5000,
                "application_fee": 2500,
                "refunded": 0,
                "disputed": 0,
                "net": 2500,
                "stripe_fee": 175,
            }],
        }),
    );
    let mut operations = world.operations();
    operations.sort();
    assert_eq!(operations, ["BatchGetItem", "Query", "Query"], "an unpaid purchase is not a sale");

    let failed = world.get("/purchases").bearer(&declined.token).await.json();
    assert_eq!((items(&failed).len(), &items(&failed)[0]["status"]), (1, &json!("failed")));
    assert_eq!(items(&failed)[0]["failure"]["code"], "card_declined");
}

#[tokio::test]
async fn sales_are_for_sellers() {
    let world = World::start().await;
    let (shop, _) = sold(&world).await;
    let not_a_seller = "only sellers may do this; ask the staff to make you one";
    world.get("/sales").bearer(&shop.buyer.token).await.is_problem(403, "not_a_seller", not_a_seller);
    let other = world.seller("other@example.com").await;
    world.get("/sales").bearer(&other.token).await.is(200, &json!({"items": [], "next_cursor": null, "totals": []}));

    world.roles(&shop.seller, Some(false), None).await;
    world.get("/sales").bearer(&shop.seller.token).await.is_problem(403, "not_a_seller", not_a_seller);
    world.roles(&shop.seller, Some(true), None).await;
    let sales = world.get("/sales").bearer(&shop.seller.token).await.json();
    assert_eq!(items(&sales).len(), 1, "unmaking a seller deletes nothing");
    let me = world.get("/users/me").bearer(&shop.seller.token).await.json();
    assert_eq!(me["stripe"]["connected"], true);
}
