//! Decides which money has to move. It derives this from the facts alone, so it does
//! not matter who notices first, how often, or in which order the facts arrived.

use time::{Duration, OffsetDateTime};

use super::attempt::Payee;
use super::dispute::{Dispute, DisputeStatus};
use super::division::{apportion, part_of, share};
use super::draft::Draft;
use super::legs::Pair;
use super::movement::{Movement, MovementKind, MovementState, Reason};
use super::record::{News, Purchase};
use crate::domain::charging::{ChargeType, PLATFORM};
use crate::domain::ids::UserId;
use crate::domain::money::Settled;

/// Why a refund cannot be requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefundFault {
    /// The purchase has not been paid.
    NotPaid,
    /// An earlier refund, with this number, has no known outcome yet.
    InProgress(u32),
    /// More than is left, in the minor unit.
    TooMuch {
        /// What is left.
        left: i64,
    },
    /// The bank holds the money, so only the bank can return it.
    Disputed,
    /// The seller's part was transferred to them again, which Stripe's refund does not reverse.
    Restored,
}

/// Why another refund would exceed the operator's caps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefundCap {
    /// A partial refund below the operator's minimum, in the minor unit.
    TooSmall {
        /// The minimum.
        least: i64,
    },
    /// The operator's maximum number of refunds for this purchase was reached.
    TooMany {
        /// The maximum.
        most: usize,
    },
}

/// The exact request that carries out a movement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovementRequest {
    /// Relative to the API's root.
    pub path: String,
    /// The form body.
    pub body: String,
    /// `Idempotency-Key`
    pub key: String,
    /// `Stripe-Account`; `None` for the platform's own.
    pub account: Option<String>,
}

/// The most refunds of one purchase that anybody can request. With their
/// payees' reversals the record stays far below DynamoDB's 400 KB item limit.
pub const MOST_REFUNDS: usize = 30;

/// How long a request for a refund without an idempotency key counts as a repetition of one that was made: the same amount, by the same
/// user. Longer than clients and people try again after a lost answer; two equal refunds within it need two keys.
pub const REPEATED_WITHIN: Duration = Duration::minutes(10);

impl Purchase {
    /// Plans a refund of part of the purchase or, without an amount, of all that is left. Returns its number.
    ///
    /// The seller's part comes back in proportion. Stripe itself refunds the platform's fee for a direct charge, and
    /// reverses the transfer and refunds the fee for a destination charge. What Stripe does not reverse by itself is
    /// reversed first, and the refund waits for that: all of separate transfers, and transfers that returned money to a
    /// destination charge's seller. It also waits until Stripe has booked the charge: before, there is no fee and no transfer to return.
    ///
    /// # Errors
    /// See [`RefundFault`]. Nothing is changed in that case.
    pub fn plan_refund(
        &mut self,
        amount: Option<i64>,
        by: &UserId,
        client_key: Option<String>,
        cause: &str,
        at: OffsetDateTime,
    ) -> Result<u32, RefundFault> {
        self.plan_refund_for(Reason::Asked(by.clone()), amount, client_key, cause, at)
    }

    /// The same for any reason.
    pub(super) fn plan_refund_for(
        &mut self,
        why: Reason,
        amount: Option<i64>,
        client_key: Option<String>,
        cause: &str,
        at: OffsetDateTime,
    ) -> Result<u32, RefundFault> {
        let payment_intent = self.paid_attempt().and_then(|paid| paid.payment_intent.clone()).ok_or(RefundFault::NotPaid)?;
        if let Some(open) = self.refunds().find(|refund| refund.is_planned()) {
            return Err(RefundFault::InProgress(open.number));
        }
        // What lost disputes took cannot be refunded. Stripe decides whether the rest can be.
        if self.is_held() {
            return Err(RefundFault::Disputed);
        }
        let left = self.refundable();
        let amount = amount.unwrap_or(left);
        if left == 0 || amount > left || amount < 1 {
            return Err(RefundFault::TooMuch { left });
        }
        let fee_refunded = self.fee_part(amount);
        let mut form = vec![("payment_intent", payment_intent), ("amount", amount.to_string())];
        if self.charge_type != ChargeType::Separate && self.application_fee > 0 {
            form.push(("refund_application_fee", "true".to_owned()));
            form.push(("expand[]", "charge.application_fee".to_owned()));
        }
        if self.charge_type == ChargeType::Destination {
            form.push(("reverse_transfer", "true".to_owned()));
            form.push(("expand[]", "transfer_reversal".to_owned()));
        }
        if let Reason::FraudWarning(_) = why {
            // Stripe's Radar learns from it. <https://docs.stripe.com/api/refunds/create#create_refund-reason>
            form.push(("reason", "fraudulent".to_owned()));
        }
        let surplus = self.surplus_after(amount, fee_refunded);
        let waits = self.charge_type == ChargeType::Separate || surplus > 0 || !self.can_be_returned();
        let state = if waits { MovementState::Waiting } else { MovementState::Planned };
        let draft = Draft { amount, form, fee_refunded, client_key, state, ..Draft::of(MovementKind::Refund, why) };
        let number = self.draft(draft, at);
        self.enter_status(cause, at, format!("refund {number} planned"));
        if waits {
            let reason = Reason::Refund(number);
            if self.charge_type == ChargeType::Separate {
                self.take(&reason, amount - fee_refunded, at);
            } else {
                self.take_from_transfers(&reason, surplus, at);
            }
            self.net_off(None);
            self.release_refunds(cause, at);
        }
        Ok(number)
    }

    /// Checks the caps on one more refund: a partial refund must be at least `least`, and there are at most `most` refunds.
    ///
    /// # Errors
    /// See [`RefundCap`].
    pub fn check_refund(&self, amount: Option<i64>, least: i64, most: usize) -> Result<(), RefundCap> {
        let most = most.min(MOST_REFUNDS);
        let ours = || self.refunds().filter(|refund| refund.is_ours());
        // What Stripe refused does not count towards the operator's cap, but it takes space in the record.
        if ours().count() >= MOST_REFUNDS || ours().filter(|refund| refund.state.stands() || refund.stripe_id.is_some()).count() >= most {
            return Err(RefundCap::TooMany { most });
        }
        match amount {
            Some(amount) if amount < least && amount < self.refundable() => Err(RefundCap::TooSmall { least }),
            _ => Ok(()),
        }
    }

    /// Notes that staff asked for a refund.
    pub fn is_asked_by_staff(&mut self, number: u32) {
        if let Some(refund) = self.movements.iter_mut().find(|one| one.number == number) {
            refund.by_staff = true;
        }
    }

    /// Has the platform pay a refund before its payees have returned their
    /// parts. Their debt is collected as before. Returns whether that changed anything.
    pub fn bear(&mut self, number: u32, staff: &UserId, cause: &str, at: OffsetDateTime) -> bool {
        // One that only waits for Stripe costs the platform nothing.
        let waits_for_payees = !self.has_come_back(number);
        let waits = |one: &&mut Movement| waits_for_payees && one.number == number && one.state.is_waiting() && one.borne_by.is_none();
        let Some(refund) = self.movements.iter_mut().find(waits) else { return false };
        refund.borne_by = Some(staff.clone());
        self.enter_status(cause, at, format!("refund {number} borne by the platform"));
        self.release_refunds(cause, at);
        true
    }

    /// Releases the refunds that no longer wait for their payees, for Stripe or for a bank's decision. The lifetime of their idempotency keys
    /// starts now.
    fn release_refunds(&mut self, cause: &str, at: OffsetDateTime) -> bool {
        if !self.can_be_returned() || self.is_held() {
            return false;
        }
        let ready: Vec<u32> = self
            .refunds()
            .filter(|refund| refund.state.is_waiting())
            .filter(|refund| refund.borne_by.is_some() || self.has_come_back(refund.number))
            .map(|refund| refund.number)
            .collect();
        for number in &ready {
            if let Some(refund) = self.movements.iter_mut().find(|one| one.number == *number) {
                (refund.state, refund.planned_at) = (MovementState::Planned, at);
            }
            self.enter_status(cause, at, format!("refund {number} can be made"));
        }
        !ready.is_empty()
    }

    /// Whether what a refund makes Stripe return is there: the fee, and a destination charge's transfer. Stripe makes both when it books
    /// the charge, up to an hour after the payment. What it does with a refund that returns them before is not documented.
    /// <https://docs.stripe.com/payments/payment-intents/asynchronous-capture>
    fn can_be_returned(&self) -> bool {
        match self.charge_type {
            ChargeType::Direct => self.application_fee == 0 || self.settled().is_some(),
            ChargeType::Destination => self.settled().is_some() && self.own_transfer().is_some(),
            ChargeType::Separate => true,
        }
    }

    /// Whether the payees have returned all of their part of a refund.
    fn has_come_back(&self, refund: u32) -> bool {
        let is_sold = self.movements.iter().any(|movement| movement.reason == Reason::Sale);
        let has_payees = self.paid_attempt().is_some_and(|paid| !paid.payees.is_empty());
        (is_sold || !has_payees) && self.taken_back(&Reason::Refund(refund)).all(|reversal| reversal.state.is_done())
    }

    /// Deducts reversals from transfers that Stripe refused, and from those planned just now, `new` and later, because that money never moved.
    /// A transfer with nothing left is canceled.
    fn net_off(&mut self, new: Option<u32>) -> bool {
        let mut netted = false;
        for place in 0..self.movements.len() {
            let transfer = &self.movements[place];
            // What was planned just now is not stored yet, so nobody can have sent it.
            let is_new = new.is_some_and(|new| transfer.number >= new);
            if transfer.kind != MovementKind::Transfer || !(transfer.is_refused() || is_new) {
                continue;
            }
            let (number, mut any) = (transfer.number, false);
            for reversal in self.movements.iter_mut().filter(|one| one.kind == MovementKind::Reversal && one.of == Some(number)) {
                if reversal.is_planned() && reversal.stripe_id.is_none() {
                    (reversal.state, reversal.netted, reversal.failure, reversal.body) = (MovementState::Done, true, None, None);
                    any = true;
                }
            }
            if any {
                netted = true;
                let left = self.left_to_transfer(number);
                let currency = self.currency;
                let transfer = &mut self.movements[place];
                if left < 1 {
                    let was_refused = transfer.failure.is_some();
                    (transfer.state, transfer.body) = (MovementState::Failed, None);
                    if was_refused {
                        self.news.push(News::MoveDone(number));
                    }
                } else if let Some(body) = &transfer.body {
                    transfer.body = Some(with_amount(body, left));
                }
                tracing::info!(purchase_id = %self.id, movement = number, left, currency = currency.code(), "reduced a transfer that was not made yet");
            }
        }
        netted
    }

    /// Plans everything that follows from the facts and is not planned yet: the transfers of a sale, the payees' part of a refund,
    /// what is reversed from sellers for a lost dispute (if `take_back` is the platform's policy), and what they get
    /// back if it is won or a refund fails. Returns whether anything was planned or canceled.
    pub fn plan(&mut self, take_back: bool, cause: &str, at: OffsetDateTime) -> bool {
        if self.paid_attempt().is_none() {
            return false;
        }
        let before = self.movements.len();
        let new = self.movements.last().map_or(1, |last| last.number + 1);
        let mut given_up = false;

        self.plan_sale(take_back, at);
        for refund in self.refunds().cloned().collect::<Vec<_>>() {
            let reason = Reason::Refund(refund.number);
            if refund.state.stands() {
                if self.charge_type == ChargeType::Separate {
                    self.take(&reason, refund.amount - refund.fee_refunded, at);
                    self.take_restored(refund.number, at);
                }
            } else if self.charge_type != ChargeType::Direct && !(take_back && self.is_owed_to_banks()) {
                let by_stripe = self.taken_by_stripe(&refund);
                // What a bank takes after its decision could not be had back from payees who were paid out meanwhile.
                let later = take_back && self.is_held();
                given_up |= self.restore(&reason, &Reason::FailedRefund(refund.number), by_stripe, later, at);
            }
        }
        for dispute in self.disputes.clone() {
            let reason = Reason::LostDispute(dispute.id.clone());
            match dispute.status {
                _ if take_back && dispute.is_lost() => self.take(&reason, self.payees_part(dispute.amount), at),
                DisputeStatus::Won => {
                    given_up |= self.restore(&reason, &Reason::WonDispute(dispute.id.clone()), Pair::default(), false, at);
                }
                DisputeStatus::WarningNeedsResponse
                | DisputeStatus::WarningUnderReview
                | DisputeStatus::WarningClosed
                | DisputeStatus::NeedsResponse
                | DisputeStatus::UnderReview
                | DisputeStatus::Prevented
                | DisputeStatus::Lost
                | DisputeStatus::AppealNeedsResponse
                | DisputeStatus::AppealUnderReview => {}
            }
        }
        self.take_surplus(at);
        given_up |= self.net_off(Some(new));
        given_up |= self.release_refunds(cause, at);
        let planned = self.movements[before..].iter().map(|movement| movement.number.to_string()).collect::<Vec<_>>();
        if !planned.is_empty() {
            self.enter_status(cause, at, format!("movements planned: {}", planned.join(", ")));
        }
        given_up || !planned.is_empty()
    }

    /// Plans the transfers of a sale once the charge's balance transaction is known. They are in its currency and add up exactly to the
    /// payees' part of its amount. <https://docs.stripe.com/connect/separate-charges-and-transfers>
    ///
    /// What is refunded or disputed by then is not sent first and taken back afterwards. They wait for the bank, if the payees bear a lost
    /// dispute (`take_back`), and for refunds that Stripe has reported only as a total so far.
    fn plan_sale(&mut self, take_back: bool, at: OffsetDateTime) {
        let Some(paid) = self.paid_attempt() else { return };
        let Some((charge, settled)) = paid.charge.as_ref().and_then(|charge| Some((charge.id.clone(), charge.settled.clone()?))) else {
            return;
        };
        if (take_back && self.is_held())
            || self.has_unseen_refunds()
            || self.movements.iter().any(|movement| movement.reason == Reason::Sale)
        {
            return;
        }
        let payees: Vec<Payee> = paid.payees.iter().filter(|payee| payee.amount > 0).cloned().collect();
        let amounts: Vec<i64> = payees.iter().map(|payee| payee.amount).collect();
        let whole = part_of(settled.amount, amounts.iter().sum(), self.amount);
        for (payee, amount) in payees.into_iter().zip(apportion(whole, &amounts)) {
            let settled = Settled { amount, currency: settled.currency.clone() };
            self.draft_transfer(Reason::Sale, payee, settled, Some(charge.clone()), at);
        }
    }

    /// Whether the charge must be read from Stripe before everything can be planned or carried out.
    #[must_use]
    pub fn lacks_facts(&self) -> bool {
        let Some(paid) = self.paid_attempt() else { return false };
        let settles = paid.charge.as_ref().is_some_and(|charge| charge.settled.is_some());
        let is_sold = self.movements.iter().any(|movement| movement.reason == Reason::Sale);
        let transfers_wait = !is_sold && !settles && paid.payees.iter().any(|payee| payee.amount > 0);
        let reversal_waits = self.movements.iter().any(|movement| {
            movement.kind == MovementKind::Reversal && movement.is_planned() && movement.of.is_none() && self.own_transfer().is_none()
        });
        // What is reversed of a destination charge's own transfer is calculated in that transfer's currency.
        let is_taken = || self.disputes.iter().any(Dispute::is_lost) || self.refunds().any(|one| !one.state.stands());
        let share_waits = self.charge_type == ChargeType::Destination && !settles && is_taken();
        let refund_waits = !self.can_be_returned() && self.refunds().any(|refund| refund.state.is_waiting());
        transfers_wait || reversal_waits || share_waits || refund_waits
    }

    /// The request for a planned movement; `None` if it waits for another movement or for facts.
    #[must_use]
    pub fn request(&self, number: u32) -> Option<MovementRequest> {
        let movement = self.movement(number).filter(|movement| movement.state.is_to_be_sent())?;
        let (path, kind) = match movement.kind {
            MovementKind::Refund => ("/refunds".to_owned(), "refund"),
            MovementKind::Transfer => ("/transfers".to_owned(), "transfer"),
            MovementKind::Reversal => {
                let transfer = match movement.of {
                    Some(number) => self.movement(number)?.stripe_id.as_deref()?,
                    None => self.own_transfer()?,
                };
                (format!("/transfers/{transfer}/reversals"), "reversal")
            }
        };
        let account = movement.account.as_deref().unwrap_or(PLATFORM);
        Some(MovementRequest {
            path,
            body: movement.body.clone()?,
            key: format!("{account}:{}:{kind}:{number}:{}", self.id, movement.tries),
            account: movement.account.clone(),
        })
    }

    /// The transfer that Stripe made with a destination charge.
    pub(super) fn own_transfer(&self) -> Option<&str> {
        self.paid_attempt()?.charge.as_ref()?.transfer.as_deref()
    }

    /// The part of the fee that is refunded with the next refund of `amount`, chosen so that the parts add up to the
    /// whole.
    fn fee_part(&self, amount: i64) -> i64 {
        let (fee, before) = (self.application_fee, self.refunded_with_fee());
        let given = match self.charge_type {
            // A failed refund undoes its part while the others keep their rounding, so add up the actual parts.
            ChargeType::Separate => self.refunds().filter(|refund| refund.is_under_way()).map(|refund| refund.fee_refunded).sum(),
            ChargeType::Direct | ChargeType::Destination => share(fee, before, self.amount),
        };
        let part = share(fee, before + amount, self.amount) - given;
        part.clamp(0, amount).min(fee - self.fee_refunded())
    }
}

/// A form with its amount replaced; the amount must be the first field.
fn with_amount(body: &str, amount: i64) -> String {
    let rest = body.split_once('&').map_or("", |(_, rest)| rest);
    format!("amount={amount}&{rest}")
}
