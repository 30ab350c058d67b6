//! Taking in what Stripe says of a subscription.

use time::OffsetDateTime;

use super::{Interval, News, Payment, Status, Subscription};
use crate::purchase::Failure;

/// A subscription as Stripe has it now, with all of its paid invoices.
#[derive(Clone, Debug)]
pub struct Seen {
    /// `sub_…`
    pub stripe_id: String,
    /// Where it stands.
    pub status: Status,
    /// `si_…` of its one item.
    pub item: Option<String>,
    /// How often it is paid for; none of an interval that is not ours.
    pub interval: Option<Interval>,
    /// What an interval costs.
    pub amount: Option<i64>,
    /// Whether it ends with the period.
    pub ending: bool,
    /// When the period ends that it is in.
    pub period_end: Option<OffsetDateTime>,
    /// The newest first.
    pub payments: Vec<Payment>,
}

/// What was heard of a subscription.
#[derive(Clone, Debug)]
pub enum Observation {
    /// It is at Stripe.
    Seen(Box<Seen>),
    /// Hosted Checkout waits for the buyer, by the session's id.
    Open(String),
    /// It never began.
    Ended(Failure),
}

impl Observation {
    /// Stripe did not begin it, for this reason.
    #[must_use]
    pub fn refused(code: &str) -> Self {
        Self::Ended(Failure { code: code.to_owned(), decline_code: None, declined: false })
    }
}

impl Subscription {
    /// Takes in what Stripe said. It must have been asked after this record was read: then the version that the write names
    /// keeps what is older from replacing what is newer.
    pub fn observe(&mut self, heard: &Observation, now: OffsetDateTime) {
        self.is_unread = false;
        match heard {
            Observation::Open(session) => self.checkout_session = Some(session.clone()),
            Observation::Ended(failure) => {
                self.status = Status::Failed;
                self.failure = Some(failure.clone());
            }
            // While the page is open the buyer may try again, so that only the session tells of an end.
            Observation::Seen(seen) if self.is_checkout() && matches!(seen.status, Status::Incomplete | Status::Failed) => return,
            Observation::Seen(seen) => self.take_in(seen),
        }
        self.updated_at = now;
    }

    fn take_in(&mut self, seen: &Seen) {
        self.stripe_id = Some(seen.stripe_id.clone());
        self.status = seen.status;
        self.item.clone_from(&seen.item);
        self.interval = seen.interval.unwrap_or(self.interval);
        self.amount = seen.amount.unwrap_or(self.amount);
        self.ending = seen.ending;
        self.period_end = seen.period_end;
        if seen.status.runs() {
            self.failure = None;
        }
        for payment in &seen.payments {
            let before = self.payments.iter().find(|known| known.invoice == payment.invoice);
            if before.is_none() {
                self.news.push(News::Paid(payment.invoice.clone()));
            }
            for refund in &payment.refunds {
                let known = before.and_then(|before| before.refunds.iter().find(|known| known.id == refund.id));
                if known.is_none() {
                    self.news.push(News::Refunded(refund.id.clone()));
                }
                if refund.failed && known.is_none_or(|known| !known.failed) {
                    self.news.push(News::RefundFailed(refund.id.clone()));
                }
            }
        }
        self.payments.clone_from(&seen.payments);
    }
}
