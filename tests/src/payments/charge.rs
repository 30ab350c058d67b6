//! `POST /courses/charge` with a payment method, as a destination charge.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::World;

/// The PaymentIntent that a client secret belongs to.
fn payment_intent(body: &Value) -> String {
    let secret = body["client_secret"].as_str().unwrap_or_else(|| panic!("no client_secret in {body}"));
    secret.split("_secret_").next().expect("it begins with the id").to_owned()
}

#[tokio::test]
async fn a_purchase_moves_the_money_and_is_recorded() {
    let world = World::start().await;
    let shop = world.shop().await;
    world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await.is(
        201,
        &json!({"purchase": {
            "id": "[purchase]",
            "course_id": shop.course_id,
            "course_slug": "flask-microservices",
            "course_title": "Flask Microservices",
            "status": "paid",
            "processing": false,
            "amount": 5000,
            "currency": "usd",
            "application_fee": 2500,
            "charge_type": "destination",
            "refunded": 0,
            "refunds": [],
            "attempts": 1,
            "created_at": "[time]",
            "updated_at": "[time]",
            "paid_at": "[time]",
        }}),
    );

    let payments = world.succeeded(None).await;
    assert_eq!(payments.len(), 1);
    let (payment, metadata) = (&payments[0], &payments[0]["metadata"]);
    assert_eq!((&payment["amount"], &payment["application_fee_amount"]), (&json!(5000), &json!(2500)));
    assert_eq!(payment["transfer_data"]["destination"], shop.account);
    assert_eq!((&metadata["course_id"], &metadata["buyer_id"]), (&json!(shop.course_id), &json!(shop.buyer.id)));
    world.books().await;
    let balance = world.stripe("/balance", Some(&shop.account)).await;
    let held: i64 = ["available", "pending"].iter().filter_map(|kind| balance[kind][0]["amount"].as_i64()).sum();
    assert_eq!(held, 2500, "the seller has its half: {balance}");

    let course = world.get("/courses/flask-microservices").bearer(&shop.buyer.token).await.json();
    assert_eq!(course["owned"], true);
    let sales = world.get("/sales").bearer(&shop.seller.token).await.json();
    assert_eq!((&sales["items"][0]["net"], &sales["items"][0]["status"]), (&json!(2500), &json!("paid")));
}

#[tokio::test]
async fn a_known_customer_costs_one_stripe_call_and_three_trips() {
    let world = World::start().await;
    let shop = world.shop().await;
    let second = world.course(&shop.seller, "Django Channels", 4000, "usd", 50).await;
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await.status, 201);
    assert_eq!(world.asked_stripe().await, ["POST /v1/customers", "POST /v1/payment_intents"]);
    world.operations();

    assert_eq!(world.buy(&shop.buyer, second["id"].as_str().expect("an id"), "pm_card_visa").await.status, 201);
    assert_eq!(world.asked_stripe().await, ["POST /v1/payment_intents"]);
    assert_eq!(world.operations(), ["BatchGetItem", "TransactWriteItems", "TransactWriteItems"]);
    assert_eq!(world.stripe("/customers", None).await["data"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn thirty_concurrent_requests_make_one_charge() {
    let world = World::start().await;
    let shop = world.shop().await;
    let answers = join_all((0..30).map(|_| async { world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await })).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        let code = answer.text("code");
        assert!(answer.status == 409 && ["purchase_in_progress", "already_owned"].contains(&code.as_str()), "{}", answer.body);
    }
    assert_eq!(world.succeeded(None).await.len(), 1);
    let charges = world.asked_stripe().await.into_iter().filter(|one| one == "POST /v1/payment_intents").count();
    assert_eq!(charges, 1, "repetitions were detected without Stripe");
    let purchases = world.get("/purchases").bearer(&shop.buyer.token).await.json();
    assert_eq!(purchases["items"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn an_owned_course_cannot_be_bought_again() {
    let world = World::start().await;
    let shop = world.shop().await;
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await.status, 201);
    let again = world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await;
    again.is_problem(409, "already_owned", "you already own this course");
    assert_eq!(world.succeeded(None).await.len(), 1);
}

#[tokio::test]
async fn a_decline_ends_the_attempt_and_another_card_pays() {
    let world = World::start().await;
    let shop = world.shop().await;
    let declined = world.buy(&shop.buyer, &shop.course_id, "pm_card_visa_chargeDeclinedInsufficientFunds").await;
    assert_eq!((declined.status, declined.text("code")), (402, "card_declined".to_owned()));
    assert_eq!(declined.text("decline_code"), "insufficient_funds");
    let purchases = world.get("/purchases").bearer(&shop.buyer.token).await.json();
    let failed = &purchases["items"][0];
    assert_eq!((&failed["status"], &failed["failure"]["decline_code"]), (&json!("failed"), &json!("insufficient_funds")));

    let paid = world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await;
    assert_eq!(paid.status, 201, "{}", paid.body);
    let purchase = &paid.json()["purchase"];
    assert_eq!((&purchase["id"], &purchase["attempts"]), (&failed["id"], &json!(2)));
    // Late events of the first attempt change nothing.
    world.deliver().await;
    let path = format!("/purchases/{}", purchase["id"].as_str().expect("an id"));
    assert_eq!(world.get(path).bearer(&shop.buyer.token).await.json()["status"], "paid");
    assert_eq!(world.succeeded(None).await.len(), 1);
}

#[tokio::test]
async fn three_d_secure_is_authenticated_and_then_paid() {
    let world = World::start().await;
    let shop = world.shop().await;
    let answer = world.buy(&shop.buyer, &shop.course_id, "pm_card_threeDSecure2Required").await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let body = answer.json();
    assert_eq!((&body["purchase"]["status"], &body["stripe_account"]), (&json!("requires_action"), &json!(null)));
    assert!(body["next_action_url"].as_str().is_some_and(|url| url.starts_with("http")), "{body}");
    let id = payment_intent(&body);
    assert!(!world.stored().await.contains("_secret_"), "client secrets are not stored");
    // A second request returns the same payment.
    let again = world.buy(&shop.buyer, &shop.course_id, "pm_card_threeDSecure2Required").await.json();
    assert_eq!(again["client_secret"], body["client_secret"]);

    world.admin("POST", &format!("payment_intents/{id}/authenticate"), json!({"outcome": "succeed"})).await;
    let path = format!("/purchases/{}", body["purchase"]["id"].as_str().expect("an id"));
    assert_eq!(world.get(path.as_str()).bearer(&shop.buyer.token).await.json()["status"], "requires_action");
    world.deliver().await;
    assert_eq!(world.get(path.as_str()).bearer(&shop.buyer.token).await.json()["status"], "paid");
    assert_eq!(world.succeeded(None).await.len(), 1);
}

#[tokio::test]
async fn changing_the_card_leaves_one_way_to_pay() {
    let world = World::start().await;
    let shop = world.shop().await;
    let first = payment_intent(&world.buy(&shop.buyer, &shop.course_id, "pm_card_threeDSecure2Required").await.json());
    let second = world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await;
    assert_eq!((second.status, &second.json()["purchase"]["status"]), (201, &json!("paid")), "{}", second.body);
    assert_eq!(world.stripe(&format!("/payment_intents/{first}"), None).await["status"], "canceled");
    world.deliver().await;
    assert_eq!(world.succeeded(None).await.len(), 1);
}

#[tokio::test]
async fn a_failed_authentication_cannot_be_paid_alongside_the_next_attempt() {
    let world = World::start().await;
    let shop = world.shop().await;
    let first = world.buy(&shop.buyer, &shop.course_id, "pm_card_threeDSecure2Required").await.json();
    let id = payment_intent(&first);
    world.admin("POST", &format!("payment_intents/{id}/authenticate"), json!({"outcome": "fail"})).await;
    world.deliver().await;
    let path = format!("/purchases/{}", first["purchase"]["id"].as_str().expect("an id"));
    let told = world.get(path).bearer(&shop.buyer.token).await.json();
    assert_eq!((&told["status"], &told["failure"]["declined"]), (&json!("canceled"), &json!(true)));

    assert_eq!(world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await.status, 201);
    assert_eq!(world.stripe(&format!("/payment_intents/{id}"), None).await["status"], "canceled");
    assert_eq!(world.succeeded(None).await.len(), 1);
}

#[tokio::test]
async fn a_returning_buyers_new_card_is_the_card_charged() {
    let world = World::start().await;
    let shop = world.shop().await;
    let second = world.course(&shop.seller, "Django Channels", 4000, "usd", 0).await;
    world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await;
    world.buy(&shop.buyer, second["id"].as_str().expect("an id"), "pm_card_mastercard").await;
    let payments = world.stripe("/payment_intents?expand[]=data.payment_method", None).await;
    let brand = |place: usize| payments["data"][place]["payment_method"]["card"]["brand"].clone();
    assert_eq!((brand(0), brand(1)), (json!("mastercard"), json!("visa")), "{payments}");
    // If there is no fee, the field is absent, because Stripe only accepts positive fees.
    assert_eq!(payments["data"][0]["application_fee_amount"], json!(null));
}

#[tokio::test]
async fn a_legacy_token_is_converted_to_a_payment_method_first() {
    let world = World::start().await;
    let shop = world.shop().await;
    let answer = world.buy(&shop.buyer, &shop.course_id, "tok_visa").await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let asked = world.asked_stripe().await;
    assert_eq!(asked, ["POST /v1/customers", "POST /v1/payment_methods", "POST /v1/payment_intents"]);
}

#[tokio::test]
async fn yen_have_no_cents() {
    let world = World::start().await;
    let shop = world.shop().await;
    let course = world.course(&shop.seller, "Kanji", 1001, "jpy", 33).await;
    let answer = world.buy(&shop.buyer, course["id"].as_str().expect("an id"), "pm_card_visa").await.json();
    assert_eq!((&answer["purchase"]["amount"], &answer["purchase"]["application_fee"]), (&json!(1001), &json!(330)));
    let payment = &world.succeeded(None).await[0];
    assert_eq!((&payment["amount"], &payment["currency"]), (&json!(1001), &json!("jpy")));
}
