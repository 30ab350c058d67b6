//! Decides which money moves after disputes and failed refunds. The decision depends only on what Stripe says, so it does
//! not matter who notices first, or how often. Stripe takes a lost dispute of a destination charge from
//! the platform and does not reverse the transfer itself. <https://docs.stripe.com/connect/disputes>

use time::OffsetDateTime;
use url::form_urlencoded::{Serializer, parse};

use super::moves::{Move, MoveCause, MoveOutcome, MoveState};
use super::payment::{AskedState, Dispute, Payment, Refund, Reversal};
use super::subscription::{News, Subscription};
use crate::domain::charging::{ChargeType, PLATFORM};
use crate::domain::money::Settled;
use crate::domain::purchase::{DisputeStatus, MovementRequest, share};

#[cfg(test)]
mod tests;

impl Payment {
    /// The seller's part of `amount`, out of what was not returned to the member: all they have, or a proportional part.
    fn sellers_part(&self, charge_type: ChargeType, amount: i64) -> i64 {
        let (paid, theirs) = (self.amount - self.refunded() - self.taken_for_lost(), self.net_with_planned(charge_type));
        if amount >= paid {
            theirs.clamp(0, amount.max(0))
        } else {
            (amount - share((paid - theirs).max(0), amount, paid)).clamp(0, theirs.max(0))
        }
    }

    /// What lost disputes took for which the seller has already returned their part.
    fn taken_for_lost(&self) -> i64 {
        let is_taken = |dispute: &&Dispute| self.moves.iter().any(|one| one.cause == MoveCause::LostDispute(dispute.id.clone()));
        self.disputes.iter().filter(|dispute| dispute.is_lost()).filter(is_taken).map(|dispute| dispute.amount).sum()
    }

    /// What the seller's account will have gained once the planned moves are made.
    fn net_with_planned(&self, charge_type: ChargeType) -> i64 {
        let planned = self.moves.iter().filter(|one| one.state.is_planned());
        self.net(charge_type) + planned.map(|one| if one.gives_back() { -one.amount } else { one.amount }).sum::<i64>()
    }

    /// What the seller should have, given what the member got back. A refund made in the
    /// Dashboard decides there whether the seller's part is reversed.
    fn sellers_due(&self) -> i64 {
        let is_ours = |refund: &Refund| self.asked.iter().any(|asked| asked.state == AskedState::Made(refund.id.clone()));
        let elsewhere = self.refunds.iter().filter(|refund| !refund.failed && !is_ours(refund));
        let left_to_seller: i64 = elsewhere.map(|refund| refund.amount - self.reversed_with(refund)).sum();
        let gone = (self.refunded() + self.taken_for_lost()).min(self.amount);
        self.amount - gone - (self.application_fee - share(self.application_fee, gone, self.amount)) + left_to_seller
    }

    /// What can still be reversed of a move's transfer, in the subscription's currency and in its own.
    fn left_of(&self, given: &Move) -> (i64, i64) {
        let taken = self.moves.iter().filter(|one| one.of == Some(given.number) && !one.state.is_given_up());
        taken.fold((given.amount, given.settled.amount), |left, one| (left.0 - one.amount, left.1 - one.settled.amount))
    }

    /// The move with the most money that can still be reversed from the seller: its number and what is left of it.
    fn best_given(&self) -> Option<(u32, (i64, i64))> {
        let given = self.moves.iter().filter(|one| !one.gives_back() && one.state.is_done());
        given.map(|one| (one.number, self.left_of(one))).filter(|(_, left)| left.0 > 0 && left.1 > 0).max_by_key(|(_, left)| left.0)
    }

    /// What was reversed of the charge's own transfer or is planned to be, in the charge's currency and in the transfer's.
    fn reversed(&self) -> (i64, i64) {
        let refunds = self.refunds.iter().map(|refund| (self.reversed_with(refund), refund.transfer_reversed));
        let reversals = self.reversals.iter().map(|reversal| (self.charged_of(reversal), reversal.amount));
        let planned = self.moves.iter().filter(|one| one.gives_back() && one.of.is_none() && one.state.is_planned());
        let all = refunds.chain(reversals).chain(planned.map(|one| (one.amount, one.settled.amount)));
        all.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }

    /// How much of the transfer to reverse for `part`, in the transfer's currency; `part`
    /// is in the charge's. Once all parts are reversed, nothing of the transfer is left.
    fn moves_back(&self, settled: &Settled, part: i64) -> i64 {
        let (charged, taken) = self.reversed();
        (share(settled.amount, charged + part, self.amount) - taken).clamp(0, (settled.amount - taken).max(0))
    }
}

impl Subscription {
    /// Plans what follows from disputes and failed refunds and is not planned yet: what to reverse from the seller for a lost dispute
    /// (if `take_back` is the platform's policy), and what to return to them if it is won after all or a refund fails. Returns whether
    /// anything was planned or given up.
    pub fn plan(&mut self, take_back: bool, at: OffsetDateTime) -> bool {
        // Disputes of direct charges are the seller's own.
        if self.charge_type == ChargeType::Direct {
            return false;
        }
        let mut changed = false;
        for place in 0..self.payments.len() {
            for refund in self.payments[place].refunds.clone().iter().filter(|refund| refund.failed) {
                changed |= self.give_what_failed(place, refund, at);
            }
            for dispute in self.payments[place].disputes.clone() {
                changed |= match dispute.status {
                    _ if take_back && dispute.is_lost() => self.take(place, &dispute, at),
                    DisputeStatus::Won => self.give_again(place, &dispute.id, at),
                    DisputeStatus::WarningNeedsResponse
                    | DisputeStatus::WarningUnderReview
                    | DisputeStatus::WarningClosed
                    | DisputeStatus::NeedsResponse
                    | DisputeStatus::UnderReview
                    | DisputeStatus::Prevented
                    | DisputeStatus::Lost
                    | DisputeStatus::AppealNeedsResponse
                    | DisputeStatus::AppealUnderReview => false,
                };
            }
            changed |= self.take_surplus(place, at);
        }
        if changed {
            self.rests_until = None;
        }
        changed
    }

    fn take(&mut self, place: usize, dispute: &Dispute, at: OffsetDateTime) -> bool {
        let (charge_type, payment) = (self.charge_type, &self.payments[place]);
        let cause = MoveCause::LostDispute(dispute.id.clone());
        // The transfer's currency is known once the charge is booked.
        let (Some(_), Some(settled)) = (&payment.transfer, &payment.settled) else { return false };
        if payment.moves.iter().any(|one| one.cause == cause) {
            return false;
        }
        let (part, own) = (payment.sellers_part(charge_type, dispute.amount), payment.amount - payment.reversed().0);
        // A refund that failed had reversed the charge's transfer, and another transfer returned the money.
        let given = payment.best_given().filter(|(_, left)| part > own && left.0 > own);
        let (amount, moved, of) = match given {
            Some((number, left)) => {
                let amount = part.min(left.0);
                (amount, share(left.1, amount, left.0), Some(number))
            }
            None => {
                let amount = part.min(own);
                (amount, payment.moves_back(settled, amount), None)
            }
        };
        // A part worth less than one unit of the other currency: Stripe accepts no reversal of zero.
        if amount < 1 || moved < 1 {
            return false;
        }
        let settled = Settled { amount: moved, currency: settled.currency.clone() };
        self.draft(place, cause, amount, settled, of, at);
        true
    }

    /// Plans, once, to return to the seller what was reversed for a refund that the member's bank returned.
    fn give_what_failed(&mut self, place: usize, refund: &Refund, at: OffsetDateTime) -> bool {
        let (cause, payment) = (MoveCause::FailedRefund(refund.id.clone()), &self.payments[place]);
        let Some(settled) = &payment.settled else { return false };
        if payment.moves.iter().any(|one| one.cause == cause) {
            return false;
        }
        // What Stripe could not reverse with the refund was reversed on its own.
        let surplus = payment.moves.iter().find(|one| one.cause == MoveCause::Refund(refund.id.clone()));
        let (number, more) = match surplus.map(|one| (&one.state, one)) {
            // Its outcome must be found first.
            Some((MoveState::Planned, one)) if one.may_be_at_stripe() => return false,
            Some((MoveState::Planned, one)) => (Some(one.number), None),
            Some((MoveState::Done, one)) => (None, Some((one.amount, one.settled.amount))),
            Some((MoveState::GivenUp, _)) | None => (None, None),
        };
        let (more, more_moved) = more.unwrap_or_default();
        let fee = payment.fee_of(refund);
        let amount = payment.reversed_with(refund) - fee + more;
        let moved = refund.transfer_reversed - share(settled.amount, fee, payment.amount) + more_moved;
        let currency = settled.currency.clone();
        if let Some(one) = self.payments[place].moves.iter_mut().find(|one| Some(one.number) == number) {
            one.state = MoveState::GivenUp;
            self.news.push(News::MoveDone(one.number));
        }
        if amount < 1 || moved < 1 {
            return number.is_some();
        }
        let settled = Settled { amount: moved, currency };
        self.draft(place, cause, amount, settled, None, at);
        true
    }

    /// Plans to reverse what a refund could not. With a refund, Stripe only reverses the charge's
    /// own transfer, not the one that returned money after a failed refund.
    fn take_surplus(&mut self, place: usize, at: OffsetDateTime) -> bool {
        let (charge_type, payment) = (self.charge_type, &self.payments[place]);
        let made =
            |refund: &&Refund| !refund.failed && payment.asked.iter().any(|asked| asked.state == AskedState::Made(refund.id.clone()));
        // Stripe lists the newest first.
        let Some(cause) = payment.refunds.iter().find(made).map(|refund| MoveCause::Refund(refund.id.clone())) else { return false };
        let (Some(settled), Some((of, left))) = (&payment.settled, payment.best_given()) else { return false };
        if payment.moves.iter().any(|one| one.cause == cause) {
            return false;
        }
        let amount = (payment.net_with_planned(charge_type) - payment.sellers_due()).min(left.0);
        let moved = if amount > 0 { share(left.1, amount, left.0) } else { 0 };
        if moved < 1 {
            return false;
        }
        let settled = Settled { amount: moved, currency: settled.currency.clone() };
        self.draft(place, cause, amount, settled, Some(of), at);
        true
    }

    fn give_again(&mut self, place: usize, dispute: &str, at: OffsetDateTime) -> bool {
        let (taken, again) = (MoveCause::LostDispute(dispute.to_owned()), MoveCause::WonDispute(dispute.to_owned()));
        let payment = &mut self.payments[place];
        if payment.moves.iter().any(|one| one.cause == again) {
            return false;
        }
        let Some(reversal) = payment.moves.iter_mut().find(|one| one.cause == taken) else { return false };
        match reversal.state {
            // Its outcome must be found first.
            MoveState::Planned if reversal.may_be_at_stripe() => false,
            MoveState::Planned => {
                reversal.state = MoveState::GivenUp;
                let number = reversal.number;
                self.news.push(News::MoveDone(number));
                true
            }
            MoveState::Done => {
                let (amount, settled) = (reversal.amount, reversal.settled.clone());
                self.draft(place, again, amount, settled, None, at);
                true
            }
            MoveState::GivenUp => false,
        }
    }

    fn draft(&mut self, place: usize, cause: MoveCause, amount: i64, settled: Settled, of: Option<u32>, at: OffsetDateTime) {
        let number = self.moves().map(|one| one.number).max().unwrap_or(0) + 1;
        let state = MoveState::Planned;
        self.payments[place].moves.push(Move {
            number,
            cause,
            amount,
            settled,
            of,
            tries: 0,
            planned_at: at,
            state,
            stripe_id: None,
            failure: None,
        });
        self.updated_at = at;
    }

    /// All moves.
    pub fn moves(&self) -> impl Iterator<Item = &Move> {
        self.payments.iter().flat_map(|payment| &payment.moves)
    }

    /// The move with a number.
    #[must_use]
    pub fn find_move(&self, number: u32) -> Option<&Move> {
        self.moves().find(|one| one.number == number)
    }

    fn move_mut(&mut self, number: u32) -> Option<&mut Move> {
        self.payments.iter_mut().flat_map(|payment| &mut payment.moves).find(|one| one.number == number)
    }

    /// The request for a planned move, always identical.
    #[must_use]
    pub fn move_request(&self, number: u32) -> Option<MovementRequest> {
        let payment = self.payments.iter().find(|payment| payment.moves.iter().any(|one| one.number == number))?;
        let planned = self.find_move(number).filter(|one| one.state.is_planned())?;
        let mut form = Serializer::new(String::new());
        form.append_pair("amount", &planned.settled.amount.to_string());
        let (path, kind) = if planned.gives_back() {
            let transfer = match planned.of {
                Some(number) => self.find_move(number)?.stripe_id.as_ref()?,
                None => payment.transfer.as_ref()?,
            };
            (format!("/transfers/{transfer}/reversals"), "reversal")
        } else {
            form.append_pair("currency", &planned.settled.currency)
                .append_pair("destination", &self.seller_account)
                .append_pair("transfer_group", self.id.as_str());
            ("/transfers".to_owned(), "transfer")
        };
        form.append_pair("metadata[movement]", &number.to_string()).append_pair("metadata[subscription_id]", self.id.as_str());
        if let Some(stack_id) = self.stack_id() {
            form.append_pair("metadata[stack_id]", &stack_id);
        }
        let key = format!("{PLATFORM}:{}:{kind}:{number}:{}", self.id, planned.tries);
        Some(MovementRequest { path, body: form.finish(), key, account: None })
    }

    /// Records what Stripe says about a move. A later refusal does not undo a move that was made. Returns whether anything was new.
    pub fn observe_move(&mut self, number: u32, outcome: &MoveOutcome, at: OffsetDateTime) -> bool {
        let Some(one) = self.move_mut(number).filter(|one| one.state.is_planned()) else { return false };
        match outcome {
            MoveOutcome::Made(id) => {
                (one.state, one.stripe_id, one.failure) = (MoveState::Done, Some(id.clone()), None);
                let (gives_back, amount, was_refused) = (one.gives_back() && one.of.is_none(), one.settled.amount, one.tries > 0);
                let payment = self.payments.iter_mut().find(|payment| payment.moves.iter().any(|one| one.number == number));
                if let Some(payment) = payment.filter(|payment| gives_back && !payment.reversals.iter().any(|known| known.id == *id)) {
                    payment.reversals.push(Reversal { id: id.clone(), amount, number: Some(number) });
                }
                if was_refused {
                    self.news.push(News::MoveDone(number));
                }
            }
            MoveOutcome::Refused(code) => {
                (one.failure, one.planned_at) = (Some(code.clone()), at);
                one.tries += 1;
                self.news.push(News::MoveRefused(number));
            }
        }
        self.updated_at = at;
        true
    }

    /// Records reversals that Stripe made for moves with an unknown outcome.
    pub(super) fn find_reversals(&mut self, at: OffsetDateTime) {
        let made = self.payments.iter().flat_map(|payment| {
            let number = |reversal: &Reversal| {
                let number = reversal.number?;
                let one = payment.moves.iter().find(|one| one.number == number)?;
                // Others can write metadata, so the amount must match too.
                let is_it = one.gives_back() && one.of.is_none() && one.state.is_planned() && one.settled.amount == reversal.amount;
                is_it.then(|| (number, reversal.id.clone()))
            };
            payment.reversals.iter().filter_map(number).collect::<Vec<_>>()
        });
        for (number, id) in made.collect::<Vec<_>>() {
            self.observe_move(number, &MoveOutcome::Made(id), at);
        }
    }

    /// Prepares a move that Stripe refused for another try under a new key. Returns whether there was one.
    pub fn try_again(&mut self, number: u32, at: OffsetDateTime) -> bool {
        let refused = |one: &&mut Move| one.state.is_planned() && one.failure.is_some();
        let Some(one) = self.move_mut(number).filter(refused) else { return false };
        (one.failure, one.planned_at) = (None, at);
        self.updated_at = at;
        true
    }

    /// The payments, `pi_…`, with disputes that have been silent for so long that Stripe should be asked.
    #[must_use]
    pub fn silent_payments(&self, now: OffsetDateTime) -> Vec<String> {
        let is_direct = self.charge_type == ChargeType::Direct;
        let silent = self.payments.iter().filter(|payment| payment.asks_at(is_direct).is_some_and(|at| at <= now));
        silent.filter_map(|payment| payment.payment_intent.clone()).collect()
    }

    /// Records that Stripe was asked about a payment's disputes.
    pub fn asked_about(&mut self, payment_intent: &str, now: OffsetDateTime) {
        let payment = self.payments.iter_mut().find(|payment| payment.payment_intent.as_deref() == Some(payment_intent));
        for dispute in payment.into_iter().flat_map(|payment| &mut payment.disputes) {
            dispute.asked_at = Some(now);
        }
    }

    /// When moves and disputes need attention without an event; `None` if none are open.
    pub(super) fn money_due_at(&self) -> Option<OffsetDateTime> {
        let is_direct = self.charge_type == ChargeType::Direct;
        self.moves().filter_map(Move::due_at).chain(self.payments.iter().filter_map(|payment| payment.asks_at(is_direct))).min()
    }

    /// The deployment that created it; `None` if it is older than deployment ids.
    #[must_use]
    pub fn stack_id(&self) -> Option<String> {
        let mut fields = parse(self.body.as_bytes());
        fields.find(|(name, _)| name == "metadata[stack_id]").map(|(_, value)| value.into_owned())
    }

    /// Whether the deployment with this id sells it. A copied table contains
    /// other deployments' subscriptions, whose money must not be touched.
    #[must_use]
    pub fn is_of_stack(&self, id: &str) -> bool {
        self.stack_id().is_none_or(|own| own == id)
    }
}
