//! Webhook events that were handled. The mark is written in the transaction that carries the event's effect, so
//! that each is handled once, whatever crashes in between.

use aws_sdk_dynamodb::types::TransactWriteItem;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::{Key, Store, StoreError, Written, number, to_item};

/// Stripe repeats an event for up to three days, and can be asked to for thirty.
const REMEMBERED: Duration = Duration::days(35);

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

pub(super) fn event_key(id: &str) -> Key {
    Key::new(format!("EVENT#{id}"), "EVENT")
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
    /// Where DynamoDB fails. [`Written::No`] where it was handled before.
    pub async fn mark_handled(&self, mark: &EventMark) -> Result<Written, StoreError> {
        self.transact(&[self.mark(mark)?]).await
    }

    /// Whether an event was handled.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn is_handled(&self, id: &str) -> Result<bool, StoreError> {
        Ok(self.get::<Handled>(&event_key(id)).await?.is_some())
    }
}
