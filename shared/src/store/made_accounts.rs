//! The accounts that the platform makes for sellers: written down before Stripe is asked, so that each is made once.
//!
//! ```text
//! none ──begin──> being made ──Stripe made it──> made ──unlinked──> made (linked again by the next request)
//!                     │                            │
//!                     └──Stripe refused──> refused └──gone at Stripe, or another country──> being made, next generation
//! ```

use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{Key, Store, StoreError, Written, number, to_item};
use crate::ids::UserId;
use crate::user::AccountType;

fn made_key(user: &UserId, account_type: AccountType) -> Key {
    Key::new(format!("USER#{user}"), format!("MADE#{}", account_type.as_str()))
}

/// One seller's account of one type. It stays when the link goes, so that the seller gets the same account again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeAccount {
    /// The type that was asked for.
    pub account_type: AccountType,
    /// Upper-case ISO 3166.
    pub country: String,
    /// Which account of this type it is: an account that is gone at Stripe is followed by another.
    pub generation: u32,
    /// The request to Stripe, exactly.
    pub body: String,
    /// Of the request.
    pub idempotency_key: String,
    /// When Stripe was first asked.
    #[serde(with = "time::serde::rfc3339")]
    pub started_at: OffsetDateTime,
    /// Where it stands.
    pub state: MakingState,
    /// Grows with each write.
    pub version: u64,
}

/// Where the making of an account stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MakingState {
    /// Stripe may have made it.
    Asked,
    /// Stripe did not make it, and never will under this key.
    Refused,
    /// Stripe made it.
    Made {
        /// `acct_…`
        account_id: String,
    },
}

impl Store {
    /// What is known of a seller's account of a type that the platform made.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn made_account(&self, user: &UserId, account_type: AccountType) -> Result<Option<MadeAccount>, StoreError> {
        self.get(&made_key(user, account_type)).await
    }

    /// Writes it down, unless another request did so since `made` was read; its version grows.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn write_made_account(&self, user: &UserId, made: &mut MadeAccount) -> Result<Written, StoreError> {
        let seen = Some(made.version).filter(|version| *version > 0);
        made.version += 1;
        let item = to_item(&made_key(user, made.account_type), &*made)?;
        self.transact(&[self.put(item).if_version(seen)]).await
    }

    /// The same, as a part of the transaction that links it. Two who made the same account do not disagree; who comes after
    /// the next one was begun does.
    pub(super) fn note_made(&self, user: &UserId, made: &MadeAccount) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(to_item(&made_key(user, made.account_type), made)?))
            .condition_expression("generation = :generation")
            .expression_attribute_values(":generation", number(made.generation))
            .build()
            .expect("a table and an item are given");
        Ok(TransactWriteItem::builder().put(put).build())
    }
}
