//! `POST /sessions`

use serde::Deserialize;
use shared::app::App;
use shared::error::Error;
use shared::http::{Request, Response, identity, request};
use shared::password;
use shared::store::sessions::Token;
use shared::user::Email;

use crate::attempts::Attempt;
use crate::signed_in;

#[derive(Deserialize)]
struct Body {
    email: String,
    password: String,
}

/// Begins a session. Three trips to DynamoDB, one after the other: address and counters, user, session.
///
/// An address without an account takes as long, and gets the same answer, as a wrong password.
pub(crate) async fn log_in(app: &App, request: &Request) -> Result<Response, Error> {
    identity::check_origin(request, &app.config)?;
    let body: Body = request::json(request)?;
    let email = Email::parse(&body.email).map_err(|fault| Error::InvalidRequest(fault.to_owned()))?;

    let (attempt, user) = tokio::join!(Attempt::begin(app, request, email.key()), app.store.user_by_email(&email));
    let (attempt, user) = (attempt?, user?);
    let good = password::verify(body.password, user.as_ref().map(|user| user.password_hash.as_str())).await;
    let Some(user) = user.filter(|_| good) else {
        attempt.failed().await?;
        return Err(Error::BadCredentials);
    };

    let token = Token::generate(&user.id, &app.entropy);
    let (session, counted) = tokio::join!(app.store.add_session(&token, &user, attempt.now()), attempt.succeeded());
    session?;
    counted?;
    Ok(signed_in::answer(app, 200, &user, &token))
}
