//! Refunds, transfers, fees and disputes; the books balance after all of them.

use serde_json::{Value, json};

use crate::client::{Answer, CARD, Stripe, id};

const AVAILABLE: &str = "pm_card_bypassPending";

async fn charge(stripe: &Stripe, account: Option<&str>, card: &str, more: &[(&str, &str)]) -> Value {
    let mut form = vec![("amount", "5000"), ("currency", "usd"), ("confirm", "true"), ("payment_method", card), CARD];
    form.extend(more);
    let answer = match account {
        Some(account) => stripe.post_on(account, "/v1/payment_intents", &form).await,
        None => stripe.post("/v1/payment_intents", &form).await,
    };
    answer.ok()
}

async fn destination(stripe: &Stripe, seller: &str, card: &str) -> Value {
    charge(stripe, None, card, &[("application_fee_amount", "1000"), ("transfer_data[destination]", seller)]).await
}

async fn refund(stripe: &Stripe, intent: &Value, more: &[(&str, &str)]) -> Answer {
    let mut form = vec![("payment_intent", id(intent))];
    form.extend(more);
    stripe.post("/v1/refunds", &form).await
}

/// An account's balance, pending and available together.
async fn balance(stripe: &Stripe, account: Option<&str>) -> i64 {
    let balance = match account {
        Some(account) => stripe.get_on(account, "/v1/balance").await,
        None => stripe.get("/v1/balance").await,
    };
    let balance = balance.ok();
    let sum = |name: &str| balance[name].as_array().unwrap().iter().map(|part| part["amount"].as_i64().unwrap()).sum::<i64>();
    sum("available") + sum("pending")
}

#[tokio::test]
async fn refunding_a_direct_charge_keeps_the_fee_unless_requested() {
    let stripe = Stripe::start().await;
    let seller = stripe.account().await;
    let fee = ("application_fee_amount", "1000");
    for (give_back, theirs, ours) in [("false", -1175, 1000), ("true", -175, 0)] {
        let (before, platform) = (balance(&stripe, Some(&seller)).await, balance(&stripe, None).await);
        let intent = charge(&stripe, Some(&seller), "pm_card_visa", &[fee]).await;
        let form = [("payment_intent", id(&intent)), ("refund_application_fee", give_back)];
        let refund = stripe.post_on(&seller, "/v1/refunds", &form).await.ok();
        assert_eq!((&refund["status"], &refund["amount"]), (&json!("succeeded"), &json!(5000)));
        // Stripe keeps its own fee.
        assert_eq!(balance(&stripe, Some(&seller)).await - before, theirs);
        assert_eq!(balance(&stripe, None).await - platform, ours);
        stripe.books().await;
    }
    let types = stripe.event_types(Some(&seller)).await;
    assert!(
        types.ends_with(&["refund.created", "charge.refunded", "refund.updated", "charge.refund.updated"].map(String::from)),
        "{types:?}"
    );
}

#[tokio::test]
async fn parts_of_a_refund_add_up_to_the_whole() {
    let stripe = Stripe::start().await;
    let seller = stripe.account().await;
    let intent = charge(&stripe, None, "pm_card_visa", &[("application_fee_amount", "333"), ("transfer_data[destination]", &seller)]).await;
    let all = [("reverse_transfer", "true"), ("refund_application_fee", "true")];
    for amount in ["1", "1666", "1667"] {
        refund(&stripe, &intent, &[all[0], all[1], ("amount", amount)]).await.ok();
        stripe.books().await;
    }
    let too_much = refund(&stripe, &intent, &[("amount", "1667")]).await;
    assert_eq!(too_much.status, 400);
    assert!(too_much.message().contains("greater than unrefunded amount on charge ($16.66)"), "{}", too_much.message());
    refund(&stripe, &intent, &all).await.ok();
    assert_eq!((balance(&stripe, Some(&seller)).await, balance(&stripe, None).await), (0, -175));
    assert_eq!(refund(&stripe, &intent, &[]).await.error(), (400, "charge_already_refunded"));
    let charge = stripe.get(&format!("/v1/charges/{}?expand[]=refunds", intent["latest_charge"].as_str().unwrap())).await.ok();
    assert_eq!((&charge["refunded"], &charge["amount_refunded"]), (&json!(true), &json!(5000)));
    assert_eq!(charge["refunds"]["data"].as_array().unwrap().len(), 4);
    let fee = stripe.get(&format!("/v1/application_fees/{}", charge["application_fee"].as_str().unwrap())).await.ok();
    assert_eq!((&fee["refunded"], &fee["amount_refunded"]), (&json!(true), &json!(333)));
}

#[tokio::test]
async fn refunding_a_destination_charge_keeps_the_transfer_unless_requested() {
    let stripe = Stripe::start().await;
    let seller = stripe.account().await;
    let intent = destination(&stripe, &seller, "pm_card_visa").await;
    refund(&stripe, &intent, &[]).await.ok();
    assert_eq!((balance(&stripe, Some(&seller)).await, balance(&stripe, None).await), (4000, 1000 - 175 - 5000));
    // Pending money can be reversed.
    let intent = destination(&stripe, &seller, "pm_card_visa").await;
    let refund = refund(&stripe, &intent, &[("reverse_transfer", "true"), ("amount", "2500")]).await.ok();
    assert_eq!(balance(&stripe, Some(&seller)).await, 4000 + 4000 - 2500);
    let expanded = stripe.get(&format!("/v1/refunds/{}?expand[]=transfer_reversal.transfer", id(&refund))).await.ok();
    assert_eq!(expanded["transfer_reversal"]["amount"], 2500);
    assert_eq!(expanded["transfer_reversal"]["transfer"]["amount_reversed"], 2500);
    stripe.books().await;
    let direct = charge(&stripe, None, "pm_card_visa", &[]).await;
    assert_eq!(self::refund(&stripe, &direct, &[("reverse_transfer", "true")]).await.status, 400);
    assert_eq!(self::refund(&stripe, &direct, &[("refund_application_fee", "true")]).await.status, 400);
}

#[tokio::test]
async fn separate_transfers_wait_for_their_charge_and_are_reversed_with_balance() {
    let stripe = Stripe::start().await;
    let (one, two) = (stripe.account().await, stripe.account().await);
    let intent = charge(&stripe, None, "pm_card_visa", &[("transfer_group", "order-1")]).await;
    let source = intent["latest_charge"].as_str().unwrap();
    let transfer = async |to: &str, amount: &str, more: &[(&str, &str)]| {
        let mut form = vec![("amount", amount), ("currency", "usd"), ("destination", to)];
        form.extend(more);
        stripe.post("/v1/transfers", &form).await
    };
    // The charge's funds are not available yet, but can be transferred in advance.
    assert_eq!(transfer(&one, "2000", &[]).await.error(), (400, "balance_insufficient"));
    let first = transfer(&one, "2000", &[("source_transaction", source)]).await.ok();
    assert_eq!(first["transfer_group"], "order-1");
    transfer(&two, "2500", &[("source_transaction", source)]).await.ok();
    assert_eq!(transfer(&two, "501", &[("source_transaction", source)]).await.status, 400);
    let listed = stripe.get("/v1/transfers?transfer_group=order-1").await.ok();
    assert_eq!(listed["data"].as_array().unwrap().len(), 2);
    assert_eq!((balance(&stripe, Some(&one)).await, balance(&stripe, Some(&two)).await), (2000, 2500));

    let reversals = format!("/v1/transfers/{}/reversals", id(&first));
    assert_eq!(stripe.post(&reversals, &[("amount", "500")]).await.error(), (400, "balance_insufficient"));
    stripe.admin("POST", "clock/advance", json!({ "seconds": 2 * 24 * 60 * 60 + 1 })).await.ok();
    stripe.post(&reversals, &[("amount", "500")]).await.ok();
    assert_eq!(balance(&stripe, Some(&one)).await, 1500);
    assert_eq!(stripe.post(&reversals, &[("amount", "1501")]).await.status, 400);
    stripe.post(&reversals, &[]).await.ok();
    let after = stripe.get(&format!("/v1/transfers/{}", id(&first))).await.ok();
    assert_eq!((&after["reversed"], after["reversals"]["data"].as_array().unwrap().len()), (&json!(true), 2));
    stripe.books().await;

    let stranger = stripe.admin("POST", "accounts", json!({ "connected": false })).await.ok();
    assert_eq!(transfer(id(&stranger), "100", &[]).await.error(), (400, "resource_missing"));
    let unready = stripe.admin("POST", "accounts", json!({ "capabilities": { "card_payments": "active" } })).await.ok();
    assert_eq!(transfer(id(&unready), "100", &[]).await.error(), (400, "insufficient_capabilities_for_transfer"));
}

#[tokio::test]
async fn a_fee_can_be_refunded_alone() {
    let stripe = Stripe::start().await;
    let seller = stripe.account().await;
    charge(&stripe, Some(&seller), "pm_card_visa", &[("application_fee_amount", "1000")]).await;
    let fee = stripe.get("/v1/application_fees").await.ok()["data"][0].clone();
    let path = format!("/v1/application_fees/{}/refunds", id(&fee));
    stripe.post(&path, &[("amount", "400")]).await.ok();
    assert_eq!((balance(&stripe, Some(&seller)).await, balance(&stripe, None).await), (5000 - 175 - 600, 600));
    assert_eq!(stripe.post(&path, &[("amount", "601")]).await.status, 400);
    stripe.post(&path, &[]).await.ok();
    assert_eq!(balance(&stripe, None).await, 0);
    assert_eq!(stripe.get(&path).await.ok()["data"].as_array().unwrap().len(), 2);
    stripe.books().await;
}

#[tokio::test]
async fn a_dispute_takes_the_money_and_a_fee_until_it_is_won() {
    let stripe = Stripe::start().await;
    let seller = stripe.account().await;
    for outcome in ["won", "lost"] {
        let before = balance(&stripe, None).await;
        let intent = destination(&stripe, &seller, "pm_card_createDispute").await;
        let charge = intent["latest_charge"].as_str().unwrap();
        let dispute = stripe.get(&format!("/v1/disputes?charge={charge}")).await.ok()["data"][0].clone();
        assert_eq!((&dispute["status"], &dispute["amount"]), (&json!("needs_response"), &json!(5000)));
        // The platform pays; the seller keeps the transfer.
        assert_eq!(balance(&stripe, None).await - before, 1000 - 175 - 5000 - 1500);
        assert_eq!(refund(&stripe, &intent, &[]).await.error(), (400, "charge_disputed"));
        let closed = stripe.admin("POST", &format!("disputes/{}/close", id(&dispute)), json!({ "outcome": outcome })).await.ok();
        assert_eq!(closed["status"], outcome);
        let back = if outcome == "won" { 5000 + 1500 } else { 0 };
        assert_eq!(balance(&stripe, None).await - before, 1000 - 175 - 5000 - 1500 + back);
        stripe.books().await;
        // A charge whose dispute was won can be refunded again.
        assert_eq!(closed["is_charge_refundable"], outcome == "won");
        let refunded = refund(&stripe, &intent, &[("amount", "100")]).await;
        assert_eq!(refunded.status, if outcome == "won" { 200 } else { 400 }, "{}", refunded.body);
    }
    let disputes = stripe.event_types(None).await.into_iter().filter(|kind| kind.contains("dispute")).collect::<Vec<_>>();
    assert_eq!(
        disputes,
        [
            "charge.dispute.created",
            "charge.dispute.funds_withdrawn",
            "charge.dispute.funds_reinstated",
            "charge.dispute.closed",
            "charge.dispute.created",
            "charge.dispute.funds_withdrawn",
            "charge.dispute.closed"
        ]
    );
}

#[tokio::test]
async fn a_refund_can_fail_later() {
    let stripe = Stripe::start().await;
    let intent = charge(&stripe, None, "pm_card_refundFail", &[]).await;
    let made = refund(&stripe, &intent, &[]).await.ok();
    assert_eq!(made["status"], "succeeded");
    stripe.admin("POST", "clock/advance", json!({ "seconds": 2 })).await.ok();
    let failed = stripe.get(&format!("/v1/refunds/{}", id(&made))).await.ok();
    assert_eq!(failed["status"], "failed");
    assert_eq!(balance(&stripe, None).await, 5000 - 175);
    assert!(stripe.event_types(None).await.contains(&"refund.failed".to_owned()));
    stripe.books().await;
}

#[tokio::test]
async fn funds_become_available_after_two_days() {
    let stripe = Stripe::start().await;
    let available = async || stripe.get("/v1/balance").await.ok()["available"][0]["amount"].as_i64().unwrap();
    charge(&stripe, None, "pm_card_visa", &[]).await;
    assert_eq!(available().await, 0);
    charge(&stripe, None, AVAILABLE, &[]).await;
    assert_eq!(available().await, 4825);
    stripe.admin("POST", "clock/advance", json!({ "seconds": 2 * 24 * 60 * 60 })).await.ok();
    assert_eq!(available().await, 2 * 4825);
    let transactions = stripe.get("/v1/balance_transactions?type=charge").await.ok();
    assert!(transactions["data"].as_array().unwrap().iter().all(|transaction| transaction["status"] == "available"));
}

#[tokio::test]
async fn an_authorized_payment_is_captured_on_request() {
    let stripe = Stripe::start().await;
    let seller = stripe.account().await;
    let more = [("capture_method", "manual"), ("application_fee_amount", "1000"), ("transfer_data[destination]", seller.as_str())];
    let intent = charge(&stripe, None, "pm_card_visa", &more).await;
    assert_eq!((&intent["status"], &intent["amount_capturable"]), (&json!("requires_capture"), &json!(5000)));
    assert_eq!(stripe.books().await["outside"], json!({}));
    let captured = stripe.post(&format!("/v1/payment_intents/{}/capture", id(&intent)), &[("amount_to_capture", "4000")]).await.ok();
    assert_eq!((&captured["status"], &captured["amount_received"]), (&json!("succeeded"), &json!(4000)));
    assert_eq!(balance(&stripe, Some(&seller)).await, 3000);
    let released = charge(&stripe, None, "pm_card_visa", &more).await;
    let canceled = stripe.post(&format!("/v1/payment_intents/{}/cancel", id(&released)), &[]).await.ok();
    assert_eq!(canceled["status"], "canceled");
    assert_eq!(stripe.books().await["outside"]["usd"]["cardholders"], 4000);
}

#[tokio::test]
async fn invalid_fees_and_destinations_are_refused() {
    let stripe = Stripe::start().await;
    let seller = stripe.account().await;
    let abroad = stripe.admin("POST", "accounts", json!({ "country": "DE" })).await.ok();
    let refused = async |more: &[(&str, &str)]| {
        let mut form = vec![("amount", "5000"), ("currency", "usd"), CARD];
        form.extend(more);
        let answer = stripe.post("/v1/payment_intents", &form).await;
        (answer.status, answer.body["error"]["param"].as_str().unwrap_or_default().to_owned())
    };
    let to = ("transfer_data[destination]", seller.as_str());
    let fee = |amount| ("application_fee_amount", amount);
    assert_eq!(refused(&[fee("100")]).await, (400, "application_fee_amount".to_owned()));
    assert_eq!(refused(&[to, fee("0")]).await, (400, "application_fee_amount".to_owned()));
    assert_eq!(refused(&[to, fee("5000")]).await, (400, "application_fee_amount".to_owned()));
    assert_eq!(refused(&[to, fee("4999")]).await.0, 200);
    assert_eq!(refused(&[to, fee("10"), ("transfer_data[amount]", "10")]).await.0, 400);
    let abroad = ("transfer_data[destination]", id(&abroad));
    assert_eq!(refused(&[abroad]).await, (400, "transfer_data[destination]".to_owned()));
    assert_eq!(refused(&[abroad, ("on_behalf_of", abroad.1)]).await.0, 200);
    let unready = stripe.admin("POST", "accounts", json!({ "charges_enabled": false })).await.ok();
    let direct = stripe.post_on(id(&unready), "/v1/payment_intents", &[("amount", "500"), ("currency", "usd"), CARD]).await;
    assert_eq!(direct.status, 400);
}

#[tokio::test]
async fn every_balance_is_the_sum_of_its_transactions_after_a_mixed_run() {
    let stripe = Stripe::start().await;
    let sellers = [stripe.account().await, stripe.account().await];
    let cards = ["pm_card_visa", AVAILABLE, "pm_card_createDispute", "pm_card_refundFail"];
    for (n, card) in cards.iter().cycle().take(12).enumerate() {
        let seller = sellers[n % 2].as_str();
        match n % 3 {
            0 => {
                let intent = charge(&stripe, Some(seller), card, &[("application_fee_amount", "777")]).await;
                let form = [("payment_intent", id(&intent)), ("amount", "1234"), ("refund_application_fee", "true")];
                stripe.post_on(seller, "/v1/refunds", &form).await;
            }
            1 => {
                let intent = destination(&stripe, seller, card).await;
                refund(&stripe, &intent, &[("amount", "321"), ("reverse_transfer", "true")]).await;
            }
            _ => {
                let intent = charge(&stripe, None, card, &[]).await;
                let source = intent["latest_charge"].as_str().unwrap();
                let form = [("amount", "900"), ("currency", "usd"), ("destination", seller), ("source_transaction", source)];
                stripe.post("/v1/transfers", &form).await.ok();
            }
        }
        stripe.books().await;
        stripe.admin("POST", "clock/advance", json!({ "seconds": 12 * 60 * 60 })).await.ok();
    }
    let books = stripe.books().await;
    for account in [None, Some(sellers[0].as_str()), Some(sellers[1].as_str())] {
        let list = "/v1/balance_transactions?limit=100";
        let transactions = match account {
            Some(account) => stripe.get_on(account, list).await.ok(),
            None => stripe.get(list).await.ok(),
        };
        assert_eq!(transactions["has_more"], false);
        let sum: i64 = transactions["data"].as_array().unwrap().iter().map(|transaction| transaction["net"].as_i64().unwrap()).sum();
        assert_eq!(sum, balance(&stripe, account).await);
    }
    let total: i64 = books["accounts"].as_object().unwrap().values().map(|a| a["usd"]["balance"].as_i64().unwrap()).sum();
    let outside = &books["outside"]["usd"];
    assert_eq!(total, outside["cardholders"].as_i64().unwrap() - outside["stripe"].as_i64().unwrap());
}
