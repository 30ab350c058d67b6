//! Updates a subscription from what Stripe says.

use time::OffsetDateTime;

use super::agreed::{InForce, Limits};
use super::offer::Interval;
use super::payment::{Dispute, Payment};
use super::subscription::{News, Status, Subscription};
use crate::domain::charging::Failure;

/// A subscription as Stripe has it now, with all of its paid invoices.
#[derive(Clone, Debug)]
pub struct Seen {
    /// `sub_…`
    pub stripe_id: String,
    /// The status.
    pub status: Status,
    /// `si_…` of its one item.
    pub item: Option<String>,
    /// The payment method that renews it.
    pub card: Option<String>,
    /// The billing interval; `None` if it is not one of ours.
    pub interval: Option<Interval>,
    /// What an interval costs: price and quantity.
    pub amount: Option<i64>,
    /// Whether it ends with the period.
    pub ending: bool,
    /// Whether the current setup is only charged after the period.
    pub switching: bool,
    /// Whether an invoice is neither paid nor void.
    pub owes: bool,
    /// The platform's percentage that is in force, with at most two decimals; `0` if it keeps nothing.
    pub fee_percent: String,
    /// The end of the current period.
    pub period_end: Option<OffsetDateTime>,
    /// Newest invoice first.
    pub payments: Vec<Payment>,
}

/// What Stripe said about a subscription.
#[derive(Clone, Debug)]
pub enum Observation {
    /// It exists at Stripe.
    Seen(Box<Seen>),
    /// Hosted Checkout is waiting for the buyer; contains the session's id.
    Open(String),
    /// It never began.
    Ended(Failure),
}

impl Observation {
    /// Stripe refused to create it, for this reason.
    #[must_use]
    pub fn refused(code: &str) -> Self {
        Self::Ended(Failure { code: code.to_owned(), decline_code: None, declined: false })
    }
}

impl Subscription {
    /// Updates the record from Stripe's answer. Stripe must have been asked after this record was
    /// read. Then the version check of the write prevents older answers from replacing newer ones.
    pub fn observe(&mut self, heard: &Observation, now: OffsetDateTime) {
        self.is_unread = false;
        match heard {
            Observation::Open(session) => self.checkout_session = Some(session.clone()),
            Observation::Ended(failure) => {
                self.status = Status::Failed;
                self.failure = Some(failure.clone());
            }
            // While the page is open the buyer may retry, so only the session can end the subscription.
            Observation::Seen(seen) if self.is_checkout() && (seen.status.is_incomplete() || seen.status.is_failed()) => return,
            Observation::Seen(seen) => self.take_in(seen, now),
        }
        self.updated_at = now;
    }

    fn take_in(&mut self, seen: &Seen, now: OffsetDateTime) {
        self.stripe_id = Some(seen.stripe_id.clone());
        self.status = seen.status;
        self.item.clone_from(&seen.item);
        self.card.clone_from(&seen.card);
        self.interval = seen.interval.unwrap_or(self.interval);
        self.amount = seen.amount.unwrap_or(self.amount);
        self.ending = seen.ending;
        self.switching = seen.switching;
        self.owes = seen.owes;
        let limits = self.compare(seen);
        self.period_end = seen.period_end;
        if seen.status.runs() {
            self.failure = None;
        }
        let invoices = Payment::invoices(&seen.payments);
        for (place, invoice) in invoices.iter().enumerate() {
            if self.payments.iter().all(|known| known.invoice != invoice.invoice) {
                let earlier = invoices[place + 1..].iter();
                let differences = limits.map(|limits| limits.differences(invoice, earlier, self.account.is_some()));
                self.news.extend(differences.into_iter().flatten().map(News::Differs));
            }
        }
        for payment in &seen.payments {
            let before = self.payments.iter().find(|known| known.is(payment));
            if before.is_none() {
                self.news.push(News::Paid(payment.payment_intent.clone()));
            }
            for refund in &payment.refunds {
                let known = before.and_then(|before| before.refunds.iter().find(|known| known.id == refund.id));
                if known.is_none() {
                    self.news.push(News::Refunded(refund.id.clone()));
                }
                if refund.failed && known.is_none_or(|known| !known.failed) {
                    self.news.push(News::RefundFailed(refund.id.clone()));
                }
                let recorded = before.zip(known);
                let was_converted = recorded.is_some_and(|(before, known)| before.difference_of_refund(known).is_some());
                if payment.difference_of_refund(refund).is_some() && !was_converted {
                    self.news.push(News::Converted(refund.id.clone()));
                }
                let was_returned = recorded.is_some_and(|(before, known)| before.difference_of_return(known).is_some());
                if payment.difference_of_return(refund).is_some() && !was_returned {
                    self.news.push(News::ReturnConverted(refund.id.clone()));
                }
            }
            for dispute in &payment.disputes {
                let known = before.and_then(|before| before.disputes.iter().find(|known| known.id == dispute.id));
                self.news.extend(heard_of(known, dispute));
            }
        }
        self.payments.clone_from(&seen.payments);
        for dispute in self.payments.iter_mut().flat_map(|payment| &mut payment.disputes) {
            dispute.opened_at.get_or_insert(now);
        }
        self.find_reversals(now);
    }
}

impl Subscription {
    /// Compares Stripe's answer with what was agreed, and notes what became or ceased to be different. Returns what to compare payments with.
    fn compare(&mut self, seen: &Seen) -> Option<Limits> {
        let before = self.agreed.as_ref().map(|agreed| (agreed.amount, agreed.least_fee()));
        let stripe = InForce { interval: seen.interval, amount: seen.amount, fee_percent: &seen.fee_percent };
        if let Some(asked) = self.asked.take_if(|asked| asked.is_at(stripe)) {
            self.agreed = Some(asked);
        }
        let Some(agreed) = &self.agreed else {
            self.renewals_fee = None;
            return None;
        };
        self.renewals_fee = agreed.renewals_fee(stripe);
        let now = if seen.status.runs() { agreed.differences(stripe) } else { Vec::new() };
        let news = now.iter().filter(|one| !self.differences.contains(one)).cloned().map(News::Differs);
        let gone = self.differences.iter().filter(|one| now.iter().all(|now| now.term != one.term)).map(|one| News::Agrees(one.term));
        let news: Vec<News> = news.chain(gone).collect();
        let (before, fee_before) = before.unwrap_or((agreed.amount, agreed.least_fee()));
        let limits = Limits { most: before.max(agreed.amount), before, least_fee: fee_before.min(agreed.least_fee()) };
        self.news.extend(news);
        self.differences = now;
        Some(limits)
    }
}

/// What is new about a dispute.
fn heard_of(before: Option<&Dispute>, dispute: &Dispute) -> Vec<News> {
    let id = || dispute.id.clone();
    let is_new = before.is_none_or(|before| before.status != dispute.status);
    let news = [
        before.is_none().then(|| News::DisputeOpened(id())),
        (before.is_some() && dispute.status.needs_answer() && is_new).then(|| News::DisputeNeedsAnswer(id())),
        (dispute.withdrew() && !before.is_some_and(Dispute::withdrew)).then(|| News::DisputeWithdrawn(id())),
        (dispute.status.is_won() && is_new).then(|| News::DisputeReinstated(id())),
        (!dispute.status.is_open() && is_new).then(|| News::DisputeClosed(id())),
    ];
    news.into_iter().flatten().collect()
}
