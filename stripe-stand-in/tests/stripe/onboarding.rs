//! Accounts that the platform creates: their requirements, the page where they provide them, and their capabilities.

use serde_json::{Value, json};

use crate::client::{Answer, CARD, Stripe, form_body, id, location, send};

const BACK: &str = "http://localhost:3000/return";
const AGAIN: &str = "http://localhost:3000/refresh";

async fn make(stripe: &Stripe, kind: &str) -> String {
    let form = [
        ("type", kind),
        ("country", "US"),
        ("email", "s@example.com"),
        ("capabilities[card_payments][requested]", "true"),
        ("capabilities[transfers][requested]", "true"),
    ];
    id(&stripe.post("/v1/accounts", &form).await.ok()).to_owned()
}

async fn account(stripe: &Stripe, id: &str) -> Value {
    stripe.get(&format!("/v1/accounts/{id}")).await.ok()
}

async fn link(stripe: &Stripe, account: &str) -> Answer {
    let form = [("account", account), ("refresh_url", AGAIN), ("return_url", BACK), ("type", "account_onboarding")];
    stripe.post("/v1/account_links", &form).await
}

async fn open(stripe: &Stripe, url: &str) -> Answer {
    send(stripe.http.get(url)).await
}

/// Opens a link and submits its page. Returns where the browser is sent.
async fn go_through(stripe: &Stripe, account: &str, decision: &str) -> String {
    let link = link(stripe, account).await.ok();
    let page = location(&open(stripe, link["url"].as_str().unwrap()).await);
    assert_eq!(open(stripe, page.as_str()).await.status, 200);
    location(&send(form_body(stripe.http.post(page), &[("decision", decision)])).await).to_string()
}

fn due(account: &Value, list: &str) -> usize {
    account["requirements"][list].as_array().unwrap().len()
}

#[tokio::test]
async fn a_new_account_can_do_nothing_until_onboarding_is_complete() {
    let stripe = Stripe::start().await;
    for kind in ["express", "standard", "custom"] {
        let seller = make(&stripe, kind).await;
        let before = account(&stripe, &seller).await;
        assert_eq!(
            (&before["type"], &before["charges_enabled"], &before["details_submitted"]),
            (&json!(kind), &json!(false), &json!(false))
        );
        assert_eq!(before["capabilities"], json!({ "card_payments": "inactive", "transfers": "inactive" }));
        let controller = &before["controller"];
        let (fees, dashboard) = match kind {
            "standard" => ("account", "full"),
            "express" => ("application_express", "express"),
            _ => ("application_custom", "none"),
        };
        assert_eq!((&controller["type"], &controller["is_controller"]), (&json!("application"), &json!(true)));
        assert_eq!((&controller["fees"]["payer"], &controller["stripe_dashboard"]["type"]), (&json!(fees), &json!(dashboard)));
        assert_eq!(before["requirements"]["disabled_reason"], "requirements.past_due");
        assert!(due(&before, "currently_due") > 5 && due(&before, "past_due") > 5 && due(&before, "eventually_due") > 5);
        let pay = [("amount", "5000"), ("currency", "usd"), ("transfer_data[destination]", &seller), CARD];
        assert_eq!(stripe.post("/v1/payment_intents", &pay).await.error().1, "insufficient_capabilities_for_transfer");
        assert_eq!(stripe.post_on(&seller, "/v1/payment_intents", &[pay[0], pay[1], CARD]).await.status, 400);

        // Returning from the page does not complete onboarding.
        assert_eq!(go_through(&stripe, &seller, "later").await, BACK);
        assert_eq!(account(&stripe, &seller).await, before);
        assert_eq!(go_through(&stripe, &seller, "submit").await, BACK);
        let after = account(&stripe, &seller).await;
        assert_eq!(
            (&after["charges_enabled"], &after["payouts_enabled"], &after["details_submitted"]),
            (&json!(true), &json!(true), &json!(true))
        );
        assert_eq!(after["capabilities"], json!({ "card_payments": "active", "transfers": "active" }));
        assert_eq!((due(&after, "currently_due"), &after["requirements"]["disabled_reason"]), (0, &Value::Null));
        assert_eq!(after["external_accounts"]["data"][0]["object"], "bank_account");
        assert_eq!(stripe.post("/v1/payment_intents", &pay).await.status, 200);
        let events = stripe.events(Some(&seller)).await;
        let types: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
        assert_eq!(types[..3], ["account.updated", "capability.updated", "capability.updated"]);
        assert_eq!(events[0]["data"]["previous_attributes"]["charges_enabled"], false);
    }
}

#[tokio::test]
async fn an_account_link_opens_once_and_for_minutes() {
    let stripe = Stripe::start().await;
    let seller = make(&stripe, "express").await;
    let made = link(&stripe, &seller).await.ok();
    assert_eq!(made["expires_at"].as_i64().unwrap() - made["created"].as_i64().unwrap(), 300);
    let url = made["url"].as_str().unwrap();
    let page = location(&open(&stripe, url).await);
    assert_eq!(location(&open(&stripe, url).await).as_str(), AGAIN);
    // The opened page stays valid until it is submitted.
    location(&send(form_body(stripe.http.post(page.clone()), &[("decision", "later")])).await);
    assert_eq!(open(&stripe, page.as_str()).await.status, 404);

    let late = link(&stripe, &seller).await.ok();
    stripe.admin("POST", "clock/advance", json!({ "seconds": 301 })).await.ok();
    assert_eq!(location(&open(&stripe, late["url"].as_str().unwrap()).await).as_str(), AGAIN);

    let refused = async |form: &[(&str, &str)]| {
        let answer = stripe.post("/v1/account_links", form).await;
        (answer.status, answer.body["error"]["param"].as_str().unwrap_or_default().to_owned())
    };
    let all = [("account", seller.as_str()), ("refresh_url", AGAIN), ("return_url", BACK), ("type", "account_update")];
    assert_eq!(refused(&all).await, (400, "type".to_owned()));
    assert_eq!(refused(&[all[0], all[1], ("type", "account_onboarding")]).await, (400, "return_url".to_owned()));
    assert_eq!(refused(&[("account", "acct_none"), all[1], all[2], ("type", "account_onboarding")]).await, (400, "account".to_owned()));
    let custom = make(&stripe, "custom").await;
    assert_eq!(refused(&[("account", &custom), all[1], all[2], all[3]]).await.0, 200);
    for (name, value) in [("fields", "past_due"), ("future_requirements", "eventually_due"), ("requirements", "none")] {
        let name = format!("collection_options[{name}]");
        let link = [("account", custom.as_str()), all[1], all[2], all[3], (name.as_str(), value)];
        assert_eq!(refused(&link).await, (400, name.clone()));
    }
}

#[tokio::test]
async fn a_page_collects_what_its_link_says() {
    let stripe = Stripe::start().await;
    let custom = make(&stripe, "custom").await;
    go_through(&stripe, &custom, "submit").await;
    let names = async || {
        let account = account(&stripe, &custom).await;
        (account["requirements"]["eventually_due"].clone(), account["future_requirements"]["currently_due"].clone())
    };
    let (number, document) = (json!(["individual.id_number"]), json!(["individual.verification.document"]));
    let fields = ("collection_options[fields]", "eventually_due");
    let future = ("collection_options[future_requirements]", "include");
    for (options, eventually_left, later_left) in [
        (&[][..], &number, &document),
        (&[fields], &json!([]), &document),
        (&[future], &number, &json!([])),
        (&[fields, future], &json!([]), &json!([])),
    ] {
        for demand in [json!({ "demand": number, "eventually": true }), json!({ "demand": document, "seconds": 9000, "later": true })] {
            stripe.admin("POST", &format!("accounts/{custom}/requirements"), demand).await.ok();
        }
        assert_eq!(names().await, (number.clone(), document.clone()));
        let form = [("account", custom.as_str()), ("refresh_url", AGAIN), ("return_url", BACK), ("type", "account_update")];
        let link = stripe.post("/v1/account_links", &[&form, options].concat()).await.ok();
        let page = location(&open(&stripe, link["url"].as_str().unwrap()).await);
        send(form_body(stripe.http.post(page), &[("decision", "submit")])).await;
        assert_eq!(names().await, (eventually_left.clone(), later_left.clone()), "{options:?}");
        assert_eq!(account(&stripe, &custom).await["charges_enabled"], true);
    }
}

#[tokio::test]
async fn verification_can_be_pending_or_fail_and_be_required_again() {
    let stripe = Stripe::start().await;
    let seller = make(&stripe, "express").await;
    go_through(&stripe, &seller, "pending").await;
    let waiting = account(&stripe, &seller).await;
    assert_eq!(waiting["capabilities"]["transfers"], "pending");
    assert_eq!(waiting["requirements"]["disabled_reason"], "requirements.pending_verification");
    assert_eq!((due(&waiting, "currently_due"), due(&waiting, "pending_verification")), (0, 1));

    let verdict = async |body: Value| stripe.admin("POST", &format!("accounts/{seller}/requirements"), body).await.ok();
    let failure = json!({ "requirement": "individual.last_name", "code": "verification_failed_name_match", "reason": "No match." });
    let failed = verdict(json!({ "verdict": "failed", "failure": failure })).await;
    assert_eq!(failed["requirements"]["errors"], json!([failure]));
    assert_eq!(failed["requirements"]["currently_due"], json!(["individual.last_name"]));
    assert_eq!((&failed["charges_enabled"], &failed["details_submitted"]), (&json!(false), &json!(true)));
    let well = verdict(json!({ "verdict": "complete" })).await;
    assert_eq!((&well["charges_enabled"], due(&well, "errors")), (&json!(true), 0));

    // More is required of an active account: it stays active until the deadline.
    let asked = verdict(json!({ "demand": ["individual.verification.document"], "seconds": 1000 })).await;
    assert_eq!((due(&asked, "currently_due"), due(&asked, "past_due"), &asked["charges_enabled"]), (1, 0, &json!(true)));
    assert!(asked["requirements"]["current_deadline"].as_i64().is_some());
    stripe.admin("POST", "clock/advance", json!({ "seconds": 1001 })).await.ok();
    let late = account(&stripe, &seller).await;
    assert_eq!((due(&late, "past_due"), &late["charges_enabled"]), (1, &json!(false)));
    assert_eq!(late["requirements"]["disabled_reason"], "requirements.past_due");
    let types = stripe.event_types(Some(&seller)).await;
    assert!(types.ends_with(&["account.updated", "capability.updated", "capability.updated"].map(String::from)), "{types:?}");
    go_through(&stripe, &seller, "submit").await;
    assert_eq!(account(&stripe, &seller).await["charges_enabled"], true);

    // What will be required stops nothing until its time has come.
    let told = verdict(json!({ "demand": ["individual.id_number"], "seconds": 1000, "later": true })).await;
    assert_eq!((due(&told, "currently_due"), &told["charges_enabled"]), (0, &json!(true)));
    let future = &told["future_requirements"];
    assert_eq!((&future["currently_due"], &future["past_due"]), (&json!(["individual.id_number"]), &json!([])));
    assert!(future["current_deadline"].as_i64().is_some() && future["disabled_reason"].is_null(), "{future}");
    stripe.admin("POST", "clock/advance", json!({ "seconds": 1001 })).await.ok();
    let asked = account(&stripe, &seller).await;
    assert_eq!(asked["requirements"]["currently_due"], json!(["individual.id_number"]));
    let future = &asked["future_requirements"];
    assert_eq!((&future["currently_due"], &future["current_deadline"]), (&json!([]), &Value::Null));
}

#[tokio::test]
async fn a_platform_provides_all_information_about_a_custom_account() {
    let stripe = Stripe::start().await;
    let seller = make(&stripe, "custom").await;
    let path = format!("/v1/accounts/{seller}");
    let person = [
        ("business_type", "individual"),
        ("individual[first_name]", "Jenny"),
        ("individual[last_name]", "Rosen"),
        ("individual[email]", "s@example.com"),
        ("individual[dob][day]", "1"),
        ("individual[dob][month]", "1"),
        ("individual[dob][year]", "1901"),
        ("external_account", "btok_us_verified"),
        ("tos_acceptance[date]", "1700000000"),
        ("tos_acceptance[ip]", "127.0.0.1"),
    ];
    let half = stripe.post(&path, &person).await.ok();
    // Enough for transfers, but not for cards.
    assert_eq!(half["capabilities"], json!({ "card_payments": "inactive", "transfers": "active" }));
    assert_eq!(half["requirements"]["currently_due"], json!(["business_profile.mcc", "business_profile.url"]));
    let whole = stripe.post(&path, &[("business_profile[mcc]", "8299"), ("business_profile[url]", "https://a.example.com")]).await.ok();
    assert_eq!((&whole["charges_enabled"], &whole["tos_acceptance"]["date"]), (&json!(true), &json!(1_700_000_000)));

    let express = make(&stripe, "express").await;
    let refused = stripe.post(&format!("/v1/accounts/{express}"), &person[8..]).await;
    assert_eq!((refused.status, &refused.body["error"]["param"]), (400, &json!("tos_acceptance")));
}

#[tokio::test]
async fn capabilities_can_be_added_and_removed_and_a_seller_rejected() {
    let stripe = Stripe::start().await;
    let seller =
        id(&stripe.post("/v1/accounts", &[("type", "express"), ("capabilities[transfers][requested]", "true")]).await.ok()).to_owned();
    go_through(&stripe, &seller, "submit").await;
    assert_eq!(account(&stripe, &seller).await["capabilities"], json!({ "transfers": "active" }));
    let path = format!("/v1/accounts/{seller}/capabilities/card_payments");
    let asked = stripe.post(&path, &[("requested", "true")]).await.ok();
    assert_eq!((&asked["status"], &asked["requirements"]["currently_due"][0]), (&json!("inactive"), &json!("business_profile.mcc")));
    go_through(&stripe, &seller, "submit").await;
    assert_eq!(stripe.get(&path).await.ok()["status"], "active");
    assert_eq!(stripe.post(&path, &[("requested", "false")]).await.ok()["status"], "inactive");
    // It can still receive transfers, so for Stripe it still has `charges_enabled`.
    assert_eq!(account(&stripe, &seller).await["charges_enabled"], true);

    let rejected = stripe.post(&format!("/v1/accounts/{seller}/reject"), &[("reason", "fraud")]).await.ok();
    assert_eq!((&rejected["payouts_enabled"], &rejected["requirements"]["disabled_reason"]), (&json!(false), &json!("rejected.fraud")));
    go_through(&stripe, &seller, "submit").await;
    assert_eq!(account(&stripe, &seller).await["payouts_enabled"], false);
}

#[tokio::test]
async fn a_login_link_is_for_express_and_opens_once() {
    let stripe = Stripe::start().await;
    let (express, standard) = (make(&stripe, "express").await, make(&stripe, "standard").await);
    let path = format!("/v1/accounts/{express}/login_links");
    assert_eq!(stripe.post(&path, &[]).await.status, 400);
    go_through(&stripe, &express, "submit").await;
    let link = stripe.post(&path, &[]).await.ok();
    let url = link["url"].as_str().unwrap();
    let page = open(&stripe, url).await;
    assert_eq!(page.status, 200);
    assert!(page.body.as_str().unwrap().contains(&express));
    assert_eq!(open(&stripe, url).await.status, 404);
    go_through(&stripe, &standard, "submit").await;
    assert_eq!(stripe.post(&format!("/v1/accounts/{standard}/login_links"), &[]).await.status, 400);
}
