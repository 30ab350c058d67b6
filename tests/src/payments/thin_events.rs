//! Thin events, which Stripe sends for accounts of v2: they do what `account.updated` does.

use operator::endpoints::{self, events};
use serde_json::{Value, json};
use shared::domain::user::AccountState;

use crate::harness::{CONNECT, PLATFORM, Person, THIN, World};

/// A seller with an account of v2 that Stripe has not heard of yet what it needs.
async fn seller(world: &World) -> (Person, String, String) {
    let seller = world.seller("seller@example.com").await;
    let answer = world.post("/users/me/stripe/onboarding", json!({"type": "express"})).bearer(&seller.token).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    (seller, answer.text("account_id"), answer.text("url"))
}

/// As Stripe sends it.
fn thin(kind: &str, account: &str) -> Value {
    json!({
        "id": format!("evt_{kind}"), "object": "v2.core.event", "type": kind, "livemode": false, "created": "2026-11-01T08:00:00.000Z",
        "context": account, "reason": null,
        "related_object": {"id": account, "type": "v2.core.account", "url": format!("/v2/core/accounts/{account}")},
    })
}

/// The account's state that is on record.
async fn recorded(world: &World, seller: &Person) -> AccountState {
    let user = world.app.store.user(&seller.id.parse().expect("an id")).await.expect("it is read");
    user.and_then(|user| user.stripe).expect("it is linked").state
}

/// Whether the record says what Stripe says.
async fn is_current(world: &World, seller: &Person, account: &str) -> bool {
    let state = recorded(world, seller).await;
    let stripes = world.stripe(&format!("/accounts/{account}"), None).await;
    let capabilities = json!(state.capabilities.expect("they are known"));
    let status = |name: &str| stripes["capabilities"].get(name).cloned().unwrap_or_else(|| json!("unrequested"));
    json!(state.charges_enabled) == stripes["charges_enabled"]
        && json!(state.payouts_enabled) == stripes["payouts_enabled"]
        && json!(state.details_submitted) == stripes["details_submitted"]
        && json!(state.requirements.disabled_reason) == stripes["requirements"]["disabled_reason"]
        && json!(state.requirements.past_due) == stripes["requirements"]["past_due"]
        && ["card_payments", "transfers"].iter().all(|name| capabilities[*name] == status(name))
}

#[tokio::test]
async fn each_of_them_takes_in_the_accounts_state_as_often_as_it_comes() {
    let world = World::start().await;
    let (seller, account, url) = seller(&world).await;
    world.onboard(&url, "submit").await;
    assert!(!recorded(&world, &seller).await.charges_enabled, "nothing was delivered");
    let mut enabled = true;
    let kinds = events(endpoints::THIN);
    assert_eq!(kinds.len(), 8);
    for kind in kinds {
        world.asked_stripe().await;
        world.operations();
        world.tell(&thin(kind, &account)).await.is(200, &json!({"received": true}));
        assert!(recorded(&world, &seller).await.charges_enabled == enabled && is_current(&world, &seller, &account).await, "{kind}");
        let asked = world.asked_stripe().await;
        assert_eq!(asked[0], format!("GET /v1/accounts/{account}"), "{kind}");
        let before = recorded(&world, &seller).await;
        assert_eq!(world.tell(&thin(kind, &account)).await.status, 200);
        assert!(recorded(&world, &seller).await.is_like(&before), "{kind}: the second time changes nothing");
        enabled = !enabled;
        world.admin("POST", &format!("accounts/{account}"), json!({"charges_enabled": enabled})).await;
    }
}

#[tokio::test]
async fn what_will_be_required_is_known_from_its_own_event_alone() {
    let kind = "v2.core.account[future_requirements].updated";
    let world = World::start().await;
    let (seller, account, url) = seller(&world).await;
    world.onboard(&url, "submit").await;
    world.deliver().await;
    let alone = async |due: &[&str], later: &[&str]| {
        let event = world.event(kind, |_| true).await.expect("Stripe sends it");
        for _ in 0..2 {
            assert_eq!(world.tell(&event).await.status, 200);
            let AccountState { requirements, future_requirements: future, charges_enabled, .. } = recorded(&world, &seller).await;
            assert_eq!((requirements.currently_due, future.currently_due, charges_enabled), (named(due), named(later), true));
            assert_eq!(future.current_deadline.is_some(), !later.is_empty());
        }
        event["id"].clone()
    };
    let path = format!("accounts/{account}/requirements");
    world.admin("POST", &path, json!({"demand": ["individual.id_number"], "seconds": 86_400, "later": true})).await;
    let announced = alone(&[], &["individual.id_number"]).await;
    // Its time comes.
    world.pass(time::Duration::days(2)).await;
    world.stripe(&format!("/accounts/{account}"), None).await;
    assert_ne!(alone(&["individual.id_number"], &[]).await, announced);
}

fn named(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn what_concerns_nobody_here_is_acknowledged() {
    let world = World::start().await;
    let (seller, account, url) = seller(&world).await;
    world.onboard(&url, "submit").await;
    let before = recorded(&world, &seller).await;
    let kind = "v2.core.account[requirements].updated";
    world.asked_stripe().await;
    let mut live = thin(kind, &account);
    live["livemode"] = true.into();
    let mut without = thin(kind, &account);
    without.as_object_mut().expect("an object").remove("related_object");
    without["context"] = Value::Null;
    let mut ping = thin("v2.core.event_destination.ping", &account);
    ping["related_object"] = json!({"id": "ed_1", "type": "v2.core.event_destination", "url": "/v2/core/event_destinations/ed_1"});
    let types = ["v2.core.account_link.returned", "v2.core.account.sneezed"].map(|kind| thin(kind, &account));
    for event in [thin(kind, "acct_nobodys"), live, without, ping, json!({"object": "v2.core.event"})].iter().chain(&types) {
        world.tell(event).await.is(200, &json!({"received": true}));
    }
    assert!(world.asked_stripe().await.is_empty(), "Stripe is not even asked");
    assert_eq!(recorded(&world, &seller).await, before);
    // Each secret is for its own address.
    let event = thin(kind, &account).to_string();
    for (path, secret) in [(PLATFORM.0, THIN.1), (THIN.0, PLATFORM.1), (THIN.0, "whsec_other")] {
        world.send_event((path, secret), &event).await.is_problem(400, "bad_signature", "the signature is invalid");
    }
    assert_eq!(recorded(&world, &seller).await, before);
    // One that lost the account's name is found by its context, and a snapshot's secret signs both forms.
    let mut event = thin(kind, &account);
    event["related_object"] = Value::Null;
    assert_eq!(world.send_event(CONNECT, &event.to_string()).await.status, 200);
    assert!(is_current(&world, &seller, &account).await);
}

#[tokio::test]
async fn if_stripe_cannot_be_asked_the_event_must_come_again() {
    let world = World::start().await;
    let (seller, account, url) = seller(&world).await;
    world.onboard(&url, "submit").await;
    let event = thin("v2.core.account[configuration.merchant].capability_status_updated", &account);
    for _ in 0..3 {
        world.fault("GET", &format!("/v1/accounts/{account}"), json!({"kind": "status", "status": 500})).await;
    }
    assert!(world.tell(&event).await.status >= 500);
    assert_eq!(world.tell(&event).await.status, 200);
    assert!(is_current(&world, &seller, &account).await);
    // The seller is gone at Stripe, which has an event of its own.
    world.admin("POST", &format!("accounts/{account}/deauthorize"), json!({})).await;
    assert_eq!(world.tell(&event).await.status, 200);
}

/// How the events reach the function: which forms, and whether three times and in any order.
const WAYS: [(&[&str], bool); 6] = [
    (&["snapshot", "thin"], false),
    (&["snapshot"], false),
    (&["thin"], false),
    (&["snapshot", "thin"], true),
    (&["thin"], true),
    // All are lost, so it is asked for.
    (&[], false),
];

/// Sends only these forms to the functions.
async fn only(world: &World, forms: &[&str]) {
    let set = world.admin("GET", "webhooks", json!({})).await["endpoints"].take();
    let is_wanted = |one: &&Value| forms.contains(&if one["thin"] == true { "thin" } else { "snapshot" });
    let kept: Vec<&Value> = set.as_array().expect("a list").iter().filter(is_wanted).collect();
    world.admin("PUT", "webhooks", json!({"endpoints": kept})).await;
}

#[tokio::test]
async fn an_account_is_followed_from_onboarding_to_its_end_whatever_happens_to_its_events() {
    for (forms, often) in WAYS {
        let way = format!("{forms:?}, {}", if often { "often" } else { "once" });
        let world = World::start().await;
        only(&world, forms).await;
        let disturb = json!({"hold": true, "duplicate": if often { 2 } else { 0 }, "shuffle": often, "own_clock": true});
        let (seller, account, url) = seller(&world).await;
        let settle = async |step: &str, charges: bool| {
            world.deliver().await;
            world.admin("POST", "webhooks/mode", disturb.clone()).await;
            if forms.is_empty() {
                world.pass(time::Duration::hours(25)).await;
                world.reconcile().await;
            }
            let state = recorded(&world, &seller).await;
            assert!(is_current(&world, &seller, &account).await, "{way}, {step}: {state:?}");
            assert_eq!(state.charges_enabled, charges, "{way}, {step}");
        };
        world.admin("POST", "webhooks/mode", disturb.clone()).await;
        world.onboard(&url, "submit").await;
        settle("onboarding", true).await;
        let requirements = format!("accounts/{account}/requirements");
        world.admin("POST", &requirements, json!({"demand": ["individual.verification.document"], "seconds": 60})).await;
        world.pass(time::Duration::minutes(2)).await;
        world.stripe(&format!("/accounts/{account}"), None).await;
        settle("restriction", false).await;
        let failure =
            json!({"requirement": "individual.verification.document", "code": "verification_document_not_readable", "reason": "…"});
        world.admin("POST", &requirements, json!({"verdict": "failed", "failure": failure})).await;
        world.admin("POST", &requirements, json!({"verdict": "complete"})).await;
        settle("recovery", true).await;
        let url = format!("{}/v2/core/accounts/{account}/close", world.app.config.stripe_api_base);
        let request = world.app.http.post(url).bearer_auth("sk_test_local").header("stripe-version", shared::stripe::API_VERSION);
        let body = json!({"applied_configurations": ["recipient", "merchant"]}).to_string();
        let closed = request.header("content-type", "application/json").body(body).send().await.expect("the stand-in runs");
        assert_eq!(closed.status().as_u16(), 200);
        settle("closing", false).await;
    }
}
