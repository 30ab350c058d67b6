//! The states of purchases and attempts.

use serde::{Deserialize, Serialize};

/// The status of a purchase, as clients see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Stripe has been called, or is about to be, and the outcome is unknown.
    Pending,
    /// The buyer must authenticate the payment.
    RequiresAction,
    /// The money was taken, and the buyer owns the course.
    Paid,
    /// The last attempt was declined or refused.
    Failed,
    /// The last attempt was canceled: a canceled payment or an expired Checkout Session.
    Canceled,
    /// All of it was refunded.
    Refunded,
    /// Part of it was refunded; the buyer still owns the course.
    PartiallyRefunded,
    /// The buyer's bank disputes it or has taken the money back.
    Disputed,
}

impl Status {
    /// Whether an attempt is under way with an unknown outcome.
    #[must_use]
    pub fn is_open(self) -> bool {
        match self {
            Self::Pending | Self::RequiresAction => true,
            Self::Paid | Self::Failed | Self::Canceled | Self::Refunded | Self::PartiallyRefunded | Self::Disputed => false,
        }
    }

    /// Whether the buyer's browser was given the means to pay.
    #[must_use]
    pub fn is_with_buyer(self) -> bool {
        match self {
            Self::RequiresAction => true,
            Self::Pending | Self::Paid | Self::Failed | Self::Canceled | Self::Refunded | Self::PartiallyRefunded | Self::Disputed => false,
        }
    }

    /// Whether the last attempt was declined or refused.
    #[must_use]
    pub fn is_failed(self) -> bool {
        match self {
            Self::Failed => true,
            Self::Pending
            | Self::RequiresAction
            | Self::Paid
            | Self::Canceled
            | Self::Refunded
            | Self::PartiallyRefunded
            | Self::Disputed => false,
        }
    }

    /// The name in answers and logs.
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
}

/// The status of an attempt. It only moves down this list: an attempt can
/// be canceled after it failed, but cannot fail after it was canceled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptStatus {
    /// Stripe has been called, or is about to be, and the outcome is unknown.
    Pending,
    /// The buyer must authenticate the payment.
    RequiresAction,
    /// It was declined or refused.
    Failed,
    /// It was canceled: a canceled payment or an expired Checkout Session.
    Canceled,
    /// The money was taken.
    Paid,
}

impl AttemptStatus {
    /// Whether the outcome is unknown.
    #[must_use]
    pub fn is_open(self) -> bool {
        Status::from(self).is_open()
    }

    /// Whether Stripe has been called, or is about to be, and has not asked for anything.
    #[must_use]
    pub fn is_pending(self) -> bool {
        match self {
            Self::Pending => true,
            Self::RequiresAction | Self::Failed | Self::Canceled | Self::Paid => false,
        }
    }

    /// Whether the money was taken.
    #[must_use]
    pub fn is_paid(self) -> bool {
        match self {
            Self::Paid => true,
            Self::Pending | Self::RequiresAction | Self::Failed | Self::Canceled => false,
        }
    }

    /// Whether it was declined or refused.
    #[must_use]
    pub fn is_failed(self) -> bool {
        Status::from(self).is_failed()
    }
}

/// The status of a purchase whose only attempt has this status.
impl From<AttemptStatus> for Status {
    fn from(attempt: AttemptStatus) -> Self {
        match attempt {
            AttemptStatus::Pending => Self::Pending,
            AttemptStatus::RequiresAction => Self::RequiresAction,
            AttemptStatus::Failed => Self::Failed,
            AttemptStatus::Canceled => Self::Canceled,
            AttemptStatus::Paid => Self::Paid,
        }
    }
}

/// What the buyer owns of the course. A later one in this list is more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ownership {
    /// Nothing: never paid, fully refunded, or taken back by the bank.
    #[default]
    None,
    /// The course, until the bank decides. Whether it may be read until then is the platform's policy.
    Contested,
    /// The course.
    Owned,
}

impl Ownership {
    /// Whether it is paid for, so that the buyer must not pay again.
    #[must_use]
    pub fn is_paid(self) -> bool {
        self != Self::None
    }
}
