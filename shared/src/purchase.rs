//! A purchase and its life.
//!
//! A purchase has attempts. Each attempt asks Stripe once for money, under one idempotency key, and its life only
//! goes forward: what is heard late, twice or in another order leads to the same end. The way is
//! `pending → requires_action → failed | canceled → paid`: a PaymentIntent whose authentication failed, or that was
//! declined in hosted Checkout, can still succeed, so `paid` outranks everything that is heard of the same
//! PaymentIntent. <https://docs.stripe.com/payments/paymentintents/lifecycle>

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::ids::{CourseId, PurchaseId, UserId};
use crate::money::Currency;

/// Where a purchase stands, as clients see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Stripe has been asked, or is about to be, and has not said how it ended.
    Pending,
    /// The buyer must authenticate the payment.
    RequiresAction,
    /// The money is taken: the buyer owns the course.
    Paid,
    /// The last attempt was refused.
    Failed,
    /// The last attempt was given up: a canceled payment or an expired Checkout.
    Canceled,
    /// All of it was given back.
    Refunded,
    /// A part of it was given back; the buyer still owns the course.
    PartiallyRefunded,
    /// The buyer's bank disputes it.
    Disputed,
}

impl Status {
    /// Whether the buyer owns the course.
    #[must_use]
    pub fn gives_access(self) -> bool {
        matches!(self, Self::Paid | Self::PartiallyRefunded | Self::Disputed)
    }

    /// Whether an attempt is under way whose end is not known.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::RequiresAction)
    }

    /// How far on in an attempt's life: what is heard later never leads back.
    fn rank(self) -> u8 {
        match self {
            Self::Pending => 0,
            Self::RequiresAction => 1,
            Self::Failed | Self::Canceled => 2,
            Self::Paid => 3,
            Self::PartiallyRefunded => 4,
            Self::Disputed => 5,
            Self::Refunded => 6,
        }
    }
}

/// On whose account a sale is charged.
/// <https://docs.stripe.com/connect/charges>
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChargeType {
    /// On the connected account, with an application fee.
    Direct,
    /// On the platform, which passes the seller's part on.
    Destination,
}

/// What asks for the money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Means {
    /// A PaymentIntent, confirmed by the server with a payment method.
    PaymentIntent,
    /// Stripe's hosted Checkout.
    Checkout,
}

/// One request for money, written down before it is sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Attempt {
    /// Counts from 1.
    pub number: u32,
    /// What asks for the money.
    pub means: Means,
    /// The account in `Stripe-Account`; none is the platform's own.
    pub account: Option<String>,
    /// Sent as `Idempotency-Key`: the account, the purchase and the attempt.
    pub idempotency_key: String,
    /// The exact form body, sent again as it is to find out how the first sending ended.
    pub body: String,
    /// The customer that is charged: payments are listed by it where the key no longer tells.
    pub customer: String,
    /// The payment method that the buyer named, if any.
    pub payment_method: Option<String>,
    /// What this attempt asks for, in the minor unit.
    pub amount: i64,
    /// The platform's part of it.
    pub application_fee: i64,
    /// When the request was first written.
    #[serde(with = "time::serde::rfc3339")]
    pub started_at: OffsetDateTime,
    /// Until then one request is at work on this attempt, and no other touches it.
    #[serde(with = "time::serde::rfc3339")]
    pub leased_until: OffsetDateTime,
    /// `pi_…`, once known.
    pub payment_intent: Option<String>,
    /// `cs_…`, once known.
    pub checkout_session: Option<String>,
    /// Where it stands.
    pub status: Status,
    /// Why it failed: Stripe's `code` and, of a card, `decline_code`.
    pub failure: Option<Failure>,
}

/// Why an attempt failed, in Stripe's words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// `card_declined`, `expired_card`, …
    pub code: String,
    /// `insufficient_funds`, …
    pub decline_code: Option<String>,
    /// Whether the buyer's bank, or Stripe for it, declined; otherwise Stripe refused the request itself.
    #[serde(default)]
    pub declined: bool,
}

/// For how long Stripe replays the first answer to an idempotency key; a little less than it promises.
/// <https://docs.stripe.com/api/idempotent_requests>
pub const KEY_LIFETIME: Duration = Duration::hours(23);

/// How many attempts a purchase remembers.
const KEPT_ATTEMPTS: usize = 50;

/// A change of status and what brought it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// When we learned of it.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Which attempt.
    pub attempt: u32,
    /// Where it led.
    pub status: Status,
    /// The request or event that brought it: `request:<id>`, `event:<id>`.
    pub cause: String,
}

/// A purchase as stored. It keeps what the course was when it was sold.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Purchase {
    /// The purchase's id.
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
    /// What the current attempt asks for, in the minor unit.
    pub amount: i64,
    /// The amount's currency.
    pub currency: Currency,
    /// The platform's part.
    pub application_fee: i64,
    /// Where the purchase stands: where its newest attempt does, or the one that was paid.
    pub status: Status,
    /// In the minor unit.
    #[serde(default)]
    pub refunded: i64,
    /// When it began.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
    /// When we learned that it is paid.
    #[serde(with = "time::serde::rfc3339::option", default)]
    pub paid_at: Option<OffsetDateTime>,
    /// All that was tried, oldest first.
    pub attempts: Vec<Attempt>,
    /// All that happened, oldest first.
    pub history: Vec<Transition>,
    /// Counts writes; a write names the one that it saw.
    pub version: u64,
}

/// What Stripe says of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// Where the attempt stands.
    pub status: Status,
    /// `pi_…`, where there is one.
    pub payment_intent: Option<String>,
    /// `cs_…`, where there is one.
    pub checkout_session: Option<String>,
    /// Why it failed.
    pub failure: Option<Failure>,
}

impl Observation {
    /// An attempt that ended without any object at Stripe.
    #[must_use]
    pub fn refused(code: &str) -> Self {
        let failure = Failure { code: code.to_owned(), decline_code: None, declined: false };
        Self { status: Status::Failed, payment_intent: None, checkout_session: None, failure: Some(failure) }
    }
}

impl Purchase {
    /// The newest attempt.
    ///
    /// # Panics
    /// Never: a purchase is made with its first attempt.
    #[must_use]
    pub fn attempt(&self) -> &Attempt {
        self.attempts.last().expect("a purchase has an attempt")
    }

    /// The newest attempt, to be changed.
    ///
    /// # Panics
    /// Never: a purchase is made with its first attempt.
    pub fn attempt_mut(&mut self) -> &mut Attempt {
        self.attempts.last_mut().expect("a purchase has an attempt")
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
        let at = attempt.started_at;
        self.amount = attempt.amount;
        self.application_fee = attempt.application_fee;
        self.status = attempt.status;
        self.updated_at = at;
        self.history.push(Transition { at, attempt: attempt.number, status: attempt.status, cause: cause.to_owned() });
        self.attempts.push(attempt);
        // An item holds 400 KB; whoever is declined a hundred times keeps the last fifty.
        self.attempts.drain(..self.attempts.len().saturating_sub(KEPT_ATTEMPTS));
        self.history.drain(..self.history.len().saturating_sub(4 * KEPT_ATTEMPTS));
    }

    /// Takes in what Stripe says of attempt `number`, and says whether anything changed.
    ///
    /// The ids of Stripe's objects are kept whenever they are first heard of. A status that the attempt has passed
    /// already changes nothing, and neither does an older attempt that comes to nothing. An older attempt that was
    /// paid after all makes the purchase paid: the money is there.
    pub fn observe(&mut self, number: u32, seen: &Observation, cause: &str, at: OffsetDateTime) -> bool {
        let newest = self.attempt().number;
        let Some(attempt) = self.attempts.iter_mut().find(|attempt| attempt.number == number) else { return false };
        let mut changed = false;
        for (known, heard) in [(&mut attempt.payment_intent, &seen.payment_intent), (&mut attempt.checkout_session, &seen.checkout_session)]
        {
            if known.is_none() && heard.is_some() {
                known.clone_from(heard);
                changed = true;
            }
        }
        if seen.status.rank() > attempt.status.rank() {
            attempt.status = seen.status;
            attempt.failure.clone_from(&seen.failure);
            if seen.status == Status::Paid {
                attempt.failure = None;
            }
            self.history.push(Transition { at, attempt: number, status: seen.status, cause: cause.to_owned() });
            changed = true;
            let decides = number == newest || seen.status == Status::Paid;
            if decides && (seen.status.rank() > self.status.rank() || self.status.is_open()) {
                self.status = seen.status;
                if seen.status == Status::Paid {
                    self.amount = attempt.amount;
                    self.application_fee = attempt.application_fee;
                    self.paid_at = Some(at);
                }
            }
        }
        if changed {
            self.updated_at = at;
        }
        changed
    }

    /// Takes in how much of the charge Stripe says was given back so far, in the minor unit. It only grows.
    pub fn observe_refunded(&mut self, refunded: i64, cause: &str, at: OffsetDateTime) -> bool {
        if refunded <= self.refunded || !self.status.gives_access() {
            return false;
        }
        self.refunded = refunded.min(self.amount);
        self.status = if self.refunded == self.amount { Status::Refunded } else { Status::PartiallyRefunded };
        self.updated_at = at;
        let attempt = self.attempt().number;
        self.history.push(Transition { at, attempt, status: self.status, cause: cause.to_owned() });
        true
    }

    /// What the seller's Stripe account has gained by the sale, in the minor unit, before Stripe's own fee.
    ///
    /// A refund takes back the seller's part and the platform's fee in proportion.
    #[must_use]
    pub fn net(&self) -> i64 {
        if !self.status.gives_access() && self.status != Status::Refunded {
            return 0;
        }
        let fee_returned = if self.amount == 0 { 0 } else { self.application_fee * self.refunded / self.amount };
        (self.amount - self.refunded) - (self.application_fee - fee_returned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::Entropy;

    fn attempt(number: u32, means: Means) -> Attempt {
        Attempt {
            number,
            means,
            account: None,
            idempotency_key: format!("platform:pur:{number}"),
            body: String::new(),
            customer: "cus_1".into(),
            payment_method: None,
            amount: 5000,
            application_fee: 2500,
            started_at: OffsetDateTime::UNIX_EPOCH,
            leased_until: OffsetDateTime::UNIX_EPOCH,
            payment_intent: None,
            checkout_session: None,
            status: Status::Pending,
            failure: None,
        }
    }

    fn purchase() -> Purchase {
        let entropy = Entropy::seeded(1);
        let (buyer, seller) = (UserId::generate(&entropy), UserId::generate(&entropy));
        let at = OffsetDateTime::UNIX_EPOCH;
        Purchase {
            id: PurchaseId::generate(&buyer, at, &entropy),
            course_id: CourseId::generate(&seller, at, &entropy),
            course_title: "Course".into(),
            course_slug: "course".into(),
            buyer_id: buyer,
            seller_id: seller,
            seller_account: "acct_1".into(),
            charge_type: ChargeType::Destination,
            amount: 5000,
            currency: Currency::Usd,
            application_fee: 2500,
            status: Status::Pending,
            refunded: 0,
            created_at: at,
            updated_at: at,
            paid_at: None,
            attempts: vec![attempt(1, Means::PaymentIntent)],
            history: Vec::new(),
            version: 1,
        }
    }

    fn seen(status: Status, payment_intent: &str) -> Observation {
        Observation { status, payment_intent: Some(payment_intent.into()), checkout_session: None, failure: None }
    }

    /// Every order of `items`.
    fn orders<T: Clone>(items: &[T]) -> Vec<Vec<T>> {
        if items.is_empty() {
            return vec![Vec::new()];
        }
        (0..items.len())
            .flat_map(|first| {
                let mut rest = items.to_vec();
                let first = rest.remove(first);
                orders(&rest).into_iter().map(move |mut order| {
                    order.insert(0, first.clone());
                    order
                })
            })
            .collect()
    }

    #[test]
    fn any_order_and_repetition_of_events_ends_the_same() {
        let statuses = [Status::Pending, Status::RequiresAction, Status::Failed, Status::Canceled, Status::Paid];
        for order in orders(&statuses) {
            let mut purchase = purchase();
            for status in order.iter().chain(&order) {
                purchase.observe(1, &seen(*status, "pi_1"), "event", OffsetDateTime::UNIX_EPOCH);
            }
            assert_eq!(purchase.status, Status::Paid, "{order:?}");
            let paid = purchase.history.iter().filter(|step| step.status == Status::Paid).count();
            assert_eq!(paid, 1, "{order:?}");
        }
    }

    #[test]
    fn what_is_heard_twice_changes_nothing() {
        let mut purchase = purchase();
        assert!(purchase.observe(1, &seen(Status::Paid, "pi_1"), "event", OffsetDateTime::UNIX_EPOCH));
        for status in [Status::Pending, Status::RequiresAction, Status::Failed, Status::Canceled, Status::Paid] {
            assert!(!purchase.observe(1, &seen(status, "pi_1"), "event", OffsetDateTime::UNIX_EPOCH), "{status:?}");
        }
    }

    #[test]
    fn an_old_attempt_that_fails_late_leaves_the_new_one_alone() {
        let mut purchase = purchase();
        purchase.observe(1, &seen(Status::RequiresAction, "pi_1"), "request", OffsetDateTime::UNIX_EPOCH);
        purchase.begin(attempt(2, Means::PaymentIntent), "request");
        purchase.observe(1, &seen(Status::Failed, "pi_1"), "event", OffsetDateTime::UNIX_EPOCH);
        assert_eq!(purchase.status, Status::Pending);
        assert_eq!(purchase.attempts[0].status, Status::Failed);
        purchase.observe(2, &seen(Status::Paid, "pi_2"), "event", OffsetDateTime::UNIX_EPOCH);
        assert_eq!(purchase.status, Status::Paid);
    }

    #[test]
    fn an_old_attempt_that_is_paid_after_all_counts() {
        let mut purchase = purchase();
        purchase.begin(attempt(2, Means::Checkout), "request");
        purchase.observe(1, &seen(Status::Paid, "pi_1"), "event", OffsetDateTime::UNIX_EPOCH);
        assert_eq!(purchase.status, Status::Paid);
        assert!(purchase.paid_at.is_some());
    }

    #[test]
    fn a_metadata_number_does_not_stand_in_for_another_payment() {
        let mut purchase = purchase();
        assert_eq!(purchase.find_attempt(Some("pi_1"), None, Some(1)), Some(1));
        purchase.observe(1, &seen(Status::Failed, "pi_1"), "request", OffsetDateTime::UNIX_EPOCH);
        assert_eq!(purchase.find_attempt(Some("pi_forged"), None, Some(1)), None);
        assert_eq!(purchase.find_attempt(Some("pi_1"), None, None), Some(1));
    }

    #[test]
    fn refunds_only_grow_and_never_beyond_the_charge() {
        let at = OffsetDateTime::UNIX_EPOCH;
        let mut purchase = purchase();
        assert!(!purchase.observe_refunded(100, "event", at), "what was not paid cannot be given back");
        purchase.observe(1, &seen(Status::Paid, "pi_1"), "event", at);
        assert_eq!(purchase.net(), 2500);
        assert!(purchase.observe_refunded(1000, "event", at));
        assert_eq!((purchase.status, purchase.net()), (Status::PartiallyRefunded, 2000));
        assert!(!purchase.observe_refunded(400, "event", at));
        assert!(purchase.observe_refunded(9999, "event", at));
        assert_eq!((purchase.status, purchase.refunded, purchase.net()), (Status::Refunded, 5000, 0));
    }

    #[test]
    fn a_buyer_who_is_declined_for_ever_does_not_fill_the_table() {
        let mut purchase = purchase();
        for number in 2..300 {
            purchase.begin(attempt(number, Means::PaymentIntent), "request");
        }
        assert!(purchase.attempts.len() <= KEPT_ATTEMPTS && purchase.history.len() <= 4 * KEPT_ATTEMPTS);
        assert_eq!(purchase.attempt().number, 299);
    }
}
