//! Links between sellers and Stripe accounts, and the sealed tokens that came with them.

use aws_sdk_dynamodb::types::{TransactWriteItem, Update};
use serde::{Deserialize, Serialize};

use super::users::profile;
use super::{Key, Store, StoreError, Written, string, to_item};
use crate::ids::UserId;
use crate::user::StripeLink;

fn account_key(account: &str) -> Key {
    Key::new(format!("ACCOUNT#{account}"), "ACCOUNT")
}

fn tokens_key(user: &UserId) -> Key {
    Key::new(format!("USER#{user}"), "STRIPE")
}

#[derive(Serialize, Deserialize)]
struct AccountOwner {
    user_id: UserId,
}

/// A seller's OAuth tokens, sealed with the seller's id as associated data.
#[derive(Debug, Serialize, Deserialize)]
pub struct SealedTokens {
    /// Which key sealed them.
    pub key_id: String,
    /// Nonce and ciphertext, in base64.
    pub sealed: String,
}

/// How linking ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linked {
    /// The account is linked.
    Yes,
    /// The user is no seller, or has another account linked.
    UserRefused,
    /// Another seller has linked the account.
    AccountTaken,
}

impl Store {
    /// Links an account to a seller: both, or nothing. Linking the same account again renews its tokens.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn link(&self, user: &UserId, link: &StripeLink, tokens: &SealedTokens) -> Result<Linked, StoreError> {
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(profile(user).attributes()))
            .update_expression("SET stripe = :link")
            .condition_expression("is_seller = :true AND (attribute_not_exists(stripe) OR stripe.account_id = :account)")
            .expression_attribute_values(":link", serde_dynamo::aws_sdk_dynamodb_1::to_attribute_value(link)?)
            .expression_attribute_values(":true", super::AttributeValue::Bool(true))
            .expression_attribute_values(":account", string(&link.account_id))
            .build()
            .expect("a table, a key and an expression are given");
        let owner = aws_sdk_dynamodb::types::Put::builder()
            .table_name(&self.table)
            .set_item(Some(to_item(&account_key(&link.account_id), &AccountOwner { user_id: user.clone() })?))
            .condition_expression("attribute_not_exists(pk) OR user_id = :user")
            .expression_attribute_values(":user", string(user.as_str()))
            .build()
            .expect("a table and an item are given");
        let items = vec![
            TransactWriteItem::builder().update(update).build(),
            TransactWriteItem::builder().put(owner).build(),
            self.put(to_item(&tokens_key(user), tokens)?).always(),
        ];
        Ok(match self.transact(items).await? {
            Written::Yes => Linked::Yes,
            Written::No(0) => Linked::UserRefused,
            Written::No(_) => Linked::AccountTaken,
        })
    }

    /// Forgets the link to `account` and its tokens: the account is free to be linked again, by anybody. What was
    /// sold stays.
    ///
    /// # Errors
    /// Where DynamoDB fails. [`Written::No`] where the user has no such link any more.
    pub async fn unlink(&self, user: &UserId, account: &str) -> Result<Written, StoreError> {
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(profile(user).attributes()))
            .update_expression("REMOVE stripe")
            .condition_expression("stripe.account_id = :account")
            .expression_attribute_values(":account", string(account))
            .build()
            .expect("a table, a key and an expression are given");
        let items =
            vec![TransactWriteItem::builder().update(update).build(), self.remove(&account_key(account)), self.remove(&tokens_key(user))];
        self.transact(items).await
    }

    /// Notes whether Stripe lets a linked account be charged for.
    ///
    /// # Errors
    /// Where DynamoDB fails. [`Written::No`] where the user has no such link any more.
    pub async fn set_charges_enabled(&self, user: &UserId, account: &str, enabled: bool) -> Result<Written, StoreError> {
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(profile(user).attributes()))
            .update_expression("SET stripe.charges_enabled = :enabled")
            .condition_expression("stripe.account_id = :account")
            .expression_attribute_values(":account", string(account))
            .expression_attribute_values(":enabled", super::AttributeValue::Bool(enabled))
            .build()
            .expect("a table, a key and an expression are given");
        self.transact(vec![TransactWriteItem::builder().update(update).build()]).await
    }

    /// The seller who has linked an account.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn owner_of_account(&self, account: &str) -> Result<Option<UserId>, StoreError> {
        Ok(self.get::<AccountOwner>(&account_key(account)).await?.map(|owner| owner.user_id))
    }

    /// The sealed tokens of a seller.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn sealed_tokens(&self, user: &UserId) -> Result<Option<SealedTokens>, StoreError> {
        self.get(&tokens_key(user)).await
    }
}
