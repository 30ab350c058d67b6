//! Second factors, next to the password hashes: in the table that has no index and no stream and that only the role of `accounts` may
//! read. The profile only has how many recovery codes are left, which says to every function that there is a factor.
//!
//! The secret is not sealed. `accounts` reads no secret of Secrets Manager, and a key in its own environment would be
//! no further away than the table. DynamoDB encrypts the table at rest.

use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{ConditionCheck, Delete, Put, TransactWriteItem, Update};
use time::OffsetDateTime;

use super::keys::{profile, second_factor_key};
use super::sessions::if_not_ended_since;
use super::table::{Store, StoreError, Written, from_item, moment, number, string, to_item};
use super::token::Token;
use crate::domain::audit::Entry;
use crate::domain::ids::UserId;
use crate::domain::mail::{FactorNews, Mail};
use crate::domain::user::{SecondFactor, Shown, User};

/// The condition that a factor is as it was read.
const SAME: &str = "secret = :secret AND version = :version";

impl Store {
    /// A user's second factor, whether it is on or not. One trip.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn second_factor(&self, user: &UserId) -> Result<Option<SecondFactor>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.credentials)
            .set_key(Some(second_factor_key(user).attributes()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| StoreError::request("GetItem", &error))?;
        answer.item.map(from_item).transpose()
    }

    /// Keeps a factor until its user shows a code of it, in place of another that waits for that.
    ///
    /// # Errors
    /// If DynamoDB fails. [`Written::No`] if a factor is on, or the user was erased.
    pub async fn begin_second_factor(&self, user: &UserId, factor: &SecondFactor) -> Result<Written, StoreError> {
        let is_off = ConditionCheck::builder()
            .table_name(&self.table)
            .set_key(Some(profile(user).attributes()))
            .condition_expression("attribute_exists(pk) AND attribute_not_exists(recovery_codes)")
            .build()
            .expect("a table, a key and a condition are given");
        let put = Put::builder().table_name(&self.credentials).set_item(Some(to_item(&second_factor_key(user), factor)?)).build();
        let put = TransactWriteItem::builder().put(put.expect("a table and an item are given")).build();
        self.transact(&[TransactWriteItem::builder().condition_check(is_off).build(), put]).await
    }

    /// Switches a factor on that was read before. All sessions end, because none of them has shown a code, except the one with this token,
    /// which begins anew.
    ///
    /// # Errors
    /// As [`Store::use_second_factor`].
    pub async fn switch_on_second_factor(
        &self,
        user: &User,
        token: &Token,
        seen: &SecondFactor,
        factor: &SecondFactor,
        now: OffsetDateTime,
    ) -> Result<Written, StoreError> {
        let mut items = vec![self.factor_becomes(&user.id, seen, Some(factor))?];
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(profile(&user.id).attributes()))
            .update_expression("SET recovery_codes = :left, sessions_ended_at = :now")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":left", number(factor.recovery_codes.len()))
            .expression_attribute_values(":now", moment(now)?)
            .build()
            .expect("a table, a key and an expression are given");
        items.push(TransactWriteItem::builder().update(update).build());
        let user = User { sessions_ended_at: Some(now), ..user.clone() };
        items.push(self.new_session(token, &user, now)?);
        items.push(self.ask_for(&Mail::SecondFactor { user: user.id.clone(), news: FactorNews::On, at: now.unix_timestamp() }, now)?);
        self.transact(&items).await
    }

    /// Records the use of a factor that was read: of a recovery code the user is told by mail.
    ///
    /// # Errors
    /// If DynamoDB fails. [`Written::No`] if another request has changed it since, or the user was erased.
    pub async fn use_second_factor(
        &self,
        user: &UserId,
        seen: &SecondFactor,
        (now_is, shown): (&SecondFactor, Shown),
        at: OffsetDateTime,
    ) -> Result<Written, StoreError> {
        let mut items = vec![self.factor_becomes(user, seen, Some(now_is))?];
        match shown {
            Shown::Code => {}
            Shown::RecoveryCode => {
                let update = Update::builder()
                    .update_expression("SET recovery_codes = :left")
                    .condition_expression("attribute_exists(pk)")
                    .expression_attribute_values(":left", number(now_is.recovery_codes.len()));
                items.extend(self.news_of_factor(user, update, FactorNews::RecoveryCode, at)?);
            }
        }
        self.transact(&items).await
    }

    /// Switches a factor off that was read, with all sessions of the user but the one of `token`. The user is told by mail.
    ///
    /// # Errors
    /// As [`Store::use_second_factor`]. [`Written::No`] also if the sessions have ended since the user was read.
    pub async fn switch_off_second_factor(
        &self,
        user: &User,
        token: &Token,
        seen: &SecondFactor,
        at: OffsetDateTime,
    ) -> Result<Written, StoreError> {
        let mut items = self.factor_goes(&user.id, Some(user), seen, at)?;
        items.push(self.outlives(token, at)?);
        self.transact(&items).await
    }

    /// The same for an operator, with all of the user's sessions and an entry in the audit log.
    ///
    /// # Errors
    /// As [`Store::use_second_factor`].
    pub async fn take_second_factor_away(&self, seen: &SecondFactor, entry: &Entry) -> Result<Written, StoreError> {
        let mut items = self.factor_goes(&entry.user_id, None, seen, entry.at)?;
        items.push(self.audited(entry)?);
        self.transact(&items).await
    }

    /// `asks` is the user who switches it off, as read.
    fn factor_goes(
        &self,
        user: &UserId,
        asks: Option<&User>,
        seen: &SecondFactor,
        at: OffsetDateTime,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let mut update = Update::builder()
            .update_expression("SET sessions_ended_at = :now REMOVE recovery_codes")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":now", moment(at)?);
        if let Some(asks) = asks {
            update = if_not_ended_since(asks, update)?;
        }
        let mut items = vec![self.factor_becomes(user, seen, None)?];
        items.extend(self.news_of_factor(user, update, FactorNews::Off, at)?);
        Ok(items)
    }

    /// A change of the profile, and the mail about it.
    fn news_of_factor(
        &self,
        user: &UserId,
        update: UpdateBuilder,
        news: FactorNews,
        at: OffsetDateTime,
    ) -> Result<[TransactWriteItem; 2], StoreError> {
        let update = update.table_name(&self.table).set_key(Some(profile(user).attributes()));
        let update = update.build().expect("a table, a key and an expression are given");
        let mail = self.ask_for(&Mail::SecondFactor { user: user.clone(), news, at: at.unix_timestamp() }, at)?;
        Ok([TransactWriteItem::builder().update(update).build(), mail])
    }

    /// Replaces a factor that was read, or deletes it, as part of a transaction, which fails if another request has changed it since.
    pub(super) fn factor_becomes(
        &self,
        user: &UserId,
        seen: &SecondFactor,
        now_is: Option<&SecondFactor>,
    ) -> Result<TransactWriteItem, StoreError> {
        let (secret, version) = ((":secret", string(&seen.secret)), (":version", number(seen.version)));
        let change = TransactWriteItem::builder();
        let change = match now_is {
            Some(factor) => {
                let put = Put::builder().table_name(&self.credentials).set_item(Some(to_item(&second_factor_key(user), factor)?));
                let put = put.condition_expression(SAME).expression_attribute_values(secret.0, secret.1);
                change.put(put.expression_attribute_values(version.0, version.1).build().expect("a table and an item are given"))
            }
            None => {
                let delete = Delete::builder().table_name(&self.credentials).set_key(Some(second_factor_key(user).attributes()));
                let delete = delete.condition_expression(SAME).expression_attribute_values(secret.0, secret.1);
                change.delete(delete.expression_attribute_values(version.0, version.1).build().expect("a table and a key are given"))
            }
        };
        Ok(change.build())
    }

    /// Deletes the factor. Part of the transaction that erases its user.
    pub(super) fn forget_second_factor(&self, user: &UserId) -> TransactWriteItem {
        let delete = Delete::builder().table_name(&self.credentials).set_key(Some(second_factor_key(user).attributes())).build();
        TransactWriteItem::builder().delete(delete.expect("a table and a key are given")).build()
    }
}
