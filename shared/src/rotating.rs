//! Secrets as they are now. They are read when the function starts, and read again where they are old, or where what they are
//! for does not go with them: keys are rotated without a deploy, and no request is lost by it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;

use crate::clock::Clock;
use crate::secrets::{self, Secret, SecretError, StripeKeys};

/// How long a secret is used without being read again. It bounds for how long a running function believes a webhook secret
/// that was taken out, or seals with a key that is not the current one any more.
const LIFETIME: time::Duration = time::Duration::minutes(5);

/// How long to wait before reading again because of a signature. Anybody can send a bad one; what Stripe signed comes again.
const PAUSE: time::Duration = time::Duration::seconds(10);

/// How long one more reading may take. There is a value already, and somebody waits.
const PATIENCE: Duration = Duration::from_secs(2);

/// A secret of one process.
#[derive(Debug)]
pub struct Rotating<T> {
    held: Mutex<Held<T>>,
    source: Option<Source>,
    clock: Clock,
}

#[derive(Debug)]
struct Held<T> {
    value: Arc<T>,
    /// When it was last read, or tried to be.
    read_at: OffsetDateTime,
}

/// Where it is read.
#[derive(Debug)]
struct Source {
    client: aws_sdk_secretsmanager::Client,
    name: String,
}

impl<T: Secret> Rotating<T> {
    /// A value that stays as it is.
    #[must_use]
    pub fn fixed(value: T, clock: Clock) -> Self {
        let held = Held { value: Arc::new(value), read_at: clock.now() };
        Self { held: Mutex::new(held), source: None, clock }
    }

    /// Reads it.
    ///
    /// # Errors
    /// Where Secrets Manager does not give it.
    pub async fn read(client: aws_sdk_secretsmanager::Client, name: String, clock: Clock) -> Result<Self, SecretError> {
        let value = secrets::read(&client, &name).await?;
        Ok(Self { source: Some(Source { client, name }), ..Self::fixed(value, clock) })
    }

    fn held(&self) -> MutexGuard<'_, Held<T>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As it was read last.
    pub fn last(&self) -> Arc<T> {
        Arc::clone(&self.held().value)
    }

    /// As it is, give or take five minutes. Where it cannot be read, what was read last stays in use.
    pub async fn current(&self) -> Arc<T> {
        let due = self.clock.now() - self.held().read_at >= LIFETIME;
        if due { self.read_again().await } else { self.last() }
    }

    /// What was read after a value that something does not go with, unless that was tried a moment ago.
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
    /// Other keys than those that Stripe did not take, if there are any by now.
    pub(crate) async fn instead_of(&self, refused: &Arc<StripeKeys>) -> Option<Arc<StripeKeys>> {
        let last = self.last();
        let keys = if Arc::ptr_eq(&last, refused) { self.read_again().await } else { last };
        (keys.secret_key != refused.secret_key).then_some(keys)
    }
}
