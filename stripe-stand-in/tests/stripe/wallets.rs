//! Klarna and Link: payment methods other than cards that answer at once.

use serde_json::{Value, json};

use crate::checkout::session;
use crate::client::{Answer, CARD, Stripe, form_body, id, location, parameter, send};

const BUYER: [(&str, &str); 2] =
    [("payment_method_data[billing_details][email]", "b@example.com"), ("payment_method_data[billing_details][address][country]", "DE")];

async fn pay(stripe: &Stripe, kind: &str, more: &[(&str, &str)]) -> Answer {
    let mut form = vec![("amount", "5000"), ("confirm", "true"), ("payment_method_data[type]", kind), ("expand[]", "latest_charge")];
    form.extend(more);
    stripe.post("/v1/payment_intents", &form).await
}

async fn klarna(stripe: &Stripe, more: &[(&str, &str)]) -> Answer {
    let mut form = BUYER.to_vec();
    form.extend(more);
    pay(stripe, "klarna", &form).await
}

const EUR: (&str, &str) = ("currency", "eur");
const BACK: (&str, &str) = ("return_url", "http://localhost/back");

/// The buyer answers on Klarna's page.
async fn answer(stripe: &Stripe, page: &str, outcome: &str) -> url::Url {
    let shown = send(stripe.http.get(page)).await.body.as_str().unwrap().to_owned();
    assert!(shown.contains("Klarna asks you to confirm"), "{shown}");
    location(&send(form_body(stripe.http.post(page), &[("outcome", outcome)])).await)
}

#[tokio::test]
async fn klarna_sends_its_buyer_away_and_pays_at_once() {
    let stripe = Stripe::start().await;
    let intent = klarna(&stripe, &[EUR, BACK]).await.ok();
    assert_eq!((&intent["status"], &intent["latest_charge"]), (&json!("requires_action"), &Value::Null));
    let back = answer(&stripe, intent["next_action"]["redirect_to_url"]["url"].as_str().unwrap(), "succeed").await;
    assert_eq!(parameter(&back, "redirect_status").as_deref(), Some("succeeded"));
    let paid = stripe.get(&format!("/v1/payment_intents/{}?expand[]=latest_charge.balance_transaction", id(&intent))).await.ok();
    let charge = &paid["latest_charge"];
    assert_eq!((&paid["status"], &charge["status"]), (&json!("succeeded"), &json!("succeeded")));
    assert_eq!(charge["payment_method_details"]["type"], "klarna");
    assert_eq!(charge["payment_method_details"]["klarna"]["payer_details"]["address"]["country"], "DE");
    assert!(id(charge).starts_with("py_") && charge["balance_transaction"]["amount"].is_i64(), "{charge:#}");
    let refund = stripe.post("/v1/refunds", &[("charge", id(charge))]).await.ok();
    assert_eq!(refund["destination_details"], json!({ "klarna": {}, "type": "klarna" }));
    stripe.books().await;
}

#[tokio::test]
async fn klarna_can_be_refused_by_its_buyer() {
    let stripe = Stripe::start().await;
    let intent = klarna(&stripe, &[EUR, BACK]).await.ok();
    let back = answer(&stripe, intent["next_action"]["redirect_to_url"]["url"].as_str().unwrap(), "fail").await;
    assert_eq!(parameter(&back, "redirect_status").as_deref(), Some("failed"));
    let failed = stripe.get(&format!("/v1/payment_intents/{}", id(&intent))).await.ok();
    assert_eq!((&failed["status"], &failed["payment_method"]), (&json!("requires_payment_method"), &Value::Null));
    assert!(stripe.event_types(None).await.contains(&"payment_intent.payment_failed".to_owned()));
}

#[tokio::test]
async fn klarna_refuses_what_it_does_not_support() {
    let stripe = Stripe::start().await;
    let param = |answer: &Answer| (answer.status, answer.body["error"]["param"].as_str().unwrap_or_default().to_owned());
    let refused = |name: &str| (400, name.to_owned());
    assert_eq!(param(&klarna(&stripe, &[("currency", "jpy"), BACK]).await), refused("currency"));
    assert_eq!(param(&klarna(&stripe, &[EUR, BACK, CARD]).await), refused("payment_method"));
    assert_eq!(param(&klarna(&stripe, &[EUR, BACK, ("setup_future_usage", "off_session")]).await), refused("setup_future_usage"));
    let never = [("automatic_payment_methods[enabled]", "true"), ("automatic_payment_methods[allow_redirects]", "never")];
    assert_eq!(param(&klarna(&stripe, &[&[EUR][..], &never].concat()).await), refused("return_url"));
    assert_eq!(param(&pay(&stripe, "klarna", &[EUR, BACK, BUYER[0]]).await), refused("billing_details[address][country]"));
    let customer = stripe.post("/v1/customers", &[]).await.ok();
    let attached = stripe.post("/v1/payment_methods/pm_klarna/attach", &[("customer", id(&customer))]).await;
    assert_eq!(attached.status, 400);
    // If it is named, it can pay.
    klarna(&stripe, &[EUR, BACK, ("allowed_payment_method_types[]", "klarna")]).await.ok();
}

#[tokio::test]
async fn link_pays_immediately_and_is_saved() {
    let stripe = Stripe::start().await;
    let customer = stripe.post("/v1/customers", &[]).await.ok();
    let form = [("currency", "usd"), BACK, ("customer", id(&customer)), ("setup_future_usage", "off_session"), BUYER[0]];
    let intent = pay(&stripe, "link", &form).await.ok();
    assert_eq!((&intent["status"], &intent["latest_charge"]["payment_method_details"]["type"]), (&json!("succeeded"), &json!("link")));
    let kept = stripe.get(&format!("/v1/customers/{}/payment_methods?type=link", id(&customer))).await.ok();
    assert_eq!((&kept["data"][0]["id"], &kept["data"][0]["link"]["email"]), (&intent["payment_method"], &json!("b@example.com")));
}

#[tokio::test]
async fn a_session_that_klarna_or_link_pays_is_paid_when_it_completes() {
    for kind in ["klarna", "link"] {
        let stripe = Stripe::start().await;
        let open = session(&stripe, &[]).await;
        let path = format!("/v1/checkout/sessions/{}", id(&open));
        let form = [("action", "pay"), ("card_number", kind)];
        let mut there = location(&send(form_body(stripe.http.post(open["url"].as_str().unwrap()), &form)).await);
        if kind == "klarna" {
            assert_eq!(stripe.get(&path).await.ok()["payment_status"], "unpaid");
            let back = answer(&stripe, there.as_str(), "succeed").await;
            there = location(&send(stripe.http.get(back.as_str())).await);
        }
        assert_eq!(parameter(&there, "session").as_deref(), Some(id(&open)));
        let done = stripe.get(&path).await.ok();
        assert_eq!((&done["status"], &done["payment_status"]), (&json!("complete"), &json!("paid")), "{kind}");
        let types = stripe.event_types(None).await;
        assert!(!types.iter().any(|kind| kind.contains("async")), "{types:?}");
        let cards = session(&stripe, &[("allowed_payment_method_types[]", "card")]).await;
        let refused = stripe.admin("POST", &format!("checkout/sessions/{}/pay", id(&cards)), json!({ "card": kind })).await;
        assert_eq!(refused.status, 400, "{kind}");
    }
}
