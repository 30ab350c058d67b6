//! Finding out what became of an attempt. A lost answer is found, never guessed.
//!
//! 1. Where the PaymentIntent or the Checkout Session is known, it is read.
//! 2. Where it is not, and Stripe still remembers the idempotency key, the recorded request is sent again: Stripe
//!    answers what it answered first, or carries it out now, once. What was open in that answer may have ended since:
//!    it is read.
//! 3. Where the key tells nothing (it is older, or replays a 500), the customer's payments since then are listed and
//!    the purchase and attempt looked for in their metadata. Search would be easier, and is up to an hour behind.

use serde::de::DeserializeOwned;
use stripe_checkout::checkout_session::{ExpireCheckoutSession, ListCheckoutSession, RetrieveCheckoutSession};
use stripe_client_core::{RequestBuilder, StripeRequest as _};
use stripe_core::payment_intent::{CancelPaymentIntent, ListPaymentIntent, RetrievePaymentIntent};
use stripe_types::RangeQueryTs;
use time::OffsetDateTime;

use super::error::StripeError;
use super::objects::{CheckoutSession, List, PaymentIntent};
use super::requests::CHARGE_FACTS;
use super::{Gateway, Post};
use crate::ids::PurchaseId;
use crate::purchase::{Attempt, Failure, KEY_LIFETIME, Means, Observation, Status};

/// [`Failure::code`] where Stripe made nothing under the key, and never will.
pub const NEVER_MADE: &str = "never_made";

/// What Stripe says of an attempt, with what only the buyer's browser may have.
#[derive(Debug)]
pub struct Heard {
    /// What is to be recorded.
    pub observation: Observation,
    /// For Stripe.js, where the buyer must authenticate.
    pub client_secret: Option<String>,
    /// Where the buyer authenticates without Stripe.js.
    pub next_action_url: Option<String>,
    /// The hosted Checkout, while it is open.
    pub checkout_url: Option<String>,
}

impl Heard {
    fn of_payment_intent(payment_intent: &PaymentIntent, means: Means) -> Self {
        let observation = payment_intent.observe(means);
        let waits = observation.status == Status::RequiresAction;
        Self {
            client_secret: payment_intent.client_secret.clone().filter(|_| waits),
            next_action_url: payment_intent.next_action_url().filter(|_| waits),
            checkout_url: None,
            observation,
        }
    }

    fn of_session(session: &CheckoutSession) -> Self {
        let checkout_url = session.url.clone().filter(|_| session.is_open());
        Self { observation: session.observe(), client_secret: None, next_action_url: None, checkout_url }
    }

    fn ended(observation: Observation) -> Self {
        Self { observation, client_secret: None, next_action_url: None, checkout_url: None }
    }
}

/// What a Checkout Session is expanded by.
const SESSION_CHARGE: &str = "payment_intent.latest_charge.balance_transaction";
const PAYMENT_INTENTS: &str = "/payment_intents";
const CHECKOUT_SESSIONS: &str = "/checkout/sessions";

impl Gateway {
    /// Sends an attempt's recorded request for the first time. A refusal is an answer: the attempt ends.
    ///
    /// # Errors
    /// Where the outcome stays unknown.
    pub async fn send_attempt(&self, purchase: &PurchaseId, attempt: &Attempt) -> Result<Heard, StripeError> {
        match self.send_again(purchase, attempt).await {
            // Nothing was sent before, so nothing was done.
            Err(StripeError::RateLimited) => Ok(Heard::ended(Observation::refused("rate_limit"))),
            Err(StripeError::AccountRevoked) => Ok(Heard::ended(Observation::refused("account_invalid"))),
            Err(StripeError::Refused { code, .. }) => Ok(Heard::ended(Observation::refused(&code))),
            other => other,
        }
    }

    /// Sends an attempt's recorded request, for the first time or again. Where Stripe turns it away unseen, what came of an
    /// earlier sending stays open.
    async fn send_again(&self, purchase: &PurchaseId, attempt: &Attempt) -> Result<Heard, StripeError> {
        let path = match attempt.means {
            Means::PaymentIntent => PAYMENT_INTENTS,
            Means::Checkout => CHECKOUT_SESSIONS,
        };
        let post = Post { path, body: &attempt.body, account: attempt.account.as_deref(), key: &attempt.idempotency_key };
        let result = match attempt.means {
            Means::PaymentIntent => self.post(&post).await.map(|made| Heard::of_payment_intent(&made, attempt.means)),
            Means::Checkout => self.post(&post).await.map(|made| Heard::of_session(&made)),
        };
        match result {
            Err(error) if error.is_turned_away() => {
                tracing::warn!(purchase_id = %purchase, attempt = attempt.number, %error, "Stripe turned a payment request away");
                Err(error)
            }
            Err(StripeError::Declined { code, decline_code, payment_intent }) => Ok(Heard::ended(Observation {
                payment_intent: payment_intent.map(|payment_intent| payment_intent.id),
                failure: Some(Failure { code, decline_code, declined: true }),
                ..Observation::of(Status::Failed)
            })),
            Err(StripeError::Refused { code, param, message, .. }) => {
                tracing::warn!(purchase_id = %purchase, attempt = attempt.number, code, param, message, "Stripe refused a payment request");
                // The parameter tells the buyer's mistakes (`payment_method`) from the platform's. A card that was used up or
                // taken away is told by the message alone.
                let is_spent = message.contains("may not be used again");
                let code = if is_spent {
                    "payment_method".to_owned()
                } else {
                    param.filter(|param| matches!(param.as_str(), "payment_method" | "customer")).unwrap_or(code)
                };
                Ok(Heard::ended(Observation::refused(&code)))
            }
            // The key has stored a failure. Whether anything was made, the list of payments knows.
            Err(StripeError::Failed { replayed: true, .. }) => self.list_attempt(purchase, attempt).await,
            other => other,
        }
    }

    /// What became of an attempt, by the shortest way that can tell.
    ///
    /// # Errors
    /// Where the outcome stays unknown.
    pub async fn find_attempt(&self, purchase: &PurchaseId, attempt: &Attempt, now: OffsetDateTime) -> Result<Heard, StripeError> {
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

    /// What became of an attempt whose Checkout Session or PaymentIntent is known: a call; none where neither is.
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
            return Ok(Some(Heard::of_payment_intent(&payment_intent, attempt.means)));
        }
        Ok(None)
    }

    /// Takes an attempt back, so that it can never be paid: cancels its PaymentIntent, or expires its Checkout.
    /// Where it was paid first, that is what is heard.
    ///
    /// # Errors
    /// Where the outcome stays unknown.
    pub async fn withdraw_attempt(&self, purchase: &PurchaseId, attempt: &Attempt, now: OffsetDateTime) -> Result<Heard, StripeError> {
        let account = attempt.account.as_deref();
        let key = format!("{}:withdraw", attempt.idempotency_key);
        let result = match (attempt.means, &attempt.payment_intent, &attempt.checkout_session) {
            (Means::PaymentIntent, Some(id), _) => {
                let request = CancelPaymentIntent::new(id.as_str()).build();
                self.send_harmless(&request, account, &key).await.map(|canceled| Heard::of_payment_intent(&canceled, attempt.means))
            }
            (Means::Checkout, _, Some(id)) => {
                let request = ExpireCheckoutSession::new(id.as_str()).build();
                self.send_harmless(&request, account, &key).await.map(|expired| Heard::of_session(&expired))
            }
            _ => return self.find_attempt(purchase, attempt, now).await,
        };
        match result {
            // It is in no state to be taken back: paid, or gone already.
            Err(StripeError::Refused { .. }) => self.find_attempt(purchase, attempt, now).await,
            other => other,
        }
    }

    async fn list_attempt(&self, purchase: &PurchaseId, attempt: &Attempt) -> Result<Heard, StripeError> {
        let account = attempt.account.as_deref();
        // A minute for clocks that differ.
        let since = RangeQueryTs::gte(attempt.started_at.unix_timestamp() - 60);
        let matches = |metadata: &std::collections::HashMap<String, String>| {
            metadata.get("purchase_id").map(String::as_str) == Some(purchase.as_str())
                && metadata.get("attempt").is_some_and(|number| *number == attempt.number.to_string())
        };
        let found = match attempt.means {
            Means::PaymentIntent => {
                let list = |after: Option<&PaymentIntent>| {
                    let mut request = ListPaymentIntent::new().customer(&attempt.customer).created(since).limit(100);
                    if let Some(after) = after {
                        request = request.starting_after(&after.id);
                    }
                    request.build()
                };
                let found = self.search(account, list, |one: &PaymentIntent| matches(&one.metadata)).await?;
                found.map(|found| Heard::of_payment_intent(&found, attempt.means))
            }
            Means::Checkout => {
                let list = |after: Option<&CheckoutSession>| {
                    let mut request = ListCheckoutSession::new().customer(&attempt.customer).created(since).limit(100);
                    if let Some(after) = after {
                        request = request.starting_after(&after.id);
                    }
                    request.build()
                };
                let found = self.search(account, list, |one: &CheckoutSession| matches(&one.metadata)).await?;
                found.map(|found| Heard::of_session(&found))
            }
        };
        Ok(found.unwrap_or_else(|| Heard::ended(Observation::refused(NEVER_MADE))))
    }

    async fn search<T: DeserializeOwned>(
        &self,
        account: Option<&str>,
        list: impl Fn(Option<&T>) -> RequestBuilder,
        matches: impl Fn(&T) -> bool,
    ) -> Result<Option<T>, StripeError> {
        let mut last: Option<T> = None;
        loop {
            let mut page: List<T> = self.send(&list(last.as_ref()), account).await?;
            if let Some(place) = page.data.iter().position(&matches) {
                return Ok(Some(page.data.swap_remove(place)));
            }
            if !page.has_more {
                return Ok(None);
            }
            last = page.data.pop();
        }
    }
}
