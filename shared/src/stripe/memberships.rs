//! Subscriptions at Stripe: <https://docs.stripe.com/billing/subscriptions/overview>. A lost answer is found, never guessed, as of
//! payments:
//!
//! 1. Where the subscription or the Checkout Session is known, it is read.
//! 2. Where it is not, and Stripe still remembers the idempotency key, the recorded request is sent again, and what it answers is
//!    read as it stands now.
//! 3. Where the key tells nothing, all of the customer's subscriptions or sessions are looked through for ours.

use time::OffsetDateTime;

use super::billing::{Invoice, StripeSubscription, is_named};
use super::cards::form;
use super::error::StripeError;
use super::objects::{CheckoutSession, Identified, List, PaymentIntent, Refund};
use super::requests::CHARGE_FACTS;
use super::{Gateway, Post};
use crate::entropy::digest;
use crate::membership::{self, Interval, Observation, Offer, Payment, Seen, Status, Subscription};
use crate::purchase::{Failure, KEY_LIFETIME, Means, MovementState};
use crate::user::PLATFORM;

/// How many paid invoices are taken in at once: they are written in one transaction.
const MOST_AT_ONCE: usize = 20;

/// What a subscription is expanded by, so that its first invoice tells of its payment.
const FIRST_INVOICE: &str = "latest_invoice.payments";

/// What Stripe says of a subscription, with what only the buyer's browser may have.
#[derive(Debug)]
pub struct Heard {
    /// What is to be recorded.
    pub observation: Observation,
    /// For Stripe.js, where the buyer must authenticate.
    pub client_secret: Option<String>,
    /// The hosted Checkout, while it is open.
    pub checkout_url: Option<String>,
}

impl Heard {
    fn seen(seen: Seen) -> Self {
        Self { observation: Observation::Seen(Box::new(seen)), client_secret: None, checkout_url: None }
    }

    fn ended(observation: Observation) -> Self {
        Self { observation, client_secret: None, checkout_url: None }
    }
}

/// What a subscription is asked for with, beside what is on its record.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// `price_…`
    pub price: &'a str,
    /// The platform's percentage, with at most two decimals; none where it keeps nothing.
    pub application_fee_percent: Option<&'a str>,
    /// The settlement merchant of a charge on the platform, where that is not the platform.
    pub on_behalf_of: Option<&'a str>,
    /// The payment method, as the charged account knows it; none where Checkout asks for one.
    pub payment_method: Option<&'a str>,
    /// Where the hosted page sends the buyer who subscribed.
    pub success_url: &'a str,
    /// Where it sends one who did not.
    pub cancel_url: &'a str,
}

impl Order<'_> {
    /// The form that asks for the subscription: itself, or the hosted Checkout for it.
    /// <https://docs.stripe.com/api/subscriptions/create>, <https://docs.stripe.com/api/checkout/sessions/create>
    #[must_use]
    pub fn body(&self, record: &Subscription) -> String {
        let own =
            [("subscription_id", record.id.as_str()), ("seller_id", record.seller_id.as_str()), ("buyer_id", record.buyer_id.as_str())];
        let destination = record.account.is_none().then_some(record.seller_account.as_str());
        let money = [
            ("application_fee_percent", self.application_fee_percent),
            ("on_behalf_of", self.on_behalf_of),
            ("transfer_data[destination]", destination),
        ];
        let money = money.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let mut fields: Vec<(String, &str)> = vec![("customer".to_owned(), &record.customer)];
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
    /// The price at Stripe of an offer's interval: a call, and three where it is made now. There is one for each amount, currency,
    /// interval and title of a seller on an account, found again by its lookup key.
    /// <https://docs.stripe.com/products-prices/manage-prices#lookup-keys>
    ///
    /// # Errors
    /// See [`StripeError`].
    pub async fn price_of(&self, offer: &Offer, interval: Interval, amount: i64, account: Option<&str>) -> Result<String, StripeError> {
        let place = account.unwrap_or(PLATFORM);
        let product = format!("membership_{}_{}", offer.seller_id, &digest(&offer.title)[..12]);
        let lookup = format!("{product}_{}_{}_{amount}", interval.as_str(), offer.currency.code());
        let found: List<Identified> = self.get(&format!("/prices?active=true&lookup_keys[0]={lookup}"), account).await?;
        if let Some(price) = found.data.into_iter().next() {
            return Ok(price.id);
        }
        let body = form(&[("id", &product), ("metadata[seller_id]", offer.seller_id.as_str()), ("name", &offer.title)]);
        let post = Post { path: "/products", body: &body, account, key: &format!("{place}:product:{product}") };
        match self.post_harmless::<Identified>(&post).await {
            Err(StripeError::Refused { code, .. }) if code == "resource_already_exists" => {}
            made => drop(made?),
        }
        let body = form(&[
            ("currency", offer.currency.code()),
            ("lookup_key", &lookup),
            ("product", &product),
            ("recurring[interval]", interval.as_str()),
            // One that somebody has archived keeps its key otherwise.
            ("transfer_lookup_key", "true"),
            ("unit_amount", &amount.to_string()),
        ]);
        let post = Post { path: "/prices", body: &body, account, key: &format!("{place}:price:{lookup}") };
        // A second one takes the lookup key over, and the first is never used.
        Ok(self.post_harmless::<Identified>(&post).await?.id)
    }

    /// Sends a subscription's recorded request for the first time. A refusal is an answer: it ends. Where Stripe turns the
    /// request away unseen, it stays open and is sent again by the next who comes.
    ///
    /// # Errors
    /// Where the outcome stays unknown, or nothing was done yet.
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
            Err(StripeError::Declined { code, decline_code, .. }) => {
                Ok(Heard::ended(Observation::Ended(Failure { code, decline_code, declined: true })))
            }
            Err(StripeError::Refused { code, param, message, .. }) => {
                tracing::warn!(subscription_id = %record.id, code, param, message, "Stripe refused a subscription");
                // The parameter tells the buyer's mistakes from the platform's.
                let code = match param.as_deref() {
                    Some("default_payment_method" | "payment_method") => "payment_method".to_owned(),
                    Some("customer") => "customer".to_owned(),
                    _ => code,
                };
                Ok(Heard::ended(Observation::refused(&code)))
            }
            // The key has stored a failure. Whether anything was made, the lists know.
            Err(StripeError::Failed { replayed: true, .. }) => Box::pin(self.list_subscription(record)).await,
            other => other,
        }
    }

    /// What became of a subscription, by the shortest way that can tell.
    ///
    /// # Errors
    /// Where the outcome stays unknown.
    pub async fn find_subscription(&self, record: &Subscription, now: OffsetDateTime) -> Result<Heard, StripeError> {
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
        // What is replayed may have moved on since.
        match &heard.observation {
            Observation::Seen(seen) => Box::pin(self.as_it_stands(record, &seen.stripe_id)).await,
            Observation::Open(session) => Box::pin(self.session_of(record, session)).await,
            Observation::Ended(_) => Ok(heard),
        }
    }

    /// Takes back a subscription whose first payment is not made, so that it never can be. Where it was paid first, that is what
    /// is heard.
    ///
    /// # Errors
    /// Where the outcome stays unknown.
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

    /// Changes a subscription that runs: the change, and what it came to.
    /// <https://docs.stripe.com/api/subscriptions/update>
    ///
    /// # Errors
    /// See [`StripeError`].
    pub async fn change_subscription(&self, record: &Subscription, fields: &[(&str, &str)]) -> Result<Heard, StripeError> {
        let missing = || StripeError::Unsent(format!("{} is not at Stripe", record.id));
        let (id, account) = (record.stripe_id.as_deref().ok_or_else(missing)?, record.account.as_deref());
        let (path, body) = (format!("/subscriptions/{id}"), form(fields));
        // Whoever saw the same record asks for the same once; the next asks anew.
        let key = format!("{}:{}:{}:{}", account.unwrap_or(PLATFORM), record.id, &digest(&body)[..16], record.version);
        let changed: StripeSubscription = self.post(&Post { path: &path, body: &body, account, key: &key }).await?;
        let payments = Box::pin(self.payments(record, &self.invoices(id, account).await?, None)).await?;
        Ok(Heard::seen(changed.seen(payments)))
    }

    /// Pays the invoices that a subscription owes, the oldest first. <https://docs.stripe.com/api/invoices/pay>
    ///
    /// # Errors
    /// See [`StripeError`]: a decline too.
    pub async fn pay_what_is_owed(&self, record: &Subscription, payment_method: &str) -> Result<(), StripeError> {
        let (id, account) = (record.stripe_id.as_deref().unwrap_or_default(), record.account.as_deref());
        let open: Vec<Invoice> = self.all(&format!("/invoices?subscription={id}&status=open"), account).await?;
        for invoice in open.iter().rev() {
            let (path, body) = (format!("/invoices/{}/pay", invoice.id), form(&[("payment_method", payment_method)]));
            let key = format!("{}:{}:pay:{}:{}", account.unwrap_or(PLATFORM), record.id, invoice.id, record.version);
            match self.post::<Identified>(&Post { path: &path, body: &body, account, key: &key }).await {
                // Stripe's own try was faster.
                Err(StripeError::Refused { code, .. }) if code == "invoice_already_paid" => {}
                paid => drop(paid?),
            }
        }
        Ok(())
    }

    /// A subscription with all of its paid invoices. Of each that is not on record yet Stripe is asked what its payment came to, and
    /// of that, of the newest, and of `payment_intent`, what was given back.
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
        if record.stripe_id.as_deref() != Some(id) && !current.is_of(record) {
            tracing::warn!(subscription_id = %record.id, stripe_id = id, "the subscription at Stripe is another's");
            return Ok(None);
        }
        let payments = Box::pin(self.payments(record, &invoices?, payment_intent)).await?;
        Ok(Some(current.seen(payments)))
    }

    async fn as_it_stands(&self, record: &Subscription, id: &str) -> Result<Heard, StripeError> {
        let account = record.account.as_deref();
        let path = format!("/subscriptions/{id}?expand[]={FIRST_INVOICE}");
        let current: StripeSubscription = self.get(&path, account).await?;
        if current.status() == Status::Incomplete {
            return Box::pin(self.of_made(record, &current)).await;
        }
        let payments = Box::pin(self.payments(record, &self.invoices(id, account).await?, None)).await?;
        Ok(Heard::seen(current.seen(payments)))
    }

    /// What a subscription comes to that has no more than its first invoice.
    async fn of_made(&self, record: &Subscription, made: &StripeSubscription) -> Result<Heard, StripeError> {
        if made.status() != Status::Incomplete {
            let payments =
                Box::pin(self.payments(record, made.first_invoice().map(std::slice::from_ref).unwrap_or_default(), None)).await?;
            return Ok(Heard::seen(made.seen(payments)));
        }
        let Some(id) = made.first_invoice().and_then(Invoice::payment_intent) else { return Ok(Heard::seen(made.seen(Vec::new()))) };
        let payment: PaymentIntent = self.get(&format!("/payment_intents/{id}"), record.account.as_deref()).await?;
        match payment.status.as_str() {
            "requires_action" => Ok(Heard { client_secret: payment.client_secret, ..Heard::seen(made.seen(Vec::new())) }),
            "processing" | "succeeded" => Ok(Heard::seen(made.seen(Vec::new()))),
            // The card was declined. Nobody pays it later behind everybody's back.
            _ => {
                let declined = Failure { code: "card_declined".to_owned(), decline_code: None, declined: true };
                Box::pin(self.undo(record, made, Observation::Ended(payment.failure().unwrap_or(declined)))).await
            }
        }
    }

    /// Ends a subscription that was not paid for: first its invoice, which Stripe refuses where it was paid meanwhile.
    async fn undo(&self, record: &Subscription, made: &StripeSubscription, ended: Observation) -> Result<Heard, StripeError> {
        let account = record.account.as_deref();
        if made.status() != Status::Incomplete {
            return Box::pin(self.paid_meanwhile(record, made)).await;
        }
        if let Some(invoice) = made.first_invoice() {
            let (path, key) = (format!("/invoices/{}/void", invoice.id), format!("{}:void", record.idempotency_key));
            match self.post_harmless::<Identified>(&Post { path: &path, body: "", account, key: &key }).await {
                Ok(_) => {}
                Err(StripeError::Refused { .. }) => {
                    let current: StripeSubscription = self.get(&format!("/subscriptions/{}", made.id), account).await?;
                    if current.status() != Status::Incomplete {
                        return Box::pin(self.paid_meanwhile(record, &current)).await;
                    }
                }
                Err(error) => return Err(error),
            }
        }
        match self.delete::<Identified>(&format!("/subscriptions/{}", made.id), account).await {
            // With its invoice it may have gone already.
            Ok(_) | Err(StripeError::Refused { .. }) => Ok(Heard::ended(ended)),
            Err(error) => Err(error),
        }
    }

    async fn paid_meanwhile(&self, record: &Subscription, current: &StripeSubscription) -> Result<Heard, StripeError> {
        let invoices = self.invoices(&current.id, record.account.as_deref()).await?;
        Ok(Heard::seen(current.seen(Box::pin(self.payments(record, &invoices, None)).await?)))
    }

    async fn session_of(&self, record: &Subscription, id: &str) -> Result<Heard, StripeError> {
        let session: CheckoutSession = self.get(&format!("/checkout/sessions/{id}"), record.account.as_deref()).await?;
        Box::pin(self.of_session(record, &session)).await
    }

    /// What a Checkout Session says of the subscription that it asks for.
    async fn of_session(&self, record: &Subscription, session: &CheckoutSession) -> Result<Heard, StripeError> {
        match (session.status.as_deref(), &session.subscription) {
            (Some("complete"), Some(subscription)) => Box::pin(self.as_it_stands(record, subscription)).await,
            (Some("expired"), _) => Ok(Heard::ended(Observation::refused("expired"))),
            _ => {
                let checkout_url = session.url.clone().filter(|_| session.is_open());
                Ok(Heard { observation: Observation::Open(session.id.clone()), client_secret: None, checkout_url })
            }
        }
    }

    /// Looks through all that the customer has, however old and in whatever state: a filter could miss it.
    async fn list_subscription(&self, record: &Subscription) -> Result<Heard, StripeError> {
        let account = record.account.as_deref();
        if record.is_checkout() {
            let sessions: Vec<CheckoutSession> = self.all(&format!("/checkout/sessions?customer={}", record.customer), account).await?;
            if let Some(session) = sessions.iter().find(|session| is_named(&session.metadata, record)) {
                return Box::pin(self.of_session(record, session)).await;
            }
        } else {
            let query = format!("/subscriptions?customer={}&status=all", record.customer);
            let all: Vec<StripeSubscription> = self.all(&query, account).await?;
            if let Some(found) = all.iter().find(|one| one.is_of(record)) {
                return Box::pin(self.as_it_stands(record, &found.id)).await;
            }
        }
        Ok(Heard::ended(Observation::refused("never_made")))
    }

    /// All invoices of a subscription, the newest first.
    async fn invoices(&self, subscription: &str, account: Option<&str>) -> Result<Vec<Invoice>, StripeError> {
        self.all(&format!("/invoices?subscription={subscription}&expand[]=data.payments"), account).await
    }

    async fn payments(
        &self,
        record: &Subscription,
        invoices: &[Invoice],
        payment_intent: Option<&str>,
    ) -> Result<Vec<Payment>, StripeError> {
        let account = record.account.as_deref();
        let mut payments: Vec<Payment> = Vec::new();
        let mut unknown = 0;
        for invoice in invoices.iter().filter(|invoice| invoice.is_paid()) {
            let known = record.payments.iter().find(|payment| payment.invoice == invoice.id);
            unknown += usize::from(known.is_none());
            if known.is_none() && unknown > MOST_AT_ONCE {
                // Older ones of which nobody told have their turn with the next look.
                continue;
            }
            let mut payment = known.cloned().unwrap_or_else(|| Payment {
                invoice: invoice.id.clone(),
                payment_intent: invoice.payment_intent().filter(|_| invoice.amount_paid > 0).map(str::to_owned),
                period_end: invoice.period_end(),
                amount: invoice.amount_paid,
                ..Payment::default()
            });
            let is_newest = !payments.iter().any(|newer| newer.period_end.is_some()) && payment.period_end.is_some();
            if let Some(id) = payment.payment_intent.clone() {
                if known.is_none() {
                    let path = format!("/payment_intents/{id}?expand[]={CHARGE_FACTS}");
                    let paid: PaymentIntent = self.get(&path, account).await?;
                    payment.application_fee = paid.application_fee_amount.unwrap_or(0);
                    payment.stripe_fee = paid.observe(Means::PaymentIntent).charge.and_then(|charge| charge.stripe_fee);
                }
                if known.is_none() || is_newest || payment_intent == Some(&id) {
                    let query =
                        format!("/refunds?payment_intent={id}&expand[]=data.charge.application_fee&expand[]=data.transfer_reversal");
                    let refunds: Vec<Refund> = self.all(&query, account).await?;
                    let fee = refunds.iter().find_map(Refund::fee_refunded);
                    payment.fee_refunded = fee.unwrap_or(payment.fee_refunded);
                    payment.refunds = refunds.iter().map(refund).collect();
                }
            }
            payments.push(payment);
        }
        Ok(payments)
    }
}

fn refund(refund: &Refund) -> membership::Refund {
    membership::Refund {
        id: refund.id.clone(),
        amount: refund.amount,
        failed: refund.state() == MovementState::Failed,
        transfer_reversed: refund.transfer_reversed().unwrap_or(0),
    }
}
