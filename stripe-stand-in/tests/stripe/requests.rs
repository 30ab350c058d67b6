//! Who may do what, and what refusals look like.

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{CARD, Stripe, form_body, id, send};

#[tokio::test]
async fn requests_need_a_key() {
    let stripe = Stripe::start().await;
    let get = |key: Option<&str>| {
        let request = stripe.http.get(stripe.url("/v1/customers"));
        send(match key {
            Some(key) => request.bearer_auth(key),
            None => request,
        })
    };
    assert_eq!(get(None).await.error(), (401, "invalid_request_error"));
    let wrong = get(Some("sk_test_somebodyelses1234")).await;
    assert_eq!(wrong.status, 401);
    assert_eq!(wrong.message(), "Invalid API Key provided: sk_test_*************1234");
    let browser = get(Some("pk_test_local")).await;
    assert_eq!(browser.error(), (403, "secret_key_required"));
    let basic = send(stripe.http.get(stripe.url("/v1/customers")).basic_auth("sk_test_local", Some(""))).await;
    assert_eq!(basic.status, 200);
    assert!(basic.headers.contains_key("request-id"));
}

#[tokio::test]
async fn accounts_do_not_see_each_other() {
    let stripe = Stripe::start().await;
    let (one, two) = (stripe.account().await, stripe.account().await);
    let customer = stripe.post_on(&one, "/v1/customers", &[]).await.ok();
    let path = format!("/v1/customers/{}", id(&customer));
    assert_eq!(stripe.get_on(&one, &path).await.status, 200);
    assert_eq!(stripe.get_on(&two, &path).await.error(), (404, "resource_missing"));
    assert_eq!(stripe.get(&path).await.error(), (404, "resource_missing"));
    assert_eq!(stripe.get_on(&two, "/v1/customers").await.ok()["data"], json!([]));
    // Neither exists for a platform that never had access.
    let stranger = stripe.admin("POST", "accounts", json!({ "connected": false })).await.ok();
    for account in [id(&stranger), "acct_none"] {
        let refused = stripe.get_on(account, "/v1/customers").await;
        assert_eq!(refused.error(), (403, "account_invalid"));
        assert!(refused.message().contains("does not have access to account"), "{}", refused.message());
    }
    let listed = stripe.get("/v1/accounts").await.ok();
    assert_eq!(listed["data"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn misspelt_and_misplaced_parameters_are_refused() {
    let stripe = Stripe::start().await;
    let error = async |path: &str, form: &[(&str, &str)]| {
        let answer = stripe.post(path, form).await;
        (answer.status, answer.body["error"]["code"].clone(), answer.body["error"]["param"].clone())
    };
    let intents = "/v1/payment_intents";
    let unknown = |param: &str| (400, json!("parameter_unknown"), json!(param));
    assert_eq!(error(intents, &[("amount", "500"), ("curency", "usd")]).await, unknown("curency"));
    assert_eq!(error(intents, &[("transfer_data[account]", "x")]).await, unknown("transfer_data[account]"));
    assert_eq!(error("/v1/refunds", &[("reverse_transfers", "true")]).await, unknown("reverse_transfers"));
    assert_eq!(error(intents, &[("currency", "usd")]).await, (400, json!("parameter_missing"), json!("amount")));
    assert_eq!(error(intents, &[("amount", "5.5")]).await, (400, json!("parameter_invalid_integer"), json!("amount")));
    assert_eq!(error(intents, &[("amount", "")]).await, (400, json!("parameter_invalid_empty"), json!("amount")));
    assert_eq!(error(intents, &[("amount", "49"), ("currency", "usd")]).await, (400, json!("amount_too_small"), json!("amount")));
    let large = [("amount", "100000000"), ("currency", "usd")];
    assert_eq!(error(intents, &large).await, (400, json!("amount_too_large"), json!("amount")));
    assert_eq!(error(intents, &[("amount", "500"), ("currency", "xyz")]).await, (400, Value::Null, json!("currency")));
    assert_eq!(error(intents, &[("confirm", "yes")]).await, (400, Value::Null, json!("confirm")));
    assert_eq!(stripe.get("/v1/balance?foo=1").await.error(), (400, "parameter_unknown"));
}

#[tokio::test]
async fn missing_objects_are_reported_as_missing() {
    let stripe = Stripe::start().await;
    assert_eq!(stripe.get("/v1/nothing").await.error(), (404, "invalid_request_error"));
    assert!(stripe.get("/v1/nothing").await.message().starts_with("Unrecognized request URL (GET: /v1/nothing)"));
    let missing = stripe.get("/v1/payment_intents/pi_none").await;
    assert_eq!(missing.error(), (404, "resource_missing"));
    assert_eq!(missing.message(), "No such payment_intent: 'pi_none'");
    let form = [("amount", "500"), ("currency", "usd"), ("customer", "cus_none")];
    let answer = stripe.post("/v1/payment_intents", &form).await;
    assert_eq!((answer.error(), answer.message()), ((400, "resource_missing"), "No such customer: 'cus_none'"));
    let token = [("amount", "500"), ("currency", "usd"), ("payment_method", "tok_visa")];
    let message = stripe.post("/v1/payment_intents", &token).await.message().to_owned();
    assert!(message.starts_with("No such PaymentMethod: 'tok_visa'; It's possible this PaymentMethod exists on one of"), "{message}");
}

#[tokio::test]
async fn forms_are_taken_and_json_is_not() {
    let stripe = Stripe::start().await;
    let request = stripe.request(Method::POST, "/v1/customers").header("content-type", "application/json").body("{\"email\":\"a@b.c\"}");
    assert_eq!(send(request).await.status, 400);
    assert_eq!(stripe.get("/v1/customers").await.ok()["data"], json!([]));
}

#[tokio::test]
async fn a_browser_may_call_from_another_origin() {
    let stripe = Stripe::start().await;
    let asked = send(stripe.http.request(Method::OPTIONS, stripe.url("/v1/payment_methods"))).await;
    assert_eq!((asked.status, &asked.headers["access-control-allow-origin"]), (204, &"*".parse().unwrap()));
    let intent = stripe.post("/v1/payment_intents", &[("amount", "500"), ("currency", "usd"), CARD]).await.ok();
    let secret = intent["client_secret"].as_str().unwrap();
    let get = async |secret: &str| {
        let url = stripe.url(&format!("/v1/payment_intents/{}?client_secret={secret}", id(&intent)));
        send(stripe.http.get(url).bearer_auth("pk_test_local")).await
    };
    assert_eq!(get("guess").await.status, 400);
    let found = get(secret).await;
    assert_eq!(found.headers["access-control-allow-origin"], "*");
    assert_eq!(found.ok()["id"], intent["id"]);
}

#[tokio::test]
async fn the_log_shows_the_requests() {
    let stripe = Stripe::start().await;
    let account = stripe.account().await;
    let since = stripe.admin("GET", "requests", Value::Null).await.ok()["last"].as_u64().unwrap();
    let request = stripe
        .request(Method::POST, "/v1/customers")
        .header("stripe-account", &account)
        .header("idempotency-key", "k1")
        .header("stripe-version", "2026-09-30.endive");
    let answer = send(form_body(request, &[("metadata[a]", "b")])).await;
    assert_eq!(answer.headers["stripe-version"], "2026-09-30.endive");
    stripe.get("/v1/customers/cus_none").await;
    let log = stripe.admin("GET", &format!("requests?since={since}"), Value::Null).await.ok();
    let requests = log["requests"].as_array().unwrap();
    assert_eq!(requests.len(), 2);
    let first = &requests[0];
    assert_eq!((&first["method"], &first["path"], &first["status"]), (&json!("POST"), &json!("/v1/customers"), &json!(200)));
    assert_eq!((&first["account"], &first["idempotency_key"]), (&json!(account), &json!("k1")));
    assert_eq!((&first["params"], &first["auth"]), (&json!({ "metadata": { "a": "b" } }), &json!("bearer")));
    assert_eq!((&requests[1]["status"], &requests[1]["account"]), (&json!(404), &Value::Null));
    stripe.admin("DELETE", "requests", Value::Null).await.ok();
    assert_eq!(stripe.admin("GET", "requests", Value::Null).await.ok()["requests"], json!([]));
}

#[tokio::test]
async fn metadata_is_merged_and_removed() {
    let stripe = Stripe::start().await;
    let made = stripe.post("/v1/customers", &[("metadata[a]", "1"), ("metadata[b]", "2")]).await.ok();
    let path = format!("/v1/customers/{}", id(&made));
    let update = async |name: &str, value: &str| stripe.post(&path, &[(name, value)]).await.ok()["metadata"].clone();
    assert_eq!(update("metadata[c]", "3").await, json!({ "a": "1", "b": "2", "c": "3" }));
    assert_eq!(update("metadata[a]", "").await, json!({ "b": "2", "c": "3" }));
    assert_eq!(update("metadata", "").await, json!({}));
    assert_eq!(stripe.post(&path, &[("metadata[k]", &"v".repeat(501))]).await.status, 400);
}

#[tokio::test]
async fn cards_are_attached_cloned_and_used_up() {
    let stripe = Stripe::start().await;
    let account = stripe.account().await;
    let customer = stripe.post("/v1/customers", &[]).await.ok();
    let other = stripe.post("/v1/customers", &[]).await.ok();
    let made = stripe.post("/v1/payment_methods", &[("type", "card"), ("card[token]", "tok_mastercard")]).await.ok();
    assert_eq!((&made["card"]["brand"], &made["card"]["last4"]), (&json!("mastercard"), &json!("4444")));
    let attach = format!("/v1/payment_methods/{}/attach", id(&made));
    let attached = stripe.post(&attach, &[("customer", id(&customer))]).await.ok();
    assert_eq!(attached["customer"], customer["id"]);
    assert_eq!(stripe.post(&attach, &[("customer", id(&other))]).await.status, 400);
    let declined = stripe.post("/v1/payment_methods/pm_card_chargeDeclined/attach", &[("customer", id(&customer))]).await;
    assert_eq!(declined.error(), (402, "card_declined"));

    // The seller's account cannot use the platform's card until it is cloned.
    let charge = |method: String| {
        let (stripe, account) = (&stripe, &account);
        async move {
            let form = [("amount", "500"), ("currency", "usd"), ("confirm", "true"), ("payment_method", method.as_str()), CARD];
            stripe.post_on(account, "/v1/payment_intents", &form).await
        }
    };
    assert_eq!(charge(id(&made).to_owned()).await.error(), (400, "resource_missing"));
    let clone = [("customer", id(&customer)), ("payment_method", id(&made))];
    assert_eq!(stripe.post("/v1/payment_methods", &clone).await.status, 400);
    let wrong = [("customer", id(&other)), ("payment_method", id(&made))];
    assert_eq!(stripe.post_on(&account, "/v1/payment_methods", &wrong).await.status, 400);
    let cloned = stripe.post_on(&account, "/v1/payment_methods", &clone).await.ok();
    assert_eq!((&cloned["customer"], &cloned["card"]["last4"]), (&Value::Null, &json!("4444")));
    charge(id(&cloned).to_owned()).await.ok();
    let again = charge(id(&cloned).to_owned()).await;
    assert!(again.message().contains("It may not be used again"), "{}", again.message());

    // Another customer's card, and a customer's card without the customer.
    let pay = async |customer: Option<&str>| {
        let mut form = vec![("amount", "500"), ("currency", "usd"), ("confirm", "true"), ("payment_method", id(&made)), CARD];
        form.extend(customer.map(|customer| ("customer", customer)));
        stripe.post("/v1/payment_intents", &form).await.status
    };
    assert_eq!((pay(Some(id(&other))).await, pay(None).await, pay(Some(id(&customer))).await), (400, 400, 200));
    stripe.post(&format!("/v1/payment_methods/{}/detach", id(&made)), &[]).await.ok();
    assert_eq!(pay(Some(id(&customer))).await, 400);
}

#[tokio::test]
async fn a_browser_makes_tokens_of_cards_and_a_server_does_not() {
    let stripe = Stripe::start().await;
    let form = [("card[number]", "4242424242424242"), ("card[exp_month]", "12"), ("card[exp_year]", "2040"), ("card[cvc]", "123")];
    assert_eq!(stripe.post("/v1/tokens", &form).await.status, 402);
    let browser = stripe.http.post(stripe.url("/v1/tokens")).bearer_auth("pk_test_local");
    let token = send(form_body(browser, &form)).await.ok();
    let form = [("type", "card"), ("card[token]", id(&token))];
    assert_eq!(stripe.post("/v1/payment_methods", &form).await.ok()["card"]["exp_year"], 2040);
    assert_eq!(stripe.post("/v1/payment_methods", &form).await.error(), (400, "token_already_used"));
}
