//! `/users/me/second-factor`, and the code that a log-in asks for.

use serde::{Deserialize, Serialize};
use shared::app::App;
use shared::domain::error::Error;
use shared::domain::user::{SecondFactor, User};
use shared::http::{Request, Response, identity, request, response};
use shared::store::Written;
use shared::store::token::Token;
use time::OffsetDateTime;

use crate::attempts::{Attempt, Shows};
use crate::signed_in;

/// How many times to look again when a concurrent request wins.
const LOOKS: u32 = 5;

#[derive(Serialize)]
struct Begun {
    secret: String,
    uri: String,
}

/// `POST`: makes a secret for an authenticator app. It is asked for once `PUT` has shown a code of it. Needs a password that was entered
/// lately, and a confirmed address: otherwise somebody could lock a stranger out of an account under the stranger's address. Two trips to DynamoDB.
pub(crate) async fn begin(app: &App, request: &Request) -> Result<Response, Error> {
    let user = identity::user_with_password(request, app).await?;
    if !user.email_confirmed {
        return Err(Error::EmailNotConfirmed);
    }
    let factor = SecondFactor::new(&app.entropy);
    match app.store.begin_second_factor(&user.id, &factor).await? {
        Written::Yes => {
            let uri = factor.uri(app.config.storefront_host(), &user.email);
            Ok(response::json(200, &Begun { secret: factor.secret, uri }))
        }
        Written::No(_) => Err(Error::SecondFactorOn),
    }
}

#[derive(Deserialize)]
struct Body {
    code: String,
}

#[derive(Serialize)]
struct On {
    recovery_codes: Vec<String>,
}

/// `PUT`: switches it on, for a code of the secret. The answer has the recovery codes, which nothing shows again. The user is told by mail,
/// and all other sessions end.
/// Four trips to DynamoDB: session and user, counters, factor, the change.
pub(crate) async fn confirm(app: &App, request: &Request) -> Result<Response, Error> {
    let session = identity::required(request, &app.config)?;
    let user = identity::user_with_password(request, app).await?;
    let body: Body = request::json(request)?;
    if user.has_second_factor() {
        return Err(Error::SecondFactorOn);
    }
    if !user.email_confirmed {
        return Err(Error::EmailNotConfirmed);
    }
    let attempt = Attempt::with_code(app, request, &user.id, Shows::Session(&session.token)).await?;
    let seen = app.store.second_factor(&user.id).await?;
    let Some(seen) = seen.filter(|factor| !factor.is_on) else {
        attempt.succeeded().await?;
        return Err(Error::NotFound("second factor; begin with POST"));
    };
    let mut factor = seen.clone();
    if factor.take(&body.code, attempt.now()).is_none() {
        attempt.failed().await?;
        return Err(Error::SecondFactorWrong);
    }
    let began = attempt.now();
    let recovery_codes = factor.switch_on(&app.entropy, began);
    let change = app.store.switch_on_second_factor(&user, &session.token, &seen, &factor, began);
    let (changed, counted) = tokio::join!(change, attempt.succeeded());
    counted?;
    match changed? {
        // Marks from before are void, because a thief's device may have one.
        Written::Yes => {
            let user = User { sessions_ended_at: Some(began), ..user };
            Ok(signed_in::on_known_device(app, &user, response::json(200, &On { recovery_codes })))
        }
        Written::No(_) => Err(Error::Conflict),
    }
}

/// `DELETE`: switches it off, for a code of the app or a recovery code. The user is told by mail, and all other sessions end. Trips as for
/// [`confirm`].
pub(crate) async fn switch_off(app: &App, request: &Request) -> Result<Response, Error> {
    let session = identity::required(request, &app.config)?;
    let user = identity::user_with_password(request, app).await?;
    let body: Body = request::json(request)?;
    if !user.has_second_factor() {
        return Err(Error::NotFound("second factor"));
    }
    let at = app.clock.now();
    check(app, request, &user, Shows::Session(&session.token), Some(&body.code), Then::Off { token: &session.token, at }).await?;
    let user = User { sessions_ended_at: Some(at), ..user };
    Ok(signed_in::on_known_device(app, &user, response::no_content()))
}

/// Takes the code of a user who has a second factor, for a log-in. Wrong codes are counted by user, because they are few: whoever gets here
/// knows the password. Those of devices that the user knows are counted apart, so that nobody else locks them out. Nothing happens without a
/// factor. Otherwise three trips to DynamoDB: counters, factor, the change; one more to tell the user of wrong codes.
///
/// # Errors
/// [`Error::SecondFactorRequired`], [`Error::SecondFactorWrong`], [`Error::Throttled`], or if DynamoDB fails.
pub(crate) async fn at_log_in(app: &App, request: &Request, user: &User, is_known: bool, code: Option<&str>) -> Result<(), Error> {
    check(app, request, user, if is_known { Shows::KnownDevice } else { Shows::Stranger }, code, Then::On).await
}

/// Checks the password of a signed-in user, see [`Attempt::of_session`], and then the code if there is a factor. Each session is counted
/// by itself, so that nobody who tries to log in locks it out.
///
/// # Errors
/// Those of [`Attempt::of_session`] and of [`at_log_in`].
pub(crate) async fn with_password<'a>(
    app: &'a App,
    request: &Request,
    token: &Token,
    user: &User,
    hash: Option<String>,
    (current_password, code): (String, Option<&str>),
) -> Result<Attempt<'a>, Error> {
    let attempt = Attempt::of_session(app, token, user, hash, current_password).await?;
    if let Err(error) = check(app, request, user, Shows::Session(token), code, Then::On).await {
        attempt.succeeded().await?;
        return Err(error);
    }
    Ok(attempt)
}

/// What becomes of the factor after a right code.
#[derive(Clone, Copy)]
enum Then<'a> {
    On,
    /// It goes, and all sessions but that of `token` end at this moment.
    Off {
        token: &'a Token,
        at: OffsetDateTime,
    },
}

async fn check(app: &App, request: &Request, user: &User, by: Shows<'_>, code: Option<&str>, then: Then<'_>) -> Result<(), Error> {
    if !user.has_second_factor() {
        return Ok(());
    }
    let code = code.filter(|code| !code.trim().is_empty()).ok_or(Error::SecondFactorRequired)?;
    let attempt = Attempt::with_code(app, request, &user.id, by).await?;
    match use_up(app, user, code, then, attempt.now()).await? {
        Used::Now => return attempt.succeeded().await,
        Used::Before => attempt.succeeded().await?,
        Used::TooLate => {
            attempt.succeeded().await?;
            return Err(Error::NotSignedIn);
        }
        Used::Never => attempt.code_failed(&user.id).await?,
    }
    Err(Error::SecondFactorWrong)
}

/// When a code was accepted.
enum Used {
    /// By this request.
    Now,
    /// By the one before, perhaps of a double click, or others keep being faster. It is refused, but is no guess.
    Before,
    /// It is right, but the session that shows it, or its user, is gone.
    TooLate,
    /// It is wrong.
    Never,
}

/// Uses a code, unless somebody else has: of several requests with one code, one writes that it was used.
async fn use_up(app: &App, user: &User, code: &str, then: Then<'_>, now: OffsetDateTime) -> Result<Used, Error> {
    for _ in 0..LOOKS {
        // Switched off meanwhile, it takes no code, and so nobody can guess one.
        let Some(seen) = app.store.second_factor(&user.id).await?.filter(|factor| factor.is_on) else { return Ok(Used::Before) };
        let mut factor = seen.clone();
        let Some(shown) = factor.take(code, now) else {
            return Ok(if seen.was_just_used(code, now) { Used::Before } else { Used::Never });
        };
        let written = match then {
            Then::Off { token, at } => app.store.switch_off_second_factor(user, token, &seen, at).await?,
            Then::On => app.store.use_second_factor(&user.id, &seen, (&factor, shown), now).await?,
        };
        match written {
            Written::Yes => return Ok(Used::Now),
            // The factor is the first item.
            Written::No(0) => {}
            Written::No(_) => return Ok(Used::TooLate),
        }
    }
    Ok(Used::Before)
}
