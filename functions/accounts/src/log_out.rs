//! `DELETE /sessions/current`

use shared::app::App;
use shared::error::Error;
use shared::http::cookie::Cookie;
use shared::http::{Request, Response, identity, response};

/// Ends the session of the token, everywhere and at once, and takes the cookie away. One trip to DynamoDB. A session
/// that has ended already is ended: logging out twice is no error.
pub(crate) async fn log_out(app: &App, request: &Request) -> Result<Response, Error> {
    let presented = identity::required(request, &app.config)?;
    app.store.end_session(&presented.token).await?;
    Ok(response::with_cookie(response::no_content(), &Cookie::Session.set("", 0, &app.config)))
}
