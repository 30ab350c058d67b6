//! `/users/me/payment-methods`, and purchases with saved cards.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{Answer, Person, World};

const CARDS: &str = "/users/me/payment-methods";
const DIRECT: [(&str, &str); 1] = [("CHARGE_TYPE", "direct")];

async fn save(world: &World, person: &Person, card: &str) -> Answer {
    world.post(CARDS, json!({"payment_method": card})).bearer(&person.token).await
}

async fn saved(world: &World, person: &Person, card: &str) -> String {
    let answer = save(world, person, card).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.json()["payment_method"]["id"].as_str().unwrap_or_else(|| panic!("{}", answer.body)).to_owned()
}

async fn cards(world: &World, person: &Person) -> Vec<Value> {
    let answer = world.get(CARDS).bearer(&person.token).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["items"].as_array().expect("a list").clone()
}

async fn customers(world: &World) -> usize {
    world.stripe("/customers", None).await["data"].as_array().map_or(0, Vec::len)
}

#[tokio::test]
async fn a_card_is_saved_listed_chosen_and_removed() {
    let world = World::start().await;
    let buyer = world.buyer("buyer@example.com").await;
    assert_eq!(world.get(CARDS).await.status, 401);
    world.operations();
    assert!(cards(&world, &buyer).await.is_empty());
    assert_eq!((world.asked_stripe().await.len(), world.operations()), (0, vec!["BatchGetItem".to_owned()]));

    let visa = saved(&world, &buyer, "pm_card_visa").await;
    let asked = world.asked_stripe().await;
    assert_eq!(asked[..2], ["POST /v1/customers", "POST /v1/setup_intents"]);
    assert_eq!((asked.len(), asked[2].starts_with("POST /v1/customers/cus_")), (3, true), "the first becomes the default: {asked:?}");
    world.operations();
    let amex = saved(&world, &buyer, "pm_card_amex").await;
    assert_eq!(world.asked_stripe().await, ["POST /v1/setup_intents"]);
    assert_eq!(world.operations(), ["BatchGetItem", "TransactWriteItems", "UpdateItem"]);

    let list = cards(&world, &buyer).await;
    assert_eq!(world.asked_stripe().await.len(), 1);
    let facts = |card: &Value| (card["id"].clone(), card["brand"].clone(), card["last4"].clone(), card["is_default"].clone());
    assert_eq!(facts(&list[0]), (json!(amex), json!("amex"), json!("0005"), json!(false)), "the newest first");
    assert_eq!(facts(&list[1]), (json!(visa), json!("visa"), json!("4242"), json!(true)));

    let path = |id: &str| format!("{CARDS}/{id}");
    // Choosing an earlier default again is a new request to Stripe, not a replay.
    for id in [&amex, &visa, &amex] {
        let chosen = world.patch(path(id), json!({"is_default": true})).bearer(&buyer.token).await;
        assert_eq!((chosen.status, &chosen.json()["is_default"]), (200, &json!(true)), "{}", chosen.body);
        let defaults: Vec<_> = cards(&world, &buyer).await.into_iter().filter(|card| card["is_default"] == true).collect();
        assert_eq!((defaults.len(), &defaults[0]["id"]), (1, &json!(id)));
    }
    assert_eq!(world.patch(path(&visa), json!({"is_default": false})).bearer(&buyer.token).await.status, 422);
    world.operations();
    world.asked_stripe().await;
    world.delete(path(&amex)).bearer(&buyer.token).await.is_empty(204);
    assert_eq!((world.asked_stripe().await.len(), world.operations()), (2, vec!["BatchGetItem".to_owned(), "Query".to_owned()]));
    assert_eq!(world.delete(path(&amex)).bearer(&buyer.token).await.status, 404);
    let left = cards(&world, &buyer).await;
    assert_eq!((left.len(), &left[0]["id"], &left[0]["is_default"]), (1, &json!(visa), &json!(false)), "no other takes its place");
}

#[tokio::test]
async fn somebody_elses_card_is_not_found() {
    let world = World::start().await;
    let shop = world.shop().await;
    let thief = world.buyer("thief@example.com").await;
    let card = saved(&world, &shop.buyer, "pm_card_visa").await;
    saved(&world, &thief, "pm_card_amex").await;
    let path = format!("{CARDS}/{card}");
    assert_eq!(world.delete(&path).bearer(&thief.token).await.status, 404);
    assert_eq!(world.patch(&path, json!({"is_default": true})).bearer(&thief.token).await.status, 404);
    for id in ["tok_visa", "pm_card_visa", "cus_1", "pm_1%2Fdetach"] {
        assert_eq!(world.delete(format!("{CARDS}/{id}")).bearer(&thief.token).await.status, 404, "{id}");
    }
    assert_eq!(save(&world, &thief, &card).await.status, 422);
    let refused = world.buy(&thief, &shop.course_id, &card).await;
    assert_eq!((refused.status, refused.text("code")), (422, "payment_method_refused".to_owned()), "{}", refused.body);
    assert_eq!(cards(&world, &shop.buyer).await.len(), 1);
    assert!(world.succeeded(None).await.is_empty());
}

#[tokio::test]
async fn somebody_elses_card_is_cloned_to_no_account() {
    let world = World::with(&DIRECT).await;
    let shop = world.shop().await;
    let thief = world.buyer("thief@example.com").await;
    let card = saved(&world, &shop.buyer, "pm_card_visa").await;
    // The thief has a customer on the platform. It fails both with and without saving the card.
    for save_card in [false, true] {
        let body = json!({"course_id": shop.course_id, "payment_method": card, "save_card": save_card});
        let refused = world.post("/courses/charge", body).bearer(&thief.token).await;
        assert_eq!((refused.status, refused.text("code")), (422, "payment_method_refused".to_owned()), "{}", refused.body);
    }
    assert!(world.succeeded(Some(&shop.account)).await.is_empty());
}

#[tokio::test]
async fn a_card_whose_holder_must_authenticate_is_saved_after_that() {
    let world = World::start().await;
    let buyer = world.buyer("buyer@example.com").await;
    let body = save(&world, &buyer, "pm_card_threeDSecure2Required").await.json();
    assert!(body["next_action_url"].as_str().is_some_and(|url| url.starts_with("http")) && body.get("payment_method").is_none(), "{body}");
    let id = body["client_secret"].as_str().and_then(|secret| secret.split("_secret_").next()).expect("a secret");
    assert!(cards(&world, &buyer).await.is_empty());
    assert!(!world.stored().await.contains("_secret_"), "client secrets are not stored");
    world.admin("POST", &format!("setup_intents/{id}/authenticate"), json!({"outcome": "succeed"})).await;
    assert_eq!(cards(&world, &buyer).await.len(), 1);
}

#[tokio::test]
async fn a_declined_card_is_not_saved_and_may_be_tried_again() {
    let world = World::start().await;
    let buyer = world.buyer("buyer@example.com").await;
    for (card, reason) in [("pm_card_visa_chargeDeclined", "generic_decline"), ("pm_card_chargeDeclinedExpiredCard", "expired_card")] {
        let keys = || async {
            world.asked_stripe().await;
            let answer = save(&world, &buyer, card).await;
            assert_eq!((answer.status, answer.text("code")), (402, "card_declined".to_owned()), "{}", answer.body);
            assert!(answer.body.contains(reason), "{}", answer.body);
            let log = world.admin("GET", "requests", json!({})).await;
            let setups = log["requests"].as_array().expect("a list").iter().filter(|one| one["path"] == "/v1/setup_intents").count();
            (setups, log.to_string().contains("replayed\":true"))
        };
        assert_eq!(keys().await, (1, false));
        assert_eq!(keys().await, (1, false), "the second attempt reaches the bank instead of replaying the key");
    }
    assert!(cards(&world, &buyer).await.is_empty());
}

#[tokio::test]
async fn a_bank_debit_is_neither_saved_nor_charged_as_a_card() {
    for charge_type in ["destination", "direct"] {
        let world = World::with(&[("CHARGE_TYPE", charge_type)]).await;
        let shop = world.shop().await;
        for debit in ["pm_usBankAccount_success", "pm_success_de"] {
            let refused = save(&world, &shop.buyer, debit).await;
            assert_eq!((refused.status, refused.text("code")), (422, "payment_method_refused".to_owned()), "{debit}: {}", refused.body);
            let refused = world.buy(&shop.buyer, &shop.course_id, debit).await;
            assert_eq!((refused.status, refused.text("code")), (422, "payment_method_refused".to_owned()), "{debit}: {}", refused.body);
        }
        assert!(cards(&world, &shop.buyer).await.is_empty());
        let visa = saved(&world, &shop.buyer, "pm_card_visa").await;
        let list = cards(&world, &shop.buyer).await;
        assert_eq!((&list[0]["id"], &list[0]["is_default"]), (&json!(visa), &json!(true)), "the first card is the default");
        assert_eq!(world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await.status, 201);
    }
}

#[tokio::test]
async fn the_hosted_page_saves_a_card() {
    let world = World::start().await;
    let buyer = world.buyer("buyer@example.com").await;
    let first = world.post(CARDS, json!({})).bearer(&buyer.token).await;
    assert_eq!(first.status, 201, "{}", first.body);
    assert!(first.text("checkout_url").starts_with("http"), "{}", first.body);
    let sessions = world.stripe("/checkout/sessions", None).await;
    let session = &sessions["data"][0];
    assert_eq!((&session["mode"], &session["success_url"]), (&json!("setup"), &json!("http://localhost:3000/account.html?card=saved")));
    let id = session["id"].as_str().expect("an id");
    world.admin("POST", &format!("checkout/sessions/{id}/pay"), json!({"card": "pm_card_visa"})).await;
    assert_eq!(cards(&world, &buyer).await.len(), 1);
    let second = world.post(CARDS, json!({})).bearer(&buyer.token).await;
    assert_ne!(second.text("checkout_url"), first.text("checkout_url"), "a completed page is not returned again");
}

#[tokio::test]
async fn ten_first_requests_at_once_make_one_customer() {
    let world = World::start().await;
    let shop = world.shop().await;
    let (buyer, course) = (&shop.buyer, &shop.course_id);
    let requests = (0..10).map(|number| {
        let (path, body) = match number % 2 {
            0 => ("/courses/charge", json!({"course_id": course, "payment_method": "pm_card_visa"})),
            _ => (CARDS, json!({"payment_method": "pm_card_amex"})),
        };
        world.post(path, body).bearer(&buyer.token)
    });
    let answers = join_all(requests.map(|request| async { request.await.status })).await;
    assert!(answers.iter().all(|status| [201, 409].contains(status)), "{answers:?}");
    assert_eq!((customers(&world).await, world.succeeded(None).await.len()), (1, 1));
}

#[tokio::test]
async fn a_lost_response_is_requested_again_under_the_same_key() {
    let world = World::start().await;
    let buyer = world.buyer("buyer@example.com").await;
    let lost = json!({"match": {"method": "POST", "path": "/v1/setup_intents"}, "fault": {"kind": "drop_after"}, "times": 3});
    world.admin("POST", "faults", lost).await;
    assert_eq!(save(&world, &buyer, "pm_card_visa").await.status, 503);
    let id = saved(&world, &buyer, "pm_card_visa").await;
    let list = cards(&world, &buyer).await;
    assert_eq!((list.len(), &list[0]["id"]), (1, &json!(id)), "one card, although two were requested");
}

#[tokio::test]
async fn a_customer_deleted_at_stripe_is_replaced() {
    let world = World::start().await;
    let shop = world.shop().await;
    saved(&world, &shop.buyer, "pm_card_visa").await;
    let delete = |id: String| {
        let url = format!("{}/v1/customers/{id}", world.app.config.stripe_api_base);
        world.app.http.delete(&url).bearer_auth("sk_test_local").send()
    };
    let current = || async {
        let list = world.stripe("/customers", None).await;
        list["data"][0]["id"].as_str().unwrap_or_else(|| panic!("{list}")).to_owned()
    };
    let first = current().await;
    delete(first.clone()).await.expect("Stripe runs");
    assert!(cards(&world, &shop.buyer).await.is_empty());
    saved(&world, &shop.buyer, "pm_card_amex").await;
    let second = current().await;
    assert_ne!(first, second);
    assert_eq!(cards(&world, &shop.buyer).await.len(), 1);

    delete(second.clone()).await.expect("Stripe runs");
    let bought = world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await;
    assert_eq!((bought.status, &bought.json()["purchase"]["status"]), (201, &json!("paid")), "{}", bought.body);
    assert_ne!(current().await, second);
    assert_eq!(world.succeeded(None).await.len(), 1);
}

#[tokio::test]
async fn a_saved_card_costs_no_more_calls_than_any_other() {
    let world = World::start().await;
    let shop = world.shop().await;
    let card = saved(&world, &shop.buyer, "pm_card_visa").await;
    world.asked_stripe().await;
    world.operations();
    let bought = world.buy(&shop.buyer, &shop.course_id, &card).await;
    assert_eq!((bought.status, &bought.json()["purchase"]["status"]), (201, &json!("paid")), "{}", bought.body);
    assert_eq!(world.asked_stripe().await, ["POST /v1/payment_intents"]);
    assert_eq!(world.operations(), ["BatchGetItem", "TransactWriteItems", "TransactWriteItems"]);
    assert_eq!(cards(&world, &shop.buyer).await.len(), 1);

    // The bank may still require authentication.
    let second = world.course(&shop.seller, "Django Channels", 4000, "usd", 50).await;
    let course_id = second["id"].as_str().expect("an id");
    let body = save(&world, &shop.buyer, "pm_card_authenticationRequired").await.json();
    let id = body["client_secret"].as_str().and_then(|secret| secret.split("_secret_").next()).expect("a secret");
    world.admin("POST", &format!("setup_intents/{id}/authenticate"), json!({"outcome": "succeed"})).await;
    let strict = cards(&world, &shop.buyer).await[0]["id"].as_str().expect("an id").to_owned();
    let waits = world.buy(&shop.buyer, course_id, &strict).await.json();
    assert_eq!(waits["purchase"]["status"], "requires_action", "{waits}");

    // A removed card can no longer pay.
    let third = world.course(&shop.seller, "Rust", 4000, "usd", 50).await;
    world.delete(format!("{CARDS}/{card}")).bearer(&shop.buyer.token).await.is_empty(204);
    let refused = world.buy(&shop.buyer, third["id"].as_str().expect("an id"), &card).await;
    assert_eq!((refused.status, refused.text("code")), (422, "payment_method_refused".to_owned()), "{}", refused.body);
}

#[tokio::test]
async fn a_purchase_saves_the_card_if_the_buyer_agrees() {
    for (settings, on_account) in [(&[][..], false), (&DIRECT[..], true)] {
        let world = World::with(settings).await;
        let shop = world.shop().await;
        let account = on_account.then_some(shop.account.as_str());
        let second = world.course(&shop.seller, "Django Channels", 4000, "usd", 50).await;
        assert_eq!(world.buy(&shop.buyer, &shop.course_id, "pm_card_amex").await.status, 201);
        assert!(cards(&world, &shop.buyer).await.is_empty(), "without consent nothing is saved");

        let body = json!({"course_id": second["id"], "payment_method": "pm_card_visa", "save_card": true});
        let bought = world.post("/courses/charge", body).bearer(&shop.buyer.token).await;
        assert_eq!((bought.status, &bought.json()["purchase"]["status"]), (201, &json!("paid")), "{}", bought.body);
        let kept = cards(&world, &shop.buyer).await;
        assert_eq!((kept.len(), &kept[0]["last4"]), (1, &json!("4242")));
        assert_eq!(world.succeeded(account).await.len(), 2);

        // The card pays the next purchase on any account.
        let third = world.course(&shop.seller, "Rust", 4000, "usd", 50).await;
        world.asked_stripe().await;
        let card = kept[0]["id"].as_str().expect("an id");
        let bought = world.buy(&shop.buyer, third["id"].as_str().expect("an id"), card).await;
        assert_eq!((bought.status, &bought.json()["purchase"]["attempts"]), (201, &json!(1)), "{}", bought.body);
        let asked = world.asked_stripe().await;
        assert_eq!(asked.len(), if on_account { 3 } else { 1 }, "{asked:?}");
        assert_eq!((world.succeeded(account).await.len(), cards(&world, &shop.buyer).await.len()), (3, 1));
        world.books().await;
    }
}

#[tokio::test]
async fn a_purchase_does_not_save_a_declined_card() {
    let world = World::start().await;
    let shop = world.shop().await;
    let body = json!({"course_id": shop.course_id, "payment_method": "pm_card_visa_chargeDeclined", "save_card": true});
    assert_eq!(world.post("/courses/charge", body).bearer(&shop.buyer.token).await.status, 402);
    assert!(cards(&world, &shop.buyer).await.is_empty());
}

#[tokio::test]
async fn a_checkout_saves_the_card_only_with_consent() {
    let world = World::start().await;
    let shop = world.shop().await;
    let open = |save_card: bool| world.post("/courses/charge", json!({"course_id": shop.course_id, "save_card": save_card}));
    let with = open(true).bearer(&shop.buyer.token).await;
    assert_eq!(with.status, 201, "{}", with.body);
    let without = open(false).bearer(&shop.buyer.token).await;
    assert_ne!(with.text("checkout_url"), without.text("checkout_url"), "consent is not carried over");
    let again = open(true).bearer(&shop.buyer.token).await;
    assert_ne!(again.text("checkout_url"), without.text("checkout_url"));
    let sessions = world.stripe("/checkout/sessions", None).await;
    let id = sessions["data"][0]["id"].as_str().expect("an id");
    world.admin("POST", &format!("checkout/sessions/{id}/pay"), json!({"card": "pm_card_visa"})).await;
    assert_eq!(cards(&world, &shop.buyer).await.len(), 1);
}

/// The saved cards' last four digits, and which one is the default.
async fn defaults(world: &World, person: &Person) -> Vec<(Value, bool)> {
    cards(world, person).await.into_iter().map(|card| (card["last4"].clone(), card["is_default"] == true)).collect()
}

#[tokio::test]
async fn the_first_card_becomes_the_default_however_it_was_saved() {
    let world = World::start().await;
    let shop = world.shop().await;
    let buyer = async |number: u32| world.buyer(&format!("{number}@example.com")).await;

    // Saved on the hosted page.
    let one = buyer(1).await;
    assert_eq!(world.post(CARDS, json!({})).bearer(&one.token).await.status, 201);
    let pay = async || {
        let session = world.stripe("/checkout/sessions", None).await["data"][0]["id"].as_str().expect("an id").to_owned();
        world.admin("POST", &format!("checkout/sessions/{session}/pay"), json!({"card": "pm_card_visa"})).await;
    };
    pay().await;

    // Saved after authentication.
    let two = buyer(2).await;
    let body = save(&world, &two, "pm_card_threeDSecure2Required").await.json();
    let id = body["client_secret"].as_str().and_then(|secret| secret.split("_secret_").next()).expect("a secret").to_owned();
    world.admin("POST", &format!("setup_intents/{id}/authenticate"), json!({"outcome": "succeed"})).await;

    // Saved with a purchase that is paid at once.
    let three = buyer(3).await;
    let body = json!({"course_id": shop.course_id, "payment_method": "pm_card_visa", "save_card": true});
    assert_eq!(world.post("/courses/charge", body).bearer(&three.token).await.status, 201);

    // Saved with a purchase that requires authentication.
    let four = buyer(4).await;
    let body = json!({"course_id": shop.course_id, "payment_method": "pm_card_threeDSecure2Required", "save_card": true});
    let body = world.post("/courses/charge", body).bearer(&four.token).await.json();
    let id = body["client_secret"].as_str().and_then(|secret| secret.split("_secret_").next()).expect("a secret").to_owned();
    world.admin("POST", &format!("payment_intents/{id}/authenticate"), json!({"outcome": "succeed"})).await;

    // Saved with a purchase at hosted Checkout.
    let five = buyer(5).await;
    let body = json!({"course_id": shop.course_id, "save_card": true});
    assert_eq!(world.post("/courses/charge", body).bearer(&five.token).await.status, 201);
    pay().await;

    for person in [&one, &two, &three, &four, &five] {
        let kept = defaults(&world, person).await;
        assert!(kept.len() == 1 && !kept[0].1, "no event has arrived yet: {} {kept:?}", person.email);
    }
    world.deliver().await;
    for person in [&one, &two, &three, &four, &five] {
        let kept = defaults(&world, person).await;
        assert!(kept.len() == 1 && kept[0].1, "{} {kept:?}", person.email);
        // The next saved card does not change the default.
        saved(&world, person, "pm_card_amex").await;
    }
    world.deliver().await;
    for person in [&one, &two, &three, &four, &five] {
        let kept = defaults(&world, person).await;
        assert_eq!((&kept[0], kept[1].1), (&(json!("0005"), false), true), "{}", person.email);
    }
}

#[tokio::test]
async fn a_card_saved_by_a_direct_charge_becomes_the_default_too() {
    let world = World::with(&DIRECT).await;
    let shop = world.shop().await;
    let body = json!({"course_id": shop.course_id, "payment_method": "pm_card_visa", "save_card": true});
    assert_eq!(world.post("/courses/charge", body).bearer(&shop.buyer.token).await.status, 201);
    world.deliver().await;
    assert_eq!(defaults(&world, &shop.buyer).await, [(json!("4242"), true)]);
}

#[tokio::test]
async fn a_saved_cards_event_takes_effect_once_and_only_for_our_buyers() {
    let world = World::start().await;
    let buyer = world.buyer("buyer@example.com").await;
    let visa = saved(&world, &buyer, "pm_card_visa").await;
    let event = world.event("payment_method.attached", |_| true).await.expect("it happened");
    world.asked_stripe().await;
    world.operations();
    assert_eq!(world.tell(&event).await.status, 200);
    let asked = world.asked_stripe().await;
    assert!(asked.len() == 1 && asked[0].starts_with("GET /v1/customers/cus_"), "it is the default already: {asked:?}");
    assert_eq!(world.operations(), ["GetItem", "TransactWriteItems"]);

    // The buyer removes the card. Late or repeated events do not choose another default.
    let amex = saved(&world, &buyer, "pm_card_amex").await;
    world.delete(format!("{CARDS}/{visa}")).bearer(&buyer.token).await.is_empty(204);
    assert_eq!(world.tell(&event).await.status, 200);
    assert_eq!(defaults(&world, &buyer).await, [(json!("0005"), false)]);
    world.delete(format!("{CARDS}/{amex}")).bearer(&buyer.token).await.is_empty(204);
    let late = world.event("payment_method.attached", |card| card["id"] == json!(amex)).await.expect("it happened");
    assert_eq!(world.tell(&late).await.status, 200, "the card was removed in the meantime");
    assert!(cards(&world, &buyer).await.is_empty());

    // A customer that the platform created for something else.
    let url = |path: &str| format!("{}/v1{path}", world.app.config.stripe_api_base);
    let made = world.app.http.post(url("/customers")).bearer_auth("sk_test_local").form(&[("payment_method", "pm_card_visa")]);
    assert_eq!(made.send().await.expect("it runs").status().as_u16(), 200);
    world.deliver().await;
    let customers = world.stripe("/customers", None).await;
    assert_eq!(customers["data"][0]["invoice_settings"]["default_payment_method"], json!(null), "{customers}");

    // If Stripe does not answer, the event is retried.
    let other = world.buyer("other@example.com").await;
    assert_eq!(world.post(CARDS, json!({})).bearer(&other.token).await.status, 201);
    let session = world.stripe("/checkout/sessions", None).await["data"][0]["id"].as_str().expect("an id").to_owned();
    world.admin("POST", &format!("checkout/sessions/{session}/pay"), json!({"card": "pm_card_visa"})).await;
    let event = world.event("payment_method.attached", |_| true).await.expect("it happened");
    for method in ["GET", "POST"] {
        let outage = json!({"match": {"method": method, "path": "/v1/customers/cus_"}, "times": 3, "fault": {"kind": "drop_after"}});
        world.admin("POST", "faults", outage).await;
        assert_eq!(world.tell(&event).await.status, 503);
    }
    assert_eq!(world.tell(&event).await.status, 200);
    assert_eq!(defaults(&world, &other).await, [(json!("4242"), true)]);
}
