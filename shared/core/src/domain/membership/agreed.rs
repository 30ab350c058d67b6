//! What was agreed about a subscription, by our own record. Nothing of it is read from Stripe: the owner of a
//! connected account can write what they like on the subscription there, and change its price.

use serde::{Deserialize, Serialize};

use super::offer::Interval;
use super::payment::Payment;
use crate::domain::purchase::share;

/// What a member pays and what the platform keeps of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreed {
    /// The billing interval.
    pub interval: Interval,
    /// The price of an interval, in the minor unit.
    pub amount: i64,
    /// The platform's percentage of each renewal, with at most two decimals; `0` if it keeps nothing.
    pub fee_percent: String,
    /// The higher percentage of a switch, which stays in force at Stripe until the other is set again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switch_fee_percent: Option<String>,
}

/// A term that is different at Stripe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Term {
    /// The next renewals cost another amount, or come at other intervals. In the minor unit.
    Price,
    /// A payment was more than what was due, or was not made at Stripe. In the minor unit.
    Payment,
    /// The platform keeps less, of the coming renewals or of a payment. In hundredths of a percent.
    ApplicationFeePercent,
}

impl Term {
    /// Its name in findings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Price => "price",
            Self::Payment => "payment",
            Self::ApplicationFeePercent => "application_fee_percent",
        }
    }
}

/// What Stripe has instead of what was agreed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// What differs.
    pub term: Term,
    /// What was agreed.
    pub agreed: i64,
    /// What Stripe has.
    pub found: i64,
    /// The invoice of the payment that differs, `in_…`; `None` if it is about the coming renewals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invoice: Option<String>,
}

/// What payments are compared with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// The most that a payment may be: the price, or both prices while a switch is heard of.
    pub(super) most: i64,
    /// The price before that switch.
    pub(super) before: i64,
    /// The least that the platform keeps, in hundredths of a percent.
    pub(super) least_fee: i64,
}

impl Limits {
    /// What is wrong with a payment. The owner of a connected account can begin a period anew, which
    /// [invoices the member at once](https://docs.stripe.com/billing/subscriptions/billing-cycle), change the percentage
    /// for one invoice, and [mark an invoice as paid](https://docs.stripe.com/api/invoices/pay#pay_invoice-paid_out_of_band).
    pub(super) fn differences<'a>(
        self,
        payment: &Payment,
        earlier: impl Iterator<Item = &'a Payment>,
        is_direct: bool,
    ) -> impl Iterator<Item = Difference> {
        let of = |term: Term, agreed: i64, found: i64| Difference { term, agreed, found, invoice: Some(payment.invoice.clone()) };
        let due = self.most.min(payment.amount - payment.paid_twice(earlier, self.before));
        let amount = if payment.amount > due {
            Some(of(Term::Payment, due, payment.amount))
        } else {
            // On the platform's own account only staff can do that.
            (is_direct && payment.marked > 0).then(|| of(Term::Payment, payment.amount + payment.marked, payment.amount))
        };
        // Stripe rounds, and leaves something to the account.
        let is_low = payment.application_fee + 1 < share(payment.amount, self.least_fee, HUNDRED_PERCENT);
        let fee = is_low
            .then(|| of(Term::ApplicationFeePercent, self.least_fee, share(HUNDRED_PERCENT, payment.application_fee, payment.amount)));
        amount.into_iter().chain(fee)
    }
}

/// In hundredths of a percent.
const HUNDRED_PERCENT: i64 = 10_000;

/// What Stripe has now.
#[derive(Clone, Copy, Debug)]
pub(super) struct InForce<'a> {
    /// `None` if it is not one of ours.
    pub(super) interval: Option<Interval>,
    pub(super) amount: Option<i64>,
    pub(super) fee_percent: &'a str,
}

impl Agreed {
    /// Whether Stripe has this interval and price.
    pub(super) fn is_at(&self, stripe: InForce<'_>) -> bool {
        stripe.interval == Some(self.interval) && stripe.amount == Some(self.amount)
    }

    /// The percentage to set, if that of a switch is still in force.
    pub(super) fn renewals_fee(&self, stripe: InForce<'_>) -> Option<String> {
        let is_of_switch = self.switch_fee_percent.as_deref() == Some(stripe.fee_percent);
        is_of_switch.then(|| self.fee_percent.clone())
    }

    /// The platform's percentage of the renewals, in hundredths of a percent. That of a switch is never lower.
    pub(super) fn least_fee(&self) -> i64 {
        hundredths(&self.fee_percent)
    }

    /// What the coming renewals would do differently.
    pub(super) fn differences(&self, stripe: InForce<'_>) -> Vec<Difference> {
        let found = stripe.amount.unwrap_or_default();
        let price = (!self.is_at(stripe)).then_some(Difference { term: Term::Price, agreed: self.amount, found, invoice: None });
        let (agreed, found) = (self.least_fee(), hundredths(stripe.fee_percent));
        let fee = (found < agreed).then_some(Difference { term: Term::ApplicationFeePercent, agreed, found, invoice: None });
        price.into_iter().chain(fee).collect()
    }
}

/// A percentage with at most two decimals, in hundredths of a percent; further decimals are cut off.
fn hundredths(percent: &str) -> i64 {
    let (whole, part) = percent.split_once('.').unwrap_or((percent, ""));
    let part: String = part.chars().chain("00".chars()).take(2).collect();
    whole.parse().unwrap_or(0) * 100 + part.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::hundredths;

    #[test]
    fn percentages_are_compared_as_numbers() {
        let all = ["0", "0.5", "0.05", "9.28", "9.3", "37", "100", "9.289"].map(hundredths);
        assert_eq!(all, [0, 50, 5, 928, 930, 3700, 10_000, 928]);
    }
}
