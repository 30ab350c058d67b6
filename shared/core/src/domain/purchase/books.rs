//! The sums of a purchase, in the minor unit of its currency.

use super::division::share;
use super::movement::{Movement, MovementKind, MovementState, Reason};
use super::record::Purchase;
use super::sums::Sums;
use crate::domain::charging::ChargeType;
use crate::domain::money::Settled;

impl Purchase {
    /// What was refunded to the buyer, pending refunds included.
    #[must_use]
    pub fn refunded(&self) -> i64 {
        let (live, heard) = self.refunds_seen_and_heard();
        live.max(heard).min(self.amount)
    }

    /// Whether Stripe has refunded more than the refunds that are known one by one.
    pub(super) fn has_unseen_refunds(&self) -> bool {
        let (live, heard) = self.refunds_seen_and_heard();
        heard > live
    }

    /// The sum of the refunds that stand, and Stripe's total without those that failed.
    fn refunds_seen_and_heard(&self) -> (i64, i64) {
        let (mut live, mut failed) = (0, 0);
        for refund in self.refunds() {
            match refund.state {
                MovementState::Pending | MovementState::Done => live += refund.amount,
                // A refund that Stripe refused was never part of the charge's `amount_refunded`.
                MovementState::Failed if refund.stripe_id.is_some() => failed += refund.amount,
                MovementState::Failed | MovementState::Waiting | MovementState::Planned => {}
            }
        }
        (live, self.refunded_heard - failed)
    }

    /// What can still be refunded: the amount less refunds, planned refunds and lost disputes.
    #[must_use]
    pub fn refundable(&self) -> i64 {
        let asked: i64 = self.refunds().filter(|refund| refund.is_planned()).map(|refund| refund.amount).sum();
        // If a refund made elsewhere leaves less than a planned one asks for, Stripe refuses the planned one.
        (self.amount - self.refunded() - asked - self.lost()).max(0)
    }

    /// What banks hold or have taken back.
    #[must_use]
    pub fn disputed(&self) -> i64 {
        self.disputes.iter().filter(|dispute| dispute.has_withdrawn()).map(|dispute| dispute.amount).sum()
    }

    /// Whether a bank holds money and has not decided yet. Until then Stripe refuses refunds, with the code `charge_disputed`.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.disputed() > self.lost()
    }

    /// What banks took back in disputes that were lost.
    #[must_use]
    pub fn lost(&self) -> i64 {
        self.disputes.iter().filter(|dispute| dispute.is_lost()).map(|dispute| dispute.amount).sum()
    }

    /// How much of its fee the platform refunded: what Stripe last reported, plus the share of refunds made since.
    #[must_use]
    pub fn fee_refunded(&self) -> i64 {
        let made = self.refunded_with_fee();
        let seen = self.fee_seen;
        if made <= seen.refunded {
            return seen.fee;
        }
        let fee = self.application_fee;
        // If the bank returned a refund, refunds may add up to more than the amount, but the fee refunded never exceeds the fee.
        (seen.fee + share(fee, made, self.amount) - share(fee, seen.refunded, self.amount)).min(fee)
    }

    /// The sum of refunds that included their part of the fee. If the bank returns a refund, Stripe does not return the
    /// fee to the platform; with separate transfers the platform keeps the fee itself, so there the failed refund does
    /// not count.
    pub(super) fn refunded_with_fee(&self) -> i64 {
        let keeps = self.charge_type == ChargeType::Separate;
        let made = self.refunds().filter(|refund| refund.stripe_id.is_some() && refund.is_ours());
        made.filter(|refund| !keeps || refund.state.stands()).map(|refund| refund.amount).sum()
    }

    /// What the seller's Stripe account has gained from the sale, before Stripe's own fee.
    #[must_use]
    pub fn net(&self) -> i64 {
        if self.paid_attempt().is_none() {
            return 0;
        }
        let theirs = |movement: &&Movement| movement.payee_account.as_deref() == Some(self.seller_account.as_str());
        let done = |kind: MovementKind| -> i64 {
            let all = self.movements.iter().filter(|movement| movement.kind == kind && movement.state.is_done());
            all.filter(theirs)
                .map(|movement| match kind {
                    MovementKind::Transfer => movement.amount - self.netted_of(movement.number).charged,
                    MovementKind::Refund | MovementKind::Reversal if movement.netted => 0,
                    MovementKind::Refund | MovementKind::Reversal => movement.amount,
                })
                .sum()
        };
        let moved = done(MovementKind::Transfer) - done(MovementKind::Reversal);
        match self.charge_type {
            ChargeType::Direct => self.amount - self.application_fee - self.refunded() + self.fee_refunded() - self.disputed(),
            ChargeType::Destination => {
                let reversed: i64 = self.refunds().map(|refund| self.reversed_with(refund).charged).sum();
                self.amount - self.application_fee - reversed + self.fee_refunded() + moved
            }
            ChargeType::Separate => moved,
        }
    }

    /// The purchase's contribution to its seller's totals.
    #[must_use]
    pub fn sums(&self) -> Sums {
        if self.paid_attempt().is_none() {
            return Sums::default();
        }
        Sums {
            sales: 1,
            gross: self.amount,
            application_fee: self.application_fee - self.fee_refunded(),
            refunded: self.refunded(),
            disputed: self.disputed(),
            net: self.net(),
            stripe_fee: self.stripe_fee().filter(|fee| fee.currency == self.currency.code()).map_or(0, |fee| fee.amount),
        }
    }

    /// Its contribution to the totals in the settlement currency, if that is a different one.
    #[must_use]
    pub fn settled_sums(&self) -> Option<(String, Sums)> {
        let fee = self.stripe_fee().filter(|fee| fee.currency != self.currency.code())?;
        Some((fee.currency, Sums { stripe_fee: fee.amount, ..Sums::default() }))
    }

    /// The amounts still to be added to the totals, by currency. Marks them as counted.
    pub fn count(&mut self) -> Vec<(String, Sums)> {
        let sums = self.sums();
        let mut lacking = vec![(self.currency.code().to_owned(), sums.minus(std::mem::replace(&mut self.counted, sums)))];
        if let Some((currency, sums)) = self.settled_sums() {
            lacking.push((currency, sums.minus(std::mem::replace(&mut self.counted_settled, sums))));
        }
        lacking
    }

    /// Stripe's own fee, if known, in the currency in which it was taken.
    #[must_use]
    pub fn stripe_fee(&self) -> Option<Settled> {
        let amount = self.paid_attempt()?.charge.as_ref()?.stripe_fee?;
        Some(Settled { amount, currency: self.settled_currency() })
    }

    pub(super) fn refunds(&self) -> impl Iterator<Item = &Movement> {
        self.movements.iter().filter(|movement| movement.kind == MovementKind::Refund)
    }

    /// What a transfer's payee still has of it, less planned and completed reversals.
    pub(super) fn left_of(&self, transfer: &Movement) -> i64 {
        let taken: i64 = self
            .movements
            .iter()
            .filter(|movement| movement.kind == MovementKind::Reversal && movement.state.stands())
            .filter(|movement| movement.of == Some(transfer.number))
            .map(|movement| movement.amount)
            .sum();
        transfer.amount - taken
    }

    /// What is left of the transfer that Stripe made with a destination charge, less planned and completed reversals.
    pub(super) fn left_of_own_transfer(&self) -> i64 {
        let by_refunds: i64 = self.refunds().map(|refund| self.reversed_with(refund).charged).sum();
        let reversals = self.movements.iter().filter(|one| one.kind == MovementKind::Reversal && one.state.stands());
        self.amount - by_refunds - reversals.filter(|reversal| reversal.of.is_none()).map(|reversal| reversal.amount).sum::<i64>()
    }

    /// The reversals made for one reason.
    pub(super) fn taken_back(&self, reason: &Reason) -> impl Iterator<Item = &Movement> {
        self.movements.iter().filter(move |movement| movement.kind == MovementKind::Reversal && movement.reason == *reason)
    }
}
