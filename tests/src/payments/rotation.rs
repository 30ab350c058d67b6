//! Keys are rotated while functions run, without a deploy, a restart or a lost request.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use local::proxy::{Fault, Gate, Kind};
use serde_json::{Value, json};
use shared::settings::seal::open;
use shared::settings::secrets::{Secret as _, TokenKeys};
use time::Duration;

use crate::harness::{CONNECT, PLATFORM, Person, Secret, World};

const OLD: &str = "sk_test_local";
const NEW: &str = "sk_test_rolled";
const CARD: &str = "pm_card_visa";
const CHARGE: &str = "POST /v1/payment_intents";

fn keys(secret_key: &str, webhook_secrets: &[&str]) -> Value {
    json!({
        "secret_key": secret_key,
        "webhook_secrets": webhook_secrets,
        "connect_webhook_secrets": [CONNECT.1],
    })
}

/// An event that needs no work.
fn event(id: &str) -> String {
    json!({"id": id, "type": "some.thing", "livemode": false, "data": {"object": {}}}).to_string()
}

async fn succeeded(world: &World) -> usize {
    let events = world.admin("GET", "events", json!({})).await;
    let all = events["events"].as_array().expect("it is a list").iter();
    all.filter(|event| event["type"] == "payment_intent.succeeded").count()
}

#[tokio::test]
async fn a_secret_key_is_rolled_during_purchases() {
    let (world, secret) = World::with_secret(&keys(OLD, &[PLATFORM.1])).await;
    let shop = world.shop().await;
    let mut buyers = vec![shop.buyer.clone()];
    for number in 1..6 {
        buyers.push(world.buyer(&format!("buyer{number}@example.com")).await);
    }
    secret.reads();
    let gate = Gate::new();
    world.stripe_proxy.inject(Fault::next(CHARGE, Kind::Hold(gate.clone())).times(buyers.len()));
    let purchases = join_all(buyers.iter().map(|buyer| world.buy(buyer, &shop.course_id, CARD)));
    let rotation = async {
        for _ in &buyers {
            gate.reached().await;
        }
        // All of them were sent with the old key, which is no longer valid when they arrive.
        world.admin("POST", "keys", json!({"make": NEW})).await;
        secret.put(&keys(NEW, &[PLATFORM.1])).await;
        world.admin("POST", "keys", json!({"expire": OLD})).await;
        for _ in &buyers {
            gate.open();
        }
    };
    let (answers, ()) = tokio::join!(purchases, rotation);
    for answer in answers {
        assert_eq!((answer.status, answer.json()["purchase"]["status"].as_str()), (201, Some("paid")), "{}", answer.body);
    }
    assert_eq!(succeeded(&world).await, buyers.len(), "each was charged once");
    assert!((1..=buyers.len()).contains(&secret.reads()));

    // The new key is now known and not read again.
    let later = world.buyer("later@example.com").await;
    assert_eq!(world.buy(&later, &shop.course_id, CARD).await.status, 201);
    assert_eq!(secret.reads(), 0);
    // Other functions notice by themselves, including the one that exchanges codes: no code is lost.
    let seller = world.seller("seller2@example.com").await;
    world.link(&seller).await;
    let refund = world.get("/sales").bearer(&shop.seller.token).await.json()["items"][0]["purchase_id"].clone();
    let path = format!("/purchases/{}/refund", refund.as_str().expect("an id"));
    assert_eq!(world.post(path, json!({})).bearer(&shop.seller.token).await.status, 200);
}

#[tokio::test]
async fn a_key_that_expires_before_the_new_one_is_stored_delays_purchases_and_loses_none() {
    let (world, secret) = World::with_secret(&keys(OLD, &[PLATFORM.1])).await;
    let shop = world.shop().await;
    world.admin("POST", "keys", json!({"make": NEW, "expire": OLD})).await;
    for _ in 0..2 {
        let answer = world.buy(&shop.buyer, &shop.course_id, CARD).await;
        assert_eq!((answer.status, answer.text("code")), (502, "payment_provider_error".to_owned()), "{}", answer.body);
    }
    secret.put(&keys(NEW, &[PLATFORM.1])).await;
    world.pass(Duration::minutes(1)).await;
    let answer = world.buy(&shop.buyer, &shop.course_id, CARD).await;
    assert_eq!((answer.status, answer.json()["purchase"]["status"].as_str()), (201, Some("paid")), "{}", answer.body);
    assert_eq!(succeeded(&world).await, 1);
}

#[tokio::test]
async fn several_webhook_secrets_are_valid_together_and_a_new_one_is_found() {
    let (world, secret) = World::with_secret(&keys(OLD, &["whsec_1"])).await;
    let (path, _) = PLATFORM;
    secret.reads();
    assert_eq!(world.send_event((path, "whsec_1"), &event("evt_1")).await.status, 200);
    assert_eq!(secret.reads(), 0);

    // Rolled at Stripe and stored here, but the function read the secret long ago.
    secret.put(&keys(OLD, &["whsec_2", "whsec_1"])).await;
    world.app.clock.advance(Duration::seconds(11));
    for (id, signed_with) in [("evt_2", "whsec_2"), ("evt_3", "whsec_1"), ("evt_4", "whsec_2")] {
        assert_eq!(world.send_event((path, signed_with), &event(id)).await.status, 200, "{signed_with}");
    }
    assert_eq!(secret.reads(), 1, "at the first unknown signature");

    // The old secret is removed. Within five minutes it is no longer accepted, even if no signature fails before that.
    secret.put(&keys(OLD, &["whsec_2"])).await;
    world.app.clock.advance(Duration::minutes(5));
    let answer = world.send_event((path, "whsec_1"), &event("evt_5")).await;
    answer.is_problem(400, "bad_signature", "the signature is invalid");
    assert_eq!(world.send_event((path, "whsec_2"), &event("evt_6")).await.status, 200);
    assert_eq!(secret.reads(), 1);
}

#[tokio::test]
async fn bad_signatures_do_not_cause_a_read_of_the_secret_each_time() {
    let (world, secret) = World::with_secret(&keys(OLD, &[PLATFORM.1])).await;
    world.app.clock.advance(Duration::seconds(11));
    secret.reads();
    for number in 0..20 {
        let answer = world.send_event((PLATFORM.0, "whsec_guessed"), &event(&format!("evt_{number}"))).await;
        assert_eq!(answer.status, 400);
    }
    assert_eq!(secret.reads(), 1);
    world.app.clock.advance(Duration::seconds(11));
    assert_eq!(world.send_event((PLATFORM.0, "whsec_guessed"), &event("evt_last")).await.status, 400);
    assert_eq!(secret.reads(), 1);
}

#[tokio::test]
async fn the_current_keys_stay_in_use_if_the_secret_cannot_be_read() {
    let (world, secret) = World::with_secret(&keys(OLD, &[PLATFORM.1])).await;
    let shop = world.shop().await;
    secret.reads();
    secret.proxy().inject(Fault::always(Kind::Answer { status: 400, body: r#"{"__type":"AccessDeniedException"}"#.to_owned() }));
    world.app.clock.advance(Duration::minutes(6));
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, CARD).await.status, 201);
    assert_eq!(world.send_event(PLATFORM, &event("evt_1")).await.status, 200);
    assert_eq!(secret.reads(), 2, "once by each function");
}

/// The id of the key that sealed a seller's tokens, which must open with the current secret.
async fn sealed_with(world: &World, secret: &Secret, seller: &Person) -> String {
    let user = seller.id.parse().expect("an id");
    let sealed = world.app.store.sealed_tokens(&user).await.expect("it is read").expect("there are tokens");
    let keys = TokenKeys::parse(&secret.value().await.to_string()).expect("they are keys");
    assert!(open(&keys, &user, &sealed).is_ok());
    sealed.key_id
}

#[tokio::test]
async fn a_new_token_key_is_used_without_a_restart() {
    let mut world = World::start().await;
    let (k1, k2) = ("0f".repeat(32), "f0".repeat(32));
    let secret = Secret::named(&world.app, &world.app.config.token_keys_secret_arn, &json!({"current": "k1", "k1": k1})).await;
    world.payments.oauth.token_keys = secret.token_keys().await;
    let mut sellers = Vec::new();
    for name in ["one", "two", "three", "four", "five"] {
        sellers.push(world.seller(&format!("{name}@example.com")).await);
    }
    secret.reads();
    world.link(&sellers[0]).await;
    assert_eq!((sealed_with(&world, &secret, &sellers[0]).await.as_str(), secret.reads()), ("k1", 0));

    secret.put(&json!({"current": "k2", "k1": k1, "keys": {"k2": STANDARD.encode([0xf0; 32])}})).await;
    world.link(&sellers[1]).await;
    assert_eq!(sealed_with(&world, &secret, &sellers[1]).await, "k1", "what the function has is not old yet");
    world.pass(Duration::minutes(6)).await;
    world.link(&sellers[2]).await;
    assert_eq!((sealed_with(&world, &secret, &sellers[2]).await.as_str(), secret.reads()), ("k2", 1));

    // An unreadable secret, or one without valid keys, changes nothing.
    world.pass(Duration::minutes(6)).await;
    secret.put(&json!({"current": "k3", "k2": k2})).await;
    world.link(&sellers[3]).await;
    secret.put(&json!({"current": "k2", "k2": k2})).await;
    assert_eq!(sealed_with(&world, &secret, &sellers[3]).await, "k2");
    secret.proxy().inject(Fault::always(Kind::Answer { status: 400, body: r#"{"__type":"AccessDeniedException"}"#.to_owned() }));
    world.pass(Duration::minutes(6)).await;
    world.link(&sellers[4]).await;
    assert_eq!(sealed_with(&world, &secret, &sellers[4]).await, "k2");
}

#[tokio::test]
async fn with_a_key_of_the_other_mode_nothing_is_sent_to_stripe() {
    // The publishable key is one of a sandbox.
    let (world, secret) = World::with_secret(&keys("sk_live_by_mistake", &[PLATFORM.1])).await;
    let seller = world.seller("seller@example.com").await;
    let course = world.course(&seller, "Flask", 5000, "usd", 50).await;
    let started = world.post("/users/me/stripe/onboarding", json!({"type": "express"})).bearer(&seller.token).await;
    assert_eq!((started.status, started.text("code").as_str()), (502, "payment_provider_error"), "{}", started.body);
    assert_eq!(world.asked_stripe().await, Vec::<String>::new());
    // Once it is corrected, the functions notice by themselves.
    secret.put(&keys(OLD, &[PLATFORM.1])).await;
    world.made_account(&seller, "express", "US").await;
    let buyer = world.buyer("buyer@example.com").await;
    let bought = world.buy(&buyer, course["id"].as_str().expect("an id"), CARD).await;
    assert_eq!(bought.status, 201, "{}", bought.body);
}
