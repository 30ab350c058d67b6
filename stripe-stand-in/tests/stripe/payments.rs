//! PaymentIntents, and who gets the money.

use serde_json::{Value, json};

use crate::client::{Answer, CARD, Stripe, id};

fn amounts(books: &Value, account: &str) -> i64 {
    books["accounts"][account]["usd"]["balance"].as_i64().unwrap_or_default()
}

/// Charges the platform's own buyer.
pub async fn pay(stripe: &Stripe, card: &str) -> Answer {
    let form = [("amount", "5000"), ("currency", "usd"), ("confirm", "true"), ("payment_method", card), CARD];
    stripe.post("/v1/payment_intents", &form).await
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
    assert_eq!(books["outside"]["usd"], json!({ "banks": 0, "cardholders": 5000, "exchanged": 0, "stripe": 175 }));
    let fees = stripe.get("/v1/application_fees").await.ok();
    assert_eq!(fees["data"][0]["amount"], 2500);
    assert_eq!(fees["data"][0]["charge"], intent["latest_charge"]["id"]);
    // Nothing of it is on the platform's account.
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
