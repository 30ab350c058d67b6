//! How movements of money are booked.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::common::Expandable;
use crate::domain::money::Settled;
use crate::stripe::read;

/// <https://docs.stripe.com/api/application_fees/object>
#[derive(Clone, Debug, Default, Deserialize)]
pub(in crate::stripe) struct ApplicationFee {
    #[serde(default)]
    pub(super) amount_refunded: i64,
}

/// <https://docs.stripe.com/api/balance_transactions/object>
#[derive(Clone, Debug, Default, Deserialize)]
pub struct BalanceTransaction {
    /// `txn_…`
    pub id: String,
    /// `charge`, `refund`, `adjustment`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// The category of its source: `charge`, `refund`, `dispute`, …
    #[serde(default)]
    pub reporting_category: String,
    /// In the minor unit; negative if money left the account.
    pub amount: i64,
    /// Lower-case ISO 4217.
    pub currency: String,
    /// When, in Unix seconds.
    pub created: i64,
    #[serde(default)]
    source: Option<Expandable<Source>>,
    /// All fees, in the same currency.
    #[serde(default)]
    pub fee: i64,
    #[serde(default)]
    fee_details: Vec<FeeDetail>,
}

/// The source of a balance transaction: a charge, a refund, a dispute, …
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Source {
    /// `ch_…`, `re_…`, `dp_…`, …
    #[serde(default)]
    pub id: String,
    /// In the minor unit of `currency`; never negative.
    #[serde(default)]
    pub amount: i64,
    /// Lower-case ISO 4217: the currency of the charge.
    #[serde(default)]
    pub currency: String,
    /// For a charge, refund or dispute.
    #[serde(default, deserialize_with = "read::id")]
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
    /// The source, if expanded.
    #[must_use]
    pub fn source(&self) -> Option<&Source> {
        match &self.source {
            Some(Expandable::Object(source)) => Some(source),
            _ => None,
        }
    }

    /// What it moved, before fees, in the currency of settlement.
    #[must_use]
    pub fn settled(&self) -> Settled {
        Settled { amount: self.amount, currency: self.currency.clone() }
    }

    /// Stripe's own fees, without the platform's.
    #[must_use]
    pub fn stripe_fee(&self) -> i64 {
        self.fee_details.iter().filter(|fee| fee.kind != "application_fee").map(|fee| fee.amount).sum()
    }
}

/// <https://docs.stripe.com/api/balance/balance_object>
#[derive(Debug, Default, Deserialize)]
pub struct Balance {
    /// What can be paid out now.
    #[serde(default)]
    pub available: Vec<Money>,
    /// What cannot be paid out yet.
    #[serde(default)]
    pub pending: Vec<Money>,
}

impl Balance {
    /// Whether a currency is below zero, what is pending counted.
    #[must_use]
    pub fn is_negative(&self) -> bool {
        self.all().any(|one| self.total(&one.currency) < 0)
    }

    /// What there is of a currency, what is pending counted, in the minor unit.
    #[must_use]
    pub fn total(&self, currency: &str) -> i64 {
        self.all().filter(|one| one.currency == currency).map(|one| one.amount).sum()
    }

    fn all(&self) -> impl Iterator<Item = &Money> {
        self.available.iter().chain(&self.pending)
    }
}

/// An amount in Stripe's form, which is also this API's: in the minor unit, with a lower-case ISO 4217 currency.
#[derive(Debug, Deserialize, Serialize)]
pub struct Money {
    /// In the minor unit; negative if the account owes it.
    #[serde(default)]
    pub amount: i64,
    /// Lower-case ISO 4217.
    #[serde(default)]
    pub currency: String,
}
