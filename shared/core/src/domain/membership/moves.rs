//! Money that moves between the platform and a seller when disputes of members' payments are lost or won, and when refunds fail.
//!
//! Each move is recorded before Stripe is called, and is carried out once: by a request, an event or the
//! reconciliation.

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::domain::charging::KEY_LIFETIME;
use crate::domain::money::Settled;

/// Why money moves. At most one move has the same cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type", content = "of")]
pub enum MoveCause {
    /// A dispute was lost: part of the seller's transfer is reversed.
    LostDispute(String),
    /// A lost dispute was won after all: the seller gets that part back.
    WonDispute(String),
    /// A refund failed: the seller gets the part back that was reversed with it.
    FailedRefund(String),
    /// A refund was made without reversing the seller's part, because a separate transfer had returned that part to the seller.
    Refund(String),
}

/// The state of a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MoveState {
    /// Recorded; Stripe may or may not have received it.
    Planned,
    /// Done.
    Done,
    /// No longer wanted, and Stripe has not done it.
    GivenUp,
}

impl MoveState {
    /// Whether Stripe may or may not have received it.
    #[must_use]
    pub fn is_planned(self) -> bool {
        match self {
            Self::Planned => true,
            Self::Done | Self::GivenUp => false,
        }
    }

    /// Whether the money has moved.
    #[must_use]
    pub fn is_done(self) -> bool {
        match self {
            Self::Done => true,
            Self::Planned | Self::GivenUp => false,
        }
    }

    /// Whether it moves nothing any more.
    #[must_use]
    pub fn is_given_up(self) -> bool {
        !self.is_planned() && !self.is_done()
    }
}

/// One move. Amounts are in the minor unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// Numbers the subscription's moves, from 1.
    pub number: u32,
    /// The cause.
    pub cause: MoveCause,
    /// In the subscription's currency.
    pub amount: i64,
    /// In the currency in which the charge settled.
    pub settled: Settled,
    /// The number of the move whose transfer it reverses; `None` for the charge's own transfer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<u32>,
    /// How many times Stripe has refused. Each try has its own key; one with an unknown outcome keeps its key.
    #[serde(default)]
    pub tries: u32,
    /// When it was first recorded under the current key.
    #[serde(with = "time::serde::rfc3339")]
    pub planned_at: OffsetDateTime,
    /// The state.
    pub state: MoveState,
    /// `trr_…` or `tr_…`, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stripe_id: Option<String>,
    /// Stripe's code for the last refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// What Stripe says about a move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MoveOutcome {
    /// It was made: `trr_…` or `tr_…`
    Made(String),
    /// Stripe did nothing, with this code.
    Refused(String),
}

/// The longest wait between two tries of a reversal. Sellers receive funds daily, and are paid out.
const LONGEST_WAIT_FOR_SELLERS: Duration = Duration::hours(1);

/// The same for a transfer.
const LONGEST_WAIT: Duration = Duration::hours(12);

impl Move {
    /// Whether the seller returns money; otherwise they receive it.
    #[must_use]
    pub fn gives_back(&self) -> bool {
        matches!(self.cause, MoveCause::LostDispute(_) | MoveCause::Refund(_))
    }

    /// What it has added to the seller's balance, in the subscription's currency. A reversal
    /// of the charge's own transfer adds nothing here, because it is among the payment's reversals.
    pub(super) fn given(&self) -> i64 {
        match (self.state, self.gives_back(), self.of) {
            (MoveState::Done, false, _) => self.amount,
            (MoveState::Done, true, Some(_)) => -self.amount,
            _ => 0,
        }
    }

    /// Whether Stripe may have received it. Then its outcome must be found before anything about it changes.
    #[must_use]
    pub fn may_be_at_stripe(&self) -> bool {
        self.state.is_planned() && self.failure.is_none()
    }

    /// Whether Stripe still replays the response to the current key.
    #[must_use]
    pub fn key_lives(&self, now: OffsetDateTime) -> bool {
        now - self.planned_at < KEY_LIFETIME
    }

    /// When to check it if nobody is working on it: two minutes after it was planned, and later after each refusal.
    #[must_use]
    pub fn due_at(&self) -> Option<OffsetDateTime> {
        let longest = if self.gives_back() { LONGEST_WAIT_FOR_SELLERS } else { LONGEST_WAIT };
        (self.state.is_planned()).then(|| self.planned_at + Duration::minutes(2 << self.tries.min(10)).min(longest))
    }
}
