//! Password hashes, in a separate table that has no index and no stream and that only the role
//! of `accounts` may read. All other functions only need a digest of the hash, which is in the
//! user's profile: it ties a session to the current password and reveals nothing about it.
//!
//! Hashes used to be in the profile. Where one still is, it counts; the next
//! log-in or change of password, or `operator passwords`, moves it here.

use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, TransactWriteItem, Update};
use serde::{Deserialize, Serialize};

use super::keys::{password_key, profile};
use super::table::{Store, StoreError, Written, from_item, string, to_item};
use crate::base::entropy::digest;
use crate::domain::ids::UserId;
use crate::domain::user::User;

#[derive(Serialize, Deserialize)]
struct Password {
    /// Argon2id, in the PHC string format.
    password_hash: String,
}

/// The condition that the profile still has the password that `user` has, and the condition's only value, `:password`.
pub(super) fn same_password(user: &User) -> (&'static str, AttributeValue) {
    match &user.password_hash {
        Some(hash) => ("password_hash = :password", string(hash)),
        None => ("password_digest = :password", string(user.password_digest())),
    }
}

impl Store {
    /// The hash of a user's password; `None` if this table has none.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn password_hash(&self, user: &UserId) -> Result<Option<String>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.credentials)
            .set_key(Some(password_key(user).attributes()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| StoreError::request("GetItem", &error))?;
        let password: Option<Password> = answer.item.map(from_item).transpose()?;
        Ok(password.map(|password| password.password_hash))
    }

    /// Sets a password's hash. Part of the transaction that writes its digest to the profile.
    pub(super) fn set_password(&self, user: &UserId, hash: &str) -> Result<TransactWriteItem, StoreError> {
        let item = to_item(&password_key(user), &Password { password_hash: hash.to_owned() })?;
        let put = Put::builder().table_name(&self.credentials).set_item(Some(item)).build();
        Ok(TransactWriteItem::builder().put(put.expect("a table and an item are given")).build())
    }

    /// Deletes the password. Part of the transaction that erases its user.
    pub(super) fn forget_password(&self, user: &UserId) -> TransactWriteItem {
        let delete = Delete::builder().table_name(&self.credentials).set_key(Some(password_key(user).attributes())).build();
        TransactWriteItem::builder().delete(delete.expect("a table and a key are given")).build()
    }

    /// Moves a hash from the profile, where it used to be, to this table. Does nothing if it is not there any more. Sessions stay valid.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn move_password(&self, user: &User) -> Result<(), StoreError> {
        let Some(hash) = &user.password_hash else { return Ok(()) };
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(profile(&user.id).attributes()))
            .update_expression("SET password_digest = :digest REMOVE password_hash")
            .condition_expression("password_hash = :hash")
            .expression_attribute_values(":digest", string(digest(hash)))
            .expression_attribute_values(":hash", string(hash))
            .build()
            .expect("a table, a key and an expression are given");
        let items = [TransactWriteItem::builder().update(update).build(), self.set_password(&user.id, hash)?];
        // If another request has moved or changed it, there is nothing left to do.
        let (Written::Yes | Written::No(_)) = self.transact(&items).await?;
        Ok(())
    }
}
