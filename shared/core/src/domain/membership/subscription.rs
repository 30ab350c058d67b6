//! A buyer's subscription on record.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::agreed::{Agreed, Difference, Term};
use super::offer::Interval;
use super::payment::Payment;
use crate::domain::charging::{ChargeType, Failure, PLATFORM};
use crate::domain::fraud_warning::FraudWarning;
use crate::domain::ids::{SubscriptionId, UserId};
use crate::domain::money::Currency;
use crate::domain::purchase::Sums;
use crate::domain::user::User;

/// Until when each of a buyer's earlier subscriptions to a seller is paid, in Unix seconds.
pub type Earlier = BTreeMap<SubscriptionId, i64>;

/// How long before the end of a period the seller is checked.
const LOOKS_AHEAD: Duration = Duration::days(1);

/// The status of a subscription, as clients see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Stripe was called, or is about to be, and the outcome is unknown; or hosted Checkout is waiting.
    Pending,
    /// The buyer must authenticate the first payment.
    Incomplete,
    /// It is running.
    Active,
    /// It is running, and an invoice is due.
    PastDue,
    /// It has ended.
    Canceled,
    /// It never began.
    Failed,
}

impl Status {
    /// Whether it is running or may start; a buyer and a seller have at most one such.
    #[must_use]
    pub fn is_open(self) -> bool {
        match self {
            Self::Pending | Self::Incomplete | Self::Active | Self::PastDue => true,
            Self::Canceled | Self::Failed => false,
        }
    }

    /// Whether it has begun and not ended.
    #[must_use]
    pub fn runs(self) -> bool {
        match self {
            Self::Active | Self::PastDue => true,
            Self::Pending | Self::Incomplete | Self::Canceled | Self::Failed => false,
        }
    }

    /// Whether the first payment waits for the buyer.
    #[must_use]
    pub fn is_incomplete(self) -> bool {
        match self {
            Self::Incomplete => true,
            Self::Pending | Self::Active | Self::PastDue | Self::Canceled | Self::Failed => false,
        }
    }

    /// Whether it runs although an invoice is due.
    #[must_use]
    pub fn is_past_due(self) -> bool {
        match self {
            Self::PastDue => true,
            Self::Pending | Self::Incomplete | Self::Active | Self::Canceled | Self::Failed => false,
        }
    }

    /// Whether it never began.
    #[must_use]
    pub fn is_failed(self) -> bool {
        match self {
            Self::Failed => true,
            Self::Pending | Self::Incomplete | Self::Active | Self::PastDue | Self::Canceled => false,
        }
    }
}

/// Why a subscription is ended at once, before its renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndCause {
    /// The member wants it.
    Member,
    /// There is no longer a seller to pay.
    Seller,
}

/// Whether the seller can be paid by a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Yes.
    GoesOn,
    /// The account cannot be charged for now, which may change.
    CannotNow,
    /// The account is no longer linked to this seller, or they no longer sell, or Stripe has rejected it permanently.
    Gone,
}

/// What has just become known about a subscription, for the ledger and mails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// An invoice was paid; contains its `pi_…`, if a charge did.
    Paid(Option<String>),
    /// Money was refunded to the member; contains the refund's id.
    Refunded(String),
    /// The member's bank returned a refund.
    RefundFailed(String),
    /// The exchange rate difference of a refund is known; contains the refund's id.
    Converted(String),
    /// The exchange rate difference of a refund's return is known; contains the refund's id.
    ReturnConverted(String),
    /// A bank disputes a payment or opened an inquiry; contains the dispute's id.
    DisputeOpened(String),
    /// A dispute waits for another answer: an inquiry became a dispute, or a lost one is appealed.
    DisputeNeedsAnswer(String),
    /// The disputed money was withdrawn.
    DisputeWithdrawn(String),
    /// The disputed money was returned.
    DisputeReinstated(String),
    /// The dispute was won or lost, or an inquiry was closed.
    DisputeClosed(String),
    /// Stripe refused the move with this number, which will be retried.
    MoveRefused(u32),
    /// A move that was refused before was made or is no longer wanted.
    MoveDone(u32),
    /// A renewal could not be paid; contains the invoice's id.
    RenewalFailed(String),
    /// It is being ended because there is no seller to pay.
    SellerGone,
    /// The card's issuer says that a payment was fraud.
    FraudWarning(FraudWarning),
    /// Stripe has something else than what was agreed.
    Differs(Difference),
    /// Stripe has what was agreed again.
    Agrees(Term),
}

/// A subscription. Amounts are in the minor unit.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Subscription {
    /// Its id.
    pub id: SubscriptionId,
    /// The subscriber.
    pub buyer_id: UserId,
    /// The seller whose courses it opens.
    pub seller_id: UserId,
    /// The membership's title at the time.
    pub title: String,
    /// The billing interval.
    pub interval: Interval,
    /// The price of an interval.
    pub amount: i64,
    /// The amount's currency.
    pub currency: Currency,
    /// Which account is charged: `direct` or `destination`.
    pub charge_type: ChargeType,
    /// The seller's Stripe account, `acct_…`.
    pub seller_account: String,
    /// The account in `Stripe-Account`; `None` is the platform's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The customer, on the charged account.
    pub customer: String,
    /// The payment method that the buyer chose; `None` if hosted Checkout asks for it.
    #[serde(default)]
    pub payment_method: Option<String>,
    /// Sent as `Idempotency-Key`.
    pub idempotency_key: String,
    /// The exact form body. It is sent again unchanged to find the outcome of the first request.
    pub body: String,
    /// When the buyer's last repetition sent its request again.
    #[serde(with = "time::serde::rfc3339::option", default, skip_serializing_if = "Option::is_none")]
    pub sent_again_at: Option<OffsetDateTime>,
    /// Until then one request is working on it, and no other touches it.
    #[serde(with = "time::serde::rfc3339")]
    pub leased_until: OffsetDateTime,
    /// The status.
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
    /// The payment method that renews it, as the charged account knows it.
    #[serde(default)]
    pub card: Option<String>,
    /// Whether it ends with the period.
    #[serde(default)]
    pub ending: bool,
    /// Whether interval and amount are those of the next period, because a switch is waiting for the end of the paid one.
    #[serde(default)]
    pub switching: bool,
    /// Why it is ended at once; `None` if it runs or ended by itself. Written before Stripe is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<EndCause>,
    /// Whether Stripe has an invoice for it that could still be charged.
    #[serde(default)]
    pub owes: bool,
    /// What was agreed; `None` in records of earlier versions, until the next switch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreed: Option<Agreed>,
    /// What a switch asks Stripe for. Written before Stripe is called, and agreed once Stripe has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Agreed>,
    /// What the coming renewals would do differently from what was agreed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
    /// The platform's percentage of the renewals, while Stripe has the higher one of a switch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewals_fee: Option<String>,
    /// The end of the period for which the seller was checked.
    #[serde(with = "time::serde::rfc3339::option", default)]
    pub looked_at_for: Option<OffsetDateTime>,
    /// The end of the current period, paid or not.
    #[serde(with = "time::serde::rfc3339::option", default)]
    pub period_end: Option<OffsetDateTime>,
    /// The payments of the paid invoices, newest invoice first.
    #[serde(default)]
    pub payments: Vec<Payment>,
    /// What the buyer's earlier subscriptions still open.
    #[serde(default)]
    pub earlier: Earlier,
    /// Which of those have an undecided dispute about the payment that opens the courses.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub contested_earlier: BTreeSet<SubscriptionId>,
    /// Why it never started.
    #[serde(default)]
    pub failure: Option<Failure>,
    /// When it was requested.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
    /// The reconciliation leaves it alone until then.
    #[serde(with = "time::serde::rfc3339::option", default)]
    pub rests_until: Option<OffsetDateTime>,
    /// Whether an event arrived while the account was out of reach, so that the state could not be read.
    #[serde(default)]
    pub is_unread: bool,
    /// Staff are told that the reconciliation could not continue it. It looks once more, even if nothing is open by then, and takes that back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub repair_failed: bool,
    /// Whether its customer had a credit when Stripe was last asked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_credit: bool,
    /// What the seller's totals already include.
    #[serde(default)]
    counted: Sums,
    /// The same in other currencies: Stripe's own fees, where charges settled in those.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    counted_settled: BTreeMap<String, Sums>,
    /// Incremented by each write; a write names the version that it read.
    pub version: u64,
    #[serde(skip)]
    pub(super) news: Vec<News>,
}

/// The terms of a subscription.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The subscription's id.
    pub id: SubscriptionId,
    /// The subscriber.
    pub buyer_id: UserId,
    /// The seller whose courses it opens.
    pub seller_id: UserId,
    /// The membership's title.
    pub title: String,
    /// The billing interval.
    pub interval: Interval,
    /// The price of an interval.
    pub amount: i64,
    /// The amount's currency.
    pub currency: Currency,
    /// The platform's percentage, with at most two decimals; `None` if it keeps nothing.
    pub fee_percent: Option<String>,
    /// Which account is charged.
    pub charge_type: ChargeType,
    /// The seller's Stripe account.
    pub seller_account: String,
    /// The customer, on the charged account.
    pub customer: String,
    /// The payment method that the buyer chose.
    pub payment_method: Option<String>,
    /// What earlier subscriptions still open.
    pub earlier: Earlier,
    /// Which of those have a contested payment.
    pub contested_earlier: BTreeSet<SubscriptionId>,
    /// When.
    pub at: OffsetDateTime,
    /// How long the request has the subscription to itself.
    pub lease: Duration,
}

impl Subscription {
    /// A subscription that is about to be requested from Stripe; its request body is added later.
    #[must_use]
    pub fn new(terms: Terms) -> Self {
        let account = (terms.charge_type == ChargeType::Direct).then(|| terms.seller_account.clone());
        Self {
            idempotency_key: format!("{}:{}:subscribe", account.as_deref().unwrap_or(PLATFORM), terms.id),
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
            sent_again_at: None,
            leased_until: terms.at + terms.lease,
            status: Status::Pending,
            stripe_id: None,
            checkout_session: None,
            item: None,
            card: None,
            ending: false,
            switching: false,
            end: None,
            owes: false,
            agreed: Some(Agreed {
                interval: terms.interval,
                amount: terms.amount,
                fee_percent: terms.fee_percent.unwrap_or_else(|| "0".to_owned()),
                switch_fee_percent: None,
            }),
            asked: None,
            differences: Vec::new(),
            renewals_fee: None,
            looked_at_for: None,
            period_end: None,
            payments: Vec::new(),
            earlier: terms.earlier,
            contested_earlier: terms.contested_earlier,
            failure: None,
            created_at: terms.at,
            updated_at: terms.at,
            rests_until: None,
            is_unread: false,
            repair_failed: false,
            has_credit: false,
            counted: Sums::default(),
            counted_settled: BTreeMap::new(),
            version: 0,
            news: Vec::new(),
        }
    }

    /// Whether hosted Checkout asks for the payment method.
    #[must_use]
    pub fn is_checkout(&self) -> bool {
        self.payment_method.is_none()
    }

    /// Whether the buyer can still make the first payment: on the hosted page, or in the browser.
    #[must_use]
    pub fn awaits_buyer(&self) -> bool {
        let waits = match self.status {
            Status::Pending => self.checkout_session.is_some(),
            Status::Incomplete => true,
            Status::Active | Status::PastDue | Status::Canceled | Status::Failed => false,
        };
        waits && self.end.is_none()
    }

    /// Whether a switch to this amount waits for the end of the period. The credit for the paid period is never more than was
    /// paid for it. So if the new price is higher by at least Stripe's minimum charge, nothing is left over: neither a credit nor
    /// a few cents for another invoice to collect. All other switches wait, and so does any switch that follows a waiting one.
    #[must_use]
    pub fn switches_later(&self, amount: i64) -> bool {
        self.switching || amount < self.amount.saturating_add(self.currency.minimum())
    }

    /// When it needs attention without a request; `None` if it is at rest.
    #[must_use]
    pub fn due_at(&self) -> Option<OffsetDateTime> {
        let due_at = self.stands_until().into_iter().chain(self.money_due_at()).min()?;
        Some(due_at.max(self.rests_until.unwrap_or(due_at)))
    }

    /// The same without its moves and disputes.
    fn stands_until(&self) -> Option<OffsetDateTime> {
        Some(match self.status {
            // The request may still be at work.
            _ if !self.planned_refunds().is_empty() => self.updated_at + Duration::minutes(5),
            _ if self.renewals_fee.is_some() && self.status.runs() => self.updated_at + Duration::minutes(5),
            _ if self.is_unread || self.repair_failed || self.is_to_be_ended() => self.updated_at,
            // Buyers take a while, and an event reports the end.
            Status::Pending if self.checkout_session.is_some() => self.created_at + Duration::minutes(30),
            Status::Incomplete => self.created_at + Duration::minutes(30),
            Status::Pending => self.created_at + Duration::minutes(5),
            // A renewal is paid an hour after its period has begun. If the new period is known
            // but its payment is not, the previous period is the last that is known to be paid.
            Status::Active | Status::PastDue => {
                // A bank is still asked for the first payment.
                let Some(paid) = self.current().map(|payment| payment.period_end) else {
                    return Some(self.updated_at + Duration::hours(12));
                };
                let end = self.period_end.min(paid.or(self.period_end))?;
                // Before the end, check whether the seller can be paid; after it, whether they were.
                if self.looked_at_for == Some(end) { end + Duration::hours(3) } else { end - LOOKS_AHEAD }
            }
            Status::Canceled | Status::Failed => return None,
        })
    }

    /// Whether a card saved on the platform will be charged for it again.
    #[must_use]
    pub fn is_paid_with(&self, card: &str) -> bool {
        let goes_on = self.status.runs() && self.end.is_none() && (self.owes || !self.ending);
        goes_on && self.account.is_none() && self.card.as_deref() == Some(card)
    }

    /// Records that it must end at once. Returns whether that is new.
    pub fn end_for(&mut self, cause: EndCause, now: OffsetDateTime) -> bool {
        if self.end.is_some() || !self.status.is_open() {
            return false;
        }
        self.end = Some(cause);
        self.rests_until = None;
        self.updated_at = now;
        if cause == EndCause::Seller {
            self.news.push(News::SellerGone);
        }
        true
    }

    /// Whether Stripe must still end it or void what is owed for it. When Stripe itself has given up on a renewal and canceled, it only
    /// stops collecting the invoice, whose page still takes money for a period that is over.
    /// <https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses>
    #[must_use]
    pub fn is_to_be_ended(&self) -> bool {
        if self.status.is_open() { self.end.is_some() } else { self.owes }
    }

    /// Whether the seller can be paid by a renewal.
    #[must_use]
    pub fn standing(&self, seller: Option<&User>, platform_country: &str) -> Standing {
        let link = seller.and_then(User::connected_account).filter(|link| link.account_id == self.seller_account);
        match link.map(|link| (link.state.is_rejected(), link.check(self.charge_type, platform_country))) {
            None | Some((true, _)) => Standing::Gone,
            Some((_, Ok(()))) => Standing::GoesOn,
            Some((_, Err(_))) => Standing::CannotNow,
        }
    }

    /// What the totals lack of it, by currency. Counts as written from now on.
    pub fn count(&mut self) -> Vec<(String, Sums)> {
        let own = self.currency.code();
        let mut sums = self.payments.iter().map(|payment| payment.sums(self.charge_type)).fold(Sums::default(), Sums::plus);
        sums.sales = Payment::invoices(&self.payments).iter().map(|invoice| i64::from(invoice.amount > 0)).sum();
        let mut settled: BTreeMap<String, Sums> = BTreeMap::new();
        for (currency, fee) in self.payments.iter().filter_map(Payment::fee_of_stripe) {
            match currency.filter(|currency| *currency != own) {
                Some(currency) => settled.entry(currency.to_owned()).or_default().stripe_fee += fee,
                None => sums.stripe_fee += fee,
            }
        }
        let before = std::mem::replace(&mut self.counted_settled, settled.clone());
        let elsewhere = settled.into_iter().map(|(currency, sums)| {
            let counted = before.get(&currency).copied().unwrap_or_default();
            (currency, sums.minus(counted))
        });
        let lacking = sums.minus(std::mem::replace(&mut self.counted, sums));
        std::iter::once((own.to_owned(), lacking)).chain(elsewhere).collect()
    }

    /// Notes that a renewal, or the first debit of a subscription that runs already, could not be paid.
    pub fn renewal_failed(&mut self, invoice: &str) {
        self.news.push(News::RenewalFailed(invoice.to_owned()));
    }

    /// The payment that this PaymentIntent made.
    #[must_use]
    pub fn payment_of(&self, payment_intent: &str) -> Option<&Payment> {
        self.payments.iter().find(|one| one.payment_intent.as_deref() == Some(payment_intent))
    }

    /// Takes in an early fraud warning. Nothing happens if the payment is not one of its, is disputed, or was refunded.
    pub fn warn_of_fraud(&mut self, warning: &FraudWarning) {
        let payment = self.payment_of(&warning.payment_intent);
        if payment.is_some_and(|payment| payment.disputes.is_empty() && payment.refundable() > 0) {
            self.news.push(News::FraudWarning(warning.clone()));
        }
    }

    /// The PaymentIntents that the next write books.
    #[must_use]
    pub fn claims(&self) -> Vec<String> {
        let claim = |news: &News| if let News::Paid(Some(payment_intent)) = news { Some(payment_intent.clone()) } else { None };
        self.news.iter().filter_map(claim).collect()
    }

    /// Gives up a payment that the next write would book, because it is a course's or another membership's: the owner of a connected
    /// account attached it to the invoice, which counts as paid, but not by it.
    pub fn disown(&mut self, payment_intent: &str) {
        let Some(place) = self.payments.iter().position(|one| one.payment_intent.as_deref() == Some(payment_intent)) else { return };
        let taken = std::mem::take(&mut self.payments[place]);
        let (invoice, marked) = (taken.invoice.clone(), taken.marked + taken.amount);
        let is_its_own = |news: &News| match news {
            News::Paid(paid) => paid.as_deref() == Some(payment_intent),
            News::Refunded(id) | News::RefundFailed(id) | News::Converted(id) | News::ReturnConverted(id) => {
                taken.refunds.iter().any(|refund| refund.id == *id)
            }
            News::DisputeOpened(id)
            | News::DisputeNeedsAnswer(id)
            | News::DisputeWithdrawn(id)
            | News::DisputeReinstated(id)
            | News::DisputeClosed(id) => taken.disputes.iter().any(|dispute| dispute.id == *id),
            News::FraudWarning(warning) => warning.payment_intent == payment_intent,
            News::Differs(difference) => difference.invoice.as_ref() == Some(&invoice),
            News::MoveRefused(_) | News::MoveDone(_) | News::RenewalFailed(_) | News::SellerGone | News::Agrees(_) => false,
        };
        self.news.retain(|news| !is_its_own(news));
        let (period_start, period_end, credited) = (taken.period_start, taken.period_end, taken.credited);
        self.payments[place] = Payment { invoice: invoice.clone(), period_start, period_end, credited, marked, ..Payment::default() };
        let whole = Payment::invoices(&self.payments).into_iter().find(|one| one.invoice == invoice).unwrap_or_default();
        let (agreed, found) = (whole.amount + whole.marked, whole.amount);
        let difference = Difference { term: Term::Payment, agreed, found, invoice: Some(invoice) };
        self.news.extend([News::Paid(None), News::Differs(difference)]);
    }

    /// What has become known since the last write. Counts as written from now on.
    pub fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }
}
