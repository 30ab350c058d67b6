//! `GET /admin/findings`: staff see each finding of the reconciliation once.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use time::Duration;

use crate::harness::{Person, Shop, World};

const CARD: &str = "pm_card_visa";

async fn findings(world: &World, staff: &Person) -> Vec<Value> {
    let answer = world.get("/admin/findings").bearer(&staff.token).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["items"].as_array().expect("it is a list").clone()
}

/// A purchase that exists at Stripe but not in the table. Returns its id and its PaymentIntent's.
async fn forgotten(world: &World, shop: &Shop, buyer: &Person) -> (String, String) {
    let answer = world.buy(buyer, &shop.course_id, CARD).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let id = answer.json()["purchase"]["id"].as_str().expect("an id").to_owned();
    world.forget_purchase(&id).await;
    let payments = world.stripe("/payment_intents?limit=1", None).await;
    (id, payments["data"][0]["id"].as_str().expect("an id").to_owned())
}

/// Changes the amount in the table by hand, in the payment's copy.
async fn change_paid_amount(world: &World, payment: &str, amount: i64) {
    let text = |text: String| AttributeValue::S(text);
    let update = world.database().update_item().table_name(&world.app.config.table_name);
    let update = update.key("pk", text(format!("PAYMENT#{payment}"))).key("sk", text("PAYMENT".to_owned()));
    let update = update.update_expression("SET purchase.attempts[0].amount = :amount");
    update.expression_attribute_values(":amount", AttributeValue::N(amount.to_string())).send().await.expect("it is there");
}

#[tokio::test]
async fn a_difference_from_stripes_books_is_one_finding_however_often_it_is_found() {
    let world = World::with(&[("ORPHAN_POLICY", "report")]).await;
    let shop = world.shop().await;
    let staff = world.staff("staff@example.com").await;
    world.reconcile().await;
    assert_eq!(findings(&world, &staff).await, Vec::<Value>::new());
    let (purchase, payment) = forgotten(&world, &shop, &shop.buyer).await;
    world.pass(Duration::hours(4)).await;
    assert_eq!(world.reconcile().await.differences, 2);

    let found = world.get("/admin/findings").bearer(&staff.token).await;
    let expected = |kind: &str, message: &str, purchase: Value, buyer: Value, sums: [Value; 3]| {
        let [amount, ours, stripe] = sums;
        json!({
            "id": "[cursor]", "kind": kind, "message": message, "purchase_id": purchase, "subscription_id": null, "buyer_id": buyer, "payee_id": null, "account": null,
            "stripe_id": payment, "currency": "usd", "amount": amount, "ours": ours, "stripe": stripe, "reason": null,
            "found_at": "[time]", "last_found_at": "[time]", "settled_at": null,
        })
    };
    let books = "a charge at Stripe is not in our books";
    let books = expected("books_difference", books, json!(null), json!(null), [json!(-5000), json!(null), json!(5000)]);
    let off_record = "a payment at Stripe belongs to no purchase on record";
    let off_record =
        expected("payment_off_record", off_record, json!(purchase), json!(shop.buyer.id), [json!(5000), json!(null), json!(null)]);
    found.is(200, &json!({"items": [books, off_record], "next_cursor": null}));
    assert_eq!(found.header("cache-control"), Some("private, no-store"));

    // A run ended before it saved its progress, so the next one compares the same hours again.
    let mut progress = world.app.store.progress().await.expect("the table is there").expect("it has run");
    progress.books_hour -= 4;
    let _version = world.app.store.save_progress(&mut progress).await.expect("the table is there");
    world.pass(Duration::hours(1)).await;
    assert_eq!(world.reconcile().await.differences, 1);
    let again = findings(&world, &staff).await;
    assert_eq!(again.len(), 2);
    let before = &found.json()["items"];
    assert_eq!((&again[0]["id"], &again[0]["found_at"]), (&before[0]["id"], &before[0]["found_at"]));
    assert_ne!(again[0]["last_found_at"], before[0]["last_found_at"]);
    assert_eq!(again[1], before[1], "findings that were not found again are unchanged");
}

#[tokio::test]
async fn an_amount_that_was_changed_in_the_table_is_found_with_both_sums() {
    let world = World::start().await;
    let shop = world.shop().await;
    let staff = world.staff("staff@example.com").await;
    world.reconcile().await;
    let answer = world.buy(&shop.buyer, &shop.course_id, CARD).await;
    let id = answer.json()["purchase"]["id"].as_str().expect("an id").to_owned();
    let payments = world.stripe("/payment_intents?limit=1", None).await;
    change_paid_amount(&world, payments["data"][0]["id"].as_str().expect("an id"), 4000).await;
    world.pass(Duration::hours(4)).await;
    assert_eq!(world.reconcile().await.differences, 1);
    let found = findings(&world, &staff).await;
    let one = &found[0];
    assert_eq!((found.len(), &one["kind"]), (1, &json!("books_difference")));
    assert_eq!((&one["ours"], &one["stripe"], &one["amount"]), (&json!(4000), &json!(5000), &json!(-1000)));
    assert_eq!((&one["purchase_id"], &one["buyer_id"]), (&json!(id), &json!(shop.buyer.id)));
    assert_eq!(one["message"], "a charge has a different amount in our books than at Stripe");
}

#[tokio::test]
async fn orphaned_payments_that_were_recorded_or_refunded_are_settled_findings() {
    for bought_again in [false, true] {
        let world = World::with(&[("ORPHAN_POLICY", "record")]).await;
        let shop = world.shop().await;
        let staff = world.staff("staff@example.com").await;
        world.reconcile().await;
        let (purchase, payment) = forgotten(&world, &shop, &shop.buyer).await;
        if bought_again {
            assert_eq!(world.buy(&shop.buyer, &shop.course_id, CARD).await.status, 201);
        }
        world.pass(Duration::minutes(30)).await;
        let report = world.reconcile().await;
        assert_eq!((report.recorded, report.returned), if bought_again { (0, 1) } else { (1, 0) });
        let found = findings(&world, &staff).await;
        assert_eq!(found.len(), 1);
        assert_eq!((&found[0]["kind"], &found[0]["stripe_id"]), (&json!("payment_off_record"), &json!(payment)));
        assert_eq!(found[0]["purchase_id"], json!(purchase));
        assert!(found[0]["settled_at"].is_string(), "{}", found[0]);
    }
}

/// Stripe creates such a payment, refuses to confirm it, and keeps it. Otherwise any buyer could fill the findings.
#[tokio::test]
async fn a_payment_that_was_refused_and_left_unpaid_is_canceled_without_a_finding() {
    let world = World::start().await;
    let shop = world.shop().await;
    let staff = world.staff("staff@example.com").await;
    world.reconcile().await;
    let answer = world.buy(&shop.buyer, &shop.course_id, "pm_success_de").await;
    assert_eq!((answer.status, answer.text("code")), (422, "payment_method_refused".to_owned()), "{}", answer.body);
    let statuses = async || {
        let payments = world.stripe("/payment_intents?limit=10", None).await["data"].clone();
        let all: Vec<String> = payments.as_array().expect("a list").iter().map(|one| one["status"].to_string()).collect();
        all
    };
    assert_eq!(statuses().await, [r#""requires_confirmation""#]);
    world.pass(Duration::minutes(30)).await;
    let report = world.reconcile().await;
    assert_eq!((report.repaired, report.differences), (1, 0));
    assert_eq!(statuses().await, [r#""canceled""#]);
    assert_eq!(findings(&world, &staff).await, Vec::<Value>::new());
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, CARD).await.status, 201);
}

#[tokio::test]
async fn a_repair_that_failed_is_found_and_settled_when_it_works() {
    let world = World::start().await;
    let shop = world.shop().await;
    let staff = world.staff("staff@example.com").await;
    world.admin("POST", "webhooks/mode", json!({"drop_next": 100, "own_clock": true})).await;
    let waiting = world.buy(&shop.buyer, &shop.course_id, "pm_card_threeDSecure2Required").await;
    let id = waiting.json()["purchase"]["id"].as_str().expect("an id").to_owned();
    let out = json!({"match": {"method": "GET", "path": "/v1/payment_intents/"}, "times": 6, "fault": {"kind": "html_503"}});
    world.admin("POST", "faults", out).await;
    for (run, minutes) in [6, 6].into_iter().enumerate() {
        world.pass(Duration::minutes(minutes)).await;
        let report = world.reconcile().await;
        assert_eq!((report.checked, report.repaired), (1, 0));
        let found = findings(&world, &staff).await;
        assert_eq!(found.len(), 1, "one purchase is one finding");
        let one = &found[0];
        assert_eq!((&one["kind"], &one["purchase_id"]), (&json!("repair_failed"), &json!(id)));
        assert_eq!((&one["reason"], &one["settled_at"]), (&json!("payment_provider_unavailable"), &json!(null)));
        assert_eq!(one["last_found_at"] == one["found_at"], run == 0);
    }
    world.pass(Duration::minutes(30)).await;
    assert_eq!(world.reconcile().await.checked, 1);
    let found = findings(&world, &staff).await;
    assert_eq!(found.len(), 1);
    assert!(found[0]["settled_at"].is_string(), "{}", found[0]);
}

/// The purchase went on without the reconciliation, so nothing is due any more. The finding must not stay open.
#[tokio::test]
async fn a_repair_that_failed_is_settled_when_an_event_did_its_work() {
    let world = World::start().await;
    let shop = world.shop().await;
    let staff = world.staff("staff@example.com").await;
    let waiting = world.buy(&shop.buyer, &shop.course_id, "pm_card_threeDSecure2Required").await;
    let secret = waiting.text("client_secret");
    let payment = secret.split_once("_secret").expect("a PaymentIntent's secret").0;
    let out = json!({"match": {"method": "GET", "path": "/v1/payment_intents/"}, "times": 3, "fault": {"kind": "html_503"}});
    world.admin("POST", "faults", out).await;
    world.pass(Duration::minutes(6)).await;
    world.reconcile().await;
    assert_eq!(findings(&world, &staff).await.len(), 1);
    world.admin("POST", &format!("payment_intents/{payment}/authenticate"), json!({"outcome": "succeed"})).await;
    world.deliver().await;
    world.pass(Duration::minutes(30)).await;
    world.reconcile().await;
    let found = findings(&world, &staff).await;
    assert!(found.len() == 1 && found[0]["settled_at"].is_string(), "{found:?}");
    assert_eq!(world.reconcile().await.checked, 0, "and it is not looked at again");
}

#[tokio::test]
async fn findings_come_in_pages_the_newest_first_in_one_trip() {
    let world = World::with(&[("ORPHAN_POLICY", "report")]).await;
    let shop = world.shop().await;
    let staff = world.staff("staff@example.com").await;
    world.reconcile().await;
    let mut expected = Vec::new();
    for number in 0..3 {
        let buyer = world.buyer(&format!("b{number}@example.com")).await;
        expected.insert(0, forgotten(&world, &shop, &buyer).await.0);
        world.pass(Duration::minutes(20)).await;
        assert_eq!(world.reconcile().await.differences, 1);
    }
    world.operations();
    let first = world.get("/admin/findings?limit=2").bearer(&staff.token).await;
    let mut operations = world.operations();
    operations.sort();
    assert_eq!(operations, ["BatchGetItem", "Query"]);
    let rest = world.get(format!("/admin/findings?limit=2&cursor={}", first.text("next_cursor"))).bearer(&staff.token).await;
    assert_eq!(rest.json()["next_cursor"], json!(null));
    let found = [first, rest].iter().flat_map(|page| page.json()["items"].as_array().expect("a list").clone()).collect::<Vec<_>>();
    let found: Vec<&str> = found.iter().map(|one| one["purchase_id"].as_str().expect("an id")).collect();
    assert_eq!(found, expected);
    let users = world.get("/admin/users?limit=1").bearer(&staff.token).await;
    let others = world.get(format!("/admin/findings?cursor={}", users.text("next_cursor"))).bearer(&staff.token).await;
    others.is_problem(400, "bad_cursor", "cursor must be the next_cursor of an earlier response of the same list");
}

#[tokio::test]
async fn only_staff_see_findings() {
    let world = World::start().await;
    let shop = world.shop().await;
    for person in [&shop.buyer, &shop.seller] {
        world.get("/admin/findings").bearer(&person.token).await.is_problem(403, "forbidden", "you may not do this");
    }
    world.get("/admin/findings").await.is_problem(401, "not_signed_in", "log in first");
    let staff = world.staff("staff@example.com").await;
    let long = world.get("/admin/findings?limit=101").bearer(&staff.token).await;
    long.is_problem(422, "invalid_request", "limit must be a whole number from 1 to 100");
}
