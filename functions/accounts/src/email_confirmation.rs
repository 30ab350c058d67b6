//! `/email-confirmations`: whether a mail to the user's address reaches the user.

use serde::Deserialize;
use shared::app::App;
use shared::error::Error;
use shared::http::{Request, Response, identity, request, response};
use shared::store::Written;
use shared::store::mailed::Purpose;
use shared::store::outbox::Mail;
use shared::store::sessions::Token;
use shared::user::Email;

/// `POST`: sends the signed-in user the link again, unless the address is confirmed; once a minute at most. Two trips to DynamoDB:
/// session and user, outbox.
pub(crate) async fn ask(app: &App, request: &Request) -> Result<Response, Error> {
    let user = identity::user(request, app).await?;
    let email = Email::parse(&user.email).map_err(|fault| Error::Internal(format!("the address of {}: {fault}", user.id)))?;
    if !user.email_confirmed {
        let now = app.clock.now();
        app.store.ask(&Mail::confirm_email(&user.id, &email, now), now).await?;
    }
    Ok(response::accepted())
}

#[derive(Deserialize)]
struct Confirmed {
    token: String,
}

/// `PUT`: spends the link's token, in whatever browser it is opened. Two trips to DynamoDB: token and user, the change.
pub(crate) async fn confirm(app: &App, request: &Request) -> Result<Response, Error> {
    identity::check_origin(request, &app.config)?;
    let body: Confirmed = request::json(request)?;
    let token = Token::parse(&body.token).ok_or(Error::LinkGone)?;

    let user = app.store.user_by_mailed(&token, Purpose::Confirm, app.clock.now()).await?.ok_or(Error::LinkGone)?;
    match app.store.confirm_email(&token, &user).await? {
        Written::Yes => Ok(response::no_content()),
        Written::No(_) => Err(Error::LinkGone),
    }
}
