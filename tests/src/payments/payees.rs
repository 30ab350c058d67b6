//! Who gets what of a sale: shares of several payees, terms of one seller's own, and fees.

use serde_json::{Value, json};
use time::Duration;

use crate::harness::{Person, World};

const CARD: &str = "pm_card_bypassPending";

/// A course that three sellers share.
struct Shared {
    sellers: Vec<Person>,
    accounts: Vec<String>,
    buyer: Person,
    course_id: String,
}

async fn shared(world: &World, amount: i64, shares: [u8; 3]) -> Shared {
    let (mut sellers, mut accounts) = (Vec::new(), Vec::new());
    for name in ["one", "two", "three"] {
        let seller = world.seller(&format!("{name}@example.com")).await;
        accounts.push(world.link(&seller).await);
        sellers.push(seller);
    }
    let course = world.course(&sellers[0], "Shared", amount, "usd", 33).await;
    let payees: Vec<Value> = sellers.iter().zip(shares).map(|(seller, share)| json!({"seller": seller.id, "share": share})).collect();
    let changed = world.patch("/courses/shared", json!({"payees": payees})).bearer(&sellers[0].token).await;
    assert_eq!((changed.status, &changed.json()["payees"]), (200, &json!(payees)), "{}", changed.body);
    let buyer = world.buyer("buyer@example.com").await;
    Shared { sellers, accounts, buyer, course_id: course["id"].as_str().expect("an id").to_owned() }
}

/// By account: what was transferred to it and not taken back.
async fn transferred(world: &World, accounts: &[String]) -> Vec<i64> {
    let list = world.stripe("/transfers?limit=100", None).await;
    let all = list["data"].as_array().unwrap_or_else(|| panic!("{list}")).clone();
    let left = |one: &Value| one["amount"].as_i64().unwrap_or(0) - one["amount_reversed"].as_i64().unwrap_or(0);
    accounts.iter().map(|account| all.iter().filter(|one| one["destination"] == **account).map(left).sum()).collect()
}

#[tokio::test]
async fn a_sale_is_shared_to_the_last_cent_and_so_is_its_refund() {
    let world = World::start().await;
    let shop = shared(&world, 10_001, [50, 30, 20]).await;
    let answer = world.buy(&shop.buyer, &shop.course_id, CARD).await;
    assert_eq!((answer.status, &answer.json()["purchase"]["charge_type"]), (201, &json!("separate")), "{}", answer.body);
    assert_eq!(answer.json()["purchase"]["application_fee"], 3300);
    world.deliver().await;
    // 6701 is left: 3350.5, 2010.3 and 1340.2.
    assert_eq!(transferred(&world, &shop.accounts).await, [3351, 2010, 1340]);

    let id = answer.json()["purchase"]["id"].as_str().expect("an id").to_owned();
    for (amount, left) in [(json!({"amount": 1}), 6700), (json!({"amount": 3333}), 4467), (json!({}), 0)] {
        let refund = world.post(format!("/purchases/{id}/refund"), amount).bearer(&shop.sellers[0].token).await;
        assert_eq!(refund.status, 200, "{}", refund.body);
        assert_eq!(transferred(&world, &shop.accounts).await.iter().sum::<i64>(), left);
    }
    assert_eq!(transferred(&world, &shop.accounts).await, [0, 0, 0]);
    world.books().await;
}

#[tokio::test]
async fn a_payee_who_cannot_be_paid_waits_and_holds_nobody_up() {
    let world = World::start().await;
    let shop = shared(&world, 10_000, [50, 30, 20]).await;
    let fault = json!({"match": {"method": "POST", "path": "/v1/transfers"}, "times": 1, "skip": 1,
        "fault": {"kind": "status", "status": 400}});
    world.admin("POST", "faults", fault).await;
    let answer = world.buy(&shop.buyer, &shop.course_id, CARD).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    world.deliver().await;
    assert_eq!(transferred(&world, &shop.accounts).await, [3350, 0, 1340]);
    assert_eq!(world.reconcile().await.checked, 0, "not at once");
    world.pass(Duration::minutes(5)).await;
    assert_eq!(world.reconcile().await.repaired, 1);
    assert_eq!(transferred(&world, &shop.accounts).await, [3350, 2010, 1340]);
    world.pass(Duration::days(1)).await;
    assert_eq!(world.reconcile().await.checked, 0);
    world.books().await;
}

#[tokio::test]
async fn shares_are_whole_percents_of_sellers_that_add_up() {
    let world = World::start().await;
    let (seller, other) = (world.seller("seller@example.com").await, world.seller("other@example.com").await);
    let buyer = world.buyer("buyer@example.com").await;
    world.course(&seller, "Shared", 5000, "usd", 10).await;
    let sum = "payees: the shares must be whole percents above 0 that add up to 100";
    let one = |person: &Person, share: u32| json!({"seller": person.id, "share": share});
    for (payees, detail) in [
        (json!([one(&seller, 50)]), sum.to_owned()),
        (json!([one(&seller, 100), one(&other, 0)]), sum.to_owned()),
        (json!([one(&seller, 50), one(&seller, 50)]), "payees: each seller stands there once".to_owned()),
        (json!([one(&seller, 50), one(&buyer, 50)]), format!("payees: {} is no seller", buyer.id)),
    ] {
        let answer = world.patch("/courses/shared", json!({"payees": payees})).bearer(&seller.token).await;
        answer.is_problem(422, "invalid_request", &detail);
    }
    let both = json!({"payees": [one(&seller, 60), one(&other, 40)]});
    assert_eq!(world.patch("/courses/shared", both).bearer(&seller.token).await.status, 200);
    let answer = world.patch("/courses/shared", json!({"payees": []})).bearer(&seller.token).await;
    assert_eq!((answer.status, answer.json().get("payees")), (200, None));
}

#[tokio::test]
async fn a_course_is_not_sold_while_a_payee_has_no_account() {
    let world = World::start().await;
    let shop = shared(&world, 10_000, [50, 30, 20]).await;
    assert_eq!(world.delete("/users/me/stripe").bearer(&shop.sellers[2].token).await.status, 204);
    let answer = world.buy(&shop.buyer, &shop.course_id, CARD).await;
    answer.is_problem(409, "seller_not_connected", "the seller of this course cannot be paid at the moment");
    assert!(world.succeeded(None).await.is_empty());
}

#[tokio::test]
async fn staff_agree_on_terms_with_one_seller() {
    let world = World::with(&[("FEE_FIXED", "usd:30"), ("FEE_MINIMUM", "usd:100")]).await;
    let shop = world.shop().await;
    let staff = world.staff("staff@example.com").await;
    let path = format!("/admin/users/{}", shop.seller.id);
    let first = world.buy(&shop.buyer, &shop.course_id, CARD).await.json();
    assert_eq!((&first["purchase"]["charge_type"], &first["purchase"]["application_fee"]), (&json!("destination"), &json!(2530)));

    let terms = json!({"charge_type": "direct", "fee_percent": 10, "fee_fixed": {"usd": 7}});
    let agreed = world.patch(path.as_str(), json!({"terms": terms})).bearer(&staff.token).await;
    assert_eq!((agreed.status, &agreed.json()["terms"]), (200, &terms), "{}", agreed.body);
    let second = world.buyer("second@example.com").await;
    let second = world.buy(&second, &shop.course_id, CARD).await.json();
    assert_eq!((&second["purchase"]["charge_type"], &second["purchase"]["application_fee"]), (&json!("direct"), &json!(507)));

    let none = world.patch(path.as_str(), json!({"terms": {"fee_percent": 0, "fee_fixed": {}}})).bearer(&staff.token).await;
    assert_eq!(none.status, 200, "{}", none.body);
    let third = world.buyer("third@example.com").await;
    assert_eq!(world.buy(&third, &shop.course_id, CARD).await.json()["purchase"]["application_fee"], 100, "the minimum");

    let taken = world.patch(path.as_str(), json!({"terms": null})).bearer(&staff.token).await;
    assert_eq!((taken.status, taken.json().get("terms")), (200, None));
    let fourth = world.buyer("fourth@example.com").await;
    assert_eq!(world.buy(&fourth, &shop.course_id, CARD).await.json()["purchase"]["application_fee"], 2530);
    let bad = world.patch(path.as_str(), json!({"terms": {"fee_fixed": {"usd": -1}}})).bearer(&staff.token).await;
    bad.is_problem(422, "invalid_request", "terms: amounts must lie between 0 and 99999999 minor units");
    world.patch(path.as_str(), json!({"terms": terms})).bearer(&shop.seller.token).await.is_problem(
        403,
        "forbidden",
        "you may not do this",
    );
    world.books().await;
}
