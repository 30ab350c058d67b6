//! Events: <https://docs.stripe.com/api/events>.

use serde_json::Value;

use crate::events::context::Context;
use crate::resources::list;
use crate::words::errors::ApiError;
use crate::words::kind::Kind;
use crate::words::params::Params;

/// `GET /v1/events/{id}`
pub(crate) fn retrieve(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    ctx.fetch(Kind::Event, path[0], "id")
}

/// `GET /v2/core/events/{id}`: a thin event with its data, on the account that it happened on
/// (<https://docs.stripe.com/api/v2/core/events/retrieve>).
pub(crate) fn retrieve_thin(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    ctx.fetch(Kind::ThinEvent, path[0], "id")
}

/// `GET /v1/events`
pub(crate) fn index(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let types = params.texts("types");
    let one = params.text("type").map(str::to_owned);
    list::page(ctx, Kind::Event, params, "/v1/events", |row| {
        let name = row["type"].as_str().unwrap_or_default();
        let matches = |wanted: &str| {
            wanted.strip_suffix(".*").map_or(wanted == name, |prefix| name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('.')))
        };
        (types.is_empty() || types.iter().any(|t| matches(t))) && one.as_deref().is_none_or(matches)
    })
}
