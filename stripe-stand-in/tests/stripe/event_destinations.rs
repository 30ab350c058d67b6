//! Event destinations, and the thin events that they receive.

use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use stripe_stand_in::{Options, WebhookEndpoint};

use crate::client::{Answer, Stripe, id, send};
use crate::receiver::Receiver;
use crate::webhooks::is_signed_with;

const DESTINATIONS: &str = "/v2/core/event_destinations";
const ACCOUNTS: &str = "/v2/core/accounts";

fn request(stripe: &Stripe, method: Method, path: &str) -> RequestBuilder {
    stripe.request(method, path).header("stripe-version", "2026-09-30.endive")
}

async fn post(stripe: &Stripe, path: &str, body: Value) -> Answer {
    send(request(stripe, Method::POST, path).header("content-type", "application/json").body(body.to_string())).await
}

async fn get(stripe: &Stripe, path: &str) -> Answer {
    send(request(stripe, Method::GET, path)).await
}

fn destination(url: &str, events: Value) -> Value {
    json!({
        "name": "Accounts", "type": "webhook_endpoint", "event_payload": "thin", "enabled_events": events, "events_from": ["@self", "@accounts"],
        "webhook_endpoint": { "url": url }, "metadata": { "a": "b" }, "include": ["webhook_endpoint.signing_secret", "webhook_endpoint.url"],
    })
}

async fn seller(stripe: &Stripe) -> Value {
    let body = json!({
        "dashboard": "express",
        "identity": { "country": "DE" },
        "defaults": { "responsibilities": { "fees_collector": "application", "losses_collector": "application" } },
        "configuration": {
            "merchant": { "capabilities": { "card_payments": { "requested": true } } },
            "recipient": { "capabilities": { "stripe_balance": { "stripe_transfers": { "requested": true } } } },
        },
    });
    post(stripe, ACCOUNTS, body).await.ok()
}

/// The types of the thin events that arrived, in order.
fn types(receiver: &Receiver) -> Vec<String> {
    receiver.received().iter().map(crate::receiver::Received::kind).collect()
}

#[tokio::test]
async fn the_secret_is_returned_once_and_only_on_request() {
    let stripe = Stripe::start().await;
    let body = destination("https://shop.example/thin", json!(["v2.core.account.updated"]));
    let keyed = async || {
        let request =
            request(&stripe, Method::POST, DESTINATIONS).header("content-type", "application/json").header("idempotency-key", "k");
        send(request.body(body.to_string())).await
    };
    let mut made = keyed().await.ok();
    let place = made["webhook_endpoint"].take();
    assert!(place["signing_secret"].as_str().unwrap().strip_prefix("whsec_").is_some_and(|rest| rest.len() == 32), "{place}");
    assert_eq!(place["url"], "https://shop.example/thin");
    assert_eq!(
        made,
        json!({
            "id": made["id"], "object": "v2.core.event_destination", "amazon_eventbridge": null, "azure_event_grid": null,
            "created": made["created"], "description": "", "enabled_events": ["v2.core.account.updated"], "event_payload": "thin",
            "events_from": ["@self", "@accounts"], "livemode": false, "metadata": { "a": "b" }, "name": "Accounts",
            "snapshot_api_version": null, "status": "enabled", "status_details": null, "type": "webhook_endpoint",
            "updated": made["created"], "webhook_endpoint": null,
        })
    );
    let path = format!("{DESTINATIONS}/{}", id(&made));
    assert_eq!(get(&stripe, &path).await.ok(), made);
    let shown = get(&stripe, &format!("{path}?include[0]=webhook_endpoint.url&include[1]=webhook_endpoint.signing_secret")).await.ok();
    let without = json!({ "signing_secret": null, "url": "https://shop.example/thin" });
    assert_eq!(shown["webhook_endpoint"], without);
    let again = keyed().await;
    assert_eq!(again.headers["idempotent-replayed"].to_str().unwrap(), "true");
    assert_eq!((&again.body["id"], &again.body["webhook_endpoint"]), (&made["id"], &without), "a replay has no secret");

    let mut quiet = body.clone();
    quiet["include"] = json!([]);
    let second = post(&stripe, DESTINATIONS, quiet).await.ok();
    assert_eq!(second["webhook_endpoint"], Value::Null);
    let listed = get(&stripe, &format!("{DESTINATIONS}?limit=1")).await.ok();
    assert_eq!(id(&listed["data"][0]), id(&second));
    let next = get(&stripe, listed["next_page_url"].as_str().unwrap()).await.ok();
    assert_eq!((id(&next["data"][0]), &next["next_page_url"]), (id(&made), &Value::Null));
    let deleted = send(request(&stripe, Method::DELETE, &path)).await.ok();
    assert_eq!(deleted, json!({ "id": id(&made), "object": "v2.core.event_destination" }));
    for answer in
        [get(&stripe, &path).await, post(&stripe, &path, json!({ "name": "x" })).await, send(request(&stripe, Method::DELETE, &path)).await]
    {
        assert_eq!((answer.status, answer.body["error"]["code"].as_str()), (404, Some("not_found")));
    }
    // Neither list shows what is in the other.
    let form = [("url", "https://shop.example/webhooks"), ("enabled_events[]", "customer.created")];
    stripe.post("/v1/webhook_endpoints", &form).await.ok();
    assert_eq!(get(&stripe, DESTINATIONS).await.ok()["data"].as_array().unwrap().len(), 1);
    assert_eq!(stripe.get("/v1/webhook_endpoints").await.ok()["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn invalid_destinations_are_refused() {
    let stripe = Stripe::start().await;
    let good = destination("https://shop.example/thin", json!(["v2.core.account.updated"]));
    for (name, value) in [
        ("name", Value::Null),
        ("type", json!("amazon_eventbridge")),
        ("type", json!("pigeon")),
        ("event_payload", json!("snapshot")),
        ("events_from", json!(["@everybody"])),
        ("enabled_events", json!(["account.updated"])),
        ("enabled_events", json!(["v2.core.account.sneezed"])),
        ("enabled_events", json!([])),
        ("webhook_endpoint", json!({})),
        ("webhook_endpoint", json!({ "url": "shop.example" })),
        ("secret", json!("whsec_mine")),
    ] {
        let mut body = good.clone();
        body[name] = value;
        let answer = post(&stripe, DESTINATIONS, body.clone()).await;
        assert_eq!((answer.status, answer.body["error"]["code"].as_str()), (400, Some("invalid_fields")), "{body}");
    }
    let made = post(&stripe, DESTINATIONS, good.clone()).await.ok();
    let change = post(&stripe, &format!("{DESTINATIONS}/{}", id(&made)), json!({ "events_from": ["@self"] })).await;
    assert_eq!(change.status, 400, "it can never change");
    let older = Stripe::with(Options { accounts_v2: false, ..Options::default() }).await;
    let refused = post(&older, DESTINATIONS, good).await;
    assert_eq!((refused.status, refused.body["error"]["code"].as_str()), (400, Some("accounts_v2_access_blocked")));
    post(&older, DESTINATIONS, destination("https://shop.example/thin", json!(["v2.core.event_destination.ping"]))).await.ok();
}

#[tokio::test]
async fn an_accounts_changes_arrive_without_what_has_changed() {
    let (stripe, receiver) = (Stripe::start().await, Receiver::start().await);
    let made = post(&stripe, DESTINATIONS, destination(&format!("{}/thin", receiver.url), json!(["*"]))).await.ok();
    let secret = made["webhook_endpoint"]["signing_secret"].as_str().unwrap();
    let account = seller(&stripe).await;
    let created = receiver.wait_for_type("v2.core.account.created").await;
    assert!(is_signed_with(&created, secret), "{created:?}");
    let event = created.event();
    let reason = event["reason"]["request"]["id"].as_str().unwrap();
    assert!(reason.starts_with("req_"));
    let url = format!("{ACCOUNTS}/{}", id(&account));
    assert_eq!(
        event,
        json!({
            "id": event["id"], "object": "v2.core.event", "type": "v2.core.account.created", "livemode": false, "created": event["created"],
            "context": account["id"], "reason": { "type": "request", "request": { "id": reason, "idempotency_key": null } },
            "related_object": { "id": account["id"], "type": "v2.core.account", "url": url },
        })
    );
    assert!(event["created"].as_str().unwrap().ends_with(".000Z"));

    stripe.admin("POST", &format!("accounts/{}/requirements", id(&account)), json!({ "verdict": "complete" })).await.ok();
    stripe.admin("POST", "webhooks/flush", json!({})).await.ok();
    let mut came = types(&receiver);
    came.sort();
    came.dedup();
    assert_eq!(
        came,
        [
            "v2.core.account.created",
            "v2.core.account.updated",
            "v2.core.account[configuration.merchant].capability_status_updated",
            "v2.core.account[configuration.recipient].capability_status_updated",
            "v2.core.account[requirements].updated",
        ]
    );
    // The rest is fetched, on the account.
    let changed = receiver.wait_for_type("v2.core.account[configuration.merchant].capability_status_updated").await.event();
    let path = format!("/v2/core/events/{}", id(&changed));
    let whole = send(request(&stripe, Method::GET, &path).header("stripe-context", id(&account))).await.ok();
    let capability = whole["data"]["updated_capability"].as_str().unwrap();
    assert!(["card_payments", "stripe_balance.payouts"].contains(&capability), "{capability}");
    assert_eq!(whole["changes"], Value::Null);
    assert_eq!(get(&stripe, &path).await.status, 404, "not without its context");
    assert_eq!(stripe.get(&format!("/v1/events/{}", id(&changed))).await.status, 404, "it is no snapshot");
    // What will be required changes nothing else.
    let before = receiver.received().len();
    let later = json!({ "demand": ["individual.id_number"], "seconds": 1000, "later": true });
    stripe.admin("POST", &format!("accounts/{}/requirements", id(&account)), later).await.ok();
    stripe.admin("POST", "webhooks/flush", json!({})).await.ok();
    assert_eq!(types(&receiver)[before..], ["v2.core.account.updated", "v2.core.account[future_requirements].updated"]);
    // What `/v2` alone knows.
    let before = receiver.received().len();
    post(&stripe, &url, json!({ "display_name": "Ada", "defaults": { "locales": ["de"] } })).await.ok();
    post(&stripe, &format!("{url}/close"), json!({ "applied_configurations": ["merchant", "recipient"] })).await.ok();
    stripe.admin("POST", "webhooks/flush", json!({})).await.ok();
    let came = types(&receiver)[before..].to_vec();
    for kind in ["v2.core.account.updated", "v2.core.account[defaults].updated", "v2.core.account.closed"] {
        assert!(came.contains(&kind.to_owned()), "{kind}: {came:?}");
    }
    // An account of `/v1` has none.
    let before = receiver.received().len();
    let old = stripe.account().await;
    stripe.admin("POST", &format!("accounts/{old}"), json!({ "charges_enabled": false })).await.ok();
    stripe.admin("POST", "webhooks/flush", json!({})).await.ok();
    assert_eq!(receiver.received().len(), before);
}

#[tokio::test]
async fn a_destination_receives_its_types_from_its_accounts_while_it_is_enabled() {
    let (stripe, receiver) = (Stripe::start().await, Receiver::start().await);
    let at = |path: &str, events: Value| destination(&format!("{}/{path}", receiver.url), events);
    let mut own = at("own", json!(["*"]));
    own["events_from"] = json!(["@self"]);
    let one = post(&stripe, DESTINATIONS, at("one", json!(["v2.core.account.created"]))).await.ok();
    post(&stripe, DESTINATIONS, own).await.ok();
    let off = post(&stripe, DESTINATIONS, at("off", json!(["*"]))).await.ok();
    let disabled = post(&stripe, &format!("{DESTINATIONS}/{}/disable", id(&off)), json!({})).await.ok();
    assert_eq!((&disabled["status"], &disabled["status_details"]["disabled"]["reason"]), (&json!("disabled"), &json!("user")));
    let account = seller(&stripe).await;
    stripe.admin("POST", &format!("accounts/{}/requirements", id(&account)), json!({ "verdict": "complete" })).await.ok();
    stripe.admin("POST", "webhooks/flush", json!({})).await.ok();
    let came: Vec<_> = receiver.received().into_iter().map(|one| (one.path.clone(), one.kind())).collect();
    assert_eq!(came, [("/one".to_owned(), "v2.core.account.created".to_owned())]);
    post(&stripe, &format!("{DESTINATIONS}/{}/enable", id(&off)), json!({})).await.ok();
    post(&stripe, &format!("{DESTINATIONS}/{}", id(&one)), json!({ "webhook_endpoint": { "url": format!("{}/moved", receiver.url) } }))
        .await
        .ok();
    seller(&stripe).await;
    stripe.admin("POST", "webhooks/flush", json!({})).await.ok();
    let mut paths: Vec<_> = receiver.received().into_iter().skip(1).map(|one| one.path).collect();
    paths.sort();
    assert_eq!(paths, ["/moved", "/off"]);

    let pinged = post(&stripe, &format!("{DESTINATIONS}/{}/ping", id(&one)), json!({})).await.ok();
    let ping = receiver.wait_for_type("v2.core.event_destination.ping").await;
    assert_eq!((ping.path.as_str(), id(&ping.event())), ("/moved", id(&pinged)));
    assert_eq!((&ping.event()["context"], &ping.event()["related_object"]["id"]), (&Value::Null, &one["id"]));
}

#[tokio::test]
async fn thin_events_are_held_repeated_lost_and_sent_again_like_others() {
    let receiver = Receiver::start().await;
    let endpoint = |path: &str, connect, thin| WebhookEndpoint {
        url: format!("{}/{path}", receiver.url),
        secret: format!("whsec_{path}"),
        connect,
        thin,
    };
    let webhooks = vec![endpoint("connect", true, false), endpoint("thin", false, true)];
    let stripe = Stripe::with(Options { webhooks, ..Options::default() }).await;
    stripe.admin("POST", "webhooks/mode", json!({ "hold": true, "duplicate": 1, "drop_next": 1 })).await.ok();
    let (lost, twice) = (seller(&stripe).await, seller(&stripe).await);
    assert!(receiver.received().is_empty());
    stripe.admin("POST", "webhooks/flush", json!({})).await.ok();
    let accounts = |received: Vec<crate::receiver::Received>| -> Vec<Value> {
        received.into_iter().map(|one| one.event()["related_object"]["id"].clone()).collect()
    };
    assert_eq!(accounts(receiver.received()), [twice["id"].clone(), twice["id"].clone()]);
    assert!(receiver.received().iter().all(|one| one.path == "/thin" && is_signed_with(one, "whsec_thin")));
    let all = stripe.admin("GET", &format!("events?account={}", id(&lost)), Value::Null).await.ok()["events"].take();
    assert_eq!((&all[0]["type"], &all[0]["deliveries"][0]["status"]), (&json!("v2.core.account.created"), &json!("dropped")));
    stripe.admin("POST", "webhooks/deliver", json!({ "event": all[0]["id"] })).await.ok();
    let received = receiver.wait_for(3, |one| one.path == "/thin").await;
    assert_eq!(accounts(received)[2], lost["id"]);
    // One that fails is retried, until it arrives.
    stripe.admin("POST", "webhooks/mode", json!({})).await.ok();
    receiver.answer(&[500]);
    seller(&stripe).await;
    let waited = tokio::time::timeout(Duration::from_secs(30), receiver.wait_for(5, |one| one.path == "/thin")).await;
    let received = waited.unwrap();
    assert_eq!(received[3].body, received[4].body);
}
