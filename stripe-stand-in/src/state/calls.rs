//! When each subscription needs attention next.

use std::collections::{BTreeMap, BTreeSet};

/// A subscription: its account and its id.
pub(crate) type Named = (String, String);

/// When something next happens to each subscription, and the subscriptions for which that is unknown.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    by_time: BTreeSet<(i64, Named)>,
    times: BTreeMap<Named, i64>,
    unknown: BTreeSet<Named>,
}

impl Calls {
    /// Something changed, so the time must be computed again.
    pub(crate) fn forget(&mut self, one: Named) {
        if let Some(at) = self.times.remove(&one) {
            self.by_time.remove(&(at, one.clone()));
        }
        self.unknown.insert(one);
    }

    /// Those whose time is unknown.
    pub(crate) fn take_unknown(&mut self) -> BTreeSet<Named> {
        std::mem::take(&mut self.unknown)
    }

    /// Records when something happens next.
    pub(crate) fn note(&mut self, one: Named, at: i64) {
        self.by_time.insert((at, one.clone()));
        self.times.insert(one, at);
    }

    /// Removes and returns the first that is due.
    pub(crate) fn take_due(&mut self, now: i64) -> Option<Named> {
        let first = self.by_time.first().filter(|(at, _)| *at <= now).cloned()?;
        self.by_time.remove(&first);
        self.times.remove(&first.1);
        Some(first.1)
    }
}
