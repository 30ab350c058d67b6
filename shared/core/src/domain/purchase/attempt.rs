//! Attempts: requests to Stripe for the money.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::status::AttemptStatus;
use crate::domain::charging::{ChargeType, Failure, NEVER_MADE};
use crate::domain::ids::UserId;
use crate::domain::money::{Currency, Settled};

/// How an attempt asks for the money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Means {
    /// A PaymentIntent, confirmed by the server with a payment method.
    PaymentIntent,
    /// Stripe's hosted Checkout.
    Checkout,
}

/// One request for money, stored before it is sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Attempt {
    /// Counts from 1.
    pub number: u32,
    /// How it asks for the money.
    pub means: Means,
    /// The account in `Stripe-Account`; `None` for the platform's own.
    pub account: Option<String>,
    /// Sent as `Idempotency-Key`: the account, the purchase and the attempt.
    pub idempotency_key: String,
    /// The exact form body. It is sent again unchanged to learn the outcome of an earlier request.
    pub body: String,
    /// The customer that is charged. Once the idempotency key has expired, payments are found by listing the customer's.
    pub customer: String,
    /// The payment method that is charged; `None` if Stripe's page asks for one.
    pub payment_method: Option<String>,
    /// What the buyer named instead: the card of which that is a copy for the charged account, or the digest of a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named: Option<String>,
    /// The amount to charge, in the minor unit.
    pub amount: i64,
    /// The platform's fee out of it, as asked for.
    pub application_fee: i64,
    /// Who gets the rest if the platform makes the transfers. Adds up to `amount - application_fee`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub payees: Vec<Payee>,
    /// When the request was first written.
    #[serde(with = "time::serde::rfc3339")]
    pub started_at: OffsetDateTime,
    /// When the buyer's last repetition sent it again.
    #[serde(with = "time::serde::rfc3339::option", default, skip_serializing_if = "Option::is_none")]
    pub sent_again_at: Option<OffsetDateTime>,
    /// Until then one request is working on this attempt, and no other may touch it.
    #[serde(with = "time::serde::rfc3339")]
    pub leased_until: OffsetDateTime,
    /// `pi_…`, once known.
    pub payment_intent: Option<String>,
    /// `cs_…`, once known.
    pub checkout_session: Option<String>,
    /// The charge that took the money, as far as Stripe has reported it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charge: Option<ChargeFacts>,
    /// The current state.
    pub status: AttemptStatus,
    /// Why it failed: Stripe's `code` and, for a card, the `decline_code`.
    pub failure: Option<Failure>,
    /// How its charge is divided, which [`Purchase::begin`](super::Purchase::begin) fills in. `None` in records of earlier versions, which kept that
    /// once for all attempts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sold: Option<Sold>,
}

/// How an attempt's charge is divided. The seller may connect another account, or change the course, before the next attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sold {
    /// How it is charged.
    pub charge_type: ChargeType,
    /// The seller's Stripe account, `acct_…`.
    pub seller_account: String,
    /// The currency.
    pub currency: Currency,
}

impl Attempt {
    /// Whether Stripe may have created something that is not known here: nobody has heard an answer, or only a 500.
    #[must_use]
    pub(super) fn may_be_at_stripe(&self) -> bool {
        let nothing_found = self.failure.as_ref().is_some_and(|failure| failure.code == NEVER_MADE);
        self.status.is_open() || (nothing_found && !self.status.is_paid() && self.payment_intent.is_none())
    }

    /// The platform's fee: what the charge has, or what was asked for. Stripe takes none of a separate charge, because the platform keeps what
    /// it does not transfer.
    pub(super) fn fee(&self, charge_type: ChargeType) -> i64 {
        let taken = self.charge.as_ref().and_then(|charge| charge.application_fee);
        taken.filter(|_| charge_type != ChargeType::Separate).unwrap_or(self.application_fee)
    }

    /// Whether the request asks Stripe to save the card. The buyer has agreed to that.
    #[must_use]
    pub fn keeps_card(&self) -> bool {
        self.body.contains("setup_future_usage")
    }
}

/// Somebody who receives part of a sale by transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payee {
    /// The user.
    pub user_id: UserId,
    /// Their Stripe account, `acct_…`.
    pub account: String,
    /// In the minor unit.
    pub amount: i64,
}

/// The known facts about a charge that succeeded. <https://docs.stripe.com/api/charges/object>
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChargeFacts {
    /// `ch_…`
    pub id: String,
    /// `tr_…`, for a destination charge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer: Option<String>,
    /// The amount and currency of its balance transaction, before fees. With asynchronous capture Stripe knows it within an hour.
    /// <https://docs.stripe.com/payments/payment-intents/asynchronous-capture>
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<Settled>,
    /// Stripe's own fee, in the minor unit of the settlement currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stripe_fee: Option<i64>,
    /// When the money was taken, in Unix seconds by Stripe's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<i64>,
    /// The platform's fee that it has, in the minor unit of the purchase's currency. `None` while unknown, and in records of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application_fee: Option<i64>,
}

impl ChargeFacts {
    /// Fills in what was not known yet. Returns whether anything was new.
    pub(super) fn learn(known: &mut Option<Self>, heard: &Self) -> bool {
        let Some(known) = known else {
            *known = Some(heard.clone());
            return true;
        };
        if known.id != heard.id {
            return false;
        }
        let before = known.clone();
        known.transfer = known.transfer.take().or_else(|| heard.transfer.clone());
        known.settled = known.settled.take().or_else(|| heard.settled.clone());
        known.stripe_fee = known.stripe_fee.or(heard.stripe_fee);
        known.created = known.created.or(heard.created);
        known.application_fee = known.application_fee.or(heard.application_fee);
        *known != before
    }
}

/// What Stripe reports about an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The attempt's status.
    pub status: AttemptStatus,
    /// `pi_…`, if any.
    pub payment_intent: Option<String>,
    /// `cs_…`, if any.
    pub checkout_session: Option<String>,
    /// The charge, if it succeeded and Stripe included it.
    pub charge: Option<ChargeFacts>,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// Whether the buyer has done their part and the bank is still processing.
    pub processing: bool,
    /// What was taken instead of the attempt's amount, in the minor unit.
    pub taken_otherwise: Option<i64>,
}

impl Observation {
    /// An observation with a status and nothing else.
    #[must_use]
    pub fn of(status: AttemptStatus) -> Self {
        Self { status, payment_intent: None, checkout_session: None, charge: None, failure: None, processing: false, taken_otherwise: None }
    }

    /// An attempt that failed without creating any object at Stripe.
    #[must_use]
    pub fn refused(code: &str) -> Self {
        let failure = Failure { code: code.to_owned(), decline_code: None, declined: false };
        Self { failure: Some(failure), ..Self::of(AttemptStatus::Failed) }
    }
}
