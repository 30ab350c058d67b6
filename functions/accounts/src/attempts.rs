//! Limits wrong passwords per account and per address within a quarter of an hour, and wrong codes of second factors also within a day. A
//! device where the account's user has logged in before, and each session, is counted by itself and by no address, so that no attempts of
//! strangers lock it out.

use std::time::Duration;

use shared::app::App;
use shared::base::entropy::digest;
use shared::base::password;
use shared::domain::error::Error;
use shared::domain::ids::UserId;
use shared::domain::mail::Mail;
use shared::domain::user::{Email, User};
use shared::http::{Request, identity};
use shared::store::throttle::{Try, Window};
use shared::store::token::Token;
use time::OffsetDateTime;

/// How many attempts may fail for one account, whether or not it exists.
const PER_ACCOUNT: i64 = 10;

/// How many codes of a second factor may be wrong, and how many in a day. Of a million, three are right at a time.
const CODES: i64 = 5;
const CODES_A_DAY: i64 = 20;

/// After so many wrong codes in a day their user is told: whoever enters them knows the password.
const TOLD: i64 = 5;

/// How many attempts may fail from one address. An office shares one address.
const PER_ADDRESS: i64 = 100;

/// How often, and how long each time, to wait for concurrent attempts to end.
const LOOKS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(50);

/// Forgets the failed attempts for the account with this e-mail address.
pub(crate) async fn forget(app: &App, email: &str, now: OffsetDateTime) -> Result<(), Error> {
    let Ok(email) = Email::parse(email) else { return Ok(()) };
    Ok(app.store.forget_tries(&account(email.key()), now).await?)
}

fn account(email_key: &str) -> String {
    format!("account {email_key}")
}

/// Where an attempt is counted.
struct Place {
    subject: String,
    most: i64,
    window: Window,
}

impl Place {
    fn new(subject: String, most: i64) -> Self {
        Self { subject, most, window: Window::Quarter }
    }

    /// The request's address. API Gateway always provides one.
    fn address(app: &App, request: &Request) -> Option<Self> {
        let address = Some(identity::address(request, &app.config)).filter(|address| !address.is_empty());
        address.map(|address| Self::new(format!("address {address}"), PER_ADDRESS * app.config.address_limits))
    }
}

/// Who shows a code of a second factor, after the right password.
#[derive(Clone, Copy)]
pub(crate) enum Shows<'a> {
    /// A session, which is counted by itself.
    Session(&'a Token),
    /// A log-in on a device that the user knows. They have one counter, which a new password does not reset.
    KnownDevice,
    /// A log-in on any other device.
    Stranger,
}

/// One attempt with a password or a code, counted before that is checked.
///
/// If something breaks before it succeeds or fails, the attempt stays counted until the window ends.
#[must_use]
pub(crate) struct Attempt<'a> {
    app: &'a App,
    places: [Option<Place>; 3],
    now: OffsetDateTime,
}

impl<'a> Attempt<'a> {
    /// Counts an attempt for the account with this e-mail key and for the request's
    /// address. Takes one trip, unless too many attempts are in progress.
    ///
    /// # Errors
    /// [`Error::Throttled`], or if DynamoDB fails.
    pub(crate) async fn begin(app: &'a App, request: &Request, email_key: &str) -> Result<Self, Error> {
        let account = Place::new(account(email_key), PER_ACCOUNT);
        Self::count(app, [Some(account), Place::address(app, request), None]).await
    }

    /// Counts an attempt with a code of a user's second factor, in this quarter of an hour and this day.
    ///
    /// # Errors
    /// As [`Attempt::begin`].
    pub(crate) async fn with_code(app: &'a App, request: &Request, user: &UserId, by: Shows<'_>) -> Result<Self, Error> {
        let (subject, address) = match by {
            Shows::Session(token) => (format!("code in session {}", digest(&token.reveal())), None),
            Shows::KnownDevice => (format!("code of {user} on known devices"), None),
            Shows::Stranger => (format!("code of {user}"), Place::address(app, request)),
        };
        let in_a_day = Place { subject: format!("{subject} in a day"), most: CODES_A_DAY, window: Window::Day };
        Self::count(app, [Some(Place::new(subject, CODES)), Some(in_a_day), address]).await
    }

    async fn count(app: &'a App, places: [Option<Place>; 3]) -> Result<Self, Error> {
        let attempt = Self { app, places, now: app.clock.now() };
        let [first, second, third] = attempt.places.each_ref().map(|place| Box::pin(attempt.take_place(place.as_ref())));
        let (first, second, third) = tokio::join!(first, second, third);
        let taken = [first, second, third];
        if taken.iter().any(Result::is_err) {
            for (place, _) in attempt.places.iter().zip(&taken).filter(|(_, taken)| taken.is_ok()) {
                attempt.end(place.as_ref(), false).await?;
            }
        }
        taken.into_iter().collect::<Result<(), Error>>().map(|()| attempt)
    }

    /// Checks the password of a signed-in user. Each session has its own counter, so that neither strangers' attempts
    /// nor those with a stolen session lock the owner out. `hash` is the one in the credentials table; before it was
    /// moved there, it was in the user.
    ///
    /// # Errors
    /// [`Error::BadCredentials`], [`Error::Throttled`], or if DynamoDB fails.
    pub(crate) async fn of_session(
        app: &'a App,
        token: &Token,
        user: &User,
        hash: Option<String>,
        current_password: String,
    ) -> Result<Self, Error> {
        let session = Place::new(format!("session {}", digest(&token.reveal())), PER_ACCOUNT);
        let attempt = Self::count(app, [Some(session), None, None]).await?;
        if password::verify(current_password, user.password_hash.as_deref().or(hash.as_deref())).await {
            return Ok(attempt);
        }
        attempt.failed().await?;
        Err(Error::BadCredentials)
    }

    /// Counts an attempt for a device that shows this mark. If the account does not know it, see [`Attempt::of_account`].
    ///
    /// # Errors
    /// As [`Attempt::begin`].
    pub(crate) async fn begin_on(app: &'a App, mark: &str) -> Result<Self, Error> {
        Self::count(app, [Some(Place::new(format!("device {mark}"), PER_ACCOUNT)), None, None]).await
    }

    /// Counts the attempt for the account and the address after all, because the account does not know the device.
    ///
    /// # Errors
    /// As [`Attempt::begin`].
    pub(crate) async fn of_account(self, request: &Request, email_key: &str) -> Result<Self, Error> {
        let counted = Self::begin(self.app, request, email_key).await;
        self.succeeded().await?;
        counted
    }

    /// When the attempt began.
    pub(crate) fn now(&self) -> OffsetDateTime {
        self.now
    }

    /// The password or the code was right, so the attempt no longer counts.
    pub(crate) async fn succeeded(self) -> Result<(), Error> {
        self.end_all(false).await.map(drop)
    }

    /// It was wrong.
    pub(crate) async fn failed(self) -> Result<(), Error> {
        self.end_all(true).await.map(drop)
    }

    /// The code was wrong. After several in a day, the user is told by mail, once a day.
    pub(crate) async fn code_failed(self, user: &UserId) -> Result<(), Error> {
        let [_, in_a_day, _] = self.end_all(true).await?;
        if in_a_day >= TOLD {
            self.app.store.ask(&Mail::codes_wrong(user, self.now), self.now).await?;
        }
        Ok(())
    }

    async fn take_place(&self, place: Option<&Place>) -> Result<(), Error> {
        let Some(Place { subject, most, window }) = place else { return Ok(()) };
        for _ in 0..LOOKS {
            match self.app.store.begin_try_in(*window, subject, *most, self.now).await? {
                Try::Counted => return Ok(()),
                Try::Busy => tokio::time::sleep(PAUSE).await,
                Try::Exhausted => return Err(Error::Throttled { retry_after: window.ends_in(self.now) }),
            }
        }
        Err(Error::Throttled { retry_after: 1 })
    }

    /// Ends the attempt in all places. Returns how many have failed in each, if this one has.
    async fn end_all(&self, failed: bool) -> Result<[i64; 3], Error> {
        let [first, second, third] = self.places.each_ref().map(|place| Box::pin(self.end(place.as_ref(), failed)));
        let (first, second, third) = tokio::join!(first, second, third);
        Ok([first?, second?, third?])
    }

    async fn end(&self, place: Option<&Place>, failed: bool) -> Result<i64, Error> {
        let Some(place) = place else { return Ok(0) };
        Ok(self.app.store.end_try(place.window, &place.subject, failed, self.now).await?)
    }
}
