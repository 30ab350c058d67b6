//! Secrets that can be rotated without a deployment or a failed request. They are
//! read at start, and read again when they are old or when something fails with them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;

use super::secrets::{self, Secret, SecretError, StripeKeys};
use crate::base::clock::Clock;

/// How long a secret is used before it is read again. This limits how long a running function accepts a removed webhook secret
/// or seals with a key that is no longer current.
const LIFETIME: time::Duration = time::Duration::minutes(5);

/// The minimum pause before a bad signature triggers another read. Anybody can send a bad signature, and Stripe redelivers its events.
const PAUSE: time::Duration = time::Duration::seconds(10);

/// The time limit for reading again. There is already a value, and a request is waiting.
const PATIENCE: Duration = Duration::from_secs(2);

/// A secret that is read again when needed.
#[derive(Debug)]
pub struct Rotating<T> {
    held: Mutex<Held<T>>,
    source: Option<Source>,
    clock: Clock,
}

#[derive(Debug)]
struct Held<T> {
    value: Arc<T>,
    /// When it was last read, or an attempt was made.
    read_at: OffsetDateTime,
}

/// Where to read it.
#[derive(Debug)]
struct Source {
    client: aws_sdk_secretsmanager::Client,
    name: String,
}

impl<T: Secret> Rotating<T> {
    /// A value that is never read again.
    #[must_use]
    pub fn fixed(value: T, clock: Clock) -> Self {
        let held = Held { value: Arc::new(value), read_at: clock.now() };
        Self { held: Mutex::new(held), source: None, clock }
    }

    /// Reads it from Secrets Manager.
    ///
    /// # Errors
    /// If it cannot be read from Secrets Manager.
    pub async fn read(client: aws_sdk_secretsmanager::Client, name: String, clock: Clock) -> Result<Self, SecretError> {
        let value = secrets::read(&client, &name).await?;
        Ok(Self { source: Some(Source { client, name }), ..Self::fixed(value, clock) })
    }

    fn held(&self) -> MutexGuard<'_, Held<T>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value that was read last.
    pub fn last(&self) -> Arc<T> {
        Arc::clone(&self.held().value)
    }

    /// The current value, at most five minutes old. If it cannot be read, the last value stays in use.
    pub async fn current(&self) -> Arc<T> {
        let due = self.clock.now() - self.held().read_at >= LIFETIME;
        if due { self.read_again().await } else { self.last() }
    }

    /// For when something failed with `tried`: the newer value in use, or a fresh read; `None` if the last read was a moment ago.
    pub async fn newer_than(&self, tried: &Arc<T>) -> Option<Arc<T>> {
        let (last, since) = {
            let held = self.held();
            (Arc::clone(&held.value), self.clock.now() - held.read_at)
        };
        if !Arc::ptr_eq(&last, tried) {
            return Some(last);
        }
        if since < PAUSE {
            return None;
        }
        Some(self.read_again().await)
    }

    async fn read_again(&self) -> Arc<T> {
        let Some(source) = &self.source else { return self.last() };
        let read = tokio::time::timeout(PATIENCE, secrets::read(&source.client, &source.name)).await;
        let mut held = self.held();
        held.read_at = self.clock.now();
        match read {
            Ok(Ok(value)) => held.value = Arc::new(value),
            Ok(Err(error)) => tracing::warn!(%error, "the secret could not be read again"),
            Err(_) => tracing::warn!(name = source.name, "the secret could not be read again in time"),
        }
        Arc::clone(&held.value)
    }
}

impl Rotating<StripeKeys> {
    /// Returns newer keys if the secret has been rotated since Stripe rejected the current ones.
    pub(crate) async fn instead_of(&self, refused: &Arc<StripeKeys>) -> Option<Arc<StripeKeys>> {
        let last = self.last();
        let keys = if Arc::ptr_eq(&last, refused) { self.read_again().await } else { last };
        (keys.secret_key != refused.secret_key).then_some(keys)
    }
}
