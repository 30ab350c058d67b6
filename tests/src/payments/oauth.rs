//! Connecting a Stripe account, and everything that can go wrong. None of it ever causes a 500 or uses up a code
//! unnecessarily.

use futures_util::future::join_all;
use serde_json::{Value, json};
use time::Duration;

use crate::harness::{Answer, Consent, PASSWORD, Person, World, patience_with};

const STOREFRONT: &str = "http://localhost:3000/";

/// Returns from Stripe with or without a session.
async fn come_back(world: &World, consent: &Consent, session: Option<&str>) -> Answer {
    let cookie = match session {
        Some(token) => format!("session={token}; {}", consent.cookie),
        None => consent.cookie.clone(),
    };
    world.get(consent.path.as_str()).header("cookie", cookie).await
}

#[track_caller]
fn ends_with(answer: &Answer, reason: &str) {
    assert_eq!(answer.status, 302, "{}", answer.body);
    assert_eq!(answer.header("location"), Some(format!("{STOREFRONT}?connect=error&reason={reason}").as_str()));
}

async fn stripe_of(world: &World, person: &Person) -> Value {
    world.get("/users/me").bearer(&person.token).await.json()["stripe"].clone()
}

/// How often a code was exchanged since the last call.
async fn trades(world: &World) -> usize {
    world.asked_stripe().await.iter().filter(|one| one.contains("/oauth/token")).count()
}

async fn start(world: &World, seller: &Person) -> Consent {
    let authorize = world.get("/users/authorize").cookie(&seller.token).await;
    world.consent(authorize, "allow").await
}

#[tokio::test]
async fn a_seller_is_sent_to_stripe_with_a_state_bound_to_the_browser() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    let answer = world.get("/users/authorize").cookie(&seller.token).await;
    assert_eq!(answer.status, 302, "{}", answer.body);
    let location = answer.header("location").expect("it sends on");
    let url = url::Url::parse(location).expect("it is a URL");
    assert!(location.starts_with(&format!("{}/oauth/authorize?", world.app.config.stripe_connect_base)));
    let query: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let names: Vec<&str> = query.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["response_type", "scope", "client_id", "redirect_uri", "state"]);
    assert_eq!((query[0].1.as_str(), query[1].1.as_str(), query[2].1.as_str()), ("code", "read_write", "ca_local"));
    assert_eq!(query[3].1, "http://localhost:9000/users/oauth/callback");
    let cookie = answer.header("set-cookie").expect("it binds the browser");
    assert!(
        cookie.starts_with("oauth=") && cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && cookie.contains("Max-Age=600")
    );
    assert!(!world.stored().await.contains(&query[4].1), "the state is stored as a digest");
}

#[tokio::test]
async fn users_who_may_not_link_are_refused() {
    let world = World::with(&[("OAUTH_SCOPE", "read_only")]).await;
    let buyer = world.buyer("buyer@example.com").await;
    world.get("/users/authorize").cookie(&buyer.token).await.is_problem(
        403,
        "not_a_seller",
        "only sellers may do this; ask the staff to make you one",
    );
    let signed_out = world.get("/users/authorize").header("accept", "text/html,*/*").await;
    assert_eq!((signed_out.status, signed_out.header("location")), (302, Some("http://localhost:3000/login.html?next=authorize")));
    let client = world.get("/users/authorize").header("accept", "application/json").await;
    client.is_problem(401, "not_signed_in", "log in first");
    let seller = world.seller("seller@example.com").await;
    let answer = world.get("/users/authorize").cookie(&seller.token).await;
    assert!(answer.header("location").is_some_and(|location| location.contains("scope=read_only")));
}

#[tokio::test]
async fn tokens_are_stored_sealed_and_the_link_is_shown() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    let account = world.link(&seller).await;
    let link = stripe_of(&world, &seller).await;
    let expected = json!({
        "connected": true, "account_id": account, "account_type": "standard", "charges_enabled": true,
        "scope": "read_write", "livemode": false,
    });
    assert_eq!(link, expected);
    let stored = world.stored().await;
    for secret in ["access_token", "refresh_token", "sk_acct", "sk_test", "rt_"] {
        assert!(!stored.contains(secret), "{secret} is in the table");
    }
    let id = seller.id.parse().expect("an id");
    let sealed = world.app.store.sealed_tokens(&id).await.expect("the table").expect("they are stored");
    let opened = shared::settings::seal::open(&world.payments.oauth.token_keys.last(), &id, &sealed).expect("they open for their owner");
    let opened: Value = serde_json::from_str(&opened).expect("it is JSON");
    for name in ["access_token", "refresh_token", "stripe_publishable_key", "scope"] {
        assert!(opened[name].as_str().is_some_and(|value| !value.is_empty()), "{name} is missing");
    }
}

#[tokio::test]
async fn thirty_callbacks_with_one_code_make_one_link_and_one_exchange() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    let consent = start(&world, &seller).await;
    trades(&world).await;
    let answers = join_all((0..30).map(|_| come_back(&world, &consent, Some(&seller.token)))).await;
    let linked = answers.iter().filter(|answer| answer.header("location").is_some_and(|location| location.ends_with("connect=success")));
    assert_eq!(linked.count(), 1);
    assert!(answers.iter().all(|answer| answer.status == 302));
    assert_eq!(trades(&world).await, 1);
    assert_eq!(stripe_of(&world, &seller).await["connected"], true);
}

#[tokio::test]
async fn wrong_turns_link_nothing_and_spend_no_code() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    let other = world.seller("other@example.com").await;
    let buyer = world.buyer("buyer@example.com").await;
    let consent = start(&world, &seller).await;
    trades(&world).await;
    let callback = "/users/oauth/callback";
    let with = |path: String, token: &str| {
        let cookie = format!("session={token}; {}", consent.cookie);
        world.get(path).header("cookie", cookie)
    };
    let token = seller.token.as_str();
    ends_with(&with(format!("{callback}?error=access_denied&error_description=no"), token).await, "access_denied");
    ends_with(&with(format!("{callback}?error=server_error&state=x"), token).await, "invalid_request");
    ends_with(&with(callback.to_owned(), token).await, "missing_state");
    ends_with(&with(format!("{callback}?code=ac_1"), token).await, "missing_state");
    ends_with(&with(format!("{callback}?code=ac_1&state=made-up"), token).await, "invalid_state");
    ends_with(&with(format!("{callback}?state=made-up"), token).await, "invalid_request");
    ends_with(&with(format!("{}&code=ac_2", consent.path), token).await, "invalid_request");
    ends_with(&with(format!("{}&state=again", consent.path), token).await, "invalid_request");
    ends_with(&with(format!("{callback}?code=%ff%00&state=%ff"), token).await, "invalid_state");
    ends_with(&with(consent.path.clone(), &other.token).await, "wrong_user");
    ends_with(&with(consent.path.clone(), &buyer.token).await, "wrong_user");
    ends_with(&come_back(&world, &consent, None).await, "signed_out");
    let stranger = world.get(consent.path.as_str()).cookie(token).await;
    ends_with(&stranger, "wrong_browser");
    world.roles(&seller, Some(false), None).await;
    ends_with(&come_back(&world, &consent, Some(token)).await, "not_a_seller");
    world.roles(&seller, Some(true), None).await;
    assert_eq!(trades(&world).await, 0);
    // Nothing was used up, so the correct request still works.
    let right = come_back(&world, &consent, Some(token)).await;
    assert_eq!(right.header("location"), Some("http://localhost:3000/?connect=success"));
    ends_with(&come_back(&world, &consent, Some(token)).await, "invalid_state");
}

#[tokio::test]
async fn a_state_lives_ten_minutes() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    let consent = start(&world, &seller).await;
    trades(&world).await;
    world.app.clock.advance(Duration::seconds(601));
    ends_with(&come_back(&world, &consent, Some(&seller.token)).await, "expired_state");
    assert_eq!(trades(&world).await, 0);
}

#[tokio::test]
async fn a_denial_at_stripe_comes_back_as_one() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    let authorize = world.get("/users/authorize").cookie(&seller.token).await;
    let consent = world.consent(authorize, "deny").await;
    ends_with(&come_back(&world, &consent, Some(&seller.token)).await, "access_denied");
    assert_eq!(stripe_of(&world, &seller).await["connected"], false);
}

#[tokio::test]
async fn stripes_failure_during_the_exchange_is_only_a_reason() {
    for (fault, reason) in [
        (json!({"kind": "html", "status": 502}), "stripe_unavailable"),
        (json!({"kind": "drop_after"}), "stripe_unavailable"),
        (json!({"kind": "no_answer"}), "stripe_unavailable"),
        (json!({"kind": "raw", "status": 200, "body": "<html>"}), "stripe_unavailable"),
        (
            json!({"kind": "raw", "status": 400, "content_type": "application/json", "body": "{\"error\":\"invalid_grant\"}"}),
            "invalid_grant",
        ),
        (
            json!({"kind": "raw", "status": 401, "content_type": "application/json", "body": "{\"error\":\"invalid_client\"}"}),
            "stripe_error",
        ),
    ] {
        let world = World::with(&[("STRIPE_TIMEOUT_MS", patience_with(&fault))]).await;
        let seller = world.seller("seller@example.com").await;
        let consent = start(&world, &seller).await;
        trades(&world).await;
        world.fault("POST", "/oauth/token", fault.clone()).await;
        ends_with(&come_back(&world, &consent, Some(&seller.token)).await, reason);
        assert_eq!(trades(&world).await, 1, "{fault}: a code is exchanged at most once");
        assert_eq!(stripe_of(&world, &seller).await["connected"], false, "{fault}");
        // The seller can try again.
        world.link(&seller).await;
    }
}

#[tokio::test]
async fn a_used_code_is_an_invalid_grant() {
    let world = World::start().await;
    let (first, second) = (world.seller("one@example.com").await, world.seller("two@example.com").await);
    let spent = start(&world, &first).await;
    let code = spent.path.split(['?', '&']).find(|pair| pair.starts_with("code=")).expect("a code").to_owned();
    come_back(&world, &spent, Some(&first.token)).await;
    let fresh = start(&world, &second).await;
    let path: Vec<&str> = fresh.path.split(['?', '&']).map(|pair| if pair.starts_with("code=") { code.as_str() } else { pair }).collect();
    let forged = Consent { path: format!("{}?{}", path[0], path[1..].join("&")), cookie: fresh.cookie };
    ends_with(&come_back(&world, &forged, Some(&second.token)).await, "invalid_grant");
    assert_eq!(stripe_of(&world, &second).await["connected"], false);
}

#[tokio::test]
async fn one_account_belongs_to_one_seller_until_it_is_disconnected() {
    let world = World::start().await;
    let (first, second) = (world.seller("one@example.com").await, world.seller("two@example.com").await);
    let account = world.link(&first).await;
    // The consent page offers the existing account first.
    let consent = start(&world, &second).await;
    let taken = come_back(&world, &consent, Some(&second.token)).await;
    if taken.header("location").is_some_and(|location| location.ends_with("connect=success")) {
        assert_ne!(stripe_of(&world, &second).await["account_id"], json!(account));
    } else {
        ends_with(&taken, "account_taken");
    }
    let linked_already = start(&world, &first).await;
    ends_with(&come_back(&world, &linked_already, Some(&first.token)).await, "already_linked");

    world.delete("/users/me/stripe").bearer(&first.token).await.is_empty(204);
    assert_eq!(stripe_of(&world, &first).await["connected"], false);
    let id = first.id.parse().expect("an id");
    assert!(world.app.store.sealed_tokens(&id).await.expect("the table").is_none(), "the tokens are deleted");
    world.delete("/users/me/stripe").bearer(&first.token).await.is_empty(204);
    world.link(&first).await;
    // The late event of the disconnection does not undo the new link.
    world.deliver().await;
    assert_eq!(stripe_of(&world, &first).await["connected"], true);
}

#[tokio::test]
async fn an_unreported_revocation_does_not_prevent_a_new_link() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    let account = world.link(&seller).await;
    world.admin("POST", "webhooks/mode", json!({"drop_next": 100, "own_clock": true})).await;
    world.admin("POST", &format!("accounts/{account}/deauthorize"), json!({})).await;
    assert_eq!(world.link_by(&seller, "/users/authorize", Some(&account)).await, account);
    assert_eq!(stripe_of(&world, &seller).await["connected"], true);
}

#[tokio::test]
async fn a_disconnection_that_stripe_refuses_changes_nothing() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    world.link(&seller).await;
    world.fault("POST", "/oauth/deauthorize", json!({"kind": "html_503"})).await;
    let answer = world.delete("/users/me/stripe").bearer(&seller.token).await;
    assert_eq!((answer.status, answer.text("code")), (503, "payment_provider_unavailable".to_owned()));
    assert_eq!(stripe_of(&world, &seller).await["connected"], true);
    world.delete("/users/me/stripe").bearer(&seller.token).await.is_empty(204);
}

#[tokio::test]
async fn a_401_does_not_prove_that_access_was_revoked() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    let account = world.link(&seller).await;
    // As if the client id belonged to another application.
    let body = json!({"error": "invalid_client", "error_description": "No application matches the supplied client identifier"}).to_string();
    for _ in 0..2 {
        world
            .fault("POST", "/oauth/deauthorize", json!({"kind": "raw", "status": 401, "content_type": "application/json", "body": body}))
            .await;
    }
    let answer = world.delete("/users/me/stripe").bearer(&seller.token).await;
    assert_eq!(answer.status, 502, "{}", answer.body);
    assert_eq!(stripe_of(&world, &seller).await["connected"], true);
    world.admin("DELETE", "faults", json!({})).await;
    // The seller revoked access, and the event was lost. Stripe's response is the same, so the link ends.
    world.admin("POST", "webhooks/mode", json!({"drop_next": 100, "own_clock": true})).await;
    world.admin("POST", &format!("accounts/{account}/deauthorize"), json!({})).await;
    world.delete("/users/me/stripe").bearer(&seller.token).await.is_empty(204);
    assert_eq!(stripe_of(&world, &seller).await["connected"], false);
}

#[tokio::test]
async fn a_standard_account_that_the_platform_made_is_its_sellers_and_is_deauthorized() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    for (kind, asked) in [("standard", 1), ("express", 0)] {
        let made = world.post("/users/me/stripe/onboarding", json!({"type": kind})).bearer(&seller.token).await;
        assert_eq!(made.status, 200, "{}", made.body);
        world.asked_stripe().await;
        world.delete("/users/me/stripe").bearer(&seller.token).await.is_empty(204);
        let deauthorized = world.asked_stripe().await.into_iter().filter(|call| call == "POST /oauth/deauthorize").count();
        assert_eq!(deauthorized, asked, "{kind}");
        assert_eq!(stripe_of(&world, &seller).await["connected"], false);
    }
}

/// The flow starts on another site: the browser arrives with a URL and no session.
async fn elsewhere(world: &World, seller: &Person) -> Consent {
    let answer = world.call("POST", "/users/authorize").bearer(&seller.token).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let url = answer.text("url");
    let path = url.strip_prefix("http://localhost:9000").expect("it is ours").to_owned();
    let first = world.get(path.as_str()).await;
    let again = world.get(path.as_str()).await;
    assert_eq!((again.status, again.text("code")), (404, "not_found".to_owned()), "the URL works once");
    world.consent(first, "allow").await
}

#[tokio::test]
async fn a_link_from_another_site_waits_for_its_user() {
    let world = World::start().await;
    let (seller, thief) = (world.seller("seller@example.com").await, world.seller("thief@example.com").await);
    let consent = elsewhere(&world, &seller).await;
    let answer = come_back(&world, &consent, None).await;
    let location = answer.header("location").expect("it sends on");
    let code = location.strip_prefix("http://localhost:3000/?connect=confirm&code=").unwrap_or_else(|| panic!("{location}")).to_owned();
    assert_eq!(stripe_of(&world, &seller).await["connected"], false, "nothing is linked yet");
    let confirm = |token: String, code: String| {
        let world = &world;
        async move { world.post("/users/oauth/confirm", json!({"code": code})).bearer(&token).await }
    };
    confirm(thief.token.clone(), code.clone()).await.is_problem(410, "confirmation_gone", "this confirmation has expired; connect again");
    let answers = join_all((0..5).map(|_| confirm(seller.token.clone(), code.clone()))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert!(answers.iter().all(|answer| [200, 410].contains(&answer.status)));
    assert_eq!(stripe_of(&world, &seller).await["connected"], true);
    assert_eq!(stripe_of(&world, &thief).await["connected"], false);
}

#[tokio::test]
async fn a_lured_victim_links_nothing() {
    let world = World::start().await;
    let (attacker, victim) = (world.seller("attacker@example.com").await, world.seller("victim@example.com").await);
    let consent = elsewhere(&world, &attacker).await;
    trades(&world).await;
    // The victim is logged in: the code is not exchanged.
    ends_with(&come_back(&world, &consent, Some(&victim.token)).await, "wrong_user");
    assert_eq!(trades(&world).await, 0);
    // The victim is not logged in: the link is parked for the attacker, who never sees the code.
    let answer = come_back(&world, &consent, None).await;
    assert!(answer.header("location").is_some_and(|location| location.contains("connect=confirm")));
    for person in [&attacker, &victim] {
        assert_eq!(stripe_of(&world, person).await["connected"], false);
    }
    // A parked link expires after ten minutes.
    let code = answer.header("location").and_then(|location| location.rsplit("code=").next()).expect("a code").to_owned();
    world.app.clock.advance(Duration::seconds(601));
    let late = world.post("/users/oauth/confirm", json!({"code": code})).bearer(&attacker.token).await;
    assert_eq!((late.status, late.text("code")), (410, "confirmation_gone".to_owned()));
}

/// Everything that decides where a seller's money goes.
async fn money_moves(world: &World, token: &str, course: &str, payee: &str) -> Vec<Answer> {
    let payees = json!({"payees": [{"seller": payee, "share": 100}]});
    vec![
        world.patch(format!("/courses/{course}"), payees).bearer(token).await,
        world.get("/users/authorize").bearer(token).header("accept", "application/json").await,
        world.post("/users/authorize", json!({})).bearer(token).await,
        world.post("/users/me/stripe/onboarding", json!({"type": "express"})).bearer(token).await,
        world.post("/users/me/stripe/dashboard", json!({})).bearer(token).await,
        world.delete("/users/me/stripe").bearer(token).await,
    ]
}

#[tokio::test]
async fn a_stolen_session_does_not_decide_where_the_money_goes() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    let thief = world.seller("thief@example.com").await;
    for one in [&seller, &thief] {
        world.link(one).await;
    }
    let course = world.course(&seller, "Flask Microservices", 5000, "usd", 33).await;
    let slug = course["slug"].as_str().expect("a slug").to_owned();
    let fresh = world.log_in(&seller).await;
    world.pass(Duration::minutes(15)).await;
    world.asked_stripe().await;
    for answer in money_moves(&world, &seller.token, &slug, &thief.id).await {
        answer.is_problem(403, "password_required", "enter your password again first: PUT /sessions/current");
    }
    let browser = world.get("/users/authorize?type=express").cookie(&seller.token).header("accept", "text/html").await;
    assert_eq!(browser.header("location"), Some("http://localhost:3000/login.html?next=authorize-express&again=1"));
    assert_eq!(world.asked_stripe().await, Vec::<String>::new());

    let enter = |token: &str, password: &str| world.put("/sessions/current", json!({"current_password": password})).bearer(token);
    enter(&seller.token, "wrong password").await.is_problem(401, "bad_credentials", "the e-mail or the password is wrong");
    world.put("/sessions/current", json!({})).bearer(&seller.token).await.is_problem(
        422,
        "invalid_request",
        "missing field `current_password` at line 1 column 2",
    );
    for answer in money_moves(&world, &seller.token, &slug, &thief.id).await {
        assert_eq!(answer.status, 403, "{}", answer.body);
    }
    // The password counts for the session in which it was entered.
    enter(&fresh, PASSWORD).await.is_empty(204);
    for answer in money_moves(&world, &seller.token, &slug, &thief.id).await {
        assert_eq!(answer.status, 403, "{}", answer.body);
    }
    let statuses: Vec<u16> = money_moves(&world, &fresh, &slug, &thief.id).await.iter().map(|answer| answer.status).collect();
    // A Standard account has neither a form of ours nor an Express Dashboard.
    assert_eq!(statuses, [200, 302, 200, 409, 409, 204]);

    world.pass(Duration::minutes(15)).await;
    assert_eq!(world.post("/users/authorize", json!({})).bearer(&fresh).await.status, 403, "a quarter of an hour later");
    enter(&fresh, PASSWORD).await.is_empty(204);
    assert_eq!(world.post("/users/authorize", json!({})).bearer(&fresh).await.status, 200);
    // It neither begins a session nor extends one.
    world.delete("/sessions/current").bearer(&fresh).await.is_empty(204);
    enter(&fresh, PASSWORD).await.is_problem(401, "not_signed_in", "log in first");
    enter("none", PASSWORD).await.is_problem(401, "not_signed_in", "log in first");
}

#[tokio::test]
async fn a_seller_gets_a_mail_about_each_connected_and_disconnected_account() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    world.pump().await;
    world.mailbox().clear();
    let told = async |subject: &str, account: &str| {
        world.pump().await;
        world.sweep().await;
        let mails = world.mails_to(&seller.email);
        world.mailbox().clear();
        assert_eq!(mails.len(), 1, "{mails:?}");
        assert_eq!(mails[0].subject, subject);
        assert!(mails[0].text.contains(account) && mails[0].text.contains("/forgot.html"), "{}", mails[0].text);
    };
    let (connected, disconnected) = ("A Stripe account was connected", "Your Stripe account was disconnected");
    let first = world.link(&seller).await;
    told(connected, &first).await;
    world.delete("/users/me/stripe").bearer(&seller.token).await.is_empty(204);
    world.deliver().await;
    told(disconnected, &first).await;
    let second = world.made_account(&seller, "express", "US").await;
    told(connected, &second).await;
    world.delete("/users/me/stripe").bearer(&seller.token).await.is_empty(204);
    told(disconnected, &second).await;
    // Revoked at Stripe.
    let third = world.link(&seller).await;
    told(connected, &third).await;
    world.pass(Duration::minutes(2)).await;
    world.admin("POST", &format!("accounts/{third}/deauthorize"), json!({})).await;
    world.deliver().await;
    told(disconnected, &third).await;
}
