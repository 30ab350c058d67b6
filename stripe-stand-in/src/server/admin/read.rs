//! Parses or refuses admin requests.

use serde::de::DeserializeOwned;

use crate::engine::consequences::AFTER;
use crate::events::context::Context;
use crate::server::host::Server;
use crate::state::all::State;
use crate::words::errors::ApiError;
use crate::words::http::Incomer;

/// Why an admin request is refused.
pub(crate) enum Refusal {
    /// 400 with a message.
    Bad(String),
    /// 404.
    NotFound,
    /// The error that the API would have returned.
    Api(ApiError),
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

pub(crate) fn read<T: DeserializeOwned>(request: &Incomer) -> Result<T, Refusal> {
    let body: &[u8] = if request.body.is_empty() { b"{}" } else { &request.body };
    serde_json::from_slice(body).map_err(|error| Refusal::Bad(error.to_string()))
}

pub(crate) fn context<'a>(server: &Server, request: &Incomer, state: &'a mut State, account: &str) -> Context<'a> {
    let mut ctx = Context::internal(state, account, &AFTER);
    ctx.origin = request.origin(server.address);
    ctx.client_id = server.options.client_id.clone();
    ctx
}
