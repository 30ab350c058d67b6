//! The life of a link: Express accounts through OAuth, renewed tokens, revoked access, and connecting again.

use operator::tokens::{self, Report, Work};
use serde_json::{Value, json};
use shared::domain::sealed::SealedTokens;
use shared::settings::seal::open;

use crate::harness::{Answer, Person, Shop, World};

const CARD: &str = "pm_card_visa";
const NOT_CONNECTED: &str = "the seller of this course cannot be paid at the moment";

#[tokio::test]
async fn an_express_account_linked_by_oauth_can_sell() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    let answer = world.get("/users/authorize?type=express").cookie(&seller.token).await;
    let location = answer.header("location").expect("it sends on").to_owned();
    assert!(location.starts_with(&format!("{}/express/oauth/authorize?client_id=ca_local&", world.app.config.stripe_connect_base)));
    let account = world.link_by(&seller, "/users/authorize?type=express", None).await;
    let me = world.get("/users/me").bearer(&seller.token).await.json();
    assert_eq!(
        me["stripe"],
        json!({"connected": true, "account_id": account, "account_type": "express", "charges_enabled": true, "scope": "express", "livemode": false})
    );
    let course = world.course(&seller, "Django", 4000, "usd", 50).await;
    let buyer = world.buyer("buyer@example.com").await;
    assert_eq!(world.buy(&buyer, course["id"].as_str().expect("an id"), CARD).await.status, 201);
    // The platform did not create it, but Stripe still allows Account Links and the Dashboard for it.
    for path in ["/users/me/stripe/onboarding", "/users/me/stripe/dashboard"] {
        // The second path takes no parameters.
        let answer = world.post(path, json!({"type": "express"})).bearer(&seller.token).undescribed().await;
        assert_eq!(answer.status, 200, "{path} {}", answer.body);
    }
    // Its access can be revoked.
    world.asked_stripe().await;
    world.delete("/users/me/stripe").bearer(&seller.token).await.is_empty(204);
    assert_eq!(world.asked_stripe().await, ["GET /v1/balance", "POST /oauth/deauthorize"]);
}

#[tokio::test]
async fn a_frontend_on_another_site_can_request_express_too() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    let ticket = world.post("/users/authorize?type=express", json!({})).bearer(&seller.token).await.text("url");
    let path = ticket.strip_prefix("http://localhost:9000").expect("it is ours").to_owned();
    let answer = world.get(path).await;
    assert!(answer.header("location").is_some_and(|location| location.contains("/express/oauth/authorize?")), "{:?}", answer.headers);
    let wrong = world.get("/users/authorize?type=custom").cookie(&seller.token).await;
    wrong.is_problem(422, "invalid_request", "type must be standard or express");
    let signed_out = world.get("/users/authorize?type=express").header("accept", "text/html").await;
    assert_eq!(signed_out.header("location"), Some("http://localhost:3000/login.html?next=authorize-express"));
}

/// A shop that has sold one course.
async fn sold(world: &World) -> (Shop, String) {
    let shop = world.shop().await;
    let answer = world.buy(&shop.buyer, &shop.course_id, "pm_card_bypassPending").await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    world.deliver().await;
    let id = answer.json()["purchase"]["id"].as_str().expect("an id").to_owned();
    (shop, id)
}

async fn refund(world: &World, seller: &Person, id: &str, amount: i64) -> Answer {
    world.post(format!("/purchases/{id}/refund"), json!({"amount": amount})).bearer(&seller.token).await
}

async fn balance(world: &World, account: &str) -> i64 {
    world.books().await["accounts"][account]["usd"]["balance"].as_i64().unwrap_or(0)
}

#[tokio::test]
async fn a_seller_who_revoked_access_can_link_again_and_keeps_everything() {
    for charge_type in ["direct", "destination", "separate"] {
        let world = World::with(&[("CHARGE_TYPE", charge_type)]).await;
        let (shop, id) = sold(&world).await;
        world.admin("POST", &format!("accounts/{}/deauthorize", shop.account), json!({})).await;
        world.deliver().await;
        let other = world.buyer("other@example.com").await;
        world.buy(&other, &shop.course_id, CARD).await.is_problem(409, "seller_not_connected", NOT_CONNECTED);
        // Buyer and seller can still read the purchase.
        let purchase = world.get(format!("/purchases/{id}")).bearer(&shop.buyer.token).await.json();
        assert_eq!(purchase["status"], "paid", "{charge_type}");
        let sales = world.get("/sales").bearer(&shop.seller.token).await.json();
        assert_eq!((&sales["items"][0]["purchase_id"], &sales["items"][0]["status"]), (&json!(id), &json!("paid")));
        assert_eq!(world.get("/courses/flask-microservices").await.status, 200);

        let back = refund(&world, &shop.seller, &id, 1000).await;
        // The refund of a separate charge waits until the money is back. Any other could leave an account below zero that nothing fills up.
        if charge_type == "separate" {
            assert_eq!((back.status, &back.json()["refunded"]), (200, &json!(1000)), "{charge_type} {}", back.body);
        } else {
            back.is_problem(409, "refund_refused", "the payment provider refused the refund: account_invalid");
        }
        let before = world.get(format!("/purchases/{id}")).bearer(&shop.buyer.token).await.json()["refunded"].as_i64().expect("an amount");

        assert_eq!(world.link_by(&shop.seller, "/users/authorize", Some(&shop.account)).await, shop.account);
        assert_eq!(world.buy(&other, &shop.course_id, CARD).await.status, 201);
        let back = refund(&world, &shop.seller, &id, 500).await;
        assert_eq!((back.status, &back.json()["refunded"]), (200, &json!(before + 500)), "{charge_type} {}", back.body);
        world.books().await;
    }
}

/// Stripe executes each POST to `path`, but no response arrives. Then the seller revokes access.
async fn lost_and_revoked(world: &World, account: &str, path: &str, ask: impl AsyncFn() -> Answer) {
    let fault = json!({"match": {"method": "POST", "path": path}, "times": 3, "fault": {"kind": "drop_after"}});
    world.admin("POST", "faults", fault).await;
    assert_eq!(ask().await.status, 503);
    world.admin("POST", &format!("accounts/{account}/deauthorize"), json!({})).await;
    // No other event arrives.
    let event = world.event("account.application.deauthorized", |_| true).await.expect("it happened");
    assert_eq!(world.tell(&event).await.status, 200);
    for minutes in [1, 20, 60 * 30] {
        world.pass(time::Duration::minutes(minutes)).await;
        ask().await.is_problem(409, "seller_not_connected", NOT_CONNECTED);
        world.reconcile().await;
    }
}

#[tokio::test]
async fn a_lost_charge_stays_open_while_access_is_revoked() {
    let world = World::with(&[("CHARGE_TYPE", "direct")]).await;
    let shop = world.shop().await;
    let ask = async || world.buy(&shop.buyer, &shop.course_id, CARD).await;
    lost_and_revoked(&world, &shop.account, "/v1/payment_intents", ask).await;
    let purchases = world.get("/purchases").bearer(&shop.buyer.token).await.json();
    assert_eq!(purchases["items"][0]["status"], "pending", "{purchases}");

    // No event arrived in the meantime. The account is read as soon as possible again.
    world.link_by(&shop.seller, "/users/authorize", Some(&shop.account)).await;
    let answer = ask().await;
    assert_eq!((answer.status, &answer.json()["purchase"]["attempts"]), (201, &json!(1)), "{}", answer.body);
    assert_eq!(answer.json()["purchase"]["status"], "paid");
    assert_eq!(world.succeeded(Some(&shop.account)).await.len(), 1);
}

#[tokio::test]
async fn a_lost_refund_stays_open_while_access_is_revoked() {
    let world = World::with(&[("CHARGE_TYPE", "direct")]).await;
    let (shop, id) = sold(&world).await;
    let ask = async || refund(&world, &shop.seller, &id, 1000).await;
    lost_and_revoked(&world, &shop.account, "/v1/refunds", ask).await;
    world.link_by(&shop.seller, "/users/authorize", Some(&shop.account)).await;
    let back = ask().await;
    assert_eq!((back.status, &back.json()["refunded"]), (200, &json!(1000)), "{}", back.body);
    let refunds = world.stripe("/refunds", Some(&shop.account)).await;
    assert_eq!(refunds["data"].as_array().map(Vec::len), Some(1), "{refunds}");
}

#[tokio::test]
async fn sales_are_refunded_from_their_account_after_another_is_linked() {
    for charge_type in ["direct", "destination", "separate"] {
        let world = World::with(&[("CHARGE_TYPE", charge_type)]).await;
        let (shop, id) = sold(&world).await;
        // The old account is no longer linked, but the platform still has access to it.
        let seller = shop.seller.id.parse().expect("an id");
        let unlinked = world.app.store.unlink(&seller, &shop.account, world.app.clock.now()).await.expect("the table is there");
        assert_eq!(unlinked, shared::store::Written::Yes);
        let second = world.link(&shop.seller).await;
        assert_ne!(second, shop.account);
        let other = world.buyer("other@example.com").await;
        assert_eq!(world.buy(&other, &shop.course_id, CARD).await.status, 201);
        world.deliver().await;
        let (old, new) = (balance(&world, &shop.account).await, balance(&world, &second).await);
        assert!(old > 0 && new > 0, "{charge_type}");

        let back = refund(&world, &shop.seller, &id, 2000).await;
        assert_eq!((back.status, &back.json()["refunded"]), (200, &json!(2000)), "{charge_type} {}", back.body);
        world.deliver().await;
        assert_eq!(balance(&world, &shop.account).await, old - 1000, "{charge_type}: half of it was the fee");
        assert_eq!(balance(&world, &second).await, new, "{charge_type}: the new account has nothing to do with it");
    }
}

async fn stored(world: &World, person: &Person) -> (SealedTokens, Value) {
    let user = person.id.parse().expect("an id");
    let sealed = world.app.store.sealed_tokens(&user).await.expect("it is read").expect("there are tokens");
    let text = open(&world.payments.oauth.token_keys.last(), &user, &sealed).expect("they open");
    (sealed, serde_json::from_str(&text).expect("it is JSON"))
}

async fn work(world: &World, work: Work, email: Option<&str>) -> Report {
    let oauth = &world.payments.oauth;
    tokens::run(&world.app, &oauth.stripe, &oauth.token_keys.last(), work, email).await.expect("the table is there")
}

#[tokio::test]
async fn tokens_are_renewed_and_stay_sealed() {
    let world = World::start().await;
    let (seller, other) = (world.seller("seller@example.com").await, world.seller("other@example.com").await);
    let account = world.link(&seller).await;
    world.link(&other).await;
    // Sellers without tokens are skipped.
    let made = world.seller("made@example.com").await;
    world.made_account(&made, "express", "US").await;
    let (before, old) = stored(&world, &seller).await;

    let report = work(&world, Work::Renew, Some(&seller.email)).await;
    assert_eq!(report, Report { done: 1, ..Report::default() });
    let (after, new) = stored(&world, &seller).await;
    assert_ne!((&before.sealed, &old["access_token"]), (&after.sealed, &new["access_token"]));
    assert_eq!((&old["refresh_token"], &old["scope"]), (&new["refresh_token"], &new["scope"]));
    let everything = world.stored().await;
    for token in ["access_token", "refresh_token"] {
        assert!(!everything.contains(new[token].as_str().expect("a token")), "{token}");
    }
    // The new token belongs to the account.
    let url = format!("{}/v1/account", world.app.config.stripe_api_base);
    let own = world.app.http.get(url).bearer_auth(new["access_token"].as_str().expect("a token")).send().await.expect("it runs");
    assert!(own.text().await.expect("text").contains(&account));

    world.admin("POST", &format!("accounts/{account}/deauthorize"), json!({})).await;
    assert_eq!(work(&world, Work::Renew, None).await, Report { done: 1, gone: vec![seller.email.clone()], failed: vec![] });
    world.fault("POST", "/oauth/token", json!({"kind": "html_503"})).await;
    let report = work(&world, Work::Renew, Some(&other.email)).await;
    assert_eq!(report, Report { failed: vec![other.email.clone()], ..Report::default() });
    assert_eq!(report.to_string(), "0 done; failed, run it again: other@example.com");
    assert!(
        tokens::run(&world.app, &world.payments.oauth.stripe, &world.payments.oauth.token_keys.last(), Work::Renew, Some("no@example.com"))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn tokens_are_sealed_again_before_a_key_is_removed() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    world.link(&seller).await;
    let (_, old) = stored(&world, &seller).await;
    world.asked_stripe().await;
    let mut keys = shared::settings::secrets::TokenKeys::clone(&world.payments.oauth.token_keys.last());
    keys.keys.insert("k2".into(), world.app.entropy.bytes());
    keys.current = "k2".into();
    let seal =
        async |keys| tokens::run(&world.app, &world.payments.oauth.stripe, keys, Work::Seal, None).await.expect("the table is there");
    assert_eq!((seal(&keys).await.done, seal(&keys).await.done), (1, 0));
    keys.keys.remove("k1");
    let user = seller.id.parse().expect("an id");
    let sealed = world.app.store.sealed_tokens(&user).await.expect("it is read").expect("there are tokens");
    let text = open(&keys, &user, &sealed).expect("the old key is not needed");
    assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON"), old);
    assert!(world.asked_stripe().await.is_empty());
    // A link that ends at the same time is not restored.
    world.delete("/users/me/stripe").bearer(&seller.token).await.is_empty(204);
    let again = world.app.store.replace_tokens(&user, &sealed, &sealed).await.expect("the table is there");
    assert_ne!(again, shared::store::Written::Yes);
}
