//! Disputes. <https://docs.stripe.com/disputes/how-disputes-work>

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

/// A dispute of the purchase's charge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispute {
    /// `dp_…` or `du_…`
    pub id: String,
    /// What is disputed, in the minor unit.
    pub amount: i64,
    /// Where it stands.
    pub status: DisputeStatus,
    /// The bank's reason: `fraudulent`, `product_not_received`, …
    #[serde(default)]
    pub reason: String,
    /// When we learned of it.
    #[serde(with = "time::serde::rfc3339")]
    pub opened_at: OffsetDateTime,
    /// When Stripe was last asked how it stands.
    #[serde(with = "time::serde::rfc3339::option", default, skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<OffsetDateTime>,
}

/// How long an open dispute waits for events before Stripe is asked. Banks take weeks.
const SILENCE: Duration = Duration::days(7);

impl Dispute {
    /// When Stripe is asked how it stands, if nobody tells; none once it has ended.
    pub(super) fn due_at(&self) -> Option<OffsetDateTime> {
        self.status.is_open().then(|| self.asked_at.unwrap_or(self.opened_at) + SILENCE)
    }
}

/// Stripe's statuses of a dispute. <https://docs.stripe.com/api/disputes/object#dispute_object-status>
///
/// They are heard in any order; the later one in this list is the one that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisputeStatus {
    /// An inquiry: no money has moved.
    WarningNeedsResponse,
    /// The answer to an inquiry is looked at.
    WarningUnderReview,
    /// An inquiry that came to nothing.
    WarningClosed,
    /// The money is withdrawn; evidence can be given.
    NeedsResponse,
    /// The bank looks at the evidence.
    UnderReview,
    /// The bank took the money back.
    Lost,
    /// The money came back. A lost dispute may still be won.
    Won,
}

impl DisputeStatus {
    /// Whether it has not ended.
    #[must_use]
    pub fn is_open(self) -> bool {
        !matches!(self, Self::WarningClosed | Self::Lost | Self::Won)
    }

    /// Whether the money is withdrawn at the moment.
    #[must_use]
    pub fn has_withdrawn(self) -> bool {
        matches!(self, Self::NeedsResponse | Self::UnderReview | Self::Lost)
    }
}
