//! Sessions: opaque tokens, stored hashed beside their user, so that one trip reads both.

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::users::profile;
use super::{Item, Key, Store, StoreError, from_item, number, to_item};
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
    /// A new session's token.
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

    pub(super) fn key(&self) -> Key {
        Key::new(format!("USER#{}", self.user), format!("SESSION#{}", digest(&self.secret)))
    }
}

#[derive(Serialize, Deserialize)]
struct Session {
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
}

/// The signed-in user, if the session item and the profile say so.
pub(super) fn signed_in(session: Option<&Item>, profile: Option<&Item>, now: OffsetDateTime) -> Result<Option<User>, StoreError> {
    let (Some(session), Some(profile)) = (session, profile) else { return Ok(None) };
    let session: Session = from_item(session.clone())?;
    // DynamoDB deletes expired items within days, not at once.
    if session.expires_at <= now { Ok(None) } else { from_item(profile.clone()).map(Some) }
}

impl Store {
    /// Begins a session.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn add_session(&self, token: &Token, now: OffsetDateTime) -> Result<(), StoreError> {
        let expires_at = now + SESSION_LIFETIME;
        let mut item = to_item(&token.key(), &Session { expires_at })?;
        item.insert("ttl".to_owned(), number(expires_at.unix_timestamp()));
        let _always = self.transact(vec![self.put(item).always()]).await?;
        Ok(())
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

    /// Ends all sessions of a user but one: after a change of password.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn end_other_sessions(&self, user: &UserId, kept: Option<&Token>) -> Result<(), StoreError> {
        let kept = kept.map(Token::key);
        loop {
            let answer = self
                .client
                .query()
                .table_name(&self.table)
                .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
                .expression_attribute_values(":pk", super::string(format!("USER#{user}")))
                .expression_attribute_values(":prefix", super::string("SESSION#"))
                .projection_expression("pk, sk")
                .consistent_read(true)
                .send()
                .await
                .map_err(|error| StoreError::request("Query", &error))?;
            let keys: Vec<Key> = answer.items().iter().filter_map(Key::of).filter(|key| Some(key) != kept.as_ref()).collect();
            for key in &keys {
                self.delete(key).await?;
            }
            if keys.is_empty() || answer.last_evaluated_key.is_none() {
                return Ok(());
            }
        }
    }
}
