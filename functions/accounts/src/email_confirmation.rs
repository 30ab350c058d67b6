//! `/email-confirmations`: proves that mail to an address reaches the user: the current one, or the one that will replace it.

use serde::Deserialize;
use shared::app::App;
use shared::domain::error::Error;
use shared::domain::mail::Mail;
use shared::domain::user::Email;
use shared::http::{Request, Response, identity, request, response};
use shared::store::Written;
use shared::store::mailed::Purpose;
use shared::store::token::Token;

use crate::mails;

/// `POST`: mails the signed-in user the link again, unless the address is confirmed and no other was requested;
/// at most once a minute. Three trips to DynamoDB: session and user, counters, then the outbox.
pub(crate) async fn ask(app: &App, request: &Request) -> Result<Response, Error> {
    let user = identity::user(request, app).await?;
    let waits = user.new_email.as_deref().or((!user.email_confirmed).then_some(user.email.as_str()));
    if let Some(waits) = waits {
        let email = Email::parse(waits).map_err(|fault| Error::Internal(format!("the address of {}: {fault}", user.id)))?;
        if mails::count(app, request, &user.id, &email).await? {
            let now = app.clock.now();
            app.store.ask(&Mail::confirm_email(&user.id, &email, now), now).await?;
        }
    }
    Ok(response::accepted())
}

#[derive(Deserialize)]
struct Confirmed {
    token: String,
}

/// `PUT`: uses up the link's token, in any browser. A new address replaces the old one. Two trips to DynamoDB: token and user, then the change.
pub(crate) async fn confirm(app: &App, request: &Request) -> Result<Response, Error> {
    identity::check_origin(request, &app.config)?;
    let body: Confirmed = request::json(request)?;
    let token = Token::parse(&body.token).ok_or(Error::LinkGone)?;

    let now = app.clock.now();
    let holder = app.store.user_by_mailed(&token, Purpose::Confirm, now).await?.ok_or(Error::LinkGone)?;
    let written = if holder.moves {
        app.store.move_email(&token, &holder.user, now).await?
    } else {
        app.store.confirm_email(&token, &holder.user).await?
    };
    match written {
        Written::Yes => Ok(response::no_content()),
        Written::No(_) => Err(Error::LinkGone),
    }
}
