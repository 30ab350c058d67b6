//! `DELETE /sessions/current` and `DELETE /sessions`

use shared::app::App;
use shared::domain::error::Error;
use shared::domain::user::User;
use shared::http::cookie::Cookie;
use shared::http::{Request, Response, identity, response};
use shared::store::Written;

use crate::signed_in;

/// Ends the token's session everywhere and removes the cookie. One trip to
/// DynamoDB. Logging out of a session that has already ended is not an error.
pub(crate) async fn log_out(app: &App, request: &Request) -> Result<Response, Error> {
    let presented = identity::required(request, &app.config)?;
    app.store.end_session(&presented.token).await?;
    Ok(response::with_cookie(response::no_content(), &Cookie::Session.set("", 0, &app.config)))
}

/// Ends all sessions of the user but this one. Needs a password that was entered lately. Two trips to DynamoDB. Other devices are not
/// known any more.
pub(crate) async fn log_out_elsewhere(app: &App, request: &Request) -> Result<Response, Error> {
    let token = identity::required(request, &app.config)?.token;
    let (user, now) = (identity::user_with_password(request, app).await?, app.clock.now());
    match app.store.end_other_sessions(&token, &user, now).await? {
        Written::Yes => {
            let user = User { sessions_ended_at: Some(now), ..user };
            Ok(signed_in::on_known_device(app, &user, response::no_content()))
        }
        Written::No(_) => Err(Error::NotSignedIn),
    }
}
