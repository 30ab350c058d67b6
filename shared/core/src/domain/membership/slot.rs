//! The slot for a buyer and a seller.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::subscription::{Earlier, Status, Subscription};
use crate::domain::ids::SubscriptionId;
use crate::domain::purchase::Ownership;

/// A buyer's one subscription to a seller's membership, with everything that decides whether it gives access to the
/// seller's courses, in one read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// The subscription.
    pub subscription_id: SubscriptionId,
    /// The status.
    pub status: Status,
    /// Until when its invoices are paid.
    #[serde(with = "time::serde::rfc3339::option", default)]
    pub paid_until: Option<OffsetDateTime>,
    /// Whether a renewal is coming, so that the grace period applies.
    pub renews: bool,
    /// What earlier subscriptions still open.
    #[serde(default)]
    pub earlier: Earlier,
    /// Which of the earlier ones and this one have an undecided dispute about the payment that opens the courses.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub contested: BTreeSet<SubscriptionId>,
    /// Counts the subscription's writes.
    pub version: u64,
}

impl Slot {
    /// The slot for a subscription that is being written.
    #[must_use]
    pub fn of(subscription: &Subscription) -> Self {
        Self {
            subscription_id: subscription.id.clone(),
            status: subscription.status,
            paid_until: subscription.paid_until(),
            renews: subscription.renews(),
            earlier: subscription.earlier.clone(),
            contested: subscription.contested(),
            version: subscription.version,
        }
    }

    /// What the next subscription must know about this one and earlier ones.
    #[must_use]
    pub fn passes_on(&self, now: OffsetDateTime) -> Earlier {
        let own = self.paid_until.map(|until| (self.subscription_id.clone(), until.unix_timestamp()));
        self.earlier.clone().into_iter().chain(own).filter(|(_, until)| *until > now.unix_timestamp()).collect()
    }

    /// What the buyer owns of the seller's courses. A renewal is drafted at the end of the period and
    /// paid an hour later, or days later if the card fails. Until then the `grace` period applies.
    #[must_use]
    pub fn ownership(&self, now: OffsetDateTime, grace: Duration) -> Ownership {
        let own = self.paid_until.map(|until| if self.renews { until + grace } else { until }).map(OffsetDateTime::unix_timestamp);
        let earlier = self.earlier.iter().map(|(id, until)| (id, *until));
        let open = earlier.chain(own.map(|until| (&self.subscription_id, until))).filter(|(_, until)| *until > now.unix_timestamp());
        let each = open.map(|(id, _)| if self.contested.contains(id) { Ownership::Contested } else { Ownership::Owned });
        each.max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paid_periods_give_access_and_grace_is_for_renewals() {
        let day = |days| OffsetDateTime::UNIX_EPOCH + Duration::days(days);
        let id = |text: &str| text.parse().expect("an id");
        let slot = |paid_until: Option<i64>, renews, earlier: Option<i64>| Slot {
            subscription_id: id("mem_0000000000000000_000000000000000001"),
            status: Status::Active,
            paid_until: paid_until.map(day),
            renews,
            earlier: earlier
                .map(|until| (id("mem_0000000000000000_000000000000000000"), day(until).unix_timestamp()))
                .into_iter()
                .collect(),
            contested: BTreeSet::new(),
            version: 1,
        };
        let opens = |slot: Slot, now| slot.ownership(day(now), Duration::days(7)) == Ownership::Owned;
        assert!(opens(slot(Some(30), false, None), 29) && !opens(slot(Some(30), false, None), 30));
        assert!(opens(slot(Some(30), true, None), 36) && !opens(slot(Some(30), true, None), 37));
        assert!(!opens(slot(None, true, None), 0), "never paid");
        assert!(opens(slot(None, true, Some(5)), 4) && !opens(slot(None, true, Some(5)), 5), "no grace period once it has ended");
        let mut contested = slot(Some(30), false, Some(5));
        contested.contested.insert(contested.subscription_id.clone());
        let has = |now| contested.ownership(day(now), Duration::days(7));
        assert_eq!([has(4), has(6), has(30)], [Ownership::Owned, Ownership::Contested, Ownership::None]);
    }
}
