//! Sessions for Stripe's components: whose account they open, what may be done there, and who gets none.

use serde_json::{Value, json};
use time::Duration;

use crate::harness::{Answer, Person, World, assert_shape};

const FORMS: [&str; 3] = ["account_management", "account_onboarding", "notification_banner"];
const LISTS: [&str; 4] = ["balances", "documents", "payments", "payouts"];

async fn open(world: &World, seller: &Person) -> Answer {
    world.post("/users/me/stripe/session", json!({})).bearer(&seller.token).await
}

/// The parameters of the newest request to Stripe.
async fn sent(world: &World) -> Value {
    let log = world.admin("GET", "requests", json!({})).await;
    log["requests"].as_array().and_then(|all| all.last()).expect("a request")["params"].clone()
}

/// What Connect.js shows with a session's secret.
async fn show(world: &World, secret: &str, component: &str) -> Value {
    let url = format!("{}/embedded/{component}", world.app.config.stripe_api_base);
    let body = json!({"key": "pk_test_local", "client_secret": secret, "page": "one"});
    let answer = world.app.http.post(url).body(body.to_string()).send().await.expect("the stand-in runs");
    serde_json::from_str(&answer.text().await.expect("it is text")).expect("it is JSON")
}

#[tokio::test]
async fn a_session_opens_the_sellers_own_account_and_no_refunds() {
    for (api, kind) in [("v1", "standard"), ("v1", "express"), ("v1", "custom"), ("v2", "standard"), ("v2", "express"), ("v2", "custom")] {
        let world = World::with(&[("ACCOUNTS_API", api)]).await;
        let seller = world.seller("seller@example.com").await;
        let other = world.seller("other@example.com").await;
        let account = world.made_account(&seller, kind, "US").await;
        world.made_account(&other, kind, "US").await;
        world.asked_stripe().await;
        world.operations();

        let answer = open(&world, &seller).await;
        let mut components = [&FORMS[..], &LISTS[..]].concat();
        components.sort_unstable();
        let expected = json!({"client_secret": "[any]", "expires_at": "[time]", "account_id": account, "components": components});
        assert_shape(&answer.json(), &expected);
        assert_eq!((answer.status, answer.header("cache-control")), (200, Some("private, no-store")));
        assert_eq!(world.operations(), ["BatchGetItem"]);
        let asked = sent(&world).await;
        assert_eq!(world.asked_stripe().await, ["POST /v1/account_sessions"]);

        assert_eq!(asked["account"], json!(account));
        let enabled: Vec<_> = asked["components"].as_object().expect("there are some").keys().map(String::as_str).collect();
        assert_eq!(enabled, components);
        // Refunds are this API's, disputes of direct charges the seller's, and those of others nobody's here.
        let features = json!({
            "capture_payments": "false", "destination_on_behalf_of_charge_management": "false", "dispute_management": "true",
            "refund_management": "false", "smart_disputes_management": "false",
        });
        assert_eq!(asked["components"]["payments"]["features"], features);
        // Who bears the losses decides about payouts.
        let pays_out = (kind == "standard").to_string();
        let features = json!({"edit_payout_schedule": pays_out, "instant_payouts": pays_out, "standard_payouts": pays_out});
        assert_eq!(asked["components"]["payouts"]["features"], features, "{kind}");
        assert_eq!(asked["components"]["balances"]["features"], features, "{kind}");

        let secret = answer.text("client_secret");
        let shown = show(&world, &secret, "account_management").await;
        assert_eq!(shown["lines"][0], json!(format!("Account {account}")));
        assert_eq!(show(&world, &secret, "payments").await["allowed"], json!(["dispute_management"]));
        assert_eq!(show(&world, &secret, "tax_settings").await["error"]["type"], "invalid_request_error", "it is not enabled");
        assert_ne!(open(&world, &seller).await.text("client_secret"), secret, "each is used once");
    }
}

#[tokio::test]
async fn an_unfinished_account_can_be_finished_there() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    let answer = world.post("/users/me/stripe/onboarding", json!({"type": "express"})).bearer(&seller.token).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let secret = open(&world, &seller).await.text("client_secret");
    let form = show(&world, &secret, "account_onboarding").await;
    assert!(form["lines"].as_array().is_some_and(|due| due.contains(&json!("external_account"))), "{form}");
}

#[tokio::test]
async fn an_account_of_oauth_is_shown_without_forms() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    let account = world.link(&seller).await;
    let answer = open(&world, &seller).await;
    assert_eq!(
        (answer.status, &answer.json()["components"], answer.text("account_id")),
        (200, &json!(LISTS), account.clone()),
        "{}",
        answer.body
    );
    assert_eq!(sent(&world).await["components"]["payouts"]["features"]["standard_payouts"], "true", "Stripe bears its losses");
    let express = world.seller("express@example.com").await;
    world.link_by(&express, "/users/authorize?type=express", None).await;
    let answer = open(&world, &express).await;
    assert_eq!((answer.status, answer.json()["components"].as_array().map(Vec::len)), (200, Some(7)), "{}", answer.body);

    // The owner revoked the platform's access, and the event has not arrived.
    world.admin("POST", &format!("accounts/{account}/deauthorize"), json!({})).await;
    open(&world, &seller).await.is_problem(409, "not_connected", "connect a Stripe account first");
}

#[tokio::test]
async fn what_stripe_refuses_is_said_and_what_fails_is_a_failure() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    world.made_account(&seller, "express", "US").await;
    let refused = "Stripe has no components for this account; use its own pages";
    let failed = "the payment provider could not carry this out; nothing was charged twice, and it is safe to try again";
    let path = "/v1/account_sessions";
    for (fault, expected) in [
        (json!({"kind": "status", "status": 400}), (409, "components_refused", refused)),
        (json!({"kind": "status", "status": 403, "code": "more_permissions_required"}), (502, "payment_provider_error", failed)),
    ] {
        world.fault("POST", path, fault).await;
        open(&world, &seller).await.is_problem(expected.0, expected.1, expected.2);
    }
    let revoked = json!({"kind": "status", "status": 403, "code": "account_invalid"});
    world.fault("POST", path, revoked).await;
    assert_eq!(open(&world, &seller).await.text("code"), "not_connected");
    // An answer that was lost is asked for again, under the same key.
    world.fault("POST", path, json!({"kind": "drop_after"})).await;
    assert_eq!(open(&world, &seller).await.status, 200);
}

#[tokio::test]
async fn who_may_not_have_one_is_told_so_before_stripe_is_asked() {
    let world = World::start().await;
    let (buyer, seller) = (world.buyer("buyer@example.com").await, world.seller("seller@example.com").await);
    let staff = world.staff("staff@example.com").await;
    let path = "/users/me/stripe/session";
    world.post(path, json!({})).await.is_problem(401, "not_signed_in", "log in first");
    let no_seller = "only sellers may do this; ask the staff to make you one";
    open(&world, &buyer).await.is_problem(403, "not_a_seller", no_seller);
    open(&world, &seller).await.is_problem(409, "not_connected", "connect a Stripe account first");
    world.made_account(&seller, "express", "US").await;
    world.asked_stripe().await;

    let foreign = world.post(path, json!({})).cookie(&seller.token).origin("https://elsewhere.example").await;
    assert_eq!((foreign.status, foreign.text("code").as_str()), (403, "foreign_origin"));
    let own = world.post(path, json!({})).cookie(&seller.token).origin("http://localhost:3000").await;
    assert_eq!(own.status, 200, "{}", own.body);
    world.asked_stripe().await;
    // A stolen session alone opens nothing.
    world.pass(Duration::minutes(16)).await;
    open(&world, &seller).await.is_problem(403, "password_required", "enter your password again first: PUT /sessions/current");
    world.enter_password(&seller).await;
    assert_eq!(open(&world, &seller).await.status, 200);
    world.asked_stripe().await;

    world.roles(&seller, Some(false), None).await;
    open(&world, &seller).await.is_problem(403, "not_a_seller", no_seller);
    world.roles(&seller, Some(true), None).await;
    world.enter_password(&staff).await;
    let suspended = json!({"suspended": {"reason": "Sells what is not theirs"}});
    assert_eq!(world.patch(format!("/admin/users/{}", seller.id), suspended).bearer(&staff.token).await.status, 200);
    open(&world, &seller).await.is_problem(401, "not_signed_in", "log in first");
    assert!(world.asked_stripe().await.is_empty());
}
