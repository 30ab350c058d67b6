//! Disputes in all their stages.

use serde_json::{Value, json};

use crate::client::{CARD, Stripe, id};

async fn charge(stripe: &Stripe, card: &str) -> String {
    let form = [("amount", "5000"), ("currency", "usd"), ("confirm", "true"), ("payment_method", card), CARD];
    stripe.post("/v1/payment_intents", &form).await.ok()["latest_charge"].as_str().unwrap().to_owned()
}

async fn dispute(stripe: &Stripe, status: &str) -> (String, Value) {
    let charge = charge(stripe, "pm_card_visa").await;
    let body = json!({ "reason": "fraudulent", "status": status });
    let dispute = stripe.admin("POST", &format!("charges/{charge}/dispute"), body).await.ok();
    (charge, dispute)
}

async fn cardholders(stripe: &Stripe) -> i64 {
    stripe.books().await["outside"]["usd"]["cardholders"].as_i64().unwrap()
}

#[tokio::test]
async fn an_inquiry_withdraws_nothing_and_a_full_refund_ends_it() {
    let stripe = Stripe::start().await;
    let charge = charge(&stripe, "pm_card_createDisputeInquiry").await;
    let dispute = stripe.get(&format!("/v1/disputes?charge={charge}")).await.ok()["data"][0].clone();
    assert_eq!((&dispute["status"], &dispute["balance_transactions"]), (&json!("warning_needs_response"), &json!([])));
    assert_eq!(dispute["payment_method_details"]["card"]["case_type"], "inquiry");
    assert_eq!(dispute["is_charge_refundable"], true);
    assert_eq!(cardholders(&stripe).await, 5000);
    stripe.post("/v1/refunds", &[("charge", &charge), ("amount", "2000")]).await.ok();
    assert_eq!(stripe.get(&format!("/v1/disputes/{}", id(&dispute))).await.ok()["status"], "warning_needs_response");
    stripe.post("/v1/refunds", &[("charge", &charge)]).await.ok();
    assert_eq!(stripe.get(&format!("/v1/disputes/{}", id(&dispute))).await.ok()["status"], "warning_closed");
    let events = stripe.events(None).await;
    let closed = events.iter().find(|event| event["type"] == "charge.dispute.closed").unwrap();
    assert_eq!(closed["data"]["previous_attributes"], json!({ "status": "warning_needs_response" }));
    assert_eq!(cardholders(&stripe).await, 0);
}

#[tokio::test]
async fn an_inquiry_that_escalates_takes_the_money() {
    let stripe = Stripe::start().await;
    let (charge, dispute) = dispute(&stripe, "warning_needs_response").await;
    let path = format!("/v1/disputes/{}", id(&dispute));
    let answered = stripe.post(&path, &[("evidence[product_description]", "A course")]).await.ok();
    assert_eq!(answered["status"], "warning_under_review");
    let escalated = stripe.post(&path, &[("evidence[uncategorized_text]", "escalate_inquiry_evidence")]).await.ok();
    assert_eq!((&escalated["status"], &escalated["is_charge_refundable"]), (&json!("needs_response"), &json!(false)));
    assert_eq!(escalated["balance_transactions"][0]["net"], -5000 - 1500);
    assert_eq!(cardholders(&stripe).await, 0);
    assert_eq!(stripe.post("/v1/refunds", &[("charge", &charge)]).await.error(), (400, "charge_disputed"));
    assert_eq!(stripe.admin("POST", &format!("disputes/{}/escalate", id(&dispute)), Value::Null).await.status, 400);
}

#[tokio::test]
async fn a_charge_whose_dispute_was_won_can_be_refunded() {
    let stripe = Stripe::start().await;
    let (charge, dispute) = dispute(&stripe, "needs_response").await;
    assert_eq!(stripe.post("/v1/refunds", &[("charge", &charge)]).await.error(), (400, "charge_disputed"));
    let path = format!("/v1/disputes/{}", id(&dispute));
    stripe.post(&path, &[("evidence[uncategorized_text]", "winning_evidence")]).await.ok();
    assert_eq!(stripe.get(&path).await.ok()["is_charge_refundable"], true);
    assert_eq!(stripe.get(&format!("/v1/charges/{charge}")).await.ok()["disputed"], true);
    let late = stripe.post(&path, &[("evidence[product_description]", "A course")]).await;
    assert_eq!((late.status, late.message()), (400, "This dispute is already closed"));
    stripe.post("/v1/refunds", &[("charge", &charge)]).await.ok();
    assert_eq!(cardholders(&stripe).await, 0);
}

#[tokio::test]
async fn a_lost_dispute_can_be_appealed_and_a_prevented_one_cannot() {
    let stripe = Stripe::start().await;
    let (_, lost) = dispute(&stripe, "needs_response").await;
    stripe.post(&format!("/v1/disputes/{}/close", id(&lost)), &[]).await.ok();
    let appealed = stripe.admin("POST", &format!("disputes/{}/appeal", id(&lost)), Value::Null).await.ok();
    assert_eq!(appealed["status"], "appeal_needs_response");
    let answered = stripe.post(&format!("/v1/disputes/{}", id(&lost)), &[("evidence[product_description]", "A course")]).await.ok();
    assert_eq!(answered["status"], "appeal_under_review");
    let won = stripe.admin("POST", &format!("disputes/{}/close", id(&lost)), json!({ "outcome": "won" })).await.ok();
    assert_eq!((&won["status"], won["balance_transactions"].as_array().unwrap().len()), (&json!("won"), 2));
    assert_eq!(cardholders(&stripe).await, 5000);

    let (charge, prevented) = dispute(&stripe, "prevented").await;
    assert_eq!((&prevented["status"], &prevented["balance_transactions"][0]["net"]), (&json!("prevented"), &json!(-5000)));
    assert_eq!(stripe.post("/v1/refunds", &[("charge", &charge)]).await.error(), (400, "charge_disputed"));
    assert_eq!(stripe.post(&format!("/v1/disputes/{}/close", id(&prevented)), &[]).await.status, 400);
    assert_eq!(cardholders(&stripe).await, 5000);
}

#[tokio::test]
async fn a_charge_can_have_two_disputes() {
    let stripe = Stripe::start().await;
    let form = [("amount", "5001"), ("currency", "usd"), ("confirm", "true"), ("payment_method", "pm_card_createMultipleDisputes"), CARD];
    let charge = stripe.post("/v1/payment_intents", &form).await.ok()["latest_charge"].as_str().unwrap().to_owned();
    let found = stripe.get(&format!("/v1/disputes?charge={charge}")).await.ok();
    let amounts: Vec<i64> = found["data"].as_array().unwrap().iter().map(|one| one["amount"].as_i64().unwrap()).collect();
    assert_eq!(amounts, [2501, 2500]);
    assert_eq!(cardholders(&stripe).await, 0);
    // Winning one of them leaves the other open.
    let path = format!("/v1/disputes/{}", id(&found["data"][0]));
    stripe.post(&path, &[("evidence[uncategorized_text]", "winning_evidence")]).await.ok();
    assert_eq!(cardholders(&stripe).await, 2501);
    assert_eq!(stripe.post("/v1/refunds", &[("charge", &charge)]).await.error(), (400, "charge_disputed"));
}
