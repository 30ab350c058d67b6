//! Disputes. <https://docs.stripe.com/disputes/how-disputes-work>

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::domain::money::Settled;

/// A dispute of the purchase's charge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispute {
    /// `dp_…` or `du_…`
    pub id: String,
    /// The disputed amount, in the minor unit.
    pub amount: i64,
    /// The current state.
    pub status: DisputeStatus,
    /// The bank's reason: `fraudulent`, `product_not_received`, …
    #[serde(default)]
    pub reason: String,
    /// When we learned of it.
    #[serde(with = "time::serde::rfc3339")]
    pub opened_at: OffsetDateTime,
    /// The last moment to answer it, if the bank takes an answer. <https://docs.stripe.com/api/disputes/object#dispute_object-evidence_details-due_by>
    #[serde(with = "time::serde::rfc3339::option", default, skip_serializing_if = "Option::is_none")]
    pub due_by: Option<OffsetDateTime>,
    /// When it had this status, by Stripe's clock, if known.
    #[serde(with = "time::serde::rfc3339::option", default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<OffsetDateTime>,
    /// What it has moved on the charged account's balance so far.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moves: Vec<DisputeMove>,
    /// When Stripe was last asked about it.
    #[serde(with = "time::serde::rfc3339::option", default, skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<OffsetDateTime>,
}

/// One balance transaction of a dispute: a withdrawal or a reinstatement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisputeMove {
    /// `txn_…`
    pub id: String,
    /// Negative if money left the balance. In the charge's settlement currency.
    pub moved: Settled,
    /// Stripe's fee for it, in the same currency.
    #[serde(default)]
    pub fee: i64,
}

/// A dispute as Stripe reports it.
#[derive(Clone, Copy, Debug)]
pub struct SeenDispute<'a> {
    /// `dp_…`
    pub id: &'a str,
    /// In the minor unit.
    pub amount: i64,
    /// The current state.
    pub status: DisputeStatus,
    /// The bank's reason.
    pub reason: &'a str,
    /// When it had this status.
    pub as_of: OffsetDateTime,
    /// The last moment to answer it, if the bank takes an answer.
    pub due_by: Option<OffsetDateTime>,
    /// Its balance transactions, as far as Stripe reported them.
    pub moves: &'a [DisputeMove],
}

/// How long to wait for events about an open dispute before asking Stripe. Banks take weeks.
const SILENCE: Duration = Duration::days(7);

impl Dispute {
    /// When to ask Stripe about it if no event arrives; `None` once it has ended.
    pub(super) fn due_at(&self) -> Option<OffsetDateTime> {
        self.status.is_open().then(|| self.asked_at.unwrap_or(self.opened_at) + SILENCE)
    }

    /// Whether the bank holds the money at the moment.
    #[must_use]
    pub fn has_withdrawn(&self) -> bool {
        self.status.has_withdrawn_with(self.moved())
    }

    /// Whether the bank has decided, for now, that the buyer gets the money.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.status.is_lost_with(self.moved())
    }

    /// The sum of its balance transactions.
    fn moved(&self) -> i64 {
        self.moves.iter().map(|one| one.moved.amount).sum()
    }

    /// Takes in the status at a given time. Returns whether anything was new.
    ///
    /// Events arrive out of order, so the status further down the list wins. The exception: a lost dispute can be appealed and lost
    /// again, so between those statuses the later time wins.
    pub(super) fn learn(&mut self, seen: &SeenDispute<'_>) -> bool {
        let (status, as_of) = (seen.status, seen.as_of);
        let ends_appeal = |one: DisputeStatus| one >= DisputeStatus::Lost && one < DisputeStatus::Won;
        let in_turn = ends_appeal(self.status) && ends_appeal(status) && self.status != status;
        let is_later = if in_turn { self.as_of.is_none_or(|known| known < as_of) } else { self.status < status };
        // The bank may allow more time.
        let is_newer = self.status == status && self.as_of.is_none_or(|known| known < as_of);
        let is_due_otherwise = is_newer && self.due_by != seen.due_by;
        if is_later || is_due_otherwise {
            (self.status, self.as_of, self.due_by) = (status, Some(as_of), seen.due_by);
        }
        let known = self.moves.len();
        for one in seen.moves {
            if !self.moves.iter().any(|move_known| move_known.id == one.id) {
                self.moves.push(one.clone());
            }
        }
        is_later || is_due_otherwise || self.moves.len() > known
    }
}

/// Stripe's statuses of a dispute. <https://docs.stripe.com/api/disputes/object#dispute_object-status>
///
/// They arrive in any order; the one further down this list wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisputeStatus {
    /// An inquiry: no money has moved.
    WarningNeedsResponse,
    /// The bank reviews the answer to an inquiry.
    WarningUnderReview,
    /// An inquiry that ended without a dispute.
    WarningClosed,
    /// The money has been withdrawn, and evidence can be submitted.
    NeedsResponse,
    /// The bank reviews the evidence.
    UnderReview,
    /// Stopped before it became a dispute, by a rule of the card network or because the money was refunded in time.
    Prevented,
    /// The bank kept the money.
    Lost,
    /// A lost dispute for which an appeal can be filed or completed.
    AppealNeedsResponse,
    /// The bank reviews the appeal. The money stays withdrawn.
    AppealUnderReview,
    /// The money came back. A lost dispute can still be won.
    Won,
}

impl DisputeStatus {
    /// Whether it is still undecided.
    #[must_use]
    pub fn is_open(self) -> bool {
        match self {
            Self::WarningNeedsResponse | Self::WarningUnderReview | Self::NeedsResponse | Self::UnderReview => true,
            Self::AppealNeedsResponse | Self::AppealUnderReview => true,
            Self::WarningClosed | Self::Prevented | Self::Lost | Self::Won => false,
        }
    }

    /// How it ended, for the metric; `None` while it is open.
    #[must_use]
    pub fn outcome(self) -> Option<&'static str> {
        match self {
            Self::Won => Some("won"),
            Self::Lost => Some("lost"),
            Self::Prevented => Some("prevented"),
            Self::WarningClosed => Some("warning_closed"),
            Self::WarningNeedsResponse | Self::WarningUnderReview | Self::NeedsResponse | Self::UnderReview => None,
            Self::AppealNeedsResponse | Self::AppealUnderReview => None,
        }
    }

    /// Whether the bank waits for an answer: evidence, or an appeal.
    #[must_use]
    pub fn needs_answer(self) -> bool {
        match self {
            Self::WarningNeedsResponse | Self::NeedsResponse | Self::AppealNeedsResponse => true,
            Self::WarningUnderReview | Self::WarningClosed | Self::UnderReview | Self::Prevented => false,
            Self::Lost | Self::AppealUnderReview | Self::Won => false,
        }
    }

    /// Whether it is an inquiry, for which no money has moved.
    #[must_use]
    pub fn is_inquiry(self) -> bool {
        match self {
            Self::WarningNeedsResponse | Self::WarningUnderReview | Self::WarningClosed => true,
            Self::NeedsResponse | Self::UnderReview | Self::Prevented | Self::Lost => false,
            Self::AppealNeedsResponse | Self::AppealUnderReview | Self::Won => false,
        }
    }

    /// Whether a lost dispute is being appealed.
    #[must_use]
    pub fn is_appeal(self) -> bool {
        match self {
            Self::AppealNeedsResponse | Self::AppealUnderReview => true,
            Self::WarningNeedsResponse | Self::WarningUnderReview | Self::WarningClosed | Self::NeedsResponse => false,
            Self::UnderReview | Self::Prevented | Self::Lost | Self::Won => false,
        }
    }

    /// Whether the bank holds the money in this status, where all of the dispute's balance transactions sum to `moved`, negative where money
    /// left. Only they show whether a prevented dispute took money.
    #[must_use]
    pub fn has_withdrawn_with(self, moved: i64) -> bool {
        match self {
            Self::Prevented => moved < 0,
            Self::NeedsResponse | Self::UnderReview | Self::Lost | Self::AppealNeedsResponse | Self::AppealUnderReview => true,
            Self::WarningNeedsResponse | Self::WarningUnderReview | Self::WarningClosed | Self::Won => false,
        }
    }

    /// Whether the bank has decided, for now, that the buyer gets the money; `moved` as in [`Self::has_withdrawn_with`].
    #[must_use]
    pub fn is_lost_with(self, moved: i64) -> bool {
        match self {
            Self::Prevented => moved < 0,
            Self::Lost | Self::AppealNeedsResponse | Self::AppealUnderReview => true,
            Self::WarningNeedsResponse | Self::WarningUnderReview | Self::WarningClosed => false,
            Self::NeedsResponse | Self::UnderReview | Self::Won => false,
        }
    }

    /// Whether the money was withdrawn at some point on the way to this status.
    #[must_use]
    pub fn withdrew(self) -> bool {
        self.has_withdrawn_with(0) || self.is_won()
    }

    /// Whether the bank has returned the money.
    #[must_use]
    pub fn is_won(self) -> bool {
        match self {
            Self::Won => true,
            Self::WarningNeedsResponse | Self::WarningUnderReview | Self::WarningClosed | Self::NeedsResponse => false,
            Self::UnderReview | Self::Prevented | Self::Lost | Self::AppealNeedsResponse | Self::AppealUnderReview => false,
        }
    }
}
