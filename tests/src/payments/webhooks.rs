//! `POST /webhooks/stripe` and `/webhooks/stripe/connect`.

use serde_json::{Value, json};

use crate::harness::{Answer, CONNECT, PLATFORM, Shop, World, sign};

async fn send(world: &World, endpoint: (&str, &str), body: &str) -> Answer {
    world.send_event(endpoint, body).await
}

fn event(id: &str, kind: &str, account: Option<&str>, object: &Value) -> String {
    let mut event = json!({
        "id": id, "object": "event", "type": kind, "api_version": "2026-09-30.endive", "created": 1_700_000_000,
        "livemode": false, "pending_webhooks": 1, "request": {"id": null, "idempotency_key": null}, "data": {"object": object},
    });
    if let Some(account) = account {
        event["account"] = account.into();
    }
    event.to_string()
}

/// A purchase that is waiting for authentication, and its PaymentIntent.
async fn waiting(world: &World, shop: &Shop) -> (String, Value) {
    let body = world.buy(&shop.buyer, &shop.course_id, "pm_card_threeDSecure2Required").await.json();
    let id = body["client_secret"].as_str().and_then(|secret| secret.split("_secret_").next()).expect("an id").to_owned();
    let account = body["stripe_account"].as_str().map(str::to_owned);
    let payment_intent = world.stripe(&format!("/payment_intents/{id}"), account.as_deref()).await;
    (body["purchase"]["id"].as_str().expect("an id").to_owned(), payment_intent)
}

async fn status(world: &World, shop: &Shop) -> String {
    let purchases = world.get("/purchases").bearer(&shop.buyer.token).await.json();
    purchases["items"][0]["status"].as_str().expect("a status").to_owned()
}

fn with_status(payment_intent: &Value, status: &str) -> Value {
    let mut payment_intent = payment_intent.clone();
    payment_intent["status"] = status.into();
    payment_intent["amount_received"] = if status == "succeeded" { payment_intent["amount"].clone() } else { json!(0) };
    payment_intent["last_payment_error"] = json!({"type": "card_error", "code": "payment_intent_authentication_failure"});
    payment_intent
}

#[tokio::test]
async fn only_recent_signatures_of_stripe_are_accepted() {
    let world = World::start().await;
    let body = event("evt_1", "some.thing", None, &json!({}));
    let now = world.app.clock.now().unix_timestamp();
    let post = |path: &'static str, header: String, body: &str| world.call("POST", path).text(body).header("stripe-signature", header);
    let (path, secret) = PLATFORM;
    send(&world, PLATFORM, &body).await.is(200, &json!({"received": true}));
    send(&world, (path, "whsec_old"), &body).await.is(200, &json!({"received": true}));
    for (path, header, body) in [
        (path, sign("whsec_other", now, &body), body.as_str()),
        (path, sign(secret, now - 301, &body), &body),
        (path, sign(secret, now + 301, &body), &body),
        (path, sign(secret, now, "{}"), &body),
        (path, String::new(), &body),
        (CONNECT.0, sign(secret, now, &body), &body),
    ] {
        post(path, header, body).await.is_problem(400, "bad_signature", "the signature is invalid");
    }
    let unsigned = world.call("POST", path).text(body.clone()).await;
    unsigned.is_problem(400, "bad_signature", "the signature is invalid");
}

#[tokio::test]
async fn the_raw_bytes_are_verified_also_in_base64() {
    let world = World::start().await;
    let body = format!("{}\n ", event("evt_1", "some.thing", None, &json!({"text": "zwölf\u{1f600}"})));
    let header = sign(PLATFORM.1, world.app.clock.now().unix_timestamp(), &body);
    let answer = world.call("POST", PLATFORM.0).bytes(body.as_bytes()).header("stripe-signature", header).await;
    answer.is(200, &json!({"received": true}));
}

#[tokio::test]
async fn signed_bodies_are_refused_only_if_they_are_not_json() {
    let world = World::start().await;
    for body in ["", "{", "{\"id\":\"evt_1\"", "id=evt_1"] {
        let answer = send(&world, PLATFORM, body).await;
        assert_eq!((answer.status, answer.text("code")), (400, "malformed_json".to_owned()), "{body}");
    }
    for body in ["null", "[]", "7", "{\"id\":1}", "{\"id\":\"evt_1\",\"type\":\"payment_intent.succeeded\",\"data\":{\"object\":[]}}"] {
        let header = sign(PLATFORM.1, world.app.clock.now().unix_timestamp(), body);
        let answer = world.call("POST", PLATFORM.0).text(body).header("stripe-signature", header).undescribed().await;
        assert_eq!(answer.status, 200, "{body}");
    }
    let unknown = event("evt_2", "entitlements.active_entitlement_summary.updated", None, &json!({"id": "x"}));
    assert_eq!(send(&world, PLATFORM, &unknown).await.status, 200);
}

#[tokio::test]
async fn any_order_and_number_of_events_ends_paid() {
    let kinds = [
        ("payment_intent.succeeded", "succeeded"),
        ("payment_intent.payment_failed", "requires_payment_method"),
        ("payment_intent.requires_action", "requires_action"),
        ("payment_intent.processing", "processing"),
    ];
    for first in 0..kinds.len() {
        let world = World::start().await;
        let shop = world.shop().await;
        let (_, payment_intent) = waiting(&world, &shop).await;
        for round in 0..2 {
            for place in 0..kinds.len() {
                let (kind, status) = kinds[(first + place) % kinds.len()];
                let body = event(&format!("evt_{round}_{kind}"), kind, None, &with_status(&payment_intent, status));
                for _ in 0..2 {
                    assert_eq!(send(&world, PLATFORM, &body).await.status, 200);
                }
            }
        }
        assert_eq!(status(&world, &shop).await, "paid", "beginning with {}", kinds[first].0);
    }
}

#[tokio::test]
async fn a_complete_but_unpaid_checkout_gives_no_access() {
    for (kind, paid, ends) in [("async_payment_succeeded", "paid", "paid"), ("async_payment_failed", "unpaid", "failed")] {
        let world = World::start().await;
        let shop = world.shop().await;
        let asked = world.post("/courses/charge", json!({"course_id": shop.course_id})).bearer(&shop.buyer.token).await;
        assert_eq!(asked.status, 201, "{}", asked.body);
        let mut session = world.stripe("/checkout/sessions", None).await["data"][0].clone();
        let content = format!("/courses/{}/content", shop.course_id);

        // The buyer has returned from the page, and the bank takes days.
        session["status"] = "complete".into();
        session["payment_status"] = "unpaid".into();
        session["payment_intent"] = "pi_delayed".into();
        let completed = event("evt_completed", "checkout.session.completed", None, &session);
        assert_eq!(send(&world, PLATFORM, &completed).await.status, 200);
        assert_eq!(status(&world, &shop).await, "pending");
        assert_eq!(world.get(content.as_str()).bearer(&shop.buyer.token).await.status, 403);

        session["payment_status"] = paid.into();
        let ended = event("evt_ended", &format!("checkout.session.{kind}"), None, &session);
        assert_eq!(send(&world, PLATFORM, &ended).await.status, 200);
        // Repeating the first event changes nothing.
        assert_eq!(send(&world, PLATFORM, &completed).await.status, 200);
        assert_eq!(status(&world, &shop).await, ends);
        let access = if ends == "paid" { 200 } else { 403 };
        assert_eq!(world.get(content.as_str()).bearer(&shop.buyer.token).await.status, access, "{kind}");
    }
}

#[tokio::test]
async fn an_event_costs_two_trips_and_a_repeated_one_is_read_only() {
    let world = World::start().await;
    let shop = world.shop().await;
    let (_, payment_intent) = waiting(&world, &shop).await;
    let body = event("evt_1", "payment_intent.succeeded", None, &with_status(&payment_intent, "succeeded"));
    world.operations();
    world.asked_stripe().await;
    send(&world, PLATFORM, &body).await;
    assert_eq!(world.operations(), ["BatchGetItem", "TransactWriteItems"]);
    send(&world, PLATFORM, &body).await;
    assert_eq!(world.operations(), ["BatchGetItem"]);
    assert!(world.asked_stripe().await.is_empty());
}

#[tokio::test]
async fn an_event_that_cannot_be_written_is_sent_again() {
    let world = World::start().await;
    let shop = world.shop().await;
    let (_, payment_intent) = waiting(&world, &shop).await;
    let body = event("evt_1", "payment_intent.succeeded", None, &with_status(&payment_intent, "succeeded"));
    // As many failures as the SDK makes attempts.
    let fault = local::proxy::Fault::next("TransactWriteItems", local::proxy::Kind::InternalServerError).times(3);
    world.proxy.inject(fault);
    assert_eq!(send(&world, PLATFORM, &body).await.status, 500);
    assert_eq!(status(&world, &shop).await, "requires_action");
    assert_eq!(send(&world, PLATFORM, &body).await.status, 200);
    assert_eq!(status(&world, &shop).await, "paid");
}

#[tokio::test]
async fn another_accounts_event_pays_for_nothing() {
    let world = World::start().await;
    let shop = world.shop().await;
    let (_, payment_intent) = waiting(&world, &shop).await;
    let body = event("evt_1", "payment_intent.succeeded", Some(&shop.account), &with_status(&payment_intent, "succeeded"));
    assert_eq!(send(&world, CONNECT, &body).await.status, 200);
    assert_eq!(status(&world, &shop).await, "requires_action", "a seller's account cannot report on the platform's charge");
}

#[tokio::test]
async fn a_payment_with_copied_metadata_pays_for_nothing() {
    let world = World::with(&[("CHARGE_TYPE", "direct")]).await;
    let shop = world.shop().await;
    let (_, payment_intent) = waiting(&world, &shop).await;
    // The seller creates their own payment with the purchase's metadata.
    let mut forged = with_status(&payment_intent, "succeeded");
    forged["id"] = "pi_forged".into();
    let body = event("evt_1", "payment_intent.succeeded", Some(&shop.account), &forged);
    assert_eq!(send(&world, CONNECT, &body).await.status, 200);
    assert_eq!(status(&world, &shop).await, "requires_action");
    // They change the amount of the platform's.
    let mut cheaper = with_status(&payment_intent, "succeeded");
    cheaper["amount"] = 50.into();
    let body = event("evt_2", "payment_intent.succeeded", Some(&shop.account), &cheaper);
    assert_eq!(send(&world, CONNECT, &body).await.status, 200);
    assert_eq!(status(&world, &shop).await, "canceled", "it is withdrawn, because the buyer agreed to another amount");
}

#[tokio::test]
async fn an_amount_that_the_accounts_owner_changed_pays_for_nothing_and_is_a_finding() {
    let world = World::with(&[("CHARGE_TYPE", "direct")]).await;
    let (shop, staff) = (world.shop().await, world.staff("staff@example.com").await);
    let (_, payment_intent) = waiting(&world, &shop).await;
    let id = payment_intent["id"].as_str().expect("an id");
    let changed = world.in_dashboard(&format!("/payment_intents/{id}"), Some(&shop.account), &[("amount", "9900".to_owned())]).await;
    assert_eq!(changed["amount"], 9900, "{changed}");
    world.admin("POST", &format!("payment_intents/{id}/authenticate"), json!({"outcome": "succeed"})).await;
    for _ in 0..2 {
        world.deliver().await;
        world.close_pages().await;
    }
    assert_eq!(status(&world, &shop).await, "canceled");
    assert_eq!(world.get(format!("/courses/{}/content", shop.course_id)).bearer(&shop.buyer.token).await.status, 403);
    let found = world.get("/admin/findings").bearer(&staff.token).await.json()["items"].take();
    assert_eq!(found.as_array().map(Vec::len), Some(1), "{found}");
    assert_eq!((&found[0]["kind"], &found[0]["stripe_id"]), (&json!("payment_off_record"), &json!(id)));
}

#[tokio::test]
async fn an_accounts_own_transfers_reverse_none_of_the_platforms() {
    let world = World::start().await;
    let shop = world.shop().await;
    let bought = world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await.json();
    let reversal = json!({"id": "trr_forged", "object": "transfer_reversal", "amount": 5000, "metadata": {}});
    let transfer = json!({
        "id": "tr_forged", "object": "transfer", "amount": 5000, "metadata": {"purchase_id": bought["purchase"]["id"]},
        "reversals": {"object": "list", "data": [reversal], "has_more": false},
    });
    for (number, account, endpoint) in [("evt_1", Some(shop.account.as_str()), CONNECT), ("evt_2", None, PLATFORM)] {
        let body = event(number, "transfer.reversed", account, &transfer);
        assert_eq!(send(&world, endpoint, &body).await.status, 200);
        let sale = world.get("/sales").bearer(&shop.seller.token).await.json()["items"][0].clone();
        assert_eq!((&sale["net"], &sale["status"]), (&json!(2500), &json!("paid")), "{sale}");
    }
}

#[tokio::test]
async fn the_other_modes_events_touch_nothing() {
    let world = World::start().await;
    let shop = world.shop().await;
    let (_, payment_intent) = waiting(&world, &shop).await;
    let body = event("evt_1", "payment_intent.succeeded", None, &with_status(&payment_intent, "succeeded"));
    let live = body.replacen("\"livemode\":false", "\"livemode\":true", usize::MAX);
    assert_eq!(send(&world, PLATFORM, &live).await.status, 200);
    assert_eq!(status(&world, &shop).await, "requires_action");
}

#[tokio::test]
async fn an_event_that_arrives_at_both_endpoints_counts_once() {
    let world = World::start().await;
    let shop = world.shop().await;
    let (purchase, payment_intent) = waiting(&world, &shop).await;
    let body = event("evt_1", "payment_intent.succeeded", None, &with_status(&payment_intent, "succeeded"));
    assert_eq!(send(&world, PLATFORM, &body).await.status, 200);
    assert_eq!(send(&world, CONNECT, &body).await.status, 200);
    assert_eq!(status(&world, &shop).await, "paid");
    let id = purchase.parse().expect("an id");
    let purchase = world.app.store.purchase(&id).await.expect("the table").expect("it is there");
    let causes: Vec<&str> = purchase.history().iter().map(|step| step.cause.as_str()).collect();
    assert_eq!(causes.iter().filter(|cause| **cause == "event:evt_1").count(), 1, "{causes:?}");
}

#[tokio::test]
async fn a_refund_at_stripe_is_recorded() {
    let world = World::start().await;
    let shop = world.shop().await;
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await.status, 201);
    let payment = world.succeeded(None).await.remove(0);
    let refund = |amount: &'static str| {
        let form = [
            ("payment_intent", payment["id"].as_str().expect("an id").to_owned()),
            ("amount", amount.to_owned()),
            ("reverse_transfer", "true".to_owned()),
            ("refund_application_fee", "true".to_owned()),
        ];
        let request = world.app.http.post(format!("{}/v1/refunds", world.app.config.stripe_api_base)).bearer_auth("sk_test_local");
        async move { assert_eq!(request.form(&form).send().await.expect("it runs").status().as_u16(), 200) }
    };
    refund("1000").await;
    world.deliver().await;
    let sale = world.get("/sales").bearer(&shop.seller.token).await.json()["items"][0].clone();
    assert_eq!((&sale["status"], &sale["refunded"], &sale["net"]), (&json!("partially_refunded"), &json!(1000), &json!(2000)));
    refund("4000").await;
    world.deliver().await;
    assert_eq!(status(&world, &shop).await, "refunded");
    world.books().await;
    // A refunded course can be bought again, as a new purchase.
    let again = world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await;
    assert_eq!(again.status, 201, "{}", again.body);
    let purchases = world.get("/purchases").bearer(&shop.buyer.token).await.json();
    let statuses: Vec<&Value> = purchases["items"].as_array().expect("a list").iter().map(|one| &one["status"]).collect();
    assert_eq!(statuses, [&json!("paid"), &json!("refunded")]);
}

#[tokio::test]
async fn a_seller_who_leaves_at_stripe_stops_selling() {
    let world = World::start().await;
    let shop = world.shop().await;
    world.admin("POST", &format!("accounts/{}/deauthorize", shop.account), json!({})).await;
    world.deliver().await;
    let me = world.get("/users/me").bearer(&shop.seller.token).await.json();
    assert_eq!(me["stripe"]["connected"], false);
    let answer = world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await;
    answer.is_problem(409, "seller_not_connected", "the seller of this course cannot be paid at the moment");
    assert!(world.asked_stripe().await.iter().all(|one| one.starts_with("GET")), "no customer is left behind");
    world.link(&shop.seller).await;
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await.status, 201);
}

#[tokio::test]
async fn an_account_that_stripe_restricts_stops_selling_until_it_may_again() {
    let world = World::start().await;
    let shop = world.shop().await;
    for (enabled, status) in [(false, 409), (true, 201)] {
        world.admin("POST", &format!("accounts/{}", shop.account), json!({"charges_enabled": enabled})).await;
        world.deliver().await;
        let me = world.get("/users/me").bearer(&shop.seller.token).await.json();
        assert_eq!(me["stripe"]["charges_enabled"], enabled);
        assert_eq!(world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await.status, status);
    }
}
