//! Guards behind other guards. Each is tested alone, because nobody would notice if one stopped working.

use local::proxy::{Fault, Kind};
use serde_json::{Value, json};
use shared::domain::ids::PurchaseId;
use shared::domain::purchase::Purchase;
use shared::store::Written;
use time::Duration;

use crate::harness::{CONNECT, PLATFORM, Shop, World};

async fn record(world: &World, id: &str) -> Purchase {
    let id: PurchaseId = id.parse().expect("it is an id");
    world.app.store.purchase(&id).await.expect("the table is there").expect("it is on record")
}

async fn slug_of(world: &World) -> String {
    world.get("/courses").await.json()["items"][0]["slug"].as_str().expect("it has one").to_owned()
}

fn id_of(answer: &Value) -> &str {
    answer["purchase"]["id"].as_str().expect("an id")
}

/// Starts a purchase that is waiting for authentication. Returns its id and its PaymentIntent's.
async fn waiting(world: &World, shop: &Shop) -> (String, String) {
    let body = world.buy(&shop.buyer, &shop.course_id, "pm_card_threeDSecure2Required").await.json();
    let payment_intent = body["client_secret"].as_str().and_then(|secret| secret.split("_secret_").next()).expect("it waits");
    (id_of(&body).to_owned(), payment_intent.to_owned())
}

fn event(id: &str, kind: &str, account: Option<&str>, object: &Value) -> String {
    let mut event =
        json!({"id": id, "object": "event", "type": kind, "created": 1_700_000_000, "livemode": false, "data": {"object": object}});
    if let Some(account) = account {
        event["account"] = account.into();
    }
    event.to_string()
}

#[tokio::test]
async fn a_course_is_owned_once_it_is_paid_and_not_before() {
    let world = World::start().await;
    let shop = world.shop().await;
    let slug = slug_of(&world).await;
    let owned = async || world.get(format!("/courses/{slug}")).bearer(&shop.buyer.token).await.json()["owned"].clone();
    assert_eq!(owned().await, false);
    let begun = world.post("/courses/charge", json!({"course_id": shop.course_id})).bearer(&shop.buyer.token).await.json();
    assert_eq!((&begun["purchase"]["status"], owned().await), (&json!("pending"), json!(false)), "hosted Checkout is open");

    let declined = world.buyer("declined@example.com").await;
    assert_eq!(world.buy(&declined, &shop.course_id, "pm_card_chargeDeclined").await.status, 402);
    assert_eq!(world.get(format!("/courses/{slug}")).bearer(&declined.token).await.json()["owned"], false);

    let authenticates = world.buyer("authenticates@example.com").await;
    let waits = Shop { buyer: authenticates, ..shop.clone() };
    let (_, payment_intent) = waiting(&world, &waits).await;
    let see = async || world.get(format!("/courses/{slug}")).bearer(&waits.buyer.token).await.json()["owned"].clone();
    assert_eq!(see().await, false, "the bank has not approved yet");
    world.admin("POST", &format!("payment_intents/{payment_intent}/authenticate"), json!({"outcome": "succeed"})).await;
    world.deliver().await;
    assert_eq!(see().await, true);
}

#[tokio::test]
async fn an_older_copy_of_a_purchase_never_overwrites_a_newer_one() {
    let world = World::start().await;
    let shop = world.shop().await;
    let (id, payment_intent) = waiting(&world, &shop).await;

    // The slot's version matches; only the purchase is older.
    let mut older = record(&world, &id).await;
    world.admin("POST", &format!("payment_intents/{payment_intent}/authenticate"), json!({"outcome": "fail"})).await;
    world.deliver().await;
    let (buyer, course) = (shop.buyer.id.parse().expect("an id"), shop.course_id.parse().expect("an id"));
    let slot = world.app.store.slot(&buyer, &course).await.expect("the table is there").expect("it is held");
    assert!(slot.version > older.version);
    let written = world.app.store.write_intent(&mut older, Some(&slot)).await.expect("the table is there");
    assert!(matches!(written, Written::No(_)), "an attempt from an older copy");

    // After a refund and a new purchase, the slot belongs to the new purchase and says nothing about this one.
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await.status, 201);
    world.deliver().await;
    assert_eq!(world.post(format!("/purchases/{id}/refund"), json!({})).bearer(&shop.seller.token).await.status, 200);
    world.deliver().await;
    let second = world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await.json();
    assert_ne!(id_of(&second), id);
    let (mut first, mut late) = (record(&world, &id).await, record(&world, &id).await);
    let store = &world.app.store;
    assert_eq!(store.write_outcome(&mut first, None).await.expect("the table is there"), Written::Yes);
    let written = store.write_outcome(&mut late, None).await.expect("the table is there");
    assert!(matches!(written, Written::No(_)), "an outcome from an older copy");
}

#[tokio::test]
async fn an_attempt_belongs_to_its_request_until_the_lease_expires() {
    let world = World::start().await;
    let shop = world.shop().await;
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, "pm_card_chargeDeclined").await.status, 402, "the customer is known now");
    // The request never records what Stripe answered, as if it were still waiting or had died.
    world.proxy.inject(Fault::next("TransactWriteItems", Kind::InternalServerError).skip(1).times(100));
    world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await;
    world.proxy.clear();
    world.asked_stripe().await;
    let again = world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await;
    assert_eq!((again.status, again.text("code")), (409, "purchase_in_progress".to_owned()), "{}", again.body);
    assert_eq!(world.asked_stripe().await, Vec::<String>::new(), "the other request may still be working on it");
    world.pass(Duration::seconds(31)).await;
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await.json()["purchase"]["status"], "paid");
    assert_eq!(
        world.stripe("/charges", None).await["data"].as_array().expect("a list").iter().filter(|one| one["paid"] == true).count(),
        1
    );
}

#[tokio::test]
async fn an_idempotency_key_is_made_of_the_account_the_purchase_and_the_attempt() {
    for (charge_type, is_direct) in [("destination", false), ("direct", true)] {
        let world = World::with(&[("CHARGE_TYPE", charge_type)]).await;
        let shop = world.shop().await;
        assert_eq!(world.buy(&shop.buyer, &shop.course_id, "pm_card_chargeDeclined").await.status, 402);
        let bought = world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await.json();
        let purchase = record(&world, id_of(&bought)).await;
        let account = if is_direct { shop.account.as_str() } else { "platform" };
        let keys: Vec<&str> = purchase.attempts().iter().map(|attempt| attempt.idempotency_key.as_str()).collect();
        assert_eq!(keys, [1, 2].map(|number| format!("{account}:{}:{number}", purchase.id)));
        // This is what was sent to Stripe.
        let log = world.admin("GET", "requests", json!({})).await;
        let sent = log["requests"].as_array().expect("it is a list").iter().filter(|one| one["path"] == "/v1/payment_intents");
        assert_eq!(sent.map(|one| one["idempotency_key"].as_str().expect("it has one")).collect::<Vec<_>>(), keys);
    }
}

#[tokio::test]
async fn an_event_that_changed_something_is_marked_in_the_same_write() {
    let world = World::start().await;
    let shop = world.shop().await;
    let (id, payment_intent) = waiting(&world, &shop).await;
    let mut object = world.stripe(&format!("/payment_intents/{payment_intent}"), None).await;
    object["status"] = "canceled".into();
    let canceled = event("evt_canceled", "payment_intent.canceled", None, &object);
    world.operations();
    assert_eq!(world.send_event(PLATFORM, &canceled).await.status, 200);
    assert_eq!(world.operations(), ["BatchGetItem", "TransactWriteItems"]);
    assert!(world.app.store.is_handled("evt_canceled").await.expect("the table is there"));
    let version = record(&world, &id).await.version;

    // A repeated event is read, and nothing else happens.
    world.operations();
    assert_eq!(world.send_event(PLATFORM, &canceled).await.status, 200);
    assert_eq!(world.operations(), ["BatchGetItem"]);
    assert_eq!(record(&world, &id).await.version, version);

    // Two deliveries read before either writes. The mark lets only one of them write.
    let mark = shared::store::events::EventMark {
        id: "evt_canceled".to_owned(),
        kind: "payment_intent.canceled".to_owned(),
        at: world.app.clock.now(),
    };
    let mut purchase = record(&world, &id).await;
    let written = world.app.store.write_outcome(&mut purchase, Some(&mark)).await.expect("the table is there");
    assert!(matches!(written, Written::No(_)), "the event was handled before");
}

#[tokio::test]
async fn an_account_cannot_report_on_purchases_charged_elsewhere() {
    for charge_type in ["destination", "direct"] {
        let world = World::with(&[("CHARGE_TYPE", charge_type)]).await;
        let shop = world.shop().await;
        let other = world.seller("other@example.com").await;
        let stranger = world.link(&other).await;
        let (id, payment_intent) = waiting(&world, &shop).await;
        let account = (charge_type == "direct").then_some(shop.account.as_str());
        let mut object = world.stripe(&format!("/payment_intents/{payment_intent}"), account).await;
        for (number, (kind, status)) in [
            ("payment_intent.succeeded", "succeeded"),
            ("payment_intent.canceled", "canceled"),
            ("payment_intent.processing", "processing"),
        ]
        .into_iter()
        .enumerate()
        {
            object["status"] = status.into();
            object["amount_received"] = object["amount"].clone();
            let told = event(&format!("evt_{number}"), kind, Some(&stranger), &object);
            assert_eq!(world.send_event(CONNECT, &told).await.status, 200);
            let purchase = record(&world, &id).await;
            assert_eq!(json!(purchase.status()), "requires_action", "{charge_type}, {kind}");
        }
        // For a direct charge, the platform's endpoint is not evidence either.
        if charge_type == "direct" {
            object["status"] = "succeeded".into();
            assert_eq!(world.send_event(PLATFORM, &event("evt_platform", "payment_intent.succeeded", None, &object)).await.status, 200);
            assert_eq!(json!(record(&world, &id).await.status()), "requires_action");
        }
    }
}
