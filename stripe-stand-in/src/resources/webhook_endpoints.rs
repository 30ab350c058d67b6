//! Webhook endpoints created through the API: <https://docs.stripe.com/api/webhook_endpoints>.
//! Those that the stand-in was started with also exist but are not listed.

use serde_json::{Map, Value, json};

use crate::events::context::Context;
use crate::resources::list;
use crate::words::errors::ApiError;
use crate::words::ids::{new_id, random_text};
use crate::words::kind::Kind;
use crate::words::params::Params;

/// Parameters of `POST /v1/webhook_endpoints`.
pub(crate) const CREATE: &str = "api_version connect:b description enabled_events[] metadata:m url";

/// Parameters of `POST /v1/webhook_endpoints/{id}`. Neither the version nor `connect` can be changed.
pub(crate) const UPDATE: &str = "description disabled:b enabled_events[] metadata:m url";

/// The maximum per account in one mode. <https://docs.stripe.com/webhooks#register-webhook>
const MOST: usize = 16;

/// The names of all event types, as Stripe's own libraries list them for `enabled_events`, one per line.
const TYPES: &str = include_str!("webhook_endpoints/event_types.txt");

/// `POST /v1/webhook_endpoints`: the only response that contains the signing secret.
pub(crate) fn create(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let url = url(params)?.ok_or_else(|| ApiError::missing("url"))?;
    let events = events(params)?.ok_or_else(|| ApiError::missing("enabled_events"))?;
    if ctx.state.rows(&ctx.account, Kind::WebhookEndpoint).len() >= MOST {
        return Err(ApiError::invalid(format!("You have reached the maximum of {MOST} test webhook endpoints.")));
    }
    if let Some(version) = params.text("api_version").filter(|version| !is_version(version)) {
        return Err(ApiError::invalid(format!("Invalid API version: {version}")).param("api_version"));
    }
    let id = new_id("we");
    let connect = params.is("connect");
    let object = json!({
        "id": id,
        "object": "webhook_endpoint",
        "api_version": params.json("api_version"),
        "application": if connect { ctx.client_id.as_str().into() } else { Value::Null },
        "created": ctx.now(),
        "description": params.json("description"),
        "enabled_events": events,
        "livemode": false,
        "metadata": params.metadata(),
        "status": "enabled",
        "url": url,
    });
    let secret = format!("whsec_{}", random_text(32));
    let hidden = Map::from_iter([("secret".to_owned(), secret.as_str().into()), ("connect".to_owned(), connect.into())]);
    let account = ctx.account.clone();
    ctx.state.insert(&account, Kind::WebhookEndpoint, object.clone(), hidden);
    let mut answer = object;
    answer["secret"] = secret.into();
    Ok(answer)
}

/// `GET /v1/webhook_endpoints/{id}`
pub(crate) fn retrieve(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    ctx.fetch(Kind::WebhookEndpoint, path[0], "id")
}

/// `GET /v1/webhook_endpoints`
pub(crate) fn index(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    list::page(ctx, Kind::WebhookEndpoint, params, "/v1/webhook_endpoints", |_| true)
}

/// `POST /v1/webhook_endpoints/{id}`
pub(crate) fn update(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let before = ctx.fetch(Kind::WebhookEndpoint, path[0], "id")?;
    let mut after = json!({ "metadata": params.merged_metadata(&before["metadata"]) });
    if let Some(url) = url(params)? {
        after["url"] = url.into();
    }
    if let Some(events) = events(params)? {
        after["enabled_events"] = events.into();
    }
    if params.has("description") {
        after["description"] = params.json("description");
    }
    if let Some(disabled) = params.flag("disabled") {
        after["status"] = if disabled { "disabled" } else { "enabled" }.into();
    }
    ctx.set(Kind::WebhookEndpoint, path[0], after);
    ctx.fetch(Kind::WebhookEndpoint, path[0], "id")
}

/// `DELETE /v1/webhook_endpoints/{id}`: pending deliveries to it are dropped.
pub(crate) fn delete(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    ctx.fetch(Kind::WebhookEndpoint, path[0], "id")?;
    let account = ctx.account.clone();
    ctx.state.remove(&account, Kind::WebhookEndpoint, path[0]);
    Ok(json!({ "id": path[0], "object": "webhook_endpoint", "deleted": true }))
}

fn url(params: &Params) -> Result<Option<String>, ApiError> {
    if !params.has("url") {
        return Ok(None);
    }
    let text = params.required("url")?;
    if !["http://", "https://"].iter().any(|scheme| text.starts_with(scheme)) {
        let message = "Invalid URL: An explicit scheme (such as https) must be provided.";
        return Err(ApiError::invalid(message).code("url_invalid").param("url"));
    }
    Ok(Some(text.to_owned()))
}

fn events(params: &Params) -> Result<Option<Vec<String>>, ApiError> {
    if !params.has("enabled_events") {
        return Ok(None);
    }
    let events = params.texts("enabled_events");
    if events.is_empty() {
        return Err(ApiError::invalid("Invalid array").param("enabled_events"));
    }
    for (place, event) in events.iter().enumerate() {
        if event != "*" && !TYPES.lines().any(|name| name == event) {
            let param = format!("enabled_events[{place}]");
            let known = TYPES.lines().collect::<Vec<_>>().join(", ");
            return Err(ApiError::invalid(format!("Invalid {param}: must be one of *, {known}")).param(&param));
        }
    }
    Ok(Some(events))
}

/// Whether a text is a date, followed since 2024 by the name of a release: `2026-09-30.endive`.
fn is_version(text: &str) -> bool {
    let (date, name) = text.split_once('.').unwrap_or((text, "x"));
    let digits = date.split('-').map(|part| part.chars().all(|digit| digit.is_ascii_digit()).then_some(part.len()));
    digits.eq([Some(4), Some(2), Some(2)]) && !name.is_empty() && name.chars().all(|letter| letter.is_ascii_lowercase())
}
