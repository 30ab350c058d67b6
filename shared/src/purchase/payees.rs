//! What payees give back and get again, as refunds and disputes come, fail and end.

use time::OffsetDateTime;

use super::plan::divide;
use super::{ChargeType, DisputeStatus, Movement, MovementKind, MovementState, Payee, Purchase, Reason, share};

/// Something that a payee has of a purchase and that can be taken back.
struct Held {
    payee: Payee,
    /// The transfer that it came with; none is the destination charge's own.
    of: Option<u32>,
}

impl Purchase {
    /// Takes `whole` back from the payees in proportion to what each still has, once for each reason.
    pub(super) fn take(&mut self, reason: &Reason, whole: i64, at: OffsetDateTime) {
        if self.charge_type == ChargeType::Direct || whole <= 0 || self.taken_back(reason).next().is_some() {
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

    /// Takes back what a refund that succeeded should have taken and could not: Stripe takes a refund's part out of the
    /// destination charge's own transfer only, not out of what its seller was given again after a refund had failed or a dispute was won.
    pub(super) fn take_surplus(&mut self, at: OffsetDateTime) {
        let latest = self.refunds().filter(|refund| refund.is_under_way() && refund.body.is_some()).map(|refund| refund.number).last();
        let (ChargeType::Destination, Some(latest)) = (self.charge_type, latest) else { return };
        // What a refund moves is known when it is made.
        if self.refunds().any(Movement::is_planned) {
            return;
        }
        let surplus = self.net() + self.planned_net() - self.sellers_due();
        let held = self.transfers_held();
        let parts = in_turn(surplus.max(0), &held);
        self.draft_reversals(&Reason::Refund(latest), held, &parts, at);
    }

    /// Gives payees again what was taken from them for `taken` and, to the seller, what Stripe took by itself, in one transfer each. What
    /// Stripe has not heard of is given up instead; what it may have heard of is waited for. Says whether anything was given up.
    pub(super) fn restore(&mut self, taken: &Reason, reason: &Reason, by_stripe: i64, at: OffsetDateTime) -> bool {
        let reversals: Vec<Movement> = self.taken_back(taken).cloned().collect();
        let mut back = vec![Payee { amount: by_stripe, ..self.seller() }];
        let mut given_up = false;
        for reversal in &reversals {
            let (Some(user_id), Some(account)) = (reversal.payee.clone(), reversal.payee_account.clone()) else { continue };
            let place = back.iter().position(|payee| payee.account == account).unwrap_or_else(|| {
                back.push(Payee { user_id, account, amount: 0 });
                back.len() - 1
            });
            match reversal.state {
                MovementState::Planned if !reversal.may_be_at_stripe() || self.request(reversal.number).is_none() => {
                    if let Some(one) = self.movements.iter_mut().find(|one| one.number == reversal.number) {
                        one.state = MovementState::Failed;
                        given_up = true;
                    }
                }
                MovementState::Done => back[place].amount += reversal.amount,
                _ => {}
            }
        }
        for payee in back.into_iter().filter(|payee| payee.amount > 0) {
            let is_theirs = |one: &Movement| one.payee_account.as_deref() == Some(payee.account.as_str());
            let is_given = self.movements.iter().any(|one| one.reason == *reason && is_theirs(one));
            if !is_given && !self.taken_back(taken).any(|reversal| reversal.is_planned() && is_theirs(reversal)) {
                self.draft_transfer(reason.clone(), payee, None, at);
            }
        }
        given_up
    }

    /// What payees have of `amount` of what neither the buyer nor the bank has got back: all of theirs, or a part in proportion.
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

    /// What the seller should have of a destination charge, by what the buyer has paid and neither got back nor won from the bank.
    fn sellers_due(&self) -> i64 {
        // Who refunds at Stripe, past the platform, decides there whether the seller gives their part.
        let elsewhere = self.refunds().filter(|refund| refund.is_under_way() && refund.body.is_none());
        let left_to_seller: i64 = elsewhere.map(|refund| refund.amount - refund.transfer_reversed).sum();
        let gone = (self.refunded() + self.taken_for_lost_disputes()).min(self.amount);
        self.amount - gone - (self.application_fee - share(self.application_fee, gone, self.amount)) + left_to_seller
    }

    /// What banks took back for good, and payees gave their part of.
    fn taken_for_lost_disputes(&self) -> i64 {
        let lost = self.disputes.iter().filter(|dispute| dispute.status == DisputeStatus::Lost);
        let taken = lost.filter(|dispute| self.taken_back(&Reason::LostDispute(dispute.id.clone())).next().is_some());
        taken.map(|dispute| dispute.amount).sum()
    }

    /// What planned transfers and reversals will add to the seller's part.
    fn planned_net(&self) -> i64 {
        let planned = self.movements.iter().filter(|movement| movement.is_planned());
        let theirs = planned.filter(|movement| movement.payee_account.as_deref() == Some(self.seller_account.as_str()));
        theirs
            .map(|movement| match movement.kind {
                MovementKind::Transfer => movement.amount,
                MovementKind::Reversal => -movement.amount,
                MovementKind::Refund => 0,
            })
            .sum()
    }

    /// What payees have by transfers of ours, made or planned: a reversal of a planned one waits for it.
    fn transfers_held(&self) -> Vec<Held> {
        let transfers = self.movements.iter().filter(|one| one.kind == MovementKind::Transfer && one.state != MovementState::Failed);
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

    fn seller(&self) -> Payee {
        Payee { user_id: self.seller_id.clone(), account: self.seller_account.clone(), amount: 0 }
    }
}

/// Takes `whole` from the first, what is left from the next, and so on.
fn in_turn(mut whole: i64, held: &[Held]) -> Vec<i64> {
    held.iter()
        .map(|one| {
            let part = one.payee.amount.clamp(0, whole);
            whole -= part;
            part
        })
        .collect()
}
