//! Counters of failed log-ins, per window of time.

use time::OffsetDateTime;

use super::{Key, Store, StoreError, number};
use crate::entropy::digest;

/// The length of a window, in seconds.
pub const WINDOW: i64 = 15 * 60;

fn key(subject: &str, now: OffsetDateTime) -> Key {
    // Hashed: the table need not tell which addresses were tried.
    Key::new(format!("THROTTLE#{}#{}", digest(subject), now.unix_timestamp() / WINDOW), "THROTTLE")
}

/// Seconds until the window of `now` ends.
#[must_use]
pub fn window_ends_in(now: OffsetDateTime) -> i64 {
    WINDOW - now.unix_timestamp().rem_euclid(WINDOW)
}

impl Store {
    /// Counts one more try of `subject` and answers how many there are in this window, this one included. Counting
    /// before the password is looked at leaves no gap for tries at the same moment.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn count_try(&self, subject: &str, now: OffsetDateTime) -> Result<i64, StoreError> {
        self.add_to_tries(subject, now, 1).await
    }

    /// Takes back a try that turned out to be good.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn forget_try(&self, subject: &str, now: OffsetDateTime) -> Result<(), StoreError> {
        self.add_to_tries(subject, now, -1).await?;
        Ok(())
    }

    async fn add_to_tries(&self, subject: &str, now: OffsetDateTime, count: i64) -> Result<i64, StoreError> {
        let answer = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(subject, now).attributes()))
            .update_expression("ADD tries :count SET #ttl = :ttl")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":count", number(count))
            .expression_attribute_values(":ttl", number(now.unix_timestamp() + 2 * WINDOW))
            .return_values(aws_sdk_dynamodb::types::ReturnValue::UpdatedNew)
            .send()
            .await
            .map_err(|error| StoreError::request("UpdateItem", &error))?;
        let tries = answer.attributes.as_ref().and_then(|item| item.get("tries")).and_then(|tries| tries.as_n().ok());
        Ok(tries.and_then(|tries| tries.parse().ok()).unwrap_or(0))
    }
}
