//! `make stripe-setup`: the webhook endpoints at Stripe, and their signing secrets in Secrets Manager.

mod others;
mod thin;

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use local::proxy::{Fault, Kind};
use operator::endpoints::{self, events};
use serde_json::{Value, json};

use crate::harness::{PLATFORM, Secret, World, sign};

const MAKE: &str = "POST /v1/webhook_endpoints";
const WRITE: &str = "PutSecretValue";

/// The secret as the stack creates it, with the key that the operator added.
fn empty() -> Value {
    json!({"secret_key": "sk_test_local", "webhook_secrets": [], "connect_webhook_secrets": [], "note": "mine"})
}

async fn try_set_up(world: &World, secret: &Secret, key: Option<&str>) -> Result<Vec<String>, String> {
    let client = shared::cloud::aws::secrets_manager(&world.app.aws, Some(secret.endpoint()));
    let secret = endpoints::Secret { client, name: world.app.config.stripe_secret_arn.clone() };
    let done = endpoints::set_up(&world.app, &secret, key.map(str::to_owned)).await;
    let text = done.as_ref().map_or_else(ToString::to_string, Clone::clone);
    assert!(!text.contains("whsec_") && !text.contains("sk_test_local"), "{text}");
    done.map(|text| text.lines().map(str::to_owned).collect()).map_err(|error| error.to_string())
}

async fn set_up(world: &World, secret: &Secret) -> Vec<String> {
    try_set_up(world, secret, None).await.expect("all can be registered")
}

/// The endpoints of snapshots at Stripe, the oldest first.
async fn registered(world: &World) -> Vec<Value> {
    let listed = world.stripe("/webhook_endpoints?limit=100", None).await;
    let mut all = listed["data"].as_array().expect("it is a list").clone();
    all.reverse();
    all
}

async fn make_by_hand(world: &World, version: &str, mark: &str) -> Value {
    let url = format!("{}/v1/webhook_endpoints", world.app.config.stripe_api_base);
    let body = format!("url=http://localhost:9000/webhooks/stripe&enabled_events[]=charge.refunded&api_version={version}{mark}");
    let request = world.app.http.post(url).bearer_auth("sk_test_local").header("content-type", "application/x-www-form-urlencoded");
    let answer = request.body(body).send().await.expect("the stand-in runs").text().await.expect("it is text");
    serde_json::from_str(&answer).expect("it is JSON")
}

async fn change_by_hand(world: &World, endpoint: &Value, body: &'static str) {
    let url = format!("{}/v1/webhook_endpoints/{}", world.app.config.stripe_api_base, endpoint["id"].as_str().expect("an id"));
    let request = world.app.http.post(url).bearer_auth("sk_test_local").header("content-type", "application/x-www-form-urlencoded");
    request.body(body).send().await.expect("the stand-in runs").error_for_status().expect("it is changed");
}

fn sorted(events: &Value) -> Vec<&str> {
    let mut events: Vec<&str> = events.as_array().expect("it is a list").iter().filter_map(Value::as_str).collect();
    events.sort_unstable();
    events
}

/// Records the requests it receives.
async fn receiver() -> (String, Arc<Mutex<Vec<(String, String, String)>>>) {
    type Received = Arc<Mutex<Vec<(String, String, String)>>>;
    async fn receive(State(received): State<Received>, request: Request) {
        let (head, body) = request.into_parts();
        let signature = head.headers["stripe-signature"].to_str().expect("it is text").to_owned();
        let body = axum::body::to_bytes(body, 1 << 20).await.expect("the body arrives");
        let body = String::from_utf8(body.to_vec()).expect("it is text");
        received.lock().expect("nobody panicked").push((head.uri.path().to_owned(), signature, body));
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    let received = Received::default();
    let router = Router::new().fallback(receive).with_state(Arc::clone(&received));
    tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
    (url, received)
}

#[tokio::test]
async fn keys_of_the_other_mode_are_refused_before_stripe_is_asked() {
    let (mut world, secret) = World::with_secret(&empty()).await;
    let refused = try_set_up(&world, &secret, Some("sk_live_1")).await;
    assert_eq!(refused, Err("a key is for live mode, but the stack's publishable key is for test mode".to_owned()));
    world.app.config.publishable_key = "pk_live_1".to_owned();
    let refused = try_set_up(&world, &secret, None).await;
    assert_eq!(refused, Err("a key is for test mode, but the stack's publishable key is for live mode".to_owned()));
    assert!(registered(&world).await.is_empty());
}

#[tokio::test]
async fn all_endpoints_are_registered_once_and_their_events_accepted() {
    let (mut world, secret) = World::with_secret(&empty()).await;
    let (url, received) = receiver().await;
    world.app.config.public_api_url.clone_from(&url);
    assert_eq!(set_up(&world, &secret).await.len(), 3);
    let endpoints = registered(&world).await;
    let [destination] = thin::registered(&world).await.try_into().expect("there is one");
    let facts: Vec<_> = endpoints.iter().map(|one| (one["url"].as_str(), &one["application"], &one["api_version"])).collect();
    let version = json!("2026-09-30.endive");
    assert_eq!(
        facts,
        [
            (Some(format!("{url}/webhooks/stripe").as_str()), &json!(null), &version),
            (Some(format!("{url}/webhooks/stripe/connect").as_str()), &json!("ca_local"), &version),
        ]
    );
    assert_eq!(sorted(&endpoints[0]["enabled_events"]), events(endpoints::PLATFORM));
    assert_eq!(sorted(&endpoints[1]["enabled_events"]), events(endpoints::CONNECT));
    let of_platform = events(endpoints::PLATFORM);
    let only_connect: Vec<_> = events(endpoints::CONNECT).into_iter().filter(|name| !of_platform.contains(name)).collect();
    assert_eq!(only_connect, ["account.application.deauthorized", "account.updated", "capability.updated"]);

    // Other values in the secret are kept.
    let kept = secret.value().await;
    assert_eq!((&kept["secret_key"], &kept["note"]), (&json!("sk_test_local"), &json!("mine")));
    assert_eq!(sorted(&kept["webhook_endpoints"]), sorted(&json!([endpoints[0]["id"], endpoints[1]["id"], destination["id"]])));

    // A second run changes nothing, neither at Stripe nor in the secret.
    world.asked_stripe().await;
    secret.proxy().clear();
    let lines = set_up(&world, &secret).await;
    assert!(lines.iter().all(|line| line.ends_with("is up to date")), "{lines:?}");
    assert_eq!(world.asked_stripe().await, ["GET /v1/webhook_endpoints", "GET /v2/core/event_destinations"]);
    // Read once for Stripe's key, and again after listing the endpoints.
    assert_eq!(secret.proxy().operations(), ["GetSecretValue", "GetSecretValue"]);

    // The functions accept events signed with the new secrets, each at its own endpoint only.
    world.payments.read_keys_from(&secret).await;
    let shop = world.shop().await;
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await.status, 201);
    world.admin("POST", &format!("accounts/{}/deauthorize", shop.account), json!({})).await;
    world.deliver().await;
    let received = received.lock().expect("nobody panicked").clone();
    let kinds: Vec<Value> = received.iter().map(|(_, _, body)| serde_json::from_str(body).expect("it is JSON")).collect();
    assert!(kinds.iter().any(|event| event["type"] == "payment_intent.succeeded"), "{kinds:?}");
    for (path, signature, body) in received {
        let elsewhere = if path.ends_with("/connect") { "/webhooks/stripe" } else { "/webhooks/stripe/connect" };
        assert_eq!(world.call("POST", &path).text(&body).header("stripe-signature", &signature).await.status, 200, "{path} {body}");
        assert_eq!(world.call("POST", elsewhere).text(&body).header("stripe-signature", &signature).await.status, 400, "{path}");
    }
}

/// A run that created the platform's endpoint at Stripe but failed to write its secret.
async fn broken_off(world: &World, secret: &Secret) -> Value {
    secret.proxy().inject(Fault::next(WRITE, Kind::InternalServerError).times(3));
    assert_eq!(try_set_up(world, secret, None).await, Err("the secret cannot be written".to_owned()));
    let [made] = registered(world).await.try_into().expect("there is one");
    made
}

#[tokio::test]
async fn an_endpoint_whose_secret_was_not_stored_is_requested_again() {
    let (world, secret) = World::with_secret(&empty()).await;
    let made = broken_off(&world, &secret).await;
    // A concurrent run between Stripe's response and the write would see the same.
    let lines = set_up(&world, &secret).await;
    assert_eq!(lines.len(), 3, "{lines:?}");
    let endpoints = registered(&world).await;
    let facts: Vec<_> = endpoints.iter().map(|one| (one["id"] == made["id"], &one["status"])).collect();
    assert_eq!(facts, [(true, &json!("enabled")), (false, &json!("enabled"))]);
    let kept = secret.value().await;
    let [destination] = thin::registered(&world).await.try_into().expect("there is one");
    assert_eq!(sorted(&kept["webhook_endpoints"]), sorted(&json!([endpoints[0]["id"], endpoints[1]["id"], destination["id"]])));
    assert_eq!((sorted(&kept["webhook_secrets"]).len(), sorted(&kept["connect_webhook_secrets"]).len()), (1, 2));
}

#[tokio::test]
async fn an_endpoint_whose_secret_was_lost_is_replaced() {
    let (world, secret) = World::with_secret(&empty()).await;
    let lost = broken_off(&world, &secret).await;
    // Stripe keeps idempotency keys for a day.
    world.pass(time::Duration::hours(25)).await;
    let lines = set_up(&world, &secret).await;
    assert!(lines.iter().any(|line| line.ends_with("was disabled because its signing secret was lost")), "{lines:?}");
    let endpoints = registered(&world).await;
    let enabled: Vec<bool> = endpoints.iter().map(|one| one["status"] == "enabled").collect();
    assert_eq!((&endpoints[0]["id"], enabled), (&lost["id"], vec![false, true, true]));
    set_up(&world, &secret).await;
    assert_eq!(registered(&world).await.len(), 3);
}

#[tokio::test]
async fn an_endpoint_of_another_run_is_not_disabled_in_its_first_minutes() {
    let (world, secret) = World::with_secret(&empty()).await;
    // Another release's run, with other events and therefore another key, has not written its secret yet.
    let other = make_by_hand(&world, "2026-09-30.endive", "&metadata[registered_by]=make%20stripe-setup").await;
    let id = other["id"].as_str().expect("an id");
    let spared = format!("{id} at http://localhost:9000/webhooks/stripe was just created");
    for _ in 0..2 {
        let lines = set_up(&world, &secret).await;
        assert!(lines.iter().any(|line| line.starts_with(&spared)), "{lines:?}");
        assert_eq!(registered(&world).await[0]["status"], "enabled");
        world.pass(time::Duration::minutes(4)).await;
    }
    world.pass(time::Duration::minutes(4)).await;
    let lines = set_up(&world, &secret).await;
    assert!(lines.iter().any(|line| line.starts_with(id) && line.ends_with("its signing secret was lost")), "{lines:?}");
    assert_eq!(registered(&world).await[0]["status"], "disabled");
}

#[tokio::test]
async fn concurrent_runs_and_lost_responses_create_one_endpoint_each() {
    let (world, secret) = World::with_secret(&empty()).await;
    world.stripe_proxy.inject(Fault::next(MAKE, Kind::LoseAnswer));
    let (one, other) = tokio::join!(set_up(&world, &secret), set_up(&world, &secret));
    assert_eq!((one.len(), other.len()), (3, 3));
    let endpoints = registered(&world).await;
    assert_eq!((endpoints.len(), thin::registered(&world).await.len()), (2, 1), "{endpoints:?}");
    let kept = secret.value().await;
    assert_eq!((sorted(&kept["webhook_secrets"]).len(), sorted(&kept["connect_webhook_secrets"]).len()), (1, 2));
    assert!(set_up(&world, &secret).await.iter().all(|line| line.ends_with("is up to date")));
}

#[tokio::test]
async fn changed_endpoints_are_repaired_and_deleted_ones_recreated() {
    let (world, secret) = World::with_secret(&empty()).await;
    set_up(&world, &secret).await;
    let [platform, connect] = registered(&world).await.try_into().expect("there are two");
    // Twice, because Stripe's stored response must not be replayed for the second change.
    for _ in 0..2 {
        change_by_hand(&world, &platform, "disabled=true").await;
        change_by_hand(&world, &connect, "enabled_events[]=account.updated").await;
        let lines = set_up(&world, &secret).await;
        let enabled = |types: usize| format!("is now enabled for {types} event types");
        let all = events(endpoints::CONNECT).len();
        assert!(lines[0].ends_with(&enabled(events(endpoints::PLATFORM).len())) && lines[1].ends_with(&enabled(all)), "{lines:?}");
        let now = registered(&world).await;
        assert_eq!((&now[0]["status"], sorted(&now[1]["enabled_events"]).len()), (&json!("enabled"), all));
    }
    let url = format!("{}/v1/webhook_endpoints/{}", world.app.config.stripe_api_base, platform["id"].as_str().expect("an id"));
    world.app.http.delete(url).bearer_auth("sk_test_local").send().await.expect("it runs").error_for_status().expect("it is deleted");
    set_up(&world, &secret).await;
    let now = registered(&world).await;
    let mut urls: Vec<_> = now.iter().filter_map(|one| one["url"].as_str()).collect();
    urls.sort_unstable();
    assert_eq!(urls, ["http://localhost:9000/webhooks/stripe", "http://localhost:9000/webhooks/stripe/connect"]);
    assert!(now.iter().all(|one| one["id"] != platform["id"]));
    assert_eq!(sorted(&secret.value().await["webhook_secrets"]).len(), 2, "the older one stays until somebody removes it");
}

#[tokio::test]
async fn an_endpoint_of_another_version_is_kept_next_to_a_new_one() {
    let (world, secret) = World::with_secret(&empty()).await;
    let old = make_by_hand(&world, "2025-03-31.basil", "").await;
    let mut value = empty();
    value["webhook_secrets"] = json!([old["secret"]]);
    secret.put(&value).await;
    let lines = set_up(&world, &secret).await;
    let id = old["id"].as_str().expect("an id");
    assert!(lines.iter().any(|line| line.starts_with(id) && line.contains("also sends events, with 2025-03-31.basil")), "{lines:?}");
    let secrets = secret.value().await["webhook_secrets"].clone();
    assert_eq!((sorted(&secrets).len(), &secrets[1]), (2, &old["secret"]));
    // Both secrets are accepted, so no event is lost during the switch.
    world.app.clock.advance(time::Duration::minutes(6));
    for signing in secrets.as_array().expect("it is a list") {
        let body = json!({"id": "evt_1", "type": "some.thing", "livemode": false, "data": {"object": {}}}).to_string();
        let signature = sign(signing.as_str().expect("it is text"), world.app.clock.now().unix_timestamp(), &body);
        assert_eq!(world.call("POST", PLATFORM.0).text(&body).header("stripe-signature", signature).await.status, 200);
    }
}

#[tokio::test]
async fn a_manually_created_endpoint_is_used_if_its_secret_is_stored() {
    let (world, secret) = World::with_secret(&empty()).await;
    let own = make_by_hand(&world, "2026-09-30.endive", "").await;
    let error = try_set_up(&world, &secret, None).await.expect_err("its events cannot be verified");
    let id = own["id"].as_str().expect("an id");
    assert!(error.starts_with(id) && error.contains("its signing secret is not in webhook_secrets"), "{error}");
    assert_eq!(registered(&world).await.len(), 1, "no other one is created");

    let mut value = empty();
    value["webhook_secrets"] = json!([own["secret"]]);
    secret.put(&value).await;
    set_up(&world, &secret).await;
    let now = registered(&world).await;
    let types = events(endpoints::PLATFORM).len();
    assert_eq!((now.len(), &now[0]["id"], sorted(&now[0]["enabled_events"]).len()), (2, &own["id"], types));
    assert_eq!(secret.value().await["webhook_secrets"], json!([own["secret"]]));
}

#[tokio::test]
async fn a_separate_key_can_be_used_and_failures_are_explained() {
    let mut value = empty();
    value["secret_key"] = json!("");
    let (world, secret) = World::with_secret(&value).await;
    assert_eq!(try_set_up(&world, &secret, None).await, Err("the secret has no secret_key yet".to_owned()));
    let refused = try_set_up(&world, &secret, Some("sk_test_unknown")).await.expect_err("Stripe does not know it");
    assert!(refused.starts_with("refused with 401"), "{refused}");
    assert_eq!(try_set_up(&world, &secret, Some("sk_test_local")).await.map(|lines| lines.len()), Ok(3));
    assert_eq!(secret.value().await["secret_key"], "", "the key used is not stored");
}
