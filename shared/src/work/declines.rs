//! Card testing: somebody tries stolen card numbers until one works. Different cards and declines are counted, and after a
//! few of them Stripe is not called any more. <https://docs.stripe.com/disputes/prevention/card-testing>
//!
//! Hosted Checkout is not limited: there Stripe sees the browser and asks for a CAPTCHA itself.

use std::time::Duration;

use serde::Deserialize;
use time::OffsetDateTime;

use crate::app::App;
use crate::base::metrics::{self, Unit};
use crate::domain::declines::{Counts, PER_ADDRESS, PER_PLATFORM, since, user_waits};
use crate::domain::error::Error;
use crate::domain::ids::UserId;
use crate::domain::user::User;
use crate::settings::config::Challenge;
use crate::store::declines::CardTry;

/// After this many declines in a day the user must solve a challenge, if the operator has configured one.
const CHALLENGED_FROM: usize = 3;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// Timeout of the challenge's provider.
const PATIENCE: Duration = Duration::from_secs(3);

/// Checks whether a user may try a card now, from this network. `answer` is the response from the browser's challenge, if any.
///
/// # Errors
/// [`Error::TooManyCards`], [`Error::EmailNotConfirmed`] and [`Error::ChallengeWanted`].
pub async fn check(app: &App, user: &User, address: &str, counts: Counts, answer: Option<&str>) -> Result<(), Error> {
    let now = app.clock.now();
    let refused = |error| refused(&user.id, address, error);
    let wide = app.config.address_limits;
    let is_storm = counts.platform >= PER_PLATFORM * wide;
    if let Some(retry_after) = user_waits(user, now) {
        return Err(refused(Error::TooManyCards { retry_after }));
    }
    if counts.address >= PER_ADDRESS * wide {
        return Err(refused(Error::TooManyCards { retry_after: hour_ends_in(now) }));
    }
    let today = since(user, now, DAY).count();
    if !user.email_confirmed && (today > 0 || is_storm) {
        return Err(refused(Error::EmailNotConfirmed));
    }
    match &app.config.challenge {
        Some(challenge) if today >= CHALLENGED_FROM || is_storm => match answer {
            Some(answer) if is_human(app, challenge, answer).await => Ok(()),
            _ => Err(refused(Error::ChallengeWanted)),
        },
        _ => Ok(()),
    }
}

fn refused(user: &UserId, address: &str, error: Error) -> Error {
    tracing::warn!(code = error.code(), user_id = user.as_str(), address, "card attempt refused");
    metrics::emit("CardTryRefused", Unit::Count, 1.0, &[], &[("code", error.code())]);
    error
}

/// A card that a user is about to try.
#[must_use]
pub fn card_try<'a>(app: &App, user: &'a UserId, address: &'a str, card: &'a str) -> CardTry<'a> {
    CardTry { user, address, card, wide: app.config.address_limits }
}

/// Counts a card against this minute's limits: one trip to DynamoDB, before the card is sent to Stripe.
///
/// # Errors
/// [`Error::TooManyCards`], and if DynamoDB fails.
pub async fn take_try(app: &App, one: &CardTry<'_>) -> Result<(), Error> {
    let now = app.clock.now();
    if app.store.take_try(one, now).await? { Ok(()) } else { Err(too_fast(one.user, one.address, now)) }
}

/// Counts a payment whose secret is about to be handed out to its buyer's browser, once in an hour: one trip to DynamoDB.
///
/// # Errors
/// [`Error::TooManyCards`] if the buyer, or their address, was given too many in this hour: the caller withdraws the payment. And if DynamoDB fails.
pub async fn take_secret(app: &App, user: &UserId, address: &str, payment: &str) -> Result<(), Error> {
    let now = app.clock.now();
    if app.store.take_secret(user, address, payment, app.config.address_limits, now).await? {
        Ok(())
    } else {
        Err(refused(user, address, Error::TooManyCards { retry_after: hour_ends_in(now) }))
    }
}

/// Counts an answer that is a decline against the user, their address and the card: two trips to DynamoDB, otherwise none.
///
/// # Errors
/// If DynamoDB fails.
pub async fn count<T>(app: &App, user: &User, address: &str, answer: &Result<T, Error>) -> Result<(), Error> {
    if let Err(Error::CardDeclined { fingerprint, .. }) = answer {
        let card = fingerprint.as_deref();
        tracing::info!(user_id = user.id.as_str(), address, "card declined");
        app.store.count_decline(user, (Some(address), card), app.config.address_limits, app.clock.now()).await?;
    }
    Ok(())
}

/// Counts a card that failed in the browser, without a request to us, once for each `cause`: two trips to DynamoDB. `card` is its
/// fingerprint. Whoever records the failure counts it before that, or it would stay uncounted if they died in between.
///
/// # Errors
/// If DynamoDB fails.
pub async fn count_in_browser(app: &App, cause: &str, user: &UserId, card: Option<&str>) -> Result<(), Error> {
    Ok(app.store.count_decline_once(cause, user, card, app.config.address_limits, app.clock.now()).await?)
}

/// Too many cards were tried in the minute of `now`.
#[must_use]
pub fn too_fast(user: &UserId, address: &str, now: OffsetDateTime) -> Error {
    refused(user, address, Error::TooManyCards { retry_after: 60 - now.unix_timestamp().rem_euclid(60) })
}

/// Seconds until the hour of `now` ends.
fn hour_ends_in(now: OffsetDateTime) -> i64 {
    HOUR - now.unix_timestamp().rem_euclid(HOUR)
}

#[derive(Deserialize)]
struct Verdict {
    #[serde(default)]
    success: bool,
}

/// Asks Turnstile or hCaptcha, which have the same API. A provider that cannot be reached counts as a failed challenge.
/// <https://developers.cloudflare.com/turnstile/get-started/server-side-validation/>, <https://docs.hcaptcha.com/#verify-the-user-response-server-side>
async fn is_human(app: &App, challenge: &Challenge, answer: &str) -> bool {
    let form = [("secret", challenge.secret.reveal()), ("response", answer), ("sitekey", &challenge.site_key)];
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let request = app.http.post(&challenge.url).timeout(PATIENCE).header("content-type", "application/x-www-form-urlencoded").body(body);
    let verdict = async {
        let answer = request.send().await.ok()?.bytes().await.ok()?;
        serde_json::from_slice::<Verdict>(&answer).ok()
    };
    verdict.await.is_some_and(|verdict| verdict.success)
}
