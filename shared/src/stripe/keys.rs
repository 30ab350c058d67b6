//! Stripe's keys as they are now. They are read when the function starts, and read again where they are old, or where
//! Stripe or a signature does not go with them: keys are rotated without a deploy, and no request is lost by it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;

use crate::clock::Clock;
use crate::secrets::{self, SecretError, StripeKeys};

/// How long keys are used without being read again. It bounds for how long a running function believes a webhook secret
/// that was taken out.
const LIFETIME: time::Duration = time::Duration::minutes(5);

/// How long to wait before reading again because of a signature. Anybody can send a bad one; what Stripe signed comes again.
const PAUSE: time::Duration = time::Duration::seconds(10);

/// How long one more reading may take. There are keys already, and somebody waits.
const PATIENCE: Duration = Duration::from_secs(2);

/// The keys of one process.
#[derive(Debug)]
pub(super) struct Keys {
    held: Mutex<Held>,
    source: Option<Source>,
    clock: Clock,
}

#[derive(Debug)]
struct Held {
    keys: Arc<StripeKeys>,
    /// When they were last read, or tried to be.
    read_at: OffsetDateTime,
}

/// Where they are read.
#[derive(Debug)]
struct Source {
    client: aws_sdk_secretsmanager::Client,
    name: String,
}

impl Keys {
    /// Keys that stay as they are.
    pub(super) fn fixed(keys: StripeKeys, clock: Clock) -> Self {
        let held = Held { keys: Arc::new(keys), read_at: clock.now() };
        Self { held: Mutex::new(held), source: None, clock }
    }

    /// Reads them.
    ///
    /// # Errors
    /// Where Secrets Manager does not give them.
    pub(super) async fn read(client: aws_sdk_secretsmanager::Client, name: String, clock: Clock) -> Result<Self, SecretError> {
        let keys = secrets::stripe_keys(&client, &name).await?;
        Ok(Self { source: Some(Source { client, name }), ..Self::fixed(keys, clock) })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As they were read last.
    pub(super) fn last(&self) -> Arc<StripeKeys> {
        Arc::clone(&self.held().keys)
    }

    /// As they are, give or take [`LIFETIME`]. Where they cannot be read, those that were read last stay in use.
    pub(super) async fn current(&self) -> Arc<StripeKeys> {
        let due = self.clock.now() - self.held().read_at >= LIFETIME;
        if due { self.read_again().await } else { self.last() }
    }

    /// Other keys than those that Stripe did not take, if there are any by now.
    pub(super) async fn instead_of(&self, refused: &Arc<StripeKeys>) -> Option<Arc<StripeKeys>> {
        let last = self.last();
        let keys = if Arc::ptr_eq(&last, refused) { self.read_again().await } else { last };
        (keys.secret_key != refused.secret_key).then_some(keys)
    }

    /// Keys that were read after those that a signature does not go with, unless that was tried a moment ago.
    pub(super) async fn newer_than(&self, tried: &Arc<StripeKeys>) -> Option<Arc<StripeKeys>> {
        let (last, since) = {
            let held = self.held();
            (Arc::clone(&held.keys), self.clock.now() - held.read_at)
        };
        if !Arc::ptr_eq(&last, tried) {
            return Some(last);
        }
        if since < PAUSE {
            return None;
        }
        Some(self.read_again().await)
    }

    async fn read_again(&self) -> Arc<StripeKeys> {
        let Some(source) = &self.source else { return self.last() };
        let read = tokio::time::timeout(PATIENCE, secrets::stripe_keys(&source.client, &source.name)).await;
        let mut held = self.held();
        held.read_at = self.clock.now();
        match read {
            Ok(Ok(keys)) => held.keys = Arc::new(keys),
            Ok(Err(error)) => tracing::warn!(%error, "Stripe's keys could not be read again"),
            Err(_) => tracing::warn!("Stripe's keys could not be read again in time"),
        }
        Arc::clone(&held.keys)
    }
}
