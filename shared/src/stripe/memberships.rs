//! Subscriptions at Stripe: <https://docs.stripe.com/billing/subscriptions/overview>.
//! As with payments, a lost response is looked up, never guessed:
//!
//! 1. If the subscription or Checkout Session is known, it is read.
//! 2. Otherwise, while Stripe remembers the idempotency key, the recorded request
//!    is sent again, and the object in the response is read in its current state.
//! 3. If the key cannot tell, all of the customer's subscriptions or sessions are searched for ours.

use time::OffsetDateTime;

use super::billing::{Invoice, Price, StripeSubscription, is_named};
use super::error::StripeError;
use super::gateway::{Gateway, Post};
use super::objects::{CheckoutSession, Identified, List, PaymentIntent};
use super::requests::form;
use crate::base::entropy::digest;
use crate::domain::charging::{AT_WORK, Failure, KEY_LIFETIME, NEVER_MADE, PLATFORM};
use crate::domain::membership::{Interval, Observation, Offer, Seen, Subscription};

/// What to expand in a subscription, so that its first invoice includes its payment.
const FIRST_INVOICE: &str = "latest_invoice.payments";

/// Stripe's answer about a subscription, including what only the buyer's browser may see.
#[derive(Debug)]
pub struct Heard {
    /// What to record.
    pub observation: Observation,
    /// For Stripe.js, if the buyer must authenticate.
    pub client_secret: Option<String>,
    /// The hosted Checkout, while it is open.
    pub checkout_url: Option<String>,
    /// The fingerprint of a declined card, if Stripe returned it.
    pub fingerprint: Option<String>,
}

impl Heard {
    /// The subscription exists.
    #[must_use]
    pub fn seen(seen: Seen) -> Self {
        Self::ended(Observation::Seen(Box::new(seen)))
    }

    /// Stripe never made it.
    #[must_use]
    pub fn never_made() -> Self {
        Self::ended(Observation::refused(NEVER_MADE))
    }

    fn ended(observation: Observation) -> Self {
        Self { observation, client_secret: None, checkout_url: None, fingerprint: None }
    }
}

/// What a new subscription needs besides its record.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// `price_…`
    pub price: &'a str,
    /// The platform's percentage, with at most two decimals; `None` if it keeps nothing.
    pub application_fee_percent: Option<&'a str>,
    /// The settlement merchant of a charge on the platform, if not the platform.
    pub on_behalf_of: Option<&'a str>,
    /// The payment method, as the charged account knows it; `None` if Checkout asks for one.
    pub payment_method: Option<&'a str>,
    /// The id of this deployment.
    pub stack_id: &'a str,
    /// Where the hosted page sends buyers who subscribed.
    pub success_url: &'a str,
    /// Where it sends buyers who did not.
    pub cancel_url: &'a str,
}

impl Order<'_> {
    /// The form that creates the subscription, or the hosted Checkout for it.
    /// <https://docs.stripe.com/api/subscriptions/create>, <https://docs.stripe.com/api/checkout/sessions/create>
    #[must_use]
    pub fn body(&self, record: &Subscription) -> String {
        let own = [
            ("subscription_id", record.id.as_str()),
            ("seller_id", record.seller_id.as_str()),
            ("buyer_id", record.buyer_id.as_str()),
            ("stack_id", self.stack_id),
        ];
        let destination = record.account.is_none().then_some(record.seller_account.as_str());
        let money = [
            ("application_fee_percent", self.application_fee_percent),
            ("on_behalf_of", self.on_behalf_of),
            ("transfer_data[destination]", destination),
        ];
        let money = money.into_iter().filter_map(|(name, value)| Some((name, value?)));
        // A price can have amounts in other currencies, and the customer's would be used.
        let mut fields: Vec<(String, &str)> =
            vec![("currency".to_owned(), record.currency.code()), ("customer".to_owned(), &record.customer)];
        let mut add = |name: &str, value| fields.push((name.to_owned(), value));
        if let Some(method) = self.payment_method {
            add("default_payment_method", method);
            add("expand[0]", FIRST_INVOICE);
            add("items[0][price]", self.price);
            add("payment_behavior", "allow_incomplete");
            add("payment_settings[payment_method_types][0]", "card");
            own.iter().for_each(|(name, value)| add(&format!("metadata[{name}]"), value));
            money.for_each(|(name, value)| add(name, value));
        } else {
            add("cancel_url", self.cancel_url);
            add("client_reference_id", record.id.as_str());
            add("line_items[0][price]", self.price);
            add("line_items[0][quantity]", "1");
            add("mode", "subscription");
            add("success_url", self.success_url);
            for (name, value) in own {
                add(&format!("metadata[{name}]"), value);
                add(&format!("subscription_data[metadata][{name}]"), value);
            }
            for (name, value) in money {
                let (first, rest) = name.split_at(name.find('[').unwrap_or(name.len()));
                add(&format!("subscription_data[{first}]{rest}"), value);
            }
        }
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        form(&fields)
    }
}

impl Gateway {
    /// Stripe's price for an offer's interval: one call, or three if it must be created. There is one for
    /// each amount, currency, interval and title of a seller on an account, identified by its lookup key.
    /// The owner of a connected account can give the key to a price of their own, so a price is only used
    /// if it charges exactly this. Its amount and interval cannot be changed afterwards.
    /// <https://docs.stripe.com/products-prices/manage-prices#lookup-keys>, <https://docs.stripe.com/api/prices/update>
    ///
    /// # Errors
    /// See [`StripeError`].
    pub async fn price_of(&self, offer: &Offer, interval: Interval, amount: i64, account: Option<&str>) -> Result<String, StripeError> {
        let place = account.unwrap_or(PLATFORM);
        let product = format!("membership_{}_{}", offer.seller_id, &digest(&offer.title)[..12]);
        let lookup = format!("{product}_{}_{}_{amount}", interval.as_str(), offer.currency.code());
        let found: List<Price> = self.get(&format!("/prices?active=true&lookup_keys[0]={lookup}"), account).await?;
        let found = found.data.into_iter().next();
        if let Some(price) = found.as_ref().filter(|price| price.charges(amount, offer.currency, interval) && price.is_of(&product)) {
            return Ok(price.id.clone());
        }
        // Otherwise Stripe would return the price that had the key before.
        let instead_of = found.map(|price| format!(":instead_of:{}", price.id)).unwrap_or_default();
        if !instead_of.is_empty() {
            tracing::warn!(account, lookup, instead_of, "somebody gave a membership's lookup key to another price");
        }
        let body = form(&[
            ("id", &product),
            ("metadata[seller_id]", offer.seller_id.as_str()),
            ("metadata[stack_id]", self.stack_id()),
            ("name", &offer.title),
        ]);
        let post = Post { path: "/products", body: &body, account, key: &format!("{place}:product:{product}") };
        match self.post_harmless::<Identified>(&post).await {
            Err(StripeError::Refused { code, .. }) if code == "resource_already_exists" => {}
            made => drop(made?),
        }
        let body = form(&[
            ("currency", offer.currency.code()),
            ("lookup_key", &lookup),
            ("metadata[stack_id]", self.stack_id()),
            ("product", &product),
            ("recurring[interval]", interval.as_str()),
            // Otherwise an archived price would keep the key, or one that charges something else.
            ("transfer_lookup_key", "true"),
            ("unit_amount", &amount.to_string()),
        ]);
        let post = Post { path: "/prices", body: &body, account, key: &format!("{place}:price:{lookup}{instead_of}") };
        // A second price takes over the lookup key, and the first is never used.
        Ok(self.post_harmless::<Identified>(&post).await?.id)
    }

    /// Sends a subscription's recorded request, for the first time or again. A refusal is a result: it ends the subscription. If
    /// Stripe rejects the request without looking at it, the outcome of an earlier one stays unknown.
    ///
    /// # Errors
    /// If the outcome stays unknown, or nothing was done yet.
    pub async fn send_subscription(&self, record: &Subscription) -> Result<Heard, StripeError> {
        let path = if record.is_checkout() { "/checkout/sessions" } else { "/subscriptions" };
        let post = Post { path, body: &record.body, account: record.account.as_deref(), key: &record.idempotency_key };
        let result = if record.is_checkout() {
            match self.post::<CheckoutSession>(&post).await {
                Ok(session) => Box::pin(self.of_session(record, &session)).await,
                Err(error) => Err(error),
            }
        } else {
            match self.post::<StripeSubscription>(&post).await {
                Ok(made) => Box::pin(self.of_made(record, &made)).await,
                Err(error) => Err(error),
            }
        };
        match result {
            Err(error) if error.is_turned_away() => Err(error),
            Err(StripeError::Declined { code, decline_code, fingerprint, .. }) => {
                let ended = Observation::Ended(Failure { code, decline_code, declined: true });
                Ok(Heard { fingerprint, ..Heard::ended(ended) })
            }
            Err(StripeError::Refused { code, param, message, .. }) => {
                tracing::warn!(subscription_id = %record.id, code, param, message, "Stripe refused a subscription");
                // The parameter separates the buyer's mistakes from the platform's.
                let code = match param.as_deref() {
                    Some("default_payment_method" | "payment_method") => "payment_method".to_owned(),
                    Some("customer") => "customer".to_owned(),
                    _ => code,
                };
                Ok(Heard::ended(Observation::refused(&code)))
            }
            // The key replays a stored failure. The lists show whether anything was created.
            Err(StripeError::Failed { replayed: true, .. }) => Box::pin(self.list_subscription(record)).await,
            other => other,
        }
    }

    /// Finds the outcome of a subscription without charging anything. A hosted page that Stripe has not made yet is made now.
    ///
    /// # Errors
    /// If the outcome stays unknown; [`StripeError::InUse`] if nothing was made yet but the request may still be at work.
    pub async fn find_subscription(&self, record: &Subscription, now: OffsetDateTime) -> Result<Heard, StripeError> {
        if record.stripe_id.is_some() || record.is_checkout() {
            return Box::pin(self.repeat_subscription(record, now)).await;
        }
        let heard = Box::pin(self.list_subscription(record)).await?;
        let is_missing = matches!(&heard.observation, Observation::Ended(failure) if failure.code == NEVER_MADE);
        if is_missing && now - record.sent_again_at.unwrap_or(record.created_at) < AT_WORK { Err(StripeError::InUse) } else { Ok(heard) }
    }

    /// Finds the outcome of a subscription for the buyer who asks for the same again. If Stripe has not made it, it does now.
    ///
    /// # Errors
    /// If the outcome stays unknown.
    pub async fn repeat_subscription(&self, record: &Subscription, now: OffsetDateTime) -> Result<Heard, StripeError> {
        if let Some(id) = &record.stripe_id {
            return Box::pin(self.as_it_stands(record, id)).await;
        }
        if let Some(session) = &record.checkout_session {
            return Box::pin(self.session_of(record, session)).await;
        }
        if now - record.created_at >= KEY_LIFETIME {
            return Box::pin(self.list_subscription(record)).await;
        }
        let heard = Box::pin(self.send_subscription(record)).await?;
        // The replayed response may be outdated.
        match &heard.observation {
            Observation::Seen(seen) => Box::pin(self.as_it_stands(record, &seen.stripe_id)).await,
            Observation::Open(session) => Box::pin(self.session_of(record, session)).await,
            Observation::Ended(_) => Ok(heard),
        }
    }

    /// Withdraws a subscription whose first payment has not been made, so that it can never be paid. If it was paid first, returns that.
    ///
    /// # Errors
    /// If the outcome stays unknown.
    pub async fn withdraw_subscription(&self, record: &Subscription, now: OffsetDateTime) -> Result<Heard, StripeError> {
        let account = record.account.as_deref();
        if let Some(id) = &record.stripe_id {
            let current: StripeSubscription = self.get(&format!("/subscriptions/{id}?expand[]={FIRST_INVOICE}"), account).await?;
            return Box::pin(self.undo(record, &current, Observation::refused("withdrawn"))).await;
        }
        if let Some(session) = &record.checkout_session {
            let (path, key) = (format!("/checkout/sessions/{session}/expire"), format!("{}:withdraw", record.idempotency_key));
            return match self.post_harmless::<CheckoutSession>(&Post { path: &path, body: "", account, key: &key }).await {
                Ok(expired) => Box::pin(self.of_session(record, &expired)).await,
                // The buyer has subscribed, or it had expired.
                Err(StripeError::Refused { .. }) => Box::pin(self.session_of(record, session)).await,
                Err(error) => Err(error),
            };
        }
        Box::pin(self.find_subscription(record, now)).await
    }

    /// Ends a subscription whose first payment failed in the browser, which could otherwise try card after card on it. Returns the card's
    /// fingerprint as well, if Stripe named it. If it was paid first, returns that. Four calls. <https://docs.stripe.com/disputes/prevention/card-testing>
    ///
    /// # Errors
    /// If the outcome stays unknown.
    pub async fn end_declined(&self, record: &Subscription, id: &str) -> Result<Heard, StripeError> {
        let account = record.account.as_deref();
        let current: StripeSubscription = self.get(&format!("/subscriptions/{id}?expand[]={FIRST_INVOICE}"), account).await?;
        let Some(payment) = current.first_invoice().and_then(Invoice::payment_intent) else {
            return Box::pin(self.undo(record, &current, Observation::refused("card_declined"))).await;
        };
        let payment: PaymentIntent = self.get(&format!("/payment_intents/{payment}"), account).await?;
        Box::pin(self.undo_declined(record, &current, &payment)).await
    }

    /// Changes a running subscription and returns the result.
    /// <https://docs.stripe.com/api/subscriptions/update>
    ///
    /// # Errors
    /// See [`StripeError`].
    pub async fn change_subscription(&self, record: &Subscription, fields: &[(&str, &str)]) -> Result<Heard, StripeError> {
        let missing = || StripeError::Unsent(format!("{} is not at Stripe", record.id));
        let (id, account) = (record.stripe_id.as_deref().ok_or_else(missing)?, record.account.as_deref());
        let (path, body) = (format!("/subscriptions/{id}"), form(fields));
        // Requests that saw the same record make the same change once; later ones make it again.
        let key = format!("{}:{}:{}:{}", account.unwrap_or(PLATFORM), record.id, &digest(&body)[..16], record.version);
        let changed: StripeSubscription = self.post(&Post { path: &path, body: &body, account, key: &key }).await?;
        let invoices = self.invoices(id, account).await?;
        let payments = Box::pin(self.payments(record, &invoices, None)).await?;
        Ok(Heard::seen(changed.seen(&invoices, payments)))
    }

    /// Ends a subscription at once, whatever its state, and voids what is owed for it. Nothing more is charged,
    /// and nothing that was paid is refunded or credited. Doing it twice has the same effect as doing it once.
    /// <https://docs.stripe.com/api/subscriptions/cancel>, <https://docs.stripe.com/api/invoices/void>
    ///
    /// # Errors
    /// If the outcome stays unknown.
    pub async fn end_subscription(&self, record: &Subscription, now: OffsetDateTime) -> Result<Heard, StripeError> {
        let account = record.account.as_deref();
        let mut id = record.stripe_id.clone().filter(|_| !record.status.is_incomplete());
        if id.is_none() {
            let mut heard = Box::pin(self.withdraw_subscription(record, now)).await?;
            if let Observation::Open(session) = &heard.observation {
                let mut waits = record.clone();
                waits.checkout_session = Some(session.clone());
                heard = Box::pin(self.withdraw_subscription(&waits, now)).await?;
            }
            match &heard.observation {
                Observation::Seen(seen) if seen.status.runs() => id = Some(seen.stripe_id.clone()),
                _ => return Ok(heard),
            }
        }
        let id = id.unwrap_or_default();
        match self.delete::<Identified>(&format!("/subscriptions/{id}"), account).await {
            Err(StripeError::Refused { code, .. }) if code == "resource_missing" => {}
            ended => drop(ended?),
        }
        for invoice in self.invoices(&id, account).await?.iter().filter(|invoice| invoice.is_owed()) {
            if invoice.is_draft() {
                // A subscription's drafts can be neither deleted nor voided, so they are finalized first.
                self.settle_invoice(record, &invoice.id, "finalize", "auto_advance=false").await?;
            }
            self.settle_invoice(record, &invoice.id, "void", "").await?;
        }
        Box::pin(self.as_it_stands(record, &id)).await
    }

    /// Finalizes or voids an invoice, unless it was paid or that was done in the meantime: its state is read
    /// afterwards.
    async fn settle_invoice(&self, record: &Subscription, invoice: &str, what: &str, body: &str) -> Result<(), StripeError> {
        let account = record.account.as_deref();
        let (path, key) =
            (format!("/invoices/{invoice}/{what}"), format!("{}:{}:{what}:{invoice}", account.unwrap_or(PLATFORM), record.id));
        match self.post_harmless::<Identified>(&Post { path: &path, body, account, key: &key }).await {
            Ok(_) | Err(StripeError::Refused { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// A subscription with all of its paid invoices. For each unknown one, Stripe is asked about
    /// the payment. For those, for the newest and for `payment_intent`, it is also asked about
    /// refunds; for `payment_intent` and unknown disputed ones, also about disputes and reversals of the seller's transfer.
    ///
    /// # Errors
    /// See [`StripeError`].
    pub async fn see_subscription(
        &self,
        record: &Subscription,
        id: &str,
        payment_intent: Option<&str>,
    ) -> Result<Option<Seen>, StripeError> {
        let account = record.account.as_deref();
        let path = format!("/subscriptions/{id}");
        let (current, invoices) = tokio::join!(self.get::<StripeSubscription>(&path, account), self.invoices(id, account));
        let current = current?;
        if record.stripe_id.as_deref() != Some(id) && !current.is_of(record, &self.client_id) {
            tracing::warn!(subscription_id = %record.id, stripe_id = id, "the subscription at Stripe belongs to another record");
            return Ok(None);
        }
        let invoices = invoices?;
        let payments = Box::pin(self.payments(record, &invoices, payment_intent)).await?;
        Ok(Some(current.seen(&invoices, payments)))
    }

    async fn as_it_stands(&self, record: &Subscription, id: &str) -> Result<Heard, StripeError> {
        let account = record.account.as_deref();
        let path = format!("/subscriptions/{id}?expand[]={FIRST_INVOICE}");
        let current: StripeSubscription = self.get(&path, account).await?;
        if current.status().is_incomplete() {
            return Box::pin(self.of_made(record, &current)).await;
        }
        let invoices = self.invoices(id, account).await?;
        let payments = Box::pin(self.payments(record, &invoices, None)).await?;
        Ok(Heard::seen(current.seen(&invoices, payments)))
    }

    /// The state of a subscription that has only its first invoice.
    async fn of_made(&self, record: &Subscription, made: &StripeSubscription) -> Result<Heard, StripeError> {
        let first = made.first_invoice().map(std::slice::from_ref).unwrap_or_default();
        if !made.status().is_incomplete() {
            let payments = Box::pin(self.payments(record, first, None)).await?;
            return Ok(Heard::seen(made.seen(first, payments)));
        }
        let waits = || Heard::seen(made.seen(first, Vec::new()));
        let Some(id) = made.first_invoice().and_then(Invoice::payment_intent) else { return Ok(waits()) };
        let payment: PaymentIntent = self.get(&format!("/payment_intents/{id}"), record.account.as_deref()).await?;
        match payment.status.as_str() {
            "requires_action" => Ok(Heard { client_secret: payment.client_secret, ..waits() }),
            "processing" | "succeeded" => Ok(waits()),
            // The card was declined. Undone, so that it cannot be paid unexpectedly later.
            _ => Box::pin(self.undo_declined(record, made, &payment)).await,
        }
    }

    async fn undo_declined(&self, record: &Subscription, made: &StripeSubscription, payment: &PaymentIntent) -> Result<Heard, StripeError> {
        let declined = Failure { code: "card_declined".to_owned(), decline_code: None, declined: true };
        let ended = Observation::Ended(payment.failure().unwrap_or(declined));
        let heard = Box::pin(self.undo(record, made, ended)).await?;
        Ok(Heard { fingerprint: payment.fingerprint(), ..heard })
    }

    /// Ends an unpaid subscription: first voids its invoice, which Stripe refuses if it was paid in the meantime.
    async fn undo(&self, record: &Subscription, made: &StripeSubscription, ended: Observation) -> Result<Heard, StripeError> {
        let account = record.account.as_deref();
        if !made.status().is_incomplete() {
            return Box::pin(self.paid_meanwhile(record, made)).await;
        }
        if let Some(invoice) = made.first_invoice() {
            let (path, key) = (format!("/invoices/{}/void", invoice.id), format!("{}:void", record.idempotency_key));
            match self.post_harmless::<Identified>(&Post { path: &path, body: "", account, key: &key }).await {
                Ok(_) => {}
                Err(StripeError::Refused { .. }) => {
                    let current: StripeSubscription = self.get(&format!("/subscriptions/{}", made.id), account).await?;
                    if !current.status().is_incomplete() {
                        return Box::pin(self.paid_meanwhile(record, &current)).await;
                    }
                }
                Err(error) => return Err(error),
            }
        }
        match self.delete::<Identified>(&format!("/subscriptions/{}", made.id), account).await {
            // It may have ended with its invoice.
            Ok(_) | Err(StripeError::Refused { .. }) => Ok(Heard::ended(ended)),
            Err(error) => Err(error),
        }
    }

    async fn paid_meanwhile(&self, record: &Subscription, current: &StripeSubscription) -> Result<Heard, StripeError> {
        let invoices = self.invoices(&current.id, record.account.as_deref()).await?;
        let payments = Box::pin(self.payments(record, &invoices, None)).await?;
        Ok(Heard::seen(current.seen(&invoices, payments)))
    }

    async fn session_of(&self, record: &Subscription, id: &str) -> Result<Heard, StripeError> {
        let session: CheckoutSession = self.get(&format!("/checkout/sessions/{id}"), record.account.as_deref()).await?;
        Box::pin(self.of_session(record, &session)).await
    }

    /// What a Checkout Session says about the subscription that it creates.
    async fn of_session(&self, record: &Subscription, session: &CheckoutSession) -> Result<Heard, StripeError> {
        match (session.status.as_deref(), &session.subscription) {
            (Some("complete"), Some(subscription)) => Box::pin(self.as_it_stands(record, subscription)).await,
            (Some("expired"), _) => Ok(Heard::ended(Observation::refused("expired"))),
            _ => {
                let checkout_url = session.url.clone().filter(|_| session.is_open());
                Ok(Heard { checkout_url, ..Heard::ended(Observation::Open(session.id.clone())) })
            }
        }
    }

    /// Searches everything the customer has, whatever its age and state, because a filter could miss it.
    async fn list_subscription(&self, record: &Subscription) -> Result<Heard, StripeError> {
        let account = record.account.as_deref();
        // A session does not say who created it, so on a connected account only its subscription counts.
        if record.is_checkout() && account.is_none() {
            let sessions: Vec<CheckoutSession> = self.all(&format!("/checkout/sessions?customer={}", record.customer), account).await?;
            if let Some(session) = sessions.iter().find(|session| is_named(&session.metadata, record)) {
                return Box::pin(self.of_session(record, session)).await;
            }
        } else {
            let query = format!("/subscriptions?customer={}&status=all", record.customer);
            let all: Vec<StripeSubscription> = self.all(&query, account).await?;
            if let Some(found) = all.iter().find(|one| one.is_of(record, &self.client_id)) {
                return Box::pin(self.as_it_stands(record, &found.id)).await;
            }
        }
        Ok(Heard::never_made())
    }
}
