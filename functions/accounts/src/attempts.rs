//! Limits wrong passwords per account and per address within a quarter of an hour. A device where the account's user has logged in before
//! has its own counter, so that strangers' attempts do not lock it out.

use std::time::Duration;

use shared::app::App;
use shared::base::entropy::digest;
use shared::base::password;
use shared::domain::error::Error;
use shared::domain::user::{Email, User};
use shared::http::{Request, identity};
use shared::store::throttle::{Try, window_ends_in};
use shared::store::token::Token;
use time::OffsetDateTime;

/// How many attempts may fail for one account, whether or not it exists.
const PER_ACCOUNT: i64 = 10;

/// How many codes of a second factor may be wrong. Of a million, three are right at a time.
const CODES: i64 = 5;

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

/// One attempt with a password, counted before the password is checked.
///
/// If something breaks before it succeeds or fails, the attempt stays counted until the window ends.
#[must_use]
pub(crate) struct Attempt<'a> {
    app: &'a App,
    /// What is counted: the account, or a device known to it.
    account: String,
    address: Option<String>,
    now: OffsetDateTime,
}

impl<'a> Attempt<'a> {
    /// Counts an attempt for the account with this e-mail key and for the request's
    /// address. Takes one trip, unless too many attempts are in progress.
    ///
    /// # Errors
    /// [`Error::Throttled`], or if DynamoDB fails.
    pub(crate) async fn begin(app: &'a App, request: &Request, email_key: &str) -> Result<Self, Error> {
        Self::count(app, request, account(email_key), PER_ACCOUNT).await
    }

    /// Counts an attempt with a code of a second factor.
    ///
    /// # Errors
    /// As [`Attempt::begin`].
    pub(crate) async fn with_code(app: &'a App, request: &Request, counted: String) -> Result<Self, Error> {
        Self::count(app, request, counted, CODES).await
    }

    async fn count(app: &'a App, request: &Request, account: String, most: i64) -> Result<Self, Error> {
        let address = Some(identity::address(request, &app.config)).filter(|address| !address.is_empty());
        let attempt = Self {
            app,
            account,
            // API Gateway always provides an address.
            address: address.map(|address| format!("address {address}")),
            now: app.clock.now(),
        };
        let (account, address) = tokio::join!(
            attempt.take_place(Some(&attempt.account), most),
            attempt.take_place(attempt.address.as_deref(), PER_ADDRESS * app.config.address_limits)
        );
        match (account, address) {
            (Ok(()), Ok(())) => Ok(attempt),
            (Err(error), Ok(())) => {
                attempt.end(attempt.address.as_deref(), false).await?;
                Err(error)
            }
            (Ok(()), Err(error)) => {
                attempt.end(Some(&attempt.account), false).await?;
                Err(error)
            }
            (Err(error), Err(_)) => Err(error),
        }
    }

    /// Checks the password of a signed-in user. Each session has its own counter, so that neither strangers' attempts
    /// nor those with a stolen session lock the owner out. `hash` is the one in the credentials table; before it was
    /// moved there, it was in the user.
    ///
    /// # Errors
    /// [`Error::BadCredentials`], [`Error::Throttled`], or if DynamoDB fails.
    pub(crate) async fn of_session(
        app: &'a App,
        request: &Request,
        token: &Token,
        user: &User,
        hash: Option<String>,
        current_password: String,
    ) -> Result<Self, Error> {
        let attempt = Self::count(app, request, format!("session {}", digest(&token.reveal())), PER_ACCOUNT).await?;
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
    pub(crate) async fn begin_on(app: &'a App, request: &Request, mark: &str) -> Result<Self, Error> {
        Self::count(app, request, format!("device {mark}"), PER_ACCOUNT).await
    }

    /// Counts the attempt for the account after all, because it does not know the device.
    ///
    /// # Errors
    /// As [`Attempt::begin`].
    pub(crate) async fn of_account(mut self, email_key: &str) -> Result<Self, Error> {
        let device = std::mem::replace(&mut self.account, account(email_key));
        let counted = self.take_place(Some(&self.account), PER_ACCOUNT).await;
        self.end(Some(&device), false).await?;
        if let Err(error) = counted {
            self.end(self.address.as_deref(), false).await?;
            return Err(error);
        }
        Ok(self)
    }

    /// When the attempt began.
    pub(crate) fn now(&self) -> OffsetDateTime {
        self.now
    }

    /// The password was right, so the attempt no longer counts.
    pub(crate) async fn succeeded(self) -> Result<(), Error> {
        self.end_both(false).await
    }

    /// The password was wrong.
    pub(crate) async fn failed(self) -> Result<(), Error> {
        self.end_both(true).await
    }

    async fn take_place(&self, subject: Option<&str>, limit: i64) -> Result<(), Error> {
        let Some(subject) = subject else { return Ok(()) };
        for _ in 0..LOOKS {
            match self.app.store.begin_try(subject, limit, self.now).await? {
                Try::Counted => return Ok(()),
                Try::Busy => tokio::time::sleep(PAUSE).await,
                Try::Exhausted => return Err(Error::Throttled { retry_after: window_ends_in(self.now) }),
            }
        }
        Err(Error::Throttled { retry_after: 1 })
    }

    async fn end_both(&self, failed: bool) -> Result<(), Error> {
        let (account, address) = tokio::join!(self.end(Some(&self.account), failed), self.end(self.address.as_deref(), failed));
        account.and(address)
    }

    async fn end(&self, subject: Option<&str>, failed: bool) -> Result<(), Error> {
        let Some(subject) = subject else { return Ok(()) };
        Ok(self.app.store.end_try(subject, failed, self.now).await?)
    }
}
