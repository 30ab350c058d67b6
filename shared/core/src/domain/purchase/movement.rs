//! Money that moves after a sale: refunds, transfers to payees, and reversals of these transfers.
//!
//! Each movement is stored before Stripe is called, under its own idempotency key. Whichever comes first carries it
//! out: the request that planned it, an event, or the reconciliation.

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::domain::charging::KEY_LIFETIME;
use crate::domain::ids::UserId;
use crate::domain::money::{Currency, Settled};

/// The kind of a movement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MovementKind {
    /// From the account that was charged to the buyer. <https://docs.stripe.com/api/refunds>
    Refund,
    /// From the platform to a payee. <https://docs.stripe.com/api/transfers>
    Transfer,
    /// Back from a payee to the platform. <https://docs.stripe.com/api/transfer_reversals>
    Reversal,
}

/// The state of a movement. It only moves down this list, except if Stripe makes one that had failed before, or a refund has to wait again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MovementState {
    /// Stored, but not to be sent yet: a refund that waits for its payees' reversals.
    Waiting,
    /// Stored. Stripe may or may not have received it.
    Planned,
    /// Stripe has accepted it but not completed it, for example a refund without funds.
    Pending,
    /// Done.
    Done,
    /// Failed permanently: refused, or returned by the buyer's bank.
    Failed,
}

impl MovementState {
    /// Whether it was made, or is still to be made. What failed moved nothing, or was returned.
    #[must_use]
    pub fn stands(self) -> bool {
        match self {
            Self::Waiting | Self::Planned | Self::Pending | Self::Done => true,
            Self::Failed => false,
        }
    }

    /// Whether it still has to be sent to Stripe, now or once it no longer has to wait.
    #[must_use]
    pub fn is_planned(self) -> bool {
        match self {
            Self::Waiting | Self::Planned => true,
            Self::Pending | Self::Done | Self::Failed => false,
        }
    }

    /// Whether it waits for other movements.
    #[must_use]
    pub fn is_waiting(self) -> bool {
        match self {
            Self::Waiting => true,
            Self::Planned | Self::Pending | Self::Done | Self::Failed => false,
        }
    }

    /// Whether it may be sent to Stripe now.
    #[must_use]
    pub fn is_to_be_sent(self) -> bool {
        self.is_planned() && !self.is_waiting()
    }

    /// Whether Stripe has accepted it but not completed it.
    #[must_use]
    pub fn is_accepted(self) -> bool {
        self.is_under_way() && !self.is_done()
    }

    /// Whether the money has moved.
    #[must_use]
    pub fn is_done(self) -> bool {
        match self {
            Self::Done => true,
            Self::Waiting | Self::Planned | Self::Pending | Self::Failed => false,
        }
    }

    /// Whether the money has moved, or will move without further action here.
    #[must_use]
    pub fn is_under_way(self) -> bool {
        match self {
            Self::Pending | Self::Done => true,
            Self::Waiting | Self::Planned | Self::Failed => false,
        }
    }
}

/// Why money moves. There is at most one transfer to a payee, and one reversal of a transfer, for each reason.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type", content = "of")]
pub enum Reason {
    /// The user with this id asked for it.
    Asked(UserId),
    /// The card's issuer warned of fraud, in the early fraud warning with this id, and the operator's policy is to refund then.
    FraudWarning(String),
    /// It was made in Stripe's Dashboard or by another program.
    Elsewhere,
    /// The sale was paid.
    Sale,
    /// A payee's part of the refund with this number.
    Refund(u32),
    /// The refund with this number failed after the payees had returned their parts.
    FailedRefund(u32),
    /// A dispute was lost.
    LostDispute(String),
    /// A lost dispute was won after all.
    WonDispute(String),
}

/// One movement.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Movement {
    /// Counts from 1.
    pub number: u32,
    /// What kind of movement it is.
    pub kind: MovementKind,
    /// Why it moves.
    pub reason: Reason,
    /// As charged, in the minor unit of the purchase's currency.
    pub amount: i64,
    /// As settled, if that is a different currency. For a transfer and its reversals, the amount in the transfer's currency; for a refund,
    /// what left the charged account's balance, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<Settled>,
    /// For a refund that the bank returned: what the charged account's balance got, once known, if that is a different currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returned: Option<Settled>,
    /// The account in `Stripe-Account`; `None` for the platform's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// For a transfer or its reversal: whose part it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payee: Option<UserId>,
    /// For a transfer, the account that it goes to; for a reversal, the account that it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payee_account: Option<String>,
    /// For a reversal: the number of its transfer; `None` for the destination charge's own transfer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<u32>,
    /// The exact form body, as long as it may be sent. `None` for a movement made elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// How often Stripe refused it. Each new try has its own idempotency key; a try with an unknown outcome keeps its key.
    #[serde(default)]
    pub tries: u32,
    /// When the request was first stored under the current key.
    #[serde(with = "time::serde::rfc3339")]
    pub planned_at: OffsetDateTime,
    /// The current state.
    pub state: MovementState,
    /// `re_…`, `tr_…` or `trr_…`, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stripe_id: Option<String>,
    /// Stripe's code from the last refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// For a refund: what Stripe itself reversed of the seller's transfer.
    #[serde(default)]
    pub transfer_reversed: i64,
    /// For a refund requested here: its part of the platform's fee.
    #[serde(default)]
    pub fee_refunded: i64,
    /// For a refund: the staff member who had the platform pay before the payees returned their parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub borne_by: Option<UserId>,
    /// For a refund: staff asked for it, which the audit log says.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_staff: bool,
    /// Nothing moved at Stripe: a reversal was deducted from a transfer that had not been made, or the amount converts to less than one unit.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub netted: bool,
    /// For a refund: the client's idempotency key, which identifies repeated requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_key: Option<String>,
}

/// The longest wait between tries after refusals.
const LONGEST_WAIT: Duration = Duration::hours(12);

/// The same for reversals. Payees' balances fill up every day and are paid out again, so these are tried more often.
const LONGEST_WAIT_FOR_PAYEES: Duration = Duration::hours(1);

impl Movement {
    /// See [`MovementState::is_under_way`].
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        self.state.is_under_way()
    }

    /// For a refund: the staff member who asked for it, or who had the platform pay.
    #[must_use]
    pub fn staff(&self) -> Option<&UserId> {
        if let Reason::Asked(by) = &self.reason
            && self.by_staff
        {
            return Some(by);
        }
        self.borne_by.as_ref()
    }

    /// See [`MovementState::is_planned`].
    #[must_use]
    pub fn is_planned(&self) -> bool {
        self.state.is_planned()
    }

    /// Whether it was requested here rather than in Stripe's Dashboard or by another program.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.reason != Reason::Elsewhere
    }

    /// Whether Stripe refused the last try and it will be tried again.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.state.is_to_be_sent() && self.failure.is_some()
    }

    /// The amount that moves at Stripe, in the currency of the balance it moves on.
    #[must_use]
    pub fn as_settled(&self, currency: Currency) -> Settled {
        self.settled.clone().unwrap_or_else(|| Settled { amount: self.amount, currency: currency.code().to_owned() })
    }

    /// Whether Stripe may have received it. Its outcome must then be found before anything is changed.
    #[must_use]
    pub fn may_be_at_stripe(&self) -> bool {
        self.state.is_to_be_sent() && self.failure.is_none()
    }

    /// Whether Stripe still replays its answer to the current idempotency key.
    #[must_use]
    pub fn key_lives(&self, now: OffsetDateTime) -> bool {
        now - self.planned_at < KEY_LIFETIME
    }

    /// When to look at it next if nobody is working on it: two minutes after planning, then later after each refusal.
    /// A pending movement is looked at after a day, since events usually report it sooner.
    #[must_use]
    pub(super) fn due_at(&self) -> Option<OffsetDateTime> {
        match self.state {
            MovementState::Planned => {
                let wait = Duration::minutes(2 << self.tries.min(10));
                let longest = if self.kind == MovementKind::Reversal { LONGEST_WAIT_FOR_PAYEES } else { LONGEST_WAIT };
                Some(self.planned_at + wait.min(longest))
            }
            MovementState::Pending => Some(self.planned_at + Duration::days(1)),
            // A waiting refund depends on movements that have their own due times.
            MovementState::Waiting | MovementState::Done | MovementState::Failed => None,
        }
    }
}

/// How much of its fee the platform had refunded when Stripe last reported it. It never decreases:
/// if a bank returns a refund, the fee stays refunded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FeeSeen {
    /// How much of the fee.
    pub fee: i64,
    /// The sum of the refunds with a part of the fee that had been made by then.
    pub refunded: i64,
}

/// What Stripe reports about a movement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Stripe created the object.
    Made {
        /// `re_…`, `tr_…` or `trr_…`
        id: String,
        /// The current state.
        state: MovementState,
        /// For a refund: how much of the seller's transfer was reversed with it; `None` if Stripe did not report it.
        transfer_reversed: Option<i64>,
        /// For a refund: how much of its fee the platform has refunded in total, if Stripe reported it.
        fee_refunded: Option<i64>,
    },
    /// Stripe did nothing, or nothing of it was found. A refund then ends; a transfer or reversal is tried again later.
    Refused {
        /// Stripe's code.
        code: String,
    },
}
