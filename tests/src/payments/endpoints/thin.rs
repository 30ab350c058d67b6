//! The destination of thin events, which only platforms with Accounts v2 have.

use shared::domain::user::AccountsApi;

use super::*;

const MAKE: &str = "POST /v2/core/event_destinations";
const LIST: &str = "/v2/core/event_destinations";

/// The destinations of thin events at Stripe, the oldest first.
pub(super) async fn registered(world: &World) -> Vec<Value> {
    let mut path = format!("{LIST}?include[0]=webhook_endpoint.url");
    let mut all = Vec::new();
    loop {
        let page = world.stripe(&path, None).await;
        all.extend(page["data"].as_array().expect("it is a list").clone());
        let Some(next) = page["next_page_url"].as_str() else { break };
        next.clone_into(&mut path);
    }
    all.reverse();
    all
}

async fn ask(world: &World, path: &str, body: Value) -> Value {
    let url = format!("{}{path}", world.app.config.stripe_api_base);
    let request = world.app.http.post(url).bearer_auth("sk_test_local").header("stripe-version", shared::stripe::API_VERSION);
    let answer = request.header("content-type", "application/json").body(body.to_string()).send().await.expect("the stand-in runs");
    let text = answer.error_for_status().expect("it is done").text().await.expect("it is text");
    serde_json::from_str(&text).expect("it is JSON")
}

async fn make_by_hand(world: &World, url: &str) -> Value {
    let body = json!({
        "name": "Mine", "type": "webhook_endpoint", "event_payload": "thin", "enabled_events": ["v2.core.account.created"],
        "events_from": ["@accounts"], "webhook_endpoint": {"url": url},
    });
    ask(world, LIST, body).await
}

fn ids(destinations: &[Value]) -> Vec<&str> {
    destinations.iter().filter_map(|one| one["id"].as_str()).collect()
}

#[tokio::test]
async fn thin_events_come_to_the_address_of_connected_accounts_signed_with_a_secret_of_their_own() {
    let (mut world, secret) = World::with_secret(&empty()).await;
    let (url, received) = receiver().await;
    world.app.config.public_api_url.clone_from(&url);
    // Those of others fill more than a page.
    for number in 0..11 {
        make_by_hand(&world, &format!("https://elsewhere.example/{number}")).await;
    }
    set_up(&world, &secret).await;
    let all = registered(&world).await;
    let made = all.last().expect("there are some").clone();
    assert_eq!((all.len(), &made["event_payload"], &made["status"]), (12, &json!("thin"), &json!("enabled")));
    assert_eq!(
        (&made["events_from"], &made["webhook_endpoint"]["url"]),
        (&json!(["@self", "@accounts"]), &json!(format!("{url}/webhooks/stripe/connect")))
    );
    assert_eq!(sorted(&made["enabled_events"]), events(endpoints::THIN));
    assert!(events(endpoints::THIN).contains(&"v2.core.account[requirements].updated"));
    let lines = set_up(&world, &secret).await;
    assert!(lines.iter().all(|line| line.ends_with("is up to date")), "{lines:?}");
    assert_eq!(registered(&world).await.len(), 12);

    // The functions accept the events.
    world.payments.read_keys_from(&secret).await;
    let seller = world.seller("seller@example.com").await;
    world.made_account(&seller, "express", "US").await;
    world.deliver().await;
    let received = received.lock().expect("nobody panicked").clone();
    let of_thin: Vec<_> = received.into_iter().filter(|(_, _, body)| body.contains("v2.core.event")).collect();
    assert!(of_thin.len() > 2, "{of_thin:?}");
    for (path, signature, body) in of_thin {
        assert_eq!(path, "/webhooks/stripe/connect");
        assert_eq!(world.call("POST", &path).text(&body).header("stripe-signature", &signature).await.status, 200, "{body}");
        assert_eq!(world.call("POST", PLATFORM.0).text(&body).header("stripe-signature", &signature).await.status, 400);
    }
}

#[tokio::test]
async fn a_changed_destination_is_repaired_and_a_deleted_one_recreated() {
    let (world, secret) = World::with_secret(&empty()).await;
    set_up(&world, &secret).await;
    let [made] = registered(&world).await.try_into().expect("there is one");
    let path = format!("{LIST}/{}", made["id"].as_str().expect("an id"));
    for _ in 0..2 {
        ask(&world, &path, json!({"enabled_events": ["v2.core.account.created"]})).await;
        ask(&world, &format!("{path}/disable"), json!({})).await;
        let lines = set_up(&world, &secret).await;
        assert!(lines[2].ends_with(&format!("is now enabled for {} event types", events(endpoints::THIN).len())), "{lines:?}");
        let now = registered(&world).await;
        assert_eq!((ids(&now), &now[0]["status"]), (ids(std::slice::from_ref(&made)), &json!("enabled")));
        assert_eq!(sorted(&now[0]["enabled_events"]), events(endpoints::THIN));
    }
    let url = format!("{}{path}", world.app.config.stripe_api_base);
    let request = world.app.http.delete(url).bearer_auth("sk_test_local").header("stripe-version", shared::stripe::API_VERSION);
    request.send().await.expect("it runs").error_for_status().expect("it is deleted");
    // Under the first key Stripe returns the one that was deleted.
    let lines = set_up(&world, &secret).await;
    assert!(lines[2].starts_with("created ed_"), "{lines:?}");
    let now = registered(&world).await;
    assert!(now.len() == 1 && now[0]["id"] != made["id"], "{now:?}");
    assert_eq!(sorted(&secret.value().await["connect_webhook_secrets"]).len(), 3, "the older one stays until somebody removes it");
}

/// A replay in v2 does not return the signing secret, so only the run that gets the first response can store it.
#[tokio::test]
async fn a_destination_whose_response_was_lost_is_replaced_once_nobody_can_still_store_its_secret() {
    let (world, secret) = World::with_secret(&empty()).await;
    world.stripe_proxy.inject(Fault::next(MAKE, Kind::LoseAnswer));
    let lines = set_up(&world, &secret).await;
    let [lost] = registered(&world).await.try_into().expect("there is one");
    let id = lost["id"].as_str().expect("an id");
    let told = format!("{id} at http://localhost:9000/webhooks/stripe/connect was just created and its signing secret is not stored yet");
    assert!(lines.len() == 3 && lines[2].starts_with(&told), "{lines:?}");
    let lines = set_up(&world, &secret).await;
    assert!(lines.len() == 3 && lines[2].starts_with(&told), "{lines:?}");
    assert_eq!(registered(&world).await.len(), 1);

    world.pass(time::Duration::minutes(11)).await;
    let lines = set_up(&world, &secret).await;
    assert!(lines.iter().any(|line| line.starts_with(id) && line.ends_with("its signing secret was lost")), "{lines:?}");
    let now = registered(&world).await;
    let statuses: Vec<_> = now.iter().map(|one| one["status"].as_str()).collect();
    assert_eq!((statuses, sorted(&secret.value().await["connect_webhook_secrets"]).len()), (vec![Some("disabled"), Some("enabled")], 2));
    let lines = set_up(&world, &secret).await;
    assert!(lines.iter().all(|line| line.ends_with("is up to date")), "{lines:?}");
}

#[tokio::test]
async fn a_platform_without_accounts_v2_registers_none_and_says_so() {
    let none = |why: &str| format!("no thin events are registered ({why}): events of v1 report all accounts, too");
    let (mut world, secret) = World::with_secret(&empty()).await;
    world.admin("POST", "settings", json!({"accounts_v2": false})).await;
    for _ in 0..2 {
        assert_eq!(set_up(&world, &secret).await[2], none("Your platform cannot use Accounts v2."));
    }
    // Nor does a key that lacks the permission.
    world.fault("GET", LIST, json!({"kind": "status", "status": 403, "message": "The key lacks a permission."})).await;
    assert_eq!(set_up(&world, &secret).await[2], none("The key lacks a permission."));
    world.app.config.accounts_api = Some(AccountsApi::V1);
    world.asked_stripe().await;
    assert_eq!(set_up(&world, &secret).await[2], none("AccountsApi is v1"));
    assert_eq!(world.asked_stripe().await, ["GET /v1/webhook_endpoints"]);
    assert!(registered(&world).await.is_empty());
    assert_eq!(sorted(&secret.value().await["connect_webhook_secrets"]).len(), 1);
    // Once it has v2, they are added. The stand-in replays a refusal for a day, as v1 does.
    world.pass(time::Duration::hours(25)).await;
    world.app.config.accounts_api = None;
    world.admin("POST", "settings", json!({"accounts_v2": true})).await;
    assert!(set_up(&world, &secret).await[2].starts_with("created ed_"));
    // An outage is no refusal.
    world.fault("GET", LIST, json!({"kind": "status", "status": 500, "should_retry": false})).await;
    assert!(try_set_up(&world, &secret, None).await.is_err());
}

#[tokio::test]
async fn a_destination_of_somebody_else_at_this_address_is_not_touched() {
    let (world, secret) = World::with_secret(&empty()).await;
    let own = make_by_hand(&world, "http://localhost:9000/webhooks/stripe/connect").await;
    let id = own["id"].as_str().expect("an id");
    let refused = try_set_up(&world, &secret, None).await.expect_err("its events cannot be verified");
    assert!(refused.starts_with(id) && refused.ends_with(&format!("delete {id} at Stripe, and another is created")), "{refused}");
    assert_eq!(registered(&world).await.len(), 1);
    let mut value = secret.value().await;
    value["webhook_endpoints"].as_array_mut().expect("a list").push(json!(id));
    secret.put(&value).await;
    let lines = set_up(&world, &secret).await;
    assert!(lines.iter().any(|line| line.contains("also sends events, with events from @accounts")), "{lines:?}");
    assert_eq!(registered(&world).await.len(), 2);
}
