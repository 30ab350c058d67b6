//! Stores, links and changes accounts.

use serde_json::{Map, Value, json};

use crate::engine::accounts::build::{New, build, new_id, no_requirements};
use crate::engine::accounts::thin;
use crate::events::context::Context;
use crate::state::all::State;
use crate::state::row::Link;
use crate::state::settings::Settings;
use crate::words::errors::ApiError;
use crate::words::json::Fields;
use crate::words::kind::Kind;

/// A new state with these settings and the platform's account.
pub(crate) fn found(settings: Settings) -> State {
    let mut state = State::new().with(settings);
    let platform = state.platform.clone();
    let country = Some(state.settings.country.clone());
    let new = New { email: Some("platform@example.com".into()), country, ..New::default() };
    let object = build(&platform, &new, state.now());
    state.insert(&platform, Kind::Account, object, Map::new());
    state
}

/// Adds an account that is not linked to the platform yet.
pub(crate) fn add(state: &mut State, new: &New) -> String {
    let id = new_id();
    let object = build(&id, new, state.now());
    state.insert(&id, Kind::Account, object, Map::new());
    id
}

/// The platform's application, as in `account.application.deauthorized`.
pub(crate) fn application(client_id: &str) -> Value {
    json!({ "id": client_id, "object": "application", "name": "Local platform" })
}

/// Revokes the platform's access to an account and sends the event to the Connect endpoint.
pub(crate) fn deauthorize(ctx: &mut Context, account: &str) {
    cut_off(ctx.state, account);
    let application = application(&ctx.client_id);
    ctx.emit_object(account, "account.application.deauthorized", application, Value::Null);
}

/// Ends the platform's access to an account.
pub(crate) fn cut_off(state: &mut State, account: &str) {
    state.links.insert(account.to_owned(), Link::None);
    for grant in state.grants.values_mut() {
        if grant.account == account {
            grant.revoked = true;
        }
    }
}

/// Whether one of an account's capabilities is active.
pub(crate) fn has_capability(account: &Value, name: &str) -> bool {
    account["capabilities"].text(name) == "active"
}

pub(crate) fn visible(ctx: &Context, id: &str) -> Result<Value, ApiError> {
    let linked = !ctx.is_connected() && ctx.state.link(id) != Link::None;
    if let Some(account) = ctx.state.account(id).filter(|_| id == ctx.account || linked) {
        return Ok(account.clone());
    }
    Err(ApiError::new(
        403,
        "invalid_request_error",
        format!(
            "The provided key '{}' does not have access to account '{id}' (or that account does not exist). Application \
             access may have been revoked.",
            ctx.shown_key
        ),
    )
    .code("account_invalid"))
}

/// Changes an account and sends the events to the Connect endpoint, including one per capability, and thin events.
pub(crate) fn change(ctx: &mut Context, id: &str, fields: Value) {
    let Some(before) = ctx.state.account(id).cloned() else { return };
    let seen = thin::seen(ctx.state, id);
    ctx.state.set(id, Kind::Account, id, fields);
    let Some(after) = ctx.state.account(id).cloned() else { return };
    if after == before {
        return;
    }
    ctx.emit_change(id, "account.updated", Kind::Account, id, &before);
    for (name, status) in after["capabilities"].as_object().into_iter().flatten() {
        if before["capabilities"][name.as_str()] != *status {
            let object = capability_object(&after, name, status);
            ctx.emit_object(id, "capability.updated", object, Value::Null);
        }
    }
    thin::announce_changes(ctx, id, &seen);
}

pub(crate) fn capability_object(account: &Value, name: &str, status: &Value) -> Value {
    let mut requirements = no_requirements(&[], None);
    for (name, value) in account["requirements"].as_object().into_iter().flatten() {
        requirements[name.as_str()] = value.clone();
    }
    // Capabilities have their own names for the reasons.
    requirements["disabled_reason"] = match account["requirements"].maybe("disabled_reason") {
        _ if status == "active" => Value::Null,
        Some("requirements.pending_verification") => "pending.review".into(),
        Some(reason) if reason.starts_with("rejected.") => "rejected.other".into(),
        Some(_) => "requirements.fields_needed".into(),
        None => Value::Null,
    };
    json!({
        "id": name,
        "object": "capability",
        "account": account["id"],
        "future_requirements": no_requirements(&[], None),
        "requested": true,
        "requested_at": account["created"],
        "requirements": requirements,
        "status": status,
    })
}
