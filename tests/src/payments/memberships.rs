//! Memberships: sellers' offers, subscriptions, and what they give access to.

mod accounts;
mod attached;
mod changes;
mod conversions;
mod currencies;
mod debits;
mod disputes;
mod endings;
mod events;
mod offer;
mod open_pages;
mod owners;
mod recovery;
mod refunds;
mod renewals;
mod sellers;
mod subscribe;

use serde_json::{Value, json};
use time::Duration;

use crate::harness::{Answer, Person, Shop, World};

const DIRECT: [(&str, &str); 1] = [("CHARGE_TYPE", "direct")];

/// A seller with a course who offers a membership at 10.00 USD a month and 100.00 USD a year, and a buyer with a saved card.
struct Club {
    shop: Shop,
    card: String,
}

impl Club {
    async fn open(world: &World) -> Self {
        Self::with_card(world, "pm_card_visa").await
    }

    async fn with_card(world: &World, card: &str) -> Self {
        let shop = world.shop().await;
        offer(world, &shop.seller, json!({"monthly": {"amount": 1000}, "yearly": {"amount": 10_000}, "currency": "usd"})).await;
        let saved = world.post("/users/me/payment-methods", json!({"payment_method": card})).bearer(&shop.buyer.token).await;
        assert_eq!(saved.status, 201, "{}", saved.body);
        let card = saved.json()["payment_method"]["id"].as_str().expect("it is saved").to_owned();
        world.deliver().await;
        world.asked_stripe().await;
        world.operations();
        Self { shop, card }
    }

    /// The charged account according to the settings; `None` for the platform.
    fn account(&self, settings: &[(&str, &str)]) -> Option<String> {
        (!settings.is_empty()).then(|| self.shop.account.clone())
    }

    async fn log_in(&mut self, world: &World) {
        self.shop.buyer.token = world.log_in(&self.shop.buyer).await;
        self.shop.seller.token = world.log_in(&self.shop.seller).await;
    }

    fn path(&self) -> String {
        format!("/sellers/{}/membership/subscribe", self.shop.seller.id)
    }

    async fn ask(&self, world: &World, body: Value) -> Answer {
        world.post(self.path(), body).bearer(&self.shop.buyer.token).await
    }

    /// Subscribes with the saved card.
    async fn subscribe(&self, world: &World, interval: &str) -> Answer {
        self.ask(world, json!({"interval": interval, "payment_method": self.card})).await
    }

    /// Subscribes and checks that it succeeded. Returns the subscription's id.
    async fn joined(&self, world: &World, interval: &str) -> String {
        let answer = self.subscribe(world, interval).await;
        assert_eq!((answer.status, &answer.json()["subscription"]["status"]), (201, &json!("active")), "{}", answer.body);
        answer.json()["subscription"]["id"].as_str().expect("an id").to_owned()
    }

    async fn subscription(&self, world: &World, id: &str) -> Value {
        let answer = world.get(format!("/subscriptions/{id}")).bearer(&self.shop.buyer.token).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()
    }

    /// Whether the buyer can open the seller's course and read its content.
    async fn is_open(&self, world: &World) -> bool {
        let course = format!("/courses/{}", self.shop.course_id);
        let owned = world.get(course.as_str()).bearer(&self.shop.buyer.token).await.json()["owned"].clone();
        let status = world.get(format!("{course}/content")).bearer(&self.shop.buyer.token).await.status;
        assert_eq!(owned, json!(status == 200), "page and content agree: {status}");
        status == 200
    }

    /// All subscriptions at Stripe, on an account or on the platform.
    async fn at_stripe(&self, world: &World, account: Option<&str>) -> Vec<Value> {
        world.stripe("/subscriptions?limit=100&status=all", account).await["data"].as_array().expect("a list").clone()
    }
}

/// Lets days pass and delivers Stripe's events. Sessions end after two weeks, so buyer and seller log in again.
async fn pass(world: &World, club: &mut Club, days: i64) {
    world.pass(Duration::days(days)).await;
    world.deliver().await;
    club.log_in(world).await;
}

async fn offer(world: &World, seller: &Person, body: Value) {
    let answer = world.post(format!("/sellers/{}/membership", seller.id), body).bearer(&seller.token).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// From now on, this payment method pays for the buyer's subscription.
async fn pay_with(world: &World, club: &Club, method: &str) {
    let subscription = club.at_stripe(world, None).await[0].clone();
    let customer = subscription["customer"].as_str().expect("a customer");
    let post = async |path: String, form: &[(&str, &str)]| {
        let answer = world.app.http.post(format!("{}/v1{path}", world.app.config.stripe_api_base)).bearer_auth("sk_test_local");
        let text = answer.form(form).send().await.expect("the stand-in runs").text().await.expect("it is text");
        serde_json::from_str::<Value>(&text).expect("it is JSON")
    };
    let attached = post(format!("/payment_methods/{method}/attach"), &[("customer", customer)]).await;
    let id = attached["id"].as_str().unwrap_or_else(|| panic!("{attached}"));
    let path = format!("/subscriptions/{}", subscription["id"].as_str().expect("an id"));
    let changed = post(path, &[("default_payment_method", id)]).await;
    assert_eq!(changed["default_payment_method"], id, "{changed}");
}

/// Refunds a member in Stripe's Dashboard, including the seller's and the platform's share.
async fn refund(world: &World, account: Option<&str>, payment_intent: &str, amount: &str) {
    let url = format!("{}/v1/refunds", world.app.config.stripe_api_base);
    let mut request = world.app.http.post(url).bearer_auth("sk_test_local");
    let mut form = vec![("payment_intent", payment_intent), ("refund_application_fee", "true"), ("amount", amount)];
    match account {
        Some(account) => request = request.header("stripe-account", account),
        None => form.push(("reverse_transfer", "true")),
    }
    let answer = request.form(&form).send().await.expect("the stand-in runs");
    assert_eq!(answer.status().as_u16(), 200);
}
