//! Accounts v2: JSON, `include`, `Stripe-Context`, errors and pages.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use stripe_stand_in::Options;

use crate::client::{Answer, CARD, Stripe, form_body, id, location, send};

const ACCOUNTS: &str = "/v2/core/accounts";

fn request(stripe: &Stripe, method: Method, path: &str) -> RequestBuilder {
    stripe.request(method, path).header("stripe-version", "2026-09-30.endive")
}

async fn post(stripe: &Stripe, path: &str, body: Value) -> Answer {
    send(request(stripe, Method::POST, path).header("content-type", "application/json").body(body.to_string())).await
}

async fn get(stripe: &Stripe, path: &str) -> Answer {
    send(request(stripe, Method::GET, path)).await
}

/// A seller who accepts cards and receives transfers.
fn seller() -> Value {
    json!({
        "contact_email": "seller@example.com",
        "dashboard": "express",
        "display_name": "Ada's courses",
        "identity": {
            "country": "de",
            "entity_type": "individual",
            "individual": {
                "given_name": "Ada",
                "date_of_birth": { "day": 10, "month": 12, "year": 1990 },
                "address": { "country": "DE", "postal_code": "10115" },
                "id_numbers": [{ "type": "de_stn", "value": "secret" }],
            },
        },
        "defaults": { "responsibilities": { "fees_collector": "application", "losses_collector": "application" }, "currency": "eur" },
        "configuration": {
            "merchant": { "capabilities": { "card_payments": { "requested": true } } },
            "recipient": { "capabilities": { "stripe_balance": { "stripe_transfers": { "requested": true } } } },
        },
        "metadata": { "seller": "s1" },
    })
}

/// The code and message of an error, which has no other fields.
fn error(answer: &Answer) -> (u16, String) {
    let error = answer.body["error"].as_object().unwrap();
    assert!(error.keys().all(|name| ["code", "message", "type"].contains(&name.as_str())), "{error:#?}");
    (answer.status, error["code"].as_str().unwrap().to_owned())
}

fn code(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

/// The body with one field changed.
fn with(pointer: &str, value: Value) -> Value {
    let mut body = seller();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = if parent.is_empty() { &mut body } else { body.pointer_mut(parent).unwrap() };
    if value.is_null() {
        drop(parent.as_object_mut().unwrap().remove(name))
    } else {
        parent[name] = value
    }
    body
}

#[tokio::test]
async fn fields_not_included_are_null_even_right_after_they_were_sent() {
    let stripe = Stripe::start().await;
    let made = post(&stripe, ACCOUNTS, seller()).await.ok();
    assert_eq!((&made["object"], &made["applied_configurations"]), (&json!("v2.core.account"), &json!(["merchant", "recipient"])));
    assert_eq!((&made["contact_email"], &made["dashboard"]), (&json!("seller@example.com"), &json!("express")));
    for name in ["configuration", "defaults", "identity", "requirements", "future_requirements"] {
        assert!(made[name].is_null() && made.get(name).is_some(), "{name}: {made:#}");
    }
    assert!(made["created"].as_str().unwrap().ends_with(".000Z"), "{made:#}");
    let path = format!("{ACCOUNTS}/{}", id(&made));
    let seen = get(&stripe, &format!("{path}?include[0]=identity&include[1]=configuration.merchant")).await.ok();
    assert_eq!((&seen["identity"]["country"], &seen["identity"]["individual"]["given_name"]), (&json!("DE"), &json!("Ada")));
    assert_eq!(seen["identity"]["individual"]["date_of_birth"], json!({ "day": 10, "month": 12, "year": 1990 }));
    assert_eq!(seen["identity"]["individual"]["address"]["postal_code"], "10115");
    assert_eq!(seen["identity"]["individual"]["id_numbers"], json!([{ "type": "de_stn" }]));
    assert!(seen["configuration"]["recipient"].is_null() && seen["defaults"].is_null(), "{seen:#}");
    let merchant = &seen["configuration"]["merchant"];
    let past_due = json!({ "status": "restricted", "status_details": [{ "code": "requirements_past_due", "resolution": "provide_info" }] });
    assert_eq!((&merchant["applied"], &merchant["capabilities"]["card_payments"]), (&json!(true), &past_due));

    let all = json!(["configuration.recipient", "defaults", "requirements"]);
    let second = post(&stripe, ACCOUNTS, with("/include", all)).await.ok();
    let responsibilities = &second["defaults"]["responsibilities"];
    assert_eq!(
        (&responsibilities["losses_collector"], &responsibilities["requirements_collector"]),
        (&json!("application"), &json!("stripe"))
    );
    assert_eq!(second["configuration"]["recipient"]["capabilities"]["stripe_balance"]["stripe_transfers"], past_due);
    let entries = second["requirements"]["entries"].as_array().unwrap();
    let named: Vec<&str> = entries.iter().map(|entry| entry["description"].as_str().unwrap()).collect();
    assert!(named.contains(&"identity.individual.surname") && !named.contains(&"identity.individual.given_name"), "{named:?}");
    assert_eq!(second["requirements"]["summary"]["minimum_deadline"]["status"], "past_due");
}

#[tokio::test]
async fn a_seller_goes_through_onboarding_and_is_paid() {
    let stripe = Stripe::start().await;
    let made = post(&stripe, ACCOUNTS, seller()).await.ok();
    let link = json!({
        "account": made["id"],
        "use_case": { "type": "account_onboarding", "account_onboarding": { "refresh_url": "http://localhost/again" } },
    });
    let opened = post(&stripe, "/v2/core/account_links", link).await.ok();
    assert_eq!((&opened["object"], &opened["account"]), (&json!("v2.core.account_link"), &made["id"]));
    assert!(opened["expires_at"].as_str() > opened["created"].as_str(), "{opened:#}");
    let url = opened["url"].as_str().unwrap();
    let page = location(&send(stripe.http.get(url)).await);
    let done = send(form_body(stripe.http.post(page.as_str()), &[("decision", "submit")])).await;
    assert_eq!(done.status, 200, "without a return URL there is no redirect");
    assert_eq!(location(&send(stripe.http.get(url)).await).as_str(), "http://localhost/again", "it opens once");

    let include = "include[0]=configuration.merchant&include[1]=configuration.recipient&include[2]=requirements";
    let seen = get(&stripe, &format!("{ACCOUNTS}/{}?{include}", id(&made))).await.ok();
    let active = json!({ "status": "active", "status_details": [] });
    assert_eq!(seen["configuration"]["merchant"]["capabilities"]["card_payments"], active);
    let balance = &seen["configuration"]["recipient"]["capabilities"]["stripe_balance"];
    assert_eq!((&balance["stripe_transfers"], &balance["payouts"]), (&active, &active));
    assert_eq!((&seen["requirements"]["entries"], &seen["requirements"]["summary"]), (&json!([]), &Value::Null));
    assert!(stripe.event_types(Some(id(&made))).await.contains(&"account.updated".to_owned()));
    // `/v1` returns it in its own format, and can pay it.
    let old = stripe.get(&format!("/v1/accounts/{}", id(&made))).await.ok();
    assert_eq!((&old["object"], &old["type"], &old["charges_enabled"]), (&json!("account"), &json!("express"), &json!(true)));
    assert_eq!((&old["email"], &old["metadata"]["seller"]), (&json!("seller@example.com"), &json!("s1")));
    let form = [
        ("amount", "5000"),
        ("currency", "eur"),
        ("confirm", "true"),
        ("payment_method", "pm_card_visa"),
        ("on_behalf_of", id(&made)),
        ("transfer_data[destination]", id(&made)),
        CARD,
    ];
    assert_eq!(stripe.post("/v1/payment_intents", &form).await.ok()["status"], "succeeded");
    let direct = stripe.request(Method::POST, "/v1/payment_intents").header("stripe-context", id(&made));
    let form = [("amount", "5000"), ("currency", "eur"), ("confirm", "true"), ("payment_method", "pm_card_visa"), CARD];
    let charged = send(form_body(direct, &form)).await.ok();
    assert_eq!(stripe.get_on(id(&made), &format!("/v1/payment_intents/{}", id(&charged))).await.ok()["amount"], 5000);
    stripe.books().await;
}

#[tokio::test]
async fn an_account_can_be_changed_except_for_its_fixed_fields() {
    let stripe = Stripe::start().await;
    let made = post(&stripe, ACCOUNTS, with("/configuration/recipient", Value::Null)).await.ok();
    let path = format!("{ACCOUNTS}/{}", id(&made));
    let change = json!({
        "contact_email": "new@example.com",
        "configuration": { "recipient": { "capabilities": { "stripe_balance": { "stripe_transfers": { "requested": true } } } } },
        "identity": { "individual": { "surname": "L." } },
        "metadata": { "seller": null, "more": "1" },
        "include": ["identity"],
    });
    let changed = post(&stripe, &path, change).await.ok();
    assert_eq!((&changed["contact_email"], &changed["metadata"]), (&json!("new@example.com"), &json!({ "more": "1" })));
    assert_eq!(changed["applied_configurations"], json!(["merchant", "recipient"]));
    assert_eq!(
        (&changed["identity"]["individual"]["given_name"], &changed["identity"]["individual"]["surname"]),
        (&json!("Ada"), &json!("L."))
    );
    for body in [
        json!({ "dashboard": "full" }),
        json!({ "defaults": { "responsibilities": { "fees_collector": "stripe" } } }),
        json!({ "identity": { "country": "FR" } }),
    ] {
        assert_eq!(error(&post(&stripe, &path, body.clone()).await), code(400, "invalid_fields"), "{body}");
    }
    let without = post(&stripe, &path, json!({ "configuration": { "recipient": { "applied": false } } })).await.ok();
    assert_eq!(without["applied_configurations"], json!(["merchant"]));
}

#[tokio::test]
async fn invalid_accounts_are_refused() {
    let stripe = Stripe::start().await;
    let both = |fees: &str, losses: &str| json!({ "fees_collector": fees, "losses_collector": losses });
    let place = "/defaults/responsibilities";
    let express = "account_controller_express_dash_without_application_losses_or_fees";
    let mut full = with(place, both("stripe", "stripe"));
    full["dashboard"] = "full".into();
    post(&stripe, ACCOUNTS, full.clone()).await.ok();
    full["configuration"]["merchant"] = Value::Null;
    full["configuration"].as_object_mut().unwrap().remove("merchant");
    let alone = post(&stripe, ACCOUNTS, full).await;
    assert!(alone.status == 400 && alone.message().starts_with("Losses/Fees collector can only be \"application\""), "{:#}", alone.body);
    let mut none = with(place, both("stripe", "application"));
    none["dashboard"] = "none".into();
    for (body, wanted) in [
        (with(place, both("stripe", "stripe")), express),
        (with(place, both("application", "stripe")), express),
        (none, "invalid_fields"),
        (with("/identity/country", Value::Null), "identity_country_required"),
        (with("/identity/country", json!("QQ")), "country_code_invalid"),
        (with("/defaults", Value::Null), "invalid_fields"),
        (with("/dashboard", json!("standard")), "invalid_fields"),
        (with("/requirements_collector", json!("stripe")), "invalid_fields"),
        (with("/type", json!("express")), "invalid_fields"),
        (with("/include", json!(["everything"])), "invalid_fields"),
        (with("/configuration/merchant/capabilities/card_payments", json!(true)), "invalid_fields"),
    ] {
        assert_eq!(error(&post(&stripe, ACCOUNTS, body.clone()).await), code(400, wanted), "{body}");
    }
    assert_eq!(get(&stripe, ACCOUNTS).await.ok()["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn requests_to_the_newer_api_are_json_with_a_version_and_a_context() {
    let stripe = Stripe::start().await;
    let form = form_body(request(&stripe, Method::POST, ACCOUNTS), &[("dashboard", "express")]);
    assert_eq!(error(&send(form).await), code(400, "invalid_fields"));
    let text = |body: &str| request(&stripe, Method::POST, ACCOUNTS).header("content-type", "application/json").body(body.to_owned());
    for body in ["{", "[]", "\"a\""] {
        assert_eq!(error(&send(text(body)).await), code(400, "invalid_fields"), "{body}");
    }
    assert_eq!(stripe.get(ACCOUNTS).await.status, 400, "no version");
    assert_eq!(stripe.http.get(stripe.url(ACCOUNTS)).header("stripe-version", "2026-09-30.endive").send().await.unwrap().status(), 401);
    // A key belongs to one body.
    let keyed = |body: Value| send(text(&body.to_string()).header("idempotency-key", "k"));
    let first = keyed(seller()).await;
    let again = keyed(seller()).await;
    assert_eq!((&again.body["id"], again.headers["idempotent-replayed"].to_str().unwrap()), (&first.body["id"], "true"));
    let other = keyed(with("/contact_email", json!("other@example.com"))).await;
    assert_eq!((error(&other), &other.body["error"]["type"]), (code(400, "idempotency_error"), &json!("idempotency_error")));
    // The context must be a connected account.
    let made = first.ok();
    let own = |header: &'static str, account: &str| {
        send(request(&stripe, Method::GET, &format!("{ACCOUNTS}/{}", id(&made))).header(header, account.to_owned()))
    };
    assert_eq!(own("stripe-context", id(&made)).await.ok()["id"], made["id"]);
    assert_eq!(own("stripe-account", id(&made)).await.status, 400);
    assert_eq!(own("stripe-context", "acct_nobody").await.status, 403);
    let neighbour = post(&stripe, ACCOUNTS, seller()).await.ok();
    assert_eq!(error(&own("stripe-context", id(&neighbour)).await), code(404, "not_found"));
}

#[tokio::test]
async fn accounts_of_v1_do_not_exist_in_v2() {
    let stripe = Stripe::start().await;
    let old = stripe.account().await;
    let asked = get(&stripe, &format!("{ACCOUNTS}/{old}")).await;
    assert_eq!(
        (error(&asked), asked.message()),
        (code(400, "v1_account_instead_of_v2_account"), "V1 Account ID cannot be used in V2 Account APIs.")
    );
    let case = json!({ "type": "account_onboarding", "account_onboarding": { "refresh_url": "http://localhost/again" } });
    let link = |account: &str, case: Value| json!({ "account": account, "use_case": case });
    let asked = post(&stripe, "/v2/core/account_links", link(&old, case.clone())).await;
    assert_eq!(error(&asked), code(400, "v1_account_instead_of_v2_account"));
    assert_eq!(error(&get(&stripe, &format!("{ACCOUNTS}/acct_nobody")).await), code(404, "not_found"));
    let made = post(&stripe, ACCOUNTS, seller()).await.ok();
    // `configurations` no longer exists, and updates are only for platforms that collect the requirements.
    let mut gone = case.clone();
    gone["account_onboarding"]["configurations"] = json!(["merchant"]);
    assert_eq!(error(&post(&stripe, "/v2/core/account_links", link(id(&made), gone)).await), code(400, "invalid_fields"));
    for (name, value) in [("fields", "past_due"), ("future_requirements", "eventually_due"), ("requirements", "none")] {
        let mut other = case.clone();
        other["account_onboarding"]["collection_options"] = json!({ name: value });
        assert_eq!(error(&post(&stripe, "/v2/core/account_links", link(id(&made), other)).await), code(400, "invalid_fields"), "{name}");
    }
    let update = json!({ "type": "account_update", "account_update": { "refresh_url": "http://localhost/again" } });
    assert_eq!(post(&stripe, "/v2/core/account_links", link(id(&made), update)).await.status, 400);
    assert_eq!(error(&post(&stripe, "/v2/core/account_links", link(id(&made), json!({ "type": "account_onboarding" }))).await).0, 400);
}

#[tokio::test]
async fn page_urls_are_followed_unchanged() {
    let stripe = Stripe::start().await;
    for _ in 0..5 {
        post(&stripe, ACCOUNTS, seller()).await.ok();
    }
    stripe.account().await;
    let all = get(&stripe, ACCOUNTS).await.ok();
    let ids = |page: &Value| page["data"].as_array().unwrap().iter().map(|one| id(one).to_owned()).collect::<Vec<_>>();
    assert_eq!((ids(&all).len(), &all["next_page_url"], all.get("has_more")), (5, &Value::Null, None));
    let mut page = get(&stripe, &format!("{ACCOUNTS}?limit=2&applied_configurations[0]=merchant")).await.ok();
    let (mut seen, mut first) = (ids(&page), page.clone());
    assert!(first["previous_page_url"].is_null());
    while let Some(next) = page["next_page_url"].as_str() {
        let before = page.clone();
        page = get(&stripe, next).await.ok();
        seen.extend(ids(&page));
        first = get(&stripe, page["previous_page_url"].as_str().unwrap()).await.ok();
        assert_eq!(ids(&first), ids(&before));
    }
    assert_eq!(seen, ids(&all));
    assert_eq!(get(&stripe, &format!("{ACCOUNTS}?limit=2&page=nonsense")).await.status, 400);
    assert_eq!(ids(&get(&stripe, &format!("{ACCOUNTS}?applied_configurations[0]=customer")).await.ok()), [] as [String; 0]);

    let path = format!("{ACCOUNTS}/{}/close", seen[0]);
    assert_eq!(post(&stripe, &path, json!({ "applied_configurations": ["merchant"] })).await.status, 400);
    let closed = post(&stripe, &path, json!({ "applied_configurations": ["recipient", "merchant"] })).await.ok();
    assert_eq!(closed["closed"], true);
    assert_eq!(ids(&get(&stripe, ACCOUNTS).await.ok()).len(), 4);
    assert_eq!(ids(&get(&stripe, &format!("{ACCOUNTS}?closed=true")).await.ok()), [seen[0].clone()]);
    assert_eq!(stripe.get(&format!("/v1/accounts/{}", seen[0])).await.ok()["charges_enabled"], false);
}

#[tokio::test]
async fn a_new_platform_cannot_create_v1_accounts() {
    let stripe = Stripe::with(Options { accounts_v1: false, ..Options::default() }).await;
    let refused = stripe.post("/v1/accounts", &[("type", "express")]).await;
    assert_eq!((refused.status, refused.body["error"].get("code")), (400, None));
    assert!(refused.message().starts_with("Stripe no longer recommends Accounts v1 for new Connect integrations."), "{:#}", refused.body);
    let made = post(&stripe, ACCOUNTS, seller()).await.ok();
    stripe.post(&format!("/v1/accounts/{}", id(&made)), &[("metadata[a]", "b")]).await.ok();
    stripe.admin("POST", "settings", json!({ "accounts_v1": true })).await.ok();
    stripe.post("/v1/accounts", &[("type", "express")]).await.ok();
}

#[tokio::test]
async fn an_older_platform_has_no_accounts_of_the_newer_api() {
    let stripe = Stripe::start().await;
    let made = post(&stripe, ACCOUNTS, seller()).await.ok();
    stripe.admin("POST", "settings", json!({ "accounts_v2": false })).await.ok();
    let blocked = code(400, "accounts_v2_access_blocked");
    assert_eq!(error(&post(&stripe, ACCOUNTS, seller()).await), blocked);
    assert_eq!(error(&get(&stripe, ACCOUNTS).await), blocked);
    assert_eq!(error(&get(&stripe, &format!("{ACCOUNTS}/{}", id(&made))).await), blocked);
    stripe.get(&format!("/v1/accounts/{}", id(&made))).await.ok();
}
