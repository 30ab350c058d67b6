//! Requests that never reached Stripe: what the buyer no longer wants, or can no longer have, is never paid for later.

use serde_json::{Value, json};
use time::Duration;

use crate::harness::{Answer, Shop, World};

const CARD: &str = "pm_card_visa";
const MASTERCARD: &str = "pm_card_mastercard";

async fn is_down(world: &World, path: &str) {
    let outage = json!({"match": {"method": "POST", "path": path}, "times": 3, "fault": {"kind": "drop_before"}});
    world.admin("POST", "faults", outage).await;
}

/// A shop with this charge type, the charged account, and a buyer whose first request did not reach Stripe.
async fn unmade(charge_type: &'static str) -> (World, Shop, Option<String>) {
    let world = World::with(&[("CHARGE_TYPE", charge_type)]).await;
    let shop = world.shop().await;
    let account = (charge_type == "direct").then(|| shop.account.clone());
    is_down(&world, "/v1/payment_intents").await;
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, CARD).await.status, 503);
    (world, shop, account)
}

async fn buys(world: &World, shop: &Shop, card: &str, amount: i64) -> Answer {
    let body = json!({"course_id": shop.course_id, "payment_method": card, "expected_amount": amount, "expected_currency": "usd"});
    world.post("/courses/charge", body).bearer(&shop.buyer.token).await
}

#[tokio::test]
async fn nobody_is_charged_by_the_reconciliation() {
    for charge_type in ["destination", "direct"] {
        for change in ["none", "erased", "suspended", "unpublished", "price"] {
            let (world, shop, account) = unmade(charge_type).await;
            match change {
                "erased" => {
                    world.erase(&shop.buyer.token).await.is_empty(204);
                }
                "suspended" => {
                    let staff = world.staff("staff@example.com").await;
                    let path = format!("/admin/users/{}", shop.buyer.id);
                    let answer = world.patch(path, json!({"suspended": {"reason": "x"}})).bearer(&staff.token).await;
                    assert_eq!(answer.status, 200, "{}", answer.body);
                }
                "unpublished" | "price" => {
                    let change =
                        if change == "price" { json!({"price": {"amount": 9000, "currency": "usd"}}) } else { json!({"published": false}) };
                    let answer = world.patch("/courses/flask-microservices", change).bearer(&shop.seller.token).await;
                    assert_eq!(answer.status, 200, "{}", answer.body);
                }
                _ => {}
            }
            for minutes in [1, 5, 60, 24 * 60] {
                world.pass(Duration::minutes(minutes)).await;
                world.close_pages().await;
                world.reconcile().await;
            }
            let at_stripe = world.stripe("/payment_intents", account.as_deref()).await;
            assert_eq!(at_stripe["data"], json!([]), "{charge_type}, {change}");
            if change == "none" {
                let body = json!({"course_id": shop.course_id, "payment_method": CARD});
                let bought = world.post("/courses/charge", body).bearer(&world.log_in(&shop.buyer).await).await;
                assert_eq!((bought.status, &bought.json()["purchase"]["status"]), (201, &json!("paid")), "{}", bought.body);
                assert_eq!(world.succeeded(account.as_deref()).await.len(), 1);
            }
            world.books().await;
        }
    }
}

#[tokio::test]
async fn another_card_or_price_never_has_the_first_request_carried_out() {
    for charge_type in ["destination", "direct"] {
        for (card, price) in [(MASTERCARD, None), (CARD, Some(4000)), (MASTERCARD, Some(4000))] {
            let (world, shop, account) = unmade(charge_type).await;
            if let Some(price) = price {
                let answer = world
                    .patch("/courses/flask-microservices", json!({"price": {"amount": price, "currency": "usd"}}))
                    .bearer(&shop.seller.token)
                    .await;
                assert_eq!(answer.status, 200, "{}", answer.body);
            }
            let amount = price.unwrap_or(5000);
            let busy = buys(&world, &shop, card, amount).await;
            assert_eq!(
                (busy.status, busy.text("code")),
                (409, "purchase_in_progress".to_owned()),
                "Stripe may still be at work: {}",
                busy.body
            );
            assert!(world.succeeded(account.as_deref()).await.is_empty());
            world.pass(Duration::minutes(2)).await;
            let bought = buys(&world, &shop, card, amount).await;
            assert_eq!((bought.status, &bought.json()["purchase"]["amount"]), (201, &json!(amount)), "{}", bought.body);
            let paid = world.succeeded(account.as_deref()).await;
            assert_eq!((paid.len(), &paid[0]["amount"]), (1, &json!(amount)));
            assert_eq!(brand(&world, &paid[0], account.as_deref()).await, if card == CARD { "visa" } else { "mastercard" });
        }
        // The two minutes begin anew when the first request is sent again.
        let (world, shop, account) = unmade(charge_type).await;
        world.pass(Duration::minutes(4)).await;
        is_down(&world, "/v1/payment_intents").await;
        assert_eq!(buys(&world, &shop, CARD, 5000).await.status, 503);
        for minutes in [0, 1] {
            world.pass(Duration::minutes(minutes)).await;
            assert_eq!(buys(&world, &shop, MASTERCARD, 5000).await.text("code"), "purchase_in_progress");
        }
        world.pass(Duration::minutes(1)).await;
        assert_eq!(buys(&world, &shop, MASTERCARD, 5000).await.status, 201);
        assert_eq!(world.succeeded(account.as_deref()).await.len(), 1);
        // The same again is the way to learn what happened, and continues at once.
        let (world, shop, account) = unmade(charge_type).await;
        assert_eq!(buys(&world, &shop, CARD, 5000).await.status, 201);
        assert_eq!(world.succeeded(account.as_deref()).await.len(), 1);
    }
}

/// On a direct seller's account, a saved card or a token is charged by another id than the buyer named.
#[tokio::test]
async fn the_same_saved_card_or_token_continues_at_once() {
    for charge_type in ["destination", "direct"] {
        for named in ["saved card", "token"] {
            let world = World::with(&[("CHARGE_TYPE", charge_type)]).await;
            let shop = world.shop().await;
            let account = (charge_type == "direct").then(|| shop.account.clone());
            let saved = world.post("/users/me/payment-methods", json!({"payment_method": CARD})).bearer(&shop.buyer.token).await;
            let (first, second) = match named {
                "token" => ("tok_visa".to_owned(), "tok_mastercard"),
                _ => (saved.json()["payment_method"]["id"].as_str().expect("an id").to_owned(), MASTERCARD),
            };
            let buy = |card: &str| {
                world.post("/courses/charge", json!({"course_id": shop.course_id, "payment_method": card})).bearer(&shop.buyer.token)
            };
            is_down(&world, "/v1/payment_intents").await;
            assert_eq!(buy(&first).await.status, 503);
            assert_eq!(buy(second).await.text("code"), "purchase_in_progress", "{charge_type}, {named}");
            let bought = buy(&first).await;
            assert_eq!(
                (bought.status, &bought.json()["purchase"]["status"]),
                (201, &json!("paid")),
                "{charge_type}, {named}: {}",
                bought.body
            );
            let paid = world.succeeded(account.as_deref()).await;
            assert_eq!((paid.len(), brand(&world, &paid[0], account.as_deref()).await), (1, json!("visa")));
        }
    }
}

async fn brand(world: &World, payment: &Value, account: Option<&str>) -> Value {
    let charge = payment["latest_charge"].as_str().expect("an id");
    world.stripe(&format!("/charges/{charge}"), account).await["payment_method_details"]["card"]["brand"].clone()
}

/// A payment that was made is found at once, also by somebody who names another card.
#[tokio::test]
async fn a_lost_answer_is_found_whatever_card_is_named() {
    for charge_type in ["destination", "direct"] {
        let world = World::with(&[("CHARGE_TYPE", charge_type)]).await;
        let shop = world.shop().await;
        let account = (charge_type == "direct").then(|| shop.account.clone());
        let lost = json!({"match": {"method": "POST", "path": "/v1/payment_intents"}, "times": 3, "fault": {"kind": "drop_after"}});
        world.admin("POST", "faults", lost).await;
        assert_eq!(world.buy(&shop.buyer, &shop.course_id, CARD).await.status, 503);
        let found = buys(&world, &shop, MASTERCARD, 5000).await;
        assert_eq!((found.status, &found.json()["purchase"]["status"]), (201, &json!("paid")), "{}", found.body);
        assert_eq!(world.succeeded(account.as_deref()).await.len(), 1);
    }
}
