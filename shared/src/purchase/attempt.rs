//! Asking for the money.

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::Status;
use crate::ids::UserId;

/// What asks for the money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Means {
    /// A PaymentIntent, confirmed by the server with a payment method.
    PaymentIntent,
    /// Stripe's hosted Checkout.
    Checkout,
}

/// One request for money, written down before it is sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Attempt {
    /// Counts from 1.
    pub number: u32,
    /// What asks for the money.
    pub means: Means,
    /// The account in `Stripe-Account`; none is the platform's own.
    pub account: Option<String>,
    /// Sent as `Idempotency-Key`: the account, the purchase and the attempt.
    pub idempotency_key: String,
    /// The exact form body, sent again as it is to find out how the first sending ended.
    pub body: String,
    /// The customer that is charged: payments are listed by it where the key no longer tells.
    pub customer: String,
    /// The payment method that the buyer named, if any.
    pub payment_method: Option<String>,
    /// What this attempt asks for, in the minor unit.
    pub amount: i64,
    /// The platform's part of it.
    pub application_fee: i64,
    /// Who gets the rest, where the platform transfers it itself. Adds up to `amount - application_fee`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub payees: Vec<Payee>,
    /// When the request was first written.
    #[serde(with = "time::serde::rfc3339")]
    pub started_at: OffsetDateTime,
    /// Until then one request is at work on this attempt, and no other touches it.
    #[serde(with = "time::serde::rfc3339")]
    pub leased_until: OffsetDateTime,
    /// `pi_…`, once known.
    pub payment_intent: Option<String>,
    /// `cs_…`, once known.
    pub checkout_session: Option<String>,
    /// The charge that took the money, as far as Stripe has told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charge: Option<ChargeFacts>,
    /// Where it stands.
    pub status: Status,
    /// Why it failed: Stripe's `code` and, of a card, `decline_code`.
    pub failure: Option<Failure>,
}

impl Attempt {
    /// Whether the request asks to keep the card, for which it has the buyer's consent.
    #[must_use]
    pub fn keeps_card(&self) -> bool {
        self.body.contains("setup_future_usage")
    }
}

/// One who is paid from a sale by a transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payee {
    /// Who.
    pub user_id: UserId,
    /// Their Stripe account, `acct_…`.
    pub account: String,
    /// In the minor unit.
    pub amount: i64,
}

/// What is known of a charge that succeeded. <https://docs.stripe.com/api/charges/object>
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChargeFacts {
    /// `ch_…`
    pub id: String,
    /// `tr_…`, of a destination charge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer: Option<String>,
    /// Stripe's own fee, in the minor unit of the charge's currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stripe_fee: Option<i64>,
    /// When the money was taken, in Unix seconds of Stripe's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<i64>,
}

impl ChargeFacts {
    /// Adds what was not known yet, and says whether that was anything.
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
        known.stripe_fee = known.stripe_fee.or(heard.stripe_fee);
        known.created = known.created.or(heard.created);
        *known != before
    }
}

/// Why an attempt failed, in Stripe's words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// `card_declined`, `expired_card`, …
    pub code: String,
    /// `insufficient_funds`, …
    pub decline_code: Option<String>,
    /// Whether the buyer's bank, or Stripe for it, declined; otherwise Stripe refused the request itself.
    #[serde(default)]
    pub declined: bool,
}

/// For how long Stripe replays the first answer to an idempotency key; a little less than it promises.
/// <https://docs.stripe.com/api/idempotent_requests>
pub const KEY_LIFETIME: Duration = Duration::hours(23);

/// What Stripe says of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// Where the attempt stands.
    pub status: Status,
    /// `pi_…`, where there is one.
    pub payment_intent: Option<String>,
    /// `cs_…`, where there is one.
    pub checkout_session: Option<String>,
    /// The charge, where it succeeded and Stripe says so.
    pub charge: Option<ChargeFacts>,
    /// Why it failed.
    pub failure: Option<Failure>,
}

impl Observation {
    /// That an attempt stands so.
    #[must_use]
    pub fn of(status: Status) -> Self {
        Self { status, payment_intent: None, checkout_session: None, charge: None, failure: None }
    }

    /// An attempt that ended without any object at Stripe.
    #[must_use]
    pub fn refused(code: &str) -> Self {
        let failure = Failure { code: code.to_owned(), decline_code: None, declined: false };
        Self { failure: Some(failure), ..Self::of(Status::Failed) }
    }
}
