//! Accounts that the platform creates for sellers. Written before Stripe is called, so that each is created once.
//!
//! ```text
//! none ──begin──> being made ──Stripe made it──> made ──unlinked──> made (linked again by the next request)
//!                     │                            │
//!                     └──Stripe refused──> refused └──gone at Stripe, or another country──> being made, next generation
//! ```

use aws_sdk_dynamodb::types::{Put, TransactWriteItem};

use super::keys::made_key;
use super::page::{List, Page, Paged};
use super::table::{Store, StoreError, Written, number, to_item};
use crate::domain::ids::UserId;
use crate::domain::user::{AccountType, MadeAccount};

impl Store {
    /// The account of a type that the platform created for a seller.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn made_account(&self, user: &UserId, account_type: AccountType) -> Result<Option<MadeAccount>, StoreError> {
        self.get(&made_key(user, account_type)).await
    }

    /// All accounts that the platform created for a seller.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn made_accounts_of(&self, user: &UserId, page: &Page) -> Result<Paged<MadeAccount>, StoreError> {
        self.list(List::Table { pk: format!("USER#{user}"), prefix: "MADE#" }, page).await
    }

    /// Writes it, unless another request has since `made` was read. Increments its version.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn write_made_account(&self, user: &UserId, made: &mut MadeAccount) -> Result<Written, StoreError> {
        let seen = Some(made.version).filter(|version| *version > 0);
        made.version += 1;
        let item = to_item(&made_key(user, made.account_type), &*made)?;
        self.transact(&[self.put(item).if_version(seen)]).await
    }

    /// The same, as part of the transaction that links it. It succeeds for all requests
    /// that created the same account, and fails once the next creation has begun.
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
