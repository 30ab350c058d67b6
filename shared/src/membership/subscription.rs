//! A buyer's subscription as it is on record.

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::{Earlier, Interval, Payment};
use crate::ids::{SubscriptionId, UserId};
use crate::money::Currency;
use crate::purchase::{ChargeType, Failure, Sums};

/// Where a subscription stands, as clients see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Stripe has been asked, or is about to be, and has not said how it ended; or hosted Checkout waits.
    Pending,
    /// The buyer must authenticate the first payment.
    Incomplete,
    /// It runs.
    Active,
    /// It runs, and an invoice is owed.
    PastDue,
    /// It has ended.
    Canceled,
    /// It never began.
    Failed,
}

impl Status {
    /// Whether it runs or may come to run: a buyer and a seller have at most one such.
    #[must_use]
    pub fn is_open(self) -> bool {
        !matches!(self, Self::Canceled | Self::Failed)
    }

    /// Whether it has begun and not ended.
    #[must_use]
    pub fn runs(self) -> bool {
        matches!(self, Self::Active | Self::PastDue)
    }
}

/// What has just become known of a subscription, for the ledger and for mails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// The invoice was paid.
    Paid(String),
    /// Money went back to the member, by the refund's id.
    Refunded(String),
    /// The member's bank sent a refund back.
    RefundFailed(String),
    /// A renewal could not be paid, by the invoice's id.
    RenewalFailed(String),
}

/// A subscription. Amounts are in the minor unit.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Subscription {
    /// Its id.
    pub id: SubscriptionId,
    /// Who subscribes.
    pub buyer_id: UserId,
    /// Whose courses it opens.
    pub seller_id: UserId,
    /// What the membership was called.
    pub title: String,
    /// How often it is paid for.
    pub interval: Interval,
    /// What an interval costs.
    pub amount: i64,
    /// The amount's currency.
    pub currency: Currency,
    /// On whose account it is charged: `direct` or `destination`.
    pub charge_type: ChargeType,
    /// The seller's Stripe account, `acct_…`.
    pub seller_account: String,
    /// The account in `Stripe-Account`; none is the platform's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Who is charged, on that account.
    pub customer: String,
    /// The payment method that the buyer named; none where hosted Checkout asks for it.
    #[serde(default)]
    pub payment_method: Option<String>,
    /// Sent as `Idempotency-Key`.
    pub idempotency_key: String,
    /// The exact form body, sent again as it is to find out how the first sending ended.
    pub body: String,
    /// Until then one request is at work on it, and no other touches it.
    #[serde(with = "time::serde::rfc3339")]
    pub leased_until: OffsetDateTime,
    /// Where it stands.
    pub status: Status,
    /// `sub_…`, once known.
    #[serde(default)]
    pub stripe_id: Option<String>,
    /// `cs_…`, once known.
    #[serde(default)]
    pub checkout_session: Option<String>,
    /// `si_…` of its one item.
    #[serde(default)]
    pub item: Option<String>,
    /// Whether it ends with the period.
    #[serde(default)]
    pub ending: bool,
    /// When the period ends that it is in, paid or not.
    #[serde(with = "time::serde::rfc3339::option", default)]
    pub period_end: Option<OffsetDateTime>,
    /// The invoices that were paid, the newest first.
    #[serde(default)]
    pub payments: Vec<Payment>,
    /// What the same buyer's earlier ones still open.
    #[serde(default)]
    pub earlier: Earlier,
    /// Why it never began.
    #[serde(default)]
    pub failure: Option<Failure>,
    /// When it was asked for.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
    /// Until then the reconciliation leaves it alone.
    #[serde(with = "time::serde::rfc3339::option", default)]
    pub rests_until: Option<OffsetDateTime>,
    /// Whether an event told of it while the account was out of reach, so that nobody could read what came of it.
    #[serde(default)]
    pub is_unread: bool,
    /// What of it the seller's totals contain.
    #[serde(default)]
    counted: Sums,
    /// Counts writes; a write names the one that it saw.
    pub version: u64,
    #[serde(skip)]
    pub(super) news: Vec<News>,
}

/// What is subscribed to, of whom and by whom.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The subscription's id.
    pub id: SubscriptionId,
    /// Who subscribes.
    pub buyer_id: UserId,
    /// Whose courses it opens.
    pub seller_id: UserId,
    /// What the membership is called.
    pub title: String,
    /// How often it is paid for.
    pub interval: Interval,
    /// What an interval costs.
    pub amount: i64,
    /// The amount's currency.
    pub currency: Currency,
    /// On whose account it is charged.
    pub charge_type: ChargeType,
    /// The seller's Stripe account.
    pub seller_account: String,
    /// Who is charged, on the account that is charged.
    pub customer: String,
    /// The payment method that the buyer named.
    pub payment_method: Option<String>,
    /// What earlier subscriptions still open.
    pub earlier: Earlier,
    /// When.
    pub at: OffsetDateTime,
    /// For how long who asks has it to themselves.
    pub lease: Duration,
}

impl Subscription {
    /// A subscription that Stripe is about to be asked for; its request is still to be written.
    #[must_use]
    pub fn new(terms: Terms) -> Self {
        let account = (terms.charge_type == ChargeType::Direct).then(|| terms.seller_account.clone());
        Self {
            idempotency_key: format!("{}:{}:subscribe", account.as_deref().unwrap_or(crate::user::PLATFORM), terms.id),
            id: terms.id,
            buyer_id: terms.buyer_id,
            seller_id: terms.seller_id,
            title: terms.title,
            interval: terms.interval,
            amount: terms.amount,
            currency: terms.currency,
            charge_type: terms.charge_type,
            seller_account: terms.seller_account,
            account,
            customer: terms.customer,
            payment_method: terms.payment_method,
            body: String::new(),
            leased_until: terms.at + terms.lease,
            status: Status::Pending,
            stripe_id: None,
            checkout_session: None,
            item: None,
            ending: false,
            period_end: None,
            payments: Vec::new(),
            earlier: terms.earlier,
            failure: None,
            created_at: terms.at,
            updated_at: terms.at,
            rests_until: None,
            is_unread: false,
            counted: Sums::default(),
            version: 0,
            news: Vec::new(),
        }
    }

    /// Whether hosted Checkout asks for the payment method.
    #[must_use]
    pub fn is_checkout(&self) -> bool {
        self.payment_method.is_none()
    }

    /// The newest paid invoice that pays a period. A switch makes a new one, so that what was paid before does not count any more,
    /// unless the newer was given back.
    fn current(&self) -> Option<&Payment> {
        self.payments.iter().find(|payment| payment.period_end.is_some())
    }

    /// Until when its invoices are paid, those left out that were given back in whole.
    #[must_use]
    pub fn paid_until(&self) -> Option<OffsetDateTime> {
        self.payments.iter().filter(|payment| !payment.is_refunded()).find_map(|payment| payment.period_end)
    }

    /// Takes in until when an earlier one is paid: less where its money was given back. Says whether that was new.
    pub fn hear_of_earlier(&mut self, earlier: &Self) -> bool {
        let until = earlier.paid_until().filter(|until| *until > earlier.updated_at).map(OffsetDateTime::unix_timestamp);
        let before = match until {
            Some(until) => self.earlier.insert(earlier.id.clone(), until),
            None => self.earlier.remove(&earlier.id),
        };
        before != until
    }

    /// Whether a renewal is to come: not where it ends, nor where the money of the current period was given back.
    #[must_use]
    pub fn renews(&self) -> bool {
        let owes = self.status == Status::PastDue || (self.status == Status::Active && !self.ending);
        owes && self.current().is_some_and(|payment| !payment.is_refunded())
    }

    /// When somebody must look at it who waits for no request; none where it is at rest.
    #[must_use]
    pub fn due_at(&self) -> Option<OffsetDateTime> {
        let due_at = match self.status {
            _ if self.is_unread => self.updated_at,
            // A session expires by itself after a day, and tells.
            Status::Pending if self.checkout_session.is_some() => self.created_at + Duration::hours(25),
            Status::Pending => self.created_at + Duration::minutes(5),
            Status::Incomplete => self.created_at + Duration::hours(24),
            // A renewal is paid an hour after its period has begun. Where the new period was told of and its payment was not, the
            // one before is the last that is known to be paid.
            Status::Active | Status::PastDue => {
                let paid = self.current().and_then(|payment| payment.period_end);
                self.period_end.min(paid.or(self.period_end))? + Duration::hours(3)
            }
            Status::Canceled | Status::Failed => return None,
        };
        Some(due_at.max(self.rests_until.unwrap_or(due_at)))
    }

    /// What the totals lack of it; taken as written.
    pub fn count(&mut self) -> Sums {
        let sums = self.payments.iter().map(|payment| payment.sums(self.charge_type)).fold(Sums::default(), Sums::plus);
        sums.minus(std::mem::replace(&mut self.counted, sums))
    }

    /// Notes that a renewal could not be paid.
    pub fn renewal_failed(&mut self, invoice: &str) {
        self.news.push(News::RenewalFailed(invoice.to_owned()));
    }

    /// What has become known since the last write; taken as written.
    pub fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }
}
