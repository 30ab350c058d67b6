//! Sessions: opaque tokens, stored hashed beside their user, so that one trip reads both.
//!
//! A session holds for the password that it was begun with, of which it keeps a digest. A new password so ends all of
//! them by the one write that changes it, a log-in that is under way at that moment too.

use aws_sdk_dynamodb::types::{TransactWriteItem, Update};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::users::profile;
use super::{Item, Key, Store, StoreError, from_item, number, string, to_item};
use crate::entropy::{Entropy, digest};
use crate::ids::UserId;
use crate::user::User;

/// How long a log-in lasts.
pub const SESSION_LIFETIME: Duration = Duration::days(14);

/// A session's token: the user's 16 characters, a full stop, and a secret of 256 bits.
#[derive(Clone)]
pub struct Token {
    user: UserId,
    secret: String,
}

impl Token {
    /// A new token.
    #[must_use]
    pub fn generate(user: &UserId, entropy: &Entropy) -> Self {
        Self { user: user.clone(), secret: entropy.secret() }
    }

    /// Reads a token; none where it cannot be one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (part, secret) = text.split_once('.')?;
        let sound = secret.len() == 43 && secret.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        sound.then_some(())?;
        Some(Self { user: UserId::from_part(part)?, secret: secret.to_owned() })
    }

    /// The text that the client keeps.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("{}.{}", self.user.as_part(), self.secret)
    }

    /// The user whose token it says it is.
    #[must_use]
    pub fn user_id(&self) -> &UserId {
        &self.user
    }

    /// What is stored in place of its secret.
    pub(super) fn digest(&self) -> String {
        digest(&self.secret)
    }

    pub(super) fn key(&self) -> Key {
        Key::new(format!("USER#{}", self.user), format!("SESSION#{}", self.digest()))
    }
}

#[derive(Serialize, Deserialize)]
struct Session {
    /// The digest of the user's password hash.
    password: String,
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
}

/// The signed-in user, if the session item and the profile say so.
pub(super) fn signed_in(session: Option<&Item>, profile: Option<&Item>, now: OffsetDateTime) -> Result<Option<User>, StoreError> {
    let (Some(session), Some(profile)) = (session, profile) else { return Ok(None) };
    let session: Session = from_item(session.clone())?;
    // DynamoDB deletes expired items within days, not at once.
    if session.expires_at <= now {
        return Ok(None);
    }
    let user: User = from_item(profile.clone())?;
    Ok((session.password == digest(&user.password_hash)).then_some(user))
}

impl Store {
    /// Begins a session of `user`, whose password was just checked against the hash that is in `user`.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn add_session(&self, token: &Token, user: &User, now: OffsetDateTime) -> Result<(), StoreError> {
        let _always = self.transact(&[self.new_session(token, user, now)?]).await?;
        Ok(())
    }

    pub(super) fn new_session(&self, token: &Token, user: &User, now: OffsetDateTime) -> Result<TransactWriteItem, StoreError> {
        let expires_at = now + SESSION_LIFETIME;
        let mut item = to_item(&token.key(), &Session { password: digest(&user.password_hash), expires_at })?;
        item.insert("ttl".to_owned(), number(expires_at.unix_timestamp()));
        Ok(self.put(item).always())
    }

    /// Lets a session outlive a change of password.
    pub(super) fn keep_session(&self, token: &Token, password_hash: &str) -> TransactWriteItem {
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(token.key().attributes()))
            .update_expression("SET password = :password")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":password", string(digest(password_hash)))
            .build()
            .expect("a table, a key and an expression are given");
        TransactWriteItem::builder().update(update).build()
    }

    /// The user to whom a token belongs: one trip.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn user_by_token(&self, token: &Token, now: OffsetDateTime) -> Result<Option<User>, StoreError> {
        let (session, user) = (token.key(), profile(&token.user));
        let found = self.get_all([session.clone(), user.clone()]).await?;
        signed_in(found.get(&session), found.get(&user), now)
    }

    /// Ends the session of a token.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn end_session(&self, token: &Token) -> Result<(), StoreError> {
        self.delete(&token.key()).await?;
        Ok(())
    }
}
