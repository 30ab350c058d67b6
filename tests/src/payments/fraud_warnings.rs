//! Early fraud warnings: staff are told, or the purchase is refunded, once.

use serde_json::{Value, json};
use time::Duration;

use crate::harness::{Person, Shop, World};

const STAFF: &str = "desk@example.com";

/// The issuer reports fraud right after this card has paid.
const CARD: &str = "pm_card_createIssuerFraudRecord";

const SUBJECT: &str = "A bank warns of fraud: Django";

const CREATED: &str = "radar.early_fraud_warning.created";

/// Returns the world, its staff, and a course that was bought.
async fn bought(charge_type: &str, policy: &str, card: &str) -> (World, Person, Shop, String) {
    let world = World::with(&[("CHARGE_TYPE", charge_type), ("FRAUD_WARNINGS", policy), ("STAFF_EMAIL", STAFF)]).await;
    let (staff, mut shop) = (world.staff("staff@example.com").await, world.shop().await);
    let course = world.course(&shop.seller, "Django", 5000, "usd", 50).await;
    shop.course_id = course["id"].as_str().expect("an id").to_owned();
    world.reconcile().await;
    let answer = world.buy(&shop.buyer, &shop.course_id, card).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let id = answer.json()["purchase"]["id"].as_str().expect("an id").to_owned();
    (world, staff, shop, id)
}

fn account<'a>(charge_type: &str, shop: &'a Shop) -> Option<&'a str> {
    (charge_type == "direct").then_some(shop.account.as_str())
}

/// The card's issuer warns of the newest payment. Returns the event.
async fn warned(world: &World, account: Option<&str>) -> Value {
    let charge = world.succeeded(account).await[0]["latest_charge"].as_str().expect("it was charged").to_owned();
    let warning = world.admin("POST", &format!("charges/{charge}/fraud_warning"), json!({})).await;
    world.event(CREATED, |one| one["id"] == warning["id"]).await.expect("it was reported")
}

async fn findings(world: &World, staff: &Person) -> Vec<Value> {
    let list = world.get("/admin/findings").bearer(&staff.token).await.json();
    list["items"].as_array().unwrap_or_else(|| panic!("{list}")).iter().filter(|one| one["kind"] == "fraud_warning").cloned().collect()
}

async fn status(world: &World, shop: &Shop, id: &str) -> String {
    world.get(format!("/purchases/{id}")).bearer(&shop.buyer.token).await.text("status")
}

async fn refunds(world: &World, account: Option<&str>) -> Vec<Value> {
    world.stripe("/refunds?limit=100", account).await["data"].as_array().expect("a list").clone()
}

/// How many mails about the warning went to this address.
fn told(world: &World, address: &str) -> usize {
    world.mails_to(address).iter().filter(|mail| mail.subject == SUBJECT).count()
}

#[tokio::test]
async fn staff_are_told_once_of_a_warning_and_so_is_the_seller_whose_account_was_charged() {
    for (charge_type, sellers) in [("destination", 0), ("separate", 0), ("direct", 1)] {
        let (world, staff, shop, id) = Box::pin(bought(charge_type, "tell", CARD)).await;
        let account = account(charge_type, &shop);
        world.deliver().await;
        let event = world.event(CREATED, |_| true).await.expect("the issuer has warned");
        for number in 0..3 {
            // Stripe sends it again, also under another id.
            let mut again = event.clone();
            again["id"] = format!("evt_again_{}", number / 2).into();
            assert_eq!(world.tell(&again).await.status, 200);
            world.pump().await;
        }
        let found = findings(&world, &staff).await;
        assert_eq!(found.len(), 1, "{charge_type}: {found:?}");
        let expected = json!([id, shop.buyer.id, account, event["data"]["object"]["id"], 5000, "usd", "made_with_stolen_card", null]);
        let fields = ["purchase_id", "buyer_id", "account", "stripe_id", "amount", "currency", "reason", "settled_at"];
        assert_eq!(json!(fields.map(|name| found[0][name].clone())), expected, "{charge_type}");
        assert_eq!(
            (told(&world, STAFF), told(&world, &shop.seller.email), told(&world, &shop.buyer.email)),
            (1, sellers, 0),
            "{charge_type}"
        );
        let mail = world.mails_to(STAFF).into_iter().find(|mail| mail.subject == SUBJECT).expect("it was sent");
        for text in ["50.00", "made with stolen card", "staff.html#findings", id.as_str()] {
            assert!(mail.text.contains(text), "{charge_type}: {text} is not in {}", mail.text);
        }
        world.pass(Duration::minutes(40)).await;
        world.reconcile().await;
        assert_eq!((status(&world, &shop, &id).await, refunds(&world, account).await.len()), ("paid".to_owned(), 0), "{charge_type}");
        // A refund of a part changes nothing; once all is refunded, nothing is left to do.
        for (body, settled) in [(json!({"amount": 1000, "platform_pays": true}), false), (json!({"platform_pays": true}), true)] {
            world.enter_password(&staff).await;
            let refund = world.post(format!("/purchases/{id}/refund"), body).bearer(&staff.token).await;
            assert_eq!(refund.status, 200, "{charge_type}: {}", refund.body);
            world.pass(Duration::days(1)).await;
            world.reconcile().await;
            world.deliver().await;
            assert_eq!(findings(&world, &staff).await[0]["settled_at"].is_string(), settled, "{charge_type}");
        }
    }
}

#[tokio::test]
async fn a_warning_refunds_the_purchase_once_where_the_operator_wants_it() {
    for charge_type in ["destination", "separate", "direct"] {
        let (world, staff, shop, id) = Box::pin(bought(charge_type, "refund", CARD)).await;
        let account = account(charge_type, &shop);
        world.deliver().await;
        let event = world.event(CREATED, |_| true).await.expect("the issuer has warned");
        assert_eq!(refunds(&world, account).await.len(), 0, "{charge_type}: the reconciliation makes it");
        world.pass(Duration::minutes(15)).await;
        world.reconcile().await;
        // With separate transfers, once the payee's money is there.
        let made_at_once = usize::from(charge_type != "separate");
        assert_eq!(refunds(&world, account).await.len(), made_at_once, "{charge_type}");
        world.pass(Duration::days(8)).await;
        for _ in 0..4 {
            world.reconcile().await;
            world.deliver().await;
            assert_eq!(world.tell(&event).await.status, 200);
            world.pass(Duration::minutes(15)).await;
        }
        world.pump().await;
        assert_eq!(status(&world, &shop, &id).await, "refunded", "{charge_type}");
        let made = refunds(&world, account).await;
        assert_eq!(made.len(), 1, "{charge_type}: {made:?}");
        assert_eq!((&made[0]["amount"], &made[0]["reason"]), (&json!(5000), &json!("fraudulent")), "{charge_type}");
        assert_eq!(
            world.mails_to(&shop.buyer.email).iter().filter(|mail| mail.subject == "Your refund: Django").count(),
            1,
            "{charge_type}"
        );
        assert_eq!(told(&world, STAFF), 1, "{charge_type}");
        assert!(findings(&world, &staff).await[0]["settled_at"].is_string(), "{charge_type}");
        let sale = world.get("/sales").bearer(&shop.seller.token).await.json()["items"][0].clone();
        assert_eq!((&sale["net"], &sale["refunded"]), (&json!(0), &json!(5000)), "{charge_type}");
        world.books().await;
    }
}

#[tokio::test]
async fn a_warning_of_a_payment_that_was_refunded_or_disputed_does_nothing() {
    for policy in ["tell", "refund"] {
        for is_disputed in [false, true] {
            let (world, staff, shop, id) = Box::pin(bought("destination", policy, "pm_card_visa")).await;
            // It is sent before, and arrives after.
            let event = warned(&world, None).await;
            assert_eq!(event["data"]["object"]["actionable"], true);
            if is_disputed {
                let charge = event["data"]["object"]["charge"].as_str().expect("it names the charge");
                let dispute = world.admin("POST", &format!("charges/{charge}/dispute"), json!({})).await;
                let opened = world.event("charge.dispute.created", |one| one["id"] == dispute["id"]).await.expect("it was reported");
                assert_eq!(world.tell(&opened).await.status, 200);
            } else {
                let refund = world.post(format!("/purchases/{id}/refund"), json!({})).bearer(&shop.seller.token).await;
                assert_eq!(refund.status, 200, "{}", refund.body);
            }
            let made = refunds(&world, None).await.len();
            assert_eq!(world.tell(&event).await.status, 200);
            world.pass(Duration::minutes(40)).await;
            world.reconcile().await;
            world.pump().await;
            assert_eq!((findings(&world, &staff).await, told(&world, STAFF)), (Vec::new(), 0), "{policy}, disputed: {is_disputed}");
            assert_eq!(refunds(&world, None).await.len(), made, "{policy}, disputed: {is_disputed}");
        }
    }
}

#[tokio::test]
async fn a_warning_of_another_stacks_payment_is_left_to_that_stack() {
    let settings = |stack: &'static str, table: &'static str| {
        [("STACK_ID", stack), ("TABLE_NAME", table), ("CHARGE_TYPE", "destination"), ("FRAUD_WARNINGS", "refund"), ("STAFF_EMAIL", STAFF)]
    };
    let first = World::with(&settings("first", "courses-first")).await;
    let second = first.beside(&settings("second", "courses-second")).await;
    let (shop, staff) = (first.shop().await, second.staff("staff@example.com").await);
    assert_eq!(first.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await.status, 201);
    let event = warned(&first, None).await;
    assert_eq!(second.tell(&event).await.status, 200);
    second.pump().await;
    assert_eq!((findings(&second, &staff).await, second.mails_to(STAFF).len()), (Vec::new(), 0));
    second.pass(Duration::minutes(40)).await;
    second.reconcile().await;
    assert_eq!(refunds(&second, None).await, Vec::<Value>::new());
    assert_eq!(first.tell(&event).await.status, 200);
    first.reconcile().await;
    first.pass(Duration::minutes(3)).await;
    first.reconcile().await;
    assert_eq!(refunds(&first, None).await.len(), 1);
}

#[tokio::test]
async fn a_refund_under_way_comes_first_and_staff_decide_about_the_rest() {
    let (world, staff, shop, id) = Box::pin(bought("destination", "refund", "pm_card_visa")).await;
    let event = warned(&world, None).await;
    let lost = json!({"match": {"method": "POST", "path": "/v1/refunds"}, "times": 3, "fault": {"kind": "drop_before"}});
    world.admin("POST", "faults", lost).await;
    let partial = world.post(format!("/purchases/{id}/refund"), json!({"amount": 1000})).bearer(&shop.seller.token).await;
    assert_eq!(partial.status, 503, "{}", partial.body);
    assert_eq!(world.tell(&event).await.status, 200);
    world.pass(Duration::minutes(40)).await;
    world.reconcile().await;
    let made = refunds(&world, None).await;
    assert_eq!(made.iter().map(|one| one["amount"].clone()).collect::<Vec<_>>(), [json!(1000)]);
    assert_eq!(status(&world, &shop, &id).await, "partially_refunded");
    assert!(findings(&world, &staff).await[0]["settled_at"].is_null());
}
