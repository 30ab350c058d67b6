//! A purchase as it is stored.

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::attempt::{Attempt, Means, Sold};
use super::dispute::Dispute;
use super::movement::{FeeSeen, Movement};
use super::status::{Ownership, Status};
use super::sums::Sums;
use crate::domain::charging::ChargeType;
use crate::domain::fraud_warning::FraudWarning;
use crate::domain::ids::{CourseId, PurchaseId, UserId};
use crate::domain::money::Currency;

/// How many attempts a purchase remembers. An item is limited to 400 KB, so only the latest attempts are kept.
pub(super) const KEPT_ATTEMPTS: usize = 50;

/// How long a payment may wait for the buyer before it is canceled.
pub const PATIENCE: Duration = Duration::hours(24);

/// Something that happened, and its cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// When we learned of it.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The number of the attempt.
    pub attempt: u32,
    /// The attempt's status at that time or, once it is paid, the purchase's.
    pub status: Status,
    /// The request, event or run that caused it: `request:<id>`, `event:<id>`, `reconcile:<id>`.
    pub cause: String,
    /// What happened, if it is not about an attempt: `refund 1 done`, `dispute dp_1 lost`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub what: Option<String>,
}

/// A change that the books, mails and metrics need to know about. It exists from the change until it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// The money was taken.
    Paid,
    /// An attempt failed or was canceled: its failure code or status.
    NotPaid(String),
    /// Money was taken that does not pay the purchase: it was paid already, or the amount is not the attempt's.
    OffRecord {
        /// The attempt whose PaymentIntent took it.
        attempt: u32,
        /// In the minor unit.
        amount: i64,
    },
    /// The charge that paid has another fee for the platform than the attempt asked for.
    FeeDiffers {
        /// What was asked for, in the minor unit.
        asked: i64,
        /// What the charge has.
        taken: i64,
    },
    /// The refund with this number was made, or is pending.
    Refunded(u32),
    /// The refund with this number failed: the buyer's bank returned it, or Stripe refused it while nobody waited for the answer.
    RefundFailed(u32),
    /// Stripe refused the transfer or reversal with this number; it will be tried again.
    MoveRefused(u32),
    /// A transfer or reversal that was refused before was made or is no longer needed.
    MoveDone(u32),
    /// The cost of the refund with this number in the settlement currency became known.
    Converted(u32),
    /// What the return of the refund with this number brought in the settlement currency became known.
    ReturnConverted(u32),
    /// This dispute was opened.
    DisputeOpened(String),
    /// This dispute waits for another answer: an inquiry became a dispute, or a lost one is appealed.
    DisputeNeedsAnswer(String),
    /// The dispute's money was withdrawn.
    DisputeWithdrawn(String),
    /// The dispute's money came back.
    DisputeReinstated(String),
    /// The dispute was won or lost, or an inquiry was closed.
    DisputeClosed(String),
    /// The card's issuer says that the payment was fraud.
    FraudWarning(FraudWarning),
}

/// A purchase as stored. It keeps the course's title and slug at the time of sale.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Purchase {
    /// The purchase's id. It is in Stripe's metadata and in every log line about the purchase.
    pub id: PurchaseId,
    /// The course.
    pub course_id: CourseId,
    /// Its title at the time of sale.
    pub course_title: String,
    /// Its slug at the time of sale.
    pub course_slug: String,
    /// The buyer.
    pub buyer_id: UserId,
    /// The seller.
    pub seller_id: UserId,
    /// The seller's Stripe account, `acct_…`.
    pub seller_account: String,
    /// How it is charged, and so on whose account.
    pub charge_type: ChargeType,
    /// What the current attempt asks for, or what the paid one took, in the minor unit.
    pub(super) amount: i64,
    /// The amount's currency.
    pub currency: Currency,
    /// The platform's fee.
    pub(super) application_fee: i64,
    pub(super) status: Status,
    /// When it began.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub(super) updated_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option", default)]
    pub(super) paid_at: Option<OffsetDateTime>,
    /// The attempt that was the first to be paid; `None` in records of earlier versions, for which the oldest counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) paid_by: Option<u32>,
    pub(super) attempts: Vec<Attempt>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) movements: Vec<Movement>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) disputes: Vec<Dispute>,
    /// The highest total of refunds that Stripe has reported for the charge.
    #[serde(default)]
    pub(super) refunded_heard: i64,
    /// How much of its fee the platform had refunded when Stripe last reported it.
    #[serde(default)]
    pub(super) fee_seen: FeeSeen,
    pub(super) history: Vec<Transition>,
    /// How often the reconciliation has looked at it since the latest attempt began.
    #[serde(default)]
    pub(super) checks: u32,
    /// Staff are told that the reconciliation could not continue it. It looks once more, even if nothing is open by then, and takes that back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) repair_failed: bool,
    /// The reconciliation does not look at it before then.
    #[serde(with = "time::serde::rfc3339::option", default, skip_serializing_if = "Option::is_none")]
    pub(super) rests_until: Option<OffsetDateTime>,
    /// The part of it that the seller's totals already contain.
    #[serde(default)]
    pub(super) counted: Sums,
    /// The same for the settlement currency, if that is a different one.
    #[serde(default)]
    pub(super) counted_settled: Sums,
    /// Since when the bank has been processing the newest attempt after the buyer did their part.
    #[serde(with = "time::serde::rfc3339::option", default, skip_serializing_if = "Option::is_none")]
    pub(super) processing_since: Option<OffsetDateTime>,
    /// The deployment that asked Stripe for the money; `None` for purchases that are older than deployment ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) stack_id: Option<String>,
    /// Incremented by each write. A write is conditional on the version that it read.
    pub version: u64,
    #[serde(skip)]
    pub(super) news: Vec<News>,
}

/// The terms of a purchase: what is sold, by whom and to whom.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The purchase's id.
    pub id: PurchaseId,
    /// The course.
    pub course_id: CourseId,
    /// The course's title.
    pub course_title: String,
    /// The course's slug.
    pub course_slug: String,
    /// The buyer.
    pub buyer_id: UserId,
    /// The seller.
    pub seller_id: UserId,
    /// The seller's Stripe account, `acct_…`.
    pub seller_account: String,
    /// How it is charged, and so on whose account.
    pub charge_type: ChargeType,
    /// The currency.
    pub currency: Currency,
    /// When it begins.
    pub at: OffsetDateTime,
}

impl Purchase {
    /// A purchase without attempts; the first one must follow before it is stored.
    #[must_use]
    pub fn new(terms: Terms) -> Self {
        Self {
            id: terms.id,
            course_id: terms.course_id,
            course_title: terms.course_title,
            course_slug: terms.course_slug,
            buyer_id: terms.buyer_id,
            seller_id: terms.seller_id,
            seller_account: terms.seller_account,
            charge_type: terms.charge_type,
            amount: 0,
            currency: terms.currency,
            application_fee: 0,
            status: Status::Pending,
            created_at: terms.at,
            updated_at: terms.at,
            paid_at: None,
            paid_by: None,
            attempts: Vec::new(),
            movements: Vec::new(),
            disputes: Vec::new(),
            refunded_heard: 0,
            fee_seen: FeeSeen::default(),
            history: Vec::new(),
            checks: 0,
            repair_failed: false,
            rests_until: None,
            counted: Sums::default(),
            counted_settled: Sums::default(),
            processing_since: None,
            stack_id: None,
            version: 0,
            news: Vec::new(),
        }
    }

    /// Assigns the purchase to the deployment with this id. All requests to Stripe carry the id.
    #[must_use]
    pub fn of_stack(self, id: &str) -> Self {
        Self { stack_id: Some(id.to_owned()), ..self }
    }

    /// The deployment that asked Stripe for the money; `None` for purchases that are older than deployment ids.
    #[must_use]
    pub fn stack_id(&self) -> Option<&str> {
        self.stack_id.as_deref()
    }

    /// Whether it belongs to this deployment. A copied table contains other deployments' purchases, whose money must not be touched.
    #[must_use]
    pub fn is_of_stack(&self, id: &str) -> bool {
        self.stack_id.as_ref().is_none_or(|own| own == id)
    }

    /// Its status, derived from the facts.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }

    /// What the newest attempt asks for, or what the paid one took, in the minor unit.
    #[must_use]
    pub fn amount(&self) -> i64 {
        self.amount
    }

    /// The platform's fee, in the minor unit.
    #[must_use]
    pub fn application_fee(&self) -> i64 {
        self.application_fee
    }

    /// When it last changed.
    #[must_use]
    pub fn updated_at(&self) -> OffsetDateTime {
        self.updated_at
    }

    /// When we learned that it was paid.
    #[must_use]
    pub fn paid_at(&self) -> Option<OffsetDateTime> {
        self.paid_at
    }

    /// Since when the newest attempt's payment has been processing, if it is. A debit takes days, and nothing needs to
    /// be done until then. <https://docs.stripe.com/payments/payment-methods#delayed-notification-payment-methods>
    #[must_use]
    pub fn processing_since(&self) -> Option<OffsetDateTime> {
        self.processing_since.filter(|_| self.status.is_open())
    }

    /// Whether the buyer can still pay: on the hosted page, by authenticating the payment, or with another card after it failed in the browser.
    #[must_use]
    pub fn awaits_buyer(&self) -> bool {
        let has_page = self.attempts.last().is_some_and(|attempt| attempt.means == Means::Checkout && attempt.checkout_session.is_some());
        let waits = self.status.is_with_buyer() || (self.status.is_open() && has_page);
        (waits && self.processing_since.is_none()) || self.can_be_confirmed_again()
    }

    /// The attempts, oldest first.
    #[must_use]
    pub fn attempts(&self) -> &[Attempt] {
        &self.attempts
    }

    /// The movements after the sale, oldest first.
    #[must_use]
    pub fn movements(&self) -> &[Movement] {
        &self.movements
    }

    /// The movement with this number.
    #[must_use]
    pub fn movement(&self, number: u32) -> Option<&Movement> {
        self.movements.iter().find(|movement| movement.number == number)
    }

    /// The disputes of its charge, oldest first.
    #[must_use]
    pub fn disputes(&self) -> &[Dispute] {
        &self.disputes
    }

    /// The history, oldest first.
    #[must_use]
    pub fn history(&self) -> &[Transition] {
        &self.history
    }

    /// The changes since the last write.
    #[must_use]
    pub fn news(&self) -> &[News] {
        &self.news
    }

    /// Takes the changes once they are stored.
    pub fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }

    /// The newest attempt.
    ///
    /// # Panics
    /// Never: a purchase is stored together with its first attempt.
    #[must_use]
    pub fn attempt(&self) -> &Attempt {
        self.attempts.last().expect("a purchase has an attempt")
    }

    /// The attempt that took the money. If two did, it is the one that we heard of first: an account's owner can pay an
    /// attempt that was declined, and must not put it in place of the buyer's payment.
    #[must_use]
    pub fn paid_attempt(&self) -> Option<&Attempt> {
        self.attempts.iter().find(|attempt| attempt.status.is_paid() && self.paid_by.is_none_or(|number| number == attempt.number))
    }

    /// What the buyer owns through this purchase.
    #[must_use]
    pub fn ownership(&self) -> Ownership {
        if self.paid_attempt().is_none() || self.refunded() + self.lost() >= self.amount {
            Ownership::None
        } else if self.disputes.iter().any(|dispute| dispute.status.is_open() && !dispute.is_lost()) {
            Ownership::Contested
        } else {
            Ownership::Owned
        }
    }

    /// Whether a browser was given the means to confirm the newest attempt's PaymentIntent.
    /// The PaymentIntent can then be paid even after it failed, until it is canceled.
    #[must_use]
    pub fn is_in_the_buyers_hands(&self) -> bool {
        self.was_in_the_buyers_hands(self.attempt().number)
    }

    /// Whether the newest attempt failed in a browser, which can confirm its PaymentIntent again with another card until it is canceled.
    /// <https://docs.stripe.com/payments/paymentintents/lifecycle>
    #[must_use]
    pub fn can_be_confirmed_again(&self) -> bool {
        self.status.is_failed() && self.is_in_the_buyers_hands()
    }

    /// Whether a browser was given the means to confirm an earlier attempt's PaymentIntent.
    #[must_use]
    pub fn was_in_the_buyers_hands(&self, number: u32) -> bool {
        self.history.iter().any(|step| step.attempt == number && step.status.is_with_buyer())
    }

    /// The attempt that is known to have created this PaymentIntent or Checkout Session.
    #[must_use]
    pub fn find_attempt(&self, payment_intent: Option<&str>, checkout_session: Option<&str>) -> Option<u32> {
        let by = |test: &dyn Fn(&Attempt) -> bool| self.attempts.iter().find(|attempt| test(attempt)).map(|attempt| attempt.number);
        payment_intent
            .and_then(|id| by(&|attempt| attempt.payment_intent.as_deref() == Some(id)))
            .or_else(|| checkout_session.and_then(|id| by(&|attempt| attempt.checkout_session.as_deref() == Some(id))))
    }

    /// Whether this attempt is the one that paid for the purchase. If a second
    /// attempt was paid too, what happens to that money says nothing about this sale.
    #[must_use]
    pub fn is_paid_by(&self, attempt: u32) -> bool {
        self.paid_attempt().is_some_and(|paid| paid.number == attempt)
    }

    /// Begins the next attempt.
    pub fn begin(&mut self, attempt: Attempt, cause: &str) {
        let (at, number) = (attempt.started_at, attempt.number);
        let sold = Sold { charge_type: self.charge_type, seller_account: self.seller_account.clone(), currency: self.currency };
        self.attempts.push(Attempt { sold: Some(sold), ..attempt });
        self.attempts.drain(..self.attempts.len().saturating_sub(KEPT_ATTEMPTS));
        (self.checks, self.rests_until, self.processing_since) = (0, None, None);
        self.add_up();
        self.enter(number, Status::Pending, cause, at, None);
    }

    /// Reserves the newest attempt for one request until then.
    pub fn lease(&mut self, until: OffsetDateTime) {
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.leased_until = until;
        }
    }

    /// Notes that the newest attempt's request is about to be sent again.
    pub fn send_again(&mut self, now: OffsetDateTime) {
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.sent_again_at = Some(now);
        }
    }

    /// Releases the reservation, if the attempt is still the newest.
    pub fn release(&mut self, number: u32, now: OffsetDateTime) {
        if let Some(attempt) = self.attempts.last_mut().filter(|attempt| attempt.number == number) {
            attempt.leased_until = attempt.leased_until.min(now);
        }
    }

    /// Records that the reconciliation has looked at it. The time until the next look doubles, up to a limit.
    pub fn checked(&mut self, now: OffsetDateTime) {
        self.rests_until = Some(now + Duration::minutes(5 << self.checks.min(6)));
        self.checks += 1;
    }

    /// Notes whether staff are told that the reconciliation could not continue it. Returns whether that is new.
    pub fn note_repair(&mut self, failed: bool) -> bool {
        std::mem::replace(&mut self.repair_failed, failed) != failed
    }

    /// Whether staff are told that the reconciliation could not continue it.
    #[must_use]
    pub fn repair_failed(&self) -> bool {
        self.repair_failed
    }

    /// When the reconciliation must look at it if no request or event does; `None` if nothing is open.
    #[must_use]
    pub fn due_at(&self) -> Option<OffsetDateTime> {
        let open = self.status.is_open().then(|| {
            let attempt = self.attempt();
            // Buyers take a while on the hosted page, and an event reports the end.
            let patience = if attempt.means == Means::Checkout && attempt.checkout_session.is_some() { 30 } else { 5 };
            attempt.started_at + Duration::minutes(patience)
        });
        let failed = self.can_be_confirmed_again().then(|| self.attempt().started_at);
        let planning = self.lacks_facts().then(|| self.updated_at + Duration::minutes(2));
        let disputes = self.disputes.iter().filter_map(Dispute::due_at);
        let told = self.repair_failed.then_some(self.updated_at);
        let all = disputes.chain(open).chain(failed).chain(planning).chain(told);
        let due = self.movements.iter().filter_map(Movement::due_at).chain(all).min()?;
        Some(self.rests_until.map_or(due, |rests_until| due.max(rests_until)))
    }

    /// The open disputes that have been silent for so long that Stripe must be asked.
    #[must_use]
    pub fn silent_disputes(&self, now: OffsetDateTime) -> Vec<String> {
        let silent = self.disputes.iter().filter(|dispute| dispute.due_at().is_some_and(|due_at| due_at <= now));
        silent.map(|dispute| dispute.id.clone()).collect()
    }

    /// Records that Stripe was asked about a dispute.
    pub fn asked_about(&mut self, dispute: &str, now: OffsetDateTime) {
        if let Some(dispute) = self.disputes.iter_mut().find(|one| one.id == dispute) {
            dispute.asked_at = Some(now);
        }
    }

    /// Whether a planned movement is overdue, so that somebody other than its planner should carry it out.
    #[must_use]
    pub fn is_due(&self, number: u32, now: OffsetDateTime) -> bool {
        self.movement(number).filter(|movement| movement.is_planned()).and_then(Movement::due_at).is_some_and(|due_at| due_at <= now)
    }

    /// The account in `Stripe-Account` for everything about its charge; `None` for the platform's own.
    #[must_use]
    pub fn charged_account(&self) -> Option<&str> {
        (self.charge_type == ChargeType::Direct).then_some(self.seller_account.as_str())
    }

    pub(super) fn add_movement(&mut self, movement: Movement) -> u32 {
        let number = self.movements.last().map_or(1, |last| last.number + 1);
        self.movements.push(Movement { number, ..movement });
        number
    }

    /// Derives amount, fee and status from the facts.
    pub(super) fn add_up(&mut self) {
        let Some(attempt) = self.paid_attempt().or(self.attempts.last()) else { return };
        let (amount, application_fee, status) = (attempt.amount, attempt.fee(self.charge_type), attempt.status);
        (self.amount, self.application_fee) = (amount, application_fee);
        if !status.is_paid() {
            self.status = status.into();
            return;
        }
        let any = |test: fn(&Dispute) -> bool| self.disputes.iter().any(test);
        let (refunded, lost) = (self.refunded(), self.lost());
        self.status = if any(|dispute| dispute.has_withdrawn() && !dispute.is_lost()) {
            Status::Disputed
        } else if refunded >= self.amount {
            Status::Refunded
        } else if refunded + lost >= self.amount || any(|dispute| dispute.status.is_open()) {
            Status::Disputed
        } else if refunded + lost > 0 {
            // A part lost to a dispute counts like a refunded part.
            Status::PartiallyRefunded
        } else {
            Status::Paid
        };
    }

    pub(super) fn enter_status(&mut self, cause: &str, at: OffsetDateTime, what: String) {
        let number = self.paid_attempt().map_or(0, |attempt| attempt.number);
        self.enter(number, self.status, cause, at, Some(what));
    }

    pub(super) fn enter(&mut self, attempt: u32, status: Status, cause: &str, at: OffsetDateTime, what: Option<String>) {
        self.updated_at = at;
        self.history.push(Transition { at, attempt, status, cause: cause.to_owned(), what });
        self.history.drain(..self.history.len().saturating_sub(4 * KEPT_ATTEMPTS));
    }
}
