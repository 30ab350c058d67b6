//! What the jobs of a run share.

use std::ops::AddAssign;

use serde::Serialize;
use shared::domain::error::Error;
use shared::store::Written;
use shared::store::reconciliation::Progress;
use shared::work::Services;
use time::OffsetDateTime;

/// How many accounts are read side by side. The calls per second are bounded by [`Gateway::paced`](shared::stripe::Gateway::paced).
pub(crate) const SIDE_BY_SIDE: usize = 16;

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Purchases and subscriptions that were due and looked at.
    pub checked: u32,
    /// How many of them changed, and purchases to which Stripe's books added something.
    pub repaired: u32,
    /// Payments that were added to our records.
    pub recorded: u32,
    /// Payments that were refunded or canceled, because nothing was bought with them.
    pub returned: u32,
    /// Hours whose books were compared.
    pub hours: u32,
    /// Lines that differed.
    pub differences: u32,
    /// Connected accounts that were due and read.
    pub accounts: u32,
    /// Connected accounts that could not be read, or whose books could not be compared.
    pub unread: u32,
}

impl AddAssign for Report {
    fn add_assign(&mut self, other: Self) {
        self.checked += other.checked;
        self.repaired += other.repaired;
        self.recorded += other.recorded;
        self.returned += other.returned;
        self.hours += other.hours;
        self.differences += other.differences;
        self.accounts += other.accounts;
        self.unread += other.unread;
    }
}

/// What could not be finished because the run's time is over. The next run continues.
pub(crate) fn late() -> Error {
    Error::Internal("the run's time is over".to_owned())
}

/// A time in Unix seconds.
pub(crate) fn at(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// The cause that purchases' histories name for changes made by this run.
pub(crate) fn cause(services: &Services) -> String {
    format!("reconcile:{}", services.app.clock.now().unix_timestamp())
}

/// Saves the progress. Returns whether to continue; if another run saved first, that one continues.
pub(crate) async fn save(services: &Services, progress: &mut Progress) -> Result<bool, Error> {
    Ok(services.app.store.save_progress(progress).await? == Written::Yes)
}
