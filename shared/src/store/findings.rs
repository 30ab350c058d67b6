//! What the reconciliation found that a person should know of. What is found again is the same item; it goes ninety days
//! after it was found last.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::books::LineKind;
use super::page::{List, Page, Paged};
use super::{Item, Key, Store, StoreError, number, string};
use crate::entropy::digest;
use crate::http::view::written;
use crate::ids::PurchaseId;

/// How long a finding is kept after it was found last.
const KEPT: Duration = Duration::days(90);

/// The index's partition that lists them.
const LIST: &str = "FINDINGS";

/// What was found. Amounts are in the minor unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Found {
    /// A line of our books and Stripe's balance transaction do not say the same.
    BooksDifference {
        /// What moved.
        line: LineKind,
        /// The PaymentIntent of a charge; otherwise the refund's or the dispute's own id.
        stripe_id: String,
        /// The connected account; none is the platform's own.
        account: Option<String>,
        /// Whose money, where that is known.
        purchase_id: Option<PurchaseId>,
        /// Lower-case ISO 4217.
        currency: String,
        /// What our books say; none where they say nothing.
        ours: Option<i64>,
        /// What Stripe says; none where it says nothing.
        stripe: Option<i64>,
    },
    /// A payment of ours at Stripe that no purchase is known to have made.
    PaymentOffRecord {
        /// `pi_…`
        payment_intent: String,
        /// The connected account; none is the platform's own.
        account: Option<String>,
        /// Which purchase it says it is for.
        purchase_id: PurchaseId,
        /// Lower-case ISO 4217.
        currency: String,
        /// How much it is.
        amount: i64,
    },
    /// A purchase that waits for something, and could not be brought on.
    RepairFailed {
        /// Which purchase.
        purchase_id: PurchaseId,
        /// Why: the [code](crate::error::Error::code) of what went wrong.
        reason: String,
    },
}

impl Found {
    /// The same for the same thing, however often it is found.
    #[must_use]
    pub fn id(&self) -> String {
        let subject = match self {
            Self::BooksDifference { line, stripe_id, account, .. } => {
                format!("books#{}#{line:?}#{stripe_id}", account.as_deref().unwrap_or_default())
            }
            Self::PaymentOffRecord { payment_intent, .. } => format!("payment#{payment_intent}"),
            Self::RepairFailed { purchase_id, .. } => format!("repair#{purchase_id}"),
        };
        let mut id = digest(&subject);
        id.truncate(22);
        format!("fnd_{id}")
    }
}

/// A finding as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was found.
    pub found: Found,
    /// When it was found first.
    #[serde(with = "time::serde::rfc3339")]
    pub found_at: OffsetDateTime,
    /// When it was found last.
    #[serde(with = "time::serde::rfc3339")]
    pub last_found_at: OffsetDateTime,
    /// When the reconciliation mended it; none where a person has to.
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub settled_at: Option<OffsetDateTime>,
}

fn finding_key(id: &str) -> Key {
    Key::new(format!("FINDING#{id}"), "FINDING")
}

fn refused(error: &SdkError<UpdateItemError>) -> bool {
    matches!(error.as_service_error(), Some(UpdateItemError::ConditionalCheckFailedException(_)))
}

impl Store {
    /// Writes down what was found. What was found before keeps its place in the list, and is open again where it was settled.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn keep_finding(&self, found: &Found, now: OffsetDateTime) -> Result<(), StoreError> {
        let id = found.id();
        let found: Item = serde_dynamo::aws_sdk_dynamodb_1::to_item(found)?;
        let expression = "SET found_at = if_not_exists(found_at, :now), gsi1pk = if_not_exists(gsi1pk, :list), \
                          gsi1sk = if_not_exists(gsi1sk, :place), #found = :found, last_found_at = :now, #ttl = :ttl REMOVE settled_at";
        let update = self.client.update_item().table_name(&self.table).set_key(Some(finding_key(&id).attributes()));
        update
            .update_expression(expression)
            .expression_attribute_names("#found", "found")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":now", string(written(now)))
            .expression_attribute_values(":list", string(LIST))
            .expression_attribute_values(":place", string(format!("{:020}#{id}", now.unix_timestamp_nanos())))
            .expression_attribute_values(":found", aws_sdk_dynamodb::types::AttributeValue::M(found))
            .expression_attribute_values(":ttl", number((now + KEPT).unix_timestamp()))
            .send()
            .await
            .map_err(|error| StoreError::request("UpdateItem", &error))?;
        Ok(())
    }

    /// Marks what was found as mended. Nothing happens where it was never found, or is settled.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn settle_finding(&self, found: &Found, now: OffsetDateTime) -> Result<(), StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(finding_key(&found.id()).attributes()))
            .update_expression("SET settled_at = :now")
            .condition_expression("attribute_exists(pk) AND attribute_not_exists(settled_at)")
            .expression_attribute_values(":now", string(written(now)));
        match update.send().await {
            Ok(_) => Ok(()),
            Err(error) if refused(&error) => Ok(()),
            Err(error) => Err(StoreError::request("UpdateItem", &error)),
        }
    }

    /// Findings, the newest first.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn findings(&self, page: &Page) -> Result<Paged<Finding>, StoreError> {
        self.list(List::Index { pk: LIST.to_owned() }, page).await
    }
}
