//! What a release writes into its log.

use regex_lite::Regex;
use serde_json::json;

use crate::harness::{World, logged, token_in};

/// What Stripe calls a secret: keys, webhook secrets, client secrets, OAuth codes and tokens. And a card's number.
const OF_STRIPE: &str = r"(sk|rk)_(test|live)_\w+|whsec_\w+|_secret_\w+|\b(ac|rt)_\w{8,}|4242424242424242";

/// Signs up, confirms, logs in, rightly and wrongly, sets up a second factor, links an account, opens Stripe's components, buys with good and bad cards, and resets the
/// password. Returns what must not be in the log.
async fn journey(world: &World) -> Vec<String> {
    let (password, wrong, new) = ("unusual staple 71", "a guess of somebody 5", "another staple 8080");
    let mut secrets = vec![password.to_owned(), wrong.to_owned(), new.to_owned()];
    let email = "somebody.private@example.com";
    let joined = world.post("/users", json!({"email": email, "password": password})).await;
    assert_eq!(joined.status, 201, "{}", joined.body);
    let token = joined.text("token");
    world.pump().await;
    let confirm = token_in(&world.mails_to(email)[0]);
    world.put("/email-confirmations", json!({"token": confirm})).await.is_empty(204);
    assert_eq!(world.post("/sessions", json!({"email": email, "password": wrong})).await.status, 401);
    let again = world.post("/sessions", json!({"email": email, "password": password})).await;
    assert_eq!(again.status, 200, "{}", again.body);

    let factor = world.post("/users/me/second-factor", json!({})).bearer(&token).await;
    assert_eq!(factor.status, 200, "{}", factor.body);
    assert_eq!(world.put("/users/me/second-factor", json!({"code": "000000"})).bearer(&token).await.status, 401);

    let shop = world.shop().await;
    let session = world.post("/users/me/stripe/session", json!({})).bearer(&shop.seller.token).await;
    assert_eq!(session.status, 200, "{}", session.body);
    let asks = world.buy(&shop.buyer, &shop.course_id, "pm_card_threeDSecure2Required").await;
    assert_eq!(asks.status, 201, "{}", asks.body);
    let declined = json!({"course_id": shop.course_id, "payment_method": "pm_card_visa_chargeDeclined"});
    assert_eq!(world.post("/courses/charge", declined).bearer(&token).await.status, 402);
    let paid = json!({"course_id": shop.course_id, "payment_method": "pm_card_visa"});
    assert_eq!(world.post("/courses/charge", paid).bearer(&token).await.status, 201);
    let event = world.event("payment_intent.succeeded", |_| true).await.expect("it happened");
    assert_eq!(world.tell(&event).await.status, 200);
    Box::pin(world.reconcile()).await;

    assert_eq!(world.post("/password-resets", json!({"email": email})).await.status, 202);
    world.pump().await;
    let reset = token_in(&world.mails_to(email).into_iter().rfind(|mail| mail.subject == "Set a new password").expect("a mail"));
    world.put("/password-resets", json!({"token": reset, "password": new})).await.is_empty(204);
    secrets.extend([
        token,
        again.text("token"),
        confirm,
        reset,
        factor.text("secret"),
        asks.text("client_secret"),
        session.text("client_secret"),
    ]);
    secrets.extend([email.to_owned(), shop.buyer.email.clone(), shop.seller.email.clone(), shop.buyer.token, shop.seller.token]);
    secrets
}

#[tokio::test]
async fn the_log_names_who_made_a_request_and_who_tries_cards() {
    let world = World::start().await;
    let shop = world.shop().await;
    let thief = world.stranger("thief@example.com").await;
    let of = |card: &'static str| world.buy(&thief, &shop.course_id, card);
    let (declined, first) = logged(of("pm_card_visa_chargeDeclined")).await;
    assert_eq!(declined.status, 402, "{}", declined.body);
    let (refused, then) = logged(of("pm_card_visa")).await;
    assert_eq!(refused.text("code"), "email_not_confirmed", "{}", refused.body);
    let (nobody, last) = logged(world.get("/courses")).await;
    assert_eq!(nobody.status, 200, "{}", nobody.body);

    let said =
        |lines: &[String], what: &str| lines.iter().find(|line| line.contains(what)).cloned().unwrap_or_else(|| panic!("{lines:#?}"));
    for line in [said(&first, "answered"), said(&first, "card declined"), said(&then, "answered"), said(&then, "card attempt refused")] {
        assert!(line.contains(&thief.id), "{line}");
        assert!(!line.contains("thief@example.com"), "{line}");
    }
    for line in [said(&first, "card declined"), said(&then, "card attempt refused")] {
        assert!(line.contains("address"), "{line}");
    }
    assert!(!said(&last, "answered").contains("user_id"), "{last:?}");
}

#[tokio::test]
async fn no_secret_and_no_address_is_logged() {
    let world = World::start().await;
    let (secrets, lines) = Box::pin(logged(Box::pin(journey(&world)))).await;
    let says = |text: &str| lines.iter().any(|line| line.contains(text));
    assert!(says("purchase settled") && says("event handled") && says("answered"), "{lines:#?}");
    let of_stripe = Regex::new(OF_STRIPE).expect("it is one");
    for line in &lines {
        let told = secrets.iter().find(|secret| line.contains(secret.as_str()));
        assert!(told.is_none() && !of_stripe.is_match(line), "{told:?} in {line}");
    }
}
