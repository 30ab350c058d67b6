//! The reconciliation's progress.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::{TransactWriteItem, Update};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::keys::read_key;
use super::table::{Key, Store, StoreError, Written, from_item, number, to_item};

/// Where each job continues.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The platform's payments were searched until this time.
    #[serde(with = "time::serde::rfc3339")]
    pub orphans_until: OffsetDateTime,
    /// The last connected account that was visited; `None` at the start of a round.
    #[serde(default)]
    pub accounts_after: Option<String>,
    /// The next hour whose books are to be compared, counted from 1970.
    pub books_hour: i64,
    /// The current day's sums so far, by currency.
    #[serde(default)]
    pub day: BTreeMap<String, DaySums>,
    /// Counts writes.
    pub version: u64,
}

/// A day's money, in the minor unit of one currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaySums {
    /// In our books.
    pub ours: i64,
    /// In Stripe's.
    pub stripe: i64,
}

impl Progress {
    /// Starts an hour ago: whatever is older predates the reconciliation.
    #[must_use]
    pub fn begin(now: OffsetDateTime) -> Self {
        let from = now - Duration::hours(1);
        Self { orphans_until: from, accounts_after: None, books_hour: Store::hour_of(from), day: BTreeMap::new(), version: 0 }
    }
}

/// How far a connected account was read. Kept while the account is out of
/// reach, so that what happens meanwhile is read once it is linked again.
#[derive(Serialize, Deserialize)]
struct Read {
    #[serde(with = "time::serde::timestamp")]
    until: OffsetDateTime,
}

fn key() -> Key {
    Key::new("RECONCILE".to_owned(), "RECONCILE")
}

impl Store {
    /// The last run's progress; `None` before the first.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn progress(&self) -> Result<Option<Progress>, StoreError> {
        self.get(&key()).await
    }

    /// Starts reading a linked account from `at` on, unless it was read before.
    pub(super) fn begin_to_read(&self, account: &str, at: OffsetDateTime) -> TransactWriteItem {
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(read_key(account).attributes()))
            .update_expression("SET #until = if_not_exists(#until, :at)")
            .expression_attribute_names("#until", "until")
            .expression_attribute_values(":at", number(at.unix_timestamp()))
            .build()
            .expect("a table, a key and an expression are given");
        TransactWriteItem::builder().update(update).build()
    }

    /// The times until which accounts were read, in the accounts' order; at most 100. Accounts that were never linked are left out.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn read_until(&self, accounts: &[String]) -> Result<Vec<(String, OffsetDateTime)>, StoreError> {
        let mut found = self.get_all(accounts.iter().map(|account| read_key(account))).await?;
        let mut times = Vec::new();
        for account in accounts {
            let read: Option<Read> = found.remove(&read_key(account)).map(from_item).transpose()?;
            times.extend(read.map(|read| (account.clone(), read.until)));
        }
        Ok(times)
    }

    /// Saves until when an account was read. Of two concurrent runs the last write wins, so some of it may be read twice.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn save_read(&self, account: &str, until: OffsetDateTime) -> Result<(), StoreError> {
        let _unconditional = self.transact(&[self.put(to_item(&read_key(account), &Read { until })?).always()]).await?;
        Ok(())
    }

    /// Saves the progress. [`Written::No`] if another run has saved since it was read.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn save_progress(&self, progress: &mut Progress) -> Result<Written, StoreError> {
        let seen = (progress.version > 0).then_some(progress.version);
        progress.version += 1;
        self.transact(&[self.put(to_item(&key(), progress)?).if_version(seen)]).await
    }
}
