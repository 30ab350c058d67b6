//! Delayed results: asynchronous captures, and debits whose banks answer days later.

use serde_json::{Value, json};
use stripe_stand_in::Options;

use crate::client::{CARD, Stripe, id};

async fn advance(stripe: &Stripe, seconds: i64) {
    stripe.admin("POST", "clock/advance", json!({ "seconds": seconds })).await.ok();
}

/// The types of the platform's events after the first `seen`.
async fn told(stripe: &Stripe, account: Option<&str>, seen: usize) -> Vec<String> {
    stripe.event_types(account).await.split_off(seen)
}

#[tokio::test]
async fn an_asynchronous_captures_result_is_reported_later() {
    let stripe = Stripe::with(Options { capture_delay: 60, ..Options::default() }).await;
    let seller = stripe.account().await;
    let form = [
        ("amount", "5000"),
        ("currency", "usd"),
        ("confirm", "true"),
        ("payment_method", "pm_card_visa"),
        ("application_fee_amount", "1000"),
        ("transfer_data[destination]", seller.as_str()),
        ("expand[]", "latest_charge.balance_transaction"),
        CARD,
    ];
    let intent = stripe.post("/v1/payment_intents", &form).await.ok();
    let charge = &intent["latest_charge"];
    assert_eq!(
        (&intent["status"], &charge["status"], &charge["amount_captured"]),
        (&json!("succeeded"), &json!("succeeded"), &json!(5000))
    );
    assert_eq!(charge["application_fee_amount"], 1000);
    for name in ["balance_transaction", "transfer", "application_fee"] {
        assert!(charge[name].is_null(), "{name}: {charge:#}");
    }
    // Nothing that depends on it is possible yet.
    let source = [("amount", "100"), ("currency", "usd"), ("destination", &seller), ("source_transaction", id(charge))];
    assert_eq!(stripe.post("/v1/transfers", &source).await.status, 400);
    let refund = stripe.post("/v1/refunds", &[("charge", id(charge)), ("reverse_transfer", "true")]).await;
    assert_eq!(refund.status, 400);
    let seen = stripe.event_types(None).await.len();

    // The clock is running, so a second may have passed.
    advance(&stripe, 40).await;
    assert_eq!(told(&stripe, None, seen).await, Vec::<String>::new());
    advance(&stripe, 20).await;
    let types = told(&stripe, None, seen).await;
    assert_eq!(types, ["transfer.created", "application_fee.created", "charge.updated"]);
    let event = stripe.events(None).await.pop().unwrap();
    assert_eq!(event["data"]["previous_attributes"]["balance_transaction"], Value::Null);
    assert!(event["data"]["previous_attributes"].as_object().unwrap().contains_key("balance_transaction"), "{event:#}");
    let charge = &event["data"]["object"];
    for name in ["balance_transaction", "transfer", "application_fee"] {
        assert!(charge[name].is_string(), "{name}: {charge:#}");
    }
    stripe.books().await;

    // A client that expands it waits for the capture.
    let mut form = form.to_vec();
    form.push(("capture_method", "automatic"));
    let intent = stripe.post("/v1/payment_intents", &form).await.ok();
    assert!(intent["latest_charge"]["balance_transaction"].is_object());
}

async fn debit(stripe: &Stripe, method: &str, currency: &str) -> Value {
    let form = [
        ("amount", "5000"),
        ("currency", currency),
        ("confirm", "true"),
        ("payment_method", method),
        ("return_url", "http://localhost/back"),
        ("expand[]", "latest_charge"),
    ];
    stripe.post("/v1/payment_intents", &form).await.ok()
}

#[tokio::test]
async fn a_debit_is_paid_once_its_bank_confirms_it() {
    let stripe = Stripe::with(Options { debit_delay: 100, ..Options::default() }).await;
    let intent = debit(&stripe, "pm_success_de", "eur").await;
    let charge = &intent["latest_charge"];
    assert_eq!((&intent["status"], &intent["amount_received"]), (&json!("processing"), &json!(0)));
    assert_eq!((&charge["status"], &charge["paid"], &charge["balance_transaction"]), (&json!("pending"), &json!(false), &Value::Null));
    assert_eq!((&charge["payment_method_details"]["type"], id(charge).starts_with("py_")), (&json!("sepa_debit"), true));
    assert_eq!(told(&stripe, None, 0).await, ["payment_intent.created", "payment_intent.processing", "charge.pending"]);
    // Nothing can be refunded yet.
    assert_eq!(stripe.post("/v1/refunds", &[("charge", id(charge))]).await.status, 400);
    assert_eq!(stripe.books().await["outside"], json!({}));
    advance(&stripe, 100).await;
    assert_eq!(told(&stripe, None, 3).await, ["charge.succeeded", "payment_intent.succeeded"]);
    let intent = stripe.get(&format!("/v1/payment_intents/{}?expand[]=latest_charge.balance_transaction", id(&intent))).await.ok();
    assert_eq!((&intent["status"], &intent["amount_received"]), (&json!("succeeded"), &json!(5000)));
    assert_eq!(intent["latest_charge"]["balance_transaction"]["currency"], "usd");
    stripe.books().await;

    // Not in another currency, and not with a number that is not a test number.
    let form =
        [("amount", "5000"), ("currency", "usd"), ("confirm", "true"), ("payment_method", "pm_success_de"), ("return_url", "http://a")];
    assert_eq!(stripe.post("/v1/payment_intents", &form).await.status, 400);
    let given = [("type", "sepa_debit"), ("sepa_debit[iban]", "DE89370400440532013999"), ("billing_details[name]", "N")];
    assert_eq!(stripe.post("/v1/payment_methods", &given).await.error(), (400, "invalid_bank_account_iban"));
    let given = [given[0], ("sepa_debit[iban]", "DE89 3704 0044 0532 0130 00"), given[2]];
    assert_eq!(stripe.post("/v1/payment_methods", &given).await.ok()["sepa_debit"]["last4"], "3000");
}

#[tokio::test]
async fn a_debit_that_fails_asks_for_another_payment_method() {
    let stripe = Stripe::start().await;
    let intent = debit(&stripe, "pm_usBankAccount_insufficientFunds", "usd").await;
    assert_eq!(intent["status"], "processing");
    advance(&stripe, 1).await;
    assert_eq!(told(&stripe, None, 3).await, ["charge.failed", "payment_intent.payment_failed"]);
    let intent = stripe.get(&format!("/v1/payment_intents/{}?expand[]=latest_charge", id(&intent))).await.ok();
    assert_eq!((&intent["status"], &intent["payment_method"]), (&json!("requires_payment_method"), &Value::Null));
    assert_eq!(intent["last_payment_error"]["code"], "insufficient_funds");
    let charge = &intent["latest_charge"];
    assert_eq!((&charge["status"], &charge["failure_code"]), (&json!("failed"), &json!("insufficient_funds")));
    assert_eq!(stripe.books().await["outside"], json!({}));
    // A debit can be returned for weeks, without an inquiry.
    let intent = debit(&stripe, "pm_disputed_de", "eur").await;
    advance(&stripe, 1).await;
    let disputes = stripe.get(&format!("/v1/disputes?charge={}", id(&intent["latest_charge"]))).await.ok();
    assert_eq!(disputes["data"][0]["status"], "lost");
    stripe.books().await;
}

#[tokio::test]
async fn the_banks_answer_can_be_controlled() {
    let stripe = Stripe::with(Options { debit_delay: 1000, ..Options::default() }).await;
    let intent = debit(&stripe, "pm_success_de", "eur").await;
    let path = format!("payment_intents/{}/clear", id(&intent));
    let failed = stripe.admin("POST", &path, json!({ "outcome": "fail" })).await.ok();
    assert_eq!(failed["status"], "requires_payment_method");
    assert_eq!(stripe.admin("POST", &path, json!({ "outcome": "succeed" })).await.status, 400);
    // By its own due time it was already answered.
    advance(&stripe, 1000).await;
    assert_eq!(stripe.get(&format!("/v1/payment_intents/{}", id(&intent))).await.ok()["status"], "requires_payment_method");
}

async fn checkout(stripe: &Stripe, form: &[(&str, &str)], account: &str) -> String {
    let mut all = vec![
        ("success_url", "http://localhost/done"),
        ("line_items[0][quantity]", "1"),
        ("line_items[0][price_data][currency]", "eur"),
        ("line_items[0][price_data][unit_amount]", "5000"),
        ("line_items[0][price_data][product_data][name]", "Course"),
    ];
    all.extend(form);
    let session = stripe.post("/v1/checkout/sessions", &all).await.ok();
    stripe.admin("POST", &format!("checkout/sessions/{}/pay", id(&session)), json!({ "card": account })).await.ok();
    id(&session).to_owned()
}

async fn session(stripe: &Stripe, id: &str) -> (String, String) {
    let session = stripe.get(&format!("/v1/checkout/sessions/{id}")).await.ok();
    (session["status"].as_str().unwrap().to_owned(), session["payment_status"].as_str().unwrap().to_owned())
}

fn words(one: &str, two: &str) -> (String, String) {
    (one.to_owned(), two.to_owned())
}

#[tokio::test]
async fn a_session_completes_unpaid_and_the_banks_answer_follows() {
    for (account, outcome) in [("pm_success_de", "succeeded"), ("pm_failed_de", "failed")] {
        let stripe = Stripe::with(Options { debit_delay: 100, ..Options::default() }).await;
        let id = checkout(&stripe, &[("mode", "payment")], account).await;
        assert_eq!(session(&stripe, &id).await, words("complete", "unpaid"));
        let types = stripe.event_types(None).await;
        assert!(
            types.ends_with(&["payment_intent.processing", "charge.pending", "checkout.session.completed"].map(String::from)),
            "{types:?}"
        );
        advance(&stripe, 100).await;
        let paid = if outcome == "succeeded" { "paid" } else { "unpaid" };
        assert_eq!(session(&stripe, &id).await, words("complete", paid));
        let last = stripe.event_types(None).await.pop().unwrap();
        assert_eq!(last, format!("checkout.session.async_payment_{outcome}"));
    }
}

#[tokio::test]
async fn a_subscription_by_debit_is_paid_for_later() {
    for (account, outcome) in [("pm_success_de", "succeeded"), ("pm_failed_de", "failed")] {
        let stripe = Stripe::with(Options { debit_delay: 3 * 24 * 60 * 60, ..Options::default() }).await;
        let monthly = ("line_items[0][price_data][recurring][interval]", "month");
        let id = checkout(&stripe, &[("mode", "subscription"), monthly], account).await;
        assert_eq!(session(&stripe, &id).await, words("complete", "unpaid"));
        let subscription = async || stripe.get("/v1/subscriptions?status=all&expand[]=data.latest_invoice").await.ok()["data"][0].clone();
        let begun = subscription().await;
        assert_eq!((&begun["status"], &begun["latest_invoice"]["status"]), (&json!("active"), &json!("open")));
        let seen = stripe.event_types(None).await.len();
        advance(&stripe, 3 * 24 * 60 * 60).await;
        let ended = subscription().await;
        let types = told(&stripe, None, seen).await;
        assert!(types.contains(&format!("checkout.session.async_payment_{outcome}")), "{types:?}");
        if outcome == "succeeded" {
            assert_eq!((&ended["status"], &ended["latest_invoice"]["status"]), (&json!("active"), &json!("paid")));
            assert_eq!(session(&stripe, &id).await, words("complete", "paid"));
            assert!(types.contains(&"invoice.paid".to_owned()), "{types:?}");
        } else {
            assert_eq!((&ended["status"], &ended["latest_invoice"]["status"]), (&json!("past_due"), &json!("open")));
            assert!(types.contains(&"invoice.payment_failed".to_owned()), "{types:?}");
        }
    }
}
