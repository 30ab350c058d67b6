//! Links between sellers and Stripe accounts, and their sealed tokens.

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::keys::{account_key, profile, tokens_key};
use super::table::{Item, Store, StoreError, Written, from_item, string, to_item};
use crate::domain::ids::UserId;
use crate::domain::mail::Mail;
use crate::domain::sealed::SealedTokens;
use crate::domain::user::{AccountState, MadeAccount, StripeLink, User};

/// How long after an account was made its owner is reminded to finish onboarding.
pub const REMINDED_AFTER: Duration = Duration::days(1);

#[derive(Serialize, Deserialize)]
struct AccountOwner {
    user_id: UserId,
}

/// The outcome of linking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linked {
    /// The account is linked.
    Yes,
    /// The user is not a seller, or has linked another account.
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
    /// Links an account to a seller atomically. Linking the same account again replaces its tokens.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn link(&self, user: &UserId, link: &StripeLink, tokens: &SealedTokens) -> Result<Linked, StoreError> {
        let mut items = self.linking(user, link)?;
        items.push(self.put(to_item(&tokens_key(user), tokens)?).always());
        Ok(linked(self.transact(&items).await?))
    }

    /// Links an account that the platform created, and records that, unless another creation has begun since. Such
    /// accounts have no tokens. Its owner is reminded if onboarding is unfinished by then.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn link_made(&self, user: &UserId, link: &StripeLink, made: &MadeAccount) -> Result<Linked, StoreError> {
        let mut items = self.linking(user, link)?;
        items.push(self.note_made(user, made)?);
        let reminder = Mail::OnboardingUnfinished { user: user.clone(), account: link.account_id.clone() };
        items.push(self.ask_for(&reminder, link.linked_at + REMINDED_AFTER)?);
        Ok(linked(self.transact(&items).await?))
    }

    /// The part of the transaction that all linking has in common: the user's
    /// item, the account's, the time from which the account is read, and the mail.
    fn linking(&self, user: &UserId, link: &StripeLink) -> Result<Vec<TransactWriteItem>, StoreError> {
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(profile(user).attributes()))
            .update_expression("SET stripe = :link")
            .condition_expression("is_seller = :true AND (attribute_not_exists(stripe) OR stripe.account_id = :account)")
            .expression_attribute_values(":link", serde_dynamo::aws_sdk_dynamodb_1::to_attribute_value(link)?)
            .expression_attribute_values(":true", AttributeValue::Bool(true))
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
        let mail = Mail::AccountConnected { user: user.clone(), account: link.account_id.clone(), at: link.linked_at.unix_timestamp() };
        Ok(vec![
            TransactWriteItem::builder().update(update).build(),
            TransactWriteItem::builder().put(owner).build(),
            self.begin_to_read(&link.account_id, link.linked_at),
            self.ask_for(&mail, link.linked_at)?,
        ])
    }

    /// Deletes the link to `account` and its tokens, so that anybody can link the account again, and notifies the
    /// seller. Past sales stay.
    ///
    /// # Errors
    /// If DynamoDB fails. [`Written::No`] if the user no longer has this link.
    pub async fn unlink(&self, user: &UserId, account: &str, now: OffsetDateTime) -> Result<Written, StoreError> {
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(profile(user).attributes()))
            .update_expression("REMOVE stripe")
            .condition_expression("stripe.account_id = :account")
            .expression_attribute_values(":account", string(account))
            .build()
            .expect("a table, a key and an expression are given");
        let mail = Mail::AccountDisconnected { user: user.clone(), account: account.to_owned(), at: now.unix_timestamp() };
        let items = [
            TransactWriteItem::builder().update(update).build(),
            self.remove(&account_key(account)),
            self.remove(&tokens_key(user)),
            self.ask_for(&mail, now)?,
        ];
        self.transact(&items).await
    }

    /// Records a linked account's state, which follows the one on record ([`AccountState::following`]), and queues the mails about it; also that it has
    /// `stopped` sales or payouts.
    ///
    /// # Errors
    /// If DynamoDB fails. [`Written::No`] if the user no longer has this link, or another state is on record than the one that it follows.
    pub async fn set_account_state(
        &self,
        user: &UserId,
        account: &str,
        state: &AccountState,
        stopped: Option<&str>,
    ) -> Result<Written, StoreError> {
        let mut update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(profile(user).attributes()))
            .condition_expression("stripe.account_id = :account AND (stripe.version = :before OR attribute_not_exists(stripe.version))")
            .expression_attribute_values(":account", string(account))
            .expression_attribute_values(":before", AttributeValue::N((state.version - 1).to_string()));
        let fields: Item = serde_dynamo::aws_sdk_dynamodb_1::to_item(state)?;
        let mut parts = Vec::new();
        for (name, value) in fields {
            parts.push(format!("stripe.{name} = :{name}"));
            update = update.expression_attribute_values(format!(":{name}"), value);
        }
        let update = update.update_expression(format!("SET {}", parts.join(", ")));
        let update = update.build().expect("a table, a key and an expression are given");
        let mut items = vec![TransactWriteItem::builder().update(update).build()];
        let asked_at = OffsetDateTime::from_unix_timestamp(state.asked_at / 1000).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        for mail in Mail::of_account(user, account, state, stopped) {
            items.push(self.ask_for(&mail, asked_at)?);
        }
        self.transact(&items).await
    }

    /// The seller who has linked an account.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn owner_of_account(&self, account: &str) -> Result<Option<UserId>, StoreError> {
        Ok(self.get::<AccountOwner>(&account_key(account)).await?.map(|owner| owner.user_id))
    }

    /// The sellers who have linked these accounts: two reads for at most a hundred.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn owners_of(&self, accounts: &[String]) -> Result<Vec<User>, StoreError> {
        let owners = self.get_all(accounts.iter().map(|account| account_key(account))).await?;
        let owners = owners.into_values().map(from_item).collect::<Result<Vec<AccountOwner>, _>>()?;
        let users = self.get_all(owners.iter().map(|owner| profile(&owner.user_id))).await?;
        users.into_values().map(from_item).collect()
    }

    /// A seller's sealed tokens.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn sealed_tokens(&self, user: &UserId) -> Result<Option<SealedTokens>, StoreError> {
        self.get(&tokens_key(user)).await
    }

    /// Replaces tokens, unless they were replaced or deleted since they were read.
    ///
    /// # Errors
    /// If DynamoDB fails.
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
