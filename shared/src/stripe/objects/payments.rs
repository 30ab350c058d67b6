//! Payments, their charges, and hosted Checkout.

use std::collections::HashMap;

use serde::Deserialize;
use time::OffsetDateTime;

use super::balance::{ApplicationFee, BalanceTransaction};
use super::common::{Expandable, number};
use crate::domain::charging::{AMOUNT_CHANGED, Failure};
use crate::domain::purchase::{Attempt, AttemptStatus, ChargeFacts, Made, Means, Observation, Purchase};
use crate::stripe::read;

/// Stripe's error object, in a response or in a PaymentIntent's `last_payment_error`.
#[derive(Clone, Debug, Default, Deserialize)]
pub(in crate::stripe) struct Body {
    #[serde(default, rename = "type")]
    pub(in crate::stripe) kind: Option<String>,
    #[serde(default)]
    pub(in crate::stripe) code: Option<String>,
    #[serde(default)]
    pub(in crate::stripe) decline_code: Option<String>,
    #[serde(default)]
    pub(in crate::stripe) param: Option<String>,
    #[serde(default)]
    pub(in crate::stripe) message: Option<String>,
    #[serde(default)]
    pub(in crate::stripe) payment_intent: Option<Box<PaymentIntent>>,
    #[serde(default)]
    payment_method: Option<Method>,
}

/// The payment method of an error.
#[derive(Clone, Debug, Default, Deserialize)]
struct Method {
    #[serde(default)]
    card: Option<CardOfMethod>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct CardOfMethod {
    #[serde(default)]
    fingerprint: Option<String>,
}

impl Body {
    /// The fingerprint of the error's card.
    pub(in crate::stripe) fn fingerprint(&self) -> Option<String> {
        self.payment_method.as_ref()?.card.as_ref()?.fingerprint.clone()
    }
}

/// <https://docs.stripe.com/api/payment_intents/object>
#[derive(Clone, Debug, Default, Deserialize)]
pub struct PaymentIntent {
    /// `pi_…`
    pub id: String,
    /// `succeeded`, `requires_action`, …
    #[serde(default)]
    pub status: String,
    /// In the minor unit.
    #[serde(default)]
    pub amount: i64,
    /// What was captured of it. The owner of a connected account can have a payment captured by hand, and in part.
    #[serde(default)]
    amount_received: Option<i64>,
    /// For the buyer's browser only: never stored, never logged.
    #[serde(default)]
    pub client_secret: Option<String>,
    /// What the buyer must do.
    #[serde(default)]
    pub next_action: Option<NextAction>,
    /// Why the last attempt failed.
    #[serde(default)]
    last_payment_error: Option<Body>,
    /// The charge of the last attempt, if expanded.
    #[serde(default)]
    latest_charge: Option<Expandable<Charge>>,
    /// When it was created, in Unix seconds.
    #[serde(default)]
    pub created: i64,
    /// Lower-case ISO 4217.
    #[serde(default)]
    pub currency: String,
    /// The platform's share.
    #[serde(default)]
    pub application_fee_amount: Option<i64>,
    #[serde(default)]
    transfer_data: Option<TransferData>,
    /// The customer that it charged.
    #[serde(default, deserialize_with = "read::id")]
    pub customer: Option<String>,
    /// On a connected account, the platform that created it, `ca_…`; `None` if its owner did.
    /// <https://docs.stripe.com/api/payment_intents/object#payment_intent_object-application>
    #[serde(default, deserialize_with = "read::id")]
    application: Option<String>,
    /// Ours.
    #[serde(default)]
    pub metadata: HashMap<String, String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct TransferData {
    #[serde(default)]
    destination: Option<String>,
}

/// Where an object is, and the platform's id there.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The connected account; `None` is the platform's own.
    pub account: Option<&'a str>,
    /// The platform's `ca_…`; empty if unknown.
    pub client_id: &'a str,
}

/// What the buyer must do: visit a page, if a `return_url` was given.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct NextAction {
    #[serde(default)]
    redirect_to_url: Option<RedirectToUrl>,
}

impl NextAction {
    /// The page.
    #[must_use]
    pub fn url(&self) -> Option<String> {
        self.redirect_to_url.as_ref()?.url.clone()
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
struct RedirectToUrl {
    #[serde(default)]
    url: Option<String>,
}

impl PaymentIntent {
    /// Where the buyer authenticates.
    #[must_use]
    pub fn next_action_url(&self) -> Option<String> {
        self.next_action.as_ref()?.url()
    }

    /// What it says about its attempt. In hosted Checkout the buyer may retry until the session ends, so there only success counts.
    #[must_use]
    pub fn observe(&self, means: Means) -> Observation {
        let failure = self.failure();
        let status = match (self.status.as_str(), means) {
            ("succeeded", _) => AttemptStatus::Paid,
            ("canceled", Means::PaymentIntent) => AttemptStatus::Canceled,
            ("requires_action", Means::PaymentIntent) => AttemptStatus::RequiresAction,
            ("requires_payment_method", Means::PaymentIntent) if failure.is_some() => AttemptStatus::Failed,
            _ => AttemptStatus::Pending,
        };
        let charge = if status.is_paid() { self.charge() } else { None };
        let processing = self.status == "processing";
        Observation { payment_intent: Some(self.id.clone()), charge, failure, processing, ..Observation::of(status) }
    }

    /// What it says about the attempt that made it. If its amount was changed since, it is not the payment that the buyer agreed to.
    #[must_use]
    pub fn observe_as(&self, attempt: &Attempt) -> Observation {
        let seen = self.observe(attempt.means);
        if self.taken() == attempt.amount {
            return seen;
        }
        tracing::warn!(
            attempt = attempt.number,
            payment_intent = self.id,
            amount = self.taken(),
            "the payment's amount differs from the attempt's"
        );
        let changed = Observation { payment_intent: seen.payment_intent, charge: seen.charge, ..Observation::refused(AMOUNT_CHANGED) };
        match seen.status {
            // Nobody can confirm it any more.
            AttemptStatus::Canceled => Observation { status: AttemptStatus::Canceled, ..changed },
            AttemptStatus::Paid => Observation { status: AttemptStatus::Canceled, taken_otherwise: Some(self.taken()), ..changed },
            AttemptStatus::Pending | AttemptStatus::RequiresAction | AttemptStatus::Failed => changed,
        }
    }

    /// What it took once it has succeeded; until then, what it would take.
    #[must_use]
    pub fn taken(&self) -> i64 {
        self.amount_received.filter(|_| self.status == "succeeded").map_or(self.amount, |received| received.min(self.amount))
    }

    /// Whether it is a payment of this customer's that succeeded, and not a course's.
    pub(in crate::stripe) fn is_of_member(&self, customer: &str) -> bool {
        self.status == "succeeded" && self.customer.as_deref() == Some(customer) && !self.metadata.contains_key("purchase_id")
    }

    /// Whether its charge was ever disputed, if the charge was expanded.
    pub(in crate::stripe) fn is_disputed(&self) -> bool {
        matches!(&self.latest_charge, Some(Expandable::Object(charge)) if charge.disputed)
    }

    /// What identifies the attempt that made it.
    #[must_use]
    pub fn made<'a>(&'a self, place: &Place<'a>) -> Made<'a> {
        Made {
            payment_intent: Some(&self.id),
            checkout_session: None,
            attempt: number(&self.metadata, "attempt"),
            account: place.account,
            by_platform: place.account.is_none() || place.client_id.is_empty() || self.application.as_deref() == Some(place.client_id),
            amount: self.taken(),
            currency: &self.currency,
            customer: self.customer.as_deref(),
            division: Some((self.application_fee_amount, self.destination())),
            created: self.created,
        }
    }

    /// Updates its purchase. Returns whether anything was new.
    pub fn tell(&self, purchase: &mut Purchase, place: &Place<'_>, cause: &str, at: OffsetDateTime) -> bool {
        let found = purchase.find_maker(&self.made(place));
        if found.is_none() {
            tracing::warn!(purchase_id = %purchase.id, payment_intent = self.id, account = place.account, "the payment names a purchase without a matching attempt");
        }
        let attempt = found.and_then(|number| purchase.attempts().iter().find(|attempt| attempt.number == number));
        let Some(attempt) = attempt else { return false };
        let (number, seen) = (attempt.number, self.observe_as(attempt));
        let changed = purchase.observe(number, &seen, cause, at);
        // What was refunded before the charge was booked must not be transferred.
        let refunded = match &self.latest_charge {
            Some(Expandable::Object(charge)) if purchase.is_paid_by(number) => charge.amount_refunded,
            _ => 0,
        };
        purchase.observe_refunded(refunded, cause, at) || changed
    }

    /// For a destination charge, the account that receives the money.
    #[must_use]
    pub fn destination(&self) -> Option<&str> {
        self.transfer_data.as_ref()?.destination.as_deref()
    }

    /// The fingerprint of the card that the last attempt failed with.
    #[must_use]
    pub fn fingerprint(&self) -> Option<String> {
        self.last_payment_error.as_ref()?.fingerprint()
    }

    /// Why the last attempt failed.
    #[must_use]
    pub fn failure(&self) -> Option<Failure> {
        self.last_payment_error.as_ref().map(|error| Failure {
            code: error.code.clone().or_else(|| error.kind.clone()).unwrap_or_else(|| "unknown".to_owned()),
            decline_code: error.decline_code.clone(),
            declined: true,
        })
    }

    /// Whether it was refunded in full, if its charge was expanded.
    #[must_use]
    pub fn is_refunded(&self) -> bool {
        matches!(&self.latest_charge, Some(Expandable::Object(charge)) if charge.amount_refunded >= self.amount)
    }

    /// When its charge was made, in Unix seconds, if it was expanded and has no balance transaction yet. Until then it has no
    /// application fee and no transfer either.
    #[must_use]
    pub fn unbooked_since(&self) -> Option<i64> {
        match &self.latest_charge {
            Some(Expandable::Object(charge)) if !charge.is_booked() => Some(charge.created.unwrap_or(self.created)),
            _ => None,
        }
    }

    /// What it says about its charge.
    fn charge(&self) -> Option<ChargeFacts> {
        let facts = match self.latest_charge.as_ref()? {
            Expandable::Id(id) => ChargeFacts { id: id.clone(), ..ChargeFacts::default() },
            Expandable::Object(charge) => charge.facts(),
        };
        let fee = facts.application_fee.or(self.application_fee_amount).unwrap_or(0);
        Some(ChargeFacts { application_fee: Some(fee), ..facts })
    }
}

/// <https://docs.stripe.com/api/checkout/sessions/object>
#[derive(Clone, Debug, Default, Deserialize)]
pub struct CheckoutSession {
    /// `cs_…`
    pub id: String,
    /// `open`, `complete` or `expired`
    #[serde(default)]
    pub status: Option<String>,
    /// `paid`, `unpaid` or `no_payment_required`
    #[serde(default)]
    pub payment_status: String,
    /// The hosted page, while it is open.
    #[serde(default)]
    pub url: Option<String>,
    /// `payment`, `setup` or `subscription`
    #[serde(default)]
    pub mode: String,
    /// `sub_…`, created when the buyer subscribes.
    #[serde(default, deserialize_with = "read::id")]
    pub subscription: Option<String>,
    /// Created when the buyer pays.
    #[serde(default)]
    payment_intent: Option<Expandable<PaymentIntent>>,
    #[serde(default, deserialize_with = "read::id")]
    customer: Option<String>,
    /// In the minor unit.
    #[serde(default)]
    amount_total: i64,
    /// Lower-case ISO 4217.
    #[serde(default)]
    currency: String,
    /// In Unix seconds.
    #[serde(default)]
    created: i64,
    /// Ours.
    #[serde(default)]
    pub metadata: HashMap<String, String>,
}

impl CheckoutSession {
    /// What it says about its attempt.
    #[must_use]
    pub fn observe(&self) -> Observation {
        // A debit that failed days later leaves the session unchanged. Only its payment shows the failure, if expanded.
        let failed = match &self.payment_intent {
            Some(Expandable::Object(payment)) => matches!(payment.status.as_str(), "requires_payment_method" | "canceled"),
            _ => false,
        };
        let status = match (self.status.as_deref(), self.payment_status.as_str()) {
            (Some("complete"), "paid" | "no_payment_required") => AttemptStatus::Paid,
            (Some("complete"), "unpaid") if failed => AttemptStatus::Failed,
            (Some("expired"), _) => AttemptStatus::Canceled,
            _ => AttemptStatus::Pending,
        };
        let processing = status.is_pending() && self.status.as_deref() == Some("complete");
        let (payment_intent, charge) = match &self.payment_intent {
            Some(Expandable::Id(id)) => (Some(id.clone()), None),
            Some(Expandable::Object(payment_intent)) => (Some(payment_intent.id.clone()), payment_intent.charge()),
            None => (None, None),
        };
        let charge = charge.filter(|_| status.is_paid());
        let failure = status.is_failed().then(|| self.failure());
        Observation { payment_intent, checkout_session: Some(self.id.clone()), charge, failure, processing, ..Observation::of(status) }
    }

    /// What identifies the attempt that made it.
    #[must_use]
    pub fn made<'a>(&'a self, place: &Place<'a>) -> Made<'a> {
        let (payment_intent, paid) = match &self.payment_intent {
            Some(Expandable::Id(id)) => (Some(id.as_str()), None),
            Some(Expandable::Object(payment_intent)) => (Some(payment_intent.id.as_str()), Some(payment_intent.made(place))),
            None => (None, None),
        };
        Made {
            payment_intent,
            checkout_session: Some(&self.id),
            attempt: number(&self.metadata, "attempt"),
            account: place.account,
            // A session does not say who created it; its payment does. <https://docs.stripe.com/api/checkout/sessions/object>
            by_platform: paid.map_or(place.account.is_none(), |paid| paid.by_platform),
            amount: paid.map_or(self.amount_total, |paid| paid.amount),
            currency: &self.currency,
            customer: self.customer.as_deref(),
            division: paid.and_then(|paid| paid.division),
            created: self.created,
        }
    }

    /// Why a delayed payment failed.
    #[must_use]
    pub fn failure(&self) -> Failure {
        let told = match &self.payment_intent {
            Some(Expandable::Object(payment)) => payment.failure(),
            _ => None,
        };
        told.unwrap_or_else(|| Failure { code: "async_payment_failed".to_owned(), decline_code: None, declined: true })
    }

    /// Whether the buyer can still pay there.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.status.as_deref() == Some("open")
    }
}

/// <https://docs.stripe.com/api/charges/object>
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Charge {
    /// `ch_…`, or `py_…` for the receiving side of a transfer.
    #[serde(default)]
    pub id: String,
    /// The PaymentIntent that it belongs to.
    #[serde(default, deserialize_with = "read::id")]
    pub payment_intent: Option<String>,
    /// The total so far, in the minor unit.
    #[serde(default)]
    pub amount_refunded: i64,
    /// When the money was taken, in Unix seconds.
    #[serde(default)]
    pub(super) created: Option<i64>,
    /// `tr_…`, for a destination charge.
    #[serde(default)]
    pub(super) transfer: Option<String>,
    /// Whether it was ever disputed.
    #[serde(default)]
    pub(super) disputed: bool,
    #[serde(default)]
    pub(super) balance_transaction: Option<Expandable<BalanceTransaction>>,
    #[serde(default)]
    pub(super) application_fee: Option<Expandable<ApplicationFee>>,
    /// In the minor unit of the charge's currency.
    #[serde(default)]
    pub(super) application_fee_amount: Option<i64>,
    /// Copied from the PaymentIntent.
    #[serde(default)]
    pub metadata: HashMap<String, String>,
}

impl Charge {
    /// Whether it has a balance transaction yet.
    #[must_use]
    pub fn is_booked(&self) -> bool {
        self.balance_transaction.is_some()
    }

    /// What it says about the sale.
    #[must_use]
    pub fn facts(&self) -> ChargeFacts {
        let transaction = match &self.balance_transaction {
            Some(Expandable::Object(transaction)) => Some(transaction),
            _ => None,
        };
        ChargeFacts {
            id: self.id.clone(),
            transfer: self.transfer.clone(),
            settled: transaction.map(|one| one.settled()),
            stripe_fee: transaction.map(|one| one.stripe_fee()),
            created: self.created,
            application_fee: self.application_fee_amount,
        }
    }
}
