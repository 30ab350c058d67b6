//! Takes in what Stripe reports about a purchase, whichever request, event or run it comes from and however often.

use time::OffsetDateTime;

use super::attempt::{ChargeFacts, Observation};
use super::dispute::{Dispute, SeenDispute};
use super::division::share;
use super::movement::{FeeSeen, Movement, MovementKind, MovementState, Outcome, Reason};
use super::record::{News, Purchase};
use super::status::{AttemptStatus, Status};
use crate::domain::charging::{CHARGE_DISPUTED, ChargeType, NEVER_MADE};
use crate::domain::money::Settled;

/// How the cause of a change begins if somebody waits for the answer.
const REQUEST: &str = "request:";

/// A refund as Stripe reports it.
#[derive(Clone, Copy, Debug)]
pub struct SeenRefund<'a> {
    /// `re_…`
    pub id: &'a str,
    /// In the minor unit.
    pub amount: i64,
    /// The current state.
    pub state: MovementState,
    /// What was reversed of the seller's transfer with it, in the transfer's currency, if Stripe reported it.
    pub transfer_reversed: Option<i64>,
    /// How much of its fee the platform has refunded in total, if Stripe reported it.
    pub fee_refunded: Option<i64>,
}

/// A reversal as Stripe reports it.
#[derive(Clone, Copy, Debug)]
pub struct SeenReversal<'a> {
    /// `trr_…`
    pub id: &'a str,
    /// In the minor unit of the transfer's currency.
    pub amount: i64,
    /// `tr_…`
    pub transfer: &'a str,
}

impl Purchase {
    /// Takes in what Stripe reports about attempt `number`. Returns whether anything changed.
    ///
    /// The first id seen of each Stripe object is kept. A status that the attempt has already passed changes nothing, and neither does
    /// the failure of an older attempt. If an older attempt was paid after all, the purchase is paid, because the money is there.
    pub fn observe(&mut self, number: u32, seen: &Observation, cause: &str, at: OffsetDateTime) -> bool {
        let first = self.paid_attempt().map(|attempt| attempt.number);
        let fee_before = self.fee_taken();
        let was_booked = self.settled().is_some();
        let Some(attempt) = self.attempts.iter_mut().find(|attempt| attempt.number == number) else { return false };
        let mut changed = false;
        for (known, heard) in [(&mut attempt.payment_intent, &seen.payment_intent), (&mut attempt.checkout_session, &seen.checkout_session)]
        {
            if known.is_none() && heard.is_some() {
                known.clone_from(heard);
                changed = true;
            }
        }
        if let Some(charge) = &seen.charge {
            if let (None, Some(amount)) = (&attempt.charge, seen.taken_otherwise) {
                self.news.push(News::OffRecord { attempt: number, amount });
            }
            changed |= ChargeFacts::learn(&mut attempt.charge, charge);
        }
        if seen.failure.is_some() && attempt.failure.is_none() && !attempt.status.is_open() && !attempt.status.is_paid() {
            // Of one that is canceled by now.
            attempt.failure.clone_from(&seen.failure);
            changed = true;
        }
        if seen.status > attempt.status {
            let was_open = attempt.status.is_open();
            attempt.status = seen.status;
            // Why it failed still counts if it is canceled afterwards.
            attempt.failure = seen.failure.clone().or(attempt.failure.take()).filter(|_| !seen.status.is_paid());
            let failure = attempt.failure.as_ref().map(|failure| failure.code.clone());
            changed = true;
            match seen.status {
                AttemptStatus::Paid if self.paid_at.is_none() => {
                    self.paid_at = Some(at);
                    self.paid_by = Some(number);
                    if let Some(sold) = &attempt.sold {
                        self.charge_type = sold.charge_type;
                        self.seller_account.clone_from(&sold.seller_account);
                        self.currency = sold.currency;
                    }
                    self.news.push(News::Paid);
                }
                // A second payment. The first one stays the sale's, whichever attempt is older.
                AttemptStatus::Paid => {
                    self.paid_by = first;
                    self.news.push(News::OffRecord { attempt: number, amount: attempt.amount });
                }
                // A failed attempt that is canceled later is reported only once.
                AttemptStatus::Failed | AttemptStatus::Canceled if was_open => {
                    self.news.push(News::NotPaid(failure.unwrap_or_else(|| Status::from(seen.status).as_str().to_owned())));
                }
                AttemptStatus::Pending | AttemptStatus::RequiresAction | AttemptStatus::Failed | AttemptStatus::Canceled => {}
            }
            self.enter(number, seen.status.into(), cause, at, None);
        }
        let newest = self.attempt();
        if seen.processing && newest.number == number && newest.status.is_open() && self.processing_since.is_none() {
            self.processing_since = Some(at);
            self.enter(number, Status::Pending, cause, at, Some("processing".to_owned()));
            changed = true;
        }
        if changed {
            self.add_up();
            if let (None, Some((asked, taken))) = (fee_before, self.fee_taken())
                && asked != taken
            {
                self.news.push(News::FeeDiffers { asked, taken });
            }
            if !was_booked && self.settled().is_some() {
                // What they cost may have been heard before.
                let refunds = self.movements.iter().filter(|one| one.kind == MovementKind::Refund);
                self.news.extend(refunds.flat_map(|refund| {
                    let cost = refund.settled.as_ref().map(|_| News::Converted(refund.number));
                    cost.into_iter().chain(refund.returned.as_ref().map(|_| News::ReturnConverted(refund.number)))
                }));
            }
            self.updated_at = at;
        }
        changed
    }

    /// The platform's fee that the paid attempt asked for, and that its charge has, once that is known. The owner of a connected account may be
    /// able to lower it while a payment waits for its buyer: [an update](https://docs.stripe.com/api/payment_intents/update) takes
    /// `application_fee_amount`, and no page says that only the platform may send it.
    fn fee_taken(&self) -> Option<(i64, i64)> {
        let paid = self.paid_attempt()?;
        paid.charge.as_ref()?.application_fee?;
        Some((paid.application_fee, paid.fee(self.charge_type)))
    }

    /// Takes in Stripe's total of refunds of the charge so far, in the minor unit. The highest total ever reported counts,
    /// less the refunds that are known to have failed.
    pub fn observe_refunded(&mut self, refunded: i64, cause: &str, at: OffsetDateTime) -> bool {
        if refunded <= self.refunded_heard || self.paid_attempt().is_none() {
            return false;
        }
        let before = self.refunded();
        self.refunded_heard = refunded.min(self.amount);
        self.add_up();
        self.updated_at = at;
        if self.refunded() != before {
            self.enter_status(cause, at, format!("{} refunded", self.refunded()));
        }
        true
    }

    /// Takes in what Stripe reports about a movement. A movement never goes back to an earlier state, except one that had failed before
    /// Stripe made it.
    pub fn observe_movement(&mut self, number: u32, outcome: &Outcome, cause: &str, at: OffsetDateTime) -> bool {
        // Whoever asked for a refund is told in the answer to their request; and a buyer who has everything from the bank is owed nothing.
        let (is_asking, is_held) = (cause.starts_with(REQUEST), self.is_held());
        let is_told = !is_asking && self.refunded() + self.lost() < self.amount;
        // Released once more, it has a new key: nobody sent it while its key lived, and Stripe has none; or a bank was found to decide first.
        let waits_again = |refund: &Movement, code: &str| match code {
            NEVER_MADE => !refund.key_lives(at),
            CHARGE_DISPUTED => is_held && !is_asking,
            _ => false,
        };
        let Some(movement) = self.movements.iter_mut().find(|movement| movement.number == number) else { return false };
        let (before, kind) = (movement.state, movement.kind);
        // It ended without an object, for example because Stripe's lists showed none, and Stripe made one after all.
        let is_late = !before.stands() && movement.stripe_id.is_none();
        let mut changed = false;
        match outcome {
            Outcome::Made { id, state, transfer_reversed, .. } => {
                if movement.stripe_id.is_none() {
                    movement.stripe_id = Some(id.clone());
                    changed = true;
                }
                if let Some(reversed) = transfer_reversed.filter(|reversed| *reversed > movement.transfer_reversed) {
                    movement.transfer_reversed = reversed;
                    changed = true;
                }
                if *state > movement.state || is_late {
                    movement.state = *state;
                    movement.failure = None;
                }
            }
            // Stripe is already known to have it, so the refusal of a repeated request means nothing.
            Outcome::Refused { .. } if !movement.state.is_planned() => {}
            Outcome::Refused { code } if kind == MovementKind::Refund && waits_again(movement, code) => {
                movement.state = MovementState::Waiting;
                movement.tries += 1;
                changed = true;
            }
            Outcome::Refused { code } => {
                movement.failure = Some(code.clone());
                movement.tries += 1;
                movement.planned_at = at;
                if kind == MovementKind::Refund {
                    movement.state = MovementState::Failed;
                    self.news.extend(is_told.then_some(News::RefundFailed(number)));
                } else {
                    self.news.push(News::MoveRefused(number));
                }
                changed = true;
            }
        }
        let (after, stripe_id, was_refused) = (movement.state, movement.stripe_id.clone(), movement.tries > 0);
        if after.is_done() || !after.stands() {
            // It will not be sent again. Dropping the body keeps the record small.
            movement.body = None;
        }
        if let Outcome::Made { fee_refunded: Some(fee), .. } = outcome {
            // Stripe's figure includes this refund. A lower figure was read before the latest refund.
            let is_new = before.is_planned() || is_late;
            if *fee > self.fee_seen.fee || (is_new && *fee == self.fee_seen.fee) {
                self.fee_seen = FeeSeen { fee: *fee, refunded: self.refunded_with_fee() };
                changed = true;
            }
        }
        changed |= after != before;
        if after != before {
            if kind == MovementKind::Refund && stripe_id.is_some() {
                if before.is_planned() || is_late {
                    self.news.push(News::Refunded(number));
                }
                if !after.stands() {
                    self.news.push(News::RefundFailed(number));
                }
            }
            if kind != MovementKind::Refund && after.is_done() && was_refused {
                self.news.push(News::MoveDone(number));
            }
            self.add_up();
            self.enter_status(cause, at, format!("{kind:?} {number} {after:?}").to_lowercase());
        }
        if changed {
            self.updated_at = at;
        }
        changed
    }

    /// Prepares a refused transfer or reversal for another try under a new key. Returns false if it is not a refused one.
    pub fn try_again(&mut self, number: u32, at: OffsetDateTime) -> bool {
        let refused = |movement: &&mut Movement| movement.number == number && movement.is_planned() && movement.failure.is_some();
        let Some(movement) = self.movements.iter_mut().find(refused) else { return false };
        movement.failure = None;
        movement.planned_at = at;
        self.updated_at = at;
        true
    }

    /// Takes in a refund made elsewhere, or a report about one requested here. `number` is the movement that its
    /// metadata names.
    pub fn observe_refund(&mut self, refund: &SeenRefund<'_>, number: Option<u32>, cause: &str, at: OffsetDateTime) -> bool {
        if self.paid_attempt().is_none() {
            return false;
        }
        let known = self.movements.iter().find(|movement| movement.stripe_id.as_deref() == Some(refund.id)).or_else(|| {
            // Others can write metadata, so the movement must have no Stripe id yet and the amounts must match.
            number.and_then(|number| self.movement(number)).filter(|movement| {
                movement.kind == MovementKind::Refund && movement.stripe_id.is_none() && movement.amount == refund.amount
            })
        });
        let number = match known {
            Some(movement) => movement.number,
            None => {
                let number = self.add_movement(Movement {
                    number: 0,
                    kind: MovementKind::Refund,
                    reason: Reason::Elsewhere,
                    amount: refund.amount,
                    account: self.charged_account().map(str::to_owned),
                    payee: None,
                    payee_account: None,
                    of: None,
                    body: None,
                    tries: 0,
                    planned_at: at,
                    state: MovementState::Planned,
                    stripe_id: Some(refund.id.to_owned()),
                    failure: None,
                    transfer_reversed: 0,
                    fee_refunded: 0,
                    settled: None,
                    returned: None,
                    borne_by: None,
                    by_staff: false,
                    netted: false,
                    client_key: None,
                });
                self.updated_at = at;
                number
            }
        };
        let outcome = Outcome::Made {
            id: refund.id.to_owned(),
            state: refund.state,
            transfer_reversed: refund.transfer_reversed,
            fee_refunded: refund.fee_refunded,
        };
        self.observe_movement(number, &outcome, cause, at)
    }

    /// Takes in a reversal of a transfer, `tr_…`. It is either our movement with this `number` or was made elsewhere.
    pub fn observe_reversal(&mut self, reversal: &SeenReversal<'_>, number: Option<u32>, cause: &str, at: OffsetDateTime) -> bool {
        if self.movements.iter().any(|movement| movement.stripe_id.as_deref() == Some(reversal.id)) {
            return false;
        }
        let outcome = Outcome::Made { id: reversal.id.to_owned(), state: MovementState::Done, transfer_reversed: None, fee_refunded: None };
        let ours = number.and_then(|number| self.movement(number)).filter(|movement| {
            movement.kind == MovementKind::Reversal
                && movement.is_planned()
                && self.pair(movement).settled == reversal.amount
                && self.reverses(movement, reversal.transfer)
        });
        if let Some(number) = ours.map(|movement| movement.number) {
            return self.observe_movement(number, &outcome, cause, at);
        }
        let transfer = self.movements.iter().find(|movement| movement.stripe_id.as_deref() == Some(reversal.transfer)).cloned();
        let is_own = || self.charge_type == ChargeType::Destination && self.own_transfer().is_none_or(|own| own == reversal.transfer);
        if transfer.is_none() && !is_own() {
            return false;
        }
        let (payee, payee_account, whole) = match &transfer {
            Some(transfer) => (transfer.payee.clone(), transfer.payee_account.clone(), self.pair(transfer)),
            None => (Some(self.seller_id.clone()), Some(self.seller_account.clone()), self.own_pair()),
        };
        let moved = Settled { amount: reversal.amount, currency: self.settled_currency() };
        let amount = share(whole.charged, reversal.amount, whole.settled);
        let number = self.add_movement(Movement {
            number: 0,
            kind: MovementKind::Reversal,
            reason: Reason::Elsewhere,
            amount,
            account: None,
            payee,
            payee_account,
            of: transfer.map(|transfer| transfer.number),
            body: None,
            tries: 0,
            planned_at: at,
            state: MovementState::Planned,
            stripe_id: None,
            failure: None,
            transfer_reversed: 0,
            fee_refunded: 0,
            settled: self.elsewise(moved),
            returned: None,
            borne_by: None,
            by_staff: false,
            netted: false,
            client_key: None,
        });
        self.observe_movement(number, &outcome, cause, at)
    }

    /// Whether our reversal is of this transfer, as far as it is known.
    fn reverses(&self, reversal: &Movement, transfer: &str) -> bool {
        let known = match reversal.of {
            Some(number) => self.movement(number).and_then(|transfer| transfer.stripe_id.as_deref()),
            None => self.own_transfer(),
        };
        known.is_none_or(|known| known == transfer)
    }

    /// Takes in what Stripe reports about a dispute of the purchase's charge.
    pub fn observe_dispute(&mut self, seen: &SeenDispute<'_>, cause: &str, at: OffsetDateTime) -> bool {
        if self.paid_attempt().is_none() {
            return false;
        }
        let place = self.disputes.iter().position(|dispute| dispute.id == seen.id);
        let before = place.map(|place| self.disputes[place].clone());
        let place = place.unwrap_or_else(|| {
            self.disputes.push(Dispute {
                id: seen.id.to_owned(),
                amount: seen.amount,
                status: seen.status,
                reason: seen.reason.to_owned(),
                opened_at: at,
                due_by: seen.due_by,
                as_of: Some(seen.as_of),
                moves: Vec::new(),
                asked_at: None,
            });
            self.disputes.len() - 1
        });
        if !self.disputes[place].learn(seen) && before.is_some() {
            return false;
        }
        let now = self.disputes[place].clone();
        if before.is_none() {
            self.news.push(News::DisputeOpened(now.id.clone()));
        }
        if now.status.needs_answer() && before.as_ref().is_some_and(|before| before.status != now.status) {
            self.news.push(News::DisputeNeedsAnswer(now.id.clone()));
        }
        let withdrew = |dispute: &Dispute| dispute.status.withdrew() || dispute.has_withdrawn();
        if withdrew(&now) && !before.as_ref().is_some_and(withdrew) {
            self.news.push(News::DisputeWithdrawn(now.id.clone()));
        }
        if now.status.is_won() && before.as_ref().is_none_or(|before| !before.status.is_won()) {
            self.news.push(News::DisputeReinstated(now.id.clone()));
        }
        if !now.status.is_open() && before.as_ref().is_none_or(|before| before.status.is_open() || before.status != now.status) {
            self.news.push(News::DisputeClosed(now.id.clone()));
        }
        self.add_up();
        self.updated_at = at;
        self.enter_status(cause, at, format!("dispute {} {:?}", now.id, now.status).to_lowercase());
        true
    }
}
