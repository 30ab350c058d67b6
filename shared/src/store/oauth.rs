//! The short-lived, single-use secrets for linking a Stripe account. Only their digests are
//! stored. Taking a secret deletes it, so only one of several concurrent requests gets it.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::table::{Key, Store, StoreError, from_item, number, to_item};
use crate::base::entropy::digest;
use crate::domain::ids::UserId;
use crate::domain::sealed::SealedTokens;
use crate::domain::user::StripeLink;

/// A kind of secret: its key and its lifetime.
pub trait Secret: Serialize + DeserializeOwned {
    /// The part of the key that separates the kinds.
    const KIND: &'static str;
    /// How long the secret is valid.
    const LIFETIME: Duration;
}

/// The value behind OAuth's `state`.
#[derive(Debug, Serialize, Deserialize)]
pub struct State {
    /// The user who started.
    pub user_id: UserId,
    /// The digest of the cookie that the browser got when it was sent to Stripe.
    pub browser: String,
    /// Whether the browser that started had the user's session. If not, the link is parked until the user confirms it.
    pub with_session: bool,
    /// Whether to link an Express account instead of a Standard one.
    #[serde(default)]
    pub express: bool,
}

impl Secret for State {
    const KIND: &'static str = "STATE";
    const LIFETIME: Duration = Duration::minutes(10);
}

/// The address to which a frontend on another site sends a browser.
#[derive(Debug, Serialize, Deserialize)]
pub struct Ticket {
    /// The user who requested it.
    pub user_id: UserId,
    /// Whether to link an Express account.
    #[serde(default)]
    pub express: bool,
}

impl Secret for Ticket {
    const KIND: &'static str = "TICKET";
    const LIFETIME: Duration = Duration::seconds(60);
}

/// A link that is waiting for its user's confirmation.
#[derive(Debug, Serialize, Deserialize)]
pub struct ParkedLink {
    /// The user who must confirm.
    pub user_id: UserId,
    /// The link to be made.
    pub link: StripeLink,
    /// Its tokens.
    pub tokens: SealedTokens,
}

impl Secret for ParkedLink {
    const KIND: &'static str = "PARKED";
    const LIFETIME: Duration = Duration::minutes(10);
}

/// The result of taking a secret.
#[derive(Debug)]
pub enum Taken<T> {
    /// It was valid and is now spent.
    Yes(T),
    /// It had expired.
    Expired,
    /// It was never issued, or already taken.
    Unknown,
}

#[derive(Serialize, Deserialize)]
struct Stored<T> {
    value: T,
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
}

fn key<T: Secret>(secret: &str) -> Key {
    Key::new(format!("OAUTH#{}#{}", T::KIND, digest(secret)), "OAUTH")
}

fn unexpired<T>(stored: Option<Stored<T>>, now: OffsetDateTime) -> Taken<T> {
    match stored {
        None => Taken::Unknown,
        Some(stored) if stored.expires_at <= now => Taken::Expired,
        Some(stored) => Taken::Yes(stored.value),
    }
}

impl Store {
    /// Stores the value behind a secret.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn keep<T: Secret>(&self, secret: &str, value: T, now: OffsetDateTime) -> Result<(), StoreError> {
        let expires_at = now + T::LIFETIME;
        let mut item = to_item(&key::<T>(secret), &Stored { value, expires_at })?;
        item.insert("ttl".to_owned(), number(expires_at.unix_timestamp()));
        let _always = self.transact(&[self.put(item).always()]).await?;
        Ok(())
    }

    /// The value behind a secret, without spending it.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn peek<T: Secret>(&self, secret: &str, now: OffsetDateTime) -> Result<Taken<T>, StoreError> {
        Ok(unexpired(self.get(&key::<T>(secret)).await?, now))
    }

    /// Takes the value behind a secret, which spends it.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn take<T: Secret>(&self, secret: &str, now: OffsetDateTime) -> Result<Taken<T>, StoreError> {
        Ok(unexpired(self.delete(&key::<T>(secret)).await?.map(from_item).transpose()?, now))
    }
}
