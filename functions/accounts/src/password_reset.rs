//! `/password-resets`: for users who forgot their password.

use serde::Deserialize;
use shared::app::App;
use shared::base::entropy::digest;
use shared::base::password;
use shared::domain::error::Error;
use shared::domain::user::{Email, User};
use shared::http::{Request, Response, identity, request, response};
use shared::store::Written;
use shared::store::mailed::Purpose;
use shared::store::outbox::Mail;
use shared::store::throttle::Try;
use shared::store::token::Token;

use crate::{attempts, signed_in};

/// How many mails may be requested for one account, and from one client address, in a quarter of an hour.
const PER_ACCOUNT: i64 = 5;
const PER_CLIENT: i64 = 100;

#[derive(Deserialize)]
struct Asked {
    email: String,
}

/// `POST`: requests a mail with a link. Two sequential trips to DynamoDB: counters, outbox.
///
/// This does not look up whether the address has an account; the function
/// that sends the mail does. So neither the answer nor its timing reveals it.
pub(crate) async fn ask(app: &App, request: &Request) -> Result<Response, Error> {
    identity::check_origin(request, &app.config)?;
    let body: Asked = request::json(request)?;
    let email = Email::parse(&body.email).map_err(|fault| Error::InvalidRequest(fault.to_owned()))?;

    let now = app.clock.now();
    let (account, client) = (format!("reset account {}", email.key()), format!("reset client {}", identity::address(request, &app.config)));
    let (account, client) = tokio::join!(
        app.store.begin_try(&account, PER_ACCOUNT, now),
        app.store.begin_try(&client, PER_CLIENT * app.config.address_limits, now)
    );
    if (account?, client?) == (Try::Counted, Try::Counted) {
        app.store.ask(&Mail::password_reset(&email, now), now).await?;
    } else {
        tracing::warn!("too many password resets were requested");
    }
    Ok(response::accepted())
}

#[derive(Deserialize)]
struct Chosen {
    token: String,
    password: String,
}

/// `PUT`: uses up the link's token to set a new password, and ends all sessions. The owner of the mailbox may log in
/// immediately, however many wrong passwords others have tried. Three trips to DynamoDB: token and user, the change,
/// the counter; one more for a link that undoes a change of address.
pub(crate) async fn choose(app: &App, request: &Request) -> Result<Response, Error> {
    identity::check_origin(request, &app.config)?;
    let body: Chosen = request::json(request)?;
    password::check(&body.password, &[app.config.storefront_host()]).map_err(|fault| Error::InvalidRequest(fault.to_owned()))?;
    let token = Token::parse(&body.token).ok_or(Error::LinkGone)?;

    let now = app.clock.now();
    let mut holder = app.store.user_by_mailed(&token, Purpose::Reset, now).await?;
    if holder.is_none() {
        holder = app.store.user_by_mailed(&token, Purpose::Undo, now).await?;
    }
    let holder = holder.ok_or(Error::LinkGone)?;
    let hash = password::hash(body.password, &app.entropy).await;
    match app.store.reset_password(&token, &holder, &hash, now).await? {
        Written::Yes => {
            attempts::forget(app, holder.restores.as_ref().unwrap_or(&holder.user.email), now).await?;
            let user = User { password_digest: digest(&hash), password_hash: None, ..holder.user };
            Ok(signed_in::on_known_device(app, &user, response::no_content()))
        }
        Written::No(_) => Err(Error::LinkGone),
    }
}
