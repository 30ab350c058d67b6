//! A purchase and its life.
//!
//! A purchase has attempts. Each attempt asks Stripe once for money, under one idempotency key, and its life only
//! goes forward: what is heard late, twice or in another order leads to the same end. The way is
//! `pending → requires_action → failed | canceled → paid`: a PaymentIntent whose authentication failed, or that was
//! declined in hosted Checkout, can still succeed, so `paid` outranks everything that is heard of the same
//! PaymentIntent. <https://docs.stripe.com/payments/paymentintents/lifecycle>
//!
//! Once it is paid, money moves on: refunds, transfers and what is taken back of them are [`Movement`]s, and banks bring
//! [`Dispute`]s. What is known of these are facts, each of which only goes forward; the [`Status`] is what they add up
//! to. Nothing sets it, so that no order of events leads to a status that the facts do not bear out.

mod attempt;
mod books;
mod dispute;
mod movement;
mod observe;
mod payees;
mod plan;
#[cfg(test)]
mod properties;
mod status;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

pub use attempt::{Attempt, ChargeFacts, Failure, KEY_LIFETIME, Means, Observation, Payee};
pub use books::{Sums, share};
pub use dispute::{Dispute, DisputeStatus};
use movement::FeeSeen;
pub use movement::{Movement, MovementKind, MovementState, Outcome, Reason};
pub use observe::{SeenDispute, SeenRefund, SeenReversal};
pub use plan::{MovementRequest, RefundFault, divide};
pub use status::{Ownership, Status};

use crate::ids::{CourseId, PurchaseId, UserId};
use crate::money::Currency;

/// On whose account a sale is charged.
/// <https://docs.stripe.com/connect/charges>
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChargeType {
    /// On the connected account, with an application fee.
    Direct,
    /// On the platform, which passes the seller's part on with the charge.
    Destination,
    /// On the platform, which passes each payee's part on by a transfer of its own.
    Separate,
}

/// How many attempts a purchase remembers. An item holds 400 KB; whoever is declined a hundred times keeps the last.
const KEPT_ATTEMPTS: usize = 50;

/// How long a payment may wait for the buyer before it is taken back.
pub const PATIENCE: Duration = Duration::hours(24);

/// Something that happened and what brought it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// When we learned of it.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Which attempt.
    pub attempt: u32,
    /// Where the attempt stood then or, once it is paid, the purchase.
    pub status: Status,
    /// The request, event or run that brought it: `request:<id>`, `event:<id>`, `reconcile:<id>`.
    pub cause: String,
    /// What happened where it is no attempt's: `refund 1 done`, `dispute dp_1 lost`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub what: Option<String>,
}

/// What a change brought that others want to know: the books, the mails and the metrics. Lives from the change to its
/// write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// The money was taken.
    Paid,
    /// An attempt ended without it: its failure's code.
    NotPaid(String),
    /// The refund with this number went on its way.
    Refunded(u32),
    /// It failed.
    RefundFailed(u32),
    /// This dispute was opened.
    DisputeOpened(String),
    /// Its money was withdrawn.
    DisputeWithdrawn(String),
    /// Its money came back.
    DisputeReinstated(String),
    /// It was won or lost, or an inquiry came to nothing.
    DisputeClosed(String),
}

/// A purchase as stored. It keeps what the course was when it was sold.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Purchase {
    /// The purchase's id: in Stripe's metadata and in every log line about it.
    pub id: PurchaseId,
    /// What was bought.
    pub course_id: CourseId,
    /// Its title then.
    pub course_title: String,
    /// Its slug then.
    pub course_slug: String,
    /// Who buys.
    pub buyer_id: UserId,
    /// Who sells.
    pub seller_id: UserId,
    /// The seller's Stripe account, `acct_…`.
    pub seller_account: String,
    /// On whose account it is charged.
    pub charge_type: ChargeType,
    /// What the current attempt asks for, or the paid one took, in the minor unit.
    amount: i64,
    /// The amount's currency.
    pub currency: Currency,
    /// The platform's part.
    application_fee: i64,
    status: Status,
    /// When it began.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it last changed.
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option", default)]
    paid_at: Option<OffsetDateTime>,
    attempts: Vec<Attempt>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    movements: Vec<Movement>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    disputes: Vec<Dispute>,
    /// The most that Stripe's charge was ever said to have given back.
    #[serde(default)]
    refunded_heard: i64,
    /// What the platform had given back of its fee when Stripe last said so.
    #[serde(default)]
    fee_seen: FeeSeen,
    history: Vec<Transition>,
    /// How often the reconciliation has looked at it since it last went on.
    #[serde(default)]
    checks: u32,
    /// Until then the reconciliation leaves it alone.
    #[serde(with = "time::serde::rfc3339::option", default, skip_serializing_if = "Option::is_none")]
    rests_until: Option<OffsetDateTime>,
    /// What of it the seller's totals contain.
    #[serde(default)]
    counted: Sums,
    /// Counts writes; a write names the one that it saw.
    pub version: u64,
    #[serde(skip)]
    news: Vec<News>,
}

/// What is bought, of whom and by whom.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The purchase's id.
    pub id: PurchaseId,
    /// What is bought.
    pub course_id: CourseId,
    /// Its title.
    pub course_title: String,
    /// Its slug.
    pub course_slug: String,
    /// Who buys.
    pub buyer_id: UserId,
    /// Who sells.
    pub seller_id: UserId,
    /// The seller's Stripe account, `acct_…`.
    pub seller_account: String,
    /// On whose account it is charged.
    pub charge_type: ChargeType,
    /// In which currency.
    pub currency: Currency,
    /// When.
    pub at: OffsetDateTime,
}

impl Purchase {
    /// A purchase that is about to have its first attempt.
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
            attempts: Vec::new(),
            movements: Vec::new(),
            disputes: Vec::new(),
            refunded_heard: 0,
            fee_seen: FeeSeen::default(),
            history: Vec::new(),
            checks: 0,
            rests_until: None,
            counted: Sums::default(),
            version: 0,
            news: Vec::new(),
        }
    }

    /// Where it stands: what its facts add up to.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }

    /// What the newest attempt asks for, or the paid one took, in the minor unit.
    #[must_use]
    pub fn amount(&self) -> i64 {
        self.amount
    }

    /// The platform's part of it, in the minor unit.
    #[must_use]
    pub fn application_fee(&self) -> i64 {
        self.application_fee
    }

    /// When it last changed.
    #[must_use]
    pub fn updated_at(&self) -> OffsetDateTime {
        self.updated_at
    }

    /// When we learned that it is paid.
    #[must_use]
    pub fn paid_at(&self) -> Option<OffsetDateTime> {
        self.paid_at
    }

    /// All that was tried, oldest first.
    #[must_use]
    pub fn attempts(&self) -> &[Attempt] {
        &self.attempts
    }

    /// All that moved after the sale, oldest first.
    #[must_use]
    pub fn movements(&self) -> &[Movement] {
        &self.movements
    }

    /// The movement with a number.
    #[must_use]
    pub fn movement(&self, number: u32) -> Option<&Movement> {
        self.movements.iter().find(|movement| movement.number == number)
    }

    /// The disputes of its charge, oldest first.
    #[must_use]
    pub fn disputes(&self) -> &[Dispute] {
        &self.disputes
    }

    /// All that happened, oldest first.
    #[must_use]
    pub fn history(&self) -> &[Transition] {
        &self.history
    }

    /// What the changes since the last write brought.
    #[must_use]
    pub fn news(&self) -> &[News] {
        &self.news
    }

    /// Empties the news once they are written.
    pub fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }

    /// The newest attempt.
    ///
    /// # Panics
    /// Never: a purchase is written with its first attempt.
    #[must_use]
    pub fn attempt(&self) -> &Attempt {
        self.attempts.last().expect("a purchase has an attempt")
    }

    /// The attempt that took the money: the first, should there be two.
    #[must_use]
    pub fn paid_attempt(&self) -> Option<&Attempt> {
        self.attempts.iter().find(|attempt| attempt.status == Status::Paid)
    }

    /// What the buyer has of the course.
    #[must_use]
    pub fn ownership(&self) -> Ownership {
        let lost = self.disputes.iter().any(|dispute| dispute.status == DisputeStatus::Lost);
        if self.paid_attempt().is_none() || self.refunded() >= self.amount || lost {
            Ownership::None
        } else if self.disputes.iter().any(|dispute| dispute.status.is_open()) {
            Ownership::Contested
        } else {
            Ownership::Owned
        }
    }

    /// Whether a browser was given the means to confirm the newest attempt's PaymentIntent. It can then still be paid
    /// after it failed, unless it is canceled.
    #[must_use]
    pub fn is_in_the_buyers_hands(&self) -> bool {
        let number = self.attempt().number;
        self.history.iter().any(|step| step.attempt == number && step.status == Status::RequiresAction)
    }

    /// The attempt that made the PaymentIntent or the Checkout Session; where neither is known yet, the one that has
    /// the number.
    #[must_use]
    pub fn find_attempt(&self, payment_intent: Option<&str>, checkout_session: Option<&str>, number: Option<u32>) -> Option<u32> {
        let by = |test: &dyn Fn(&Attempt) -> bool| self.attempts.iter().find(|attempt| test(attempt)).map(|attempt| attempt.number);
        payment_intent
            .and_then(|id| by(&|attempt| attempt.payment_intent.as_deref() == Some(id)))
            .or_else(|| checkout_session.and_then(|id| by(&|attempt| attempt.checkout_session.as_deref() == Some(id))))
            .or_else(|| {
                let is_free = |known: &Option<String>, heard: Option<&str>| known.is_none() || heard.is_none();
                by(&|attempt| {
                    Some(attempt.number) == number
                        && is_free(&attempt.payment_intent, payment_intent)
                        && is_free(&attempt.checkout_session, checkout_session)
                })
            })
    }

    /// Begins the next attempt with the course's price of today.
    pub fn begin(&mut self, attempt: Attempt, cause: &str) {
        let (at, number) = (attempt.started_at, attempt.number);
        self.attempts.push(attempt);
        self.attempts.drain(..self.attempts.len().saturating_sub(KEPT_ATTEMPTS));
        (self.checks, self.rests_until) = (0, None);
        self.add_up();
        self.enter(number, Status::Pending, cause, at, None);
    }

    /// Gives the newest attempt to one request until then, and nobody else touches it.
    pub fn lease(&mut self, until: OffsetDateTime) {
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.leased_until = until;
        }
    }

    /// Gives it free again, if it still is the newest.
    pub fn release(&mut self, number: u32, now: OffsetDateTime) {
        if let Some(attempt) = self.attempts.last_mut().filter(|attempt| attempt.number == number) {
            attempt.leased_until = attempt.leased_until.min(now);
        }
    }

    /// That the reconciliation has looked at it. It looks again later, and later each time.
    pub fn checked(&mut self, now: OffsetDateTime) {
        self.rests_until = Some(now + Duration::minutes(5 << self.checks.min(6)));
        self.checks += 1;
    }

    /// Whether the reconciliation has looked at it since it last went on.
    #[must_use]
    pub fn was_checked(&self) -> bool {
        self.checks > 0
    }

    /// When somebody has to look at it who does not wait for a request or an event; none where all is at rest.
    #[must_use]
    pub fn due_at(&self) -> Option<OffsetDateTime> {
        let open = self.status.is_open().then(|| {
            let attempt = self.attempt();
            // A buyer takes a while on the hosted page, and its end is told by an event.
            let patience = if attempt.means == Means::Checkout && attempt.checkout_session.is_some() { 30 } else { 5 };
            attempt.started_at + Duration::minutes(patience)
        });
        let planning = self.lacks_facts().then(|| self.updated_at + Duration::minutes(2));
        let disputes = self.disputes.iter().filter_map(Dispute::due_at);
        let due = self.movements.iter().filter_map(Movement::due_at).chain(disputes).chain(open).chain(planning).min()?;
        Some(self.rests_until.map_or(due, |rests_until| due.max(rests_until)))
    }

    /// The open disputes of which nothing was heard for so long that Stripe is to be asked.
    #[must_use]
    pub fn silent_disputes(&self, now: OffsetDateTime) -> Vec<String> {
        let silent = self.disputes.iter().filter(|dispute| dispute.due_at().is_some_and(|due_at| due_at <= now));
        silent.map(|dispute| dispute.id.clone()).collect()
    }

    /// That Stripe was asked how a dispute stands.
    pub fn asked_about(&mut self, dispute: &str, now: OffsetDateTime) {
        if let Some(dispute) = self.disputes.iter_mut().find(|one| one.id == dispute) {
            dispute.asked_at = Some(now);
        }
    }

    /// Whether a planned movement has waited long enough for whoever planned it.
    #[must_use]
    pub fn is_due(&self, number: u32, now: OffsetDateTime) -> bool {
        self.movement(number).filter(|movement| movement.is_planned()).and_then(Movement::due_at).is_some_and(|due_at| due_at <= now)
    }

    /// The account in `Stripe-Account` of all that concerns its charge; none is the platform's own.
    #[must_use]
    pub fn charged_account(&self) -> Option<&str> {
        (self.charge_type == ChargeType::Direct).then_some(self.seller_account.as_str())
    }

    fn add_movement(&mut self, movement: Movement) -> u32 {
        let number = self.movements.last().map_or(1, |last| last.number + 1);
        self.movements.push(Movement { number, ..movement });
        number
    }

    /// Brings amount, fee and status in line with the facts.
    fn add_up(&mut self) {
        let Some(attempt) = self.paid_attempt().or(self.attempts.last()) else { return };
        let (amount, application_fee, status) = (attempt.amount, attempt.application_fee, attempt.status);
        (self.amount, self.application_fee) = (amount, application_fee);
        if status != Status::Paid {
            self.status = status;
            return;
        }
        let any = |test: fn(DisputeStatus) -> bool| self.disputes.iter().any(|dispute| test(dispute.status));
        let refunded = self.refunded();
        self.status = if any(DisputeStatus::has_withdrawn) {
            Status::Disputed
        } else if refunded >= self.amount {
            Status::Refunded
        } else if any(DisputeStatus::is_open) {
            Status::Disputed
        } else if refunded > 0 {
            Status::PartiallyRefunded
        } else {
            Status::Paid
        };
    }

    fn enter_status(&mut self, cause: &str, at: OffsetDateTime, what: String) {
        let number = self.paid_attempt().map_or(0, |attempt| attempt.number);
        self.enter(number, self.status, cause, at, Some(what));
    }

    fn enter(&mut self, attempt: u32, status: Status, cause: &str, at: OffsetDateTime, what: Option<String>) {
        self.updated_at = at;
        self.history.push(Transition { at, attempt, status, cause: cause.to_owned(), what });
        self.history.drain(..self.history.len().saturating_sub(4 * KEPT_ATTEMPTS));
    }
}
