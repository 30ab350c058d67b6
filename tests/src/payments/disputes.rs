//! Disputes: banks withdraw money and may return it.

use serde_json::{Value, json};

use crate::harness::{Shop, World};

async fn disputed(world: &World) -> (Shop, String, String) {
    let shop = world.shop().await;
    let answer = world.buy(&shop.buyer, &shop.course_id, "pm_card_createDispute").await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    // The cardholder disputes the charge moments later, before its funds are available.
    world.pass(time::Duration::seconds(2)).await;
    world.deliver().await;
    world.pass(time::Duration::days(8)).await;
    let account =
        (world.app.config.terms.charge_type == Some(shared::domain::charging::ChargeType::Direct)).then_some(shop.account.as_str());
    let disputes = world.stripe("/disputes", account).await;
    let dispute = disputes["data"][0]["id"].as_str().unwrap_or_else(|| panic!("{disputes}")).to_owned();
    (shop, answer.json()["purchase"]["id"].as_str().expect("it has an id").to_owned(), dispute)
}

async fn purchase(world: &World, shop: &Shop, id: &str) -> Value {
    world.get(format!("/purchases/{id}")).bearer(&shop.buyer.token).await.json()
}

async fn sale(world: &World, shop: &Shop) -> Value {
    world.get("/sales").bearer(&shop.seller.token).await.json()["items"][0].clone()
}

async fn transferred(world: &World) -> i64 {
    let list = world.stripe("/transfers?limit=100", None).await;
    let all = list["data"].as_array().unwrap_or_else(|| panic!("{list}")).clone();
    all.iter().map(|one| one["amount"].as_i64().unwrap_or(0) - one["amount_reversed"].as_i64().unwrap_or(0)).sum()
}

async fn end(world: &World, dispute: &str, outcome: &str) {
    world.admin("POST", &format!("disputes/{dispute}/close"), json!({"outcome": outcome})).await;
    world.deliver().await;
}

async fn content_status(world: &World, shop: &Shop) -> (u16, String) {
    let answer = world.get(format!("/courses/{}/content", shop.course_id)).bearer(&shop.buyer.token).await;
    (answer.status, if answer.status == 200 { String::new() } else { answer.text("code") })
}

#[tokio::test]
async fn a_lost_dispute_takes_the_sellers_part_back() {
    for charge_type in ["destination", "separate"] {
        let world = World::with(&[("CHARGE_TYPE", charge_type)]).await;
        let (shop, id, dispute) = disputed(&world).await;
        let before = transferred(&world).await;
        let open = purchase(&world, &shop, &id).await;
        assert_eq!((&open["status"], &open["dispute"]["status"]), (&json!("disputed"), &json!("needs_response")), "{charge_type}: {open}");
        let line = sale(&world, &shop).await;
        assert_eq!((&line["net"], &line["disputed"]), (&json!(2500), &json!(5000)), "{charge_type}: nothing is reversed before it is lost");
        assert_eq!(content_status(&world, &shop).await.0, 200, "{charge_type}: an open dispute leaves the course open");
        let answer = world.post(format!("/purchases/{id}/refund"), json!({})).bearer(&shop.seller.token).await;
        assert_eq!((answer.status, answer.text("code")), (409, "purchase_disputed".to_owned()));

        end(&world, &dispute, "lost").await;
        let lost = purchase(&world, &shop, &id).await;
        assert_eq!((&lost["status"], &lost["dispute"]["status"]), (&json!("disputed"), &json!("lost")), "{charge_type}");
        assert_eq!(before - transferred(&world).await, 2500, "{charge_type}: what the seller had received");
        assert_eq!(sale(&world, &shop).await["net"], 0, "{charge_type}");
        assert_eq!(content_status(&world, &shop).await, (403, "not_owned".to_owned()), "{charge_type}");
        world.books().await;
    }
}

#[tokio::test]
async fn a_won_dispute_restores_the_purchase() {
    for charge_type in ["direct", "destination", "separate"] {
        let world = World::with(&[("CHARGE_TYPE", charge_type)]).await;
        let (shop, id, dispute) = disputed(&world).await;
        end(&world, &dispute, "won").await;
        let won = purchase(&world, &shop, &id).await;
        assert_eq!((&won["status"], &won["dispute"]["status"]), (&json!("paid"), &json!("won")), "{charge_type}");
        let line = sale(&world, &shop).await;
        assert_eq!((&line["net"], &line["disputed"]), (&json!(2500), &json!(0)), "{charge_type}");
        assert_eq!(content_status(&world, &shop).await.0, 200, "{charge_type}");
    }
}

#[tokio::test]
async fn a_direct_charges_dispute_is_the_sellers_own() {
    let world = World::with(&[("CHARGE_TYPE", "direct")]).await;
    let (shop, id, dispute) = disputed(&world).await;
    assert_eq!(sale(&world, &shop).await["net"], -2500, "the bank took the whole amount from the seller, and the fee is paid");
    end(&world, &dispute, "lost").await;
    assert_eq!(purchase(&world, &shop, &id).await["dispute"]["status"], "lost");
    let reversals = world.asked_stripe().await.into_iter().filter(|one| one.contains("reversals")).count();
    assert_eq!(reversals, 0, "there is nothing to reverse");
}

#[tokio::test]
async fn the_platform_may_bear_lost_disputes() {
    let world = World::with(&[("LOST_DISPUTES", "platform")]).await;
    let (shop, _, dispute) = disputed(&world).await;
    let before = transferred(&world).await;
    end(&world, &dispute, "lost").await;
    assert_eq!(transferred(&world).await, before);
    assert_eq!(sale(&world, &shop).await["net"], 2500);
}

#[tokio::test]
async fn an_open_dispute_may_suspend_access() {
    let world = World::with(&[("DISPUTED_ACCESS", "suspend")]).await;
    let (shop, _, dispute) = disputed(&world).await;
    let outline = json!({"version": 0, "sections": [{"title": "Basics", "lessons": [{"title": "Routes"}]}]});
    let outline = world.put("/courses/flask-microservices/outline", outline).bearer(&shop.seller.token).await.json();
    let lesson = outline["sections"][0]["lessons"][0]["id"].as_str().unwrap_or_else(|| panic!("{outline}"));
    let lesson = format!("/courses/flask-microservices/lessons/{lesson}");
    assert_eq!(world.get(lesson.as_str()).bearer(&shop.buyer.token).await.text("code"), "access_suspended");
    let progress = world.get("/courses/flask-microservices/progress").bearer(&shop.buyer.token).await;
    assert_eq!(progress.text("code"), "access_suspended");
    assert_eq!(content_status(&world, &shop).await, (403, "access_suspended".to_owned()));
    let again = world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await;
    assert_eq!((again.status, again.text("code")), (409, "already_owned".to_owned()), "nobody pays twice while the bank decides");
    end(&world, &dispute, "won").await;
    assert_eq!(content_status(&world, &shop).await.0, 200);
    assert_eq!(world.get(lesson).bearer(&shop.buyer.token).await.status, 200);
}

#[tokio::test]
async fn a_buyer_who_lost_a_course_to_a_dispute_can_buy_it_again() {
    let world = World::start().await;
    let (shop, _, dispute) = disputed(&world).await;
    end(&world, &dispute, "lost").await;
    let again = world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await;
    assert_eq!((again.status, &again.json()["purchase"]["status"]), (201, &json!("paid")), "{}", again.body);
    assert_eq!(content_status(&world, &shop).await.0, 200);
    assert_eq!(world.get("/purchases").bearer(&shop.buyer.token).await.json()["items"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn a_reversal_that_fails_is_made_by_the_reconciliation() {
    let world = World::start().await;
    let (shop, id, dispute) = disputed(&world).await;
    let before = transferred(&world).await;
    let fault = json!({"match": {"method": "POST", "path": "/reversals"}, "times": 3, "fault": {"kind": "drop_after"}});
    world.admin("POST", "faults", fault).await;
    end(&world, &dispute, "lost").await;
    assert_eq!(purchase(&world, &shop, &id).await["dispute"]["status"], "lost", "the event is recorded anyway");
    world.pass(time::Duration::minutes(10)).await;
    world.reconcile().await;
    assert_eq!((before - transferred(&world).await, &sale(&world, &shop).await["net"]), (2500, &json!(0)), "once");
}

#[tokio::test]
async fn a_dispute_is_two_trips() {
    let world = World::start().await;
    let shop = world.shop().await;
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await.status, 201);
    world.deliver().await;
    let charge = world.stripe("/charges", None).await["data"][0]["id"].as_str().expect("an id").to_owned();
    world.admin("POST", &format!("charges/{charge}/dispute"), json!({})).await;
    let events = world.admin("GET", "events", json!({})).await;
    let opened =
        events["events"].as_array().unwrap_or_else(|| panic!("{events}")).iter().find(|one| one["type"] == "charge.dispute.created");
    let id = opened.unwrap_or_else(|| panic!("{events}"))["id"].clone();
    world.operations();
    world.asked_stripe().await;
    world.admin("POST", "webhooks/deliver", json!({"event": id})).await;
    assert_eq!(world.operations(), ["BatchGetItem", "TransactWriteItems"]);
    assert!(world.asked_stripe().await.is_empty());
}

#[tokio::test]
async fn a_dispute_reported_before_its_payment_is_recorded() {
    let world = World::start().await;
    let shop = world.shop().await;
    world.admin("POST", "webhooks/mode", json!({"hold": true, "own_clock": true})).await;
    let deaf = json!({"match": {"method": "POST", "path": "/v1/payment_intents"}, "times": 3, "fault": {"kind": "drop_after"}});
    world.admin("POST", "faults", deaf).await;
    let answer = world.buy(&shop.buyer, &shop.course_id, "pm_card_bypassPending").await;
    assert_eq!(answer.status, 503, "{}", answer.body);
    let payments = world.succeeded(None).await;
    let charge = payments[0]["latest_charge"].as_str().expect("it was paid");
    world.admin("POST", &format!("charges/{charge}/dispute"), json!({})).await;

    let event = world.event("charge.dispute.created", |dispute| dispute["charge"] == charge).await.expect("it happened");
    world.asked_stripe().await;
    assert_eq!(world.tell(&event).await.status, 200);
    let payment = payments[0]["id"].as_str().expect("an id");
    assert_eq!(world.asked_stripe().await, [format!("GET /v1/payment_intents/{payment}")], "the payment's owner");
    let purchases = world.get("/purchases").bearer(&shop.buyer.token).await.json();
    assert_eq!((purchases["items"][0]["status"].as_str(), &purchases["items"][0]["amount"]), (Some("disputed"), &payments[0]["amount"]));

    // Known facts need no call to Stripe, and disputes of other payments are ignored.
    assert_eq!(world.tell(&event).await.status, 200);
    assert!(world.asked_stripe().await.is_empty());
    let mut foreign = event.clone();
    (foreign["id"], foreign["data"]["object"]["payment_intent"]) = ("evt_foreign".into(), "pi_foreign".into());
    assert_eq!(world.tell(&foreign).await.status, 200);
    world.deliver().await;
    let purchases = world.get("/purchases").bearer(&shop.buyer.token).await.json();
    assert_eq!(purchases["items"][0]["status"], "disputed");
}
