//! Single-use tokens that travel by mail: one sets a new password, the other confirms an address. Only their digests are
//! stored. They are made when the mail is sent, so that none ever stands in the table or in its stream.
//!
//! A token holds for the address that it was sent to and, to set a password, for the password that was lost: the first one
//! that is used so ends all others.

use aws_sdk_dynamodb::types::{Delete, TransactWriteItem, Update};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::sessions::Token;
use super::users::profile;
use super::{Key, Store, StoreError, Written, from_item, number, string, to_item};
use crate::entropy::digest;
use crate::user::User;

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To set a new password.
    Reset,
    /// To confirm an address.
    Confirm,
}

impl Purpose {
    /// How long a token of this kind holds.
    #[must_use]
    pub fn lifetime(self) -> Duration {
        match self {
            Self::Reset => Duration::hours(1),
            Self::Confirm => Duration::hours(24),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Mailed {
    /// The digest of the address.
    email: String,
    /// The digest of the password hash.
    password: String,
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
}

impl Store {
    /// Issues a token for `user`, who has the address that it is sent to.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn issue(&self, token: &Token, purpose: Purpose, user: &User, now: OffsetDateTime) -> Result<(), StoreError> {
        let expires_at = now + purpose.lifetime();
        let mailed = Mailed { email: digest(&user.email), password: digest(&user.password_hash), expires_at };
        let mut item = to_item(&mailed_key(token, purpose), &mailed)?;
        item.insert("ttl".to_owned(), number(expires_at.unix_timestamp()));
        let _always = self.transact(&[self.put(item).always()]).await?;
        Ok(())
    }

    /// The user whose token it is, where it can still be used: one trip. It stays usable.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn user_by_mailed(&self, token: &Token, purpose: Purpose, now: OffsetDateTime) -> Result<Option<User>, StoreError> {
        let (key, user) = (mailed_key(token, purpose), profile(token.user_id()));
        let mut found = self.get_all([key.clone(), user.clone()]).await?;
        let (Some(mailed), Some(user)) = (found.remove(&key), found.remove(&user)) else { return Ok(None) };
        let (mailed, user): (Mailed, User) = (from_item(mailed)?, from_item(user)?);
        let password_holds = purpose != Purpose::Reset || mailed.password == digest(&user.password_hash);
        Ok((mailed.expires_at > now && mailed.email == digest(&user.email) && password_holds).then_some(user))
    }

    /// Spends a token to set a password, which ends every session of the user's, and confirms the address: only its owner had
    /// the token. `user` is what [`Store::user_by_mailed`] gave.
    ///
    /// # Errors
    /// Where DynamoDB fails. [`Written::No`] where the token was spent, or address or password changed, at this moment.
    pub async fn reset_password(&self, token: &Token, user: &User, password_hash: &str) -> Result<Written, StoreError> {
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(profile(&user.id).attributes()))
            .update_expression("SET password_hash = :hash, email_confirmed = :true")
            .condition_expression("email = :email AND password_hash = :old")
            .expression_attribute_values(":hash", string(password_hash))
            .expression_attribute_values(":true", super::AttributeValue::Bool(true))
            .expression_attribute_values(":email", string(&user.email))
            .expression_attribute_values(":old", string(&user.password_hash))
            .build()
            .expect("a table, a key and an expression are given");
        self.transact(&[self.spend(token, Purpose::Reset), TransactWriteItem::builder().update(update).build()]).await
    }

    /// Spends a token to confirm the user's address.
    ///
    /// # Errors
    /// Where DynamoDB fails. [`Written::No`] where the token was spent, or the address changed, at this moment.
    pub async fn confirm_email(&self, token: &Token, user: &User) -> Result<Written, StoreError> {
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(profile(&user.id).attributes()))
            .update_expression("SET email_confirmed = :true")
            .condition_expression("email = :email")
            .expression_attribute_values(":true", super::AttributeValue::Bool(true))
            .expression_attribute_values(":email", string(&user.email))
            .build()
            .expect("a table, a key and an expression are given");
        self.transact(&[self.spend(token, Purpose::Confirm), TransactWriteItem::builder().update(update).build()]).await
    }

    fn spend(&self, token: &Token, purpose: Purpose) -> TransactWriteItem {
        let delete = Delete::builder()
            .table_name(&self.table)
            .set_key(Some(mailed_key(token, purpose).attributes()))
            .condition_expression("attribute_exists(pk)")
            .build();
        TransactWriteItem::builder().delete(delete.expect("a table and a key are given")).build()
    }
}

fn mailed_key(token: &Token, purpose: Purpose) -> Key {
    let kind = match purpose {
        Purpose::Reset => "RESET",
        Purpose::Confirm => "CONFIRM",
    };
    Key::new(format!("USER#{}", token.user_id()), format!("{kind}#{}", token.digest()))
}
