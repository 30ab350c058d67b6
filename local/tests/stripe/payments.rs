//! PaymentIntents, Checkout, and whose money it is.

use serde_json::{Value, json};

use crate::client::{Answer, Stripe, form_body, id, location, parameter, send};

const CARD: (&str, &str) = ("payment_method_types[]", "card");

fn amounts(books: &Value, account: &str) -> i64 {
    books["accounts"][account]["usd"]["balance"].as_i64().unwrap_or_default()
}

async fn pay(stripe: &Stripe, card: &str) -> Answer {
    let form = [("amount", "5000"), ("currency", "usd"), ("confirm", "true"), ("payment_method", card), CARD];
    stripe.post("/v1/payment_intents", &form).await
}

async fn session(stripe: &Stripe, more: &[(&str, &str)]) -> Value {
    let mut form = vec![
        ("mode", "payment"),
        ("line_items[0][price_data][currency]", "usd"),
        ("line_items[0][price_data][unit_amount]", "5000"),
        ("line_items[0][price_data][product_data][name]", "Flask <Microservices>"),
        ("line_items[0][quantity]", "1"),
        ("success_url", "http://localhost:3000/purchase.html?id=p1&session={CHECKOUT_SESSION_ID}"),
        ("cancel_url", "http://localhost:3000/course.html?slug=a&checkout=canceled"),
        ("payment_intent_data[metadata][purchase_id]", "p1"),
        ("metadata[purchase_id]", "p1"),
    ];
    form.extend(more);
    stripe.post("/v1/checkout/sessions", &form).await.ok()
}

async fn submit(stripe: &Stripe, url: &str, form: &[(&str, &str)]) -> Answer {
    send(form_body(stripe.http.post(url), form)).await
}

#[tokio::test]
async fn a_direct_charge_is_the_sellers_and_pays_the_platform_its_fee() {
    let stripe = Stripe::start().await;
    let seller = stripe.account().await;
    let customer = stripe.post_on(&seller, "/v1/customers", &[("email", "buyer@example.com")]).await.ok();
    let intent = stripe
        .post_on(
            &seller,
            "/v1/payment_intents",
            &[
                ("amount", "5000"),
                ("currency", "usd"),
                ("customer", id(&customer)),
                ("application_fee_amount", "2500"),
                ("confirm", "true"),
                ("payment_method", "pm_card_visa"),
                ("metadata[purchase_id]", "p1"),
                ("expand[]", "latest_charge.balance_transaction"),
                CARD,
            ],
        )
        .await
        .ok();
    assert_eq!(intent["status"], "succeeded");
    assert_eq!(intent["latest_charge"]["metadata"], json!({ "purchase_id": "p1" }));
    let transaction = &intent["latest_charge"]["balance_transaction"];
    assert_eq!(transaction["fee"], 2500 + 175);
    assert_eq!(transaction["net"], 5000 - 2500 - 175);
    let books = stripe.books().await;
    assert_eq!(amounts(&books, &seller), 2325);
    assert_eq!(books["outside"]["usd"], json!({ "cardholders": 5000, "stripe": 175 }));
    let fees = stripe.get("/v1/application_fees").await.ok();
    assert_eq!(fees["data"][0]["amount"], 2500);
    assert_eq!(fees["data"][0]["charge"], intent["latest_charge"]["id"]);
    // Nothing of it is on the platform.
    assert_eq!(stripe.get(&format!("/v1/payment_intents/{}", id(&intent))).await.error(), (404, "resource_missing"));
    let types = stripe.event_types(Some(&seller)).await;
    assert_eq!(types, ["customer.created", "payment_intent.created", "charge.succeeded", "payment_intent.succeeded"]);
    assert_eq!(stripe.event_types(None).await, ["application_fee.created"]);
}

#[tokio::test]
async fn a_destination_charge_is_the_platforms_and_pays_the_seller() {
    let stripe = Stripe::start().await;
    let seller = stripe.account().await;
    let intent = stripe
        .post(
            "/v1/payment_intents",
            &[
                ("amount", "5000"),
                ("currency", "usd"),
                ("application_fee_amount", "2500"),
                ("transfer_data[destination]", &seller),
                ("confirm", "true"),
                ("payment_method", "pm_card_visa"),
                ("expand[]", "latest_charge.transfer.destination_payment.balance_transaction"),
                CARD,
            ],
        )
        .await
        .ok();
    let transfer = &intent["latest_charge"]["transfer"];
    assert_eq!(transfer["amount"], 5000);
    assert_eq!(transfer["destination_payment"]["balance_transaction"]["net"], 2500);
    let books = stripe.books().await;
    assert_eq!(amounts(&books, &seller), 2500);
    let platform = stripe.get("/v1/account").await.ok();
    assert_eq!(amounts(&books, id(&platform)), 2500 - 175);
}

#[tokio::test]
async fn a_decline_answers_402_with_the_intent_which_can_then_be_paid() {
    let stripe = Stripe::start().await;
    let declined = pay(&stripe, "pm_card_visa_chargeDeclinedInsufficientFunds").await;
    assert_eq!(declined.error(), (402, "card_declined"));
    let error = &declined.body["error"];
    assert_eq!(error["decline_code"], "insufficient_funds");
    let intent = &error["payment_intent"];
    assert_eq!(intent["status"], "requires_payment_method");
    assert_eq!(intent["last_payment_error"]["decline_code"], "insufficient_funds");
    assert_eq!(intent["latest_charge"], error["charge"]);
    let path = format!("/v1/payment_intents/{}/confirm", id(intent));
    let paid = stripe.post(&path, &[("payment_method", "pm_card_visa")]).await.ok();
    assert_eq!(paid["status"], "succeeded");
    assert_eq!(
        stripe.event_types(None).await,
        ["payment_intent.created", "charge.failed", "payment_intent.payment_failed", "charge.succeeded", "payment_intent.succeeded"]
    );
    let again = stripe.post(&path, &[("payment_method", "pm_card_visa")]).await;
    assert_eq!(again.error(), (400, "payment_intent_unexpected_state"));
    stripe.books().await;
}

#[tokio::test]
async fn checkout_declines_then_takes_another_card_and_returns_to_the_shop() {
    let stripe = Stripe::start().await;
    let session = session(&stripe, &[]).await;
    let url = session["url"].as_str().unwrap().to_owned();
    let page = send(stripe.http.get(&url)).await.body.as_str().unwrap().to_owned();
    assert!(page.contains("Flask &lt;Microservices&gt;") && page.contains("$50.00 usd"), "{page}");
    assert!(page.contains("name=\"card_number\"") && page.contains("value=\"4242 4242 4242 4242\""), "{page}");
    assert!(page.contains("slug=a&amp;checkout=canceled"), "{page}");

    let form = |number| [("action", "pay"), ("card_number", number), ("card_expiry", "12 / 40"), ("card_cvc", "123")];
    let declined = submit(&stripe, &url, &form("4000 0000 0000 0002")).await;
    assert_eq!(declined.status, 200);
    assert!(declined.body.as_str().unwrap().contains("Your card was declined."), "{}", declined.body);
    let path = format!("/v1/checkout/sessions/{}", id(&session));
    let open = stripe.get(&path).await.ok();
    assert_eq!((&open["status"], &open["payment_status"]), (&json!("open"), &json!("unpaid")));

    let redirect = location(&submit(&stripe, &url, &form("4242424242424242")).await);
    assert_eq!(parameter(&redirect, "session").as_deref(), Some(id(&session)));
    assert_eq!(parameter(&redirect, "id").as_deref(), Some("p1"));
    let done = stripe.get(&format!("{path}?expand[]=payment_intent&expand[]=line_items")).await.ok();
    assert_eq!((&done["status"], &done["payment_status"], &done["url"]), (&json!("complete"), &json!("paid"), &Value::Null));
    assert_eq!(done["payment_intent"]["metadata"]["purchase_id"], "p1");
    assert_eq!(done["line_items"]["data"][0]["amount_total"], 5000);
    assert_eq!(
        stripe.event_types(None).await,
        [
            "payment_intent.created",
            "charge.failed",
            "payment_intent.payment_failed",
            "charge.succeeded",
            "payment_intent.succeeded",
            "checkout.session.completed"
        ]
    );
    // Paying again leads to the shop and charges nothing.
    assert_eq!(location(&submit(&stripe, &url, &form("4242424242424242")).await), redirect);
    assert_eq!(stripe.books().await["outside"]["usd"]["cardholders"], 5000);
    assert_eq!(stripe.post(&format!("{path}/expire"), &[]).await.status, 400);
}
