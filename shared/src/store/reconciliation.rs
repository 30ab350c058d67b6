//! How far the reconciliation has come.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::{Key, Store, StoreError, Written, to_item};

/// Where each job goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The platform's payments are looked through until then.
    #[serde(with = "time::serde::rfc3339")]
    pub orphans_until: OffsetDateTime,
    /// The connected account that was looked through last; none at the beginning of a round.
    #[serde(default)]
    pub accounts_after: Option<String>,
    /// When this round through them began.
    #[serde(with = "time::serde::rfc3339")]
    pub round_began: OffsetDateTime,
    /// When the one before did.
    #[serde(with = "time::serde::rfc3339")]
    pub round_before: OffsetDateTime,
    /// The next hour whose books are compared, counted from 1970.
    pub books_hour: i64,
    /// The present day's sums so far, by currency.
    #[serde(default)]
    pub day: BTreeMap<String, DaySums>,
    /// Counts writes.
    pub version: u64,
}

/// A day's money, in the minor unit of one currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaySums {
    /// By our books.
    pub ours: i64,
    /// By Stripe's.
    pub stripe: i64,
}

impl Progress {
    /// From an hour ago: what is older was there before the reconciliation.
    #[must_use]
    pub fn begin(now: OffsetDateTime) -> Self {
        let from = now - Duration::hours(1);
        Self {
            orphans_until: from,
            accounts_after: None,
            round_began: from,
            round_before: from,
            books_hour: Store::hour_of(from),
            day: BTreeMap::new(),
            version: 0,
        }
    }
}

fn key() -> Key {
    Key::new("RECONCILE".to_owned(), "RECONCILE")
}

impl Store {
    /// How far the last run came; none before the first.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn progress(&self) -> Result<Option<Progress>, StoreError> {
        self.get(&key()).await
    }

    /// Writes how far it came. [`Written::No`] where another run has written since it was read.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn save_progress(&self, progress: &mut Progress) -> Result<Written, StoreError> {
        let seen = (progress.version > 0).then_some(progress.version);
        progress.version += 1;
        self.transact(vec![self.put(to_item(&key(), progress)?).if_version(seen)]).await
    }
}
