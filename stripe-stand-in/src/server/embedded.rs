//! Stripe's components in a platform's page: the script, and what it shows.

use hyper::Method;
use serde_json::{Value, json};

use crate::engine::accounts::requirements::{self, Verdict};
use crate::engine::consequences::AFTER;
use crate::engine::time;
use crate::events::context::Context;
use crate::server::host::Server;
use crate::state::all::State;
use crate::state::door::Collects;
use crate::state::embedded::Embedded;
use crate::state::row::{Funds, Link};
use crate::words::errors::ApiError;
use crate::words::http::{self, Answer, Incomer};
use crate::words::json::Fields;
use crate::words::kind::Kind;
use crate::words::money;

/// What Stripe serves as <https://connect-js.stripe.com/v1.0/connect.js>, with everything that a page may call.
const SCRIPT: &str = include_str!("connect.js");

/// The most rows of a list.
const ROWS: usize = 20;

/// Answers `/v1.0/connect.js` and, to that script alone, `/embedded/{component}`.
pub(crate) fn answer(server: &Server, request: &Incomer) -> Answer {
    let answer = match (&request.method, request.path.strip_prefix("/embedded/")) {
        (&Method::GET, None) => Answer::text(200, "text/javascript; charset=utf-8", SCRIPT.to_owned()),
        (&Method::POST, Some(component)) => match show(server, request, component) {
            Ok(content) => Answer::json(200, &content),
            Err(error) => Answer::json(error.status, &error.body()),
        },
        _ => http::unknown_url(request),
    };
    answer.with("access-control-allow-origin", "*")
}

/// What a component shows, after what somebody did in it: `title`, `lines`, `actions`, `allowed`, and for some `exited`, `total`.
fn show(server: &Server, request: &Incomer, component: &str) -> Result<Value, ApiError> {
    let sent: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    if sent.text("key") != server.options.publishable_key {
        return Err(ApiError::new(401, "authentication_error", "This is no publishable key."));
    }
    let mut state = server.state();
    time::catch_up(&mut state);
    let Embedded { account, components, .. } = claimed(&mut state, sent.text("client_secret"), sent.text("page"))?;
    let allowed = &components[component];
    if !allowed.flag("enabled") {
        return Err(ApiError::new(403, "invalid_request_error", format!("The component `{component}` is not enabled in this session.")));
    }
    let mut ctx = Context::internal(&mut state, &account, &AFTER);
    let mut content = match component {
        "account_onboarding" => onboarding(&mut ctx, sent.text("action")),
        "account_management" => management(&ctx),
        "notification_banner" => banner(&ctx),
        "balances" => json!({ "title": "Balances", "lines": balances(&ctx) }),
        "documents" => json!({ "title": "Documents", "lines": ["There are no documents."] }),
        "payments" => json!({ "title": "Payments", "lines": payments(&ctx) }),
        "payouts" => json!({ "title": "Payouts", "lines": payouts(&ctx) }),
        _ => json!({ "title": component, "lines": ["The stand-in does not show this component."] }),
    };
    let features = allowed["features"].as_object().into_iter().flatten();
    content["allowed"] = features.filter(|(_, is_on)| **is_on == true).map(|(name, _)| json!(name)).collect();
    Ok(content)
}

/// A session, which belongs to the first page that uses it.
fn claimed(state: &mut State, secret: &str, page: &str) -> Result<Embedded, ApiError> {
    let now = state.now();
    state.version += 1;
    let session = state.embedded.get_mut(secret).filter(|session| session.expires_at > now);
    let session = session.ok_or_else(|| ApiError::new(401, "session_expired", "The account session has expired, or never existed."))?;
    if *session.page.get_or_insert_with(|| page.to_owned()) != page {
        return Err(ApiError::new(401, "session_expired", "The account session was used by another page already."));
    }
    let session = session.clone();
    if state.link(&session.account) == Link::None {
        return Err(ApiError::new(403, "invalid_request_error", "The platform has no access to this account any more."));
    }
    Ok(session)
}

fn account(ctx: &Context) -> Value {
    ctx.state.account(&ctx.account).cloned().unwrap_or_default()
}

fn due(ctx: &Context) -> Vec<Value> {
    account(ctx)["requirements"]["currently_due"].as_array().cloned().unwrap_or_default()
}

fn onboarding(ctx: &mut Context, action: &str) -> Value {
    if action == "submit" {
        let account = ctx.account.clone();
        requirements::fulfil(ctx, &account, Verdict::Complete, Collects::default());
    }
    let due = due(ctx);
    let lines = if due.is_empty() { vec![json!("Nothing is due.")] } else { due };
    json!({
        "title": "Account onboarding",
        "lines": lines,
        "actions": [{ "name": "submit", "label": "Submit everything" }, { "name": "later", "label": "Save for later" }],
        "exited": !action.is_empty(),
    })
}

fn management(ctx: &Context) -> Value {
    let account = account(ctx);
    let mut lines = vec![format!("Account {}", ctx.account), format!("Email: {}", account.maybe("email").unwrap_or("none"))];
    let banks = account["external_accounts"]["data"].as_array().into_iter().flatten();
    lines.extend(banks.map(|bank| format!("Bank account ending in {}", bank.text("last4"))));
    json!({ "title": "Account management", "lines": lines })
}

fn banner(ctx: &Context) -> Value {
    let total = due(ctx).len();
    let lines: Vec<String> = (total > 0).then(|| format!("Stripe needs more information: {total}")).into_iter().collect();
    json!({ "title": "Notifications", "lines": lines, "total": total })
}

fn balances(ctx: &Context) -> Vec<String> {
    let funds = ctx.state.store(&ctx.account).map(|store| store.funds.clone()).unwrap_or_default();
    let line = |(currency, funds): (&String, &Funds)| {
        let [available, pending] = [funds.available, funds.pending].map(|amount| money::display(amount, currency));
        format!("{available} available, {pending} pending")
    };
    if funds.is_empty() { vec!["Nothing yet.".to_owned()] } else { funds.iter().map(line).collect() }
}

fn payments(ctx: &Context) -> Vec<String> {
    let rows = ctx.state.rows(&ctx.account, Kind::Charge).iter().rev().take(ROWS);
    let line = |charge: &Value| {
        let amount = money::display(charge.int("amount"), charge.text("currency"));
        let disputed = if charge.flag("disputed") { ", disputed" } else { "" };
        format!("{amount} {}{disputed}", charge.text("status"))
    };
    let lines: Vec<String> = rows.map(|row| line(&row.object)).collect();
    if lines.is_empty() { vec!["There are no payments.".to_owned()] } else { lines }
}

fn payouts(ctx: &Context) -> Vec<String> {
    let rows = ctx.state.rows(&ctx.account, Kind::Payout).iter().rev().take(ROWS);
    let line = |payout: &Value| format!("{} {}", money::display(payout.int("amount"), payout.text("currency")), payout.text("status"));
    let lines: Vec<String> = rows.map(|row| line(&row.object)).collect();
    if lines.is_empty() { vec!["There are no payouts.".to_owned()] } else { lines }
}
