//! Refunds that take time, disputes on demand, and the transactions of both.

use serde_json::{Value, json};

use crate::client::{CARD, Stripe, id};

async fn charge(stripe: &Stripe, account: Option<&str>, card: &str) -> Value {
    let form = [("amount", "5000"), ("currency", "usd"), ("confirm", "true"), ("payment_method", card), CARD];
    match account {
        Some(account) => stripe.post_on(account, "/v1/payment_intents", &form).await.ok(),
        None => stripe.post("/v1/payment_intents", &form).await.ok(),
    }
}

async fn refund(stripe: &Stripe, intent: &Value) -> Value {
    stripe.post("/v1/refunds", &[("payment_intent", id(intent))]).await.ok()
}

/// The events since the last refund was created, without its creation.
async fn since_refund(stripe: &Stripe) -> Vec<String> {
    let types = stripe.event_types(None).await;
    let last = types.iter().rposition(|kind| kind == "charge.refunded").unwrap();
    types[last + 1..].to_vec()
}

#[tokio::test]
async fn a_pending_refund_arrives_later_or_fails() {
    let stripe = Stripe::start().await;
    let intent = charge(&stripe, None, "pm_card_pendingRefund").await;
    let pending = refund(&stripe, &intent).await;
    assert_eq!((&pending["status"], &pending["pending_reason"]), (&json!("pending"), &json!("processing")));
    assert_eq!(since_refund(&stripe).await, [] as [&str; 0]);
    stripe.admin("POST", "clock/advance", json!({ "seconds": 2 })).await.ok();
    let arrived = stripe.get(&format!("/v1/refunds/{}", id(&pending))).await.ok();
    assert_eq!((&arrived["status"], arrived.get("pending_reason")), (&json!("succeeded"), None));
    assert_eq!(since_refund(&stripe).await, ["refund.updated", "charge.refund.updated"]);

    let intent = charge(&stripe, None, "pm_card_pendingRefund").await;
    let pending = refund(&stripe, &intent).await;
    let failed = stripe.admin("POST", &format!("refunds/{}/fail", id(&pending)), json!({ "reason": "lost_or_stolen_card" })).await.ok();
    assert_eq!((&failed["status"], &failed["failure_reason"]), (&json!("failed"), &json!("lost_or_stolen_card")));
    assert_eq!(since_refund(&stripe).await, ["refund.failed", "refund.updated", "charge.refund.updated"]);
    // A failed refund can no longer arrive.
    stripe.admin("POST", "clock/advance", json!({ "seconds": 2 })).await.ok();
    assert_eq!(stripe.get(&format!("/v1/refunds/{}", id(&pending))).await.ok()["status"], "failed");
    let charge = stripe.get(&format!("/v1/charges/{}", intent["latest_charge"].as_str().unwrap())).await.ok();
    assert_eq!((&charge["refunded"], &charge["amount_refunded"]), (&json!(false), &json!(0)));
    stripe.books().await;
}

#[tokio::test]
async fn a_successful_refund_can_be_returned_and_made_again() {
    let stripe = Stripe::start().await;
    let intent = charge(&stripe, None, "pm_card_visa").await;
    let made = refund(&stripe, &intent).await;
    stripe.admin("POST", &format!("refunds/{}/fail", id(&made)), json!({})).await.ok();
    let again = refund(&stripe, &intent).await;
    assert_eq!((&again["status"], &again["amount"]), (&json!("succeeded"), &json!(5000)));
    let transactions = stripe.get(&format!("/v1/balance_transactions?source={}", id(&made))).await.ok();
    let kinds: Vec<&Value> = transactions["data"].as_array().unwrap().iter().map(|one| &one["type"]).collect();
    assert_eq!(kinds, ["refund_failure", "refund"]);
    stripe.books().await;
}

#[tokio::test]
async fn any_charge_can_be_disputed_in_part_and_decided_by_evidence() {
    let stripe = Stripe::start().await;
    let seller = stripe.account().await;
    for (evidence, status) in [("winning_evidence", "won"), ("losing_evidence", "lost")] {
        let intent = charge(&stripe, Some(&seller), "pm_card_visa").await;
        let path = format!("charges/{}/dispute", intent["latest_charge"].as_str().unwrap());
        let opened = stripe.admin("POST", &path, json!({ "reason": "product_not_received", "amount": 2000 })).await.ok();
        assert_eq!((&opened["amount"], &opened["reason"]), (&json!(2000), &json!("product_not_received")));
        assert_eq!(stripe.admin("POST", &path, json!({})).await.status, 400);
        let form = [("evidence[uncategorized_text]", evidence), ("submit", "true")];
        let path = format!("/v1/disputes/{}", id(&opened));
        assert_eq!(stripe.post_on(&seller, &path, &form).await.ok()["status"], "under_review");
        assert_eq!(stripe.get_on(&seller, &path).await.ok()["status"], status);
        let charge = stripe.get_on(&seller, &format!("/v1/charges/{}", opened["charge"].as_str().unwrap())).await.ok();
        assert_eq!(charge["disputed"], true);
        stripe.books().await;
    }
    let types = stripe.event_types(Some(&seller)).await;
    let disputes: Vec<&str> = types.iter().filter_map(|kind| kind.strip_prefix("charge.dispute.")).collect();
    let won = ["created", "funds_withdrawn", "updated", "funds_reinstated", "closed"];
    let lost = ["created", "funds_withdrawn", "updated", "closed"];
    assert_eq!(disputes, [&won[..], &lost[..]].concat());
    // The platform has no share in a direct charge's dispute.
    assert!(!stripe.event_types(None).await.iter().any(|kind| kind.contains("dispute")));
}

#[tokio::test]
async fn transactions_are_listed_by_type_time_and_page() {
    let stripe = Stripe::start().await;
    let mut times = Vec::new();
    for _ in 0..3 {
        let intent = charge(&stripe, None, "pm_card_visa").await;
        times.push(intent["created"].as_i64().unwrap());
        refund(&stripe, &intent).await;
        stripe.admin("POST", "clock/advance", json!({ "seconds": 100 })).await.ok();
    }
    let count = async |path: String| stripe.get(&path).await.ok()["data"].as_array().unwrap().len();
    assert_eq!(count("/v1/balance_transactions".to_owned()).await, 6);
    assert_eq!(count("/v1/balance_transactions?type=refund".to_owned()).await, 3);
    for list in ["payment_intents", "charges", "balance_transactions?type=charge"] {
        let join = if list.contains('?') { '&' } else { '?' };
        let since = format!("/v1/{list}{join}created[gte]={}&created[lte]={}", times[1], times[1] + 10);
        assert_eq!(count(since).await, 1, "{list}");
        let path = format!("/v1/{list}{join}limit=2");
        let first = stripe.get(&path).await.ok();
        assert_eq!(first["has_more"], true);
        let next = stripe.get(&format!("{path}&starting_after={}", id(&first["data"][1]))).await.ok();
        assert_eq!((next["data"].as_array().unwrap().len(), &next["has_more"]), (1, &json!(false)), "{list}");
    }
}
