//! `POST /sessions`

use serde::Deserialize;
use shared::app::App;
use shared::base::password;
use shared::domain::error::Error;
use shared::domain::user::Email;
use shared::http::cookie::Cookie;
use shared::http::{Request, Response, identity, request};
use shared::store::token::Token;

use crate::attempts::Attempt;
use crate::{second_factor, signed_in};

#[derive(Deserialize)]
struct Body {
    email: String,
    password: String,
    code: Option<String>,
}

/// Starts a session. Three sequential trips to DynamoDB: address and counters, user, session.
///
/// A device where the user has logged in before is counted by itself, see [`Attempt`]. One that shows a mark of another account, or of an
/// old password, costs two more trips.
///
/// A user with a second factor is asked for a code, but only after the right password. It costs three more trips: counters, factor, its change.
///
/// An unknown address gets the same answer as a wrong password, after the same time.
pub(crate) async fn log_in(app: &App, request: &Request) -> Result<Response, Error> {
    identity::check_origin(request, &app.config)?;
    let body: Body = request::json(request)?;
    let email = Email::parse(&body.email).map_err(|fault| Error::InvalidRequest(fault.to_owned()))?;

    let mark = Cookie::Device.read(request, &app.config);
    let begin = async {
        match &mark {
            Some(mark) => Attempt::begin_on(app, mark).await,
            None => Attempt::begin(app, request, email.key()).await,
        }
    };
    let (attempt, user) = tokio::join!(begin, app.store.user_and_password(&email));
    let (mut attempt, user) = (attempt?, user?);
    let is_known = user.as_ref().zip(mark.as_ref()).is_some_and(|((user, _), mark)| user.knows_device(mark));
    if mark.is_some() && !is_known {
        attempt = attempt.of_account(request, email.key()).await?;
    }
    let hash = user.as_ref().and_then(|(_, hash)| hash.as_deref());
    let good = password::verify(body.password, hash).await;
    let Some((user, _)) = user.filter(|_| good) else {
        attempt.failed().await?;
        return Err(Error::BadCredentials);
    };
    if user.suspended.is_some() {
        attempt.succeeded().await?;
        return Err(Error::Suspended);
    }
    if let Err(error) = second_factor::at_log_in(app, request, &user, is_known, body.code.as_deref()).await {
        attempt.succeeded().await?;
        return Err(error);
    }

    let token = Token::generate(&user.id, &app.entropy);
    let begin = app.store.add_session(&token, &user, attempt.now());
    let (session, moved, counted) = tokio::join!(begin, app.store.move_password(&user), attempt.succeeded());
    session?;
    moved?;
    counted?;
    Ok(signed_in::answer(app, 200, &user, &token))
}
