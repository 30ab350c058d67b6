//! Connect's OAuth: <https://docs.stripe.com/connect/oauth-reference>.

use hyper::Method;
use serde_json::{Value, json};
use url::Url;

use crate::engine::accounts::build::New;
use crate::engine::accounts::rows;
use crate::engine::consequences::AFTER;
use crate::events::context::Context;
use crate::server::auth;
use crate::server::host::Server;
use crate::state::all::State;
use crate::state::row::{AuthorizationCode, Grant, Link};
use crate::words::form::Node;
use crate::words::html;
use crate::words::http::{Answer, Incomer};
use crate::words::ids::random_text;
use crate::words::json::Fields;
use crate::words::kind::Kind;

/// How long an authorization code can be used, in seconds.
const CODE_LIFETIME: i64 = 5 * 60;

/// `{"error", "error_description"}`
fn refuse(status: u16, error: &str, description: &str) -> Answer {
    Answer::json(status, &json!({ "error": error, "error_description": description }))
}

/// The parameters of the consent page.
struct Consent {
    redirect: Url,
    scope: String,
    state: Option<String>,
    express: bool,
}

fn read_consent(server: &Server, request: &Incomer, params: &Value) -> Result<Consent, Answer> {
    let express = request.path.starts_with("/express/");
    if params.text("client_id") != server.options.client_id {
        let message = format!("No application matches the supplied client identifier: {}", params.text("client_id"));
        return Err(refuse(400, "invalid_client", &message));
    }
    if params.maybe("response_type").is_some_and(|kind| kind != "code") || (params["response_type"].is_null() && !express) {
        return Err(refuse(400, "unsupported_response_type", "The only supported response_type is code."));
    }
    let scope = params.maybe("scope").unwrap_or(if express { "express" } else { "read_only" });
    if !["read_only", "read_write", "express"].contains(&scope) {
        return Err(refuse(400, "invalid_scope", &format!("Invalid scope: {scope}")));
    }
    let registered = &server.options.redirect_uris;
    let wanted = params.maybe("redirect_uri").or(registered.first().map(String::as_str));
    let invalid = || {
        refuse(
            400,
            "invalid_redirect_uri",
            &format!(
                "Invalid redirect URI '{}'. Ensure this uri exactly matches one of the uris specified in your \
                application settings.",
                wanted.unwrap_or_default()
            ),
        )
    };
    let wanted = wanted.ok_or_else(invalid)?;
    let redirect = Url::parse(wanted).map_err(|_| invalid())?;
    let local = matches!(redirect.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    let known = if registered.is_empty() { local } else { registered.iter().any(|uri| uri == wanted) };
    if !known {
        return Err(invalid());
    }
    Ok(Consent { redirect, scope: scope.to_owned(), state: params.maybe("state").map(str::to_owned), express })
}

/// `GET` shows the consent page, `POST` submits its form.
pub(crate) fn authorize(server: &Server, request: &Incomer) -> Answer {
    let query = Node::parse(&[request.query.as_bytes()]).to_value();
    let consent = match read_consent(server, request, &query) {
        Ok(consent) => consent,
        Err(answer) => return answer,
    };
    let form = Node::parse(&[&request.body]).to_value();
    if request.method == Method::GET || !["allow", "deny"].contains(&form.text("decision")) {
        return Answer::html(200, consent_page(&server.state(), request, &consent, &query));
    }
    let mut redirect = consent.redirect.clone();
    if form.text("decision") == "allow" {
        let mut state = server.state();
        let Some(account) = chosen_account(&mut state, &form, &query, consent.express) else {
            return Answer::html(400, html::page("No such account", "<p>That account does not exist.</p>"));
        };
        let code = format!("ac_{}", random_text(32));
        let expires_at = state.now() + CODE_LIFETIME;
        state.version += 1;
        state.codes.insert(code.clone(), AuthorizationCode { account, scope: consent.scope.clone(), expires_at, issued: None });
        redirect.query_pairs_mut().append_pair("scope", &consent.scope).append_pair("code", &code);
    } else {
        redirect.query_pairs_mut().append_pair("error", "access_denied").append_pair("error_description", "The user denied your request");
    }
    if let Some(state) = &consent.state {
        redirect.query_pairs_mut().append_pair("state", state);
    }
    Answer::redirect(redirect.as_str())
}

fn chosen_account(state: &mut State, form: &Value, query: &Value, express: bool) -> Option<String> {
    match form.text("account") {
        "" | "new" => {
            let user = &query["stripe_user"];
            let count = state.account_ids().len();
            let given = |name: &str| user.maybe(name).map(str::to_owned);
            let new = New {
                kind: express.then(|| "express".to_owned()),
                email: given("email").or_else(|| Some(format!("seller-{count}@example.com"))),
                country: form.maybe("country").map(str::to_owned).or_else(|| given("country")),
                name: given("business_name").or_else(|| Some(format!("Seller {count}"))),
                ..New::default()
            };
            Some(rows::add(state, &new))
        }
        id if id != state.platform && state.account(id).is_some() => Some(id.to_owned()),
        _ => None,
    }
}

fn consent_page(state: &State, request: &Incomer, consent: &Consent, query: &Value) -> String {
    let mut options = String::from("<option value=\"new\" selected>Create a new account</option>");
    for id in state.account_ids() {
        let Some(account) = state.account(&id).filter(|_| id != state.platform) else { continue };
        let linked = if state.link(&id) == Link::None { "" } else { ", connected" };
        let name = account["business_profile"].maybe("name").or(account.maybe("email")).unwrap_or("Account");
        options.push_str(&format!(
            "<option value=\"{}\">{} ({}{linked})</option>",
            html::escape(&id),
            html::escape(name),
            html::escape(&id)
        ));
    }
    let access = match consent.scope.as_str() {
        "read_only" => "read your data",
        _ => "read your data and charge for you",
    };
    let action = format!("{}?{}", request.path, request.query);
    let email = query["stripe_user"].maybe("email").map(|email| format!("<p>Signed in as {}.</p>", html::escape(email)));
    html::page(
        "Connect an account",
        &format!(
            "<p>The platform <strong>{}</strong> wants to {access}.</p>{}\
             <form method=\"post\" action=\"{}\">\
             <p><label for=\"account\">Account</label> <select id=\"account\" name=\"account\">{options}</select></p>\
             <p><button type=\"submit\" name=\"decision\" value=\"allow\">Connect</button> \
             <button type=\"submit\" name=\"decision\" value=\"deny\" class=\"plain\">Cancel</button></p></form>",
            html::escape(query.text("client_id")),
            email.unwrap_or_default(),
            html::escape(&action),
        ),
    )
}

/// `POST /oauth/token` and `POST /oauth/deauthorize`.
pub(crate) fn call(server: &Server, request: &Incomer, tree: &Node) -> Answer {
    if request.method != Method::POST {
        return refuse(404, "invalid_request", "Unrecognized request URL.");
    }
    // Never from the query, because secrets in URLs end up in logs.
    let form = Node::parse(&[&request.body]).to_value();
    let in_query = tree.to_value().get("client_secret").is_some() && form.get("client_secret").is_none();
    let (header_key, _) = auth::sent_key(request);
    let key = header_key.or_else(|| form.maybe("client_secret").map(str::to_owned));
    match key {
        Some(key) if matches!(auth::is_secret_key(&server.options, &server.state(), &key), Ok(true)) => {}
        Some(_) => return refuse(401, "invalid_client", "Invalid API Key provided."),
        None if in_query => return refuse(401, "invalid_client", "The client_secret must be in the body, not in the query."),
        None => {
            return refuse(401, "invalid_client", "No API key provided. Send your secret key in the Authorization header.");
        }
    }
    let mut state = server.state();
    state.version += 1;
    if request.path == "/oauth/deauthorize" {
        return deauthorize(server, &mut state, &form);
    }
    match form.text("grant_type") {
        "authorization_code" => exchange(server, &mut state, &form),
        "refresh_token" => refresh(server, &mut state, &form),
        "" => refuse(400, "invalid_request", "No grant type specified."),
        other => refuse(400, "unsupported_grant_type", &format!("Unsupported grant type: {other}")),
    }
}

fn exchange(server: &Server, state: &mut State, form: &Value) -> Answer {
    let Some(code) = form.maybe("code") else {
        return refuse(400, "invalid_request", "No authorization code provided.");
    };
    let Some(stored) = state.codes.get(code).cloned() else {
        return refuse(400, "invalid_grant", &format!("Authorization code does not exist: {code}"));
    };
    if let Some(issued) = stored.issued {
        for token in &issued {
            if let Some(grant) = state.grants.get_mut(token) {
                grant.revoked = true;
            }
        }
        return refuse(
            400,
            "invalid_grant",
            "This authorization code has already been used. All tokens issued with this code have been revoked.",
        );
    }
    if stored.expires_at <= state.now() {
        return refuse(400, "invalid_grant", &format!("Authorization code expired: {code}"));
    }
    if form.maybe("scope").is_some_and(|scope| scope == "read_write" && stored.scope == "read_only") {
        return refuse(400, "invalid_scope", "Requested scope exceeds the scope that was granted.");
    }
    let link = if stored.scope == "read_only" { Link::ReadOnly } else { Link::ReadWrite };
    state.links.insert(stored.account.clone(), link);
    let (body, issued) = issue(server, state, &stored.account, &stored.scope, None);
    if let Some(entry) = state.codes.get_mut(code) {
        entry.issued = Some(issued);
    }
    Answer::json(200, &body)
}

fn issue(server: &Server, state: &mut State, account: &str, scope: &str, refresh: Option<&str>) -> (Value, Vec<String>) {
    let access = format!("sk_test_{}", random_text(32));
    let refresh = refresh.map_or_else(|| format!("rt_{}", random_text(32)), str::to_owned);
    for (token, is_refresh) in [(&access, false), (&refresh, true)] {
        let grant = Grant { account: account.to_owned(), scope: scope.to_owned(), refresh: is_refresh, revoked: false };
        state.grants.insert(token.clone(), grant);
    }
    let body = json!({
        "access_token": access,
        "livemode": false,
        "refresh_token": refresh,
        "scope": scope,
        "stripe_publishable_key": format!("{}_{account}", server.options.publishable_key),
        "stripe_user_id": account,
        "token_type": "bearer",
    });
    (body, vec![access, refresh])
}

fn refresh(server: &Server, state: &mut State, form: &Value) -> Answer {
    let Some(token) = form.maybe("refresh_token") else {
        return refuse(400, "invalid_request", "No refresh token provided.");
    };
    let known = state.grants.get(token).filter(|grant| grant.refresh && !grant.revoked).cloned();
    let Some(grant) = known else {
        return refuse(400, "invalid_grant", "This refresh token does not exist or was revoked.");
    };
    let scope = match form.maybe("scope") {
        Some("read_write") if grant.scope == "read_only" => {
            return refuse(400, "invalid_scope", "Requested scope exceeds the scope that was granted.");
        }
        Some(scope @ ("read_only" | "read_write")) => scope.to_owned(),
        Some(other) => return refuse(400, "invalid_scope", &format!("Invalid scope: {other}")),
        None => grant.scope.clone(),
    };
    let (body, _) = issue(server, state, &grant.account, &scope, Some(token));
    Answer::json(200, &body)
}

fn deauthorize(server: &Server, state: &mut State, form: &Value) -> Answer {
    if form.text("client_id") != server.options.client_id {
        let message = format!("No application matches the supplied client identifier: {}", form.text("client_id"));
        return refuse(401, "invalid_client", &message);
    }
    let Some(account) = form.maybe("stripe_user_id") else {
        return refuse(400, "invalid_request", "No stripe_user_id provided.");
    };
    if state.object(account, Kind::Account, account).is_none() || state.link(account) == Link::None {
        let message = format!("This application is not connected to stripe account {account}, or that account does not exist.");
        return refuse(401, "invalid_client", &message);
    }
    let mut ctx = Context::internal(state, account, &AFTER);
    ctx.client_id = server.options.client_id.clone();
    rows::deauthorize(&mut ctx, account);
    Answer::json(200, &json!({ "stripe_user_id": account }))
}
