//! Card testing: thieves who try stolen card numbers, and the buyers who must not be blocked by the countermeasures.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::State;
use futures_util::future::join_all;
use local::proxy::{Fault, Kind as Fail};
use serde_json::{Value, json};
use time::Duration;

use crate::harness::{Answer, Person, Shop, World};

const DECLINED: &str = "pm_card_visa_chargeDeclined";
const CONFIRM: &str = "confirm your e-mail address first";

/// One course per attempt, so that a failed purchase does not affect the next one.
async fn courses(world: &World, shop: &Shop, number: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for course in 0..number {
        let course = world.course(&shop.seller, &format!("Course {course}"), 100, "usd", 10).await;
        ids.push(course["id"].as_str().expect("an id").to_owned());
    }
    ids
}

fn assert_held_up(answer: &Answer) -> i64 {
    assert_eq!((answer.status, answer.text("code")), (429, "too_many_cards".to_owned()), "{}", answer.body);
    let seconds = answer.header("retry-after").and_then(|seconds| seconds.parse().ok()).expect("it says for how long");
    assert!((1..=86_400).contains(&seconds), "{seconds}");
    let detail = answer.text("detail");
    assert!(
        detail.starts_with("too many cards were tried; try again in ") && detail.contains("payment provider's own page now"),
        "{detail}"
    );
    seconds
}

#[tokio::test]
async fn a_fresh_account_has_one_card_declined_and_confirms_its_address_before_the_next() {
    let world = World::start().await;
    let shop = world.shop().await;
    let thief = world.stranger("thief@example.com").await;
    let first = world.buy(&thief, &shop.course_id, DECLINED).await;
    assert_eq!((first.status, first.text("code")), (402, "card_declined".to_owned()));
    world.asked_stripe().await;
    for card in [DECLINED, "pm_card_visa", "tok_visa"] {
        world.buy(&thief, &shop.course_id, card).await.is_problem(403, "email_not_confirmed", CONFIRM);
        let save = world.post("/users/me/payment-methods", json!({"payment_method": card})).bearer(&thief.token).await;
        assert!(save.status == 403 || card == "tok_visa", "{card}: {}", save.body);
    }
    assert!(world.asked_stripe().await.is_empty(), "Stripe is not asked");

    // Honest buyers can still pay: immediately on Stripe's page, or by card once their address is confirmed.
    let hosted = world.post("/courses/charge", json!({"course_id": shop.course_id})).bearer(&thief.token).await;
    assert_eq!(hosted.status, 201, "{}", hosted.body);
    let page = world.post("/users/me/payment-methods", json!({})).bearer(&thief.token).await;
    assert_eq!(page.status, 201, "{}", page.body);
    world.confirm(&thief).await;
    assert_eq!(world.buy(&thief, &shop.course_id, "pm_card_visa").await.status, 201);
}

#[tokio::test]
async fn five_declines_block_a_user_for_an_hour_and_ten_for_a_day() {
    let world = World::start().await;
    let shop = world.shop().await;
    world.pass(Duration::seconds(60)).await;
    for _ in 0..2 {
        for _ in 0..5 {
            assert_eq!(world.buy(&shop.buyer, &shop.course_id, DECLINED).await.status, 402);
        }
        world.asked_stripe().await;
        let held_up = world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await;
        let seconds = assert_held_up(&held_up);
        let save = world.post("/users/me/payment-methods", json!({"payment_method": "pm_card_visa"})).bearer(&shop.buyer.token).await;
        assert_held_up(&save);
        assert!(world.asked_stripe().await.is_empty());
        let hosted = world.post("/courses/charge", json!({"course_id": shop.course_id})).bearer(&shop.buyer.token).await;
        assert_eq!(hosted.status, 201, "{}", hosted.body);
        if seconds <= 3600 {
            // The block lasts until the last decline is an hour old; the first one expires sooner.
            world.pass(Duration::hours(1)).await;
            // The open Checkout page is closed, and the next card is tried.
        } else {
            assert!(seconds > 80_000, "{seconds}");
        }
    }
    // Other buyers are not affected.
    let other = world.buyer("other@example.com").await;
    assert_eq!(world.buy(&other, &shop.course_id, "pm_card_visa").await.status, 201);
    world.pass(Duration::days(1)).await;
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await.status, 201);
}

#[tokio::test]
async fn cards_tried_by_saving_them_count_too() {
    let world = World::start().await;
    let thief = world.buyer("thief@example.com").await;
    let save = |card: &str| world.post("/users/me/payment-methods", json!({"payment_method": card})).bearer(&thief.token);
    for _ in 0..5 {
        assert_eq!(save(DECLINED).await.status, 402);
    }
    world.asked_stripe().await;
    assert_held_up(&save("pm_card_visa").await);
    assert!(world.asked_stripe().await.is_empty());
}

/// Payment methods of cards that a browser has entered.
async fn entered(world: &World, token: &str, number: usize) -> Vec<String> {
    let form = [("type", "card".to_owned()), ("card[token]", token.to_owned())];
    let made = join_all((0..number).map(|_| world.in_dashboard("/payment_methods", None, &form))).await;
    made.iter().map(|method| method["id"].as_str().unwrap_or_else(|| panic!("{method}")).to_owned()).collect()
}

/// The functions' minute has just begun, so that none begins while many cards are tried.
async fn at_the_start_of_a_minute(world: &World) {
    let into = world.app.clock.now().unix_timestamp().rem_euclid(60);
    world.pass(Duration::seconds(61 - into)).await;
    world.asked_stripe().await;
}

#[tokio::test]
async fn many_cards_at_once_are_not_tried_before_the_first_is_declined() {
    let world = World::start().await;
    let shop = world.shop().await;
    let ids = courses(&world, &shop, 30).await;
    let cards = entered(&world, "tok_chargeDeclined", 30).await;
    let thief = world.stranger("thief@example.com").await;
    at_the_start_of_a_minute(&world).await;
    let answers = join_all(ids.iter().zip(&cards).map(|(id, card)| world.buy(&thief, id, card))).await;
    let asked = world.asked_stripe().await;
    let tried = asked.iter().filter(|one| *one == "POST /v1/payment_intents").count();
    assert_eq!(tried, 10, "{asked:?}");
    assert!(answers.iter().all(|answer| [402, 403, 429].contains(&answer.status)));
    let later = world.buy(&thief, &ids[29], DECLINED).await;
    assert!([403, 429].contains(&later.status), "{}", later.body);
}

#[tokio::test]
async fn saving_subscribing_and_paying_count_towards_one_limit() {
    let world = World::with(&[("CHARGE_TYPE", "direct")]).await;
    let shop = world.shop().await;
    let ids = courses(&world, &shop, 3).await;
    let offer = json!({"monthly": {"amount": 1000}, "currency": "usd"});
    let membership = format!("/sellers/{}/membership", shop.seller.id);
    assert_eq!(world.post(&membership, offer).bearer(&shop.seller.token).await.status, 200);
    let cards = entered(&world, "tok_visa", 14).await;
    let thief = &shop.buyer;
    at_the_start_of_a_minute(&world).await;

    let save = |card: &str| world.post("/users/me/payment-methods", json!({"payment_method": card})).bearer(&thief.token);
    let mut saved = Vec::new();
    for card in &cards[..7] {
        let answer = save(card).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        saved.push(answer.json()["payment_method"]["id"].as_str().expect("an id").to_owned());
    }
    // Saving a card and paying with it counts as one card.
    assert_eq!(world.buy(thief, &ids[0], &saved[0]).await.status, 201);
    let join = |card: &str| {
        world.post(format!("{membership}/subscribe"), json!({"interval": "month", "payment_method": card})).bearer(&thief.token)
    };
    let joined = join(&cards[7]).await;
    assert_eq!(joined.status, 201, "{}", joined.body);
    let subscription = joined.json()["subscription"]["id"].as_str().expect("an id").to_owned();
    let resume =
        |card: &str| world.post(format!("/subscriptions/{subscription}/resume"), json!({"payment_method": card})).bearer(&thief.token);
    let resumed = resume(&cards[8]).await;
    assert_eq!(resumed.status, 200, "{}", resumed.body);
    let keep = |id: &str, card: &str| {
        world.post("/courses/charge", json!({"course_id": id, "payment_method": card, "save_card": true})).bearer(&thief.token)
    };
    assert_eq!(keep(&ids[1], &cards[9]).await.status, 201);

    world.asked_stripe().await;
    assert!(assert_held_up(&save(&cards[10]).await) <= 60);
    assert!(assert_held_up(&resume(&cards[11]).await) <= 60);
    assert!(assert_held_up(&keep(&ids[2], &cards[12]).await) <= 60);
    let other = world.buyer("other@example.com").await;
    let asked = world.asked_stripe().await;
    assert!(asked.iter().all(|one| !one.contains("attach") && !one.contains("intents")), "no further card is sent to Stripe: {asked:?}");
    // Counted cards still work, and others after the minute.
    assert_eq!(world.buy(thief, &ids[2], &saved[1]).await.status, 201);
    world.pass(Duration::minutes(1)).await;
    assert_eq!(save(&cards[13]).await.status, 201);
    // Nobody else was blocked.
    let answer = world.post("/users/me/payment-methods", json!({"payment_method": "pm_card_visa"})).bearer(&other.token).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
}

#[tokio::test]
async fn subscribing_tries_no_more_cards_than_the_limit_allows() {
    let world = World::start().await;
    let shop = world.shop().await;
    let membership = format!("/sellers/{}/membership", shop.seller.id);
    let offer = json!({"monthly": {"amount": 1000}, "currency": "usd"});
    assert_eq!(world.post(&membership, offer).bearer(&shop.seller.token).await.status, 200);
    let cards = entered(&world, "tok_chargeDeclined", 30).await;
    at_the_start_of_a_minute(&world).await;
    let join = |card: &String| {
        let body = json!({"interval": "month", "payment_method": card});
        world.post(format!("{membership}/subscribe"), body).bearer(&shop.buyer.token).into_future()
    };
    let answers = join_all(cards.iter().map(join)).await;
    let asked = world.asked_stripe().await;
    let tried = asked.iter().filter(|one| one.starts_with("POST") && one.ends_with("/attach")).count();
    assert_eq!(tried, 10, "{asked:?}");
    assert_eq!(answers.iter().filter(|answer| answer.status == 429).count(), 20);
}

#[tokio::test]
async fn a_card_that_is_tried_by_switching_a_membership_counts_too() {
    let world = World::start().await;
    let shop = world.shop().await;
    let membership = format!("/sellers/{}/membership", shop.seller.id);
    let offer = json!({"monthly": {"amount": 1000}, "yearly": {"amount": 10000}, "currency": "usd"});
    assert_eq!(world.post(&membership, offer).bearer(&shop.seller.token).await.status, 200);
    let thief = world.stranger("thief@example.com").await;
    let card = json!({"interval": "month", "payment_method": "pm_card_visa"});
    let joined = world.post(format!("{membership}/subscribe"), card).bearer(&thief.token).await;
    assert_eq!(joined.status, 201, "{}", joined.body);
    world.deliver().await;
    let path = format!("/subscriptions/{}", joined.json()["subscription"]["id"].as_str().expect("an id"));
    // It can be attached, and declines each charge.
    let card = json!({"payment_method": "pm_card_chargeCustomerFail"});
    assert_eq!(world.post(format!("{path}/resume"), card).bearer(&thief.token).await.status, 200);
    let switch = || world.post(format!("{path}/switch"), json!({"interval": "year"})).bearer(&thief.token);
    assert_eq!(switch().await.text("code"), "card_declined");
    world.asked_stripe().await;
    switch().await.is_problem(403, "email_not_confirmed", CONFIRM);
    assert!(world.asked_stripe().await.is_empty(), "Stripe is not asked");
    world.confirm(&thief).await;
    for _ in 0..4 {
        assert_eq!(switch().await.text("code"), "card_declined");
    }
    assert_eq!(switch().await.status, 429);
    assert_eq!(world.buy(&thief, &shop.course_id, "pm_card_visa").await.status, 429);
}

#[tokio::test]
async fn cards_tried_in_a_minute_are_limited_per_address_or_ipv6_network() {
    let world = World::with(&[("ADDRESS_LIMITS", "1")]).await;
    let mut thieves = Vec::new();
    for number in 0..7 {
        thieves.push(world.buyer(&format!("thief{number}@example.com")).await);
    }
    let cards = entered(&world, "tok_visa", 70).await;
    at_the_start_of_a_minute(&world).await;
    let save = |number: usize, address: &str| {
        let call = world.post("/users/me/payment-methods", json!({"payment_method": cards[number]})).bearer(&thieves[number / 10].token);
        call.from(address)
    };
    let answers = join_all((0..60).map(|number| save(number, &format!("2001:db8:0:7::{number:x}")).into_future())).await;
    assert!(answers.iter().all(|answer| answer.status == 201), "{answers:?}");
    assert!(assert_held_up(&save(60, "2001:db8:0:7:ffff::1").await) <= 60);
    assert_eq!(save(61, "2001:db8:0:8::1").await.status, 201, "other networks are not affected");
}

/// The `client_secret`'s object.
fn object_of(answer: &Answer) -> String {
    answer.text("client_secret").split("_secret_").next().expect("an id").to_owned()
}

#[tokio::test]
async fn a_failed_authentication_counts_as_a_decline_for_every_use() {
    const ASKS: &str = "pm_card_threeDSecure2Required";
    let world = World::start().await;
    let shop = world.shop().await;
    let membership = format!("/sellers/{}/membership", shop.seller.id);
    let offer = json!({"monthly": {"amount": 1000}, "currency": "usd"});
    assert_eq!(world.post(&membership, offer).bearer(&shop.seller.token).await.status, 200);
    let thief = world.stranger("thief@example.com").await;
    let save = || world.post("/users/me/payment-methods", json!({"payment_method": ASKS})).bearer(&thief.token);
    let fail = async |kind: &str, id: &str| {
        world.admin("POST", &format!("{kind}/{id}/authenticate"), json!({"outcome": "fail"})).await;
        world.deliver().await;
    };
    let declines = || async {
        let id = thief.id.parse().expect("an id");
        world.app.store.user(&id).await.expect("the table is there").expect("they are there").declined_at.len()
    };

    // A successful authentication is not counted.
    let honest = world.buy(&shop.buyer, &shop.course_id, ASKS).await;
    world.admin("POST", &format!("payment_intents/{}/authenticate", object_of(&honest)), json!({"outcome": "succeed"})).await;
    world.deliver().await;

    let asked = save().await;
    fail("setup_intents", &object_of(&asked)).await;
    assert_eq!(declines().await, 1);
    let intent = world.stripe(&format!("/setup_intents/{}", object_of(&asked)), None).await;
    assert_eq!(intent["status"], "canceled", "no other card can be tried on it");
    let event = world.event("setup_intent.setup_failed", |_| true).await.expect("it happened");
    assert_eq!(world.tell(&event).await.status, 200);
    assert_eq!(declines().await, 1, "once, however often Stripe reports it");
    save().await.is_problem(403, "email_not_confirmed", CONFIRM);

    world.confirm(&thief).await;
    let bought = world.buy(&thief, &shop.course_id, ASKS).await;
    fail("payment_intents", &object_of(&bought)).await;
    assert_eq!(declines().await, 2);
    let intent = world.stripe(&format!("/payment_intents/{}", object_of(&bought)), None).await;
    assert_eq!(intent["status"], "canceled", "no other card can be tried on it");
    let told =
        world.get(format!("/purchases/{}", bought.json()["purchase"]["id"].as_str().expect("an id"))).bearer(&thief.token).await.json();
    assert_eq!((&told["status"], &told["failure"]["code"]), (&json!("canceled"), &json!("payment_intent_authentication_failure")));
    let event = world.event("payment_intent.payment_failed", |_| true).await.expect("it happened");
    assert_eq!(world.tell(&event).await.status, 200);
    assert_eq!(declines().await, 2);

    let body = json!({"interval": "month", "payment_method": ASKS});
    let joined = world.post(format!("{membership}/subscribe"), body).bearer(&thief.token).await;
    fail("payment_intents", &object_of(&joined)).await;
    assert_eq!(declines().await, 3);

    // A card declined after authentication counts too, and one declined immediately counts once.
    let bought = world.buy(&thief, &shop.course_id, "pm_card_threeDSecureRequiredChargeDeclined").await;
    world.admin("POST", &format!("payment_intents/{}/authenticate", object_of(&bought)), json!({"outcome": "succeed"})).await;
    world.deliver().await;
    assert_eq!(declines().await, 4);
    assert_eq!(world.buy(&thief, &shop.course_id, DECLINED).await.status, 402);
    world.deliver().await;
    assert_eq!(declines().await, 5);
    assert_held_up(&world.buy(&thief, &shop.course_id, "pm_card_visa").await);
    let id = shop.buyer.id.parse().expect("an id");
    let honest = world.app.store.user(&id).await.expect("the table is there").expect("they are there");
    assert!(honest.declined_at.is_empty());
}

#[tokio::test]
async fn cards_tried_in_the_browser_on_one_setup_intent_are_counted_and_the_first_decline_cancels_it() {
    let world = World::start().await;
    let thief = world.stranger("thief@example.com").await;
    let save = |card: &str| world.post("/users/me/payment-methods", json!({"payment_method": card})).bearer(&thief.token);
    let declines = || async {
        let id = thief.id.parse().expect("an id");
        world.app.store.user(&id).await.expect("the table is there").expect("they are there").declined_at.len()
    };
    let asked = save("pm_card_threeDSecure2Required").await;
    assert_eq!(asked.status, 201, "{}", asked.body);
    let id = object_of(&asked);
    let confirm = async |card: &str| {
        let form = [("payment_method", card.to_owned())];
        world.in_dashboard(&format!("/setup_intents/{id}/confirm"), None, &form).await
    };
    let declined = confirm(DECLINED).await;
    assert_eq!(declined["error"]["code"], "card_declined", "{declined}");
    world.deliver().await;
    assert_eq!(declines().await, 1);
    let next = confirm("pm_card_visa").await;
    assert_eq!(next["error"]["code"], "setup_intent_unexpected_state", "no other card can be tried on it: {next}");
    let event = world.event("setup_intent.setup_failed", |intent| intent["id"] == id.as_str()).await.expect("it happened");
    assert_eq!(world.tell(&event).await.status, 200);
    assert_eq!(declines().await, 1, "once, however often Stripe reports it");
    save("pm_card_visa").await.is_problem(403, "email_not_confirmed", CONFIRM);

    // What the request itself is answered, it counts; the event does not count it again.
    world.confirm(&thief).await;
    assert_eq!(save(DECLINED).await.status, 402);
    world.deliver().await;
    assert_eq!(declines().await, 2);

    // A browser that says that it is one of our requests is counted too.
    let asked = save("pm_card_threeDSecure2Required").await;
    let form = [("payment_method", DECLINED.to_owned())];
    let told = world.in_dashboard(&format!("/setup_intents/{}/confirm", object_of(&asked)), None, &form).await;
    assert_eq!(told["error"]["code"], "card_declined", "{told}");
    let mut event =
        world.event("setup_intent.setup_failed", |intent| intent["id"] == object_of(&asked).as_str()).await.expect("it happened");
    event["request"]["idempotency_key"] = json!("platform:setup:cus_1:0:pm_card_visa");
    assert_eq!(world.tell(&event).await.status, 200);
    assert_eq!(declines().await, 3);
}

/// A thief who collects secrets first has one to try a card on.
#[tokio::test]
async fn of_setup_intents_begun_beforehand_only_the_newest_can_be_tried() {
    let world = World::start().await;
    let thief = world.buyer("thief@example.com").await;
    let page = world.post("/users/me/payment-methods", json!({})).bearer(&thief.token).await;
    assert_eq!(page.status, 201, "{}", page.body);
    let id = thief.id.parse().expect("an id");
    let customer = world.app.store.user(&id).await.expect("the table").expect("they are there").customers["platform"].clone();
    // Another program's, and another deployment's.
    let stray = [("customer", customer.clone()), ("metadata[buyer_id]", thief.id.clone())];
    let stray = world.in_dashboard("/setup_intents", None, &stray).await;
    let other = [("customer", customer.clone()), ("metadata[made_by]", "a key".to_owned()), ("metadata[stack_id]", "another".to_owned())];
    let other = world.in_dashboard("/setup_intents", None, &other).await;
    let untouched = [stray["id"].clone(), other["id"].clone()];
    assert!(untouched.iter().all(Value::is_string), "{stray}, {other}");

    let cards = entered(&world, "tok_threeDSecure2Required", 9).await;
    let save = |card: &String| world.post("/users/me/payment-methods", json!({"payment_method": card})).bearer(&thief.token).into_future();
    let mut answers = join_all(cards[..6].iter().map(save)).await;
    for card in &cards[6..] {
        answers.push(save(card).await);
    }
    let begun: Vec<String> = answers.iter().map(object_of).collect();
    let mut tried = 0;
    for id in &begun {
        let told = world.in_dashboard(&format!("/setup_intents/{id}/confirm"), None, &[("payment_method", DECLINED.to_owned())]).await;
        match told["error"]["code"].as_str() {
            Some("card_declined") => tried += 1,
            code => assert_eq!(code, Some("setup_intent_unexpected_state"), "{told}"),
        }
    }
    assert_eq!((begun.len(), tried), (9, 1));
    let list = world.stripe(&format!("/setup_intents?limit=100&customer={customer}"), None).await;
    let open = |one: &&Value| one["status"] == "requires_payment_method" && !begun.iter().any(|id| one["id"] == id.as_str());
    let open: Vec<Value> = list["data"].as_array().expect("a list").iter().filter(open).map(|one| one["id"].clone()).collect();
    assert!(untouched.iter().all(|id| open.contains(id)), "{open:?}");
    assert_eq!(world.stripe("/checkout/sessions?limit=1", None).await["data"][0]["status"], "open");

    // An honest buyer who turns to another card saves it.
    world.deliver().await;
    let again = save(&cards[0]).await;
    world.admin("POST", &format!("setup_intents/{}/authenticate", object_of(&again)), json!({"outcome": "succeed"})).await;
    let saved = world.get("/users/me/payment-methods").bearer(&thief.token).await.json();
    assert_eq!(saved["items"].as_array().map(Vec::len), Some(1), "{saved}");
}

/// Without the list, nobody gets a secret: it might be one of several.
#[tokio::test]
async fn a_setup_intents_secret_is_kept_until_the_earlier_ones_are_canceled() {
    let world = World::start().await;
    let thief = world.buyer("thief@example.com").await;
    let save = || world.post("/users/me/payment-methods", json!({"payment_method": "pm_card_threeDSecure2Required"})).bearer(&thief.token);
    let first = object_of(&save().await);
    let outage = json!({"match": {"method": "GET", "path": "/v1/setup_intents"}, "times": 1000, "fault": {"kind": "drop_before"}});
    world.admin("POST", "faults", outage).await;
    for _ in 0..2 {
        let lost = save().await;
        assert!(lost.status >= 500 && !lost.body.contains("_secret_"), "{}", lost.body);
    }
    world.admin("DELETE", "faults", json!({})).await;
    let second = object_of(&save().await);
    let status = async |id: &str| world.stripe(&format!("/setup_intents/{id}"), None).await["status"].clone();
    assert_eq!((status(&first).await, status(&second).await), (json!("canceled"), json!("requires_action")));
    let all = world.stripe("/setup_intents?limit=100", None).await["data"].as_array().expect("a list").len();
    assert_eq!(all, 2, "the repeated request is the same at Stripe");
}

/// A thief who collects secrets and is then limited has a minute to use them.
#[tokio::test]
async fn what_a_limited_user_began_beforehand_is_withdrawn_within_a_minute() {
    const ASKS: &str = "pm_card_threeDSecure2Required";
    let world = World::start().await;
    let shop = world.shop().await;
    let ids = courses(&world, &shop, 4).await;
    let other = world.seller("other@example.com").await;
    world.link(&other).await;
    let hosted = world.course(&other, "Another course", 5000, "usd", 50).await["id"].clone();
    let offer = json!({"monthly": {"amount": 1000}, "currency": "usd"});
    for seller in [&shop.seller, &other] {
        assert_eq!(world.post(format!("/sellers/{}/membership", seller.id), offer.clone()).bearer(&seller.token).await.status, 200);
    }
    let join = |person: &Person, seller: &Person, body: Value| {
        world.post(format!("/sellers/{}/membership/subscribe", seller.id), body).bearer(&person.token)
    };
    let honest = world.buyer("honest@example.com").await;
    let thief = &shop.buyer;
    let card = json!({"interval": "month", "payment_method": ASKS});
    let kept = [object_of(&world.buy(&honest, &ids[0], ASKS).await), object_of(&join(&honest, &shop.seller, card.clone()).await)];
    let mut begun = vec![object_of(&join(thief, &shop.seller, card).await)];
    for id in &ids[..3] {
        begun.push(object_of(&world.buy(thief, id, ASKS).await));
    }
    let pages = [
        world.post("/courses/charge", json!({"course_id": hosted})).bearer(&thief.token).await,
        join(thief, &other, json!({"interval": "month"})).await,
    ];
    assert!(pages.iter().all(|page| page.json()["checkout_url"].is_string()), "{pages:?}");
    world.pass(Duration::minutes(1)).await;
    assert_eq!(world.close_pages().await.repaired, 0, "nobody is limited yet");

    for _ in 0..5 {
        assert_eq!(world.buy(thief, &ids[3], DECLINED).await.status, 402);
    }
    assert_eq!(world.close_pages().await.repaired, 4);
    let confirm = async |id: &str| {
        let form = [("payment_method", DECLINED.to_owned())];
        world.in_dashboard(&format!("/payment_intents/{id}/confirm"), None, &form).await["error"]["code"].clone()
    };
    for id in &begun {
        assert_eq!(confirm(id).await, "payment_intent_unexpected_state", "{id}");
    }
    for id in &kept {
        assert_eq!(world.stripe(&format!("/payment_intents/{id}"), None).await["status"], "requires_action", "the honest buyer's");
    }
    let sessions = world.stripe("/checkout/sessions?limit=10", None).await;
    let open = sessions["data"].as_array().expect("a list").iter().filter(|one| one["status"] == "open").count();
    assert_eq!(open, 2, "Stripe guards its own pages");
    world.deliver().await;
    world.asked_stripe().await;
    assert_eq!(world.close_pages().await.repaired, 0);
    assert_eq!(world.asked_stripe().await, Vec::<String>::new());
}

/// The functions' hour has just begun, so that none begins during the test.
async fn at_the_start_of_an_hour(world: &World) {
    let into = world.app.clock.now().unix_timestamp().rem_euclid(3600);
    world.pass(Duration::seconds(3601 - into)).await;
}

/// The payments that wait for authentication at Stripe.
async fn open_at_stripe(world: &World) -> Vec<String> {
    let list = world.stripe("/payment_intents?limit=100", None).await;
    let list = list["data"].as_array().expect("a list");
    list.iter().filter(|one| one["status"] == "requires_action").map(|one| one["id"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test]
async fn a_user_is_handed_ten_secrets_an_hour_and_what_is_begun_beyond_that_is_withdrawn() {
    const ASKS: &str = "pm_card_threeDSecure2Required";
    let world = World::start().await;
    let shop = world.shop().await;
    let ids = courses(&world, &shop, 12).await;
    let mut memberships = Vec::new();
    for name in ["a@example.com", "b@example.com"] {
        let seller = world.seller(name).await;
        world.link(&seller).await;
        world.course(&seller, "Theirs", 100, "usd", 10).await;
        let membership = format!("/sellers/{}/membership", seller.id);
        let offer = json!({"monthly": {"amount": 1000}, "currency": "usd"});
        assert_eq!(world.post(&membership, offer).bearer(&seller.token).await.status, 200);
        memberships.push(membership);
    }
    at_the_start_of_an_hour(&world).await;
    let thief = &shop.buyer;
    let join = |membership: &str| {
        let body = json!({"interval": "month", "payment_method": ASKS});
        world.post(format!("{membership}/subscribe"), body).bearer(&thief.token)
    };
    let handed_out = |answer: &Answer| {
        assert_eq!(answer.status, 201, "{}", answer.body);
        object_of(answer)
    };
    let mut given = vec![handed_out(&join(&memberships[0]).await)];
    world.operations();
    for id in &ids[..9] {
        given.push(handed_out(&world.buy(thief, id, ASKS).await));
    }
    assert_eq!(world.operations().len(), 9 * 4, "one more trip for each");

    // At once, as a program would.
    let refused = join_all(ids[9..].iter().map(|id| world.buy(thief, id, ASKS))).await;
    let refused = refused.into_iter().chain([join(&memberships[1]).await]);
    for answer in refused {
        assert!((3500..=3600).contains(&assert_held_up(&answer)));
        assert!(!answer.body.contains("_secret_"), "{}", answer.body);
    }
    let mut open = open_at_stripe(&world).await;
    open.sort_unstable();
    given.sort_unstable();
    assert_eq!(open, given);
    let purchases = world.get("/purchases?limit=12").bearer(&thief.token).await.json();
    let purchases = purchases["items"].as_array().expect("a list");
    assert_eq!(purchases.iter().filter(|one| one["status"] == "canceled").count(), 3, "{purchases:?}");
    let joined = world.get("/subscriptions").bearer(&thief.token).await.json();
    assert_eq!((&joined["items"][0]["status"], &joined["items"][1]["status"]), (&json!("failed"), &json!("incomplete")), "{joined}");

    // What was handed out is handed out again, and other cards and Stripe's page work.
    assert!(given.contains(&handed_out(&world.buy(thief, &ids[0], ASKS).await)));
    assert!(given.contains(&handed_out(&join(&memberships[0]).await)));
    assert_eq!(world.buy(thief, &ids[9], "pm_card_visa").await.status, 201);
    let page = world.post("/courses/charge", json!({"course_id": ids[10]})).bearer(&thief.token).await;
    assert!(page.json()["checkout_url"].is_string(), "{}", page.body);
    // Another attempt is another payment.
    assert_held_up(&world.buy(thief, &ids[0], "pm_card_threeDSecureRequired").await);
    let other = world.buyer("other@example.com").await;
    handed_out(&world.buy(&other, &ids[0], ASKS).await);

    at_the_start_of_an_hour(&world).await;
    handed_out(&world.buy(thief, &ids[11], ASKS).await);
    handed_out(&join(&memberships[1]).await);
}

#[tokio::test]
async fn users_of_one_address_are_handed_forty_secrets_an_hour_together() {
    const ASKS: &str = "pm_card_threeDSecure2Required";
    let world = World::with(&[("ADDRESS_LIMITS", "1")]).await;
    let shop = world.shop().await;
    let ids = courses(&world, &shop, 10).await;
    at_the_start_of_an_hour(&world).await;
    let buy = |person: &Person, id: &str, address: &str| {
        let body = json!({"course_id": id, "payment_method": ASKS});
        world.post("/courses/charge", body).bearer(&person.token).from(address)
    };
    for number in 0..4 {
        let thief = world.buyer(&format!("thief{number}@example.com")).await;
        let address = format!("2001:db8:0:7::{number:x}");
        let answers = join_all(ids.iter().map(|id| buy(&thief, id, &address).into_future())).await;
        assert!(answers.iter().all(|answer| answer.status == 201 && answer.body.contains("_secret_")), "{answers:?}");
    }
    let next = world.buyer("next@example.com").await;
    assert_held_up(&buy(&next, &ids[0], "2001:db8:0:7:ffff::1").await);
    assert_eq!(open_at_stripe(&world).await.len(), 40);
    assert_eq!(buy(&next, &ids[0], "2001:db8:0:8::1").await.status, 201, "other networks are not affected");
}

/// What the function leaves behind if it dies, or the table fails, before the secret is handed out.
#[tokio::test]
async fn a_request_that_dies_before_it_hands_a_secret_out_meets_the_limit_when_it_is_repeated() {
    const ASKS: &str = "pm_card_threeDSecure2Required";
    let world = World::start().await;
    let shop = world.shop().await;
    let ids = courses(&world, &shop, 11).await;
    at_the_start_of_an_hour(&world).await;
    let thief = &shop.buyer;
    for id in &ids[..10] {
        assert_eq!(world.buy(thief, id, ASKS).await.status, 201);
    }
    // The intent and the outcome are written; then nothing is any more.
    world.proxy.inject(Fault::always(Fail::InternalServerError).skip(3).times(3));
    let died = world.buy(thief, &ids[10], ASKS).await;
    assert!(died.status >= 500 && !died.body.contains("_secret_"), "{}", died.body);
    assert_eq!(open_at_stripe(&world).await.len(), 11);
    assert_held_up(&world.buy(thief, &ids[10], ASKS).await);
    assert_eq!(open_at_stripe(&world).await.len(), 10);
}

#[tokio::test]
async fn cards_tried_in_the_browser_on_a_memberships_first_payment_are_counted_and_the_first_decline_ends_it() {
    let world = World::start().await;
    let shop = world.shop().await;
    let thief = world.buyer("thief@example.com").await;
    let membership = format!("/sellers/{}/membership", shop.seller.id);
    let offer = json!({"monthly": {"amount": 1000}, "currency": "usd"});
    assert_eq!(world.post(&membership, offer).bearer(&shop.seller.token).await.status, 200);
    let join = |card: &str| {
        let body = json!({"interval": "month", "payment_method": card});
        world.post(format!("{membership}/subscribe"), body).bearer(&thief.token)
    };
    let declines = || async {
        let id = thief.id.parse().expect("an id");
        world.app.store.user(&id).await.expect("the table is there").expect("they are there").declined_at.len()
    };
    let asked = join("pm_card_threeDSecure2Required").await;
    assert_eq!(asked.status, 201, "{}", asked.body);
    let payment = object_of(&asked);
    let confirm = async |card: &str| {
        let form = [("payment_method", card.to_owned())];
        world.in_dashboard(&format!("/payment_intents/{payment}/confirm"), None, &form).await
    };
    // The second is tried before the event of the first is here.
    assert_eq!(confirm(DECLINED).await["error"]["code"], "card_declined");
    assert_eq!(confirm("pm_card_chargeDeclinedInsufficientFunds").await["error"]["code"], "card_declined");
    world.deliver().await;
    assert_eq!(declines().await, 2);
    let next = confirm("pm_card_visa").await;
    assert_eq!(next["error"]["code"], "payment_intent_unexpected_state", "no other card can be tried on it: {next}");
    let id = asked.json()["subscription"]["id"].as_str().expect("an id").to_owned();
    let ended = world.get(format!("/subscriptions/{id}")).bearer(&thief.token).await.json();
    assert_eq!((&ended["status"], &ended["failure"]["code"]), (&json!("canceled"), &json!("card_declined")), "{ended}");
    let event = world.event("invoice.payment_failed", |_| true).await.expect("it happened");
    assert_eq!(world.tell(&event).await.status, 200);
    assert_eq!(declines().await, 2, "once each, however often Stripe reports them");

    // What the request itself is answered, it counts; the event does not count it again.
    assert_eq!(join(DECLINED).await.status, 402);
    world.deliver().await;
    assert_eq!(declines().await, 3);
}

#[tokio::test]
async fn cards_declined_on_stripes_page_for_saving_one_are_not_counted() {
    let world = World::start().await;
    let buyer = world.buyer("buyer@example.com").await;
    let page = world.post("/users/me/payment-methods", json!({})).bearer(&buyer.token).await.text("checkout_url");
    let sessions = world.stripe("/checkout/sessions?limit=1", None).await;
    assert_eq!(sessions["data"][0]["url"], page.as_str());
    let id = sessions["data"][0]["id"].as_str().expect("an id");
    let paid = world.admin("POST", &format!("checkout/sessions/{id}/pay"), json!({"card": DECLINED})).await;
    let failed = world.event("setup_intent.setup_failed", |_| true).await.unwrap_or_else(|| panic!("{paid}"));
    assert_eq!(world.tell(&failed).await.status, 200);
    let id = buyer.id.parse().expect("an id");
    let user = world.app.store.user(&id).await.expect("the table is there").expect("they are there");
    assert!(user.declined_at.is_empty());
}

/// A new buyer fails to authenticate a card of this use. Returns Stripe's event, which was not delivered, and the buyer.
async fn failed_in_browser(world: &World, shop: &Shop, kind: &str, number: usize) -> (Value, Person) {
    const ASKS: &str = "pm_card_threeDSecure2Required";
    let buyer = world.buyer(&format!("{kind}{number}@example.com")).await;
    let (path, event, body) = match kind {
        "saved" => ("/users/me/payment-methods".to_owned(), "setup_intent.setup_failed", json!({"payment_method": ASKS})),
        "bought" => {
            let body = json!({"course_id": shop.course_id, "payment_method": ASKS});
            ("/courses/charge".to_owned(), "payment_intent.payment_failed", body)
        }
        _ => {
            let path = format!("/sellers/{}/membership/subscribe", shop.seller.id);
            (path, "invoice.payment_failed", json!({"interval": "month", "payment_method": ASKS}))
        }
    };
    let asked = world.post(path, body).bearer(&buyer.token).await;
    let object = object_of(&asked);
    let resource = if kind == "saved" { "setup_intents" } else { "payment_intents" };
    world.admin("POST", &format!("{resource}/{object}/authenticate"), json!({"outcome": "fail"})).await;
    // Nothing else has happened since, so the newest event is the one.
    let event = world.event(event, |one| kind == "joined" || one["id"] == object.as_str()).await.expect("it happened");
    (event, buyer)
}

/// A function that dies leaves what it has written, and Stripe sends the event again.
#[tokio::test]
async fn a_decline_in_the_browser_is_counted_once_wherever_the_function_dies() {
    let world = World::start().await;
    let shop = world.shop().await;
    let offer = json!({"monthly": {"amount": 1000}, "currency": "usd"});
    assert_eq!(world.post(format!("/sellers/{}/membership", shop.seller.id), offer).bearer(&shop.seller.token).await.status, 200);
    for kind in ["saved", "bought", "joined"] {
        // The first time nothing fails, to see how many calls there are.
        let mut calls = 1;
        let mut number = 0;
        while number <= calls {
            let (event, buyer) = failed_in_browser(&world, &shop, kind, number).await;
            world.operations();
            if let Some(broken) = number.checked_sub(1) {
                world.proxy.inject(Fault::always(Fail::InternalServerError).skip(broken).times(3));
            }
            let first = world.tell(&event).await;
            assert!(number > 0 || first.status == 200, "{kind}: {}", first.body);
            if number == 0 {
                calls = world.operations().len();
            }
            assert_eq!(world.tell(&event).await.status, 200, "{kind}, call {number}");
            let id = buyer.id.parse().expect("an id");
            let counted = world.app.store.user(&id).await.expect("the table").expect("they are there").declined_at.len();
            assert_eq!(counted, 1, "{kind}, call {number} of {calls}");
            number += 1;
        }
        assert!(calls >= 4, "{kind}: {calls}");
    }
}

#[tokio::test]
async fn declines_are_limited_per_address_or_ipv6_network() {
    let world = World::with(&[("ADDRESS_LIMITS", "1")]).await;
    let shop = world.shop().await;
    let into = world.app.clock.now().unix_timestamp().rem_euclid(3600);
    world.pass(Duration::seconds(3601 - into)).await;
    let attempt = |person: &Person, card: &str, address: String| {
        let body = json!({"course_id": shop.course_id, "payment_method": card});
        world.post("/courses/charge", body).bearer(&person.token).from(address)
    };
    for number in 0..30 {
        let thief = world.stranger(&format!("thief{number}@example.com")).await;
        let declined = attempt(&thief, DECLINED, format!("2001:db8:0:7::{number:x}")).await;
        assert_eq!(declined.status, 402, "{number}: {}", declined.body);
    }
    let next = world.buyer("next@example.com").await;
    world.asked_stripe().await;
    assert_held_up(&attempt(&next, DECLINED, "2001:db8:0:7:ffff::1".to_owned()).await);
    assert!(world.asked_stripe().await.is_empty());
    assert_eq!(attempt(&next, "pm_card_visa", "2001:db8:0:8::1".to_owned()).await.status, 201, "other networks are not affected");
}

#[tokio::test]
async fn a_card_declined_ten_times_blocks_the_next_user_who_tries_it() {
    let world = World::with(&[("ADDRESS_LIMITS", "1")]).await;
    let shop = world.shop().await;
    // The functions count per calendar day, so start a new one.
    let into = world.app.clock.now().unix_timestamp().rem_euclid(86_400);
    world.pass(Duration::seconds(86_401 - into)).await;
    for number in 0..10 {
        let thief = world.buyer(&format!("thief{number}@example.com")).await;
        for _ in 0..=usize::from(number == 0) {
            assert_eq!(world.buy(&thief, &shop.course_id, DECLINED).await.status, 402);
        }
    }
    let next = world.buyer("next@example.com").await;
    assert_eq!(world.buy(&next, &shop.course_id, DECLINED).await.status, 402, "it counts as several");
    assert_held_up(&world.buy(&next, &shop.course_id, "pm_card_visa").await);
    let other = world.buyer("other@example.com").await;
    assert_eq!(world.buy(&other, &shop.course_id, "pm_card_visa").await.status, 201);
}

#[tokio::test]
async fn a_decline_costs_two_more_trips_and_a_purchase_none() {
    let world = World::start().await;
    let shop = world.shop().await;
    let second = world.course(&shop.seller, "Second", 5000, "usd", 50).await;
    let bought = world.buy(&shop.buyer, second["id"].as_str().expect("an id"), "pm_card_visa").await;
    assert_eq!(bought.status, 201, "{}", bought.body);
    world.operations();
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await.status, 201);
    assert_eq!(world.operations(), ["BatchGetItem", "TransactWriteItems", "TransactWriteItems"]);
}

/// A challenge provider that accepts one response.
async fn provider() -> (String, Arc<AtomicUsize>) {
    async fn verify(State(asked): State<Arc<AtomicUsize>>, body: String) -> String {
        asked.fetch_add(1, Ordering::SeqCst);
        let is_ours = body.contains("secret=s3cret") && body.contains("sitekey=site");
        json!({"success": is_ours && body.contains("response=a+human")}).to_string()
    }
    let asked = Arc::new(AtomicUsize::new(0));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let url = format!("http://{}/siteverify", listener.local_addr().expect("it is bound"));
    let router = Router::new().fallback(verify).with_state(asked.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, asked)
}

#[tokio::test]
async fn after_some_declines_a_configured_challenge_is_checked_on_the_server() {
    let (url, asked) = provider().await;
    let settings = [("CHALLENGE_URL", url.as_str()), ("CHALLENGE_SITE_KEY", "site"), ("CHALLENGE_SECRET", "s3cret")];
    let world = World::with(&settings).await;
    let shop = world.shop().await;
    assert_eq!(world.get("/config").await.json()["challenge_site_key"], "site");
    for _ in 0..3 {
        assert_eq!(world.buy(&shop.buyer, &shop.course_id, DECLINED).await.status, 402);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    let buy = |answer: Value| {
        let body = json!({"course_id": shop.course_id, "payment_method": "pm_card_visa", "challenge": answer});
        world.post("/courses/charge", body).bearer(&shop.buyer.token)
    };
    let wanted = "answer the challenge first, or pay on the payment provider's own page";
    world.asked_stripe().await;
    for answer in [Value::Null, json!(""), json!("a program"), json!("a+human&success=true")] {
        buy(answer).await.is_problem(403, "challenge_wanted", wanted);
    }
    assert!(world.asked_stripe().await.is_empty());
    assert_eq!(buy(json!("a human")).await.status, 201);
    assert_eq!(asked.load(Ordering::SeqCst), 4);
    assert!(!world.get("/config").await.body.contains("s3cret"));
}

#[tokio::test]
async fn only_staff_see_that_a_card_was_reported() {
    let world = World::start().await;
    let shop = world.shop().await;
    let staff = world.staff("staff@example.com").await;
    for (card, told, known) in [
        ("pm_card_chargeDeclinedStolenCard", "generic_decline", "stolen_card"),
        ("pm_card_chargeDeclinedLostCard", "generic_decline", "lost_card"),
        ("pm_card_chargeDeclinedInsufficientFunds", "insufficient_funds", "insufficient_funds"),
    ] {
        let person = world.buyer(&format!("{known}@example.com")).await;
        let declined = world.buy(&person, &shop.course_id, card).await;
        assert_eq!((declined.status, declined.text("decline_code").as_str()), (402, told), "{card}: {}", declined.body);
        let save = world.post("/users/me/payment-methods", json!({"payment_method": card})).bearer(&person.token).await;
        assert_eq!((save.status, save.text("decline_code").as_str()), (402, told), "{card}: {}", save.body);
        let mine = world.get("/purchases").bearer(&person.token).await;
        assert_eq!(mine.json()["items"][0]["failure"]["decline_code"], told, "{}", mine.body);
        assert!(told == known || !mine.body.contains(known));
        let seen = world.get(format!("/admin/users/{}/purchases", person.id)).bearer(&staff.token).await;
        assert_eq!(seen.json()["items"][0]["failure"]["decline_code"], known, "{}", seen.body);
    }
}
