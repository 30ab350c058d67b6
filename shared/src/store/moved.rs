//! Users whose address has changed, until their customers at Stripe have the new one.

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::erasures::sort_key;
use super::keys::moved_key;
use super::table::{Item, Store, StoreError, from_item, string, to_item};
use crate::domain::ids::UserId;

/// All such users share one key of the index, because there are few and none stays for long.
const MOVED: &str = "MOVED";

/// How long after the change Stripe is told. By then, requests that could create a customer with the old address have ended.
const SETTLING: Duration = Duration::minutes(2);

/// A user whose address has changed. Their record has the address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// The user.
    pub user_id: UserId,
    /// When it changed.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// How many times Stripe could not be told.
    pub tries: u32,
}

fn item(moved: &Moved, due_at: OffsetDateTime) -> Result<Item, StoreError> {
    let mut item = to_item(&moved_key(&moved.user_id), moved)?;
    item.insert("gsi1pk".to_owned(), string(MOVED));
    item.insert("gsi1sk".to_owned(), string(sort_key(due_at, moved.user_id.as_str())));
    Ok(item)
}

fn time_of(moved: &Moved) -> Result<AttributeValue, StoreError> {
    Ok(to_item(&moved_key(&moved.user_id), moved)?.remove("at").unwrap_or(AttributeValue::Null(true)))
}

impl Store {
    /// Notes that a user's address changes. Part of the transaction that changes it.
    pub(super) fn note_moved(&self, user: &UserId, now: OffsetDateTime) -> Result<TransactWriteItem, StoreError> {
        let moved = Moved { user_id: user.clone(), at: now, tries: 0 };
        Ok(self.put(item(&moved, now + SETTLING)?).always())
    }

    /// Up to `limit` users whose customers are due, longest due first.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn moved(&self, now: OffsetDateTime, limit: i32) -> Result<Vec<Moved>, StoreError> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .index_name("gsi1")
            .key_condition_expression("gsi1pk = :pk AND gsi1sk <= :now")
            .expression_attribute_values(":pk", string(MOVED))
            .expression_attribute_values(":now", string(sort_key(now, "~")))
            .limit(limit)
            .send()
            .await
            .map_err(|error| StoreError::request("Query", &error))?;
        answer.items.unwrap_or_default().into_iter().map(from_item).collect()
    }

    /// Notes a try that failed, and when to try again, unless the address changed since.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn retry_moved(&self, moved: &Moved, due_at: OffsetDateTime) -> Result<(), StoreError> {
        let again = Moved { tries: moved.tries + 1, ..moved.clone() };
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item(&again, due_at)?));
        let put = put.condition_expression("#at = :at").expression_attribute_names("#at", "at");
        match put.expression_attribute_values(":at", time_of(moved)?).send().await {
            Err(error) if !error.as_service_error().is_some_and(|error| error.is_conditional_check_failed_exception()) => {
                Err(StoreError::request("PutItem", &error))
            }
            _ => Ok(()),
        }
    }

    /// Deletes the note about a user, unless the address changed since.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn forget_moved(&self, moved: &Moved) -> Result<(), StoreError> {
        let delete = self.client.delete_item().table_name(&self.table).set_key(Some(moved_key(&moved.user_id).attributes()));
        let delete = delete.condition_expression("#at = :at").expression_attribute_names("#at", "at");
        match delete.expression_attribute_values(":at", time_of(moved)?).send().await {
            Err(error) if !error.as_service_error().is_some_and(|error| error.is_conditional_check_failed_exception()) => {
                Err(StoreError::request("DeleteItem", &error))
            }
            _ => Ok(()),
        }
    }
}
