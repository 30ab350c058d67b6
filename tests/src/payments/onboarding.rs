//! Accounts that the platform creates: each is created once, and used according to its own state.

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::join_all;
use serde_json::{Value, json};
use shared::domain::user::AccountState;
use shared::work::accounts::take_in;
use time::Duration;

use crate::harness::{Answer, Person, World, assert_shape};

const CARD: &str = "pm_card_visa";

/// Both of Stripe's Accounts APIs: `ACCOUNTS_API`, where accounts are created, and where links.
const APIS: [(&str, &str, &str); 2] = [("v1", "/v1/accounts", "/v1/account_links"), ("v2", "/v2/core/accounts", "/v2/core/account_links")];

async fn ask(world: &World, seller: &Person, body: Value) -> Answer {
    world.post("/users/me/stripe/onboarding", body).bearer(&seller.token).await
}

async fn stands(world: &World, seller: &Person) -> Value {
    let answer = world.get("/users/me/stripe").bearer(&seller.token).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

/// The accounts at Stripe, by id.
async fn accounts(world: &World) -> Vec<Value> {
    world.stripe("/accounts?limit=100", None).await["data"].as_array().expect("it is a list").clone()
}

async fn account_of(world: &World, seller: &Person, kind: &str) -> String {
    let answer = ask(world, seller, json!({"type": kind})).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.text("account_id")
}

#[tokio::test]
async fn an_account_sells_once_its_own_state_says_so() {
    for (api, creations, links) in APIS {
        sells_once_its_state_says_so(api, creations, links).await;
    }
}

async fn sells_once_its_state_says_so(api: &str, creations: &str, links: &str) {
    let fees_collector = if api == "v1" { "application_express" } else { "application" };
    let world = World::with(&[("ACCOUNTS_API", api)]).await;
    let seller = world.seller("seller@example.com").await;
    let buyer = world.buyer("buyer@example.com").await;
    let course = world.course(&seller, "Django", 4000, "usd", 50).await;
    let course = course["id"].as_str().expect("an id");
    assert_eq!(stands(&world, &seller).await, json!({"connected": false}));
    world.asked_stripe().await;
    world.operations();

    let answer = ask(&world, &seller, json!({"type": "express"})).await;
    let [url, account] = ["url", "account_id"].map(|name| answer.text(name));
    assert_shape(&answer.json(), &json!({"url": "[any]", "expires_at": "[time]", "account_id": account}));
    assert_eq!(world.asked_stripe().await, [format!("POST {creations}"), format!("POST {links}")]);
    assert_eq!(world.operations(), ["BatchGetItem", "Query", "Query", "GetItem", "TransactWriteItems", "TransactWriteItems"]);
    let due = stands(&world, &seller).await;
    assert_shape(
        &due,
        &json!({
            "connected": true, "account_id": account, "account_type": "express", "made_by_platform": true, "country": "US",
            "sells": false, "lacks": "transfers",
            "dashboard": "express", "fees_collector": fees_collector, "losses_collector": "application",
            "charges_enabled": false, "charges_disabled_since": "[time]", "payouts_enabled": false, "payouts_disabled_since": "[time]",
            "details_submitted": false,
            "capabilities": {"card_payments": "inactive", "transfers": "inactive"},
            "requirements": {
                "currently_due": "[any]", "past_due": "[any]", "eventually_due": "[any]", "pending_verification": [],
                "disabled_reason": "requirements.past_due", "current_deadline": null, "missing": "[any]", "errors": [],
            },
            "future_requirements": {"currently_due": [], "current_deadline": null},
            "scope": "read_write", "livemode": false, "linked_at": "[time]",
        }),
    );
    assert!(due["requirements"]["currently_due"].as_array().is_some_and(|due| due.contains(&json!("external_account"))));

    let refused = async || {
        let answer = world.buy(&buyer, course, CARD).await;
        let detail = "the seller of this course cannot be paid at the moment: their Stripe account lacks the capability transfers";
        assert_eq!((answer.status, answer.text("code").as_str()), (409, "seller_capability_missing"), "{}", answer.body);
        assert_eq!((answer.text("detail").as_str(), answer.text("capability").as_str()), (detail, "transfers"));
    };
    refused().await;
    // Returning from the page does not mean that onboarding is complete.
    assert_eq!(world.onboard(&url, "later").await, "http://localhost:3000/seller.html?onboarding=return");
    stands(&world, &seller).await;
    refused().await;
    assert!(world.succeeded(None).await.is_empty());

    // A used link leads to the refresh URL, which creates a new one.
    assert_eq!(world.onboard(&url, "submit").await, "http://localhost:3000/seller.html?onboarding=refresh");
    let again = ask(&world, &seller, json!({"type": "express", "country": "US"})).await;
    assert_eq!(again.text("account_id"), account);
    world.onboard(&again.text("url"), "submit").await;
    world.deliver().await;
    world.asked_stripe().await;
    let settled = stands(&world, &seller).await;
    assert_eq!(
        (&settled["charges_enabled"], &settled["payouts_enabled"], &settled["details_submitted"]),
        (&json!(true), &json!(true), &json!(true))
    );
    assert_eq!(settled["capabilities"], json!({"card_payments": "active", "transfers": "active"}));
    assert!(world.asked_stripe().await.is_empty(), "its events have told");
    let sold = world.buy(&buyer, course, CARD).await;
    assert_eq!(sold.status, 201, "{}", sold.body);
    assert_eq!(world.succeeded(None).await[0]["transfer_data"]["destination"], json!(account));
}

#[tokio::test]
async fn while_something_is_missing_stripe_is_asked_each_time() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    let url = ask(&world, &seller, json!({"type": "express"})).await.text("url");
    world.onboard(&url, "submit").await;
    world.asked_stripe().await;
    world.operations();
    // No event has arrived.
    assert_eq!(stands(&world, &seller).await["charges_enabled"], true);
    let asked = world.asked_stripe().await;
    assert!(asked.len() == 1 && asked[0].starts_with("GET /v1/accounts/acct_"), "{asked:?}");
    assert_eq!(world.operations(), ["BatchGetItem", "TransactWriteItems"]);
    stands(&world, &seller).await;
    assert!(world.asked_stripe().await.is_empty());
    assert_eq!(world.operations(), ["BatchGetItem"]);

    // Stripe requires more information and sends an event.
    let account = stands(&world, &seller).await["account_id"].as_str().expect("an id").to_owned();
    let demand = json!({"demand": ["individual.verification.document"], "seconds": 3600});
    world.admin("POST", &format!("accounts/{account}/requirements"), demand).await;
    world.deliver().await;
    world.fault("GET", "/v1/accounts", json!({"kind": "status", "status": 400, "message": "no"})).await;
    let asked = stands(&world, &seller).await;
    assert_eq!(asked["requirements"]["currently_due"], json!(["individual.verification.document"]), "what was heard, where Stripe fails");
    assert!(asked["requirements"]["current_deadline"].is_string());
    assert_eq!(asked["charges_enabled"], true);
    world.pass(Duration::hours(2)).await;
    assert_eq!(stands(&world, &seller).await["charges_enabled"], false);
}

#[tokio::test]
async fn an_older_answer_does_not_replace_a_newer_one() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    let account = account_of(&world, &seller, "express").await;
    let user = seller.id.parse().expect("an id");
    let recorded =
        async || world.app.store.user(&user).await.expect("it is read").and_then(|user| user.stripe).expect("it is linked").state;
    let first = recorded().await;
    let mut newer = first.clone();
    (newer.charges_enabled, newer.asked_at) = (true, newer.asked_at + 5);
    let stored = world.app.store.user(&user).await.expect("it is read").expect("they are there");
    let heard = async |seen: Option<&AccountState>, said: &AccountState| {
        let seen = seen.map(|state| {
            let mut seller = stored.clone();
            seller.stripe.as_mut().expect("it is linked").state = state.clone();
            seller
        });
        let now = take_in(&world.app, &user, &account, seen, said).await.expect("it is taken in").expect("it is linked");
        assert_eq!(now, recorded().await);
        now
    };
    // Whether the caller has read the record, or has read one that was replaced since, or has not read it.
    assert!(heard(Some(&first), &newer).await.charges_enabled);
    for seen in [Some(&first), None] {
        assert!(heard(seen, &first).await.charges_enabled, "{seen:?}");
    }
    newer.asked_at += 1;
    newer.charges_enabled = false;
    assert!(!heard(Some(&first), &newer).await.charges_enabled, "a newer answer is recorded, whatever was recorded in between");
    let me = world.get("/users/me").bearer(&seller.token).await.json();
    assert_eq!(me["stripe"]["charges_enabled"], false);
    // A state that follows another than the one on record is not written.
    let stale = first.following(&first);
    assert_ne!(world.app.store.set_account_state(&user, &account, &stale, None).await.expect("the table"), shared::store::Written::Yes);
}

#[tokio::test]
async fn what_is_missing_is_told_with_the_time_since_when_until_it_is_provided() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    let account = account_of(&world, &seller, "express").await;
    let stands = async || {
        let bearer = world.log_in(&seller).await;
        world.get("/users/me/stripe").bearer(&bearer).await.json()
    };
    let since = |stand: &Value, name: &str| {
        let missing = stand["requirements"]["missing"].as_array().expect("a list");
        missing.iter().find(|one| one["name"] == name).map(|one| one["since"].clone())
    };
    let first = stands().await;
    let began = first["charges_disabled_since"].clone();
    assert!(began.is_string() && began == first["payouts_disabled_since"], "{first}");
    // What is missing may be heard of a moment later than what is disabled.
    let missing = since(&first, "external_account").expect("it is missing");
    assert!(missing.as_str() >= began.as_str(), "{first}");
    let names: Vec<&Value> = first["requirements"]["missing"].as_array().expect("a list").iter().map(|one| &one["name"]).collect();
    assert_eq!(json!(names), first["requirements"]["past_due"], "each once, although it is currently due as well");

    // Later, in the page and by an event, it is still the same.
    world.pass(Duration::hours(30)).await;
    world.admin("POST", &format!("accounts/{account}"), json!({"email": "other@example.com"})).await;
    world.deliver().await;
    let later = stands().await;
    assert_eq!((&later["charges_disabled_since"], &later["payouts_disabled_since"]), (&began, &began));
    assert_eq!(since(&later, "external_account"), Some(missing));

    let url = world.post("/users/me/stripe/onboarding", json!({"type": "express"})).bearer(&world.log_in(&seller).await).await.text("url");
    world.onboard(&url, "submit").await;
    world.deliver().await;
    let settled = stands().await;
    assert_eq!((&settled["charges_disabled_since"], &settled["payouts_disabled_since"]), (&Value::Null, &Value::Null));
    assert_eq!(settled["requirements"]["missing"], json!([]));

    // What is required next begins anew, each at its own time.
    let demand = async |names: Value| {
        world.admin("POST", &format!("accounts/{account}/requirements"), json!({"demand": names, "seconds": 3 * 86_400})).await;
        world.deliver().await;
        stands().await
    };
    world.pass(Duration::days(1)).await;
    let one = demand(json!(["individual.id_number"])).await;
    let id_number = since(&one, "individual.id_number").expect("it is missing");
    assert!(id_number.as_str() > began.as_str() && one["charges_disabled_since"].is_null(), "{one}");
    world.pass(Duration::days(1)).await;
    let two = demand(json!(["individual.verification.document"])).await;
    let document = since(&two, "individual.verification.document").expect("it is missing");
    assert_eq!(since(&two, "individual.id_number"), Some(id_number.clone()), "{two}");
    assert!(document.as_str() > id_number.as_str(), "{two}");

    // Stripe stops charges when the time is up, and says so.
    world.pass(Duration::days(4)).await;
    let stopped = stands().await;
    assert!(stopped["charges_enabled"] == false && stopped["charges_disabled_since"].as_str() > document.as_str(), "{stopped}");
    assert_eq!(since(&stopped, "individual.id_number"), Some(id_number));
}

#[tokio::test]
async fn what_was_wrong_and_what_will_be_required_is_told_as_stripe_says_it() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    let account = world.made_account(&seller, "express", "US").await;
    let heard = async |body: Value| {
        world.admin("POST", &format!("accounts/{account}/requirements"), body).await;
        world.deliver().await;
        let bearer = world.log_in(&seller).await;
        world.get("/users/me/stripe").bearer(&bearer).await.json()
    };
    let reason = "The image was <b>blurred</b>.";
    let failure = json!({"requirement": "individual.verification.document", "code": "verification_document_too_blurry", "reason": reason});
    let failed = heard(json!({"verdict": "failed", "failure": failure})).await;
    assert_eq!(failed["requirements"]["errors"], json!([failure]));
    assert_eq!(failed["requirements"]["missing"][0]["name"], failure["requirement"]);

    heard(json!({"verdict": "complete"})).await;
    let later = json!({"demand": ["individual.id_number"], "seconds": 30 * 86_400, "later": true});
    let told = heard(later).await;
    assert_eq!((&told["requirements"]["errors"], &told["requirements"]["missing"]), (&json!([]), &json!([])), "{told}");
    assert_eq!((&told["sells"], &told["future_requirements"]["currently_due"]), (&json!(true), &json!(["individual.id_number"])));
    let from = told["future_requirements"]["current_deadline"].as_str().expect("a time").to_owned();
    world.pass(Duration::days(31)).await;
    let due = heard(json!({})).await;
    assert_eq!(due["future_requirements"], json!({"currently_due": [], "current_deadline": null}));
    assert_eq!(due["requirements"]["missing"][0]["name"], "individual.id_number");
    assert!(due["requirements"]["missing"][0]["since"].as_str() >= Some(&*from), "{due}");
}

#[tokio::test]
async fn since_when_is_not_known_of_what_an_earlier_version_recorded() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    account_of(&world, &seller, "express").await;
    assert!(stands(&world, &seller).await["charges_disabled_since"].is_string());
    let update = world.database().update_item().table_name(&world.app.config.table_name);
    let update = update.key("pk", AttributeValue::S(format!("USER#{}", seller.id))).key("sk", AttributeValue::S("PROFILE".to_owned()));
    update
        .update_expression("REMOVE stripe.since, stripe.version, stripe.requirements.errors, stripe.future_requirements")
        .send()
        .await
        .expect("the table can be written");
    let shown = stands(&world, &seller).await;
    assert_eq!((&shown["charges_disabled_since"], &shown["payouts_disabled_since"]), (&Value::Null, &Value::Null), "{shown}");
    assert!(shown["requirements"]["missing"].as_array().is_some_and(|all| all.iter().all(|one| one["since"].is_null())), "{shown}");
}

#[tokio::test]
async fn an_account_event_that_comes_late_or_slowly_does_not_bring_back_the_past() {
    let world = World::start().await;
    let shop = world.shop().await;
    let set = async |enabled: bool| {
        world.admin("POST", &format!("accounts/{}", shop.account), json!({"charges_enabled": enabled})).await;
        world.event("account.updated", |account| account["charges_enabled"] == enabled).await.expect("it happened")
    };
    let enabled = async || world.get("/users/me").bearer(&shop.seller.token).await.json()["stripe"]["charges_enabled"].clone();
    let (closed, open) = (set(false).await, set(true).await);
    for event in [&open, &closed, &closed, &open, &closed] {
        assert_eq!(world.tell(event).await.status, 200);
        assert_eq!(enabled().await, true, "what counts is how the account stands");
    }

    // Stripe reads the account for one event before a change, but that response arrives after the next event's.
    let path = format!("/v1/accounts/{}", shop.account);
    let closed = set(false).await;
    world.asked_stripe().await;
    world.fault("GET", &path, json!({"kind": "delay_after", "ms": 1000})).await;
    let late = async { assert_eq!(world.tell(&closed).await.status, 200) };
    let meanwhile = async {
        while world.admin("GET", "requests", json!({})).await["requests"].as_array().is_none_or(Vec::is_empty) {}
        let open = set(true).await;
        assert_eq!((world.tell(&open).await.status, enabled().await), (200, json!(true)));
    };
    tokio::join!(late, meanwhile);
    assert_eq!(enabled().await, true);
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, CARD).await.status, 201);

    // If Stripe cannot be reached, the event is retried.
    let closed = set(false).await;
    let outage = json!({"match": {"method": "GET", "path": path}, "times": 3, "fault": {"kind": "html_503"}});
    world.admin("POST", "faults", outage).await;
    assert_eq!((world.tell(&closed).await.status, enabled().await), (503, json!(true)));
    assert_eq!((world.tell(&closed).await.status, enabled().await), (200, json!(false)));
}

#[tokio::test]
async fn however_often_and_at_once_it_is_asked_one_account_is_made() {
    for (api, ..) in APIS {
        let world = World::with(&[("ACCOUNTS_API", api)]).await;
        let seller = world.seller("seller@example.com").await;
        let answers = join_all((0..8).map(|_| ask(&world, &seller, json!({"type": "custom"})))).await;
        let made = accounts(&world).await;
        assert_eq!(made.len(), 1, "{made:?}");
        for answer in &answers {
            // A request that meets the first one at Stripe is told to retry.
            assert!(matches!(answer.status, 200 | 503), "{} {}", answer.status, answer.body);
            if answer.status == 200 {
                assert_eq!(json!(answer.text("account_id")), made[0]["id"]);
            }
        }
        assert!(answers.iter().any(|answer| answer.status == 200));
        assert_eq!(made[0]["metadata"], json!({"user_id": seller.id, "generation": "1", "stack_id": "under-test"}));
        assert_eq!(json!(account_of(&world, &seller, "custom").await), made[0]["id"]);
    }
}

#[tokio::test]
async fn an_account_whose_answer_was_lost_is_found() {
    let lost = [json!({"kind": "drop_after"}), json!({"kind": "status_after", "status": 500}), json!({"kind": "truncate"})];
    let cases = [0, 30].into_iter().flat_map(|hours| lost.iter().map(move |fault| (hours, fault)));
    for ((wait, fault), (api, creations, _)) in cases.flat_map(|case| APIS.map(|api| (case, api))) {
        let world = World::with(&[("ACCOUNTS_API", api)]).await;
        let seller = world.seller("seller@example.com").await;
        let faults: Vec<Value> =
            (0..3).map(|_| json!({"match": {"method": "POST", "path": creations, "exact": true}, "fault": fault})).collect();
        world.admin("POST", "faults", json!(faults)).await;
        let first = ask(&world, &seller, json!({"type": "express"})).await;
        world.admin("DELETE", "faults", json!({})).await;
        if first.status != 200 {
            assert_eq!(stands(&world, &seller).await, json!({"connected": false}), "{fault}");
        }
        world.pass(Duration::hours(wait)).await;
        let account = world.log_in(&seller).await;
        let answer = world.post("/users/me/stripe/onboarding", json!({"type": "express"})).bearer(&account).await;
        assert_eq!(answer.status, 200, "{fault} {}", answer.body);
        let made = accounts(&world).await;
        assert_eq!((made.len(), &made[0]["id"]), (1, &json!(answer.text("account_id"))), "{api}: {fault} after {wait} hours");
    }
}

#[tokio::test]
async fn an_account_that_was_never_made_is_begun_anew() {
    let faults =
        [json!({"kind": "status", "status": 500}), json!({"kind": "status", "status": 400, "code": "account_rate_limit_exceeded"})];
    for (fault, (api, creations, _)) in faults.into_iter().flat_map(|fault| APIS.map(|api| (fault.clone(), api))) {
        let world = World::with(&[("ACCOUNTS_API", api)]).await;
        let seller = world.seller("seller@example.com").await;
        world.fault("POST", creations, fault.clone()).await;
        let first = ask(&world, &seller, json!({"type": "express", "country": "FR"})).await;
        if first.status != 200 {
            first.is_problem(
                502,
                "payment_provider_error",
                "the payment provider could not carry this out; nothing was charged twice, and it is safe to try again",
            );
            assert!(accounts(&world).await.is_empty());
        }
        let answer = ask(&world, &seller, json!({"type": "express", "country": "DE"})).await;
        let made = accounts(&world).await;
        assert_eq!(made.len(), 1);
        // What Stripe may have created is completed; what it refused is not.
        let (status, country) = if first.status == 200 { (409, "FR") } else { (200, "DE") };
        assert_eq!(
            (answer.status, &made[0]["country"], &made[0]["metadata"]["generation"]),
            (status, &json!(country), &json!("2")),
            "{api}: {fault}"
        );
    }
}

#[tokio::test]
async fn a_country_without_such_accounts_is_the_requests_mistake() {
    for (api, ..) in APIS {
        let world = World::with(&[("ACCOUNTS_API", api)]).await;
        let seller = world.seller("seller@example.com").await;
        let answer = ask(&world, &seller, json!({"type": "express", "country": "QQ"})).await;
        answer.is_problem(422, "invalid_request", "country: Stripe makes no such account in QQ");
        account_of(&world, &seller, "express").await;
    }
}

#[tokio::test]
async fn who_may_not_have_an_account_is_told_so() {
    let world = World::start().await;
    let buyer = world.buyer("buyer@example.com").await;
    let nobody = world.post("/users/me/stripe/onboarding", json!({"type": "express"})).await;
    nobody.is_problem(401, "not_signed_in", "log in first");
    let no_seller = "only sellers may do this; ask the staff to make you one";
    ask(&world, &buyer, json!({"type": "express"})).await.is_problem(403, "not_a_seller", no_seller);
    for path in ["/users/me/stripe", "/users/me/stripe/balance"] {
        world.get(path).bearer(&buyer.token).await.is_problem(403, "not_a_seller", no_seller);
    }
    let seller = world.seller("seller@example.com").await;
    for country in ["us", "USA", "U1", ""] {
        let answer = ask(&world, &seller, json!({"type": "express", "country": country})).await;
        answer.is_problem(422, "invalid_request", "country must be two upper-case letters, such as US");
    }
    assert_eq!(ask(&world, &seller, json!({"type": "premium"})).await.status, 422);
    let foreign = world.post("/users/me/stripe/onboarding", json!({"type": "express"})).cookie(&seller.token);
    assert_eq!(foreign.origin("https://elsewhere.example").await.text("code"), "foreign_origin");
    assert!(accounts(&world).await.is_empty());

    for (path, method) in [("/users/me/stripe/dashboard", "POST"), ("/users/me/stripe/balance", "GET")] {
        world.call(method, path).bearer(&seller.token).await.is_problem(409, "not_connected", "connect a Stripe account first");
    }
    let taken = "another Stripe account is already connected; disconnect it first";
    account_of(&world, &seller, "express").await;
    ask(&world, &seller, json!({"type": "custom"})).await.is_problem(409, "already_connected", taken);
    ask(&world, &seller, json!({"type": "express", "country": "DE"})).await.is_problem(409, "already_connected", taken);
    // An account connected through OAuth is completed by its owner at Stripe.
    let other = world.seller("other@example.com").await;
    world.link(&other).await;
    for kind in ["standard", "express"] {
        ask(&world, &other, json!({"type": kind})).await.is_problem(409, "already_connected", taken);
    }
    assert_eq!(accounts(&world).await.len(), 2);
}

#[tokio::test]
async fn an_unlinked_account_comes_back_and_its_sales_can_be_refunded_meanwhile() {
    let world = World::with(&[("CHARGE_TYPE", "direct")]).await;
    let seller = world.seller("seller@example.com").await;
    let account = world.made_account(&seller, "express", "US").await;
    let course = world.course(&seller, "Django", 4000, "usd", 50).await;
    let course = course["id"].as_str().expect("an id");
    let buyer = world.buyer("buyer@example.com").await;
    let sold = world.buy(&buyer, course, CARD).await.json();
    let purchase = sold["purchase"]["id"].as_str().unwrap_or_else(|| panic!("{sold}"));

    world.asked_stripe().await;
    world.delete("/users/me/stripe").bearer(&seller.token).await.is_empty(204);
    assert_eq!(world.asked_stripe().await, ["GET /v1/balance"], "nobody else's access is given up");
    assert_eq!(stands(&world, &seller).await, json!({"connected": false}));
    let other = world.buyer("other@example.com").await;
    assert_eq!(world.buy(&other, course, CARD).await.text("code"), "seller_not_connected");
    let refund = world.post(format!("/purchases/{purchase}/refund"), json!({"amount": 1000})).bearer(&seller.token).await;
    assert_eq!((refund.status, &refund.json()["refunded"]), (200, &json!(1000)), "{}", refund.body);

    assert_eq!(account_of(&world, &seller, "express").await, account);
    assert_eq!(world.buy(&other, course, CARD).await.status, 201);
    assert_eq!(accounts(&world).await.len(), 1);
    // A different country requires a new account, as does an old account that is gone at Stripe.
    world.delete("/users/me/stripe").bearer(&seller.token).await.is_empty(204);
    let abroad = ask(&world, &seller, json!({"type": "express", "country": "DE"})).await.text("account_id");
    assert_ne!(abroad, account);
    world.admin("POST", &format!("accounts/{abroad}/deauthorize"), json!({})).await;
    world.delete("/users/me/stripe").bearer(&seller.token).await.is_empty(204);
    let third = account_of(&world, &seller, "express").await;
    assert!(third != account && third != abroad);
    world.books().await;
}

#[tokio::test]
async fn no_more_than_five_accounts_of_a_type_are_made_for_a_seller() {
    let world = World::start().await;
    let (seller, other) = (world.seller("seller@example.com").await, world.seller("other@example.com").await);
    let unlink = async |seller: &Person| {
        world.delete("/users/me/stripe").bearer(&seller.token).await.is_empty(204);
    };
    let of_country = |country: &'static str| json!({"type": "express", "country": country});
    let refused = async |seller: &Person, country: &'static str| {
        let detail = "5 Stripe accounts of this type have been created for you, the maximum; ask the platform, or continue with the latest";
        ask(&world, seller, of_country(country)).await.is_problem(409, "too_many_accounts", detail);
    };
    // One in another country than the account before. What Stripe refuses makes none.
    let mut latest = String::new();
    for country in ["US", "DE", "US", "DE"] {
        world.fault("POST", "/v2/core/accounts", json!({"kind": "status", "status": 400, "message": "no"})).await;
        assert_eq!(ask(&world, &seller, of_country(country)).await.status, 502);
        latest = ask(&world, &seller, of_country(country)).await.text("account_id");
        unlink(&seller).await;
    }
    assert_eq!(accounts(&world).await.len(), 4);
    // All at once, for the fifth.
    join_all(["US", "FR", "US", "FR"].map(|country| ask(&world, &seller, of_country(country)))).await;
    let fifth = stands(&world, &seller).await;
    assert_ne!(fifth["account_id"], json!(latest));
    unlink(&seller).await;
    world.asked_stripe().await;
    refused(&seller, "DE").await;
    refused(&seller, "IT").await;
    assert_eq!(world.asked_stripe().await, ["GET /v1/balance"; 10]);
    assert_eq!(accounts(&world).await.len(), 5);
    // The latest comes back, and the other types have accounts of their own.
    assert_eq!(account_of(&world, &seller, "express").await, fifth["account_id"].as_str().expect("an id"));
    unlink(&seller).await;
    account_of(&world, &seller, "custom").await;

    // One whose owner took the platform's access to the account before.
    for _ in 0..5 {
        let account = account_of(&world, &other, "express").await;
        world.admin("POST", &format!("accounts/{account}/deauthorize"), json!({})).await;
        unlink(&other).await;
    }
    for _ in 0..2 {
        refused(&other, "US").await;
    }
    // Stripe lists those no more to which the platform has no access.
    assert_eq!(accounts(&world).await.len(), 5 + 1);
}

#[tokio::test]
async fn an_account_of_one_seller_is_no_other_sellers() {
    let world = World::start().await;
    let (seller, other) = (world.seller("seller@example.com").await, world.seller("other@example.com").await);
    let account = account_of(&world, &seller, "standard").await;
    let (mine, theirs) = (seller.id.parse().expect("an id"), other.id.parse().expect("an id"));
    let link = world.app.store.user(&mine).await.expect("it is read").and_then(|user| user.stripe).expect("it is linked");
    let tokens = shared::domain::sealed::SealedTokens { key_id: "k1".into(), sealed: String::new() };
    let linked = world.app.store.link(&theirs, &link, &tokens).await.expect("the table is there");
    assert_eq!((linked, link.account_id), (shared::store::links::Linked::AccountTaken, account));
    assert_eq!(stands(&world, &other).await, json!({"connected": false}));
}

#[tokio::test]
async fn the_express_dashboard_opens_once_for_its_owner() {
    let world = World::start().await;
    let open = async |seller: &Person| world.post("/users/me/stripe/dashboard", json!({})).bearer(&seller.token).await;
    let seller = world.seller("seller@example.com").await;
    let url = ask(&world, &seller, json!({"type": "express"})).await.text("url");
    open(&seller).await.is_problem(409, "onboarding_unfinished", "finish setting up your Stripe account first");
    world.fault("POST", "/v1/accounts", json!({"kind": "status", "status": 403, "message": "The key lacks a permission."})).await;
    let refused = open(&seller).await;
    assert_eq!((refused.status, refused.text("code").as_str()), (502, "payment_provider_error"), "that is not the seller's to finish");
    world.onboard(&url, "submit").await;
    world.asked_stripe().await;
    world.operations();
    let (first, second) = (open(&seller).await, open(&seller).await);
    assert_eq!((first.status, second.status), (200, 200), "{}", first.body);
    assert_ne!(first.text("url"), second.text("url"));
    assert_eq!(world.operations(), ["BatchGetItem", "BatchGetItem"]);
    assert_eq!(world.asked_stripe().await.len(), 2);
    for status in [200, 404] {
        assert_eq!(world.app.http.get(first.text("url")).send().await.expect("the page is there").status().as_u16(), status);
    }
    for kind in ["custom", "standard"] {
        let other = world.seller(&format!("{kind}@example.com")).await;
        world.made_account(&other, kind, "US").await;
        let detail = "this account has no Express Dashboard; its owner signs in at Stripe";
        open(&other).await.is_problem(409, "no_express_dashboard", detail);
    }
}

#[tokio::test]
async fn a_custom_account_can_be_looked_over_once_nothing_is_due() {
    for (api, ..) in APIS {
        looked_over_once_nothing_is_due(api).await;
    }
}

async fn looked_over_once_nothing_is_due(api: &str) {
    let world = World::with(&[("ACCOUNTS_API", api)]).await;
    let seller = world.seller("seller@example.com").await;
    let account = world.made_account(&seller, "custom", "US").await;
    let demand = async |demand: Value| {
        world.admin("POST", &format!("accounts/{account}/requirements"), demand).await;
        world.deliver().await;
    };
    // Goes through a form, which must collect this. Returns what is due then, will be at some point, and will be at a known time.
    let submitted = async |kind: &str, collects: Value| {
        let bearer = world.log_in(&seller).await;
        let answer = world.post("/users/me/stripe/onboarding", json!({"type": "custom"})).bearer(&bearer).await;
        let log = world.admin("GET", "requests", json!({})).await;
        let sent = &log["requests"].as_array().and_then(|all| all.last()).expect("a request")["params"];
        let (of, options) = match api {
            "v1" => (&sent["type"], &sent["collection_options"]),
            _ => (&sent["use_case"]["type"], &sent["use_case"][kind]["collection_options"]),
        };
        assert_eq!((of, options), (&json!(kind), &collects), "{api}");
        world.onboard(&answer.text("url"), "submit").await;
        world.deliver().await;
        let stand = world.get("/users/me/stripe").bearer(&bearer).await.json();
        let wanted = &stand["requirements"];
        json!([wanted["missing"], wanted["eventually_due"], stand["future_requirements"]["currently_due"]])
    };
    demand(json!({"demand": ["individual.id_number"], "seconds": 30 * 86_400, "later": true})).await;
    demand(json!({"demand": ["individual.phone"], "eventually": true})).await;
    demand(json!({"demand": ["individual.verification.document"], "seconds": 86_400})).await;
    let left = submitted("account_onboarding", json!({"fields": "currently_due"})).await;
    assert_eq!(left, json!([[], ["individual.phone"], ["individual.id_number"]]), "{api}: the form asks for what is due, and no more");
    let all = json!({"fields": "eventually_due", "future_requirements": "include"});
    assert_eq!(submitted("account_update", all.clone()).await, json!([[], [], []]), "{api}: it is provided ahead of time");
    world.pass(Duration::days(31)).await;
    assert_eq!(submitted("account_update", all).await, json!([[], [], []]), "{api}: so it is never missing");
}

#[tokio::test]
async fn a_seller_sees_balance_and_payouts() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    let account = world.made_account(&seller, "express", "US").await;
    let course = world.course(&seller, "Django", 4000, "usd", 50).await;
    let buyer = world.buyer("buyer@example.com").await;
    assert_eq!(world.buy(&buyer, course["id"].as_str().expect("an id"), "pm_card_bypassPending").await.status, 201);
    let read = async || world.get("/users/me/stripe/balance").bearer(&seller.token).await.json();
    assert_eq!(
        read().await,
        json!({"available": [{"amount": 2000, "currency": "usd"}], "pending": [{"amount": 0, "currency": "usd"}], "payouts": []})
    );
    let made = world.admin("POST", &format!("accounts/{account}/payout"), json!({})).await;
    world.asked_stripe().await;
    let paid = read().await;
    assert_eq!(world.asked_stripe().await.len(), 2);
    assert_eq!((&paid["available"][0]["amount"], &paid["pending"][0]["amount"]), (&json!(0), &json!(0)));
    let payout =
        json!({"id": "[any]", "amount": 2000, "currency": "usd", "status": "pending", "arrival_date": "[time]", "created_at": "[time]"});
    assert_shape(&paid["payouts"], &json!([payout]));
    let id = paid["payouts"][0]["id"].as_str().expect("an id");
    assert!(made.to_string().contains(id), "{made}");
    world.admin("POST", &format!("payouts/{id}/fail"), json!({"reason": "account_closed"})).await;
    assert_eq!(read().await["payouts"][0]["failure_code"], "account_closed");
    // Without access, the balance cannot be read.
    world.admin("POST", &format!("accounts/{account}/deauthorize"), json!({})).await;
    assert_eq!(world.get("/users/me/stripe/balance").bearer(&seller.token).await.text("code"), "not_connected");
}

#[tokio::test]
async fn a_state_that_no_event_reported_is_found_with_the_list_of_accounts() {
    let world = World::start().await;
    let (seller, other) = (world.seller("seller@example.com").await, world.seller("other@example.com").await);
    let account = world.made_account(&seller, "express", "US").await;
    world.made_account(&other, "express", "US").await;
    let state = async |person: &Person| {
        let user = world.app.store.user(&person.id.parse().expect("an id")).await.expect("the table").expect("they are there");
        user.stripe.expect("it is linked").state
    };
    let before = state(&other).await;
    let demand = json!({"demand": ["individual.verification.document"], "seconds": 86_400});
    world.admin("POST", &format!("accounts/{account}/requirements"), demand).await;
    world.reconcile().await;
    assert_eq!(state(&seller).await.requirements.currently_due, ["individual.verification.document"]);
    assert_eq!(state(&other).await, before, "it is written only if it says something new");
    // The deadline passes.
    world.pass(Duration::days(2)).await;
    world.reconcile().await;
    assert_eq!(state(&seller).await.stopped_by(), Some("requirements.past_due"));
}
