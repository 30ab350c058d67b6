//! What can follow a payment: refunds, disputes, transfers and reversals.

use std::collections::HashMap;

use serde::Deserialize;
use time::OffsetDateTime;

use super::balance::{ApplicationFee, BalanceTransaction};
use super::common::{Expandable, List, number};
use super::payments::Charge;
use crate::domain::fraud_warning::FraudWarning;
use crate::domain::money::Settled;
use crate::domain::purchase::{AttemptStatus, DisputeMove, DisputeStatus, MovementState, Observation, Purchase, SeenDispute, SeenRefund};
use crate::stripe::read;

/// <https://docs.stripe.com/api/refunds/object>
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Refund {
    /// `re_…`
    pub id: String,
    /// In the minor unit.
    pub amount: i64,
    /// `pending`, `requires_action`, `succeeded`, `failed` or `canceled`
    #[serde(default)]
    pub status: Option<String>,
    /// The PaymentIntent that it refunds.
    #[serde(default, deserialize_with = "read::id")]
    pub payment_intent: Option<String>,
    #[serde(default)]
    charge: Option<Expandable<Charge>>,
    #[serde(default)]
    transfer_reversal: Option<Expandable<Reversal>>,
    #[serde(default)]
    balance_transaction: Option<Expandable<BalanceTransaction>>,
    #[serde(default)]
    failure_balance_transaction: Option<Expandable<BalanceTransaction>>,
    /// Ours.
    #[serde(default)]
    pub metadata: HashMap<String, String>,
}

/// <https://docs.stripe.com/api/transfer_reversals/object>
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Reversal {
    /// `trr_…`
    pub id: String,
    /// In the minor unit.
    pub amount: i64,
    /// `re_…` of the refund that made it, if any.
    #[serde(default, deserialize_with = "read::id")]
    pub source_refund: Option<String>,
    /// Ours.
    #[serde(default)]
    pub metadata: HashMap<String, String>,
}

impl Refund {
    /// The refund's state.
    #[must_use]
    pub fn state(&self) -> MovementState {
        match self.status.as_deref() {
            Some("failed" | "canceled") => MovementState::Failed,
            Some("pending" | "requires_action") => MovementState::Pending,
            _ => MovementState::Done,
        }
    }

    /// How much of the seller's transfer was reversed with it, if expanded: at most what was left of the transfer.
    #[must_use]
    pub fn transfer_reversed(&self) -> Option<i64> {
        match &self.transfer_reversal {
            Some(Expandable::Object(reversal)) => Some(reversal.amount),
            Some(Expandable::Id(_)) | None => None,
        }
    }

    /// What it cost the charged account's balance, if expanded. <https://docs.stripe.com/api/refunds/object#refund_object-balance_transaction>
    #[must_use]
    pub fn cost(&self) -> Option<Settled> {
        match &self.balance_transaction {
            Some(Expandable::Object(moved)) => Some(Settled { amount: -moved.amount, ..moved.settled() }),
            Some(Expandable::Id(_)) | None => None,
        }
    }

    /// What its return brought the charged account's balance, if expanded.
    /// <https://docs.stripe.com/api/refunds/object#refund_object-failure_balance_transaction>
    #[must_use]
    pub fn returned(&self) -> Option<Settled> {
        match &self.failure_balance_transaction {
            Some(Expandable::Object(moved)) => Some(moved.settled()),
            Some(Expandable::Id(_)) | None => None,
        }
    }

    /// How much of its fee the platform has returned in total, if the charge's fee was expanded.
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

    /// `ch_…`, if the charge was not expanded.
    pub(in crate::stripe) fn charge_id(&self) -> Option<&str> {
        match &self.charge {
            Some(Expandable::Id(id)) => Some(id),
            _ => None,
        }
    }

    /// Adds the charge's fee, which was read separately.
    pub(in crate::stripe) fn set_fee(&mut self, fee: ApplicationFee) {
        let application_fee = Some(Expandable::Object(Box::new(fee)));
        self.charge = Some(Expandable::Object(Box::new(Charge { application_fee, ..Charge::default() })));
    }

    /// The refund in a purchase's terms.
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

    /// Updates the purchase of its payment. Returns whether anything was new.
    /// Only a paid charge can be refunded, so this also records that it was paid.
    pub fn tell(&self, purchase: &mut Purchase, cause: &str, at: OffsetDateTime) -> bool {
        let Some(attempt) = purchase.find_attempt(self.payment_intent.as_deref(), None) else { return false };
        let became_paid = purchase.observe(attempt, &Observation::of(AttemptStatus::Paid), cause, at);
        if !purchase.is_paid_by(attempt) {
            return became_paid;
        }
        purchase.observe_refund(&self.seen(), number(&self.metadata, "movement"), cause, at) || became_paid
    }
}

/// <https://docs.stripe.com/api/disputes/object>
#[derive(Clone, Debug, Deserialize)]
pub struct Dispute {
    /// `dp_…` or `du_…`
    pub id: String,
    /// In the minor unit.
    pub amount: i64,
    /// `None` if the status is newer than this program.
    #[serde(default, deserialize_with = "known")]
    pub status: Option<DisputeStatus>,
    /// The bank's reason.
    #[serde(default)]
    pub reason: String,
    /// The PaymentIntent of the disputed charge.
    #[serde(default, deserialize_with = "read::id")]
    pub payment_intent: Option<String>,
    /// What it has moved on the charged account's balance so far: empty for an inquiry, several for a dispute with several stages.
    #[serde(default)]
    pub balance_transactions: Option<Vec<BalanceTransaction>>,
    #[serde(default)]
    evidence_details: Option<EvidenceDetails>,
    /// What we have sent with evidence.
    #[serde(default)]
    metadata: Option<HashMap<String, String>>,
}

/// An early fraud warning. <https://docs.stripe.com/api/radar/early_fraud_warnings/object>
#[derive(Clone, Debug, Deserialize)]
pub struct EarlyFraudWarning {
    /// `issfr_…`
    pub id: String,
    /// Whether something can still be done: the charge is neither disputed nor fully refunded.
    #[serde(default)]
    pub actionable: bool,
    /// The kind of fraud, as the issuer has it.
    #[serde(default)]
    fraud_type: String,
    /// The PaymentIntent of the charge.
    #[serde(default, deserialize_with = "read::id")]
    payment_intent: Option<String>,
}

impl EarlyFraudWarning {
    /// The warning in a purchase's terms; `None` if the charge has no PaymentIntent, so that it is none of ours.
    #[must_use]
    pub fn warning(&self) -> Option<FraudWarning> {
        let payment_intent = self.payment_intent.clone()?;
        Some(FraudWarning { id: self.id.clone(), payment_intent, reason: self.fraud_type.clone() })
    }
}

/// <https://docs.stripe.com/api/disputes/object#dispute_object-evidence_details>
#[derive(Clone, Debug, Default, Deserialize)]
struct EvidenceDetails {
    /// In Unix seconds; 0 or null if the bank takes no answer.
    #[serde(default)]
    due_by: Option<i64>,
    #[serde(default)]
    submission_count: i64,
}

/// The key in a dispute's metadata under which each of our updates leaves the digest of its evidence.
pub(crate) const EVIDENCE_MARK: &str = "evidence";

fn known<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<DisputeStatus>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok(serde_json::from_value(serde_json::Value::String(text)).ok())
}

impl Dispute {
    /// What it has moved so far.
    #[must_use]
    pub fn moves(&self) -> Vec<DisputeMove> {
        let all = self.balance_transactions.iter().flatten();
        all.map(|one| DisputeMove { id: one.id.clone(), moved: one.settled(), fee: one.fee }).collect()
    }

    /// The last moment to answer it; `None` if the bank takes no answer.
    #[must_use]
    pub fn due_by(&self) -> Option<OffsetDateTime> {
        let due_by = self.evidence_details.as_ref()?.due_by.filter(|due_by| *due_by > 0)?;
        OffsetDateTime::from_unix_timestamp(due_by).ok()
    }

    /// How many times evidence was submitted. "Typically, you may only submit evidence once."
    /// <https://docs.stripe.com/api/disputes/object#dispute_object-evidence_details-submission_count>
    #[must_use]
    pub fn submissions(&self) -> i64 {
        self.evidence_details.as_ref().map_or(0, |details| details.submission_count)
    }

    /// Whether the evidence that Stripe last took from us has this digest, see [`evidence`](crate::stripe::disputes::evidence).
    #[must_use]
    pub fn has_taken(&self, digest: &str) -> bool {
        self.metadata.as_ref().and_then(|metadata| metadata.get(EVIDENCE_MARK)).is_some_and(|taken| taken == digest)
    }

    /// Updates the purchase of its payment with the dispute's state `as_of` a time. Returns whether
    /// anything was new. Only a paid charge can be disputed, so this also records that it was paid.
    pub fn tell(&self, purchase: &mut Purchase, as_of: OffsetDateTime, cause: &str, at: OffsetDateTime) -> bool {
        let Some(status) = self.status else {
            tracing::warn!(purchase_id = %purchase.id, dispute = self.id, "the dispute's status is unknown");
            return false;
        };
        let moves = self.moves();
        let seen =
            SeenDispute { id: &self.id, amount: self.amount, status, reason: &self.reason, as_of, due_by: self.due_by(), moves: &moves };
        let Some(attempt) = purchase.find_attempt(self.payment_intent.as_deref(), None) else { return false };
        let became_paid = purchase.observe(attempt, &Observation::of(AttemptStatus::Paid), cause, at);
        if !purchase.is_paid_by(attempt) {
            return became_paid;
        }
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
    /// How much of it was reversed so far.
    #[serde(default)]
    pub amount_reversed: i64,
    /// The purchase's id, or `group_pi_…` for a destination charge.
    #[serde(default)]
    pub transfer_group: Option<String>,
    /// Its reversals, newest first.
    #[serde(default)]
    pub reversals: List<Reversal>,
    /// Ours.
    #[serde(default)]
    pub metadata: HashMap<String, String>,
}
