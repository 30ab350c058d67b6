//! Uses every feature of the stand-in and parses all of its responses with async-stripe's types.

#![allow(clippy::unwrap_used, missing_docs)]

mod billing;
mod strict;

use reqwest::Method;
use serde_json::{Value, json};
use strict::Checked;
use stripe_stand_in::{Options, StandIn, start};

/// A stand-in whose responses are all checked.
struct Stripe {
    stand_in: StandIn,
    http: reqwest::Client,
    checked: Checked,
}

impl Stripe {
    async fn call(&mut self, method: Method, account: Option<&str>, path: &str, form: &[(&str, &str)]) -> Value {
        let key = if path.contains("client_secret") || path == "/v1/tokens" { "pk_test_local" } else { "sk_test_local" };
        let mut request = self.http.request(method, format!("{}{path}", self.stand_in.url())).bearer_auth(key);
        if let Some(account) = account {
            request = request.header("stripe-account", account);
        }
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let answer = request.header("content-type", "application/x-www-form-urlencoded").body(body).send().await.unwrap();
        let failed = !answer.status().is_success();
        let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        if failed {
            self.checked.error(&body);
        } else {
            self.checked.answer(&body);
        }
        body
    }

    async fn post(&mut self, account: Option<&str>, path: &str, form: &[(&str, &str)]) -> Value {
        self.call(Method::POST, account, path, form).await
    }

    async fn get(&mut self, account: Option<&str>, path: &str) -> Value {
        self.call(Method::GET, account, path, &[]).await
    }

    async fn admin(&self, path: &str, body: Value) -> Value {
        let url = format!("{}/_admin/{path}", self.stand_in.url());
        let answer = self.http.post(url).body(body.to_string()).send().await.unwrap();
        serde_json::from_str(&answer.text().await.unwrap()).unwrap()
    }

    async fn pay(&mut self, account: Option<&str>, card: &str, more: &[(&str, &str)]) -> Value {
        let mut form = vec![
            ("amount", "5000"),
            ("currency", "usd"),
            ("confirm", "true"),
            ("payment_method", card),
            ("allowed_payment_method_types[]", "card"),
            ("metadata[purchase_id]", "p1"),
        ];
        form.extend(more);
        self.post(account, "/v1/payment_intents", &form).await
    }
}

fn id(value: &Value) -> String {
    value["id"].as_str().unwrap_or_else(|| panic!("{value:#}")).to_owned()
}

#[tokio::test]
async fn every_response_has_the_type_that_stripe_specifies() {
    let stand_in = start(Options::default()).await.unwrap();
    let mut stripe = Stripe { stand_in, http: reqwest::Client::new(), checked: Checked::default() };
    let seller = id(&stripe.admin("accounts", json!({})).await);
    accounts(&mut stripe, &seller).await;
    let customer = customers_and_cards(&mut stripe, &seller).await;
    cards_for_later(&mut stripe, &customer).await;
    payments(&mut stripe, &seller, &customer).await;
    checkout(&mut stripe, &seller, &customer).await;
    money_back(&mut stripe, &seller).await;
    payouts(&mut stripe, &seller).await;
    billing::all(&mut stripe, &seller).await;
    stripe.admin(&format!("accounts/{seller}"), json!({ "charges_enabled": false, "capabilities": { "transfers": "inactive" } })).await;
    stripe.admin("clock/advance", json!({ "seconds": 3 * 24 * 60 * 60 })).await;
    lists(&mut stripe, &seller).await;
    stripe.call(Method::DELETE, None, &format!("/v1/customers/{customer}"), &[]).await;
    stripe.get(None, "/v1/events?limit=5").await;
    // Events after a disconnection can only be seen on their way to the webhook.
    stripe.admin(&format!("accounts/{seller}/deauthorize"), json!({})).await;
    let url = format!("{}/_admin/events?account={seller}", stripe.stand_in.url());
    let events: Value = serde_json::from_str(&stripe.http.get(url).send().await.unwrap().text().await.unwrap()).unwrap();
    let mut last = events["events"][0].clone();
    last.as_object_mut().unwrap().remove("deliveries");
    stripe.checked.answer(&last);

    let Checked { objects, events, faults } = stripe.checked;
    assert!(faults.is_empty(), "{faults:#?}");
    let kinds = [
        "account",
        "account_link",
        "account_session",
        "application",
        "application_fee",
        "balance",
        "balance_transaction",
        "capability",
        "charge",
        "checkout.session",
        "customer",
        "dispute",
        "error",
        "event",
        "fee_refund",
        "invoice",
        "invoice_payment",
        "item",
        "line_item",
        "list",
        "login_link",
        "payment_intent",
        "payment_method",
        "payout",
        "price",
        "product",
        "refund",
        "search_result",
        "setup_intent",
        "subscription",
        "test_helpers.test_clock",
        "token",
        "transfer",
        "transfer_reversal",
    ];
    assert_eq!(objects, kinds.into_iter().map(str::to_owned).collect());
    let types = [
        "account.application.deauthorized",
        "account.updated",
        "application_fee.created",
        "application_fee.refunded",
        "capability.updated",
        "charge.captured",
        "charge.dispute.closed",
        "charge.dispute.created",
        "charge.dispute.funds_reinstated",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.updated",
        "charge.failed",
        "charge.refund.updated",
        "charge.refunded",
        "charge.succeeded",
        "charge.updated",
        "checkout.session.completed",
        "checkout.session.expired",
        "customer.created",
        "customer.deleted",
        "customer.subscription.created",
        "customer.subscription.deleted",
        "customer.subscription.trial_will_end",
        "customer.subscription.updated",
        "customer.updated",
        "invoice.created",
        "invoice.finalized",
        "invoice.marked_uncollectible",
        "invoice.paid",
        "invoice.payment_action_required",
        "invoice.payment_failed",
        "invoice.payment_succeeded",
        "invoice.upcoming",
        "invoice.updated",
        "invoice.voided",
        "invoice_payment.paid",
        "payment_intent.amount_capturable_updated",
        "payment_intent.canceled",
        "payment_intent.created",
        "payment_intent.payment_failed",
        "payment_intent.requires_action",
        "payment_intent.succeeded",
        "payment_method.attached",
        "payment_method.detached",
        "payment_method.updated",
        "payout.canceled",
        "payout.created",
        "payout.failed",
        "payout.paid",
        "payout.updated",
        "price.created",
        "price.updated",
        "product.created",
        "product.updated",
        "refund.created",
        "refund.failed",
        "refund.updated",
        "setup_intent.canceled",
        "setup_intent.created",
        "setup_intent.requires_action",
        "setup_intent.setup_failed",
        "setup_intent.succeeded",
        "test_helpers.test_clock.advancing",
        "test_helpers.test_clock.created",
        "test_helpers.test_clock.deleted",
        "test_helpers.test_clock.ready",
        "transfer.created",
        "transfer.reversed",
        "transfer.updated",
    ];
    assert_eq!(events, types.into_iter().map(str::to_owned).collect());
}

#[tokio::test]
async fn a_wrong_object_is_noticed() {
    let stand_in = start(Options::default()).await.unwrap();
    let mut stripe = Stripe { stand_in, http: reqwest::Client::new(), checked: Checked::default() };
    let right = stripe.pay(None, "pm_card_visa", &[]).await;
    let faults = |name: &str, value: Value| {
        let mut wrong = right.clone();
        match value {
            Value::Null => drop(wrong.as_object_mut().unwrap().remove(name)),
            value => wrong[name] = value,
        }
        let mut checked = Checked::default();
        checked.answer(&wrong);
        checked.faults.into_iter().collect::<Vec<_>>().join("; ")
    };
    assert_eq!(faults("amount", json!(5000)), "");
    for (name, value, fault) in [
        ("amount", json!("5000"), "amount: invalid type"),
        ("client_secret", json!(7), "client_secret: invalid type"),
        ("metadata", Value::Null, "missing field `metadata`"),
        ("status", json!("paid"), "Unknown value 'paid' for enum 'PaymentIntentStatus'"),
        ("amount_payed", json!(1), ".amount_payed is unknown to the specification"),
        ("transfer_data", json!({ "destination": "acct_1", "fee": 1 }), ".transfer_data.fee is unknown"),
    ] {
        let found = faults(name, value);
        assert!(found.contains(fault), "{name}: {found}");
    }
}

async fn accounts(stripe: &mut Stripe, seller: &str) {
    stripe.get(None, "/v1/account").await;
    stripe.get(Some(seller), "/v1/account").await;
    for kind in ["standard", "express", "custom"] {
        let form = [("type", kind), ("country", "US"), ("email", "a@example.com"), ("capabilities[transfers][requested]", "true")];
        let made = stripe.post(None, "/v1/accounts", &form).await;
        stripe.post(None, &format!("/v1/accounts/{}", id(&made)), &[("business_profile[name]", "Shop")]).await;
        let path = format!("/v1/accounts/{}", id(&made));
        stripe.get(None, &format!("{path}/capabilities")).await;
        for (name, verdict) in [("card_payments", "failed"), ("transfers", "complete")] {
            stripe.post(None, &format!("{path}/capabilities/{name}"), &[("requested", "true")]).await;
            stripe.admin(&format!("accounts/{}/requirements", id(&made)), json!({ "verdict": verdict })).await;
            stripe.get(None, &path).await;
        }
        let back = [("return_url", "http://localhost/return"), ("refresh_url", "http://localhost/refresh"), ("type", "account_onboarding")];
        stripe.post(None, "/v1/account_links", &[&[("account", id(&made).as_str())], &back[..]].concat()).await;
        let shown =
            [("account", id(&made)), ("components[payments][enabled]", "true".into()), ("components[payouts][enabled]", "true".into())];
        stripe.post(None, "/v1/account_sessions", &shown.each_ref().map(|(name, value)| (*name, value.as_str()))).await;
        stripe.post(None, &format!("{path}/login_links"), &[]).await;
        stripe.post(None, &format!("{path}/reject"), &[("reason", "terms_of_service")]).await;
    }
    stripe.get(None, &format!("/v1/accounts/{seller}/capabilities/transfers")).await;
}

async fn customers_and_cards(stripe: &mut Stripe, seller: &str) -> String {
    let form = [("email", "a@example.com"), ("name", "A Buyer"), ("address[line1]", "1 Street"), ("address[country]", "US")];
    let customer = id(&stripe.post(None, "/v1/customers", &form).await);
    stripe
        .post(
            None,
            &format!("/v1/customers/{customer}"),
            &[("metadata[a]", "b"), ("shipping[name]", "A"), ("shipping[address][line1]", "1")],
        )
        .await;
    let card = [("card[number]", "4242424242424242"), ("card[exp_month]", "12"), ("card[exp_year]", "2040")];
    let token = stripe.post(None, "/v1/tokens", &card).await;
    let method = stripe.post(None, "/v1/payment_methods", &[("type", "card"), ("card[token]", &id(&token))]).await;
    let path = format!("/v1/payment_methods/{}", id(&method));
    stripe.post(None, &format!("{path}/attach"), &[("customer", &customer)]).await;
    stripe.post(None, &path, &[("billing_details[name]", "A Buyer"), ("allow_redisplay", "always")]).await;
    stripe.get(None, &format!("/v1/customers/{customer}/payment_methods")).await;
    let clone = [("customer", customer.as_str()), ("payment_method", &id(&method))];
    stripe.post(Some(seller), "/v1/payment_methods", &clone).await;
    stripe.post(None, &format!("{path}/detach"), &[]).await;
    customer
}

async fn cards_for_later(stripe: &mut Stripe, customer: &str) {
    let form = [("customer", customer), ("allowed_payment_method_types[]", "card"), ("confirm", "true")];
    for card in ["pm_card_visa", "pm_card_chargeDeclined", "pm_card_threeDSecure2Required"] {
        let made = stripe.post(None, "/v1/setup_intents", &[&[("payment_method", card)], &form[..]].concat()).await;
        if made["status"] == "requires_action" {
            let back = [("payment_method", card), ("return_url", "http://localhost:3000/")];
            stripe.post(None, &format!("/v1/setup_intents/{}/confirm", id(&made)), &back).await;
            stripe.post(None, &format!("/v1/setup_intents/{}/cancel", id(&made)), &[]).await;
        }
    }
    stripe.get(None, "/v1/setup_intents?expand[]=data.payment_method").await;
    let form = [("mode", "setup"), ("currency", "usd"), ("customer", customer), ("success_url", "http://localhost:3000/")];
    let session = stripe.post(None, "/v1/checkout/sessions", &form).await;
    stripe.admin(&format!("checkout/sessions/{}/pay", id(&session)), json!({})).await;
    stripe.get(None, &format!("/v1/checkout/sessions/{}?expand[]=setup_intent", id(&session))).await;
}

async fn payments(stripe: &mut Stripe, seller: &str, customer: &str) {
    for card in ["pm_card_visa", "pm_card_chargeDeclined", "pm_card_chargeDeclinedExpiredCard", "pm_card_threeDSecure2Required"] {
        for account in [None, Some(seller)] {
            let to = [("application_fee_amount", "100"), ("transfer_data[destination]", seller)];
            let more = if account.is_some() { &to[..1] } else { &to[..] };
            stripe.pay(account, card, &[more, &[("return_url", "http://localhost:3000/")]].concat()).await;
        }
    }
    let kept = [
        ("customer", customer),
        ("setup_future_usage", "off_session"),
        ("on_behalf_of", seller),
        ("shipping[name]", "A"),
        ("shipping[address][line1]", "1"),
    ];
    stripe.pay(None, "pm_card_mastercard", &kept).await;
    for outcome in ["succeed", "fail"] {
        let asked = stripe.pay(None, "pm_card_threeDSecure2Required", &[]).await;
        stripe.admin(&format!("payment_intents/{}/authenticate", id(&asked)), json!({ "outcome": outcome })).await;
        stripe.get(None, &format!("/v1/payment_intents/{}?expand[]=latest_charge.balance_transaction.source", id(&asked))).await;
    }
    let held = stripe.pay(None, "pm_card_visa", &[("capture_method", "manual")]).await;
    stripe.post(None, &format!("/v1/payment_intents/{}/capture", id(&held)), &[("amount_to_capture", "4000")]).await;
    let form = [("amount", "500"), ("currency", "jpy")];
    let open = stripe.post(None, "/v1/payment_intents", &form).await;
    let path = format!("/v1/payment_intents/{}", id(&open));
    stripe.post(None, &path, &[("amount", "600"), ("payment_method", "pm_card_amex"), ("description", "x")]).await;
    stripe.get(None, &format!("{path}?client_secret={}", open["client_secret"].as_str().unwrap())).await;
    stripe.post(None, &format!("{path}/cancel"), &[("cancellation_reason", "abandoned")]).await;
    stripe.post(None, &format!("{path}/confirm"), &[]).await;
    stripe.get(None, "/v1/nothing").await;
    stripe.post(None, "/v1/payment_intents", &[("amount", "1"), ("currency", "usd")]).await;
}

async fn checkout(stripe: &mut Stripe, seller: &str, customer: &str) {
    for (account, who) in
        [(None, ("customer", customer)), (Some(seller), ("customer_email", "a@example.com")), (None, ("customer_creation", "always"))]
    {
        let form = [
            ("mode", "payment"),
            ("line_items[0][price_data][currency]", "usd"),
            ("line_items[0][price_data][unit_amount]", "5000"),
            ("line_items[0][price_data][product_data][name]", "Course"),
            ("line_items[0][quantity]", "1"),
            ("success_url", "http://localhost:3000/?s={CHECKOUT_SESSION_ID}"),
            ("cancel_url", "http://localhost:3000/"),
            ("client_reference_id", "p1"),
            ("metadata[purchase_id]", "p1"),
            ("expand[]", "line_items"),
            who,
        ];
        let session = stripe.post(account, "/v1/checkout/sessions", &form).await;
        let path = format!("/v1/checkout/sessions/{}", id(&session));
        stripe.get(account, &format!("{path}/line_items")).await;
        for card in ["pm_card_chargeDeclined", "pm_card_visa"] {
            stripe.admin(&format!("checkout/sessions/{}/pay", id(&session)), json!({ "card": card })).await;
            stripe.get(account, &format!("{path}?expand[]=payment_intent.latest_charge&expand[]=customer")).await;
        }
        let other = stripe.post(account, "/v1/checkout/sessions", &form).await;
        stripe.post(account, &format!("/v1/checkout/sessions/{}/expire", id(&other)), &[]).await;
    }
}

async fn money_back(stripe: &mut Stripe, seller: &str) {
    let to = [("application_fee_amount", "1000"), ("transfer_data[destination]", seller)];
    let paid = stripe.pay(None, "pm_card_bypassPending", &to).await;
    let back = [("reverse_transfer", "true"), ("refund_application_fee", "true"), ("amount", "1000"), ("reason", "requested_by_customer")];
    let refund = stripe.post(None, "/v1/refunds", &[&[("payment_intent", id(&paid).as_str())], &back[..]].concat()).await;
    stripe
        .post(
            None,
            &format!("/v1/refunds/{}", id(&refund)),
            &[("metadata[a]", "b"), ("expand[]", "charge"), ("expand[]", "transfer_reversal")],
        )
        .await;
    let charge = stripe
        .get(
            None,
            &format!("/v1/charges/{}?expand[]=refunds&expand[]=transfer&expand[]=application_fee", paid["latest_charge"].as_str().unwrap()),
        )
        .await;
    stripe.post(None, &format!("/v1/charges/{}", id(&charge)), &[("description", "x")]).await;
    let fee = charge["application_fee"]["id"].as_str().unwrap();
    stripe.post(None, &format!("/v1/application_fees/{fee}/refunds"), &[("amount", "1")]).await;
    stripe.get(None, &format!("/v1/application_fees/{fee}/refunds")).await;
    stripe.get(None, &format!("/v1/application_fees/{fee}?expand[]=charge&expand[]=originating_transaction")).await;

    let paid = stripe.pay(None, "pm_card_bypassPending", &[("transfer_group", "g")]).await;
    let source = paid["latest_charge"].as_str().unwrap();
    let form = [("amount", "2000"), ("currency", "usd"), ("destination", seller), ("source_transaction", source), ("metadata[a]", "b")];
    let transfer = stripe.post(None, "/v1/transfers", &form).await;
    let path = format!("/v1/transfers/{}", id(&transfer));
    stripe.post(None, &path, &[("description", "x")]).await;
    stripe.post(None, &format!("{path}/reversals"), &[("amount", "500")]).await;
    stripe
        .get(None, &format!("{path}?expand[]=destination_payment.balance_transaction&expand[]=reversals.data.destination_payment_refund"))
        .await;
    stripe.get(None, &format!("{path}/reversals")).await;

    for outcome in ["won", "lost"] {
        let paid = stripe.pay(None, "pm_card_createDispute", &[]).await;
        let path = format!("/v1/disputes?payment_intent={}", id(&paid));
        let dispute = id(&stripe.get(None, &path).await["data"][0]);
        stripe.post(None, &format!("/v1/disputes/{dispute}"), &[("evidence[product_description]", "x"), ("submit", "false")]).await;
        stripe.admin(&format!("disputes/{dispute}/close"), json!({ "outcome": outcome })).await;
        stripe.get(None, &format!("/v1/disputes/{dispute}?expand[]=charge")).await;
    }
    let paid = stripe.pay(None, "pm_card_pendingRefund", &[]).await;
    let pending = stripe.post(None, "/v1/refunds", &[("payment_intent", &id(&paid))]).await;
    stripe.admin(&format!("refunds/{}/fail", id(&pending)), json!({ "reason": "lost_or_stolen_card" })).await;
    let direct = stripe.pay(Some(seller), "pm_card_refundFail", &[("application_fee_amount", "1000")]).await;
    stripe.post(Some(seller), "/v1/refunds", &[("payment_intent", &id(&direct)), ("refund_application_fee", "true")]).await;
}

async fn payouts(stripe: &mut Stripe, seller: &str) {
    for end in ["cancel", "arrive", "fail"] {
        stripe.pay(Some(seller), "pm_card_bypassPending", &[]).await;
        let made = stripe.post(Some(seller), "/v1/payouts", &[("amount", "100"), ("currency", "usd")]).await;
        let path = format!("/v1/payouts/{}", id(&made));
        stripe.post(Some(seller), &path, &[("metadata[a]", "b")]).await;
        if end == "cancel" {
            stripe.post(Some(seller), &format!("{path}/cancel"), &[]).await;
        } else {
            stripe.admin(&format!("payouts/{}/{end}", id(&made)), json!({})).await;
        }
        stripe.get(Some(seller), &format!("{path}?expand[]=balance_transaction")).await;
    }
    stripe.admin(&format!("accounts/{seller}/payout"), json!({})).await;
    stripe.get(Some(seller), "/v1/payouts").await;
}

async fn lists(stripe: &mut Stripe, seller: &str) {
    for account in [None, Some(seller)] {
        for path in [
            "/v1/balance",
            "/v1/balance_transactions?limit=100&expand[]=data.source",
            "/v1/accounts",
            "/v1/customers",
            "/v1/customers/search?limit=1&query=metadata['a']:'b'",
            "/v1/payment_methods",
            "/v1/payment_intents?limit=100&expand[]=data.latest_charge",
            "/v1/charges?limit=100",
            "/v1/application_fees",
            "/v1/transfers",
            "/v1/refunds?limit=100",
            "/v1/disputes",
            "/v1/checkout/sessions",
        ] {
            stripe.get(account, path).await;
        }
        let mut after = String::new();
        loop {
            let page = stripe.get(account, &format!("/v1/events?limit=100{after}")).await;
            if page["has_more"] == false {
                break;
            }
            after = format!("&starting_after={}", id(page["data"].as_array().unwrap().last().unwrap()));
        }
    }
}
