//! Event destinations: <https://docs.stripe.com/api/v2/core/event-destinations>. Here they are webhook endpoints for thin events.

use serde_json::{Map, Value, json};

use crate::events::context::Context;
use crate::events::endpoints;
use crate::resources::v2_accounts;
use crate::resources::v2_list;
use crate::words::calendar;
use crate::words::errors::ApiError;
use crate::words::ids::{new_id, random_text};
use crate::words::json::Fields;
use crate::words::kind::Kind;
use crate::words::params::Params;

/// What a response only includes on request.
const INCLUDE: &str = "include[]:(webhook_endpoint.signing_secret|webhook_endpoint.url)";

/// The maximum per account in one mode, as of webhook endpoints. <https://docs.stripe.com/webhooks#register-webhook>
const MOST: usize = 16;

/// The names of all thin event types of accounts and event destinations, as Stripe's own libraries list them, one per line.
const TYPES: &str = include_str!("event_destinations/event_types.txt");

/// Parameters of `POST /v2/core/event_destinations`.
pub(crate) fn create_fields() -> String {
    format!(
        "amazon_eventbridge:any azure_event_grid:any description enabled_events[] event_payload:(snapshot|thin) \
         events_from[]:(@self|@accounts|@organization_members|@organization_members/@accounts) metadata:m name snapshot_api_version \
         type:(amazon_eventbridge|azure_event_grid|webhook_endpoint) webhook_endpoint{{url}} {INCLUDE}"
    )
}

/// Parameters of `POST /v2/core/event_destinations/{id}`: what its events are and where they come from can never change.
pub(crate) fn update_fields() -> String {
    format!("description enabled_events[] metadata:m name webhook_endpoint{{url}} {INCLUDE}")
}

/// Parameters of `GET /v2/core/event_destinations`.
pub(crate) fn list_fields() -> String {
    format!("limit:i page {INCLUDE}")
}

/// Parameters of the other requests.
pub(crate) const RETRIEVE: &str = INCLUDE;

/// `POST /v2/core/event_destinations`: the only response that contains the signing secret, and only on request.
pub(crate) fn create(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let name = params.required("name")?;
    if params.required("type")? != "webhook_endpoint" || params.required("event_payload")? != "thin" {
        return Err(ApiError::invalid("The stand-in only has event destinations of the type webhook_endpoint for thin events."));
    }
    let events = events(ctx, params)?.ok_or_else(|| ApiError::missing("enabled_events"))?;
    let url = url(params)?.ok_or_else(|| ApiError::missing("webhook_endpoint[url]"))?;
    if ctx.state.rows(&ctx.account, Kind::EventDestination).len() >= MOST {
        return Err(ApiError::invalid(format!("You have reached the maximum of {MOST} event destinations.")));
    }
    let mut events_from = params.texts("events_from");
    if events_from.is_empty() {
        events_from.push("@self".to_owned());
    }
    let (id, now) = (new_id("ed"), calendar::timestamp(ctx.now()));
    let object = json!({
        "id": id,
        "object": "v2.core.event_destination",
        "amazon_eventbridge": null,
        "azure_event_grid": null,
        "created": now,
        "description": params.text("description").unwrap_or_default(),
        "enabled_events": events,
        "event_payload": "thin",
        "events_from": events_from,
        "livemode": false,
        "metadata": params.metadata(),
        "name": name,
        "snapshot_api_version": null,
        "status": "enabled",
        "status_details": null,
        "type": "webhook_endpoint",
        "updated": now,
        "webhook_endpoint": null,
    });
    let secret = format!("whsec_{}", random_text(32));
    let hidden = Map::from_iter([("secret".to_owned(), secret.as_str().into()), ("url".to_owned(), url.into())]);
    let account = ctx.account.clone();
    ctx.state.insert(&account, Kind::EventDestination, object, hidden);
    let mut answer = shown(ctx, &id, params)?;
    if params.texts("include").iter().any(|one| one == "webhook_endpoint.signing_secret") {
        answer["webhook_endpoint"]["signing_secret"] = secret.into();
    }
    Ok(answer)
}

/// `GET /v2/core/event_destinations/{id}`
pub(crate) fn retrieve(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    shown(ctx, path[0], params)
}

/// `GET /v2/core/event_destinations`: newest first.
pub(crate) fn index(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let rows = ctx.state.rows(&ctx.account, Kind::EventDestination).iter().rev();
    let ids: Vec<String> = rows.map(|row| row.object.text("id").to_owned()).collect();
    let filters = v2_list::repeated("include", &params.texts("include"));
    v2_list::page("/v2/core/event_destinations", &ids, params, &filters, |id| shown(ctx, id, params).unwrap_or_default())
}

/// `POST /v2/core/event_destinations/{id}`
pub(crate) fn update(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let before = ctx.fetch(Kind::EventDestination, path[0], "id")?;
    let mut after = json!({ "metadata": params.merged_metadata(&before["metadata"]) });
    if let Some(events) = events(ctx, params)? {
        after["enabled_events"] = events.into();
    }
    for name in ["description", "name"] {
        if params.has(name) {
            after[name] = params.text(name).unwrap_or_default().into();
        }
    }
    if let Some(url) = url(params)? {
        let account = ctx.account.clone();
        ctx.state.hide(&account, Kind::EventDestination, path[0], "url", url.into());
    }
    change(ctx, path[0], after, params)
}

/// `POST /v2/core/event_destinations/{id}/enable`
pub(crate) fn enable(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    change(ctx, path[0], json!({ "status": "enabled", "status_details": null }), params)
}

/// `POST /v2/core/event_destinations/{id}/disable`: pending deliveries to it are dropped.
pub(crate) fn disable(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    change(ctx, path[0], json!({ "status": "disabled", "status_details": { "disabled": { "reason": "user" } } }), params)
}

/// `DELETE /v2/core/event_destinations/{id}`
pub(crate) fn delete(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    ctx.fetch(Kind::EventDestination, path[0], "id")?;
    let account = ctx.account.clone();
    ctx.state.remove(&account, Kind::EventDestination, path[0]);
    Ok(json!({ "id": path[0], "object": "v2.core.event_destination" }))
}

/// `POST /v2/core/event_destinations/{id}/ping`: a thin event for this destination alone, whatever its types.
pub(crate) fn ping(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    ctx.fetch(Kind::EventDestination, path[0], "id")?;
    let account = ctx.account.clone();
    let to: Vec<_> = ctx.state.row(&account, Kind::EventDestination, path[0]).and_then(endpoints::destination).into_iter().collect();
    let url = format!("/v2/core/event_destinations/{}", path[0]);
    let related = json!({ "id": path[0], "type": "v2.core.event_destination", "url": url });
    Ok(ctx.emit_thin_to(&account, "v2.core.event_destination.ping", related, Value::Null, &to))
}

fn change(ctx: &mut Context, id: &str, mut fields: Value, params: &Params) -> Result<Value, ApiError> {
    fields["updated"] = calendar::timestamp(ctx.now()).into();
    ctx.set(Kind::EventDestination, id, fields);
    shown(ctx, id, params)
}

/// A destination, with its URL if that should be included.
fn shown(ctx: &Context, id: &str, params: &Params) -> Result<Value, ApiError> {
    let mut object = ctx.fetch(Kind::EventDestination, id, "id")?;
    let include = params.texts("include");
    if !include.is_empty() {
        let url =
            ctx.state.hidden(&ctx.account, Kind::EventDestination, id, "url").filter(|_| include.iter().any(|one| one.ends_with("url")));
        object["webhook_endpoint"] = json!({ "signing_secret": null, "url": url });
    }
    Ok(object)
}

fn url(params: &Params) -> Result<Option<String>, ApiError> {
    let Some(url) = params.object("webhook_endpoint").text("url").map(str::to_owned) else { return Ok(None) };
    if ["http://", "https://"].iter().any(|scheme| url.starts_with(scheme)) {
        return Ok(Some(url));
    }
    Err(ApiError::invalid("Invalid URL: An explicit scheme (such as https) must be provided.").param("webhook_endpoint[url]"))
}

fn events(ctx: &Context, params: &Params) -> Result<Option<Vec<String>>, ApiError> {
    if !params.has("enabled_events") {
        return Ok(None);
    }
    let events = params.texts("enabled_events");
    if events.is_empty() {
        return Err(ApiError::invalid("Invalid array").param("enabled_events"));
    }
    if let Some(unknown) = events.iter().find(|event| *event != "*" && !TYPES.lines().any(|name| name == *event)) {
        return Err(ApiError::invalid(format!("Enabled events list contains {unknown}, which is no type of thin event.")));
    }
    if events.iter().any(|event| event.starts_with("v2.core.account")) {
        v2_accounts::check_access(ctx)?;
    }
    Ok(Some(events))
}
