//! Payouts: what can be paid out, when it arrives, and which transactions a payout contains.

use serde_json::{Value, json};

use crate::client::{CARD, Stripe, id};

async fn charge(stripe: &Stripe, seller: &str, card: &str) {
    let form = [("amount", "5000"), ("currency", "usd"), ("confirm", "true"), ("payment_method", card), CARD];
    stripe.post_on(seller, "/v1/payment_intents", &form).await.ok();
}

async fn available(stripe: &Stripe, seller: &str) -> i64 {
    stripe.get_on(seller, "/v1/balance").await.ok()["available"][0]["amount"].as_i64().unwrap()
}

#[tokio::test]
async fn a_payout_uses_available_funds_and_a_failed_one_returns_them() {
    let stripe = Stripe::start().await;
    let seller = stripe.account().await;
    charge(&stripe, &seller, "pm_card_visa").await;
    let pay_out = async |amount| stripe.post_on(&seller, "/v1/payouts", &[("amount", amount), ("currency", "usd")]).await;
    assert_eq!(pay_out("1000").await.error(), (400, "balance_insufficient"));
    charge(&stripe, &seller, "pm_card_bypassPending").await;
    let made = pay_out("1000").await.ok();
    assert_eq!((&made["status"], &made["automatic"], available(&stripe, &seller).await), (&json!("pending"), &json!(false), 4825 - 1000));
    stripe.books().await;
    stripe.admin("POST", "clock/advance", json!({ "seconds": 24 * 60 * 60 })).await.ok();
    let path = format!("/v1/payouts/{}", id(&made));
    assert_eq!(stripe.get_on(&seller, &path).await.ok()["status"], "paid");
    let failed = stripe.admin("POST", &format!("payouts/{}/fail", id(&made)), json!({ "reason": "no_account" })).await.ok();
    assert_eq!(
        (&failed["status"], &failed["failure_code"], available(&stripe, &seller).await),
        (&json!("failed"), &json!("no_account"), 4825)
    );

    let other = pay_out("4825").await.ok();
    assert_eq!(stripe.post_on(&seller, &format!("/v1/payouts/{}/cancel", id(&other)), &[]).await.ok()["status"], "canceled");
    assert_eq!(available(&stripe, &seller).await, 4825);
    stripe.books().await;
    let types = stripe.event_types(Some(&seller)).await;
    let payouts: Vec<&String> = types.iter().filter(|kind| kind.starts_with("payout.")).collect();
    assert_eq!(payouts, ["payout.created", "payout.paid", "payout.failed", "payout.created", "payout.canceled"]);

    let unready = stripe.admin("POST", "accounts", json!({ "charges_enabled": false })).await.ok();
    let refused = stripe.post_on(id(&unready), "/v1/payouts", &[("amount", "1"), ("currency", "usd")]).await;
    assert_eq!(refused.error(), (400, "payouts_not_allowed"));
}

#[tokio::test]
async fn an_automatic_payout_lists_its_transactions() {
    let stripe = Stripe::start().await;
    let seller = stripe.account().await;
    for card in ["pm_card_bypassPending", "pm_card_bypassPending", "pm_card_visa"] {
        charge(&stripe, &seller, card).await;
    }
    let run = async || stripe.admin("POST", &format!("accounts/{seller}/payout"), Value::Null).await.ok()["payouts"].clone();
    let made = run().await;
    let payout = made[0].as_str().unwrap();
    assert_eq!(run().await, json!([]));
    let inside =
        async |payout: &str| stripe.get_on(&seller, &format!("/v1/balance_transactions?payout={payout}")).await.ok()["data"].clone();
    let listed = inside(payout).await;
    let kinds: Vec<&Value> = listed.as_array().unwrap().iter().map(|one| &one["type"]).collect();
    assert_eq!(kinds, ["payout", "charge", "charge"]);
    assert_eq!(listed.as_array().unwrap().iter().map(|one| one["net"].as_i64().unwrap()).sum::<i64>(), 0);
    // Funds that settle later are in the next payout.
    stripe.admin("POST", "clock/advance", json!({ "seconds": 2 * 24 * 60 * 60 })).await.ok();
    let next = run().await;
    assert_eq!(inside(next[0].as_str().unwrap()).await.as_array().unwrap().len(), 2);
    let all = stripe.get_on(&seller, "/v1/payouts").await.ok();
    assert_eq!(all["data"].as_array().unwrap().iter().map(|one| one["amount"].as_i64().unwrap()).collect::<Vec<_>>(), [4825, 2 * 4825]);
    stripe.books().await;
}
