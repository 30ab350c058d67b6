//! `DELETE /sessions/current`

use shared::app::App;
use shared::domain::error::Error;
use shared::http::cookie::Cookie;
use shared::http::{Request, Response, identity, response};

/// Ends the token's session everywhere and removes the cookie. One trip to
/// DynamoDB. Logging out of a session that has already ended is not an error.
pub(crate) async fn log_out(app: &App, request: &Request) -> Result<Response, Error> {
    let presented = identity::required(request, &app.config)?;
    app.store.end_session(&presented.token).await?;
    Ok(response::with_cookie(response::no_content(), &Cookie::Session.set("", 0, &app.config)))
}
