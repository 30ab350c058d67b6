//! What a purchase adds up to, in the minor unit of its currency.

use serde::{Deserialize, Serialize};

use super::{ChargeType, Movement, MovementKind, MovementState, Purchase, Reason};

/// The share `part / whole` of an amount, rounded half up: so Stripe divides fees among partial refunds. Shares of a
/// growing part add up to the amount when the part is the whole.
#[must_use]
pub fn share(amount: i64, part: i64, whole: i64) -> i64 {
    if whole == 0 { 0 } else { (2 * amount * part + whole) / (2 * whole) }
}

/// What a sale adds to its seller's totals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    /// How many sales.
    pub sales: i64,
    /// What buyers paid.
    pub gross: i64,
    /// What the platform kept of it.
    pub application_fee: i64,
    /// What went back to buyers.
    pub refunded: i64,
    /// What banks hold or took back.
    pub disputed: i64,
    /// What the seller's Stripe account gained.
    pub net: i64,
    /// Stripe's own fees, as far as they are known.
    pub stripe_fee: i64,
}

impl Sums {
    /// What has to be added to `other` to get this.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self {
            sales: self.sales - other.sales,
            gross: self.gross - other.gross,
            application_fee: self.application_fee - other.application_fee,
            refunded: self.refunded - other.refunded,
            disputed: self.disputed - other.disputed,
            net: self.net - other.net,
            stripe_fee: self.stripe_fee - other.stripe_fee,
        }
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        other.minus(Self::default().minus(self))
    }
}

impl Purchase {
    /// What went back to the buyer, or is on its way.
    #[must_use]
    pub fn refunded(&self) -> i64 {
        let (mut live, mut failed) = (0, 0);
        for refund in self.refunds() {
            match refund.state {
                MovementState::Pending | MovementState::Done => live += refund.amount,
                // One that Stripe refused never was in its charge's sum.
                MovementState::Failed if refund.stripe_id.is_some() => failed += refund.amount,
                MovementState::Failed | MovementState::Planned => {}
            }
        }
        live.max(self.refunded_heard - failed).min(self.amount)
    }

    /// What can still be given back: less what is given back, and what was asked to be and has not ended.
    #[must_use]
    pub fn refundable(&self) -> i64 {
        let asked: i64 = self.refunds().filter(|refund| refund.is_planned()).map(|refund| refund.amount).sum();
        // What was given back elsewhere meanwhile leaves less than was asked: Stripe then refuses it.
        (self.amount - self.refunded() - asked).max(0)
    }

    /// What banks hold or took back of it.
    #[must_use]
    pub fn disputed(&self) -> i64 {
        self.disputes.iter().filter(|dispute| dispute.status.has_withdrawn()).map(|dispute| dispute.amount).sum()
    }

    /// What the platform gave back of its fee: what Stripe last said and, of what was given back since, its part.
    #[must_use]
    pub fn fee_refunded(&self) -> i64 {
        let made = self.refunded_with_fee();
        let seen = self.fee_seen;
        if made <= seen.refunded {
            return seen.fee;
        }
        let fee = self.application_fee;
        // With a refund that the bank sent back, more than the amount may have been given back; of the fee never more than there is.
        (seen.fee + share(fee, made, self.amount) - share(fee, seen.refunded, self.amount)).min(fee)
    }

    /// What was given back with its part of the fee. The fee stays given back where the bank sent the refund back, except where the
    /// platform keeps it by itself.
    pub(super) fn refunded_with_fee(&self) -> i64 {
        let keeps = self.charge_type == ChargeType::Separate;
        let made = self.refunds().filter(|refund| refund.stripe_id.is_some() && refund.body.is_some());
        made.filter(|refund| !(keeps && refund.state == MovementState::Failed)).map(|refund| refund.amount).sum()
    }

    /// What the seller's Stripe account has gained by the sale, before Stripe's own fee.
    #[must_use]
    pub fn net(&self) -> i64 {
        if self.paid_attempt().is_none() {
            return 0;
        }
        let theirs = |movement: &&Movement| movement.payee_account.as_deref() == Some(self.seller_account.as_str());
        let done = |kind: MovementKind| -> i64 {
            let all = self.movements.iter().filter(|movement| movement.kind == kind && movement.state == MovementState::Done);
            all.filter(theirs).map(|movement| movement.amount).sum()
        };
        let moved = done(MovementKind::Transfer) - done(MovementKind::Reversal);
        match self.charge_type {
            ChargeType::Direct => self.amount - self.application_fee - self.refunded() + self.fee_refunded() - self.disputed(),
            ChargeType::Destination => {
                let reversed: i64 = self.refunds().map(|refund| refund.transfer_reversed).sum();
                self.amount - self.application_fee - reversed + self.fee_refunded() + moved
            }
            ChargeType::Separate => moved,
        }
    }

    /// What it adds to its seller's totals.
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
            stripe_fee: self.stripe_fee().unwrap_or(0),
        }
    }

    /// What the totals lack of it; taken as written.
    pub fn count(&mut self) -> Sums {
        let sums = self.sums();
        sums.minus(std::mem::replace(&mut self.counted, sums))
    }

    /// Stripe's own fee, where it is known.
    #[must_use]
    pub fn stripe_fee(&self) -> Option<i64> {
        self.paid_attempt()?.charge.as_ref()?.stripe_fee
    }

    pub(super) fn refunds(&self) -> impl Iterator<Item = &Movement> {
        self.movements.iter().filter(|movement| movement.kind == MovementKind::Refund)
    }

    /// What a transfer's payee still has of it, with what is planned to be taken back taken off.
    pub(super) fn left_of(&self, transfer: &Movement) -> i64 {
        let taken: i64 = self
            .movements
            .iter()
            .filter(|movement| movement.kind == MovementKind::Reversal && movement.state != MovementState::Failed)
            .filter(|movement| movement.of == Some(transfer.number))
            .map(|movement| movement.amount)
            .sum();
        transfer.amount - taken
    }

    /// What is left of the transfer that Stripe made with a destination charge, with what is planned to be taken back taken off.
    pub(super) fn left_of_own_transfer(&self) -> i64 {
        let by_refunds: i64 = self.refunds().map(|refund| refund.transfer_reversed).sum();
        let reversals = self.movements.iter().filter(|one| one.kind == MovementKind::Reversal && one.state != MovementState::Failed);
        self.amount - by_refunds - reversals.filter(|reversal| reversal.of.is_none()).map(|reversal| reversal.amount).sum::<i64>()
    }

    /// What was taken back from payees for one reason.
    pub(super) fn taken_back(&self, reason: &Reason) -> impl Iterator<Item = &Movement> {
        self.movements.iter().filter(move |movement| movement.kind == MovementKind::Reversal && movement.reason == *reason)
    }
}
