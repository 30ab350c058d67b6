//! Sums of sales, in the minor unit of their currency.

use serde::{Deserialize, Serialize};

/// What sales add to their seller's totals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    /// The number of sales.
    pub sales: i64,
    /// What buyers paid.
    pub gross: i64,
    /// What the platform kept of it as its fee.
    pub application_fee: i64,
    /// What was refunded to buyers.
    pub refunded: i64,
    /// What banks hold or have taken back.
    pub disputed: i64,
    /// What the seller's Stripe account gained.
    pub net: i64,
    /// Stripe's own fees, as far as they are known.
    pub stripe_fee: i64,
}

impl Sums {
    /// The difference: adding it to `other` gives `self`.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self {
            sales: self.sales - other.sales,
            gross: self.gross - other.gross,
            application_fee: self.application_fee - other.application_fee,
            refunded: self.refunded - other.refunded,
            disputed: self.disputed - other.disputed,
            net: self.net - other.net,
            stripe_fee: self.stripe_fee - other.stripe_fee,
        }
    }

    /// The sum of both.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        other.minus(Self::default().minus(self))
    }
}
