//! What payees return and get back as refunds and disputes come, fail and end.

use time::OffsetDateTime;

use super::attempt::Payee;
use super::division::{divide, share};
use super::legs::Pair;
use super::movement::{Movement, MovementKind, MovementState, Reason};
use super::record::{News, Purchase};
use crate::domain::charging::ChargeType;
use crate::domain::money::Settled;

/// Money that a payee holds from a purchase and that can be reversed.
struct Held {
    payee: Payee,
    /// The number of its transfer; `None` for the destination charge's own transfer.
    of: Option<u32>,
}

impl Purchase {
    /// Reverses `whole` once for each reason: from payees in proportion to what they have, or from a seller's transfers in turn.
    pub(super) fn take(&mut self, reason: &Reason, whole: i64, at: OffsetDateTime) {
        if self.charge_type == ChargeType::Direct || whole <= 0 || self.taken_back(reason).next().is_some() {
            return;
        }
        // The currency of the charge's own transfer is not known yet.
        if self.charge_type == ChargeType::Destination && self.settled().is_none() {
            return;
        }
        let mut held = self.transfers_held();
        let parts = if self.charge_type == ChargeType::Destination {
            let amount = self.left_of_own_transfer();
            held.insert(0, Held { payee: Payee { amount, ..self.seller() }, of: None });
            in_turn(whole, &held)
        } else {
            divide(whole, &held.iter().map(|one| one.payee.amount).collect::<Vec<_>>())
        };
        self.draft_reversals(reason, held, &parts, at);
    }

    /// Reverses what a successful refund could not. With a refund, Stripe only reverses the destination charge's own
    /// transfer, not later transfers that returned money to the seller after a failed refund or a won dispute.
    pub(super) fn take_surplus(&mut self, at: OffsetDateTime) {
        let latest = self.refunds().filter(|refund| refund.is_under_way() && refund.is_ours()).map(|refund| refund.number).last();
        let (ChargeType::Destination, Some(latest)) = (self.charge_type, latest) else { return };
        // A planned refund's effect is not known until it is made.
        if self.refunds().any(Movement::is_planned) {
            return;
        }
        let surplus = self.net() + self.planned_net() - self.sellers_due(0);
        self.take_from_transfers(&Reason::Refund(latest), surplus, at);
    }

    /// What the next refund of a destination charge would leave with its seller beyond their due, because Stripe
    /// only reverses the charge's own transfer. It is in later transfers.
    pub(super) fn surplus_after(&self, amount: i64, fee_refunded: i64) -> i64 {
        let held: i64 = self.transfers_held().iter().map(|held| held.payee.amount).sum();
        if self.charge_type != ChargeType::Destination || held < 1 {
            return 0;
        }
        let by_stripe = amount.min(self.left_of_own_transfer());
        (self.net() + self.planned_net() - by_stripe + fee_refunded - self.sellers_due(amount)).clamp(0, held)
    }

    pub(super) fn take_from_transfers(&mut self, reason: &Reason, whole: i64, at: OffsetDateTime) {
        let held = self.transfers_held();
        let parts = in_turn(whole.max(0), &held);
        self.draft_reversals(reason, held, &parts, at);
    }

    /// Takes back what payees got again because a refund had failed, if Stripe made that refund after all.
    pub(super) fn take_restored(&mut self, refund: u32, at: OffsetDateTime) {
        let is_restored =
            |held: &Held| held.of.and_then(|number| self.movement(number)).is_some_and(|one| one.reason == Reason::FailedRefund(refund));
        let held: Vec<Held> = self.transfers_held().into_iter().filter(is_restored).collect();
        let parts: Vec<i64> = held.iter().map(|one| one.payee.amount).collect();
        self.draft_reversals(&Reason::Refund(refund), held, &parts, at);
    }

    /// Returns to payees, with one transfer each, what was reversed for `taken`, and to the seller also what Stripe itself reversed.
    /// Cancels reversals that Stripe has not received and waits for those it may have received; with `later`, it only cancels. Returns whether
    /// it canceled any.
    pub(super) fn restore(&mut self, taken: &Reason, reason: &Reason, by_stripe: Pair, later: bool, at: OffsetDateTime) -> bool {
        let reversals: Vec<Movement> = self.taken_back(taken).cloned().collect();
        let mut back = vec![(Payee { amount: by_stripe.charged, ..self.seller() }, by_stripe.settled)];
        let mut given_up = false;
        for reversal in &reversals {
            let (Some(user_id), Some(account)) = (reversal.payee.clone(), reversal.payee_account.clone()) else { continue };
            let place = back.iter().position(|(payee, _)| payee.account == account).unwrap_or_else(|| {
                back.push((Payee { user_id, account, amount: 0 }, 0));
                back.len() - 1
            });
            match reversal.state {
                MovementState::Planned if !reversal.may_be_at_stripe() || self.request(reversal.number).is_none() => {
                    if let Some(one) = self.movements.iter_mut().find(|one| one.number == reversal.number) {
                        let was_refused = one.tries > 0;
                        (one.state, one.body) = (MovementState::Failed, None);
                        given_up = true;
                        self.news.extend(was_refused.then_some(News::MoveDone(reversal.number)));
                    }
                }
                MovementState::Done => {
                    back[place].0.amount += reversal.amount;
                    back[place].1 += reversal.as_settled(self.currency).amount;
                }
                MovementState::Waiting | MovementState::Planned | MovementState::Pending | MovementState::Failed => {}
            }
        }
        if later {
            return given_up;
        }
        for (payee, settled) in back.into_iter().filter(|(payee, settled)| payee.amount > 0 && *settled > 0) {
            let is_theirs = |one: &Movement| one.payee_account.as_deref() == Some(payee.account.as_str());
            let is_given = self.movements.iter().any(|one| one.reason == *reason && is_theirs(one));
            if !is_given && !self.taken_back(taken).any(|reversal| reversal.is_planned() && is_theirs(reversal)) {
                let moves = Settled { amount: settled, currency: self.settled_currency() };
                self.draft_transfer(reason.clone(), payee, moves, None, at);
            }
        }
        given_up
    }

    /// The payees' part of `amount`, out of the money that neither buyer nor bank got back: all they have, or a proportional part of it.
    pub(super) fn payees_part(&self, amount: i64) -> i64 {
        let paid = self.amount - self.refunded() - self.taken_for_lost_disputes();
        let theirs = match self.charge_type {
            ChargeType::Separate => self.transfers_held().iter().map(|held| held.payee.amount).sum(),
            ChargeType::Direct | ChargeType::Destination => self.net() + self.planned_net(),
        };
        if amount >= paid {
            theirs.clamp(0, amount)
        } else {
            (amount - share((paid - theirs).max(0), amount, paid)).clamp(0, theirs.max(0))
        }
    }

    /// Whether payees of separate transfers are owed nothing any more, because banks and buyer got everything. What was
    /// reversed for a refund that then failed stays with the platform, because the banks took the money from it.
    pub(super) fn is_owed_to_banks(&self) -> bool {
        self.charge_type == ChargeType::Separate && self.lost() > 0 && self.refunded() + self.lost() >= self.amount
    }

    /// What the seller should hold of a destination charge, given what buyer and bank have received so far, and `more`
    /// for the buyer.
    fn sellers_due(&self, more: i64) -> i64 {
        // A refund made directly at Stripe decides there whether the seller's part is reversed.
        let elsewhere = self.refunds().filter(|refund| refund.is_under_way() && !refund.is_ours());
        let left_to_seller: i64 = elsewhere.map(|refund| refund.amount - self.reversed_with(refund).charged).sum();
        let gone = (self.refunded() + self.taken_for_lost_disputes() + more).min(self.amount);
        self.amount - gone - (self.application_fee - share(self.application_fee, gone, self.amount)) + left_to_seller
    }

    /// What lost disputes took for which payees have already returned their parts.
    fn taken_for_lost_disputes(&self) -> i64 {
        let lost = self.disputes.iter().filter(|dispute| dispute.is_lost());
        let taken = lost.filter(|dispute| self.taken_back(&Reason::LostDispute(dispute.id.clone())).next().is_some());
        taken.map(|dispute| dispute.amount).sum()
    }

    /// What planned transfers and reversals will add to the seller's part.
    fn planned_net(&self) -> i64 {
        let planned = self.movements.iter().filter(|movement| movement.is_planned());
        let theirs = planned.filter(|movement| movement.payee_account.as_deref() == Some(self.seller_account.as_str()));
        theirs
            .map(|movement| match movement.kind {
                MovementKind::Transfer => movement.amount - self.netted_of(movement.number).charged,
                MovementKind::Reversal => -movement.amount,
                MovementKind::Refund => 0,
            })
            .sum()
    }

    /// What payees hold from the platform's transfers, made or planned. A reversal of a planned transfer waits for it.
    fn transfers_held(&self) -> Vec<Held> {
        let transfers = self.movements.iter().filter(|one| one.kind == MovementKind::Transfer && one.state.stands());
        transfers
            .filter_map(|transfer| {
                let (user_id, account) = (transfer.payee.clone()?, transfer.payee_account.clone()?);
                Some(Held { payee: Payee { user_id, account, amount: self.left_of(transfer) }, of: Some(transfer.number) })
            })
            .collect()
    }

    fn draft_reversals(&mut self, reason: &Reason, held: Vec<Held>, parts: &[i64], at: OffsetDateTime) {
        for (Held { payee, of }, &amount) in held.into_iter().zip(parts).filter(|(_, amount)| **amount > 0) {
            self.draft_reversal(reason.clone(), Payee { amount, ..payee }, of, at);
        }
    }

    /// What Stripe itself reversed of a destination charge's transfer with a refund, less the fee refunded to the seller.
    pub(super) fn taken_by_stripe(&self, refund: &Movement) -> Pair {
        if self.charge_type != ChargeType::Destination || refund.stripe_id.is_none() {
            return Pair::default();
        }
        let reversed = self.reversed_with(refund);
        let fee = self.own_pair().settles(refund.fee_refunded);
        Pair { charged: reversed.charged - refund.fee_refunded, settled: reversed.settled - fee }
    }

    fn seller(&self) -> Payee {
        Payee { user_id: self.seller_id.clone(), account: self.seller_account.clone(), amount: 0 }
    }
}

/// Takes `whole` from the first, the remainder from the next, and so on.
fn in_turn(mut whole: i64, held: &[Held]) -> Vec<i64> {
    held.iter()
        .map(|one| {
            let part = one.payee.amount.clamp(0, whole);
            whole -= part;
            part
        })
        .collect()
}
