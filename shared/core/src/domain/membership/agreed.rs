//! What was agreed about a subscription, by our own record. Nothing of it is read from Stripe: the owner of a
//! connected account can write what they like on the subscription there, and change its price.

use serde::{Deserialize, Serialize};

use super::offer::Interval;

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
    /// A payment was more than the price. In the minor unit.
    Payment,
    /// The platform keeps less. In hundredths of a percent.
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
}

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

    /// What the coming renewals would do differently.
    pub(super) fn differences(&self, stripe: InForce<'_>) -> Vec<Difference> {
        let found = stripe.amount.unwrap_or_default();
        let price = (!self.is_at(stripe)).then_some(Difference { term: Term::Price, agreed: self.amount, found });
        let (agreed, found) = (hundredths(&self.fee_percent), hundredths(stripe.fee_percent));
        let fee = (found < agreed).then_some(Difference { term: Term::ApplicationFeePercent, agreed, found });
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
