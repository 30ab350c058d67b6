//! Connecting an account.

use reqwest::Method;
use serde_json::json;
use stripe_stand_in::Options;

use crate::client::{Answer, Stripe, form_body, id, location, parameter, send};

const QUERY: &str = "response_type=code&client_id=ca_local&scope=read_write&redirect_uri=http://localhost:9000/cb&state=s1";

async fn decide(stripe: &Stripe, query: &str, form: &[(&str, &str)]) -> url::Url {
    let request = stripe.http.request(Method::POST, stripe.url(&format!("/oauth/authorize?{query}")));
    location(&send(form_body(request, form)).await)
}

async fn code(stripe: &Stripe, query: &str) -> String {
    let redirect = decide(stripe, query, &[("decision", "allow"), ("account", "new")]).await;
    parameter(&redirect, "code").unwrap()
}

async fn trade(stripe: &Stripe, code: &str) -> Answer {
    stripe.post("/oauth/token", &[("grant_type", "authorization_code"), ("code", code)]).await
}

#[tokio::test]
async fn consent_leads_to_tokens_that_act_on_the_account() {
    let stripe = Stripe::start().await;
    let page = send(stripe.http.get(stripe.url(&format!("/oauth/authorize?{QUERY}")))).await;
    assert_eq!(page.status, 200);
    let html = page.body.as_str().unwrap();
    let (allow, deny) = (html.find("value=\"allow\"").unwrap(), html.find("value=\"deny\"").unwrap());
    assert!(html.contains("action=\"/oauth/authorize?response_type=code&amp;client_id=ca_local&amp;"), "{html}");
    assert!(allow < deny && html.contains("<select id=\"account\" name=\"account\">"), "{html}");

    let redirect = decide(&stripe, QUERY, &[("decision", "allow"), ("account", "new")]).await;
    assert!(redirect.as_str().starts_with("http://localhost:9000/cb?"), "{redirect}");
    assert_eq!(parameter(&redirect, "state").as_deref(), Some("s1"));
    let token = trade(&stripe, &parameter(&redirect, "code").unwrap()).await.ok();
    assert_eq!((&token["scope"], &token["token_type"], &token["livemode"]), (&json!("read_write"), &json!("bearer"), &json!(false)));

    let access = token["access_token"].as_str().unwrap();
    let account = send(stripe.http.get(stripe.url("/v1/account")).bearer_auth(access)).await.ok();
    assert_eq!(account["id"], token["stripe_user_id"]);
    assert_eq!(account["charges_enabled"], true);
    assert_eq!(stripe.get_on(id(&account), "/v1/balance").await.status, 200);
}

#[tokio::test]
async fn a_denial_redirects_with_the_error_and_the_state() {
    let stripe = Stripe::start().await;
    let redirect = decide(&stripe, QUERY, &[("decision", "deny")]).await;
    assert_eq!(parameter(&redirect, "error").as_deref(), Some("access_denied"));
    assert_eq!(parameter(&redirect, "error_description").as_deref(), Some("The user denied your request"));
    assert_eq!(parameter(&redirect, "state").as_deref(), Some("s1"));
    assert_eq!(parameter(&redirect, "code"), None);
}

#[tokio::test]
async fn using_a_code_twice_revokes_its_tokens() {
    let stripe = Stripe::start().await;
    let code = code(&stripe, QUERY).await;
    let token = trade(&stripe, &code).await.ok();
    let again = trade(&stripe, &code).await;
    assert_eq!((again.status, again.body["error"].as_str()), (400, Some("invalid_grant")));
    let access = token["access_token"].as_str().unwrap();
    let refused = send(stripe.http.get(stripe.url("/v1/account")).bearer_auth(access)).await;
    assert_eq!(refused.error(), (403, "account_invalid"));
    let refresh = token["refresh_token"].as_str().unwrap();
    let refused = stripe.post("/oauth/token", &[("grant_type", "refresh_token"), ("refresh_token", refresh)]).await;
    assert_eq!((refused.status, refused.body["error"].as_str()), (400, Some("invalid_grant")));
}

#[tokio::test]
async fn a_code_lives_five_minutes() {
    let stripe = Stripe::start().await;
    let (young, old) = (code(&stripe, QUERY).await, code(&stripe, QUERY).await);
    stripe.admin("POST", "clock/advance", json!({ "seconds": 290 })).await.ok();
    assert_eq!(trade(&stripe, &young).await.status, 200);
    stripe.admin("POST", "clock/advance", json!({ "seconds": 11 })).await.ok();
    assert_eq!(trade(&stripe, &old).await.body["error"], "invalid_grant");
}

#[tokio::test]
async fn the_secret_key_is_taken_from_the_header_or_the_form_and_never_from_the_query() {
    let stripe = Stripe::start().await;
    let url = |query: &str| stripe.url(&format!("/oauth/token{query}"));
    let form = |code: &str| [("grant_type".to_owned(), "authorization_code".to_owned()), ("code".to_owned(), code.to_owned())];
    let trade = async |query: &str, key: Option<&str>, basic: bool, code: &str| {
        let mut form: Vec<(String, String)> = form(code).into();
        let mut request = stripe.http.post(url(query));
        match key {
            Some(key) if basic => request = request.basic_auth(key, None::<&str>),
            Some(key) => form.push(("client_secret".to_owned(), key.to_owned())),
            None => {}
        }
        let pairs: Vec<(&str, &str)> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        send(form_body(request, &pairs)).await
    };
    let code = code(&stripe, QUERY).await;
    assert_eq!(trade("", None, false, &code).await.status, 401);
    assert_eq!(trade("", Some("sk_test_wrong"), false, &code).await.body["error"], "invalid_client");
    assert_eq!(trade("?client_secret=sk_test_local", None, false, &code).await.status, 401);
    assert_eq!(trade("", Some("sk_test_local"), false, &code).await.status, 200);
    let code = self::code(&stripe, QUERY).await;
    assert_eq!(trade("", Some("sk_test_local"), true, &code).await.status, 200);
}

#[tokio::test]
async fn invalid_requests_are_refused_before_consent() {
    let stripe = Stripe::with(Options { redirect_uris: vec!["http://localhost:9000/cb".to_owned()], ..Options::default() }).await;
    let error = async |query: &str| {
        let answer = send(stripe.http.get(stripe.url(&format!("/oauth/authorize?{query}")))).await;
        (answer.status, answer.body["error"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(error(&QUERY.replace("/cb", "/cb/")).await, (400, "invalid_redirect_uri".to_owned()));
    assert_eq!(error(&QUERY.replace("ca_local", "ca_other")).await, (400, "invalid_client".to_owned()));
    assert_eq!(error(&QUERY.replace("read_write", "all")).await, (400, "invalid_scope".to_owned()));
    assert_eq!(error(&QUERY.replace("=code", "=token")).await, (400, "unsupported_response_type".to_owned()));
    assert_eq!(error(QUERY).await.0, 200);
}

#[tokio::test]
async fn read_only_access_reads_and_does_not_write() {
    let stripe = Stripe::start().await;
    let token = trade(&stripe, &code(&stripe, &QUERY.replace("read_write", "read_only")).await).await.ok();
    let account = token["stripe_user_id"].as_str().unwrap();
    assert_eq!(stripe.get_on(account, "/v1/customers").await.status, 200);
    assert_eq!(stripe.post_on(account, "/v1/customers", &[]).await.status, 403);
}

#[tokio::test]
async fn deauthorizing_ends_access_and_linking_again_works() {
    let stripe = Stripe::start().await;
    let token = trade(&stripe, &code(&stripe, QUERY).await).await.ok();
    let account = token["stripe_user_id"].as_str().unwrap();
    let form = [("client_id", "ca_local"), ("stripe_user_id", account)];
    assert_eq!(stripe.post("/oauth/deauthorize", &form).await.ok(), json!({ "stripe_user_id": account }));

    let refused = stripe.get_on(account, "/v1/balance").await;
    assert_eq!(refused.error(), (403, "account_invalid"));
    assert!(refused.message().contains("Application access may have been revoked"), "{}", refused.message());
    assert_eq!(stripe.post("/oauth/deauthorize", &form).await.status, 401);
    assert_eq!(stripe.event_types(Some(account)).await, ["account.application.deauthorized"]);

    let redirect = decide(&stripe, QUERY, &[("decision", "allow"), ("account", account)]).await;
    let token = trade(&stripe, &parameter(&redirect, "code").unwrap()).await.ok();
    assert_eq!(token["stripe_user_id"], account);
    assert_eq!(stripe.get_on(account, "/v1/balance").await.status, 200);
}
