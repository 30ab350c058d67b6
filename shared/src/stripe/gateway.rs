//! Sends requests to Stripe, with retries where they can help.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde::de::DeserializeOwned;
use stripe_client_core::RequestBuilder;

use super::error::StripeError;
use super::objects::Place;
use super::read;
use crate::app::App;
use crate::cloud::aws;
use crate::cloud::trace::Call;
use crate::settings::config::STRIPE_API_VERSION;
use crate::settings::rotating::Rotating;
use crate::settings::secrets::{SecretError, StripeKeys};

/// How many times to send a request before reporting its failure.
const TRIES: u32 = 3;

/// How many keys to try for a request that may be carried out twice.
const KEYS: u32 = 3;

/// The first pause between tries; the next is four times as long.
const PAUSE: Duration = Duration::from_millis(100);

/// How many requests a paced gateway sends per second: a quarter of Stripe's limit, which all functions share. <https://docs.stripe.com/rate-limits>
const PER_SECOND: u32 = 25;

/// The same in a sandbox.
const PER_SECOND_IN_SANDBOX: u32 = 6;

/// How long a paced gateway sends nothing after Stripe said that there were too many requests.
const BACK_OFF: Duration = Duration::from_secs(2);

/// What could have been sent in this time and was not, may be sent at once.
const BURST: Duration = Duration::from_secs(1);

/// Stripe's live mode, or a sandbox. <https://docs.stripe.com/keys>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Live,
    Sandbox,
}

impl Mode {
    /// `None` if the key does not say, because it is not set yet.
    fn of(key: &str) -> Option<Self> {
        match key.split('_').nth(1) {
            Some("live") => Some(Self::Live),
            Some("test") => Some(Self::Sandbox),
            _ => None,
        }
    }
}

/// Spreads requests over time.
#[derive(Debug)]
struct Pace {
    every: Duration,
    next: Mutex<Instant>,
}

impl Pace {
    /// Waits for the next turn.
    async fn turn(&self) {
        let now = Instant::now();
        let turn = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let turn = (*next).max(now.checked_sub(BURST).unwrap_or(now));
            *next = turn + self.every;
            turn
        };
        tokio::time::sleep(turn.saturating_duration_since(now)).await;
    }

    fn back_off(&self) {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        *next = (*next).max(Instant::now() + BACK_OFF);
    }
}

/// The connection to Stripe, for one platform.
#[derive(Clone, Debug)]
pub struct Gateway {
    pub(super) http: reqwest::Client,
    api_base: String,
    pub(super) connect_base: String,
    pub(super) client_id: String,
    stack_id: String,
    /// That of the publishable key, which the storefront and the records go by.
    mode: Option<Mode>,
    pub(super) keys: Arc<Rotating<StripeKeys>>,
    pub(super) timeout: Duration,
    pause: Duration,
    deadline: Option<Instant>,
    pace: Option<Arc<Pace>>,
}

/// A request that may be sent more than once. Purchases record it before Stripe is called.
#[derive(Clone, Debug)]
pub struct Post<'a> {
    /// Below `/v1`, such as `/payment_intents`; or below the root, such as `/v2/core/accounts`.
    pub path: &'a str,
    /// The form; JSON if the path begins with `/v2/`.
    pub body: &'a str,
    /// The connected account to act on; `None` is the platform's own.
    pub account: Option<&'a str>,
    /// `Idempotency-Key`
    pub key: &'a str,
}

impl Gateway {
    /// Uses fixed keys.
    #[must_use]
    pub fn new(app: &App, keys: StripeKeys) -> Self {
        Self::with(app, Rotating::fixed(keys, app.clock.clone()))
    }

    fn with(app: &App, keys: Rotating<StripeKeys>) -> Self {
        Self {
            http: app.http.clone(),
            api_base: app.config.stripe_api_base.clone(),
            connect_base: app.config.stripe_connect_base.clone(),
            client_id: app.config.client_id.clone(),
            stack_id: app.config.stack_id.clone(),
            mode: Mode::of(&app.config.publishable_key),
            keys: Arc::new(keys),
            timeout: app.config.stripe_timeout,
            pause: PAUSE,
            deadline: None,
            pace: None,
        }
    }

    /// Uses the keys in Secrets Manager, which are fetched while the function starts.
    ///
    /// # Errors
    /// If the secret cannot be read.
    pub async fn from_env(app: &App) -> Result<Self, SecretError> {
        Self::from_secret(app, aws::secrets_manager(&app.aws, aws::endpoint("SECRETS_MANAGER"))).await
    }

    /// The same with a given client.
    ///
    /// # Errors
    /// If the secret cannot be read.
    pub async fn from_secret(app: &App, client: aws_sdk_secretsmanager::Client) -> Result<Self, SecretError> {
        let keys = Rotating::read(client, app.config.stripe_secret_arn.clone(), app.clock.clone()).await?;
        Ok(Self::with(app, keys))
    }

    /// The same, for one of our requests that must be answered within `time`, whatever Stripe does. The
    /// function's own timeout is a little longer, so that what was started is recorded before it ends.
    #[must_use]
    pub fn within(&self, time: Duration) -> Self {
        Self { deadline: Some(Instant::now() + time), ..self.clone() }
    }

    /// The same with another pause between tries, for tests that break every call.
    #[must_use]
    pub fn pausing(self, pause: Duration) -> Self {
        Self { pause, ..self }
    }

    /// The same for work in the background, which must leave most of Stripe's rate limit to requests that people wait for.
    #[must_use]
    pub fn paced(self) -> Self {
        let per_second = if self.livemode() { PER_SECOND } else { PER_SECOND_IN_SANDBOX };
        let now = Instant::now();
        let next = Mutex::new(now.checked_sub(BURST).unwrap_or(now));
        let pace = Pace { every: Duration::from_secs(1) / per_second, next };
        Self { pace: Some(Arc::new(pace)), ..self }
    }

    /// The timeout for a try that starts now.
    fn time_left(&self) -> Duration {
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        left.map_or(self.timeout, |left| left.min(self.timeout))
    }

    /// The platform's current keys, at most a few minutes old.
    pub async fn keys(&self) -> Arc<StripeKeys> {
        self.keys.current().await
    }

    /// Newer keys, after `tried` did not match a signature. `None` if the keys were read a moment ago.
    pub async fn keys_after(&self, tried: &Arc<StripeKeys>) -> Option<Arc<StripeKeys>> {
        self.keys.newer_than(tried).await
    }

    /// This deployment's id, which is in the metadata of everything it creates.
    #[must_use]
    pub fn stack_id(&self) -> &str {
        &self.stack_id
    }

    /// Whether another deployment on the same Stripe account created the object with this
    /// metadata; then it is not ours, whatever else it says. Without an id the answer is false.
    #[must_use]
    pub fn is_anothers(&self, metadata: &HashMap<String, String>) -> bool {
        metadata.get("stack_id").is_some_and(|id| *id != self.stack_id)
    }

    /// An account, and the platform's id there.
    #[must_use]
    pub fn place<'a>(&'a self, account: Option<&'a str>) -> Place<'a> {
        Place { account, client_id: &self.client_id }
    }

    /// Whether the platform's key is a live mode key.
    #[must_use]
    pub fn livemode(&self) -> bool {
        Mode::of(&self.keys.last().secret_key) == Some(Mode::Live)
    }

    /// Whether these keys are of the publishable key's mode. With others, nothing is sent: a shop that is live would sell for test cards.
    pub(super) fn fits(&self, keys: &StripeKeys) -> bool {
        let (known, given) = (self.mode, Mode::of(&keys.secret_key));
        let fits = known.is_none() || given.is_none() || known == given;
        if !fits {
            tracing::error!("the secret's key and StripePublishableKey are of different modes, so nothing is sent to Stripe");
        }
        fits
    }

    /// Sends a typed GET request.
    ///
    /// # Errors
    /// See [`StripeError`].
    pub async fn send<T: DeserializeOwned>(&self, request: &RequestBuilder, account: Option<&str>) -> Result<T, StripeError> {
        let path = match &request.query {
            Some(query) if !query.is_empty() => format!("{}?{query}", request.path),
            _ => request.path.clone(),
        };
        self.get(&path, account).await
    }

    /// Sends a GET request; `path` is that of a [`Post`], with the query.
    ///
    /// # Errors
    /// See [`StripeError`].
    pub async fn get<T: DeserializeOwned>(&self, path: &str, account: Option<&str>) -> Result<T, StripeError> {
        self.repeat(|key| self.request(Method::GET, path, key, account)).await
    }

    /// Sends a DELETE request; a retry finds nothing left to delete.
    ///
    /// # Errors
    /// See [`StripeError`].
    pub async fn delete<T: DeserializeOwned>(&self, path: &str, account: Option<&str>) -> Result<T, StripeError> {
        self.repeat(|key| self.request(Method::DELETE, path, key, account)).await
    }

    /// Sends a POST under its idempotency key, with retries if its outcome is unknown and Stripe may still tell.
    ///
    /// # Errors
    /// See [`StripeError`].
    pub async fn post<T: DeserializeOwned>(&self, post: &Post<'_>) -> Result<T, StripeError> {
        let content_type = if is_v2(post.path) { "application/json" } else { "application/x-www-form-urlencoded" };
        self.repeat(|key| {
            self.request(Method::POST, post.path, key, post.account)
                .header("idempotency-key", post.key)
                .header("content-type", content_type)
                .body(post.body.to_owned())
        })
        .await
    }

    /// A request to either version of the API. They differ in the header that names the account.
    /// <https://docs.stripe.com/api-v2-overview>
    fn request(&self, method: Method, path: &str, key: &str, account: Option<&str>) -> reqwest::RequestBuilder {
        let (version, header) = if is_v2(path) { ("", "stripe-context") } else { ("/v1", "stripe-account") };
        let request = self.http.request(method, format!("{}{version}{path}", self.api_base));
        let request = request.bearer_auth(key).header("stripe-version", STRIPE_API_VERSION);
        match account {
            Some(account) => request.header(header, account),
            None => request,
        }
    }

    /// The same for requests that do no harm if carried out twice. A key that met an internal error of Stripe replays it for a
    /// day; then the next key is tried, which is the same for all callers. <https://docs.stripe.com/api/idempotent_requests>
    ///
    /// # Errors
    /// See [`StripeError`].
    pub async fn post_harmless<T: DeserializeOwned>(&self, post: &Post<'_>) -> Result<T, StripeError> {
        let mut result = self.post(post).await;
        for number in 2..=KEYS {
            if !matches!(result, Err(StripeError::Failed { replayed: true, .. })) {
                break;
            }
            result = self.post(&Post { key: &format!("{}:{number}", post.key), ..post.clone() }).await;
        }
        result
    }

    /// The same for a typed request.
    ///
    /// # Errors
    /// See [`StripeError`].
    pub async fn send_harmless<T: DeserializeOwned>(
        &self,
        request: &RequestBuilder,
        account: Option<&str>,
        key: &str,
    ) -> Result<T, StripeError> {
        let body = request.body.as_deref().unwrap_or_default();
        self.post_harmless(&Post { path: &request.path, body, account, key }).await
    }

    /// Tries up to three times within twice the timeout of one request, with growing pauses, and once
    /// more with the new key if Stripe no longer accepts the old one. `make` gets the secret key.
    async fn repeat<T: DeserializeOwned>(&self, make: impl Fn(&str) -> reqwest::RequestBuilder) -> Result<T, StripeError> {
        let mut keys = self.keys.current().await;
        let give_up = Instant::now() + 2 * self.timeout;
        let give_up = self.deadline.map_or(give_up, |deadline| deadline.min(give_up));
        let mut lost = None;
        for attempt in 1.. {
            let (mut result, mut again) = self.with_keys(&keys, &make).await;
            if matches!(result, Err(StripeError::Refused { status: 401, .. }))
                && let Some(rolled) = self.keys.instead_of(&keys).await
            {
                keys = rolled;
                (result, again) = self.with_keys(&keys, &make).await;
            }
            let wait = self.pause * attempt * attempt + self.pause * jitter() / 100;
            if !again || attempt == TRIES || Instant::now() + wait >= give_up {
                return match (result, lost) {
                    // Rejected now, but an earlier try may have arrived, and its outcome is unknown.
                    (Err(error), Some(earlier)) if error.is_turned_away() => Err(earlier),
                    (result, _) => result,
                };
            }
            lost = result.err().filter(StripeError::outcome_is_unknown).or(lost);
            tokio::time::sleep(wait).await;
        }
        unreachable!("the loop returns")
    }

    /// One try with these keys. Keys of the wrong mode count as refused, so that the secret is read again.
    async fn with_keys<T: DeserializeOwned>(
        &self,
        keys: &StripeKeys,
        make: impl Fn(&str) -> reqwest::RequestBuilder,
    ) -> (Result<T, StripeError>, bool) {
        if self.fits(keys) {
            return self.once(make(&keys.secret_key)).await;
        }
        let message = "the key is of another mode".to_owned();
        (Err(StripeError::Refused { status: 401, code: "livemode_mismatch".to_owned(), param: None, message }), false)
    }

    /// One try. Returns whether another may help.
    async fn once<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> (Result<T, StripeError>, bool) {
        if let Some(pace) = &self.pace {
            pace.turn().await;
        }
        let begun = Instant::now();
        let request = match request.timeout(self.time_left()).build() {
            Ok(request) => request,
            Err(error) => return (Err(StripeError::Unsent(error.to_string())), false),
        };
        let (method, path) = (request.method().clone(), request.url().path().to_owned());
        let mut call = Call::begin(&request);
        let answer = match self.http.execute(request).await {
            Ok(answer) => answer,
            Err(error) => {
                let timeout = error.is_timeout();
                tracing::warn!(method = %method, path, timeout, "Stripe gave no answer");
                return (Err(StripeError::NoAnswer { timeout }), true);
            }
        };
        let status = answer.status().as_u16();
        call.answered(status);
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (should_retry, stripe_request_id) = (header("stripe-should-retry"), header("request-id"));
        let replayed = header("idempotent-replayed").is_some_and(|replayed| replayed == "true");
        let body = match answer.bytes().await {
            Ok(body) => body,
            Err(error) => return (Err(StripeError::NoAnswer { timeout: error.is_timeout() }), true),
        };
        let milliseconds = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(method = %method, path, status, stripe_request_id, replayed, milliseconds, "asked Stripe");
        if (200..300).contains(&status) {
            let result = read::bytes(&body).map_err(|_| StripeError::Unreadable);
            return (result, false);
        }
        let error = StripeError::from_answer(status, replayed, &body);
        if let (Some(pace), StripeError::RateLimited) = (&self.pace, &error) {
            pace.back_off();
        }
        let again = match should_retry.as_deref() {
            Some("true") => true,
            Some("false") => false,
            _ => !replayed && matches!(status, 409 | 429 | 500..=599),
        };
        (Err(error), again)
    }
}

fn is_v2(path: &str) -> bool {
    path.starts_with("/v2/")
}

/// Up to a hundred percent, so that requests that failed together are not retried together.
fn jitter() -> u32 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |now| now.subsec_nanos()) % 100
}
