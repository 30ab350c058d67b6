//! Which of Stripe's two Accounts APIs makes a seller's account, for new platforms, which have v2
//! alone, and for older ones, which may have v1 alone. Whatever is recorded goes on at its own.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use shared::domain::user::AccountsApi;
use time::Duration;

use crate::harness::{Answer, Person, World};

const V1: [&str; 2] = ["POST /v1/accounts", "POST /v1/account_links"];
const V2: [&str; 2] = ["POST /v2/core/accounts", "POST /v2/core/account_links"];

async fn ask(world: &World, seller: &Person, kind: &str) -> Answer {
    world.enter_password(seller).await;
    world.asked_stripe().await;
    world.post("/users/me/stripe/onboarding", json!({"type": kind})).bearer(&seller.token).await
}

/// Switches the APIs on or off, as Stripe does for a platform.
async fn platform(world: &World, v1: bool, v2: bool) {
    world.admin("POST", "settings", json!({"accounts_v1": v1, "accounts_v2": v2})).await;
}

/// The accounts at Stripe that were created for a seller.
async fn made(world: &World, seller: &Person) -> Vec<Value> {
    let all = world.stripe("/accounts?limit=100", None).await["data"].as_array().expect("a list").clone();
    all.into_iter().filter(|account| account["metadata"]["user_id"] == seller.id.as_str()).collect()
}

/// The findings of this kind that staff see.
async fn findings(world: &World, staff: &Person) -> Vec<Value> {
    let list = world.get("/admin/findings").bearer(&staff.token).await.json();
    list["items"].as_array().expect("a list").iter().filter(|one| one["kind"] == "accounts_refused").cloned().collect()
}

/// Breaks the connection at each try, before or after Stripe has created the account.
async fn lose(world: &World, path: &str, kind: &str) {
    let matches = json!({"method": "POST", "path": path, "exact": true});
    world.admin("POST", "faults", json!({"match": matches, "times": 3, "fault": {"kind": kind}})).await;
}

/// Leaves a seller's request as it was recorded when there was only v1.
async fn forget_api(world: &World, seller: &Person) {
    let key = |text: &str| AttributeValue::S(text.to_owned());
    let update = world.database().update_item().table_name(&world.app.config.table_name);
    let update = update.key("pk", key(&format!("USER#{}", seller.id))).key("sk", key("MADE#express"));
    update.update_expression("REMOVE accounts_api").send().await.expect("the table can be written");
}

async fn linked_by(world: &World, seller: &Person) -> Option<AccountsApi> {
    let user = world.app.store.user(&seller.id.parse().expect("an id")).await.expect("it is read");
    user.and_then(|user| user.stripe).map(|link| link.accounts_api)
}

#[tokio::test]
async fn a_new_platform_makes_accounts_of_v2() {
    let world = World::start().await;
    platform(&world, false, true).await;
    for (kind, configurations, dashboard, collector) in [
        ("standard", json!(["merchant"]), "full", "stripe"),
        ("express", json!(["merchant", "recipient"]), "express", "application"),
        ("custom", json!(["merchant", "recipient"]), "none", "application"),
    ] {
        let seller = world.seller(&format!("{kind}@example.com")).await;
        let answer = ask(&world, &seller, kind).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!((world.asked_stripe().await, linked_by(&world, &seller).await), (V2.map(str::to_owned).to_vec(), Some(AccountsApi::V2)));
        let path = format!("/v2/core/accounts/{}?include[0]=defaults&include[1]=identity", answer.text("account_id"));
        let account = world.stripe(&path, None).await;
        assert_eq!((&account["applied_configurations"], &account["dashboard"]), (&configurations, &json!(dashboard)));
        let responsibilities = &account["defaults"]["responsibilities"];
        let collectors = (&responsibilities["fees_collector"], &responsibilities["losses_collector"]);
        assert_eq!(collectors, (&json!(collector), &json!(collector)), "{account}");
        assert_eq!((&account["contact_email"], &account["identity"]["country"]), (&json!(seller.email), &json!("US")));
        assert_eq!(account["metadata"], json!({"user_id": seller.id, "generation": "1", "stack_id": "under-test"}));
        // The state is read at v1, where its type has the name of old.
        let shown = world.get("/users/me/stripe").bearer(&seller.token).await.json();
        assert_eq!((&shown["account_type"], &shown["capabilities"]["card_payments"]), (&json!(kind), &json!("inactive")));
        assert_eq!(
            (&shown["dashboard"], &shown["fees_collector"], &shown["losses_collector"]),
            (&account["dashboard"], collectors.0, collectors.1)
        );
        world.onboard(&answer.text("url"), "submit").await;
        world.deliver().await;
        world.asked_stripe().await;
        let shown = world.get("/users/me/stripe").bearer(&seller.token).await.json();
        assert_eq!((&shown["charges_enabled"], &shown["details_submitted"]), (&json!(true), &json!(true)), "{shown}");
        assert!(world.asked_stripe().await.is_empty(), "{kind}: account.updated has told, and nothing that was asked for is missing");
    }
}

#[tokio::test]
async fn an_older_platform_makes_accounts_of_v1() {
    let world = World::start().await;
    platform(&world, true, false).await;
    let seller = world.seller("seller@example.com").await;
    let answer = ask(&world, &seller, "express").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(world.asked_stripe().await, [V2[0], V1[0], V1[1]]);
    assert_eq!(linked_by(&world, &seller).await, Some(AccountsApi::V1));
    let again = ask(&world, &seller, "express").await;
    assert_eq!((again.text("account_id"), world.asked_stripe().await), (answer.text("account_id"), vec![V1[1].to_owned()]));
    // Once it has v2, its sellers keep the accounts and the links that they have.
    platform(&world, false, true).await;
    world.delete("/users/me/stripe").bearer(&seller.token).await.is_empty(204);
    assert_eq!(ask(&world, &seller, "express").await.text("account_id"), answer.text("account_id"));
    let asked = world.asked_stripe().await;
    assert_eq!(asked, ["GET /v1/balance".to_owned(), format!("GET /v1/accounts/{}", answer.text("account_id")), V1[1].to_owned()]);
    assert_eq!(made(&world, &seller).await.len(), 1);
}

#[tokio::test]
async fn a_platform_that_may_make_no_accounts_is_told_so_and_its_staff_why() {
    for (api, sentences) in [
        ("auto", vec!["v1: Stripe no longer recommends Accounts v1", "v2: Your platform cannot use Accounts v2."]),
        ("v1", vec!["v1: Stripe no longer recommends Accounts v1"]),
        ("v2", vec!["v2: Your platform cannot use Accounts v2."]),
    ] {
        let world = World::with(&[("ACCOUNTS_API", api)]).await;
        let (staff, seller) = (world.staff("staff@example.com").await, world.seller("seller@example.com").await);
        platform(&world, false, false).await;
        for _ in 0..2 {
            let answer = ask(&world, &seller, "express").await;
            let detail = "no Stripe accounts can be created here at the moment; the staff have been told";
            answer.is_problem(409, "accounts_refused", detail);
            assert_eq!(world.asked_stripe().await.len(), sentences.len(), "{api}");
        }
        let found = findings(&world, &staff).await;
        let reason = found[0]["reason"].as_str().expect("a text");
        let told = reason.lines().zip(&sentences).filter(|(line, sentence)| line.starts_with(**sentence)).count();
        assert_eq!((found.len(), told, reason.lines().count()), (1, sentences.len(), sentences.len()), "{reason}");
        assert!(made(&world, &seller).await.is_empty());
        // What is switched on counts at once.
        platform(&world, true, true).await;
        assert_eq!(ask(&world, &seller, "express").await.status, 200);
        assert_eq!(made(&world, &seller).await.len(), 1);
    }
}

#[tokio::test]
async fn a_key_that_lacks_the_permission_for_v2_asks_v1() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    world
        .fault("POST", "/v2/core/accounts", json!({"kind": "status", "status": 403, "message": "The provided key lacks a permission."}))
        .await;
    assert_eq!(ask(&world, &seller, "express").await.status, 200);
    assert_eq!(world.asked_stripe().await, [V2[0], V1[0], V1[1]]);
}

/// What Stripe allows the platform today says nothing about the request whose answer was lost.
#[tokio::test]
async fn an_account_whose_answer_was_lost_is_found_though_its_api_is_refused_by_now() {
    let refusal = |error: Value| json!({"kind": "raw", "status": 400, "body": json!({"error": error}).to_string()});
    let v1 = refusal(json!({"message": "Create connected accounts with POST /v2/core/accounts instead.", "type": "invalid_request_error"}));
    let v2 = refusal(json!({"message": "Not any more.", "code": "accounts_v2_access_blocked"}));
    for (api, path, refusal) in [("v1", "/v1/accounts", v1), ("v2", "/v2/core/accounts", v2)] {
        let world = World::with(&[("ACCOUNTS_API", api)]).await;
        let seller = world.seller("seller@example.com").await;
        lose(&world, path, "drop_after").await;
        assert_eq!(ask(&world, &seller, "express").await.status, 503);
        world.fault("POST", path, refusal).await;
        let answer = ask(&world, &seller, "express").await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(world.asked_stripe().await[..2], [format!("POST {path}"), format!("GET {path}")]);
        let all = made(&world, &seller).await;
        assert_eq!((all.len(), &all[0]["id"]), (1, &json!(answer.text("account_id"))), "{path}");
    }
}

#[tokio::test]
async fn a_request_that_never_reached_an_api_which_the_platform_lacks_is_made_at_the_other() {
    for late in [Duration::ZERO, Duration::hours(25)] {
        let world = World::start().await;
        let seller = world.seller("seller@example.com").await;
        lose(&world, "/v2/core/accounts", "drop_before").await;
        assert_eq!(ask(&world, &seller, "express").await.status, 503);
        platform(&world, true, false).await;
        world.pass(late).await;
        let answer = ask(&world, &seller, "express").await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!((made(&world, &seller).await.len(), linked_by(&world, &seller).await), (1, Some(AccountsApi::V1)));
    }
}

/// A request recorded by a version that knew v1 alone, as that version wrote it.
#[tokio::test]
async fn a_request_of_an_earlier_version_goes_on_at_v1() {
    for kind in ["drop_before", "drop_after"] {
        let world = World::start().await;
        let seller = world.seller("seller@example.com").await;
        platform(&world, true, false).await;
        lose(&world, "/v1/accounts", kind).await;
        assert_eq!(ask(&world, &seller, "express").await.status, 503);
        platform(&world, true, true).await;
        forget_api(&world, &seller).await;
        let answer = ask(&world, &seller, "express").await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(world.asked_stripe().await, V1);
        assert_eq!((made(&world, &seller).await.len(), linked_by(&world, &seller).await), (1, Some(AccountsApi::V1)));
    }
}

#[tokio::test]
async fn a_lost_account_is_found_on_a_later_page_of_v2() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    lose(&world, "/v2/core/accounts", "drop_after").await;
    assert_eq!(ask(&world, &seller, "express").await.status, 503);
    world.pass(Duration::hours(25)).await;
    for number in 0..100 {
        let other = world.seller(&format!("other{number}@example.com")).await;
        assert_eq!(ask(&world, &other, "custom").await.status, 200);
    }
    let answer = ask(&world, &seller, "express").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let all = made(&world, &seller).await;
    assert_eq!(world.asked_stripe().await.iter().filter(|asked| *asked == "GET /v2/core/accounts").count(), 2);
    assert_eq!((all.len(), linked_by(&world, &seller).await), (0, Some(AccountsApi::V2)), "v1 lists a hundred newer ones first");
    let found = world.stripe(&format!("/accounts/{}", answer.text("account_id")), None).await;
    assert_eq!(found["metadata"]["user_id"], json!(seller.id));
}
