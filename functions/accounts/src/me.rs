//! `/users/me`

use serde::Deserialize;
use shared::app::App;
use shared::base::password;
use shared::domain::error::Error;
use shared::domain::user::{Email, User};
use shared::http::view::UserView;
use shared::http::{Request, Response, identity, request, response};
use shared::store::Written;

use crate::{mails, second_factor, signed_in};

/// `GET`: the signed-in user. One trip to DynamoDB.
pub(crate) async fn show(app: &App, request: &Request) -> Result<Response, Error> {
    let user = identity::user(request, app).await?;
    Ok(response::json(200, &UserView::own(&user)))
}

#[derive(Deserialize)]
struct Body {
    email: Option<String>,
    password: Option<String>,
    current_password: Option<String>,
    code: Option<String>,
}

/// `PATCH`: changes the password, or requests another e-mail address, or both. Requires the current password and the code of a
/// second factor, limited like a log-in. A
/// new password ends all other sessions. A new address replaces the old one once its owner follows the mailed link;
/// nothing reveals whether it is taken. Three sequential trips to DynamoDB: session and user, counters, the change;
/// for another address one more, which counts mails, and for a second factor three. A user who has left twenty addresses lately waits until the
/// first of them is no longer reserved for them.
pub(crate) async fn change(app: &App, request: &Request) -> Result<Response, Error> {
    let session = identity::required(request, &app.config)?;
    let (user, hash) = tokio::join!(identity::user(request, app), app.store.password_hash(session.token.user_id()));
    let mut user = user?;
    let body: Body = request::json(request)?;
    let invalid = |fault: &str| Error::InvalidRequest(fault.to_owned());
    if body.email.is_none() && body.password.is_none() {
        return Err(invalid("email or password is required"));
    }
    let current = body.current_password.ok_or_else(|| invalid("current_password is missing"))?;
    let email = body.email.as_deref().map(Email::parse_new).transpose().map_err(invalid)?;
    let own = [user.email.as_str(), app.config.storefront_host()];
    body.password.as_deref().map_or(Ok(()), |password| password::check(password, &own))?;

    let attempt = second_factor::with_password(app, request, &session.token, &user, hash?, (current, body.code.as_deref())).await?;
    let is_same = |email: &Email| Email::parse(&user.email).is_ok_and(|old| old.key() == email.key());
    let email = match &email {
        None => None,
        Some(email) if is_same(email) => Some((email, false)),
        Some(email) => match may_move(app, request, &user, email).await {
            Ok(told) => Some((email, told)),
            Err(error) => {
                attempt.succeeded().await?;
                return Err(error);
            }
        },
    };
    let hash = match body.password {
        Some(password) => Some(password::hash(password, &app.entropy).await),
        None => None,
    };
    let change = app.store.change_credentials(&mut user, email, hash.as_deref(), &session.token, app.clock.now());
    let (changed, counted) = tokio::join!(change, attempt.succeeded());
    counted?;
    match changed? {
        // A new password needs a new mark.
        Written::Yes => Ok(signed_in::on_known_device(app, &user, response::json(200, &UserView::own(&user)))),
        Written::No(_) => Err(Error::Conflict),
    }
}

/// Whether the new address gets a mail, see [`mails::count`].
async fn may_move(app: &App, request: &Request, user: &User, email: &Email) -> Result<bool, Error> {
    match app.store.make_room_for_left_email(user, app.clock.now()).await? {
        None => mails::count(app, request, &user.id, email).await,
        Some(retry_after) => Err(Error::TooManyMails { retry_after }),
    }
}
