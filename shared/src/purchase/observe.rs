//! Taking in what Stripe says of a purchase, from whichever request, event or run it is heard, and however often.

use time::OffsetDateTime;

use super::movement::FeeSeen;
use super::{
    ChargeFacts, ChargeType, Dispute, DisputeStatus, Movement, MovementKind, MovementState, News, Observation, Outcome, Purchase, Reason,
    Status,
};

/// A refund as Stripe tells of it.
#[derive(Clone, Copy, Debug)]
pub struct SeenRefund<'a> {
    /// `re_…`
    pub id: &'a str,
    /// In the minor unit.
    pub amount: i64,
    /// Where it stands.
    pub state: MovementState,
    /// What the seller's transfer gave back with it, where Stripe says.
    pub transfer_reversed: Option<i64>,
    /// What the platform has given back of its fee in all, where Stripe says.
    pub fee_refunded: Option<i64>,
}

/// A reversal as Stripe tells of it.
#[derive(Clone, Copy, Debug)]
pub struct SeenReversal<'a> {
    /// `trr_…`
    pub id: &'a str,
    /// In the minor unit.
    pub amount: i64,
    /// `tr_…`
    pub transfer: &'a str,
}

/// A dispute as Stripe tells of it.
#[derive(Clone, Copy, Debug)]
pub struct SeenDispute<'a> {
    /// `dp_…`
    pub id: &'a str,
    /// In the minor unit.
    pub amount: i64,
    /// Where it stands.
    pub status: DisputeStatus,
    /// The bank's reason.
    pub reason: &'a str,
}

impl Purchase {
    /// Takes in what Stripe says of attempt `number`, and says whether anything changed.
    ///
    /// The ids of Stripe's objects are kept whenever they are first heard of. A status that the attempt has passed
    /// already changes nothing, and neither does an older attempt that comes to nothing. An older attempt that was
    /// paid after all makes the purchase paid: the money is there.
    pub fn observe(&mut self, number: u32, seen: &Observation, cause: &str, at: OffsetDateTime) -> bool {
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
            changed |= ChargeFacts::learn(&mut attempt.charge, charge);
        }
        if seen.status.rank() > attempt.status.rank() {
            let was_open = attempt.status.is_open();
            attempt.status = seen.status;
            attempt.failure = seen.failure.clone().filter(|_| seen.status != Status::Paid);
            let failure = attempt.failure.as_ref().map(|failure| failure.code.clone());
            changed = true;
            match seen.status {
                Status::Paid if self.paid_at.is_none() => {
                    self.paid_at = Some(at);
                    self.news.push(News::Paid);
                }
                // What failed and is canceled after it came to nothing once.
                Status::Failed | Status::Canceled if was_open => {
                    self.news.push(News::NotPaid(failure.unwrap_or_else(|| seen.status.as_str().to_owned())));
                }
                _ => {}
            }
            self.enter(number, seen.status, cause, at, None);
        }
        if changed {
            self.add_up();
            self.updated_at = at;
        }
        changed
    }

    /// Takes in how much of the charge Stripe says was given back so far, in the minor unit. The most that was ever
    /// said counts, less the refunds that are known to have failed.
    pub fn observe_refunded(&mut self, refunded: i64, cause: &str, at: OffsetDateTime) -> bool {
        if refunded <= self.refunded_heard || self.paid_attempt().is_none() {
            return false;
        }
        let before = self.refunded();
        self.refunded_heard = refunded.min(self.amount);
        self.add_up();
        self.updated_at = at;
        if self.refunded() != before {
            self.enter_status(cause, at, format!("{} given back", self.refunded()));
        }
        true
    }

    /// Takes in what Stripe says of a movement. One that is further on already stays where it is.
    pub fn observe_movement(&mut self, number: u32, outcome: &Outcome, cause: &str, at: OffsetDateTime) -> bool {
        let Some(movement) = self.movements.iter_mut().find(|movement| movement.number == number) else { return false };
        let (before, kind) = (movement.state, movement.kind);
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
                if *state > movement.state {
                    movement.state = *state;
                    movement.failure = None;
                }
            }
            // What was heard of as made is not refused by a repetition.
            Outcome::Refused { .. } if movement.state != MovementState::Planned => {}
            Outcome::Refused { code } => {
                movement.failure = Some(code.clone());
                movement.tries += 1;
                movement.planned_at = at;
                if kind == MovementKind::Refund {
                    movement.state = MovementState::Failed;
                }
                changed = true;
            }
        }
        let (after, stripe_id) = (movement.state, movement.stripe_id.clone());
        if let Outcome::Made { fee_refunded: Some(fee), .. } = outcome {
            // Stripe counts this refund in; what it said before the last one was made says less.
            let is_new = before == MovementState::Planned;
            if *fee > self.fee_seen.fee || (is_new && *fee == self.fee_seen.fee) {
                self.fee_seen = FeeSeen { fee: *fee, refunded: self.refunded_with_fee() };
                changed = true;
            }
        }
        changed |= after != before;
        if after != before {
            if kind == MovementKind::Refund && stripe_id.is_some() {
                if before == MovementState::Planned {
                    self.news.push(News::Refunded(number));
                }
                if after == MovementState::Failed {
                    self.news.push(News::RefundFailed(number));
                }
            }
            self.add_up();
            self.enter_status(cause, at, format!("{kind:?} {number} {after:?}").to_lowercase());
        }
        if changed {
            self.updated_at = at;
        }
        changed
    }

    /// Has a transfer or reversal that Stripe refused tried under a new key. Says whether it is one.
    pub fn try_again(&mut self, number: u32, at: OffsetDateTime) -> bool {
        let refused = |movement: &&mut Movement| movement.number == number && movement.is_planned() && movement.failure.is_some();
        let Some(movement) = self.movements.iter_mut().find(refused) else { return false };
        movement.failure = None;
        movement.planned_at = at;
        self.updated_at = at;
        true
    }

    /// Takes in a refund that was not asked for here, or what is new of one that was. `number` is the movement that
    /// its metadata names.
    pub fn observe_refund(&mut self, refund: &SeenRefund<'_>, number: Option<u32>, cause: &str, at: OffsetDateTime) -> bool {
        if self.paid_attempt().is_none() {
            return false;
        }
        let known = self.movements.iter().find(|movement| movement.stripe_id.as_deref() == Some(refund.id)).or_else(|| {
            // Metadata can be written by others: the number must be free, and the amount the same.
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

    /// Takes in what was taken back of a transfer, `tr_…`: by a movement of ours, the one with `number`, or elsewhere.
    pub fn observe_reversal(&mut self, reversal: &SeenReversal<'_>, number: Option<u32>, cause: &str, at: OffsetDateTime) -> bool {
        if self.movements.iter().any(|movement| movement.stripe_id.as_deref() == Some(reversal.id)) {
            return false;
        }
        let outcome = Outcome::Made { id: reversal.id.to_owned(), state: MovementState::Done, transfer_reversed: None, fee_refunded: None };
        let ours = number
            .and_then(|number| self.movement(number))
            .filter(|movement| movement.kind == MovementKind::Reversal && movement.is_planned() && movement.amount == reversal.amount);
        if let Some(number) = ours.map(|movement| movement.number) {
            return self.observe_movement(number, &outcome, cause, at);
        }
        let transfer = self.movements.iter().find(|movement| movement.stripe_id.as_deref() == Some(reversal.transfer)).cloned();
        if transfer.is_none() && self.charge_type != ChargeType::Destination {
            return false;
        }
        let (payee, payee_account) = match &transfer {
            Some(transfer) => (transfer.payee.clone(), transfer.payee_account.clone()),
            None => (Some(self.seller_id.clone()), Some(self.seller_account.clone())),
        };
        let number = self.add_movement(Movement {
            number: 0,
            kind: MovementKind::Reversal,
            reason: Reason::Elsewhere,
            amount: reversal.amount,
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
            client_key: None,
        });
        self.observe_movement(number, &outcome, cause, at)
    }

    /// Takes in what Stripe says of a dispute of its charge.
    pub fn observe_dispute(&mut self, seen: &SeenDispute<'_>, cause: &str, at: OffsetDateTime) -> bool {
        if self.paid_attempt().is_none() {
            return false;
        }
        let place = self.disputes.iter().position(|dispute| dispute.id == seen.id);
        let before = place.map(|place| self.disputes[place].status);
        match place {
            Some(place) if self.disputes[place].status < seen.status => self.disputes[place].status = seen.status,
            Some(_) => return false,
            None => self.disputes.push(Dispute {
                id: seen.id.to_owned(),
                amount: seen.amount,
                status: seen.status,
                reason: seen.reason.to_owned(),
                opened_at: at,
                asked_at: None,
            }),
        }
        if before.is_none() {
            self.news.push(News::DisputeOpened(seen.id.to_owned()));
        }
        let withdrawn = |status: DisputeStatus| status >= DisputeStatus::NeedsResponse;
        if withdrawn(seen.status) && !before.is_some_and(withdrawn) {
            self.news.push(News::DisputeWithdrawn(seen.id.to_owned()));
        }
        if seen.status == DisputeStatus::Won {
            self.news.push(News::DisputeReinstated(seen.id.to_owned()));
        }
        if !seen.status.is_open() && before.is_none_or(DisputeStatus::is_open) {
            self.news.push(News::DisputeClosed(seen.id.to_owned()));
        }
        self.add_up();
        self.updated_at = at;
        self.enter_status(cause, at, format!("dispute {} {:?}", seen.id, seen.status).to_lowercase());
        true
    }
}
