//! The reconciliation's progress.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::keys::{compared_key, compared_of, read_key};
use super::table::{Item, Key, Store, StoreError, Written, from_item, number, string, to_item};

/// The partition of `gsi2` that lists accounts by when they are to be read. One is enough: the rate of calls to Stripe bounds the writes.
const READS: &str = "READS";

/// How long the parts of a comparison are kept. The hours are compared long before.
const COMPARED_KEPT: Duration = Duration::days(30);

/// Where each job continues.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The platform's payments were searched until this time.
    #[serde(with = "time::serde::rfc3339")]
    pub orphans_until: OffsetDateTime,
    /// Where the search continues, in Unix seconds, if it has not caught up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orphans_from: Option<i64>,
    /// The last account in Stripe's list that is known to have its place among those to be read; `None` at the start of a round.
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
        Self {
            orphans_until: from,
            orphans_from: None,
            accounts_after: None,
            books_hour: Store::hour_of(from),
            day: BTreeMap::new(),
            version: 0,
        }
    }
}

/// How far a connected account was read. Kept while the account is out of
/// reach, so that what happens meanwhile is read once it is linked again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// Everything before this was read.
    #[serde(with = "time::serde::timestamp")]
    pub until: OffsetDateTime,
    /// Where the reading continues, in Unix seconds, if it has not caught up.
    #[serde(default)]
    pub from: Option<i64>,
    /// How much is read in one step, in seconds, if much has happened.
    #[serde(default)]
    pub step: Option<i64>,
    /// Whether there was ever a payment on the account itself, so that there can be refunds and disputes; `None` if nobody has looked.
    #[serde(default)]
    pub has_payments: Option<bool>,
    /// How many times in a row it could not be read.
    #[serde(default)]
    pub failures: u32,
    /// Its place in the index; `None` if it is not to be read.
    #[serde(default, rename = "gsi2sk", skip_serializing)]
    place: Option<String>,
}

impl Reading {
    /// One that was read until this time, and nothing more is known.
    #[must_use]
    pub const fn until(until: OffsetDateTime) -> Self {
        Self { until, from: None, step: None, has_payments: None, failures: 0, place: None }
    }

    /// Whether it is to be read at some time.
    #[must_use]
    pub const fn is_listed(&self) -> bool {
        self.place.is_some()
    }

    fn is_due(&self, now: OffsetDateTime) -> bool {
        self.place.as_ref().is_some_and(|place| *place < moment_of_index(now))
    }
}

/// When to read an account next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Its place stays.
    AsBefore,
    /// At this time; before it come the accounts that are due earlier.
    At(OffsetDateTime),
    /// Not until it is linked again.
    Never,
}

/// How far one account's books of some hours are compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compared {
    /// The end of the hours, counted from 1970.
    pub hours_end: i64,
    /// Everything before this was compared, in Unix seconds.
    pub until: i64,
    /// How much is compared in one step, in seconds, if much has happened.
    #[serde(default)]
    pub step: Option<i64>,
    /// What moved, by currency.
    pub sums: BTreeMap<String, DaySums>,
    /// How many movements there were, in the ledger or at Stripe.
    pub movements: usize,
    /// How many lines differed.
    pub differences: u32,
    /// How many runs could not compare it.
    pub failures: u32,
}

impl Compared {
    /// Whether all of it is compared.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.until >= self.hours_end * 3600
    }
}

fn account_of(key: &Item) -> Option<String> {
    Some(key.get("pk")?.as_s().ok()?.strip_prefix("ACCOUNT#")?.to_owned())
}

fn moment_of_index(at: OffsetDateTime) -> String {
    format!("{:020}", at.unix_timestamp_nanos())
}

fn place_of(account: &str, at: OffsetDateTime) -> String {
    format!("{}#{account}", moment_of_index(at))
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

    /// Starts reading a linked account from `at` on, or continues where it was read before. It is due at once.
    pub(super) fn begin_to_read(&self, account: &str, at: OffsetDateTime) -> TransactWriteItem {
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(read_key(account).attributes()))
            .update_expression("SET #until = if_not_exists(#until, :at), gsi2pk = :reads, gsi2sk = :place")
            .expression_attribute_names("#until", "until")
            .expression_attribute_values(":at", number(at.unix_timestamp()))
            .expression_attribute_values(":reads", string(READS))
            .expression_attribute_values(":place", string(place_of(account, at)))
            .build()
            .expect("a table, a key and an expression are given");
        TransactWriteItem::builder().update(update).build()
    }

    /// Up to 100 accounts that are due, longest due first: one query and one read. Starts after the key `after`, and returns the key
    /// to continue after if there are more.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn due_accounts(
        &self,
        now: OffsetDateTime,
        after: Option<Item>,
    ) -> Result<(Vec<(String, Reading)>, Option<Item>), StoreError> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .index_name("gsi2")
            .key_condition_expression("gsi2pk = :reads AND gsi2sk < :now")
            .expression_attribute_values(":reads", string(READS))
            .expression_attribute_values(":now", string(moment_of_index(now)))
            .set_exclusive_start_key(after)
            .limit(100)
            .send()
            .await
            .map_err(|error| StoreError::request("Query", &error))?;
        let accounts: Vec<String> = answer.items.unwrap_or_default().iter().filter_map(account_of).collect();
        let mut readings = self.readings(&accounts).await?;
        // The index is behind, so one that was read a moment ago may still be in its old place.
        let due = accounts.into_iter().filter_map(|account| {
            let reading = readings.remove(&account).filter(|reading| reading.is_due(now))?;
            Some((account, reading))
        });
        Ok((due.collect(), answer.last_evaluated_key))
    }

    /// How far these accounts were read; at most 100. Accounts that were never linked are left out.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn readings(&self, accounts: &[String]) -> Result<HashMap<String, Reading>, StoreError> {
        let mut found = self.get_all(accounts.iter().map(|account| read_key(account))).await?;
        let mut readings = HashMap::new();
        for account in accounts {
            if let Some(item) = found.remove(&read_key(account)) {
                readings.insert(account.clone(), from_item(item)?);
            }
        }
        Ok(readings)
    }

    /// Saves how far an account was read. Of two concurrent runs the last write wins, so some of it may be read twice.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn save_reading(&self, account: &str, reading: &Reading, next: Next) -> Result<(), StoreError> {
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(read_key(account).attributes()))
            .expression_attribute_names("#until", "until")
            .expression_attribute_names("#from", "from")
            .expression_attribute_names("#step", "step")
            .expression_attribute_values(":until", number(reading.until.unix_timestamp()))
            .expression_attribute_values(":from", serde_dynamo::aws_sdk_dynamodb_1::to_attribute_value(reading.from)?)
            .expression_attribute_values(":step", serde_dynamo::aws_sdk_dynamodb_1::to_attribute_value(reading.step)?)
            .expression_attribute_values(":failures", number(reading.failures));
        let mut expression = "SET #until = :until, #from = :from, #step = :step, failures = :failures".to_owned();
        if let Some(has_payments) = reading.has_payments {
            // Once there was a payment, there was one.
            expression += if has_payments { ", has_payments = :has" } else { ", has_payments = if_not_exists(has_payments, :has)" };
            update = update.expression_attribute_values(":has", AttributeValue::Bool(has_payments));
        }
        match next {
            Next::AsBefore => {}
            Next::At(at) => {
                expression += ", gsi2pk = :reads, gsi2sk = :place";
                update = update
                    .expression_attribute_values(":reads", string(READS))
                    .expression_attribute_values(":place", string(place_of(account, at)));
            }
            Next::Never => expression += " REMOVE gsi2pk, gsi2sk",
        }
        update.update_expression(expression).send().await.map_err(|error| StoreError::request("UpdateItem", &error))?;
        Ok(())
    }

    /// The parts of the comparison of the hours from `hour` on that earlier runs have begun, by account; the platform's own is `None`.
    /// All of them end with the same hour.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn compared(&self, hour: i64) -> Result<HashMap<Option<String>, Compared>, StoreError> {
        let prefix = compared_of(hour);
        let query = self.client.query().table_name(&self.table).key_condition_expression("pk = :pk AND begins_with(sk, :hour)");
        let query = query
            .expression_attribute_values(":pk", string(key().pk))
            .expression_attribute_values(":hour", string(prefix))
            .consistent_read(true);
        let mut pages = query.into_paginator().send();
        let mut all: Vec<(Option<String>, Compared)> = Vec::new();
        while let Some(page) = pages.next().await {
            for item in page.map_err(|error| StoreError::request("Query", &error))?.items.unwrap_or_default() {
                let account = item.get("account").and_then(|account| account.as_s().ok()).cloned();
                all.push((account, from_item(item)?));
            }
        }
        // Two runs at once may have begun with different ends.
        let end = all.iter().map(|(_, one)| one.hours_end).min();
        Ok(all.into_iter().filter(|(_, one)| Some(one.hours_end) == end).collect())
    }

    /// Saves how far an account's books of the hours from `hour` on are compared.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn save_compared(
        &self,
        hour: i64,
        account: Option<&str>,
        compared: &Compared,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let mut item = to_item(&compared_key(hour, compared.hours_end, account), compared)?;
        item.extend(account.map(|account| ("account".to_owned(), string(account))));
        item.insert("ttl".to_owned(), number((now + COMPARED_KEPT).unix_timestamp()));
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        put.send().await.map_err(|error| StoreError::request("PutItem", &error))?;
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
