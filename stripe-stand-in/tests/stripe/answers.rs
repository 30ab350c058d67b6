//! Facts about Stripe's responses from recordings: headers, errors, formats.

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Answer, CARD, Stripe, form_body, id, send};

const INTENTS: &str = "/v1/payment_intents";

fn pay(card: &'static str) -> Vec<(&'static str, &'static str)> {
    vec![("amount", "5000"), ("currency", "usd"), ("confirm", "true"), ("payment_method", card), CARD]
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers.get(name).and_then(|value| value.to_str().ok())
}

#[tokio::test]
async fn executed_requests_need_no_retry() {
    let stripe = Stripe::start().await;
    let paid = stripe.post(INTENTS, &pay("pm_card_visa")).await;
    assert_eq!(header(&paid, "original-request"), header(&paid, "request-id"));
    let charge = paid.body["latest_charge"].as_str().unwrap().to_owned();
    stripe.post("/v1/refunds", &[("charge", &charge)]).await.ok();
    for (answer, status, retry) in [
        (paid, 200, Some("false")),
        (stripe.post(INTENTS, &pay("pm_card_chargeDeclined")).await, 402, Some("false")),
        (stripe.post("/v1/refunds", &[("charge", &charge)]).await, 400, Some("false")),
        // The parameters themselves are wrong.
        (stripe.post(INTENTS, &[("amount", "5000")]).await, 400, None),
        (stripe.post(INTENTS, &[("amount", "5000"), ("currency", "usd"), ("customer", "cus_none")]).await, 400, None),
        (stripe.get("/v1/balance").await, 200, None),
    ] {
        assert_eq!((answer.status, header(&answer, "stripe-should-retry")), (status, retry), "{}", answer.body);
    }
    assert_eq!(header(&stripe.get("/v1/balance").await, "original-request"), None);
    let seller = stripe.account().await;
    let on = stripe.get_on(&seller, "/v1/balance").await;
    assert_eq!(header(&on, "stripe-account"), Some(seller.as_str()));
}

#[tokio::test]
async fn a_400_after_execution_is_stored_under_its_key() {
    let stripe = Stripe::start().await;
    let seller = stripe.account().await;
    let form = [("amount", "500"), ("currency", "usd"), ("destination", seller.as_str())];
    let poor = stripe.post_keyed("k1", "/v1/transfers", &form).await;
    assert_eq!(poor.error(), (400, "balance_insufficient"));
    stripe.post(INTENTS, &pay("pm_card_bypassPending")).await.ok();
    let again = stripe.post_keyed("k1", "/v1/transfers", &form).await;
    assert_eq!((again.error(), header(&again, "idempotent-replayed")), ((400, "balance_insufficient"), Some("true")));
    assert_eq!(poor.body, again.body);
    stripe.post_keyed("k2", "/v1/transfers", &form).await.ok();
    // Wrong parameters can be corrected under the same key.
    let unknown = [("amount", "500"), ("currency", "usd"), ("customer", "cus_none")];
    let first = stripe.post_keyed("k3", INTENTS, &unknown).await;
    let second = stripe.post_keyed("k3", INTENTS, &unknown).await;
    assert_eq!((first.status, header(&second, "idempotent-replayed")), (400, None));
}

#[tokio::test]
async fn declines_contain_the_networks_advice() {
    let stripe = Stripe::start().await;
    for (card, code, decline, param, advice, network) in [
        ("pm_card_chargeDeclined", "card_declined", "generic_decline", None, "try_again_later", "01"),
        ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds", None, "try_again_later", "51"),
        ("pm_card_chargeDeclinedStolenCard", "card_declined", "stolen_card", None, "do_not_try_again", "43"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card", Some("exp_month"), "confirm_card_data", "54"),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", "incorrect_cvc", Some("cvc"), "confirm_card_data", "N7"),
        ("pm_card_chargeDeclinedProcessingError", "processing_error", "processing_error", None, "try_again_later", "06"),
    ] {
        let answer = stripe.post(INTENTS, &pay(card)).await;
        let error = &answer.body["error"];
        assert_eq!((answer.status, &error["code"], &error["decline_code"]), (402, &json!(code), &json!(decline)));
        assert_eq!((error["param"].as_str(), &error["advice_code"]), (param, &json!(advice)), "{card}");
        assert_eq!(error["network_decline_code"], network, "{card}");
        assert_eq!(error["payment_intent"]["last_payment_error"]["decline_code"], decline);
        let charge = stripe.get(&format!("/v1/charges/{}", error["charge"].as_str().unwrap())).await.ok();
        assert_eq!((&charge["outcome"]["network_decline_code"], &charge["outcome"]["reason"]), (&json!(network), &json!(decline)));
    }
}

#[tokio::test]
async fn a_refunded_fee_is_a_separate_transaction() {
    let stripe = Stripe::start().await;
    let seller = stripe.account().await;
    let paid = stripe.post_on(&seller, INTENTS, &[&pay("pm_card_visa")[..], &[("application_fee_amount", "500")]].concat()).await.ok();
    let form = [("payment_intent", id(&paid)), ("refund_application_fee", "true"), ("expand[]", "balance_transaction")];
    let refund = stripe.post_on(&seller, "/v1/refunds", &form).await.ok();
    let moved = &refund["balance_transaction"];
    assert_eq!((&moved["fee"], &moved["fee_details"], &moved["net"]), (&json!(0), &json!([]), &json!(-5000)));
    let books = stripe.books().await;
    // The seller only lacks what Stripe keeps of the charge.
    assert_eq!(books["accounts"][&seller]["usd"]["balance"], -175);
    let fees = stripe.get("/v1/balance_transactions?type=application_fee_refund").await.ok();
    assert_eq!((&fees["data"][0]["amount"], &fees["data"][0]["description"]), (&json!(-500), &json!("REFUND FOR APPLICATION FEE")));
}

#[tokio::test]
async fn a_reversed_payment_names_its_reversal_twice() {
    let stripe = Stripe::start().await;
    let seller = stripe.account().await;
    let to = [("transfer_data[destination]", seller.as_str())];
    let paid = stripe.post(INTENTS, &[&pay("pm_card_visa")[..], &to].concat()).await.ok();
    stripe.post("/v1/refunds", &[("payment_intent", id(&paid)), ("reverse_transfer", "true")]).await.ok();
    let refund = stripe.get_on(&seller, "/v1/refunds").await.ok()["data"][0].clone();
    assert!(refund["transfer_reversal"].as_str().unwrap().starts_with("trr_"));
    assert_eq!(refund["transfer_reversal"], refund["source_transfer_reversal"]);
}

#[tokio::test]
async fn funds_become_available_at_midnight() {
    let stripe = Stripe::start().await;
    stripe.admin("POST", "settings", json!({ "every_currency": true })).await.ok();
    for (currency, days) in [("usd", 2), ("jpy", 3), ("eur", 7)] {
        let paid =
            stripe.post(INTENTS, &[&[("currency", currency)], &pay("pm_card_visa")[..1], &pay("pm_card_visa")[2..]].concat()).await.ok();
        let charge =
            stripe.get(&format!("/v1/charges/{}?expand[]=balance_transaction", paid["latest_charge"].as_str().unwrap())).await.ok();
        let moved = &charge["balance_transaction"];
        let (made, available) = (moved["created"].as_i64().unwrap(), moved["available_on"].as_i64().unwrap());
        assert_eq!((available % 86_400, available / 86_400 - made / 86_400), (0, days), "{currency}");
    }
}

#[tokio::test]
async fn an_account_that_the_platform_made_can_be_deleted() {
    let stripe = Stripe::start().await;
    let made = stripe.post("/v1/accounts", &[("type", "standard")]).await.ok();
    // It gets its capabilities with onboarding, unless it requests some.
    assert_eq!(made["capabilities"], json!({}));
    let made = id(&made).to_owned();
    let path = format!("/v1/accounts/{made}");
    let bank = stripe.post(&format!("{path}/external_accounts"), &[("external_account", "btok_us")]).await.ok();
    let listed = stripe.get(&format!("{path}/external_accounts")).await.ok();
    assert_eq!(listed["data"], json!([bank]));
    assert_eq!(stripe.get(&format!("{path}/external_accounts/{}", id(&bank))).await.ok(), bank);
    assert_eq!(stripe.delete(&path).await.ok(), json!({ "id": made, "object": "account", "deleted": true }));
    assert_eq!(stripe.get(&path).await.error(), (403, "account_invalid"));
    // An account that controls itself belongs to its owner.
    let own = stripe.account().await;
    assert_eq!(stripe.delete(&format!("/v1/accounts/{own}")).await.status, 400);
}

#[tokio::test]
async fn a_platform_can_disconnect_an_account_that_it_created() {
    let stripe = Stripe::start().await;
    let made = id(&stripe.post("/v1/accounts", &[("type", "standard")]).await.ok()).to_owned();
    let foreign = stripe.post("/oauth/deauthorize", &[("client_id", "ca_foreign"), ("stripe_user_id", &made)]).await;
    assert_eq!((foreign.status, &foreign.body["error"]), (401, &json!("invalid_client")));
    let own = stripe.post("/oauth/deauthorize", &[("client_id", "ca_local"), ("stripe_user_id", &made)]).await;
    assert_eq!(own.ok(), json!({ "stripe_user_id": made }));
}

#[tokio::test]
async fn a_seller_invoices_without_a_subscription() {
    let stripe = Stripe::start().await;
    let seller = stripe.account().await;
    let form =
        [("email", "a@example.com"), ("payment_method", "pm_card_visa"), ("invoice_settings[default_payment_method]", "pm_card_visa")];
    let customer = id(&stripe.post_on(&seller, "/v1/customers", &form).await.ok()).to_owned();
    let item = [("customer", customer.as_str()), ("amount", "1000"), ("currency", "usd"), ("description", "Setup")];
    stripe.post_on(&seller, "/v1/invoiceitems", &item).await.ok();
    let draft = stripe.post_on(&seller, "/v1/invoices", &[item[0], ("pending_invoice_items_behavior", "include")]).await.ok();
    assert_eq!((&draft["parent"], &draft["billing_reason"], &draft["amount_due"]), (&Value::Null, &json!("manual"), &json!(1000)));
    let paid = stripe.post_on(&seller, &format!("/v1/invoices/{}/pay", id(&draft)), &[]).await.ok();
    assert_eq!((&paid["status"], &paid["parent"]), (&json!("paid"), &Value::Null));
    let events = stripe.events(Some(&seller)).await;
    let told = events.iter().find(|event| event["type"] == "invoice.paid").unwrap();
    assert_eq!((&told["account"], &told["data"]["object"]["parent"]), (&json!(seller), &Value::Null));
    stripe.books().await;
}

#[tokio::test]
async fn parameters_unknown_to_the_pinned_version_are_refused() {
    let stripe = Stripe::start().await;
    let types = [("amount", "5000"), ("currency", "usd"), ("payment_method_types[]", "card")];
    assert_eq!(stripe.post(INTENTS, &types).await.error(), (400, "payment_method_types_no_longer_supported"));
    assert_eq!(stripe.post("/v1/setup_intents", &types[2..]).await.error(), (400, "payment_method_types_no_longer_supported"));
    let before = form_body(stripe.request(Method::POST, INTENTS), &types).header("stripe-version", "2026-08-26.dahlia");
    assert_eq!(send(before).await.status, 200);
    let never = stripe.request(Method::GET, "/v1/balance").header("stripe-version", "2026-13-01");
    assert_eq!(send(never).await.message(), "Invalid Stripe API version: 2026-13-01");
    let both = [types[0], types[1], CARD, ("automatic_payment_methods[enabled]", "true")];
    let refused = stripe.post(INTENTS, &both).await;
    assert!(refused.message().starts_with("You may only specify one of these parameters: "), "{}", refused.message());
    assert_eq!(stripe.post("/v1/accounts", &[("type", "standard"), ("country", "XX")]).await.error(), (400, "country_code_invalid"));
    assert_eq!(stripe.post("/v1/customers", &[("email", "a@b")]).await.error(), (400, "email_invalid"));
    let blank = json!({ "endpoints": [{ "url": "http://127.0.0.1:1/", "secret": "  " }] });
    assert_eq!(stripe.admin("PUT", "webhooks", blank).await.status, 400);
}

/// What the stand-in cannot do is refused, so that nobody takes a silent yes for Stripe's.
#[tokio::test]
async fn what_would_have_no_effect_is_refused() {
    let stripe = Stripe::start().await;
    let sessions = "/v1/checkout/sessions";
    for (path, field) in [
        (sessions, ("invoice_creation[enabled]", "true")),
        (sessions, ("tax_id_collection[enabled]", "true")),
        ("/v1/payouts", ("source_type", "bank_account")),
        ("/v1/transfers", ("source_type", "bank_account")),
    ] {
        let refused = stripe.post(path, &[field]).await;
        assert_eq!(refused.status, 400, "{path}");
        assert!(refused.message().starts_with(&format!("Invalid {}", field.0)), "{}", refused.message());
    }
}
