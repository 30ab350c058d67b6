//! Account Sessions, and the components that they open to a page.

use serde_json::{Value, json};

use crate::client::{Answer, CARD, Stripe, id, send};

const COUNTRY: [(&str, &str); 2] = [("country", "US"), ("capabilities[transfers][requested]", "true")];

async fn make(stripe: &Stripe, kind: &str) -> String {
    id(&stripe.post("/v1/accounts", &[&[("type", kind)], &COUNTRY[..]].concat()).await.ok()).to_owned()
}

/// A session with these components, and features such as `payments.refund_management`, which are off.
async fn session(stripe: &Stripe, account: &str, components: &[&str], off: &[&str]) -> Answer {
    let mut form = vec![("account".to_owned(), account.to_owned())];
    form.extend(components.iter().map(|name| (format!("components[{name}][enabled]"), "true".to_owned())));
    for feature in off {
        let (component, feature) = feature.split_once('.').unwrap();
        form.push((format!("components[{component}][features][{feature}]"), "false".to_owned()));
    }
    let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    stripe.post("/v1/account_sessions", &form).await
}

/// What the script asks when a page shows a component.
async fn show(stripe: &Stripe, secret: &Value, page: &str, component: &str, action: Option<&str>) -> Answer {
    let body = json!({ "key": "pk_test_local", "client_secret": secret, "page": page, "action": action });
    send(stripe.http.post(stripe.url(&format!("/embedded/{component}"))).body(body.to_string())).await
}

#[tokio::test]
async fn a_sessions_features_are_those_of_its_account() {
    let stripe = Stripe::start().await;
    for (kind, pays_out) in [("standard", true), ("express", false), ("custom", false)] {
        let seller = make(&stripe, kind).await;
        let made = session(&stripe, &seller, &["payments", "payouts"], &["payments.dispute_management"]).await.ok();
        assert_eq!((&made["object"], &made["account"]), (&json!("account_session"), &json!(seller)));
        assert!(made["client_secret"].as_str().unwrap().starts_with("accs_secret__"));
        let payments = json!({
            "capture_payments": true, "destination_on_behalf_of_charge_management": false, "dispute_management": false,
            "refund_management": true, "smart_disputes_management": false,
        });
        assert_eq!(made["components"]["payments"], json!({ "enabled": true, "features": payments }));
        let payouts = json!({
            "disable_stripe_user_authentication": false, "edit_payout_schedule": pays_out, "external_account_collection": true,
            "instant_payouts": pays_out, "standard_payouts": pays_out,
        });
        assert_eq!(made["components"]["payouts"], json!({ "enabled": true, "features": payouts }), "{kind}");
        assert_eq!(made["components"]["documents"], json!({ "enabled": false, "features": {} }));
        assert_eq!(made["components"].as_object().unwrap().len(), 22);
        // Only where the platform collects what Stripe requires may it leave out Stripe's log-in.
        let without_banks = session(&stripe, &seller, &["payouts"], &["payouts.external_account_collection"]).await;
        if kind == "custom" {
            assert_eq!(without_banks.ok()["components"]["payouts"]["features"]["disable_stripe_user_authentication"], true);
        } else {
            let param = "components[payouts][features][external_account_collection]";
            assert_eq!((without_banks.status, &without_banks.body["error"]["param"]), (400, &json!(param)));
        }
    }
}

#[tokio::test]
async fn an_invalid_session_is_refused() {
    let stripe = Stripe::start().await;
    let seller = make(&stripe, "express").await;
    let refused = async |form: &[(&str, &str)]| {
        let answer = stripe.post("/v1/account_sessions", form).await;
        (answer.status, answer.body["error"]["param"].as_str().unwrap_or_default().to_owned())
    };
    let account = ("account", seller.as_str());
    let payments = ("components[payments][enabled]", "true");
    assert_eq!(refused(&[account]).await, (400, "components".to_owned()));
    assert_eq!(refused(&[payments]).await, (400, "account".to_owned()));
    assert_eq!(refused(&[("account", "acct_none"), payments]).await, (400, "account".to_owned()));
    let half = ("components[payments][features][refund_management]", "true");
    assert_eq!(refused(&[account, half]).await, (400, "components[payments][enabled]".to_owned()));
    assert_eq!(refused(&[account, ("components[paiments][enabled]", "true")]).await, (400, "components[paiments]".to_owned()));
    assert_eq!(refused(&[account, ("components[issuing_card][enabled]", "true")]).await, (400, "components[issuing_card]".to_owned()));
    assert_eq!(stripe.post_on(&seller, "/v1/account_sessions", &[account, payments]).await.status, 400);

    // An account that came by OAuth is not asked for anything by the platform.
    let linked = stripe.account().await;
    assert_eq!(session(&stripe, &linked, &["payments", "payouts", "balances", "documents"], &[]).await.status, 200);
    for component in ["account_onboarding", "account_management", "notification_banner"] {
        let answer = session(&stripe, &linked, &["payments", component], &[]).await;
        assert_eq!((answer.status, &answer.body["error"]["param"]), (400, &json!(format!("components[{component}]"))));
    }
    stripe.admin("POST", &format!("accounts/{linked}/deauthorize"), json!({})).await.ok();
    assert_eq!(session(&stripe, &linked, &["payments"], &[]).await.error(), (400, "resource_missing"));
}

#[tokio::test]
async fn a_page_shows_what_its_session_enables_and_no_other_page_does() {
    let stripe = Stripe::start().await;
    let seller = make(&stripe, "custom").await;
    let components = ["account_onboarding", "notification_banner", "payments", "balances", "payouts", "account_management", "documents"];
    let secret = session(&stripe, &seller, &components, &["payments.refund_management"]).await.ok()["client_secret"].clone();
    let banner = show(&stripe, &secret, "one", "notification_banner", None).await.ok();
    assert!(banner["total"].as_u64().unwrap() > 5, "{banner}");
    let form = show(&stripe, &secret, "one", "account_onboarding", None).await.ok();
    assert!(form["lines"].as_array().unwrap().contains(&json!("external_account")), "{form}");
    assert_eq!(form["exited"], false);
    let later = show(&stripe, &secret, "one", "account_onboarding", Some("later")).await.ok();
    assert_eq!((&later["lines"], &later["exited"]), (&form["lines"], &json!(true)));
    let done = show(&stripe, &secret, "one", "account_onboarding", Some("submit")).await.ok();
    assert_eq!((&done["lines"], &done["exited"]), (&json!(["Nothing is due."]), &json!(true)));
    assert_eq!(stripe.get(&format!("/v1/accounts/{seller}")).await.ok()["details_submitted"], true);
    assert_eq!(show(&stripe, &secret, "one", "notification_banner", None).await.ok()["total"], 0);

    let pay = [("amount", "5000"), ("currency", "usd"), ("confirm", "true"), ("payment_method", "pm_card_createDispute")];
    let pay = [&pay[..], &[("transfer_data[destination]", seller.as_str()), CARD]].concat();
    stripe.post("/v1/payment_intents", &pay).await.ok();
    let payments = show(&stripe, &secret, "one", "payments", None).await.ok();
    assert_eq!(payments["lines"], json!(["$50.00 succeeded"]), "the dispute is the platform's");
    let allowed = json!(["capture_payments", "dispute_management", "smart_disputes_management"]);
    assert_eq!(payments["allowed"], allowed);
    let balances = show(&stripe, &secret, "one", "balances", None).await.ok();
    assert_eq!(balances["lines"], json!(["$0.00 available, $50.00 pending"]));

    assert_eq!(show(&stripe, &secret, "another", "payments", None).await.error(), (401, "session_expired"));
    assert_eq!(show(&stripe, &secret, "one", "tax_settings", None).await.status, 403);
    assert_eq!(show(&stripe, &json!("accs_secret__none"), "one", "payments", None).await.error(), (401, "session_expired"));
    stripe.admin("POST", "clock/advance", json!({ "seconds": 3600 })).await.ok();
    assert_eq!(show(&stripe, &secret, "one", "payments", None).await.error(), (401, "session_expired"));
    let body = json!({ "key": "pk_test_other", "client_secret": secret, "page": "one" });
    let wrong = send(stripe.http.post(stripe.url("/embedded/payments")).body(body.to_string())).await;
    assert_eq!(wrong.error(), (401, "authentication_error"));
}

#[tokio::test]
async fn the_script_is_where_connect_js_is() {
    let stripe = Stripe::start().await;
    let script = send(stripe.http.get(stripe.url("/v1.0/connect.js"))).await;
    assert_eq!((script.status, script.headers["content-type"].to_str().unwrap()), (200, "text/javascript; charset=utf-8"));
    assert!(script.body.as_str().unwrap().contains("StripeConnect"));
    assert_eq!(send(stripe.http.get(stripe.url("/embedded/payments"))).await.status, 404);
}
