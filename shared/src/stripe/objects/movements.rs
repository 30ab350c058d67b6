//! What moves once a payment is made: refunds, disputes, transfers and what is taken back of them, and the balance that all of
//! it is booked to.

use std::collections::HashMap;

use serde::Deserialize;
use time::OffsetDateTime;

use super::{Charge, Expandable, List, number};
use crate::purchase::{DisputeStatus, MovementState, Observation, Purchase, SeenDispute, SeenRefund, Status};

/// <https://docs.stripe.com/api/application_fees/object>
#[derive(Clone, Debug, Default, Deserialize)]
pub(in crate::stripe) struct ApplicationFee {
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
    pub(in crate::stripe) fn charge_id(&self) -> Option<&str> {
        match &self.charge {
            Some(Expandable::Id(id)) => Some(id),
            _ => None,
        }
    }

    /// Takes in what was read of the charge's fee by itself.
    pub(in crate::stripe) fn set_fee(&mut self, fee: ApplicationFee) {
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
