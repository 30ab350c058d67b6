//! Handled webhook events. The mark is written in the same transaction as
//! the event's effect, so each event takes effect once, even after a crash.

use aws_sdk_dynamodb::types::TransactWriteItem;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::keys::event_key;
use super::table::{Store, StoreError, Written, number, to_item};

/// Stripe retries an event for up to three days, and can be asked to resend it for thirty.
pub(super) const REMEMBERED: Duration = Duration::days(35);

#[derive(Serialize, Deserialize)]
struct Handled {
    #[serde(rename = "type")]
    kind: String,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
}

/// An event to be marked as handled.
#[derive(Clone, Debug)]
pub struct EventMark {
    /// `evt_…`
    pub id: String,
    /// `payment_intent.succeeded`, …
    pub kind: String,
    /// When it was handled.
    pub at: OffsetDateTime,
}

impl Store {
    pub(super) fn mark(&self, mark: &EventMark) -> Result<TransactWriteItem, StoreError> {
        let mut item = to_item(&event_key(&mark.id), &Handled { kind: mark.kind.clone(), at: mark.at })?;
        item.insert("ttl".to_owned(), number((mark.at + REMEMBERED).unix_timestamp()));
        Ok(self.put(item).if_absent())
    }

    /// Marks an event that has no effect on a purchase.
    ///
    /// # Errors
    /// If DynamoDB fails. [`Written::No`] if it was handled before.
    pub async fn mark_handled(&self, mark: &EventMark) -> Result<Written, StoreError> {
        self.transact(&[self.mark(mark)?]).await
    }

    /// Whether an event was handled.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn is_handled(&self, id: &str) -> Result<bool, StoreError> {
        Ok(self.get::<Handled>(&event_key(id)).await?.is_some())
    }
}
