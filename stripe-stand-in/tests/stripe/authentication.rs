//! 3-D Secure.

use serde_json::{Value, json};

use crate::client::{CARD, Stripe, form_body, id, location, parameter, send};

async fn confirm(stripe: &Stripe, card: &str, more: &[(&str, &str)]) -> crate::client::Answer {
    let mut form = vec![("amount", "5000"), ("currency", "usd"), ("confirm", "true"), ("payment_method", card), CARD];
    form.extend(more);
    stripe.post("/v1/payment_intents", &form).await
}

const RETURN: (&str, &str) = ("return_url", "http://localhost:3000/purchase.html?id=p1");

#[tokio::test]
async fn the_buyer_is_sent_to_the_bank_and_back() {
    let stripe = Stripe::start().await;
    for (outcome, status, redirect_status) in [("succeed", "succeeded", "succeeded"), ("fail", "requires_payment_method", "failed")] {
        let intent = confirm(&stripe, "pm_card_threeDSecure2Required", &[RETURN]).await.ok();
        assert_eq!(intent["status"], "requires_action");
        assert_eq!(intent["next_action"]["type"], "redirect_to_url");
        let url = intent["next_action"]["redirect_to_url"]["url"].as_str().unwrap();
        let page = send(stripe.http.get(url)).await;
        assert!(page.body.as_str().unwrap().contains("$50.00"));
        let back = location(&send(form_body(stripe.http.post(url), &[("outcome", outcome)])).await);
        assert!(back.as_str().starts_with("http://localhost:3000/purchase.html?id=p1&"), "{back}");
        assert_eq!(parameter(&back, "payment_intent").as_deref(), Some(id(&intent)));
        assert_eq!(parameter(&back, "payment_intent_client_secret").as_deref(), intent["client_secret"].as_str());
        assert_eq!(parameter(&back, "redirect_status").as_deref(), Some(redirect_status));
        let after = stripe.get(&format!("/v1/payment_intents/{}", id(&intent))).await.ok();
        assert_eq!(after["status"], status);
        if outcome == "fail" {
            assert_eq!(after["last_payment_error"]["code"], "payment_intent_authentication_failure");
            assert_eq!(after["latest_charge"], Value::Null);
        }
    }
    assert_eq!(stripe.books().await["outside"]["usd"]["cardholders"], 5000);
    let types = stripe.event_types(None).await;
    assert_eq!(types[..4], ["payment_intent.created", "payment_intent.requires_action", "charge.succeeded", "payment_intent.succeeded"]);
    assert_eq!(types.last().unwrap(), "payment_intent.payment_failed");
}

#[tokio::test]
async fn the_page_needs_the_client_secret() {
    let stripe = Stripe::start().await;
    let intent = confirm(&stripe, "pm_card_threeDSecure2Required", &[RETURN]).await.ok();
    let page = send(stripe.http.get(stripe.url(&format!("/3ds/{}?client_secret=guess", id(&intent))))).await;
    assert_eq!(page.status, 404);
}

#[tokio::test]
async fn without_a_return_url_the_browser_authenticates_itself() {
    let stripe = Stripe::start().await;
    let intent = confirm(&stripe, "pm_card_threeDSecure2Required", &[]).await.ok();
    assert_eq!(intent["next_action"]["type"], "use_stripe_sdk");
    let path = format!("payment_intents/{}/authenticate", id(&intent));
    let done = stripe.admin("POST", &path, json!({ "outcome": "succeed" })).await.ok();
    assert_eq!((&done["status"], &done["next_action"]), (&json!("succeeded"), &Value::Null));
    assert_eq!(stripe.admin("POST", &path, json!({ "outcome": "succeed" })).await.status, 400);
    let charge = stripe.get(&format!("/v1/charges/{}", done["latest_charge"].as_str().unwrap())).await.ok();
    assert_eq!(charge["payment_method_details"]["card"]["three_d_secure"]["result"], "authenticated");
}

#[tokio::test]
async fn a_card_can_be_declined_after_authentication() {
    let stripe = Stripe::start().await;
    let intent = confirm(&stripe, "pm_card_threeDSecureRequiredChargeDeclined", &[RETURN]).await.ok();
    assert_eq!(intent["status"], "requires_action");
    let path = format!("payment_intents/{}/authenticate", id(&intent));
    let after = stripe.admin("POST", &path, json!({ "outcome": "succeed" })).await.ok();
    assert_eq!(after["status"], "requires_payment_method");
    assert_eq!(after["last_payment_error"]["code"], "card_declined");
    assert_eq!(stripe.books().await["outside"], json!({}));
}

#[tokio::test]
async fn an_absent_cardholder_is_not_asked_to_authenticate() {
    let stripe = Stripe::start().await;
    for more in [("off_session", "true"), ("error_on_requires_action", "true")] {
        let answer = confirm(&stripe, "pm_card_threeDSecure2Required", &[more]).await;
        assert_eq!(answer.error(), (402, "authentication_required"));
        assert_eq!(answer.body["error"]["payment_intent"]["status"], "requires_payment_method");
    }
}

#[tokio::test]
async fn a_card_that_was_set_up_is_not_asked_again() {
    let stripe = Stripe::start().await;
    let customer = stripe.post("/v1/customers", &[]).await.ok();
    let customer = ("customer", id(&customer));
    let first = confirm(&stripe, "pm_card_authenticationRequiredOnSetup", &[customer, ("setup_future_usage", "off_session")]).await.ok();
    assert_eq!(first["status"], "requires_action");
    let path = format!("payment_intents/{}/authenticate", id(&first));
    let paid = stripe.admin("POST", &path, json!({ "outcome": "succeed" })).await.ok();
    let saved = stripe.get(&format!("/v1/payment_methods?customer={}", customer.1)).await.ok();
    assert_eq!(saved["data"][0]["id"], paid["payment_method"]);
    let again = confirm(&stripe, paid["payment_method"].as_str().unwrap(), &[customer, ("off_session", "true")]).await.ok();
    assert_eq!(again["status"], "succeeded");
}
