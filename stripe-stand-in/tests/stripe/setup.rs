//! Saved cards: SetupIntents, Checkout in setup mode, and payments with saved cards.

use serde_json::{Value, json};

use crate::client::{Answer, CARD, Stripe, form_body, id, location, parameter, send};

async fn customer(stripe: &Stripe) -> String {
    id(&stripe.post("/v1/customers", &[("email", "b@example.com")]).await.ok()).to_owned()
}

async fn set_up(stripe: &Stripe, customer: &str, card: &str) -> Answer {
    let form = [("customer", customer), ("payment_method", card), ("confirm", "true"), CARD];
    stripe.post("/v1/setup_intents", &form).await
}

async fn pay_later(stripe: &Stripe, customer: &str, card: &str) -> Answer {
    let form = [
        ("amount", "5000"),
        ("currency", "usd"),
        ("customer", customer),
        ("payment_method", card),
        ("confirm", "true"),
        ("off_session", "true"),
        CARD,
    ];
    stripe.post("/v1/payment_intents", &form).await
}

#[tokio::test]
async fn a_card_that_is_set_up_belongs_to_its_customer_and_pays_later() {
    let stripe = Stripe::start().await;
    let customer = customer(&stripe).await;
    let intent = set_up(&stripe, &customer, "pm_card_visa").await.ok();
    assert_eq!((&intent["status"], &intent["usage"]), (&json!("succeeded"), &json!("off_session")));
    let card = intent["payment_method"].as_str().unwrap();
    assert_eq!(stripe.get(&format!("/v1/payment_methods/{card}")).await.ok()["customer"], customer.as_str());
    assert_eq!(pay_later(&stripe, &customer, card).await.ok()["status"], "succeeded");
    let types = stripe.event_types(None).await;
    let setup: Vec<&String> = types.iter().filter(|kind| kind.starts_with("setup_intent") || kind.starts_with("payment_method")).collect();
    assert_eq!(setup, ["setup_intent.created", "payment_method.attached", "setup_intent.succeeded"]);
    assert_eq!(stripe.get(&format!("/v1/setup_intents?customer={customer}")).await.ok()["data"][0]["id"], intent["id"]);
}

#[tokio::test]
async fn a_card_that_requires_authentication_does_so_once() {
    let stripe = Stripe::start().await;
    let customer = customer(&stripe).await;
    let intent = set_up(&stripe, &customer, "pm_card_authenticationRequiredOnSetup").await.ok();
    assert_eq!((&intent["status"], &intent["next_action"]["type"]), (&json!("requires_action"), &json!("use_stripe_sdk")));
    let path = format!("setup_intents/{}/authenticate", id(&intent));
    let done = stripe.admin("POST", &path, json!({ "outcome": "succeed" })).await.ok();
    assert_eq!(done["status"], "succeeded");
    assert_eq!(pay_later(&stripe, &customer, done["payment_method"].as_str().unwrap()).await.ok()["status"], "succeeded");
    // Some cards always require authentication.
    let always = set_up(&stripe, &customer, "pm_card_authenticationRequired").await.ok();
    let path = format!("setup_intents/{}/authenticate", id(&always));
    let done = stripe.admin("POST", &path, json!({ "outcome": "succeed" })).await.ok();
    assert_eq!(pay_later(&stripe, &customer, done["payment_method"].as_str().unwrap()).await.error(), (402, "authentication_required"));

    let failed = set_up(&stripe, &customer, "pm_card_threeDSecure2Required").await.ok();
    let path = format!("setup_intents/{}/authenticate", id(&failed));
    let failed = stripe.admin("POST", &path, json!({ "outcome": "fail" })).await.ok();
    assert_eq!(failed["last_setup_error"]["code"], "setup_intent_authentication_failure");
    assert_eq!((&failed["status"], &failed["payment_method"]), (&json!("requires_payment_method"), &Value::Null));
}

#[tokio::test]
async fn a_declined_card_is_not_saved_and_another_can_be_tried() {
    let stripe = Stripe::start().await;
    let customer = customer(&stripe).await;
    let declined = set_up(&stripe, &customer, "pm_card_chargeDeclined").await;
    assert_eq!(declined.error(), (402, "card_declined"));
    let intent = &declined.body["error"]["setup_intent"];
    assert_eq!(intent["status"], "requires_payment_method");
    assert_eq!(stripe.get(&format!("/v1/customers/{customer}/payment_methods")).await.ok()["data"], json!([]));
    let path = format!("/v1/setup_intents/{}", id(intent));
    let done = stripe.post(&format!("{path}/confirm"), &[("payment_method", "pm_card_visa")]).await.ok();
    assert_eq!((&done["status"], &done["last_setup_error"]), (&json!("succeeded"), &Value::Null));
    for what in ["confirm", "cancel"] {
        assert_eq!(stripe.post(&format!("{path}/{what}"), &[]).await.error(), (400, "setup_intent_unexpected_state"));
    }
    // It can be set up, but is declined when charged.
    let fails = set_up(&stripe, &customer, "pm_card_chargeCustomerFail").await.ok();
    assert_eq!(pay_later(&stripe, &customer, fails["payment_method"].as_str().unwrap()).await.error(), (402, "card_declined"));

    let open = stripe.post("/v1/setup_intents", &[("customer", customer.as_str()), CARD]).await.ok();
    let path = format!("/v1/setup_intents/{}", id(&open));
    assert_eq!(stripe.post(&format!("{path}/confirm"), &[]).await.status, 400);
    let canceled = stripe.post(&format!("{path}/cancel"), &[("cancellation_reason", "abandoned")]).await.ok();
    assert_eq!(canceled["status"], "canceled");
}

#[tokio::test]
async fn checkout_saves_a_card_without_a_payment() {
    let stripe = Stripe::start().await;
    let customer = customer(&stripe).await;
    let form = [
        ("mode", "setup"),
        ("currency", "usd"),
        ("customer", customer.as_str()),
        ("setup_intent_data[metadata][a]", "b"),
        ("success_url", "http://localhost:3000/?s={CHECKOUT_SESSION_ID}"),
    ];
    let session = stripe.post("/v1/checkout/sessions", &form).await.ok();
    assert_eq!((&session["amount_total"], &session["payment_status"]), (&Value::Null, &json!("no_payment_required")));
    let setup = session["setup_intent"].as_str().unwrap();
    let page = session["url"].as_str().unwrap();
    let pay = async |number| send(form_body(stripe.http.post(page), &[("card_number", number), ("action", "pay")])).await;
    assert!(pay("4000000000000002").await.body.as_str().unwrap().contains("declined"));
    // The bank's page, and back through Checkout.
    let bank = location(&pay("4000000000003220").await);
    let back = location(&send(form_body(stripe.http.post(bank), &[("outcome", "succeed")])).await);
    assert_eq!(parameter(&back, "setup_intent").as_deref(), Some(setup));
    let end = location(&send(stripe.http.get(back)).await);
    assert_eq!(parameter(&end, "s").as_deref(), session["id"].as_str());
    let done = stripe.get(&format!("/v1/checkout/sessions/{}?expand[]=setup_intent.payment_method", id(&session))).await.ok();
    assert_eq!((&done["status"], &done["setup_intent"]["status"]), (&json!("complete"), &json!("succeeded")));
    assert_eq!(done["setup_intent"]["payment_method"]["customer"], customer.as_str());
    assert_eq!(done["setup_intent"]["metadata"]["a"], "b");
    assert!(stripe.event_types(None).await.ends_with(&["setup_intent.succeeded", "checkout.session.completed"].map(String::from)));

    let other = stripe.post("/v1/checkout/sessions", &form).await.ok();
    stripe.post(&format!("/v1/checkout/sessions/{}/expire", id(&other)), &[]).await.ok();
    assert_eq!(stripe.get(&format!("/v1/setup_intents/{}", other["setup_intent"].as_str().unwrap())).await.ok()["status"], "canceled");
}

#[tokio::test]
async fn a_default_card_is_the_customers_own_until_it_is_detached() {
    let stripe = Stripe::start().await;
    let customer = customer(&stripe).await;
    let card = set_up(&stripe, &customer, "pm_card_visa").await.ok()["payment_method"].as_str().unwrap().to_owned();
    let other = stripe.post("/v1/payment_methods", &[("type", "card"), ("card[token]", "tok_visa")]).await.ok();
    let path = format!("/v1/customers/{customer}");
    let default = |card| [("invoice_settings[default_payment_method]", card)];
    assert_eq!(stripe.post(&path, &default(id(&other))).await.error(), (400, "resource_missing"));
    let set = stripe.post(&path, &default(&card)).await.ok();
    assert_eq!(set["invoice_settings"]["default_payment_method"], card.as_str());
    stripe.post(&format!("/v1/payment_methods/{card}/detach"), &[]).await.ok();
    assert_eq!(stripe.get(&path).await.ok()["invoice_settings"]["default_payment_method"], Value::Null);
    // Whether set up or not, it cannot be used any more.
    assert_eq!(pay_later(&stripe, &customer, &card).await.status, 400);
}

#[tokio::test]
async fn a_card_of_the_platform_is_cloned_for_a_direct_charge_and_stays_set_up() {
    let stripe = Stripe::start().await;
    let seller = stripe.account().await;
    let customer = customer(&stripe).await;
    let asked = set_up(&stripe, &customer, "pm_card_authenticationRequiredOnSetup").await.ok();
    let done = stripe.admin("POST", &format!("setup_intents/{}/authenticate", id(&asked)), json!({ "outcome": "succeed" })).await.ok();
    let source = [("customer", customer.as_str()), ("payment_method", done["payment_method"].as_str().unwrap())];
    let clone = stripe.post_on(&seller, "/v1/payment_methods", &source).await.ok();
    let form =
        [("amount", "5000"), ("currency", "usd"), ("payment_method", id(&clone)), ("confirm", "true"), ("off_session", "true"), CARD];
    assert_eq!(stripe.post_on(&seller, "/v1/payment_intents", &form).await.ok()["status"], "succeeded");
    // A clone without a customer pays once; the platform's card can pay again.
    assert_eq!(stripe.post_on(&seller, "/v1/payment_intents", &form).await.status, 400);
    assert_eq!(stripe.post_on(&seller, "/v1/payment_methods", &source).await.status, 200);
}
