//! A seller's members, and sellers who may have left, whose memberships must then end.

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::keys::{going_key, members_key};
use super::page::{List, Page, Paged};
use super::table::{Store, StoreError, string, to_item};
use crate::domain::ids::UserId;
use crate::domain::membership::Subscription;

/// All such sellers share one key of the index, because there are few and none stays for long.
const GOING: &str = "GOING";

/// A seller who was reported as leaving. Their record says whether they have left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Going {
    /// The seller.
    pub seller_id: UserId,
    /// When it was reported.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

impl Store {
    /// All subscriptions to a seller's membership, newest first. One that was last
    /// written before this list existed appears in it after its next renewal.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn members_of(&self, seller: &UserId, page: &Page) -> Result<Paged<Subscription>, StoreError> {
        self.list(List::Index { pk: members_key(seller) }, page).await
    }

    /// Notes that a seller is leaving, before they do. The reconciliation ends their memberships once they have left.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn seller_goes(&self, seller: &UserId, now: OffsetDateTime) -> Result<(), StoreError> {
        let mut item = to_item(&going_key(seller), &Going { seller_id: seller.clone(), at: now })?;
        item.insert("gsi1pk".to_owned(), string(GOING));
        item.insert("gsi1sk".to_owned(), string(format!("{:020}#{seller}", now.unix_timestamp_nanos())));
        let _unconditional = self.transact(&[self.put(item).always()]).await?;
        Ok(())
    }

    /// Up to `limit` sellers who were reported as leaving, latest first.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn going(&self, limit: i32) -> Result<Vec<Going>, StoreError> {
        Ok(self.list(List::Index { pk: GOING.to_owned() }, &Page { limit, after: None }).await?.items)
    }

    /// Deletes the note about a seller, unless they were reported again.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn has_gone(&self, going: &Going) -> Result<(), StoreError> {
        let request = self.client.delete_item().table_name(&self.table).set_key(Some(going_key(&going.seller_id).attributes()));
        let at = to_item(&going_key(&going.seller_id), going)?.remove("at").unwrap_or(AttributeValue::Null(true));
        let request =
            request.condition_expression("#at = :at").expression_attribute_names("#at", "at").expression_attribute_values(":at", at);
        match request.send().await {
            Err(error) if !error.as_service_error().is_some_and(|error| error.is_conditional_check_failed_exception()) => {
                Err(StoreError::request("DeleteItem", &error))
            }
            _ => Ok(()),
        }
    }
}
