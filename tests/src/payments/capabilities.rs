//! The capabilities that an account needs for each charge type, and where the charge settles.

use serde_json::{Value, json};

use crate::harness::{Person, Shop, World};

const CARD: &str = "pm_card_visa";
const ON_PLATFORM: [&str; 2] = ["destination", "separate"];

/// Stripe restricts the account's capabilities and sends the events.
async fn restrict(world: &World, account: &str, card_payments: &str, transfers: &str) {
    let capabilities = json!({"card_payments": card_payments, "transfers": transfers});
    let fields = json!({"capabilities": capabilities, "charges_enabled": card_payments == "active"});
    world.admin("POST", &format!("accounts/{account}"), fields).await;
    world.deliver().await;
    world.asked_stripe().await;
}

/// Neither a card nor hosted Checkout can pay. Stripe is not called, and the response names the missing capability.
async fn is_refused(world: &World, shop: &Shop, capability: &str) {
    for body in [json!({"course_id": shop.course_id, "payment_method": CARD}), json!({"course_id": shop.course_id})] {
        let answer = world.post("/courses/charge", body).bearer(&shop.buyer.token).await;
        assert_eq!((answer.status, answer.text("code").as_str()), (409, "seller_capability_missing"), "{}", answer.body);
        assert_eq!(answer.text("capability"), capability);
        let detail =
            format!("the seller of this course cannot be paid at the moment: their Stripe account lacks the capability {capability}");
        assert_eq!(answer.text("detail"), detail);
    }
    assert!(world.asked_stripe().await.is_empty(), "not even a customer is created");
}

async fn is_sold(world: &World, shop: &Shop) {
    let answer = world.buy(&shop.buyer, &shop.course_id, CARD).await;
    assert_eq!((answer.status, &answer.json()["purchase"]["status"]), (201, &json!("paid")), "{}", answer.body);
}

#[tokio::test]
async fn a_direct_charge_needs_card_payments() {
    let world = World::with(&[("CHARGE_TYPE", "direct")]).await;
    let shop = world.shop().await;
    for status in ["inactive", "pending", "unrequested"] {
        restrict(&world, &shop.account, status, "active").await;
        is_refused(&world, &shop, "card_payments").await;
    }
    assert!(world.get("/purchases").bearer(&shop.buyer.token).await.json()["items"].as_array().is_some_and(Vec::is_empty));
    // With this charge type nothing is transferred to the account, so it does not need the capability.
    restrict(&world, &shop.account, "active", "inactive").await;
    is_sold(&world, &shop).await;
}

#[tokio::test]
async fn a_charge_on_the_platform_needs_transfers() {
    for charge_type in ON_PLATFORM {
        let world = World::with(&[("CHARGE_TYPE", charge_type)]).await;
        let shop = world.shop().await;
        for status in ["inactive", "pending", "unrequested"] {
            restrict(&world, &shop.account, "active", status).await;
            is_refused(&world, &shop, "transfers").await;
        }
        // The account only receives transfers and does not charge cards itself.
        restrict(&world, &shop.account, "inactive", "active").await;
        is_sold(&world, &shop).await;
    }
}

#[tokio::test]
async fn a_lost_capability_whose_event_has_not_arrived_is_told_to_the_buyer() {
    let world = World::with(&[("CHARGE_TYPE", "destination")]).await;
    let shop = world.shop().await;
    let lost = json!({"capabilities": {"card_payments": "active", "transfers": "inactive"}});
    world.admin("POST", &format!("accounts/{}", shop.account), lost).await;
    for body in [json!({"course_id": shop.course_id, "payment_method": CARD}), json!({"course_id": shop.course_id})] {
        let answer = world.post("/courses/charge", body).bearer(&shop.buyer.token).await;
        assert_eq!((answer.status, answer.text("code").as_str()), (409, "seller_capability_missing"), "{}", answer.body);
        assert_eq!(answer.text("capability"), "transfers");
    }
    restrict(&world, &shop.account, "active", "active").await;
    is_sold(&world, &shop).await;
}

#[tokio::test]
async fn a_later_attempt_is_refused_like_a_first_one() {
    for (charge_type, missing) in [("direct", "card_payments"), ("destination", "transfers"), ("separate", "transfers")] {
        let world = World::with(&[("CHARGE_TYPE", charge_type)]).await;
        let shop = world.shop().await;
        assert_eq!(world.buy(&shop.buyer, &shop.course_id, "pm_card_visa_chargeDeclined").await.status, 402);
        let able = |capability: &str| if capability == missing { "inactive" } else { "active" };
        restrict(&world, &shop.account, able("card_payments"), able("transfers")).await;
        is_refused(&world, &shop, missing).await;
        restrict(&world, &shop.account, "active", "active").await;
        is_sold(&world, &shop).await;
    }
}

/// A seller with an account in a country, and their course.
async fn seller_in(world: &World, country: &str) -> (Person, String, String) {
    let seller = world.seller(&format!("{}@example.com", country.to_lowercase())).await;
    let account = world.made_account(&seller, "express", country).await;
    let course = world.course(&seller, &format!("Course {country}"), 5000, "eur", 50).await;
    (seller, account, course["id"].as_str().expect("an id").to_owned())
}

#[tokio::test]
async fn the_desk_says_whether_courses_are_sold_and_what_lacks_as_a_purchase_does() {
    for (charge_type, needed) in [("", "transfers"), ("destination", "transfers"), ("separate", "transfers"), ("direct", "card_payments")] {
        let world = World::with(&[("CHARGE_TYPE", charge_type)]).await;
        let (seller, account, course_id) = seller_in(&world, "US").await;
        let desk = async || world.get("/users/me/stripe").bearer(&seller.token).await.json();
        let (lost, other) = if needed == "transfers" {
            (("active", "inactive"), ("inactive", "active"))
        } else {
            (("inactive", "active"), ("active", "inactive"))
        };
        restrict(&world, &account, lost.0, lost.1).await;
        let shown = desk().await;
        assert_eq!((&shown["sells"], &shown["lacks"]), (&json!(false), &json!(needed)), "{charge_type}");
        assert_eq!(shown["charges_enabled"], lost.0 == "active", "which alone does not tell");
        let buyer = world.buyer("buyer@example.com").await;
        let refused = world.buy(&buyer, &course_id, CARD).await;
        assert_eq!((refused.status, refused.text("capability").as_str()), (409, needed), "{charge_type}: {}", refused.body);
        for (card_payments, transfers) in [other, ("active", "active")] {
            restrict(&world, &account, card_payments, transfers).await;
            let shown = desk().await;
            assert_eq!((&shown["sells"], &shown["lacks"]), (&json!(true), &Value::Null), "{charge_type}: {card_payments}, {transfers}");
        }
        assert_eq!(world.buy(&buyer, &course_id, CARD).await.status, 201, "{charge_type}");
        // Closed, without a reason.
        world.admin("POST", &format!("accounts/{account}"), json!({"charges_enabled": false})).await;
        world.deliver().await;
        let shown = desk().await;
        assert_eq!((&shown["sells"], &shown["lacks"]), (&json!(false), &Value::Null), "{charge_type}");
    }
}

/// Two buyers pay, one with a card and one at hosted Checkout. Returns both payments.
async fn sold_twice(world: &World, course_id: &str, on: Option<&str>) -> Vec<Value> {
    let (one, two) = (world.buyer(&format!("1{course_id}@example.com")).await, world.buyer(&format!("2{course_id}@example.com")).await);
    let before = world.succeeded(on).await.len();
    let bought = world.buy(&one, course_id, CARD).await;
    assert_eq!((bought.status, &bought.json()["purchase"]["status"]), (201, &json!("paid")), "{}", bought.body);
    let opened = world.post("/courses/charge", json!({"course_id": course_id})).bearer(&two.token).await;
    assert_eq!(opened.status, 201, "{}", opened.body);
    let session = world.stripe("/checkout/sessions", on).await["data"][0]["id"].as_str().expect("an id").to_owned();
    world.admin("POST", &format!("checkout/sessions/{session}/pay"), json!({"card": CARD})).await;
    world.deliver().await;
    let mut payments = world.succeeded(on).await;
    payments.truncate(payments.len() - before);
    assert_eq!(payments.len(), 2);
    payments
}

#[tokio::test]
async fn a_charge_for_an_account_abroad_is_settled_there() {
    for charge_type in ON_PLATFORM {
        let world = World::with(&[("CHARGE_TYPE", charge_type)]).await;
        let (_, here, at_home) = seller_in(&world, "US").await;
        let (_, there, abroad) = seller_in(&world, "DE").await;
        for payment in sold_twice(&world, &at_home, None).await {
            assert_eq!(payment["on_behalf_of"], json!(null), "{charge_type} {here}");
        }
        for payment in sold_twice(&world, &abroad, None).await {
            assert_eq!(payment["on_behalf_of"], json!(there), "{charge_type}");
        }
        assert_eq!(world.books().await["accounts"][&there]["eur"]["balance"], 5000, "two halves");
    }
}

#[tokio::test]
async fn the_country_decides_within_a_region_too() {
    let world = World::with(&[("PLATFORM_COUNTRY", "DE")]).await;
    let (_, account, course) = seller_in(&world, "FR").await;
    for payment in sold_twice(&world, &course, None).await {
        assert_eq!(payment["on_behalf_of"], json!(account), "Stripe would not require it");
    }
}

#[tokio::test]
async fn a_direct_charge_settles_on_its_own_account_in_any_country() {
    let world = World::with(&[("CHARGE_TYPE", "direct")]).await;
    let (_, account, course) = seller_in(&world, "DE").await;
    for payment in sold_twice(&world, &course, Some(&account)).await {
        assert_eq!(payment["on_behalf_of"], json!(null));
    }
}

#[tokio::test]
async fn the_settlement_merchant_must_accept_cards() {
    for charge_type in ON_PLATFORM {
        let world = World::with(&[("CHARGE_TYPE", charge_type)]).await;
        let (seller, account, course_id) = seller_in(&world, "DE").await;
        let buyer = world.buyer("buyer@example.com").await;
        let shop = Shop { seller, account, buyer, course_id };
        restrict(&world, &shop.account, "inactive", "active").await;
        is_refused(&world, &shop, "card_payments").await;
        restrict(&world, &shop.account, "active", "active").await;
        is_sold(&world, &shop).await;
    }
}

#[tokio::test]
async fn stripe_refuses_a_destination_in_another_region_without_on_behalf_of() {
    let world = World::start().await;
    let (_, account, _) = seller_in(&world, "DE").await;
    let ask = async |more: &[(&str, &str)]| {
        let mut form = vec![
            ("amount", "5000"),
            ("currency", "eur"),
            ("confirm", "true"),
            ("payment_method", CARD),
            ("allowed_payment_method_types[]", "card"),
            ("return_url", "https://example.com"),
            ("transfer_data[destination]", account.as_str()),
        ];
        form.extend(more);
        let url = format!("{}/v1/payment_intents", world.app.config.stripe_api_base);
        let answer = world.app.http.post(url).bearer_auth("sk_test_local").form(&form).send().await.expect("it runs");
        let status = answer.status().as_u16();
        (status, serde_json::from_str::<Value>(&answer.text().await.expect("text")).expect("JSON"))
    };
    let (status, refused) = ask(&[]).await;
    assert_eq!((status, &refused["error"]["param"]), (400, &json!("transfer_data[destination]")), "{refused}");
    assert!(refused["error"]["message"].as_str().is_some_and(|message| message.contains("on_behalf_of")), "{refused}");
    let (status, taken) = ask(&[("on_behalf_of", &account)]).await;
    assert_eq!((status, &taken["status"]), (200, &json!("succeeded")), "{taken}");
}
