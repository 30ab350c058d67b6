//! `/password-resets`: for who has forgotten the password.

use serde::Deserialize;
use shared::app::App;
use shared::error::Error;
use shared::http::{Request, Response, identity, request, response};
use shared::password;
use shared::store::Written;
use shared::store::mailed::Purpose;
use shared::store::outbox::Mail;
use shared::store::sessions::Token;
use shared::store::throttle::Try;
use shared::user::Email;

/// How many mails an address gets, and may be asked for from one client's address, in a quarter of an hour.
const PER_ACCOUNT: i64 = 5;
const PER_CLIENT: i64 = 100;

#[derive(Deserialize)]
struct Asked {
    email: String,
}

/// `POST`: asks for a mail with a link. Two trips to DynamoDB, one after the other: counters, outbox.
///
/// Whether the address has an account is not looked up here but by who sends the mail, so that the answer, and the time that
/// it takes, cannot tell.
pub(crate) async fn ask(app: &App, request: &Request) -> Result<Response, Error> {
    identity::check_origin(request, &app.config)?;
    let body: Asked = request::json(request)?;
    let email = Email::parse(&body.email).map_err(|fault| Error::InvalidRequest(fault.to_owned()))?;

    let now = app.clock.now();
    let (account, client) = (format!("reset account {}", email.key()), format!("reset client {}", identity::address(request, &app.config)));
    let (account, client) = tokio::join!(app.store.begin_try(&account, PER_ACCOUNT, now), app.store.begin_try(&client, PER_CLIENT, now));
    if (account?, client?) == (Try::Counted, Try::Counted) {
        app.store.ask(&Mail::password_reset(&email, now), now).await?;
    } else {
        tracing::warn!("too many password resets were asked for");
    }
    Ok(response::accepted())
}

#[derive(Deserialize)]
struct Chosen {
    token: String,
    password: String,
}

/// `PUT`: spends the link's token to set a new password. All sessions end. Two trips to DynamoDB: token and user, the change.
pub(crate) async fn choose(app: &App, request: &Request) -> Result<Response, Error> {
    identity::check_origin(request, &app.config)?;
    let body: Chosen = request::json(request)?;
    password::check(&body.password).map_err(|fault| Error::InvalidRequest(fault.to_owned()))?;
    let token = Token::parse(&body.token).ok_or(Error::LinkGone)?;

    let user = app.store.user_by_mailed(&token, Purpose::Reset, app.clock.now()).await?.ok_or(Error::LinkGone)?;
    let hash = password::hash(body.password, &app.entropy).await;
    match app.store.reset_password(&token, &user, &hash).await? {
        Written::Yes => Ok(response::no_content()),
        Written::No(_) => Err(Error::LinkGone),
    }
}
