//! State that survives the process.

use std::time::Duration;

use serde_json::{Value, json};
use stripe_stand_in::{Options, WebhookEndpoint};

use crate::client::{Stripe, id};
use crate::payments::pay;
use crate::receiver::Receiver;

struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("stripe-stand-in-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }

    fn options(&self) -> Options {
        Options { state_file: Some(self.0.join("stripe.json")), ..Options::default() }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let folder = Folder::new("restart");
    let stripe = Stripe::with(folder.options()).await;
    let account = stripe.account().await;
    let customer = stripe.post_keyed("k1", "/v1/customers", &[("email", "a@example.com")]).await.ok();
    pay(&stripe, "pm_card_visa").await.ok();
    stripe.admin("POST", "clock/advance", json!({ "seconds": 3 * 24 * 60 * 60 })).await.ok();
    let again = stripe.post_keyed("k2", "/v1/customers", &[]).await.ok();
    let (books, events) = (stripe.books().await, stripe.get("/v1/events?limit=100").await.ok());
    stripe.stand_in.shutdown().await;

    let stripe = Stripe::with(folder.options()).await;
    assert_eq!(stripe.books().await, books);
    assert_eq!(stripe.get("/v1/events?limit=100").await.ok(), events);
    assert_eq!(stripe.get(&format!("/v1/customers/{}", id(&customer))).await.ok(), customer);
    assert_eq!(stripe.get_on(&account, "/v1/account").await.ok()["id"], account);
    let replayed = stripe.post_keyed("k2", "/v1/customers", &[]).await;
    assert_eq!(replayed.headers["idempotent-replayed"], "true");
    assert_eq!(replayed.ok(), again);
}

#[tokio::test]
async fn what_was_written_survives_a_crash() {
    let folder = Folder::new("crash");
    let stripe = Stripe::with(folder.options()).await;
    let customer = stripe.post("/v1/customers", &[]).await.ok();
    let file = folder.0.join("stripe.json");
    let written = async {
        while !std::fs::read_to_string(&file).is_ok_and(|text| text.contains(id(&customer))) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), written).await.unwrap();
    // Dropped without a shutdown, as in a crash.
    drop(stripe);
    let stripe = Stripe::with(folder.options()).await;
    assert_eq!(stripe.get(&format!("/v1/customers/{}", id(&customer))).await.ok(), customer);
}

#[tokio::test]
async fn undelivered_events_are_delivered_after_a_restart() {
    let folder = Folder::new("outbox");
    let receiver = Receiver::start().await;
    let webhooks = |url: &str| vec![WebhookEndpoint { url: url.to_owned(), secret: "whsec_x".to_owned(), ..WebhookEndpoint::default() }];
    let options = || Options { webhooks: webhooks(&format!("{}/platform", receiver.url)), ..folder.options() };
    let stripe = Stripe::with(options()).await;
    receiver.answer(&[503]);
    let customer = stripe.post("/v1/customers", &[]).await.ok();
    receiver.wait_for(1, |_| true).await;
    stripe.stand_in.shutdown().await;
    let _stripe = Stripe::with(options()).await;
    let received = receiver.wait_for(2, |_| true).await;
    assert_eq!(received[1].event()["data"]["object"]["id"], customer["id"]);
}

#[tokio::test]
async fn a_subscription_continues_after_a_restart() {
    const DAY: i64 = 24 * 60 * 60;
    let folder = Folder::new("renewals");
    let stripe = Stripe::with(folder.options()).await;
    let product = stripe.post("/v1/products", &[("name", "Membership")]).await.ok();
    let form = [("product", id(&product)), ("currency", "usd"), ("unit_amount", "1000"), ("recurring[interval]", "month")];
    let price = stripe.post("/v1/prices", &form).await.ok();
    let mut made = Vec::new();
    for _ in 0..3 {
        let card = [("payment_method", "pm_card_visa"), ("invoice_settings[default_payment_method]", "pm_card_visa")];
        let customer = stripe.post("/v1/customers", &card).await.ok();
        let form = [("customer", id(&customer)), ("items[0][price]", id(&price))];
        made.push(stripe.post("/v1/subscriptions", &form).await.ok());
    }
    stripe.delete(&format!("/v1/subscriptions/{}", id(&made[2]))).await.ok();
    let paid = async |stripe: &Stripe| stripe.get("/v1/invoices?status=paid&limit=100").await.ok()["data"].as_array().unwrap().len();
    assert_eq!(paid(&stripe).await, 3);
    // More than a month, in which two subscriptions renew.
    stripe.admin("POST", "clock/advance", json!({ "seconds": 33 * DAY })).await.ok();
    assert_eq!(paid(&stripe).await, 5);
    stripe.stand_in.shutdown().await;
    let stripe = Stripe::with(folder.options()).await;
    stripe.admin("POST", "clock/advance", json!({ "seconds": 62 * DAY })).await.ok();
    assert_eq!(paid(&stripe).await, 9);
    // A change is noticed: one subscription ends before it renews.
    let end = [("cancel_at_period_end", "true")];
    stripe.post(&format!("/v1/subscriptions/{}", id(&made[0])), &end).await.ok();
    stripe.admin("POST", "clock/advance", json!({ "seconds": 32 * DAY })).await.ok();
    assert_eq!(paid(&stripe).await, 10);
    assert_eq!(stripe.get(&format!("/v1/subscriptions/{}", id(&made[0]))).await.ok()["status"], "canceled");
    stripe.books().await;
}

#[tokio::test]
async fn a_file_that_is_not_a_state_is_not_overwritten() {
    let folder = Folder::new("broken");
    std::fs::create_dir_all(&folder.0).unwrap();
    let file = folder.0.join("stripe.json");
    std::fs::write(&file, "not json").unwrap();
    let error = stripe_stand_in::start(folder.options()).await.map(drop).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "not json");
}

#[tokio::test]
async fn a_reset_forgets_everything() {
    let stripe = Stripe::start().await;
    pay(&stripe, "pm_card_visa").await.ok();
    stripe.admin("POST", "reset", Value::Null).await.ok();
    assert_eq!(stripe.get("/v1/payment_intents").await.ok()["data"], json!([]));
    assert_eq!(stripe.events(None).await.len(), 0);
    assert_eq!(stripe.books().await["outside"], json!({}));
}
