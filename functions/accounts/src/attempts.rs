//! Throttling: so many wrong passwords in a quarter of an hour, and no more, for an account and from an address.

use std::time::Duration;

use shared::app::App;
use shared::error::Error;
use shared::http::{Request, identity};
use shared::store::throttle::{Try, window_ends_in};
use time::OffsetDateTime;

/// How many may fail for one account, whether or not it exists.
const PER_ACCOUNT: i64 = 10;

/// How many may fail from one address: an office shares one.
const PER_ADDRESS: i64 = 100;

/// How long one waits for others to end that were begun at the same moment: this often, so long.
const LOOKS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(50);

/// One try of a password, counted before the password is looked at.
///
/// One that neither succeeds nor fails, because something broke in between, stays counted until the window ends.
#[must_use]
pub(crate) struct Attempt<'a> {
    app: &'a App,
    account: String,
    address: Option<String>,
    now: OffsetDateTime,
}

impl<'a> Attempt<'a> {
    /// Counts a try for the account with this e-mail key from the request's address: one trip, unless more tries are
    /// under way than may fail.
    ///
    /// # Errors
    /// [`Error::Throttled`], and where DynamoDB fails.
    pub(crate) async fn begin(app: &'a App, request: &Request, email_key: &str) -> Result<Self, Error> {
        let address = Some(identity::address(request, &app.config)).filter(|address| !address.is_empty());
        let attempt = Self {
            app,
            account: format!("account {email_key}"),
            // API Gateway always names one.
            address: address.map(|address| format!("address {address}")),
            now: app.clock.now(),
        };
        let (account, address) = tokio::join!(
            attempt.take_place(Some(&attempt.account), PER_ACCOUNT),
            attempt.take_place(attempt.address.as_deref(), PER_ADDRESS)
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

    /// When it was made.
    pub(crate) fn now(&self) -> OffsetDateTime {
        self.now
    }

    /// The password was right: the try no longer counts.
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
