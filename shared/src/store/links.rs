//! Links between sellers and Stripe accounts, and the sealed tokens that came with them.

use aws_sdk_dynamodb::types::{TransactWriteItem, Update};
use serde::{Deserialize, Serialize};

use super::made_accounts::MadeAccount;
use super::users::profile;
use super::{Key, Store, StoreError, Written, string, to_item};
use crate::ids::UserId;
use crate::user::{AccountState, StripeLink};

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

fn linked(written: Written) -> Linked {
    match written {
        Written::Yes => Linked::Yes,
        Written::No(1) => Linked::AccountTaken,
        Written::No(_) => Linked::UserRefused,
    }
}

impl Store {
    /// Links an account to a seller: both, or nothing. Linking the same account again renews its tokens.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn link(&self, user: &UserId, link: &StripeLink, tokens: &SealedTokens) -> Result<Linked, StoreError> {
        let mut items = self.linking(user, link)?;
        items.push(self.put(to_item(&tokens_key(user), tokens)?).always());
        Ok(linked(self.transact(&items).await?))
    }

    /// Links an account that the platform made, and notes that it did, unless another was begun since. Such an account has
    /// no tokens.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn link_made(&self, user: &UserId, link: &StripeLink, made: &MadeAccount) -> Result<Linked, StoreError> {
        let mut items = self.linking(user, link)?;
        items.push(self.note_made(user, made)?);
        Ok(linked(self.transact(&items).await?))
    }

    /// The parts of a transaction that every linking has: the user's, the account's, and from when on the account is read.
    fn linking(&self, user: &UserId, link: &StripeLink) -> Result<Vec<TransactWriteItem>, StoreError> {
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
        Ok(vec![
            TransactWriteItem::builder().update(update).build(),
            TransactWriteItem::builder().put(owner).build(),
            self.begin_to_read(&link.account_id, link.linked_at),
        ])
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
        self.transact(&items).await
    }

    /// Notes how a linked account stands at Stripe, unless something newer is noted already.
    ///
    /// # Errors
    /// Where DynamoDB fails. [`Written::No`] where the user has no such link any more, or more is known of it.
    pub async fn set_account_state(&self, user: &UserId, account: &str, state: &AccountState) -> Result<Written, StoreError> {
        let mut update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(profile(user).attributes()))
            .condition_expression(
                "stripe.account_id = :account AND (attribute_not_exists(stripe.asked_at) OR stripe.asked_at <= :asked_at)",
            )
            .expression_attribute_values(":account", string(account));
        let fields: super::Item = serde_dynamo::aws_sdk_dynamodb_1::to_item(state)?;
        let mut parts = Vec::new();
        for (name, value) in fields {
            parts.push(format!("stripe.{name} = :{name}"));
            update = update.expression_attribute_values(format!(":{name}"), value);
        }
        let update = update.update_expression(format!("SET {}", parts.join(", ")));
        let update = update.build().expect("a table, a key and an expression are given");
        self.transact(&[TransactWriteItem::builder().update(update).build()]).await
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

    /// Puts other tokens in the place of those that were read, unless they were replaced or taken away since.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn replace_tokens(&self, user: &UserId, seen: &SealedTokens, tokens: &SealedTokens) -> Result<Written, StoreError> {
        let put = aws_sdk_dynamodb::types::Put::builder()
            .table_name(&self.table)
            .set_item(Some(to_item(&tokens_key(user), tokens)?))
            .condition_expression("sealed = :sealed")
            .expression_attribute_values(":sealed", string(&seen.sealed))
            .build()
            .expect("a table and an item are given");
        self.transact(&[TransactWriteItem::builder().put(put).build()]).await
    }
}
