//! The audit log. An entry is written in the transaction of the change that it tells of, so neither exists without the other.
//! Entries are never changed or deleted: nothing here updates one, and no role may.
//!
//! All entries are in one partition of the index. It has no size limit, because the table has no local secondary index, and a page
//! costs the same however many there are. <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/LSI.html#LSI.ItemCollections.SizeLimit>
//! It takes some 1000 writes per second, far more than people make.

use aws_sdk_dynamodb::types::TransactWriteItem;

use super::page::{List, Page, Paged};
use super::table::{Key, Store, StoreError, Written, string, to_item};
use crate::domain::audit::Entry;
use crate::domain::course::Course;
use crate::domain::ids::UserId;
use crate::domain::membership::Subscription;
use crate::domain::purchase::Purchase;

/// The index partition that lists them.
const LIST: &str = "AUDIT";

impl Store {
    /// Adds an entry, as part of the transaction that makes the change.
    pub(super) fn audited(&self, entry: &Entry) -> Result<TransactWriteItem, StoreError> {
        let place = format!("{:020}#{}", entry.at.unix_timestamp_nanos(), entry.id);
        let key = Key::new(format!("AUDIT#{}", entry.user_id), place.clone());
        let mut item = to_item(&key, entry)?;
        item.insert("gsi1pk".to_owned(), string(LIST));
        item.insert("gsi1sk".to_owned(), string(place));
        Ok(self.put(item).if_absent())
    }

    /// All entries, newest first.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn audit(&self, page: &Page) -> Result<Paged<Entry>, StoreError> {
        self.list(List::Index { pk: LIST.to_owned() }, page).await
    }

    /// The entries about a user, newest first.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn audit_of(&self, user: &UserId, page: &Page) -> Result<Paged<Entry>, StoreError> {
        self.list(List::Table { pk: format!("AUDIT#{user}"), prefix: "" }, page).await
    }

    /// The same as [`Store::replace_course`], with what staff did to it.
    ///
    /// # Errors
    /// As of [`Store::replace_course`].
    pub async fn replace_course_by_staff(&self, old: &Course, new: &Course, entries: &[Entry]) -> Result<Written, StoreError> {
        let entries = entries.iter().map(|entry| self.audited(entry)).collect::<Result<_, _>>()?;
        self.replace_course_with(old, new, entries).await
    }

    /// The same as [`Store::write_outcome`], with what staff did to the purchase.
    ///
    /// # Errors
    /// As of [`Store::write_outcome`].
    pub async fn write_by_staff(&self, purchase: &mut Purchase, entry: &Entry) -> Result<Written, StoreError> {
        self.write_with(purchase, None, vec![self.audited(entry)?]).await
    }

    /// The same as [`Store::write_subscription`], with what staff did to the subscription.
    ///
    /// # Errors
    /// As of [`Store::write_subscription`].
    pub async fn write_subscription_by_staff(&self, subscription: &mut Subscription, entry: &Entry) -> Result<Written, StoreError> {
        self.write_subscription_with(subscription, None, vec![self.audited(entry)?]).await
    }
}
