//! Payments with a purchase's metadata that do not belong to it: account owners can write any metadata.

use serde_json::{Value, json};
use time::Duration;

use crate::harness::{CONNECT, Person, Shop, World};

async fn purchase(world: &World, shop: &Shop) -> Value {
    let purchases = world.get("/purchases").bearer(&shop.buyer.token).await.json();
    purchases["items"][0].clone()
}

/// The account's owner creates and confirms a payment that copies another one, except for the given fields.
async fn forge(world: &World, shop: &Shop, like: &Value, attempt: &str) -> Value {
    let text = |name: &str| like[name].as_str().unwrap_or_default().to_owned();
    let mut form = vec![
        ("amount".to_owned(), like["amount"].to_string()),
        ("application_fee_amount".to_owned(), like["application_fee_amount"].to_string()),
        ("confirm".to_owned(), "true".to_owned()),
        ("currency".to_owned(), text("currency")),
        ("customer".to_owned(), text("customer")),
        ("payment_method".to_owned(), "pm_card_visa".to_owned()),
        ("return_url".to_owned(), "http://localhost:3000/".to_owned()),
    ];
    for (name, value) in like["metadata"].as_object().expect("it has some") {
        let value = if name == "attempt" { attempt } else { value.as_str().expect("it is text") };
        form.push((format!("metadata[{name}]"), value.to_owned()));
    }
    let form: Vec<(&str, String)> = form.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    let made = world.in_dashboard("/payment_intents", Some(&shop.account), &form).await;
    assert_eq!(made["status"], "succeeded", "{made}");
    made
}

#[tokio::test]
async fn a_sellers_refund_of_their_own_payment_voids_no_sale() {
    for heard in [true, false] {
        let world = World::with(&[("CHARGE_TYPE", "direct")]).await;
        let shop = world.shop().await;
        world.reconcile().await;
        // The first attempt ended without payment: the buyer opened the hosted page, then paid by card.
        let opened = world.post("/courses/charge", json!({"course_id": shop.course_id})).bearer(&shop.buyer.token).await;
        assert_eq!(opened.status, 201, "{}", opened.body);
        let bought = world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await;
        assert_eq!((bought.status, &bought.json()["purchase"]["status"]), (201, &json!("paid")), "{}", bought.body);
        let paid = world.succeeded(Some(&shop.account)).await.remove(0);
        assert_eq!(paid["metadata"]["attempt"], "2");
        let before = world.get("/sales").bearer(&shop.seller.token).await.json();
        for attempt in ["1", "2", "3"] {
            let forged = forge(&world, &shop, &paid, attempt).await;
            let refund =
                [("payment_intent", forged["id"].as_str().expect("an id").to_owned()), ("refund_application_fee", "true".to_owned())];
            assert_eq!(world.in_dashboard("/refunds", Some(&shop.account), &refund).await["status"], "succeeded");
        }
        if heard {
            world.deliver().await;
        }
        for hours in [1, 3, 24] {
            world.pass(Duration::hours(hours)).await;
            world.reconcile().await;
        }
        let now = purchase(&world, &shop).await;
        assert_eq!((&now["status"], &now["refunded"]), (&json!("paid"), &json!(0)), "{now}");
        assert_eq!(world.get(format!("/courses/{}/content", shop.course_id)).bearer(&shop.buyer.token).await.status, 200);
        let after = world.get("/sales").bearer(&shop.seller.token).await.json();
        assert_eq!((&after["items"][0]["net"], &after["totals"][0]["sales"]), (&before["items"][0]["net"], &before["totals"][0]["sales"]));
    }
}

#[tokio::test]
async fn a_payment_that_no_attempt_made_gives_no_access() {
    let world = World::with(&[("CHARGE_TYPE", "direct")]).await;
    let shop = world.shop().await;
    // A sale to another buyer shows what such a payment looks like.
    let other = world.buyer("other@buyer.com").await;
    assert_eq!(world.buy(&other, &shop.course_id, "pm_card_visa").await.status, 201);
    let like = world.succeeded(Some(&shop.account)).await.remove(0);
    let opened = world.post("/courses/charge", json!({"course_id": shop.course_id})).bearer(&shop.buyer.token).await;
    assert_eq!(opened.status, 201, "{}", opened.body);
    let session = world.stripe("/checkout/sessions", Some(&shop.account)).await["data"][0].clone();
    let honest = {
        let mut payment = like.clone();
        payment["id"] = "pi_honest".into();
        payment["metadata"] = session["metadata"].clone();
        payment["customer"] = session["customer"].clone();
        payment["created"] = session["created"].clone();
        payment
    };
    let changed = |name: &str, value: Value| {
        let mut payment = honest.clone();
        payment["id"] = format!("pi_{name}").into();
        payment[name] = value;
        payment
    };
    let tell = async |number: usize, payment: &Value| {
        let event = json!({
            "id": format!("evt_forged_{number}"), "object": "event", "type": "payment_intent.succeeded", "account": shop.account,
            "created": payment["created"], "livemode": false, "data": { "object": payment },
        });
        assert_eq!(world.send_event(CONNECT, &event.to_string()).await.status, 200);
        purchase(&world, &shop).await["status"].clone()
    };
    let forged = [
        // What the owner creates in the Dashboard, or through another platform with access.
        changed("application", Value::Null),
        changed("application", json!("ca_of_another")),
        changed("amount", json!(4999)),
        changed("application_fee_amount", Value::Null),
        changed("application_fee_amount", json!(1)),
        changed("currency", json!("eur")),
        changed("customer", like["customer"].clone()),
        changed("customer", Value::Null),
        changed("created", json!(session["created"].as_i64().expect("a time") - 3600)),
        changed("transfer_data", json!({ "destination": "acct_of_another" })),
    ];
    for (number, payment) in forged.iter().enumerate() {
        assert_eq!(tell(number, payment).await, "pending", "{payment}");
    }
    assert_eq!(tell(99, &honest).await, "paid", "{honest}");
}

/// The purchase, the seller's line and total for it, and the findings of a kind, each with what was asked for and what Stripe took.
async fn recorded(world: &World, shop: &Shop, staff: &Person, kind: &str) -> (Value, Value, Value, Vec<Value>) {
    let sales = world.get("/sales").bearer(&shop.seller.token).await.json();
    let found = world.get("/admin/findings").bearer(&staff.token).await.json();
    let found = found["items"].as_array().expect("a list").iter().filter(|one| one["kind"] == kind);
    let found = found.map(|one| json!([one["stripe_id"], one["amount"], one["ours"], one["stripe"], one["settled_at"]])).collect();
    (purchase(world, shop).await, sales["items"][0].clone(), sales["totals"][0].clone(), found)
}

/// The id of a direct payment that waits for its buyer, after its owner has changed it with this form.
async fn changed_while_it_waits(world: &World, shop: &Shop, form: &[(&str, &str)]) -> String {
    let waits = world.buy(&shop.buyer, &shop.course_id, "pm_card_threeDSecure2Required").await.json();
    let id = waits["client_secret"].as_str().and_then(|secret| secret.split("_secret_").next()).expect("an id").to_owned();
    let form: Vec<(&str, String)> = form.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    let changed = world.in_dashboard(&format!("/payment_intents/{id}"), Some(&shop.account), &form).await;
    assert!(changed["error"].is_null(), "{changed}");
    world.admin("POST", &format!("payment_intents/{id}/authenticate"), json!({"outcome": "succeed"})).await;
    id
}

#[tokio::test]
async fn a_fee_that_the_owner_lowered_is_booked_as_it_was_taken_and_is_a_finding() {
    for heard in [true, false] {
        let world = World::with(&[("CHARGE_TYPE", "direct")]).await;
        let shop = world.shop().await;
        let staff = world.staff("staff@example.com").await;
        world.reconcile().await;
        let id = changed_while_it_waits(&world, &shop, &[("application_fee_amount", "1")]).await;
        if heard {
            world.deliver().await;
        }
        for hours in [1, 3] {
            world.pass(Duration::hours(hours)).await;
            world.reconcile().await;
        }
        let (bought, sale, totals, found) = recorded(&world, &shop, &staff, "fee_differs").await;
        assert_eq!(bought["status"], "paid", "the buyer has paid the price");
        assert_eq!((&sale["application_fee"], &totals["application_fee"]), (&json!(1), &json!(1)), "{heard}");
        assert_eq!((&sale["net"], &totals["net"]), (&json!(4999), &json!(4999)));
        assert_eq!(found, [json!([id, 2499, 2500, 1, null])], "{heard}");
        let path = format!("/purchases/{}/refund", bought["id"].as_str().expect("an id"));
        let refunded = world.post(path, json!({})).bearer(&shop.seller.token).await;
        assert_eq!(refunded.status, 200, "{}", refunded.body);
        let (_, sale, ..) = recorded(&world, &shop, &staff, "fee_differs").await;
        assert_eq!((&sale["application_fee_refunded"], &sale["net"]), (&json!(1), &json!(0)), "{sale}");
        world.books().await;
    }
}

#[tokio::test]
async fn a_payment_that_the_owner_captures_in_part_pays_for_nothing_and_is_a_finding() {
    let world = World::with(&[("CHARGE_TYPE", "direct")]).await;
    let shop = world.shop().await;
    let staff = world.staff("staff@example.com").await;
    let id = changed_while_it_waits(&world, &shop, &[("capture_method", "manual")]).await;
    let form = [("amount_to_capture", "100".to_owned()), ("application_fee_amount", "1".to_owned())];
    let captured = world.in_dashboard(&format!("/payment_intents/{id}/capture"), Some(&shop.account), &form).await;
    assert_eq!((&captured["status"], &captured["amount_received"]), (&json!("succeeded"), &json!(100)), "{captured}");
    world.deliver().await;
    let (bought, _, totals, found) = recorded(&world, &shop, &staff, "payment_off_record").await;
    assert_eq!((&bought["status"], &totals), (&json!("canceled"), &Value::Null));
    assert_eq!(found, [json!([id, 100, null, null, null])]);
    assert_ne!(world.get(format!("/courses/{}/content", shop.course_id)).bearer(&shop.buyer.token).await.status, 200);
}

/// The buyer's hosted page was asked for, and its answer is lost. Its owner makes another for the same customer, with the same metadata.
#[tokio::test]
async fn a_hosted_page_of_the_owners_is_not_taken_for_the_one_whose_answer_is_lost() {
    for (fee, paid) in [(None, false), (Some("1"), false), (Some("2500"), true)] {
        let world = World::with(&[("CHARGE_TYPE", "direct")]).await;
        let shop = world.shop().await;
        for _ in 0..3 {
            world.fault("POST", "/v1/checkout/sessions", json!({"kind": "drop_before"})).await;
        }
        let asked = world.post("/courses/charge", json!({"course_id": shop.course_id})).bearer(&shop.buyer.token).await;
        assert_eq!(asked.status, 503, "{}", asked.body);
        let customer = world.stripe("/customers", Some(&shop.account)).await["data"][0]["id"].as_str().expect("an id").to_owned();
        let id = purchase(&world, &shop).await["id"].as_str().expect("an id").to_owned();
        let metadata = [
            ("purchase_id", id.as_str()),
            ("course_id", shop.course_id.as_str()),
            ("buyer_id", shop.buyer.id.as_str()),
            ("attempt", "1"),
            ("stack_id", world.app.config.stack_id.as_str()),
        ];
        let mut form = vec![
            ("cancel_url".to_owned(), "http://localhost:3000/".to_owned()),
            ("customer".to_owned(), customer),
            ("line_items[0][price_data][currency]".to_owned(), "usd".to_owned()),
            ("line_items[0][price_data][product_data][name]".to_owned(), "A course".to_owned()),
            ("line_items[0][price_data][unit_amount]".to_owned(), "5000".to_owned()),
            ("line_items[0][quantity]".to_owned(), "1".to_owned()),
            ("mode".to_owned(), "payment".to_owned()),
            ("success_url".to_owned(), "http://localhost:3000/".to_owned()),
        ];
        for (name, value) in metadata {
            form.push((format!("metadata[{name}]"), value.to_owned()));
            form.push((format!("payment_intent_data[metadata][{name}]"), value.to_owned()));
        }
        form.extend(fee.map(|fee| ("payment_intent_data[application_fee_amount]".to_owned(), fee.to_owned())));
        let form: Vec<(&str, String)> = form.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        let made = world.in_dashboard("/checkout/sessions", Some(&shop.account), &form).await;
        let page = made["id"].as_str().unwrap_or_else(|| panic!("{made}"));
        world.admin("POST", &format!("checkout/sessions/{page}/pay"), json!({"card": "pm_card_visa"})).await;
        world.deliver().await;
        let status = async || purchase(&world, &shop).await["status"] == "paid";
        assert_eq!(status().await, paid, "its events: {fee:?}");
        // The key has been forgotten, so the customer's pages are listed.
        world.pass(Duration::hours(25)).await;
        world.reconcile().await;
        assert_eq!(status().await, paid, "Stripe's list: {fee:?}");
    }
}
