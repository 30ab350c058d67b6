//! Stripe's objects, with the fields that we use. Lenient on purpose: a field that is new, missing or of another
//! kind must never make a charge that was made look failed.

use std::collections::HashMap;

use serde::Deserialize;
use time::OffsetDateTime;

use super::error::Body;
use crate::purchase::{ChargeFacts, DisputeStatus, Failure, Means, MovementState, Observation, Purchase, SeenDispute, SeenRefund, Status};

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

/// <https://docs.stripe.com/api/application_fees/object>
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct ApplicationFee {
    #[serde(default)]
    amount_refunded: i64,
}

/// <https://docs.stripe.com/api/balance_transactions/object>
#[derive(Clone, Debug, Default, Deserialize)]
pub struct BalanceTransaction {
    /// `txn_…`
    #[serde(default)]
    pub id: String,
    /// `charge`, `refund`, `adjustment`, …
    #[serde(default, rename = "type")]
    pub kind: String,
    /// Of its subject: `charge`, `refund`, `dispute`, …
    #[serde(default)]
    pub reporting_category: String,
    /// In the minor unit; negative where money left.
    #[serde(default)]
    pub amount: i64,
    /// Lower-case ISO 4217.
    #[serde(default)]
    pub currency: String,
    /// When, in Unix seconds.
    #[serde(default)]
    pub created: i64,
    #[serde(default)]
    source: Option<Expandable<Source>>,
    #[serde(default)]
    fee_details: Vec<FeeDetail>,
}

/// What a balance transaction is about: a charge, a refund, a dispute, …
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Source {
    /// `ch_…`, `re_…`, `dp_…`, …
    #[serde(default)]
    pub id: String,
    /// Of a charge, a refund or a dispute.
    #[serde(default)]
    pub payment_intent: Option<String>,
    /// Ours.
    #[serde(default)]
    pub metadata: HashMap<String, String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct FeeDetail {
    #[serde(default)]
    amount: i64,
    #[serde(default, rename = "type")]
    kind: String,
}

impl BalanceTransaction {
    /// What it is about, where that was expanded.
    #[must_use]
    pub fn source(&self) -> Option<&Source> {
        match &self.source {
            Some(Expandable::Object(source)) => Some(source),
            _ => None,
        }
    }

    /// Stripe's own part of the fees: not the platform's.
    #[must_use]
    pub fn stripe_fee(&self) -> i64 {
        self.fee_details.iter().filter(|fee| fee.kind != "application_fee").map(|fee| fee.amount).sum()
    }
}

/// <https://docs.stripe.com/api/refunds/object>
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Refund {
    /// `re_…`
    pub id: String,
    /// In the minor unit.
    #[serde(default)]
    pub amount: i64,
    /// `pending`, `requires_action`, `succeeded`, `failed` or `canceled`
    #[serde(default)]
    pub status: Option<String>,
    /// Whose charge it gives back.
    #[serde(default)]
    pub payment_intent: Option<String>,
    #[serde(default)]
    charge: Option<Expandable<Charge>>,
    #[serde(default)]
    transfer_reversal: Option<Expandable<Reversal>>,
    /// Ours.
    #[serde(default)]
    pub metadata: HashMap<String, String>,
}

/// <https://docs.stripe.com/api/transfer_reversals/object>
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Reversal {
    /// `trr_…`
    #[serde(default)]
    pub id: String,
    /// In the minor unit.
    #[serde(default)]
    pub amount: i64,
    /// `re_…` of the refund that took it back, if one did.
    #[serde(default)]
    pub source_refund: Option<String>,
    /// Ours.
    #[serde(default)]
    pub metadata: HashMap<String, String>,
}

impl Refund {
    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> MovementState {
        match self.status.as_deref() {
            Some("failed" | "canceled") => MovementState::Failed,
            Some("pending" | "requires_action") => MovementState::Pending,
            _ => MovementState::Done,
        }
    }

    /// What the seller's transfer gave back with it, where that was expanded: at most what was left of the transfer.
    #[must_use]
    pub fn transfer_reversed(&self) -> Option<i64> {
        match &self.transfer_reversal {
            Some(Expandable::Object(reversal)) => Some(reversal.amount),
            Some(Expandable::Id(_)) | None => None,
        }
    }

    /// What the platform has given back of its fee in all, where the charge's fee was expanded.
    #[must_use]
    pub fn fee_refunded(&self) -> Option<i64> {
        match &self.charge {
            Some(Expandable::Object(charge)) => match &charge.application_fee {
                Some(Expandable::Object(fee)) => Some(fee.amount_refunded),
                _ => None,
            },
            _ => None,
        }
    }

    /// `ch_…`, where the charge was not expanded.
    pub(super) fn charge_id(&self) -> Option<&str> {
        match &self.charge {
            Some(Expandable::Id(id)) => Some(id),
            _ => None,
        }
    }

    /// Takes in what was read of the charge's fee by itself.
    pub(super) fn set_fee(&mut self, fee: ApplicationFee) {
        let application_fee = Some(Expandable::Object(Box::new(fee)));
        self.charge = Some(Expandable::Object(Box::new(Charge { application_fee, ..Charge::default() })));
    }

    /// As a purchase takes it in.
    #[must_use]
    pub fn seen(&self) -> SeenRefund<'_> {
        SeenRefund {
            id: &self.id,
            amount: self.amount,
            state: self.state(),
            transfer_reversed: self.transfer_reversed(),
            fee_refunded: self.fee_refunded(),
        }
    }

    /// Tells the purchase of its payment, and says whether that was new. Only what was paid is given back, so it tells that as well.
    pub fn tell(&self, purchase: &mut Purchase, cause: &str, at: OffsetDateTime) -> bool {
        let Some(attempt) = purchase.find_attempt(self.payment_intent.as_deref(), None, None) else { return false };
        let became_paid = purchase.observe(attempt, &Observation::of(Status::Paid), cause, at);
        purchase.observe_refund(&self.seen(), number(&self.metadata, "movement"), cause, at) || became_paid
    }
}

/// <https://docs.stripe.com/api/disputes/object>
#[derive(Clone, Debug, Deserialize)]
pub struct Dispute {
    /// `dp_…` or `du_…`
    pub id: String,
    /// In the minor unit.
    #[serde(default)]
    pub amount: i64,
    /// None of a status that is newer than this program.
    #[serde(default, deserialize_with = "known")]
    pub status: Option<DisputeStatus>,
    /// The bank's reason.
    #[serde(default)]
    pub reason: String,
    /// Whose charge is disputed.
    #[serde(default)]
    pub payment_intent: Option<String>,
}

fn known<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<DisputeStatus>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok(serde_json::from_value(serde_json::Value::String(text)).ok())
}

impl Dispute {
    /// As a purchase takes it in.
    #[must_use]
    pub fn seen(&self) -> Option<SeenDispute<'_>> {
        Some(SeenDispute { id: &self.id, amount: self.amount, status: self.status?, reason: &self.reason })
    }

    /// Tells the purchase of its payment, and says whether that was new. Only what was paid is disputed, so it tells that as well.
    pub fn tell(&self, purchase: &mut Purchase, cause: &str, at: OffsetDateTime) -> bool {
        let Some(seen) = self.seen() else {
            tracing::warn!(purchase_id = %purchase.id, dispute = self.id, "the dispute has a status that is not known");
            return false;
        };
        let Some(attempt) = purchase.find_attempt(self.payment_intent.as_deref(), None, None) else { return false };
        let became_paid = purchase.observe(attempt, &Observation::of(Status::Paid), cause, at);
        purchase.observe_dispute(&seen, cause, at) || became_paid
    }
}

/// <https://docs.stripe.com/api/transfers/object>
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Transfer {
    /// `tr_…`
    pub id: String,
    /// In the minor unit.
    #[serde(default)]
    pub amount: i64,
    /// What was taken back of it so far.
    #[serde(default)]
    pub amount_reversed: i64,
    /// The purchase's id, or `group_pi_…` of a destination charge.
    #[serde(default)]
    pub transfer_group: Option<String>,
    /// What was taken back of it, the newest first.
    #[serde(default)]
    pub reversals: List<Reversal>,
    /// Ours.
    #[serde(default)]
    pub metadata: HashMap<String, String>,
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
