//! Subscriptions on a test clock: renewals, failing cards, changes and cancellations.

use serde_json::{Value, json};

use crate::client::{Answer, Stripe, form_body, id, location, parameter, send};

const DAY: i64 = 24 * 60 * 60;
/// 2027-01-31T12:00:00Z
const START: i64 = 1_801_396_800;

/// A customer on a separate clock, with a product at 10.00 a month and 100.00 a year, and helpers to call the API for them.
struct Shop {
    stripe: Stripe,
    /// The connected account that has all of it; `None` for the platform.
    account: Option<String>,
    clock: String,
    customer: String,
    monthly: String,
    yearly: String,
}

impl Shop {
    async fn open(stripe: Stripe, account: Option<String>, card: &str) -> Self {
        let mut shop =
            Self { stripe, account, clock: String::new(), customer: String::new(), monthly: String::new(), yearly: String::new() };
        shop.clock = shop.made("/v1/test_helpers/test_clocks", &[("frozen_time", &START.to_string())]).await;
        let form = [
            ("email", "b@example.com"),
            ("payment_method", card),
            ("invoice_settings[default_payment_method]", card),
            ("test_clock", &shop.clock),
        ];
        shop.customer = shop.made("/v1/customers", &form).await;
        let product = shop.made("/v1/products", &[("name", "Membership")]).await;
        for (interval, amount) in [("month", "1000"), ("year", "10000")] {
            let form = [("product", product.as_str()), ("currency", "usd"), ("unit_amount", amount), ("recurring[interval]", interval)];
            let price = shop.made("/v1/prices", &form).await;
            if interval == "month" { shop.monthly = price } else { shop.yearly = price }
        }
        shop
    }

    async fn platform(card: &str) -> Self {
        Self::open(Stripe::start().await, None, card).await
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        match &self.account {
            Some(account) => self.stripe.post_on(account, path, form).await,
            None => self.stripe.post(path, form).await,
        }
    }

    async fn get(&self, path: &str) -> Value {
        match &self.account {
            Some(account) => self.stripe.get_on(account, path).await.ok(),
            None => self.stripe.get(path).await.ok(),
        }
    }

    async fn made(&self, path: &str, form: &[(&str, &str)]) -> String {
        id(&self.post(path, form).await.ok()).to_owned()
    }

    async fn subscribe(&self, more: &[(&str, &str)]) -> Answer {
        let mut form = vec![("customer", self.customer.as_str()), ("items[0][price]", &self.monthly), ("expand[]", "latest_invoice")];
        form.extend(more);
        self.post("/v1/subscriptions", &form).await
    }

    async fn subscription(&self, id: &str) -> Value {
        self.get(&format!("/v1/subscriptions/{id}?expand[]=latest_invoice.payments&expand[]=latest_invoice.confirmation_secret")).await
    }

    async fn advance(&self, to: i64) {
        let path = format!("/v1/test_helpers/test_clocks/{}", self.clock);
        let advancing = self.post(&format!("{path}/advance"), &[("frozen_time", &to.to_string())]).await.ok();
        assert_eq!(advancing["status"], "advancing");
        let clock = self.get(&path).await;
        assert_eq!((&clock["status"], &clock["frozen_time"]), (&json!("ready"), &json!(to)));
    }

    /// Changes the customer's card.
    async fn use_card(&self, card: &str) {
        let method = self.post(&format!("/v1/payment_methods/{card}/attach"), &[("customer", &self.customer)]).await.ok();
        let form = [("invoice_settings[default_payment_method]", id(&method))];
        self.post(&format!("/v1/customers/{}", self.customer), &form).await.ok();
    }

    async fn invoices(&self, query: &str) -> Vec<Value> {
        let list = self.get(&format!("/v1/invoices?limit=100&customer={}{query}", self.customer)).await;
        list["data"].as_array().unwrap().iter().rev().cloned().collect()
    }

    /// The billing events after the first `seen`, without those of payments.
    async fn events(&self, after: usize) -> Vec<String> {
        let all = self.stripe.event_types(self.account.as_deref()).await;
        all[after..].iter().filter(|kind| kind.starts_with("invoice.") || kind.starts_with("customer.subscription")).cloned().collect()
    }

    async fn count(&self) -> usize {
        self.stripe.event_types(self.account.as_deref()).await.len()
    }
}

fn period(subscription: &Value) -> (i64, i64) {
    let item = &subscription["items"]["data"][0];
    (item["current_period_start"].as_i64().unwrap(), item["current_period_end"].as_i64().unwrap())
}

async fn balance(stripe: &Stripe, account: Option<&str>) -> i64 {
    let books = stripe.books().await;
    let platform = stripe.admin("GET", "accounts", Value::Null).await.ok()["platform"].as_str().unwrap().to_owned();
    books["accounts"][account.unwrap_or(&platform)]["usd"]["balance"].as_i64().unwrap_or(0)
}

#[tokio::test]
async fn a_year_of_a_monthly_subscription_is_thirteen_paid_invoices() {
    let shop = Shop::platform("pm_card_visa").await;
    let before = shop.count().await;
    let made = shop.subscribe(&[("metadata[membership]", "m1")]).await.ok();
    assert_eq!((&made["status"], &made["latest_invoice"]["status"]), (&json!("active"), &json!("paid")));
    let first = ["invoice.created", "invoice.finalized", "invoice.paid", "invoice.payment_succeeded", "customer.subscription.created"];
    assert_eq!(shop.events(before).await, first);
    // The 31st, and the last day of shorter months.
    assert_eq!(period(&made), (START, START + 28 * DAY));
    let invoice = &made["latest_invoice"];
    assert_eq!(invoice["parent"]["subscription_details"], json!({ "metadata": { "membership": "m1" }, "subscription": made["id"] }));
    assert_eq!((&invoice["amount_paid"], &invoice["billing_reason"]), (&json!(1000), &json!("subscription_create")));

    let before = shop.count().await;
    shop.advance(START + 28 * DAY + 1).await;
    let renewed = shop.subscription(id(&made)).await;
    assert_eq!(period(&renewed), (START + 28 * DAY, START + 59 * DAY));
    assert_eq!((&renewed["status"], &renewed["latest_invoice"]["status"]), (&json!("active"), &json!("draft")));
    assert_eq!(shop.events(before).await, ["invoice.upcoming", "invoice.created", "customer.subscription.updated"]);
    // The draft is paid an hour later.
    shop.advance(START + 28 * DAY + 3601).await;
    let renewed = shop.subscription(id(&made)).await;
    assert_eq!(renewed["latest_invoice"]["status"], "paid");
    assert_eq!(shop.events(before).await[3..], ["invoice.finalized", "invoice.paid", "invoice.payment_succeeded"]);
    let payment = &renewed["latest_invoice"]["payments"]["data"][0];
    let intent = shop.get(&format!("/v1/payment_intents/{}", payment["payment"]["payment_intent"].as_str().unwrap())).await;
    assert_eq!((&intent["status"], &intent["amount"], &payment["status"]), (&json!("succeeded"), &json!(1000), &json!("paid")));
    let found = shop.get(&format!("/v1/invoice_payments?payment[type]=payment_intent&payment[payment_intent]={}", id(&intent))).await;
    assert_eq!(found["data"][0]["invoice"], renewed["latest_invoice"]["id"]);

    shop.advance(START + 365 * DAY + 3601).await;
    let all = shop.invoices("").await;
    assert_eq!(all.len(), 13);
    assert!(all.iter().all(|invoice| invoice["status"] == "paid" && invoice["amount_paid"] == 1000));
    for (one, next) in all[1..].iter().zip(&all[2..]) {
        assert_eq!(one["lines"]["data"][0]["period"]["end"], next["lines"]["data"][0]["period"]["start"]);
    }
    assert_eq!(period(&shop.subscription(id(&made)).await).0, START + 365 * DAY);
    assert_eq!(balance(&shop.stripe, None).await, 13 * (1000 - 59));
    assert_eq!(shop.get(&format!("/v1/customers/{}", shop.customer)).await["next_invoice_sequence"], 14);
}

#[tokio::test]
async fn a_renewal_that_fails_is_tried_again_until_a_card_pays_or_it_ends() {
    for recovers in [true, false] {
        let shop = Shop::platform("pm_card_visa").await;
        let made = shop.subscribe(&[]).await.ok();
        shop.use_card("pm_card_chargeCustomerFail").await;
        let due = START + 28 * DAY + 3600;
        let before = shop.count().await;
        shop.advance(due).await;
        let failed = shop.subscription(id(&made)).await;
        let invoice = &failed["latest_invoice"];
        assert_eq!((&failed["status"], &invoice["status"], &invoice["attempt_count"]), (&json!("past_due"), &json!("open"), &json!(1)));
        assert_eq!(invoice["next_payment_attempt"], due + 3 * DAY);
        let events = shop.events(before).await;
        assert_eq!(events[3..], ["invoice.finalized", "invoice.payment_failed", "customer.subscription.updated"]);
        shop.advance(due + 3 * DAY).await;
        assert_eq!(shop.subscription(id(&made)).await["latest_invoice"]["attempt_count"], 2);
        if recovers {
            shop.use_card("pm_card_visa").await;
            shop.advance(due + 8 * DAY).await;
            let paid = shop.subscription(id(&made)).await;
            assert_eq!((&paid["status"], &paid["latest_invoice"]["attempt_count"]), (&json!("active"), &json!(3)));
            assert_eq!(balance(&shop.stripe, None).await, 2 * (1000 - 59));
            continue;
        }
        shop.advance(due + 15 * DAY).await;
        let ended = shop.subscription(id(&made)).await;
        assert_eq!((&ended["status"], &ended["cancellation_details"]["reason"]), (&json!("canceled"), &json!("payment_failed")));
        assert_eq!((&ended["ended_at"], &ended["latest_invoice"]["attempt_count"]), (&json!(due + 15 * DAY), &json!(4)));
        assert_eq!(shop.events(before).await.last().unwrap(), "customer.subscription.deleted");
        shop.advance(due + 100 * DAY).await;
        assert_eq!(shop.invoices("").await.len(), 2);
        // The debt can still be paid or written off.
        let path = format!("/v1/invoices/{}", id(&ended["latest_invoice"]));
        assert_eq!(shop.post(&format!("{path}/pay"), &[]).await.error(), (402, "card_declined"));
        assert_eq!(shop.post(&format!("{path}/mark_uncollectible"), &[]).await.ok()["status"], "uncollectible");
        assert_eq!(shop.post(&format!("{path}/pay"), &[("payment_method", "pm_card_visa")]).await.ok()["status"], "paid");
        assert_eq!(shop.subscription(id(&made)).await["status"], "canceled");
    }
}

#[tokio::test]
async fn a_first_payment_can_wait_for_its_buyer() {
    let shop = Shop::platform("pm_card_visa").await;
    let more = [("payment_behavior", "default_incomplete"), ("expand[]", "latest_invoice.confirmation_secret")];
    let made = shop.subscribe(&more).await.ok();
    assert_eq!((&made["status"], &made["latest_invoice"]["status"]), (&json!("incomplete"), &json!("open")));
    let secret = made["latest_invoice"]["confirmation_secret"]["client_secret"].as_str().unwrap();
    let (intent, _) = secret.split_once("_secret_").unwrap();
    let before = shop.count().await;
    let asked =
        shop.post(&format!("/v1/payment_intents/{intent}/confirm"), &[("payment_method", "pm_card_threeDSecure2Required")]).await.ok();
    assert_eq!(asked["status"], "requires_action");
    shop.stripe.admin("POST", &format!("payment_intents/{intent}/authenticate"), json!({ "outcome": "fail" })).await.ok();
    assert_eq!(shop.subscription(id(&made)).await["status"], "incomplete");
    let paid = shop.post(&format!("/v1/payment_intents/{intent}/confirm"), &[("payment_method", "pm_card_visa")]).await.ok();
    assert_eq!(paid["status"], "succeeded");
    assert_eq!(shop.subscription(id(&made)).await["status"], "active");
    let events = ["payment_action_required", "payment_failed", "paid", "payment_succeeded"].map(|kind| format!("invoice.{kind}"));
    assert_eq!(shop.events(before).await, [&events[..], &["customer.subscription.updated".to_owned()]].concat());

    // A subscription that nobody pays within a day expires.
    let other = shop.subscribe(&more).await.ok();
    shop.advance(START + 23 * 3600).await;
    let expired = shop.subscription(id(&other)).await;
    assert_eq!((&expired["status"], &expired["latest_invoice"]["status"]), (&json!("incomplete_expired"), &json!("void")));
}

#[tokio::test]
async fn a_card_that_fails_at_once_leaves_an_incomplete_subscription_or_none() {
    let shop = Shop::platform("pm_card_chargeCustomerFail").await;
    let refused = shop.subscribe(&[("payment_behavior", "error_if_incomplete")]).await;
    assert_eq!(refused.error(), (402, "card_declined"));
    assert_eq!(shop.get("/v1/subscriptions?status=all").await["data"], json!([]));
    assert_eq!(shop.invoices("").await, [] as [Value; 0]);
    let made = shop.subscribe(&[]).await.ok();
    assert_eq!((&made["status"], &made["latest_invoice"]["attempt_count"]), (&json!("incomplete"), &json!(1)));
    let bare = shop.made("/v1/customers", &[("test_clock", shop.clock.as_str())]).await;
    let form = [("customer", bare.as_str()), ("items[0][price]", &shop.monthly)];
    assert_eq!(shop.post("/v1/subscriptions", &form).await.error(), (400, "resource_missing"));
}

#[tokio::test]
async fn each_payment_includes_the_platforms_share() {
    // Destination charge: the platform has the charge and pays Stripe's fee; it keeps 20 %.
    let stripe = Stripe::start().await;
    let seller = stripe.account().await;
    let shop = Shop::open(stripe, None, "pm_card_visa").await;
    assert_eq!(shop.subscribe(&[("application_fee_percent", "20")]).await.error(), (400, "invalid_request_error"));
    let more = [("application_fee_percent", "20"), ("transfer_data[destination]", seller.as_str())];
    shop.subscribe(&more).await.ok();
    shop.advance(START + 28 * DAY + 3600).await;
    assert_eq!(balance(&shop.stripe, Some(&seller)).await, 2 * 800);
    assert_eq!(balance(&shop.stripe, None).await, 2 * (200 - 59));

    // Direct charge: everything is on the seller's account.
    let stripe = Stripe::start().await;
    let seller = stripe.account().await;
    let shop = Shop::open(stripe, Some(seller.clone()), "pm_card_visa").await;
    let made = shop.subscribe(&[("application_fee_percent", "12.5")]).await.ok();
    assert_eq!((&made["application"], &made["application_fee_percent"]), (&json!("ca_local"), &json!(12.5)));
    shop.advance(START + 28 * DAY + 3600).await;
    assert_eq!(balance(&shop.stripe, Some(&seller)).await, 2 * (1000 - 59 - 125));
    assert_eq!(balance(&shop.stripe, None).await, 2 * 125);
    let charge = shop.get("/v1/charges?limit=1").await["data"][0].clone();
    assert_eq!((&charge["application"], &charge["application_fee_amount"]), (&json!("ca_local"), &json!(125)));
    assert!(shop.stripe.event_types(None).await.iter().all(|kind| !kind.contains("invoice") && !kind.contains("subscription")));
}

#[tokio::test]
async fn a_switch_to_a_year_is_charged_less_the_unused_time() {
    let shop = Shop::platform("pm_card_visa").await;
    let made = shop.subscribe(&[]).await.ok();
    let item = id(&made["items"]["data"][0]).to_owned();
    shop.advance(START + 7 * DAY).await;
    let details = [
        ("subscription", id(&made)),
        ("subscription_details[items][0][id]", &item),
        ("subscription_details[items][0][price]", &shop.yearly),
    ];
    let preview = shop.post("/v1/invoices/create_preview", &details).await.ok();
    let path = format!("/v1/subscriptions/{}", id(&made));
    let switched =
        shop.post(&path, &[("items[0][id]", item.as_str()), ("items[0][price]", &shop.yearly), ("expand[]", "latest_invoice")]).await.ok();
    assert_eq!(period(&switched), (START + 7 * DAY, START + 372 * DAY));
    let invoice = &switched["latest_invoice"];
    // 21 of 28 days were left.
    let amounts: Vec<i64> = invoice["lines"]["data"].as_array().unwrap().iter().map(|line| line["amount"].as_i64().unwrap()).collect();
    assert_eq!((amounts, &invoice["total"], &invoice["status"]), (vec![-750, 10_000], &json!(9250), &json!("paid")));
    assert_eq!((&preview["total"], &preview["amount_due"]), (&json!(9250), &json!(9250)));
    assert_eq!(invoice["billing_reason"], "subscription_update");

    // Back again: the rest of the year is worth more than a month, and pays for the next months.
    shop.advance(START + 8 * DAY).await;
    let back =
        shop.post(&path, &[("items[0][id]", item.as_str()), ("items[0][price]", &shop.monthly), ("expand[]", "latest_invoice")]).await.ok();
    let invoice = &back["latest_invoice"];
    let credit = 10_000 - 27; // one of 365 days was used
    assert_eq!((&invoice["total"], &invoice["amount_due"], &invoice["status"]), (&json!(1000 - credit), &json!(0), &json!("paid")));
    let left = async || shop.get(&format!("/v1/customers/{}", shop.customer)).await["balance"].as_i64().unwrap();
    assert_eq!(left().await, 1000 - credit);
    shop.advance(period(&back).1 + 3600).await;
    let renewal = shop.subscription(id(&made)).await["latest_invoice"].clone();
    assert_eq!(
        (&renewal["amount_due"], &renewal["starting_balance"], &renewal["status"]),
        (&json!(0), &json!(1000 - credit), &json!("paid"))
    );
    assert_eq!(left().await, 2000 - credit);
}

#[tokio::test]
async fn a_change_within_the_month_is_invoiced_later_unless_requested() {
    let shop = Shop::platform("pm_card_visa").await;
    let made = shop.subscribe(&[]).await.ok();
    let item = id(&made["items"]["data"][0]).to_owned();
    let path = format!("/v1/subscriptions/{}", id(&made));
    shop.advance(START + 14 * DAY).await;
    let double = [("items[0][id]", item.as_str()), ("items[0][quantity]", "2")];
    shop.post(&path, &double).await.ok();
    assert_eq!(shop.invoices("").await.len(), 1);
    let back = shop.post(&path, &[double[0], ("items[0][quantity]", "1"), ("proration_behavior", "none")]).await.ok();
    assert_eq!(period(&back), period(&made));
    shop.post(&path, &[double[0], ("items[0][quantity]", "3"), ("proration_behavior", "always_invoice")]).await.ok();
    let at_once = shop.invoices("").await[1].clone();
    // Half of the month: first 500 credited and 1000 charged, then 500 and 1500.
    assert_eq!((&at_once["total"], &at_once["status"]), (&json!((1000 - 500) + (1500 - 500)), &json!("paid")));
    shop.advance(START + 28 * DAY + 3600).await;
    assert_eq!(shop.invoices("").await[2]["total"], 3000);
}

#[tokio::test]
async fn a_cancellation_takes_effect_at_the_end_of_the_period_unless_undone() {
    let shop = Shop::platform("pm_card_visa").await;
    let made = shop.subscribe(&[]).await.ok();
    let path = format!("/v1/subscriptions/{}", id(&made));
    let end = period(&made).1;
    let set = async |at_end| shop.post(&path, &[("cancel_at_period_end", at_end)]).await.ok();
    let canceled = set("true").await;
    assert_eq!((&canceled["status"], &canceled["cancel_at"], &canceled["canceled_at"]), (&json!("active"), &json!(end), &json!(START)));
    let resumed = set("false").await;
    assert_eq!(
        (&resumed["cancel_at"], &resumed["canceled_at"], &resumed["cancellation_details"]["reason"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    shop.advance(end + 3600).await;
    assert_eq!(shop.subscription(id(&made)).await["status"], "active");
    let end = period(&set("true").await).1;
    let before = shop.count().await;
    shop.advance(end + 30 * DAY).await;
    let ended = shop.subscription(id(&made)).await;
    assert_eq!((&ended["status"], &ended["ended_at"]), (&json!("canceled"), &json!(end)));
    assert_eq!(shop.events(before).await, ["customer.subscription.deleted"]);
    assert_eq!(shop.invoices("").await.len(), 2);
    assert_eq!(shop.post(&path, &[("cancel_at_period_end", "false")]).await.status, 400);
    assert_eq!(shop.get(&format!("/v1/subscriptions?customer={}", shop.customer)).await["data"], json!([]));

    // At once, with the unused part.
    let other = shop.subscribe(&[]).await.ok();
    let half = (period(&other).1 - period(&other).0) / 2;
    shop.advance(end + 30 * DAY + half).await;
    let url = format!("/v1/subscriptions/{}?prorate=true&invoice_now=true", id(&other));
    let gone = shop.stripe.delete(&url).await.ok();
    assert_eq!((&gone["status"], &gone["cancellation_details"]["reason"]), (&json!("canceled"), &json!("cancellation_requested")));
    assert_eq!(shop.get(&format!("/v1/customers/{}", shop.customer)).await["balance"], -500);
    assert_eq!(shop.stripe.delete(&url).await.status, 404);
}

#[tokio::test]
async fn a_trial_is_free_and_its_end_is_announced() {
    let shop = Shop::platform("pm_card_visa").await;
    let before = shop.count().await;
    let made = shop.subscribe(&[("trial_period_days", "14")]).await.ok();
    assert_eq!((&made["status"], &made["trial_end"]), (&json!("trialing"), &json!(START + 14 * DAY)));
    assert_eq!((&made["latest_invoice"]["total"], &made["latest_invoice"]["status"]), (&json!(0), &json!("paid")));
    shop.advance(START + 11 * DAY).await;
    assert_eq!(shop.events(before).await.last().unwrap(), "customer.subscription.trial_will_end");
    shop.advance(START + 14 * DAY + 3600).await;
    let renewed = shop.subscription(id(&made)).await;
    assert_eq!((&renewed["status"], &renewed["latest_invoice"]["amount_paid"]), (&json!("active"), &json!(1000)));
}

#[tokio::test]
async fn without_a_clock_a_subscription_uses_the_stand_ins_time() {
    let stripe = Stripe::start().await;
    let form = [("payment_method", "pm_card_visa"), ("invoice_settings[default_payment_method]", "pm_card_visa")];
    let customer = stripe.post("/v1/customers", &form).await.ok();
    let product = stripe.post("/v1/products", &[("name", "Membership")]).await.ok();
    let items = [
        ("customer", id(&customer)),
        ("items[0][price_data][product]", id(&product)),
        ("items[0][price_data][currency]", "usd"),
        ("items[0][price_data][unit_amount]", "1000"),
        ("items[0][price_data][recurring][interval]", "week"),
    ];
    let made = stripe.post("/v1/subscriptions", &items).await.ok();
    stripe.admin("POST", "clock/advance", json!({ "seconds": 30 * DAY })).await.ok();
    let invoices = stripe.get(&format!("/v1/invoices?subscription={}&status=paid", id(&made))).await.ok();
    assert_eq!(invoices["data"].as_array().unwrap().len(), 5);
    assert_eq!(balance(&stripe, None).await, 5 * (1000 - 59));
    let start = made["start_date"].as_i64().unwrap();
    assert_eq!(invoices["data"][0]["status_transitions"]["paid_at"], start + 28 * DAY + 3600);
}

#[tokio::test]
async fn deleting_a_clock_deletes_its_customers() {
    let shop = Shop::platform("pm_card_visa").await;
    let made = shop.subscribe(&[]).await.ok();
    let path = format!("/v1/test_helpers/test_clocks/{}", shop.clock);
    assert_eq!(shop.post(&format!("{path}/advance"), &[("frozen_time", &START.to_string())]).await.status, 400);
    assert_eq!(shop.stripe.delete(&path).await.ok()["deleted"], true);
    assert_eq!(shop.stripe.get(&path).await.error(), (404, "resource_missing"));
    assert_eq!(shop.get(&format!("/v1/customers/{}", shop.customer)).await["deleted"], true);
    assert_eq!(shop.subscription(id(&made)).await["status"], "canceled");
}

#[tokio::test]
async fn a_card_that_authenticates_at_checkout_begins_a_subscription_and_pays_its_renewals() {
    let shop = Shop::platform("pm_card_visa").await;
    let seller = shop.stripe.account().await;
    let form = [
        ("mode", "subscription"),
        ("customer", shop.customer.as_str()),
        ("line_items[0][price]", &shop.monthly),
        ("line_items[0][quantity]", "1"),
        ("subscription_data[metadata][membership]", "m1"),
        ("subscription_data[application_fee_percent]", "20"),
        ("subscription_data[transfer_data][destination]", &seller),
        ("success_url", "http://localhost:3000/?s={CHECKOUT_SESSION_ID}"),
    ];
    let session = shop.post("/v1/checkout/sessions", &form).await.ok();
    assert_eq!(
        (&session["mode"], &session["amount_total"], &session["subscription"]),
        (&json!("subscription"), &json!(1000), &Value::Null)
    );
    let page = session["url"].as_str().unwrap();
    let pay = async |number| send(form_body(shop.stripe.http.post(page), &[("card_number", number), ("action", "pay")])).await;
    let before = shop.count().await;
    assert!(pay("4000000000000341").await.body.as_str().unwrap().contains("declined"));
    let bank = location(&pay("4000002500003155").await);
    let back = location(&send(form_body(shop.stripe.http.post(bank), &[("outcome", "succeed")])).await);
    let end = location(&send(shop.stripe.http.get(back)).await);
    assert_eq!(parameter(&end, "s").as_deref(), session["id"].as_str());
    let done = shop.get(&format!("/v1/checkout/sessions/{}?expand[]=subscription&expand[]=invoice", id(&session))).await;
    assert_eq!((&done["status"], &done["payment_status"], &done["payment_intent"]), (&json!("complete"), &json!("paid"), &Value::Null));
    let subscription = &done["subscription"];
    assert_eq!((&subscription["status"], &subscription["metadata"]["membership"]), (&json!("active"), &json!("m1")));
    assert_eq!((&done["invoice"]["status"], &done["invoice"]["attempt_count"]), (&json!("paid"), &json!(2)));
    let events = shop.events(before).await;
    assert_eq!(events.iter().filter(|kind| *kind == "customer.subscription.created").count(), 1);
    assert!(shop.stripe.event_types(None).await.ends_with(&["checkout.session.completed".to_owned()]));
    // The card was set up with the first payment.
    shop.advance(START + 28 * DAY + 3600).await;
    assert_eq!(shop.subscription(id(subscription)).await["latest_invoice"]["status"], "paid");
    assert_eq!(balance(&shop.stripe, Some(&seller)).await, 2 * 800);

    // An unpaid session leaves no running subscription, and a price has a mode.
    let other = shop.post("/v1/checkout/sessions", &form).await.ok();
    let page = other["url"].as_str().unwrap();
    send(form_body(shop.stripe.http.post(page), &[("card_number", "4000000000000341"), ("action", "pay")])).await;
    shop.post(&format!("/v1/checkout/sessions/{}/expire", id(&other)), &[]).await.ok();
    let all = shop.get("/v1/subscriptions?status=incomplete_expired").await;
    assert_eq!(all["data"].as_array().unwrap().len(), 1);
    let wrong = [&[("mode", "payment")], &form[1..4], &form[7..]].concat();
    assert_eq!(shop.post("/v1/checkout/sessions", &wrong).await.status, 400);
}

#[tokio::test]
async fn a_new_buyer_at_checkout_becomes_a_customer_and_can_have_a_trial() {
    let shop = Shop::platform("pm_card_visa").await;
    let form = [
        ("mode", "subscription"),
        ("customer_email", "new@example.com"),
        ("line_items[0][price_data][currency]", "usd"),
        ("line_items[0][price_data][unit_amount]", "700"),
        ("line_items[0][price_data][recurring][interval]", "year"),
        ("line_items[0][price_data][product_data][name]", "Everything"),
        ("line_items[0][quantity]", "1"),
        ("subscription_data[trial_period_days]", "7"),
        ("success_url", "http://localhost:3000/"),
    ];
    let session = shop.post("/v1/checkout/sessions", &form).await.ok();
    let paid = shop.stripe.admin("POST", &format!("checkout/sessions/{}/pay", id(&session)), json!({})).await.ok();
    assert_eq!((&paid["status"], &paid["payment_status"]), (&json!("complete"), &json!("no_payment_required")));
    let subscription = shop.get(&format!("/v1/subscriptions/{}?expand[]=customer", paid["subscription"].as_str().unwrap())).await;
    assert_eq!((&subscription["status"], &subscription["customer"]["email"]), (&json!("trialing"), &json!("new@example.com")));
    shop.stripe.admin("POST", "clock/advance", json!({ "seconds": 7 * DAY + 3601 })).await.ok();
    let renewed = shop.subscription(id(&subscription)).await;
    assert_eq!((&renewed["status"], &renewed["latest_invoice"]["amount_paid"]), (&json!("active"), &json!(700)));
}

/// A renewal that its customer must authenticate. Returns the shop and the open invoice.
async fn renewal_that_asks() -> (Shop, String, Value) {
    let shop = Shop::platform("pm_card_visa").await;
    let made = shop.subscribe(&[]).await.ok();
    shop.use_card("pm_card_authenticationRequired").await;
    let before = shop.count().await;
    shop.advance(START + 28 * DAY + 3600).await;
    let asked = shop.subscription(id(&made)).await;
    let events = ["invoice.finalized", "invoice.payment_action_required", "invoice.payment_failed", "customer.subscription.updated"];
    assert_eq!(shop.events(before).await[3..], events);
    assert_eq!((&asked["status"], &asked["latest_invoice"]["status"]), (&json!("past_due"), &json!("open")));
    let payment = &asked["latest_invoice"]["payments"]["data"][0]["payment"]["payment_intent"];
    let intent = shop.get(&format!("/v1/payment_intents/{}", payment.as_str().unwrap())).await;
    assert_eq!(intent["status"], "requires_action");
    let invoice = asked["latest_invoice"].clone();
    (shop, id(&made).to_owned(), invoice)
}

#[tokio::test]
async fn a_renewal_that_requires_authentication_is_paid_on_its_page() {
    let (shop, subscription, invoice) = renewal_that_asks().await;
    let page = invoice["hosted_invoice_url"].as_str().unwrap();
    let get = |url: &str| send(shop.stripe.http.get(url));
    let bank = location(&get(page).await);
    let failed = send(form_body(shop.stripe.http.post(bank.as_str()), &[("outcome", "fail")])).await;
    let back = location(&failed);
    assert!(back.as_str().starts_with(page) && parameter(&back, "redirect_status").as_deref() == Some("failed"), "{back}");
    let text = get(page).await.body.as_str().unwrap().to_owned();
    assert!(text.contains("has failed authentication") && text.contains("Pay $10.00"), "{text}");
    // A declined card, one that does not exist, and one that requires authentication again.
    let before = shop.count().await;
    for (number, message) in [("4000 0000 0000 0341", "Your card was declined."), ("1234", "Your card number is invalid.")] {
        let shown = send(form_body(shop.stripe.http.post(page), &[("card_number", number)])).await;
        assert!(shown.body.as_str().unwrap().contains(message), "{:#}", shown.body);
    }
    let asks = send(form_body(shop.stripe.http.post(page), &[("card_number", "4000 0027 6000 3184")])).await;
    send(form_body(shop.stripe.http.post(location(&asks).as_str()), &[("outcome", "succeed")])).await;
    let events = ["payment_failed", "payment_action_required", "payment_failed", "paid", "payment_succeeded"];
    let wanted = [&events.map(|kind| format!("invoice.{kind}"))[..], &["customer.subscription.updated".to_owned()]].concat();
    assert_eq!(shop.events(before).await, wanted);
    let paid = shop.subscription(&subscription).await;
    assert_eq!((&paid["status"], &paid["latest_invoice"]["status"]), (&json!("active"), &json!("paid")));
    assert!(get(page).await.body.as_str().unwrap().contains("$10.00, paid"));
    let again = send(form_body(shop.stripe.http.post(page), &[("card_number", "4242424242424242")])).await;
    assert!(!again.body.as_str().unwrap().contains("<form"), "{:#}", again.body);
    assert_eq!(balance(&shop.stripe, None).await, 2 * (1000 - 59));
}

#[tokio::test]
async fn paying_an_invoice_by_request_reports_required_authentication() {
    let (shop, subscription, invoice) = renewal_that_asks().await;
    let path = format!("/v1/invoices/{}/pay", id(&invoice));
    assert_eq!(shop.post(&path, &[]).await.error(), (402, "invoice_payment_intent_requires_action"));
    let asks = [("payment_method", "pm_card_authenticationRequired")];
    assert_eq!(shop.post(&path, &asks).await.error(), (402, "invoice_payment_intent_requires_action"));
    assert_eq!(shop.subscription(&subscription).await["latest_invoice"]["status"], "open");
    let admin = format!("invoices/{}/pay", id(&invoice));
    let declined = shop.stripe.admin("POST", &admin, json!({ "card": "pm_card_chargeDeclined" })).await;
    assert_eq!(declined.error(), (402, "card_declined"));
    let paid = shop.stripe.admin("POST", &admin, json!({ "card": "pm_card_visa" })).await.ok();
    assert_eq!((&paid["status"], &paid["amount_paid"]), (&json!("paid"), &json!(1000)));
    assert_eq!(shop.stripe.admin("POST", &admin, json!({})).await.status, 400);
    assert_eq!(shop.subscription(&subscription).await["status"], "active");
}
