//! Early fraud warnings, and Radar's assessment of payments.

use serde_json::{Value, json};

use crate::client::{Answer, CARD, Stripe, id};

async fn pay(stripe: &Stripe, card: &str) -> Answer {
    let form =
        [("amount", "5000"), ("currency", "usd"), ("confirm", "true"), ("payment_method", card), CARD, ("expand[]", "latest_charge")];
    stripe.post("/v1/payment_intents", &form).await
}

async fn warnings(stripe: &Stripe, query: &str) -> Vec<Value> {
    stripe.get(&format!("/v1/radar/early_fraud_warnings{query}")).await.ok()["data"].as_array().unwrap().clone()
}

#[tokio::test]
async fn an_issuer_warns_of_a_charge_until_it_is_refunded() {
    let stripe = Stripe::start().await;
    let intent = pay(&stripe, "pm_card_createIssuerFraudRecord").await.ok();
    let charge = &intent["latest_charge"];
    let other = pay(&stripe, "pm_card_visa").await.ok();
    assert_eq!(warnings(&stripe, &format!("?charge={}", id(&other["latest_charge"]))).await, Vec::<Value>::new());
    for query in [format!("?charge={}", id(charge)), format!("?payment_intent={}", id(&intent)), String::new()] {
        let found = warnings(&stripe, &query).await;
        assert_eq!(found.len(), 1, "{query}");
        assert_eq!((&found[0]["charge"], &found[0]["payment_intent"]), (&charge["id"], &intent["id"]));
        assert_eq!((&found[0]["object"], &found[0]["actionable"]), (&json!("radar.early_fraud_warning"), &json!(true)));
    }
    let warning = warnings(&stripe, "").await.remove(0);
    let path = format!("/v1/radar/early_fraud_warnings/{}", id(&warning));
    assert_eq!(stripe.get(&format!("{path}?expand[]=charge")).await.ok()["charge"]["amount"], 5000);
    assert!(stripe.event_types(None).await.contains(&"radar.early_fraud_warning.created".to_owned()));

    stripe.post("/v1/refunds", &[("charge", id(charge)), ("amount", "2000")]).await.ok();
    assert_eq!(stripe.get(&path).await.ok()["actionable"], true);
    let refund = stripe.post("/v1/refunds", &[("charge", id(charge)), ("reason", "fraudulent")]).await.ok();
    assert_eq!(stripe.get(&path).await.ok()["actionable"], false);
    let events = stripe.events(None).await;
    let event = events.iter().find(|event| event["type"] == "radar.early_fraud_warning.updated").unwrap();
    assert_eq!(event["data"]["previous_attributes"], json!({ "actionable": true }));
    assert_eq!(stripe.get(&format!("/v1/charges/{}", id(charge))).await.ok()["fraud_details"], json!({ "user_report": "fraudulent" }));
    // The bank returns the refund, so another one is possible.
    stripe.admin("POST", &format!("refunds/{}/fail", id(&refund)), json!({})).await.ok();
    assert_eq!(stripe.get(&path).await.ok()["actionable"], true);
    assert_eq!(stripe.get("/v1/radar/early_fraud_warnings/issfr_none").await.error(), (404, "resource_missing"));
}

#[tokio::test]
async fn a_warning_of_a_sellers_charge_is_the_sellers_and_ends_with_a_dispute() {
    let stripe = Stripe::start().await;
    let seller = stripe.account().await;
    let form = [("amount", "5000"), ("currency", "usd"), ("confirm", "true"), ("payment_method", "pm_card_visa"), CARD];
    let intent = stripe.post_on(&seller, "/v1/payment_intents", &form).await.ok();
    let charge = intent["latest_charge"].as_str().unwrap();
    let path = format!("charges/{charge}/fraud_warning");
    assert_eq!(stripe.admin("POST", &path, json!({ "fraud_type": "boredom" })).await.status, 400);
    let warning = stripe.admin("POST", &path, json!({ "fraud_type": "made_with_lost_card" })).await.ok();
    assert_eq!(warning["fraud_type"], "made_with_lost_card");
    assert_eq!(stripe.admin("POST", &path, json!({})).await.status, 400);
    assert_eq!(warnings(&stripe, "").await, Vec::<Value>::new());
    stripe.admin("POST", &format!("charges/{charge}/dispute"), json!({})).await.ok();
    let seen = stripe.get_on(&seller, &format!("/v1/radar/early_fraud_warnings/{}", id(&warning))).await.ok();
    assert_eq!(seen["actionable"], false);
    let types = stripe.event_types(Some(&seller)).await;
    for event in ["radar.early_fraud_warning.created", "radar.early_fraud_warning.updated"] {
        assert!(types.contains(&event.to_owned()), "{event}: {types:?}");
    }
}

#[tokio::test]
async fn radar_blocks_risky_payments() {
    let stripe = Stripe::start().await;
    for card in ["pm_card_radarBlock", "pm_card_riskLevelHighest", "pm_card_chargeDeclinedFraudulent"] {
        let refused = pay(&stripe, card).await;
        assert_eq!((refused.error(), refused.message()), ((402, "card_declined"), "Your card was declined."), "{card}");
        let error = &refused.body["error"];
        assert_eq!((&error["decline_code"], error.get("network_decline_code")), (&json!("fraudulent"), None));
        let charge = stripe.get(&format!("/v1/charges/{}", error["charge"].as_str().unwrap())).await.ok();
        let outcome = &charge["outcome"];
        assert_eq!((&outcome["type"], &outcome["network_status"]), (&json!("blocked"), &json!("not_sent_to_network")));
        assert_eq!((&outcome["risk_level"], &outcome["reason"]), (&json!("highest"), &json!("highest_risk_level")));
        assert_eq!((&charge["status"], &charge["fraud_details"]), (&json!("failed"), &json!({ "stripe_report": "fraudulent" })));
    }
    // A decline by the bank has nothing to do with Radar.
    let declined = pay(&stripe, "pm_card_chargeDeclined").await;
    let charge = stripe.get(&format!("/v1/charges/{}", declined.body["error"]["charge"].as_str().unwrap())).await.ok();
    assert_eq!((&charge["outcome"]["type"], &charge["fraud_details"]), (&json!("issuer_declined"), &json!({})));
    assert_eq!(pay(&stripe, "pm_card_visa").await.ok()["latest_charge"]["outcome"]["risk_level"], "normal");
}

#[tokio::test]
async fn an_elevated_risk_is_paid_and_reviewed() {
    let stripe = Stripe::start().await;
    let mut closed = Vec::new();
    for reason in ["approved", "refunded", "refunded_as_fraud", "disputed"] {
        let intent = pay(&stripe, "pm_card_riskLevelElevated").await.ok();
        let charge = stripe.get(&format!("/v1/charges/{}", id(&intent["latest_charge"]))).await.ok();
        assert_eq!((&intent["status"], &charge["outcome"]["risk_level"]), (&json!("succeeded"), &json!("elevated")));
        assert_eq!((&charge["outcome"]["type"], &charge["outcome"]["reason"]), (&json!("manual_review"), &json!("elevated_risk_level")));
        let review = charge["review"].as_str().unwrap();
        let open = stripe.get("/v1/reviews").await.ok();
        assert_eq!((open["data"].as_array().unwrap().len(), open["data"][0]["id"].as_str()), (1, Some(review)));
        match reason {
            "approved" => drop(stripe.post(&format!("/v1/reviews/{review}/approve"), &[]).await.ok()),
            "refunded" => drop(stripe.post("/v1/refunds", &[("charge", id(&charge))]).await.ok()),
            "refunded_as_fraud" => drop(stripe.post("/v1/refunds", &[("charge", id(&charge)), ("reason", "fraudulent")]).await.ok()),
            _ => drop(stripe.admin("POST", &format!("charges/{}/dispute", id(&charge)), json!({})).await.ok()),
        }
        let after = stripe.get(&format!("/v1/reviews/{review}")).await.ok();
        closed.push((after["open"].clone(), after["closed_reason"].as_str().unwrap().to_owned()));
        assert!(stripe.get(&format!("/v1/charges/{}", id(&charge))).await.ok()["review"].is_null());
        assert_eq!(stripe.post(&format!("/v1/reviews/{review}/approve"), &[]).await.status, 400);
    }
    assert_eq!(closed, ["approved", "refunded", "refunded_as_fraud", "disputed"].map(|reason| (json!(false), reason.to_owned())));
    let types = stripe.event_types(None).await;
    assert_eq!(types.iter().filter(|kind| kind.starts_with("review.")).count(), 8);
}

#[tokio::test]
async fn failed_checks_are_reported() {
    let stripe = Stripe::start().await;
    for (card, failed) in [("pm_card_cvcCheckFail", "cvc_check"), ("pm_card_avsZipFail", "address_postal_code_check")] {
        let intent = pay(&stripe, card).await.ok();
        let checks = &intent["latest_charge"]["payment_method_details"]["card"]["checks"];
        assert_eq!((&intent["status"], &checks[failed]), (&json!("succeeded"), &json!("fail")), "{card}");
        assert_eq!(checks.as_object().unwrap().values().filter(|check| **check == "fail").count(), 1);
    }
}
