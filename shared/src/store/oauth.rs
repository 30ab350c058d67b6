//! The short-lived, single-use secrets of linking a Stripe account. Only their digests are stored; taking one
//! deletes it, so of any number of takers one gets it.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::links::SealedTokens;
use super::{Key, Store, StoreError, from_item, number, to_item};
use crate::entropy::digest;
use crate::ids::UserId;
use crate::user::StripeLink;

/// A kind of secret: where its items live and for how long.
pub trait Secret: Serialize + DeserializeOwned {
    /// The part of the key that keeps the kinds apart.
    const KIND: &'static str;
    /// After this it is as good as gone.
    const LIFETIME: Duration;
}

/// What OAuth's `state` stands for.
#[derive(Debug, Serialize, Deserialize)]
pub struct State {
    /// Who started.
    pub user_id: UserId,
    /// The digest of the cookie that the browser got when it was sent to Stripe.
    pub browser: String,
    /// Whether the browser that started had the user's session. Where it had none, the link waits for the user to
    /// confirm it.
    pub with_session: bool,
    /// Whether an Express account is asked for rather than a Standard one.
    #[serde(default)]
    pub express: bool,
}

impl Secret for State {
    const KIND: &'static str = "STATE";
    const LIFETIME: Duration = Duration::minutes(10);
}

/// The address that a frontend on another site sends a browser to.
#[derive(Debug, Serialize, Deserialize)]
pub struct Ticket {
    /// Who asked for it.
    pub user_id: UserId,
    /// Whether for an Express account.
    #[serde(default)]
    pub express: bool,
}

impl Secret for Ticket {
    const KIND: &'static str = "TICKET";
    const LIFETIME: Duration = Duration::seconds(60);
}

/// A link that waits for its user to confirm it.
#[derive(Debug, Serialize, Deserialize)]
pub struct ParkedLink {
    /// Who must confirm.
    pub user_id: UserId,
    /// What will be linked.
    pub link: StripeLink,
    /// Its tokens.
    pub tokens: SealedTokens,
}

impl Secret for ParkedLink {
    const KIND: &'static str = "PARKED";
    const LIFETIME: Duration = Duration::minutes(10);
}

/// What came of taking a secret.
#[derive(Debug)]
pub enum Taken<T> {
    /// It was there and is now gone.
    Yes(T),
    /// It was there and had expired.
    Expired,
    /// Never issued, or taken already.
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
    /// Stores what a secret stands for.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn keep<T: Secret>(&self, secret: &str, value: T, now: OffsetDateTime) -> Result<(), StoreError> {
        let expires_at = now + T::LIFETIME;
        let mut item = to_item(&key::<T>(secret), &Stored { value, expires_at })?;
        item.insert("ttl".to_owned(), number(expires_at.unix_timestamp()));
        let _always = self.transact(&[self.put(item).always()]).await?;
        Ok(())
    }

    /// What a secret stands for, which stays usable.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn peek<T: Secret>(&self, secret: &str, now: OffsetDateTime) -> Result<Taken<T>, StoreError> {
        Ok(unexpired(self.get(&key::<T>(secret)).await?, now))
    }

    /// What a secret stands for; nobody gets it again.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn take<T: Secret>(&self, secret: &str, now: OffsetDateTime) -> Result<Taken<T>, StoreError> {
        Ok(unexpired(self.delete(&key::<T>(secret)).await?.map(from_item).transpose()?, now))
    }
}
