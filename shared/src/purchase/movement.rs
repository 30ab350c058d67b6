//! Money that moves after a sale: refunds, transfers to payees, and what is taken back of them.
//!
//! Each is written down before Stripe is asked, under an idempotency key of its own, and is carried out by whoever comes
//! first: the request that planned it, an event, or the reconciliation.

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::attempt::KEY_LIFETIME;
use crate::ids::UserId;

/// What moves.
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

/// Where a movement stands. A later one in this list is never left for an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MovementState {
    /// Written down; Stripe may or may not have heard of it.
    Planned,
    /// Stripe has it and has not ended it: a refund without funds, say.
    Pending,
    /// Done.
    Done,
    /// It came to nothing, for good: refused, or sent back by the buyer's bank.
    Failed,
}

/// Why money moves. At most one transfer to a payee, and one reversal of a transfer, has the same reason.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type", content = "of")]
pub enum Reason {
    /// Somebody asked for it: the user's id.
    Asked(UserId),
    /// It was made in Stripe's dashboard, or by another program.
    Elsewhere,
    /// The sale was paid.
    Sale,
    /// A payee's part of the refund with this number.
    Refund(u32),
    /// The refund with this number failed after the payees had given their part.
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
    /// What moves.
    pub kind: MovementKind,
    /// Why.
    pub reason: Reason,
    /// In the minor unit of the purchase's currency.
    pub amount: i64,
    /// The account in `Stripe-Account`; none is the platform's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Of a transfer and its reversal: whose part it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payee: Option<UserId>,
    /// Of a transfer: to which account. Of a reversal: from which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payee_account: Option<String>,
    /// Of a reversal: the transfer with this number; none is the destination charge's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<u32>,
    /// The exact form body; none of one that was made elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Counts how often Stripe refused; each try has a key of its own. One whose end is not known keeps its key.
    #[serde(default)]
    pub tries: u32,
    /// When the request was first written under the present key.
    #[serde(with = "time::serde::rfc3339")]
    pub planned_at: OffsetDateTime,
    /// Where it stands.
    pub state: MovementState,
    /// `re_…`, `tr_…` or `trr_…`, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stripe_id: Option<String>,
    /// Stripe's code of the last refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Of a refund: what the seller's transfer gave back with it, by Stripe's own doing.
    #[serde(default)]
    pub transfer_reversed: i64,
    /// Of a refund that was asked for here: the part of the platform's fee that belongs to it.
    #[serde(default)]
    pub fee_refunded: i64,
    /// Of a refund: what the client named its request, so that a repetition is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_key: Option<String>,
}

/// The longest wait between two tries that Stripe refused.
const LONGEST_WAIT: Duration = Duration::hours(12);

impl Movement {
    /// Whether the money has moved, or will without another word of ours.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        matches!(self.state, MovementState::Pending | MovementState::Done)
    }

    /// Whether Stripe has to be asked.
    #[must_use]
    pub fn is_planned(&self) -> bool {
        self.state == MovementState::Planned
    }

    /// Whether Stripe may have heard of it: then it must be found before anything about it is changed.
    #[must_use]
    pub fn may_be_at_stripe(&self) -> bool {
        self.is_planned() && self.failure.is_none()
    }

    /// Whether Stripe still replays the answer to the present key.
    #[must_use]
    pub fn key_lives(&self, now: OffsetDateTime) -> bool {
        now - self.planned_at < KEY_LIFETIME
    }

    /// When it is looked at next where nobody is at work on it: two minutes after it was planned, later each time it
    /// was refused; a pending one after a day, for events tell sooner.
    #[must_use]
    pub(super) fn due_at(&self) -> Option<OffsetDateTime> {
        match self.state {
            MovementState::Planned => {
                let wait = Duration::minutes(2 << self.tries.min(10));
                Some(self.planned_at + wait.min(LONGEST_WAIT))
            }
            MovementState::Pending => Some(self.planned_at + Duration::days(1)),
            MovementState::Done | MovementState::Failed => None,
        }
    }
}

/// What the platform had given back of its fee when Stripe last said so. It never gets less: it stays given back where a bank sends the
/// refund back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FeeSeen {
    /// What of the fee.
    pub fee: i64,
    /// What refunds with a part of the fee had been made for by then.
    pub refunded: i64,
}

/// What Stripe says of a movement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There is such an object.
    Made {
        /// `re_…`, `tr_…` or `trr_…`
        id: String,
        /// Where it stands.
        state: MovementState,
        /// Of a refund: whether the seller's transfer gave back its part with it, and how much; none where Stripe did
        /// not say how much.
        transfer_reversed: Option<i64>,
        /// Of a refund: what the platform has given back of its fee in all, where Stripe says.
        fee_refunded: Option<i64>,
    },
    /// Stripe did nothing. A refund then ends; a transfer or its reversal is tried again later.
    Refused {
        /// Stripe's code.
        code: String,
    },
}
