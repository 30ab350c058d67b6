//! What the purchase's parts add up to.

use serde::{Deserialize, Serialize};

/// Where a purchase stands, as clients see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Stripe has been asked, or is about to be, and has not said how it ended.
    Pending,
    /// The buyer must authenticate the payment.
    RequiresAction,
    /// The money is taken: the buyer owns the course.
    Paid,
    /// The last attempt was refused.
    Failed,
    /// The last attempt was given up: a canceled payment or an expired Checkout.
    Canceled,
    /// All of it was given back.
    Refunded,
    /// A part of it was given back; the buyer still owns the course.
    PartiallyRefunded,
    /// The buyer's bank disputes it, or has taken it back.
    Disputed,
}

impl Status {
    /// Whether an attempt is under way whose end is not known.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::RequiresAction)
    }

    /// As it stands in answers and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::RequiresAction => "requires_action",
            Self::Paid => "paid",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::Refunded => "refunded",
            Self::PartiallyRefunded => "partially_refunded",
            Self::Disputed => "disputed",
        }
    }

    /// How far on in an attempt's life: what is heard later never leads back. What is canceled can have failed before, and
    /// never fails after it. An attempt knows the first five.
    pub(super) fn rank(self) -> u8 {
        match self {
            Self::Pending => 0,
            Self::RequiresAction => 1,
            Self::Failed => 2,
            Self::Canceled => 3,
            Self::Paid | Self::PartiallyRefunded | Self::Disputed | Self::Refunded => 4,
        }
    }
}

/// What the buyer has of the course; the later one in this list is more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ownership {
    /// Nothing: never paid, given back in whole, or taken back by the bank.
    #[default]
    None,
    /// The course, while the bank has not decided; whether it may be read meanwhile is the platform's policy.
    Contested,
    /// The course.
    Owned,
}

impl Ownership {
    /// Whether there is money for it, so that nobody pays a second time.
    #[must_use]
    pub fn is_paid(self) -> bool {
        self != Self::None
    }
}
