//! The invoices of a subscription that were paid.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::purchase::{ChargeType, Sums};

/// A paid invoice. Amounts are in the minor unit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// `in_…`
    pub invoice: String,
    /// Its `pi_…`; none where a credit of the buyer's paid it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_intent: Option<String>,
    /// Until when it pays; none of an invoice that has only prorations.
    #[serde(with = "time::serde::rfc3339::option", default)]
    pub period_end: Option<OffsetDateTime>,
    /// What was paid.
    pub amount: i64,
    /// The platform's part of it.
    pub application_fee: i64,
    /// Stripe's own fee, where it is known.
    #[serde(default)]
    pub stripe_fee: Option<i64>,
    /// What the platform gave back of its part.
    #[serde(default)]
    pub fee_refunded: i64,
    /// What was given back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refunds: Vec<Refund>,
}

/// Money that went back to a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// `re_…`
    pub id: String,
    /// In the minor unit.
    pub amount: i64,
    /// Whether the member's bank sent it back.
    pub failed: bool,
    /// What was taken back of the seller's transfer with it.
    pub transfer_reversed: i64,
}

impl Payment {
    /// What went back to the member, or is on its way.
    #[must_use]
    pub fn refunded(&self) -> i64 {
        self.refunds.iter().filter(|refund| !refund.failed).map(|refund| refund.amount).sum()
    }

    /// Whether all of it was given back.
    #[must_use]
    pub fn is_refunded(&self) -> bool {
        self.amount > 0 && self.refunded() >= self.amount
    }

    /// What it adds to its seller's totals.
    #[must_use]
    pub fn sums(&self, charge_type: ChargeType) -> Sums {
        let taken_back = match charge_type {
            ChargeType::Direct => self.refunded(),
            ChargeType::Destination | ChargeType::Separate => self.refunds.iter().map(|refund| refund.transfer_reversed).sum(),
        };
        Sums {
            sales: i64::from(self.amount > 0),
            gross: self.amount,
            application_fee: self.application_fee - self.fee_refunded,
            refunded: self.refunded(),
            disputed: 0,
            net: self.amount - self.application_fee - taken_back + self.fee_refunded,
            stripe_fee: self.stripe_fee.unwrap_or(0),
        }
    }
}
