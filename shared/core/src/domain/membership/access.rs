//! Until when a subscription's payments open the seller's courses.

use std::collections::BTreeSet;

use time::{Duration, OffsetDateTime};

use super::payment::Payment;
use super::subscription::Subscription;
use crate::domain::ids::SubscriptionId;
use crate::domain::purchase::share;

/// What a paid invoice was worth, a charge and a credit for time that an earlier invoice paid, and what of that was not returned.
struct Worth {
    whole: i64,
    kept: i64,
}

/// An invoice, and those whose unused time is credited in it, directly or through another.
struct Chain(Vec<Payment>);

impl Chain {
    /// The chain of the newest of these invoices.
    fn of(invoices: &[Payment]) -> Self {
        let mut all: Vec<Payment> = Vec::new();
        for invoice in invoices {
            // The newest comes first, so the first that covers the beginning is the one that was switched from.
            if all.last().is_none_or(|last| last.credited > 0 && last.period_start.is_some_and(|start| invoice.covers(start))) {
                all.push(invoice.clone());
            }
        }
        Self(all)
    }

    /// What the newest is worth. A credit for an invoice that is not known counts as paid.
    fn worth(&self) -> Worth {
        let mut before = Worth { whole: 0, kept: 0 };
        for invoice in self.0.iter().rev() {
            let charged = if invoice.is_refunded() { 0 } else { invoice.amount };
            let credited = if before.whole > 0 { share(invoice.credited, before.kept, before.whole) } else { invoice.credited };
            before = Worth { whole: invoice.amount + invoice.marked + invoice.credited, kept: charged + invoice.marked + credited };
        }
        before
    }

    /// Whether nothing of what it was worth is left.
    fn is_returned(&self) -> bool {
        let worth = self.worth();
        worth.whole > 0 && worth.kept == 0
    }

    /// Whether part of it was returned.
    fn is_shortened(&self) -> bool {
        let worth = self.worth();
        worth.kept < worth.whole
    }

    /// Until when the newest is paid. If its charge, or that of an invoice that it credits, has been returned in full, by refunds or lost
    /// disputes, what is left pays for that part of the period.
    fn paid_until(&self) -> Option<OffsetDateTime> {
        let newest = self.0.first()?;
        let (end, worth) = (newest.period_end?, self.worth());
        let Some(start) = newest.period_start.filter(|_| self.is_shortened()) else { return Some(end) };
        Some(start + Duration::seconds(share((end - start).whole_seconds(), worth.kept, worth.whole)))
    }
}

impl Subscription {
    /// The newest paid invoice for a period. A switch creates a new one, and
    /// then earlier payments no longer count unless the newer one was refunded.
    pub(super) fn current(&self) -> Option<&Payment> {
        self.payments.iter().find(|payment| payment.period_end.is_some())
    }

    /// When the period that its newest paid invoice covers began.
    #[must_use]
    pub fn period_start(&self) -> Option<OffsetDateTime> {
        self.current()?.period_start
    }

    /// Until when its invoices are paid, without what was returned in full. Stripe
    /// [credits](https://docs.stripe.com/billing/subscriptions/prorations) unused time when a subscription is switched and does not take
    /// the credit back when the payment is returned later. A period of which part was returned ends no earlier than the one before it.
    #[must_use]
    pub fn paid_until(&self) -> Option<OffsetDateTime> {
        let mut until = None;
        for chain in self.open() {
            until = until.max(chain.paid_until());
            if !chain.is_shortened() {
                break;
            }
        }
        until
    }

    /// Its invoices for a period that were not returned, newest first, each with those that it credits.
    fn open(&self) -> impl Iterator<Item = Chain> {
        let invoices = Payment::invoices(&self.payments);
        let begun = (0..invoices.len()).filter_map(move |place| invoices[place].period_end.map(|_| Chain::of(&invoices[place..])));
        begun.filter(|chain| !chain.is_returned())
    }

    /// The newest invoice that opens the courses, and those that it credits.
    fn opening(&self) -> Chain {
        self.open().next().unwrap_or(Chain(Vec::new()))
    }

    /// Which of the subscriptions that open the courses, this one and earlier ones, have an undecided dispute.
    pub(super) fn contested(&self) -> BTreeSet<SubscriptionId> {
        let own = self.opening().0.iter().any(Payment::is_contested).then(|| self.id.clone());
        self.contested_earlier.iter().cloned().chain(own).collect()
    }

    /// Updates until when an earlier one is paid, which can shrink after a refund. Returns whether that changed
    /// anything.
    pub fn hear_of_earlier(&mut self, earlier: &Self) -> bool {
        let until = earlier.paid_until().filter(|until| *until > earlier.updated_at).map(OffsetDateTime::unix_timestamp);
        let before = match until {
            Some(until) => self.earlier.insert(earlier.id.clone(), until),
            None => self.earlier.remove(&earlier.id),
        };
        let is_contested = until.is_some() && earlier.contested().contains(&earlier.id);
        let was_contested =
            if is_contested { !self.contested_earlier.insert(earlier.id.clone()) } else { self.contested_earlier.remove(&earlier.id) };
        before != until || is_contested != was_contested
    }

    /// Whether a renewal is coming: not if it ends, nor if the current period was refunded.
    #[must_use]
    pub fn renews(&self) -> bool {
        let owes = self.status.is_past_due() || (self.status.runs() && !self.ending);
        owes && self.current().is_some_and(|newest| newest.period_end == self.paid_until())
    }

    /// Whether part of what paid for the time after `now` was refunded, is being refunded, or is disputed. Stripe
    /// credits unused time when a subscription is switched, even if its payment was refunded.
    /// <https://docs.stripe.com/billing/subscriptions/prorations>
    #[must_use]
    pub fn is_paid_less(&self, now: OffsetDateTime) -> bool {
        let opening = self.opening();
        let is_opening = |payment: &Payment| opening.0.iter().any(|one| one.invoice == payment.invoice);
        let mut current = self.payments.iter().filter(|one| one.period_end.is_some_and(|end| end > now) || is_opening(one));
        current.any(|payment| payment.refundable() < payment.amount || payment.disputed() > 0 || payment.is_contested())
    }
}
