//! `PUT /sessions/current`

use serde::Deserialize;
use shared::app::App;
use shared::domain::error::Error;
use shared::http::{Request, Response, identity, request, response};
use shared::store::Written;

use crate::second_factor;

#[derive(Deserialize)]
struct Body {
    current_password: String,
    code: Option<String>,
}

/// Accepts the password again, and the code of a second factor if there is one, for requests that a session alone may not make a quarter of
/// an hour after the log-in. Three sequential trips to DynamoDB: session and user, counters, session. A second factor costs three more.
pub(crate) async fn enter_password(app: &App, request: &Request) -> Result<Response, Error> {
    let presented = identity::required(request, &app.config)?;
    let (user, hash) = tokio::join!(identity::user(request, app), app.store.password_hash(presented.token.user_id()));
    let user = user?;
    let body: Body = request::json(request)?;
    let attempt =
        second_factor::with_password(app, request, &presented.token, &user, hash?, (body.current_password, body.code.as_deref())).await?;
    let (entered, counted) = tokio::join!(app.store.password_entered(&presented.token, attempt.now()), attempt.succeeded());
    counted?;
    match entered? {
        Written::Yes => Ok(response::no_content()),
        Written::No(_) => Err(Error::NotSignedIn),
    }
}
