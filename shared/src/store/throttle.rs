//! Counters of failed log-ins, per window of time.
//!
//! An attempt takes a place before the password is checked, so that concurrent attempts cannot
//! exceed the limit. A successful one returns its place; a failed one keeps it until the window
//! ends and counts as a failure, which separates an exhausted counter from one that is only busy.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update};
use time::OffsetDateTime;

use super::table::{Item, Key, Store, StoreError, number};
use crate::base::entropy::digest;

/// The length of a window, in seconds.
pub const WINDOW: i64 = 15 * 60;

/// How long failures are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// A quarter of an hour.
    Quarter,
    /// A day, in UTC.
    Day,
}

impl Window {
    fn seconds(self) -> i64 {
        match self {
            Self::Quarter => WINDOW,
            Self::Day => 24 * 60 * 60,
        }
    }

    /// Seconds until the window of `now` ends.
    #[must_use]
    pub fn ends_in(self, now: OffsetDateTime) -> i64 {
        self.seconds() - now.unix_timestamp().rem_euclid(self.seconds())
    }
}

fn key(subject: &str, window: Window, now: OffsetDateTime) -> Key {
    // Hashed, because the table need not contain the addresses that were tried.
    Key::new(format!("THROTTLE#{}#{}", digest(subject), now.unix_timestamp() / window.seconds()), "THROTTLE")
}

/// Seconds until the window of `now` ends.
#[must_use]
pub fn window_ends_in(now: OffsetDateTime) -> i64 {
    Window::Quarter.ends_in(now)
}

/// Whether another attempt is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Try {
    /// It is, and has taken its place.
    Counted,
    /// All places are taken, some of them by attempts in progress: try again in a moment.
    Busy,
    /// The limit of failures in this window is reached.
    Exhausted,
}

impl Store {
    /// Takes a place for an attempt by `subject`; at most `limit` of them may fail in the quarter of an hour of `now`.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn begin_try(&self, subject: &str, limit: i64, now: OffsetDateTime) -> Result<Try, StoreError> {
        self.begin_try_in(Window::Quarter, subject, limit, now).await
    }

    /// The same for a window of any length.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn begin_try_in(&self, window: Window, subject: &str, limit: i64, now: OffsetDateTime) -> Result<Try, StoreError> {
        let result = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(subject, window, now).attributes()))
            .update_expression("ADD tries :one SET #ttl = :ttl")
            .condition_expression("attribute_not_exists(tries) OR tries < :limit")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":limit", number(limit))
            .expression_attribute_values(":ttl", number(now.unix_timestamp() + 2 * window.seconds()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let error = match result {
            Ok(_) => return Ok(Try::Counted),
            Err(error) => error,
        };
        let Some(UpdateItemError::ConditionalCheckFailedException(refused)) = error.as_service_error() else {
            return Err(StoreError::request("UpdateItem", &error));
        };
        let failures = refused.item().and_then(failures).unwrap_or(0);
        Ok(if failures >= limit { Try::Exhausted } else { Try::Busy })
    }

    /// Takes a place as part of a transaction, which fails if none is free.
    pub(super) fn take_place(&self, subject: &str, limit: i64, now: OffsetDateTime) -> TransactWriteItem {
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key(subject, Window::Quarter, now).attributes()))
            .update_expression("ADD tries :one SET #ttl = :ttl")
            .condition_expression("attribute_not_exists(tries) OR tries < :limit")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":limit", number(limit))
            .expression_attribute_values(":ttl", number(now.unix_timestamp() + 2 * WINDOW))
            .build()
            .expect("a table, a key and an expression are given");
        TransactWriteItem::builder().update(update).build()
    }

    /// Ends an attempt that was counted in the same window with the same `now`. Returns how many have failed in it, if this one has.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn end_try(&self, window: Window, subject: &str, failed: bool, now: OffsetDateTime) -> Result<i64, StoreError> {
        let (expression, value) = if failed { ("ADD failures :value", 1) } else { ("ADD tries :value", -1) };
        let answer = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(subject, window, now).attributes()))
            .update_expression(expression)
            .expression_attribute_values(":value", number(value))
            .return_values(ReturnValue::UpdatedNew)
            .send()
            .await
            .map_err(|error| StoreError::request("UpdateItem", &error))?;
        Ok(answer.attributes.as_ref().and_then(failures).unwrap_or(0))
    }

    /// Forgets the attempts by `subject` in the window of `now`.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn forget_tries(&self, subject: &str, now: OffsetDateTime) -> Result<(), StoreError> {
        self.delete(&key(subject, Window::Quarter, now)).await?;
        Ok(())
    }
}

fn failures(item: &Item) -> Option<i64> {
    item.get("failures")?.as_n().ok()?.parse().ok()
}
