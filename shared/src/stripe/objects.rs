//! Stripe's objects, with the fields that we use. Lenient on purpose: a field that is new, missing or of another
//! kind must never make a charge that was made look failed.

mod movements;

use std::collections::HashMap;

use serde::Deserialize;
use time::OffsetDateTime;

pub(super) use movements::ApplicationFee;
pub use movements::{BalanceTransaction, Dispute, Refund, Reversal, Source, Transfer};

use super::error::Body;
use crate::purchase::{ChargeFacts, Failure, Means, Observation, Purchase, Status};

/// A number in our metadata.
#[must_use]
pub fn number(metadata: &HashMap<String, String>, name: &str) -> Option<u32> {
    metadata.get(name)?.parse().ok()
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
    /// For the buyer's browser only: never stored, never logged.
    #[serde(default)]
    pub client_secret: Option<String>,
    /// What the buyer must do.
    #[serde(default)]
    pub next_action: Option<NextAction>,
    /// Why the last try failed.
    #[serde(default)]
    last_payment_error: Option<Body>,
    /// The charge of the last try, expanded where it was asked for.
    #[serde(default)]
    latest_charge: Option<Expandable<Charge>>,
    /// When it was made, in Unix seconds.
    #[serde(default)]
    pub created: i64,
    /// Lower-case ISO 4217.
    #[serde(default)]
    pub currency: String,
    /// The platform's part.
    #[serde(default)]
    pub application_fee_amount: Option<i64>,
    #[serde(default)]
    transfer_data: Option<TransferData>,
    /// Whom it charged.
    #[serde(default)]
    pub customer: Option<String>,
    /// Ours.
    #[serde(default)]
    pub metadata: HashMap<String, String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct TransferData {
    #[serde(default)]
    destination: Option<String>,
}

/// What the buyer must do: go to a page, where a `return_url` was given.
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

    /// What it says of the attempt that made it. In hosted Checkout the buyer may try again and again until the
    /// session ends, so there only success and cancellation count.
    #[must_use]
    pub fn observe(&self, means: Means) -> Observation {
        let failure = self.failure();
        let status = match (self.status.as_str(), means) {
            ("succeeded", _) => Status::Paid,
            ("canceled", Means::PaymentIntent) => Status::Canceled,
            ("requires_action", Means::PaymentIntent) => Status::RequiresAction,
            ("requires_payment_method", Means::PaymentIntent) if failure.is_some() => Status::Failed,
            _ => Status::Pending,
        };
        let charge = if status == Status::Paid { self.charge() } else { None };
        Observation { payment_intent: Some(self.id.clone()), charge, failure, ..Observation::of(status) }
    }

    /// Tells its purchase what it says of the attempt that made it. Says whether that was new.
    pub fn tell(&self, purchase: &mut Purchase, cause: &str, at: OffsetDateTime) -> bool {
        let found = purchase.find_attempt(Some(&self.id), None, number(&self.metadata, "attempt"));
        let attempt = found.and_then(|number| purchase.attempts().iter().find(|attempt| attempt.number == number));
        let Some(attempt) = attempt else { return false };
        if attempt.amount != self.amount {
            // Metadata can be written by whoever owns the account; the amount says whether it is what we asked for.
            tracing::warn!(purchase_id = %purchase.id, attempt = attempt.number, amount = self.amount, "the payment is of another amount");
            return false;
        }
        let (number, seen) = (attempt.number, self.observe(attempt.means));
        purchase.observe(number, &seen, cause, at)
    }

    /// Of a destination charge: the account that gets the money.
    #[must_use]
    pub fn destination(&self) -> Option<&str> {
        self.transfer_data.as_ref()?.destination.as_deref()
    }

    /// Why the last try failed.
    #[must_use]
    pub fn failure(&self) -> Option<Failure> {
        self.last_payment_error.as_ref().map(|error| Failure {
            code: error.code.clone().or_else(|| error.kind.clone()).unwrap_or_else(|| "unknown".to_owned()),
            decline_code: error.decline_code.clone(),
            declined: true,
        })
    }

    /// Whether all of it was given back, where its charge was expanded.
    #[must_use]
    pub fn is_refunded(&self) -> bool {
        matches!(&self.latest_charge, Some(Expandable::Object(charge)) if charge.amount_refunded >= self.amount)
    }

    /// What it says of its charge.
    fn charge(&self) -> Option<ChargeFacts> {
        match self.latest_charge.as_ref()? {
            Expandable::Id(id) => Some(ChargeFacts { id: id.clone(), ..ChargeFacts::default() }),
            Expandable::Object(charge) => Some(charge.facts()),
        }
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
    /// `sub_…`, made when the buyer subscribes.
    #[serde(default)]
    pub subscription: Option<String>,
    /// Made when the buyer pays.
    #[serde(default)]
    payment_intent: Option<Expandable<PaymentIntent>>,
    /// Ours.
    #[serde(default)]
    pub metadata: HashMap<String, String>,
}

/// An id, or the object itself where it was expanded.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Expandable<T> {
    Id(String),
    Object(Box<T>),
}

impl CheckoutSession {
    /// What it says of the attempt that made it.
    #[must_use]
    pub fn observe(&self) -> Observation {
        let status = match (self.status.as_deref(), self.payment_status.as_str()) {
            (Some("complete"), "paid" | "no_payment_required") => Status::Paid,
            (Some("expired"), _) => Status::Canceled,
            _ => Status::Pending,
        };
        let (payment_intent, charge) = match &self.payment_intent {
            Some(Expandable::Id(id)) => (Some(id.clone()), None),
            Some(Expandable::Object(payment_intent)) => (Some(payment_intent.id.clone()), payment_intent.charge()),
            None => (None, None),
        };
        let charge = charge.filter(|_| status == Status::Paid);
        Observation { payment_intent, checkout_session: Some(self.id.clone()), charge, ..Observation::of(status) }
    }

    /// Whether the buyer can still pay there.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.status.as_deref() == Some("open")
    }
}

/// An object of which only the id matters: a customer, a payment method.
#[derive(Clone, Debug, Deserialize)]
pub struct Identified {
    /// `cus_…`, `pm_…`
    pub id: String,
}

/// <https://docs.stripe.com/api/charges/object>
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Charge {
    /// `ch_…`, or `py_…` of a transfer's other side.
    #[serde(default)]
    pub id: String,
    /// Whose charge it is.
    #[serde(default)]
    pub payment_intent: Option<String>,
    /// In the minor unit, so far.
    #[serde(default)]
    pub amount_refunded: i64,
    /// When the money was taken, in Unix seconds.
    #[serde(default)]
    created: Option<i64>,
    /// `tr_…`, of a destination charge.
    #[serde(default)]
    transfer: Option<String>,
    #[serde(default)]
    balance_transaction: Option<Expandable<BalanceTransaction>>,
    #[serde(default)]
    application_fee: Option<Expandable<ApplicationFee>>,
    /// Copied from the PaymentIntent.
    #[serde(default)]
    pub metadata: HashMap<String, String>,
}

impl Charge {
    /// What it says of the sale.
    #[must_use]
    pub fn facts(&self) -> ChargeFacts {
        let stripe_fee = match &self.balance_transaction {
            Some(Expandable::Object(transaction)) => Some(transaction.stripe_fee()),
            _ => None,
        };
        ChargeFacts { id: self.id.clone(), transfer: self.transfer.clone(), stripe_fee, created: self.created }
    }
}

/// A page of a list.
#[derive(Clone, Debug, Deserialize)]
pub struct List<T> {
    /// The newest first.
    #[serde(default = "Vec::new")]
    pub data: Vec<T>,
    /// Whether there are older ones.
    #[serde(default)]
    pub has_more: bool,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self { data: Vec::new(), has_more: false }
    }
}

/// <https://docs.stripe.com/connect/oauth-reference>
#[derive(Clone, Deserialize)]
pub struct OAuthToken {
    /// `acct_…`
    pub stripe_user_id: String,
    /// `read_write` or `read_only`
    #[serde(default)]
    pub scope: String,
    /// Whether it was granted in live mode.
    #[serde(default)]
    pub livemode: bool,
    /// Deprecated at Stripe; stored sealed.
    #[serde(default)]
    pub access_token: Option<String>,
    /// Stored sealed.
    #[serde(default)]
    pub refresh_token: Option<String>,
    /// The account's publishable key.
    #[serde(default)]
    pub stripe_publishable_key: Option<String>,
}
