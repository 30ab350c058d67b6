//! Webhook endpoints created through the API.

use serde_json::{Value, json};

use crate::client::{Stripe, id};
use crate::receiver::Receiver;
use crate::webhooks::is_signed_with;

async fn make(stripe: &Stripe, url: &str, more: &[(&str, &str)]) -> Value {
    let form = [&[("url", url), ("enabled_events[]", "customer.created")], more].concat();
    stripe.post("/v1/webhook_endpoints", &form).await.ok()
}

#[tokio::test]
async fn the_secret_is_returned_once() {
    let stripe = Stripe::start().await;
    let more = [("api_version", "2026-09-30.endive"), ("description", "The shop"), ("metadata[a]", "b")];
    let mut made = make(&stripe, "https://shop.example/webhooks", &more).await;
    let secret = made.as_object_mut().unwrap().remove("secret").unwrap();
    assert!(secret.as_str().unwrap().strip_prefix("whsec_").is_some_and(|rest| rest.len() == 32), "{secret}");
    assert_eq!(
        made,
        json!({
            "id": made["id"], "object": "webhook_endpoint", "api_version": "2026-09-30.endive", "application": null,
            "created": made["created"], "description": "The shop", "enabled_events": ["customer.created"], "livemode": false,
            "metadata": {"a": "b"}, "status": "enabled", "url": "https://shop.example/webhooks",
        })
    );
    let path = format!("/v1/webhook_endpoints/{}", id(&made));
    assert_eq!(stripe.get(&path).await.ok(), made);
    let connect = make(&stripe, "https://shop.example/webhooks", &[("connect", "true")]).await;
    assert_eq!((&connect["application"], &connect["api_version"]), (&json!("ca_local"), &json!(null)));
    assert_ne!(connect["secret"], secret, "two endpoints may have one URL, each with its own secret");
    let listed = stripe.get("/v1/webhook_endpoints").await.ok();
    let ids: Vec<&str> = listed["data"].as_array().unwrap().iter().map(id).collect();
    assert_eq!(ids, [id(&connect), id(&made)]);
    assert_eq!(listed["data"][1], made);
    assert_eq!(stripe.delete(&path).await.ok(), json!({"id": id(&made), "object": "webhook_endpoint", "deleted": true}));
    for answer in [stripe.get(&path).await, stripe.delete(&path).await, stripe.post(&path, &[("disabled", "true")]).await] {
        assert_eq!(answer.error(), (404, "resource_missing"));
    }
}

#[tokio::test]
async fn invalid_endpoints_are_refused() {
    let stripe = Stripe::start().await;
    let url = ("url", "https://shop.example/webhooks");
    let event = ("enabled_events[]", "customer.created");
    for (form, code, param) in [
        (vec![event], "parameter_missing", "url"),
        (vec![url], "parameter_missing", "enabled_events"),
        (vec![("url", "shop.example"), event], "url_invalid", "url"),
        (vec![url, ("enabled_events[]", "customer.sneezed")], "invalid_request_error", "enabled_events[0]"),
        (vec![url, event, ("api_version", "latest")], "invalid_request_error", "api_version"),
        (vec![url, event, ("secret", "whsec_mine")], "parameter_unknown", "secret"),
    ] {
        let answer = stripe.post("/v1/webhook_endpoints", &form).await;
        assert_eq!((answer.error(), &answer.body["error"]["param"]), ((400, code), &json!(param)), "{form:?}");
    }
    let made = make(&stripe, url.1, &[]).await;
    for (name, value) in [("api_version", "2026-09-30.endive"), ("connect", "true")] {
        let answer = stripe.post(&format!("/v1/webhook_endpoints/{}", id(&made)), &[(name, value)]).await;
        assert_eq!(answer.error(), (400, "parameter_unknown"), "{name} cannot be changed");
    }
    for _ in 1..16 {
        make(&stripe, url.1, &[]).await;
    }
    let one_more = stripe.post("/v1/webhook_endpoints", &[url, event]).await;
    assert_eq!((one_more.status, one_more.message()), (400, "You have reached the maximum of 16 test webhook endpoints."));
}

#[tokio::test]
async fn each_endpoint_gets_its_events_signed_with_its_own_secret() {
    let receiver = Receiver::start().await;
    let stripe = Stripe::start().await;
    let account = stripe.account().await;
    let url = |path: &str| format!("{}/{path}", receiver.url);
    let own = make(&stripe, &url("own"), &[("api_version", "2025-03-31.basil")]).await;
    let same_address = make(&stripe, &url("own"), &[]).await;
    let connect = make(&stripe, &url("connect"), &[("connect", "true")]).await;
    let other = stripe.post("/v1/webhook_endpoints", &[("url", &url("other")), ("enabled_events[]", "customer.deleted")]).await.ok();
    let off = make(&stripe, &url("off"), &[]).await;
    let off = stripe.post(&format!("/v1/webhook_endpoints/{}", id(&off)), &[("disabled", "true")]).await.ok();
    assert_eq!(off["status"], "disabled");

    stripe.post("/v1/customers", &[]).await.ok();
    stripe.post_on(&account, "/v1/customers", &[]).await.ok();
    stripe.admin("POST", "webhooks/flush", json!({})).await.ok();
    let received = receiver.received();
    let mut paths: Vec<&str> = received.iter().map(|received| received.path.as_str()).collect();
    paths.sort_unstable();
    assert_eq!(paths, ["/connect", "/own", "/own"]);
    for endpoint in [&own, &same_address, &connect] {
        let signed: Vec<_> = received.iter().filter(|received| is_signed_with(received, endpoint["secret"].as_str().unwrap())).collect();
        assert_eq!(signed.len(), 1, "{endpoint}");
        let version = endpoint["api_version"].as_str().unwrap_or("2026-09-30.endive");
        assert_eq!((signed[0].kind().as_str(), signed[0].event()["api_version"].as_str()), ("customer.created", Some(version)));
    }

    // Changes apply from the next event on.
    let all = [("enabled_events[0]", "*"), ("url", &url("all")), ("description", "")];
    let changed = stripe.post(&format!("/v1/webhook_endpoints/{}", id(&other)), &all).await.ok();
    assert_eq!((&changed["enabled_events"], &changed["description"]), (&json!(["*"]), &json!(null)));
    stripe.delete(&format!("/v1/webhook_endpoints/{}", id(&own))).await.ok();
    stripe.post("/v1/products", &[("name", "A course")]).await.ok();
    stripe.admin("POST", "webhooks/flush", json!({})).await.ok();
    let last: Vec<_> = receiver.received().drain(received.len()..).map(|received| (received.path.clone(), received.kind())).collect();
    assert_eq!(last, [("/all".to_owned(), "product.created".to_owned())]);
}
