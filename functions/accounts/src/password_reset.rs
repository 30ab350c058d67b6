//! `/password-resets`: for users who forgot their password.

use serde::Deserialize;
use shared::app::App;
use shared::base::entropy::digest;
use shared::base::password;
use shared::domain::error::Error;
use shared::domain::mail::Mail;
use shared::domain::user::{Email, SecondFactor, User};
use shared::http::{Request, Response, identity, request, response};
use shared::store::Written;
use shared::store::mailed::{Holder, Purpose};
use shared::store::throttle::Try;
use shared::store::token::Token;
use time::OffsetDateTime;

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

/// How many times to look again when a concurrent request wins.
const LOOKS: u32 = 5;

/// `PUT`: uses up the link's token to set a new password, and ends all sessions. The owner of the mailbox may log in
/// immediately, however many wrong passwords others have tried. Three trips to DynamoDB: token and user, the change,
/// the counter; one more for a link that undoes a change of address, and two if there is a second factor: it goes if it was
/// switched on after the change was asked for.
pub(crate) async fn choose(app: &App, request: &Request) -> Result<Response, Error> {
    identity::check_origin(request, &app.config)?;
    let body: Chosen = request::json(request)?;
    password::check(&body.password, &[app.config.storefront_host()])?;
    let token = Token::parse(&body.token).ok_or(Error::LinkGone)?;

    let now = app.clock.now();
    let mut holder = holder_of(app, &token, now).await?;
    let hash = password::hash(body.password, &app.entropy).await;
    for _ in 0..LOOKS {
        let factor = thiefs_factor(app, &holder).await?;
        if app.store.reset_password(&token, &holder, factor.as_ref(), &hash, now).await? == Written::Yes {
            attempts::forget(app, holder.restores.as_ref().map_or(&holder.user.email, |restores| &restores.email), now).await?;
            let user = User { password_digest: digest(&hash), password_hash: None, ..holder.user };
            return Ok(signed_in::on_known_device(app, &user, response::no_content()));
        }
        holder = holder_of(app, &token, now).await?;
    }
    Err(Error::Conflict)
}

async fn holder_of(app: &App, token: &Token, now: OffsetDateTime) -> Result<Holder, Error> {
    if let Some(holder) = app.store.user_by_mailed(token, Purpose::Reset, now).await? {
        return Ok(holder);
    }
    app.store.user_by_mailed(token, Purpose::Undo, now).await?.ok_or(Error::LinkGone)
}

/// The second factor that was switched on since the change was asked for that the link undoes.
async fn thiefs_factor(app: &App, holder: &Holder) -> Result<Option<SecondFactor>, Error> {
    let Some(restores) = holder.restores.as_ref().filter(|_| holder.user.has_second_factor()) else { return Ok(None) };
    Ok(app.store.second_factor(&holder.user.id).await?.filter(|factor| factor.is_on_since(restores.asked_at)))
}
