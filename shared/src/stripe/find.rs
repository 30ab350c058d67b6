//! Finds the outcome of an attempt. A lost response is looked up, never guessed.
//!
//! 1. If the PaymentIntent or Checkout Session is known, it is read.
//! 2. Otherwise, if the buyer asks for the same again while Stripe remembers the idempotency key, the recorded request is sent again. Stripe
//!    either repeats its first response or carries out the request now, once. If that response was open, it may be outdated, so the object
//!    is read. Nobody but the buyer sends a request that charges a card. One for a hosted page charges nothing, so anybody may repeat it.
//! 3. Otherwise, and if the key cannot tell, because it is too old or replays a 500, the customer's payments since then are listed and
//!    searched for one that the attempt made ([`Purchase::find_maker`]). Stripe's search would be easier but lags by up to an hour. If there
//!    is none, and no request can still be at work, the attempt has failed; one that turns up later is still taken.

use std::collections::HashMap;

use serde::de::DeserializeOwned;
use stripe_checkout::checkout_session::{ExpireCheckoutSession, ListCheckoutSession, RetrieveCheckoutSession};
use stripe_client_core::{RequestBuilder, StripeRequest as _};
use stripe_core::payment_intent::{CancelPaymentIntent, ListPaymentIntent, RetrievePaymentIntent};
use stripe_types::RangeQueryTs;
use time::OffsetDateTime;

use super::error::StripeError;
use super::gateway::{Gateway, Post};
use super::objects::{CheckoutSession, List, PaymentIntent};
use super::requests::CHARGE_FACTS;
use crate::domain::charging::{AT_WORK, Failure, KEY_LIFETIME, NEVER_MADE};
use crate::domain::purchase::{Attempt, AttemptStatus, Made, Means, Observation, Purchase, Status};

/// Stripe's answer about an attempt, including what only the buyer's browser may see.
#[derive(Debug)]
pub struct Heard {
    /// What to record.
    pub observation: Observation,
    /// For Stripe.js, if the buyer must authenticate.
    pub client_secret: Option<String>,
    /// Where the buyer authenticates without Stripe.js.
    pub next_action_url: Option<String>,
    /// The hosted Checkout, while it is open.
    pub checkout_url: Option<String>,
    /// The fingerprint of a declined card, if Stripe returned it.
    pub fingerprint: Option<String>,
}

impl Heard {
    fn of_payment_intent(payment_intent: &PaymentIntent, attempt: &Attempt) -> Self {
        let observation = payment_intent.observe_as(attempt);
        let waits = Status::from(observation.status).is_with_buyer();
        Self {
            client_secret: payment_intent.client_secret.clone().filter(|_| waits),
            next_action_url: payment_intent.next_action_url().filter(|_| waits),
            checkout_url: None,
            fingerprint: None,
            observation,
        }
    }

    fn of_session(session: &CheckoutSession) -> Self {
        let checkout_url = session.url.clone().filter(|_| session.is_open());
        Self { observation: session.observe(), client_secret: None, next_action_url: None, checkout_url, fingerprint: None }
    }

    fn ended(observation: Observation) -> Self {
        Self { observation, client_secret: None, next_action_url: None, checkout_url: None, fingerprint: None }
    }
}

/// What to expand in a Checkout Session.
const SESSION_CHARGE: &str = "payment_intent.latest_charge.balance_transaction";
const PAYMENT_INTENTS: &str = "/payment_intents";
const CHECKOUT_SESSIONS: &str = "/checkout/sessions";

impl Gateway {
    /// Sends an attempt's recorded request for the first time. A refusal is a result: it ends the attempt.
    ///
    /// # Errors
    /// If the outcome stays unknown.
    pub async fn send_attempt(&self, purchase: &Purchase, attempt: &Attempt) -> Result<Heard, StripeError> {
        match self.send_again(purchase, attempt).await {
            // Nothing was sent before, so nothing was done.
            Err(StripeError::RateLimited) => Ok(Heard::ended(Observation::refused("rate_limit"))),
            Err(StripeError::AccountRevoked) => Ok(Heard::ended(Observation::refused("account_invalid"))),
            Err(StripeError::Refused { code, .. }) => Ok(Heard::ended(Observation::refused(&code))),
            other => other,
        }
    }

    /// Sends an attempt's recorded request, for the first time or again. If Stripe
    /// rejects it without looking at it, the outcome of an earlier request stays unknown.
    async fn send_again(&self, purchase: &Purchase, attempt: &Attempt) -> Result<Heard, StripeError> {
        let path = match attempt.means {
            Means::PaymentIntent => PAYMENT_INTENTS,
            Means::Checkout => CHECKOUT_SESSIONS,
        };
        let post = Post { path, body: &attempt.body, account: attempt.account.as_deref(), key: &attempt.idempotency_key };
        let result = match attempt.means {
            Means::PaymentIntent => self.post(&post).await.map(|made| Heard::of_payment_intent(&made, attempt)),
            Means::Checkout => self.post(&post).await.map(|made| Heard::of_session(&made)),
        };
        match result {
            Err(error) if error.is_turned_away() => {
                tracing::warn!(purchase_id = %purchase.id, attempt = attempt.number, %error, "Stripe rejected a payment request without looking at it");
                Err(error)
            }
            Err(StripeError::Declined { code, decline_code, payment_intent, fingerprint }) => {
                let observation = Observation {
                    payment_intent: payment_intent.map(|payment_intent| payment_intent.id),
                    failure: Some(Failure { code, decline_code, declined: true }),
                    ..Observation::of(AttemptStatus::Failed)
                };
                Ok(Heard { fingerprint, ..Heard::ended(observation) })
            }
            Err(StripeError::Refused { code, param, message, .. }) => {
                tracing::warn!(purchase_id = %purchase.id, attempt = attempt.number, code, param, message, "Stripe refused a payment request");
                // The parameter separates the buyer's mistakes (`payment_method`) from the
                // platform's. Only the message shows that a card was used up or detached.
                // <https://docs.stripe.com/error-codes#payment-intent-incompatible-payment-method>
                let is_unfit = code == "payment_intent_incompatible_payment_method" || message.contains("may not be used again");
                let code = if is_unfit {
                    "payment_method".to_owned()
                } else {
                    param.filter(|param| matches!(param.as_str(), "payment_method" | "customer")).unwrap_or(code)
                };
                Ok(Heard::ended(Observation::refused(&code)))
            }
            // The key replays a stored failure. The list of payments shows whether anything was created.
            Err(StripeError::Failed { replayed: true, .. }) => self.list_attempt(purchase, attempt).await,
            other => other,
        }
    }

    /// Finds the outcome of an attempt without charging anything.
    ///
    /// # Errors
    /// If the outcome stays unknown; [`StripeError::InUse`] if nothing was made yet but the request may still be at work.
    pub async fn find_attempt(&self, purchase: &Purchase, attempt: &Attempt, now: OffsetDateTime) -> Result<Heard, StripeError> {
        if attempt.means == Means::Checkout {
            return self.repeat_attempt(purchase, attempt, now).await;
        }
        if let Some(heard) = self.read_attempt(attempt, None, attempt.payment_intent.as_deref()).await? {
            return Ok(heard);
        }
        let heard = self.list_attempt(purchase, attempt).await?;
        let is_missing = heard.observation.failure.as_ref().is_some_and(|failure| failure.code == NEVER_MADE);
        if is_missing && now - attempt.sent_again_at.unwrap_or(attempt.started_at) < AT_WORK { Err(StripeError::InUse) } else { Ok(heard) }
    }

    /// Finds the outcome of an attempt for the buyer who asks for the same again. If Stripe has not made the payment, it does now.
    ///
    /// # Errors
    /// If the outcome stays unknown.
    pub async fn repeat_attempt(&self, purchase: &Purchase, attempt: &Attempt, now: OffsetDateTime) -> Result<Heard, StripeError> {
        if let Some(heard) = self.read_attempt(attempt, attempt.checkout_session.as_deref(), attempt.payment_intent.as_deref()).await? {
            return Ok(heard);
        }
        if now - attempt.started_at >= KEY_LIFETIME {
            return self.list_attempt(purchase, attempt).await;
        }
        let heard = self.send_again(purchase, attempt).await?;
        let observed = &heard.observation;
        if !observed.status.is_open() {
            return Ok(heard);
        }
        let read = self.read_attempt(attempt, observed.checkout_session.as_deref(), observed.payment_intent.as_deref()).await?;
        Ok(read.unwrap_or(heard))
    }

    /// Reads an attempt whose Checkout Session or PaymentIntent is known: one call. `None` if neither is known.
    async fn read_attempt(
        &self,
        attempt: &Attempt,
        checkout_session: Option<&str>,
        payment_intent: Option<&str>,
    ) -> Result<Option<Heard>, StripeError> {
        let account = attempt.account.as_deref();
        if let (Means::Checkout, Some(id)) = (attempt.means, checkout_session) {
            let session: CheckoutSession =
                self.send(&RetrieveCheckoutSession::new(id).expand(vec![SESSION_CHARGE.to_owned()]).build(), account).await?;
            return Ok(Some(Heard::of_session(&session)));
        }
        if let Some(id) = payment_intent {
            let payment_intent: PaymentIntent =
                self.send(&RetrievePaymentIntent::new(id).expand(vec![CHARGE_FACTS.to_owned()]).build(), account).await?;
            return Ok(Some(Heard::of_payment_intent(&payment_intent, attempt)));
        }
        Ok(None)
    }

    /// Withdraws an attempt so that it can never be paid: cancels its PaymentIntent
    /// or expires its Checkout Session. If it was paid first, returns that.
    ///
    /// # Errors
    /// If the outcome stays unknown.
    pub async fn withdraw_attempt(&self, purchase: &Purchase, attempt: &Attempt, now: OffsetDateTime) -> Result<Heard, StripeError> {
        let account = attempt.account.as_deref();
        let key = format!("{}:withdraw", attempt.idempotency_key);
        let result = match (attempt.means, &attempt.payment_intent, &attempt.checkout_session) {
            (Means::PaymentIntent, Some(id), _) => {
                let request = CancelPaymentIntent::new(id.as_str()).build();
                self.send_harmless(&request, account, &key).await.map(|canceled| Heard::of_payment_intent(&canceled, attempt))
            }
            (Means::Checkout, _, Some(id)) => {
                let request = ExpireCheckoutSession::new(id.as_str()).build();
                self.send_harmless(&request, account, &key).await.map(|expired| Heard::of_session(&expired))
            }
            _ => return self.find_attempt(purchase, attempt, now).await,
        };
        match result {
            // It cannot be withdrawn any more: it was paid or had already ended.
            Err(StripeError::Refused { .. }) => self.find_attempt(purchase, attempt, now).await,
            other => other,
        }
    }

    async fn list_attempt(&self, purchase: &Purchase, attempt: &Attempt) -> Result<Heard, StripeError> {
        let account = attempt.account.as_deref();
        // One minute of tolerance for differing clocks.
        let since = RangeQueryTs::gte(attempt.started_at.unix_timestamp() - 60);
        let place = self.place(account);
        let is_its = |metadata: &HashMap<String, String>, made: &Made<'_>| {
            metadata.get("purchase_id").map(String::as_str) == Some(purchase.id.as_str())
                && !self.is_anothers(metadata)
                && purchase.find_maker(made) == Some(attempt.number)
        };
        let found = match attempt.means {
            Means::PaymentIntent => {
                let list = |after: Option<&str>| {
                    let mut request = ListPaymentIntent::new().customer(&attempt.customer).created(since).limit(100);
                    if let Some(after) = after {
                        request = request.starting_after(after);
                    }
                    request.build()
                };
                let found = self.search(account, list, |one: &PaymentIntent| is_its(&one.metadata, &one.made(&place))).await?;
                found.map(|found| Heard::of_payment_intent(&found, attempt))
            }
            Means::Checkout => {
                let list = |after: Option<&str>| {
                    let mut request = ListCheckoutSession::new().customer(&attempt.customer).created(since).limit(100);
                    request = request.expand(vec!["data.payment_intent".to_owned()]);
                    if let Some(after) = after {
                        request = request.starting_after(after);
                    }
                    request.build()
                };
                let found = self.search(account, list, |one: &CheckoutSession| is_its(&one.metadata, &one.made(&place))).await?;
                found.map(|found| Heard::of_session(&found))
            }
        };
        Ok(found.unwrap_or_else(|| Heard::ended(Observation::refused(NEVER_MADE))))
    }

    async fn search<T: DeserializeOwned>(
        &self,
        account: Option<&str>,
        list: impl Fn(Option<&str>) -> RequestBuilder,
        matches: impl Fn(&T) -> bool,
    ) -> Result<Option<T>, StripeError> {
        let (mut last, mut has_hole) = (None, false);
        loop {
            let page: List<T> = self.send(&list(last.as_deref()), account).await?;
            last = page.next().map(str::to_owned);
            has_hole |= !page.unread.is_empty();
            match page.data.into_iter().find(&matches) {
                Some(found) => return Ok(Some(found)),
                None if last.is_some() => {}
                // The element that cannot be parsed may be the one.
                None if has_hole => return Err(StripeError::Unreadable),
                None => return Ok(None),
            }
        }
    }
}
