//! The slot of a buyer and a seller.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::{Status, Subscription};
use crate::ids::SubscriptionId;

/// Until when each of a buyer's earlier subscriptions to a seller is paid, in Unix seconds.
pub type Earlier = BTreeMap<SubscriptionId, i64>;

/// A buyer's one subscription to a seller's membership, with all that decides whether it opens the seller's courses: one
/// read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// The subscription.
    pub subscription_id: SubscriptionId,
    /// Where it stands.
    pub status: Status,
    /// Until when its invoices are paid.
    #[serde(with = "time::serde::rfc3339::option", default)]
    pub paid_until: Option<OffsetDateTime>,
    /// Whether a renewal is to come, for which the member may wait.
    pub renews: bool,
    /// What earlier ones still open.
    #[serde(default)]
    pub earlier: Earlier,
    /// Counts the subscription's writes.
    pub version: u64,
}

impl Slot {
    /// The slot as it stands when the subscription is written.
    #[must_use]
    pub fn of(subscription: &Subscription) -> Self {
        Self {
            subscription_id: subscription.id.clone(),
            status: subscription.status,
            paid_until: subscription.paid_until(),
            renews: subscription.renews(),
            earlier: subscription.earlier.clone(),
            version: subscription.version,
        }
    }

    /// What a subscription that follows on this one has to know of it, and of those before.
    #[must_use]
    pub fn passes_on(&self, now: OffsetDateTime) -> Earlier {
        let own = self.paid_until.map(|until| (self.subscription_id.clone(), until.unix_timestamp()));
        self.earlier.clone().into_iter().chain(own).filter(|(_, until)| *until > now.unix_timestamp()).collect()
    }

    /// Whether the seller's courses are open to the buyer. A renewal is drafted when the period is over, and is paid an hour later
    /// or, where a card fails, some days later: until then `grace` holds.
    #[must_use]
    pub fn opens(&self, now: OffsetDateTime, grace: Duration) -> bool {
        let paid_until = self.paid_until.map(|until| if self.renews { until + grace } else { until });
        paid_until.is_some_and(|until| until > now) || self.earlier.values().any(|until| *until > now.unix_timestamp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_paid_opens_and_grace_is_for_what_renews() {
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
            version: 1,
        };
        let opens = |slot: Slot, now| slot.opens(day(now), Duration::days(7));
        assert!(opens(slot(Some(30), false, None), 29) && !opens(slot(Some(30), false, None), 30));
        assert!(opens(slot(Some(30), true, None), 36) && !opens(slot(Some(30), true, None), 37));
        assert!(!opens(slot(None, true, None), 0), "never paid");
        assert!(opens(slot(None, true, Some(5)), 4) && !opens(slot(None, true, Some(5)), 5), "no grace for what has ended");
    }
}
