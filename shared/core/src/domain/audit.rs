//! The audit log: what staff and operators did to whom.
//!
//! An entry contains ids, roles, terms, amounts and reasons, but no addresses, so that an erased person is not in it.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::course::TakenDown;
use super::ids::{CourseId, PurchaseId, SubscriptionId, UserId};
use super::money::{FeePercent, Price};
use super::user::{SellerTerms, Suspension};
use crate::base::entropy::Entropy;

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Actor {
    /// A staff member.
    Staff {
        /// Which one.
        id: UserId,
    },
    /// Whoever runs the operator's commands.
    Operator,
}

/// What was done. `None` in `from` and `to` means that there was nothing, or nothing any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Deed {
    /// The seller role was given or taken.
    SellerRole {
        /// Whether the user was a seller.
        from: bool,
        /// Whether the user is one now.
        to: bool,
        /// What the user was told, if staff accepted an application with a note.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// The staff role was given or taken.
    StaffRole {
        /// Whether the user was staff.
        from: bool,
        /// Whether the user is now.
        to: bool,
    },
    /// A seller's terms were changed.
    Terms {
        /// The earlier terms.
        from: Option<SellerTerms>,
        /// The new ones.
        to: Option<SellerTerms>,
    },
    /// The user was suspended, or is no longer.
    Suspension {
        /// The earlier suspension.
        from: Option<Suspension>,
        /// The new one.
        to: Option<Suspension>,
    },
    /// The user's application to sell was declined.
    ApplicationDeclined {
        /// What the user was told.
        note: String,
    },
    /// All sessions of the user were ended.
    SessionsEnded,
    /// The user's second factor was switched off.
    SecondFactorOff,
    /// Text and links of the seller's page were removed.
    PageCleared,
    /// A course was taken down or restored.
    CourseTakenDown {
        /// Which course.
        course_id: CourseId,
        /// The earlier takedown.
        from: Option<TakenDown>,
        /// The new one.
        to: Option<TakenDown>,
    },
    /// The platform's fee on a course was changed.
    CourseFee {
        /// Which course.
        course_id: CourseId,
        /// The earlier percentage.
        from: FeePercent,
        /// The new one.
        to: FeePercent,
    },
    /// A refund was asked for. It is written before Stripe is asked; if Stripe refuses, `RefundRefused` follows.
    Refund {
        /// Which purchase.
        purchase_id: PurchaseId,
        /// The refund's number in the purchase.
        refund: u32,
        /// How much.
        amount: Price,
        /// Whether the platform pays before the payees have returned their parts.
        platform_pays: bool,
    },
    /// The platform pays a refund that was waiting for its payees.
    RefundBorne {
        /// Which purchase.
        purchase_id: PurchaseId,
        /// The refund's number in the purchase.
        refund: u32,
        /// How much.
        amount: Price,
    },
    /// Stripe refused a refund that staff had asked for, or that the platform was to pay.
    RefundRefused {
        /// Which purchase.
        purchase_id: PurchaseId,
        /// The refund's number in the purchase.
        refund: u32,
        /// How much.
        amount: Price,
        /// Stripe's code.
        code: String,
    },
    /// A refund for a period was asked for. It is written before Stripe is asked; if Stripe refuses, `MembershipRefundRefused` follows.
    MembershipRefund {
        /// Which subscription.
        subscription_id: SubscriptionId,
        /// The refund's number in the period.
        refund: u32,
        /// How much.
        amount: Price,
    },
    /// Evidence was given for a dispute of the seller's sale. It is written before Stripe is asked; if Stripe refuses, `DisputeEvidenceRefused` follows.
    DisputeEvidence {
        /// The dispute, `du_…`
        dispute: String,
        /// The purchase,
        purchase_id: Option<PurchaseId>,
        /// or the subscription.
        subscription_id: Option<SubscriptionId>,
        /// Whether the bank gets it; otherwise it is only staged.
        submitted: bool,
    },
    /// Stripe refused evidence.
    DisputeEvidenceRefused {
        /// The dispute, `du_…`
        dispute: String,
        /// The purchase,
        purchase_id: Option<PurchaseId>,
        /// or the subscription.
        subscription_id: Option<SubscriptionId>,
        /// Stripe's code.
        code: String,
    },
    /// Stripe refused a member's refund that staff had asked for.
    MembershipRefundRefused {
        /// Which subscription.
        subscription_id: SubscriptionId,
        /// The refund's number in the period.
        refund: u32,
        /// How much.
        amount: Price,
        /// Stripe's code.
        code: String,
    },
}

/// An entry of the audit log. It is never changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// `aud_…`
    pub id: String,
    /// When it was done.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Who did it.
    pub by: Actor,
    /// To whom: the user, the course's seller, or the seller whose sale was refunded or is disputed.
    pub user_id: UserId,
    /// What was done.
    pub deed: Deed,
}

impl Entry {
    /// A new entry.
    #[must_use]
    pub fn new(by: &Actor, user: &UserId, deed: Deed, at: OffsetDateTime, entropy: &Entropy) -> Self {
        let mut id = entropy.secret();
        id.truncate(22);
        Self { id: format!("aud_{id}"), at, by: by.clone(), user_id: user.clone(), deed: deed.without_addresses() }
    }
}

impl Deed {
    /// Staff write reasons, which may name somebody's address.
    fn without_addresses(mut self) -> Self {
        match &mut self {
            Self::Suspension { from, to } => {
                [from, to].into_iter().flatten().for_each(|one| one.reason = without_addresses(&one.reason));
            }
            Self::CourseTakenDown { from, to, .. } => {
                [from, to].into_iter().flatten().for_each(|one| one.reason = without_addresses(&one.reason));
            }
            Self::ApplicationDeclined { note } | Self::SellerRole { note: Some(note), .. } => *note = without_addresses(note),
            Self::SellerRole { note: None, .. }
            | Self::StaffRole { .. }
            | Self::Terms { .. }
            | Self::SessionsEnded
            | Self::SecondFactorOff
            | Self::PageCleared
            | Self::CourseFee { .. }
            | Self::Refund { .. }
            | Self::RefundBorne { .. }
            | Self::RefundRefused { .. }
            | Self::DisputeEvidence { .. }
            | Self::DisputeEvidenceRefused { .. }
            | Self::MembershipRefund { .. }
            | Self::MembershipRefundRefused { .. } => {}
        }
        self
    }
}

/// Text with each word that could be an e-mail address replaced.
fn without_addresses(text: &str) -> String {
    let word = |word| if str::contains(word, ['@', '\u{ff20}', '\u{fe6b}']) { "[address]" } else { word };
    text.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_keep_their_words_but_no_address() {
        assert_eq!(without_addresses("Sells what is not theirs"), "Sells what is not theirs");
        assert_eq!(without_addresses("says <mallory@example.com>, twice"), "says [address] twice");
        assert_eq!(without_addresses("mallory＠example.com"), "[address]");
    }
}
