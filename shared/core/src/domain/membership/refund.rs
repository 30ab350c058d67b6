//! Refunds to members, per period.

use time::OffsetDateTime;

use super::moves::{Move, MoveCause};
use super::payment::{AskedRefund, AskedState, Payment};
use super::subscription::Subscription;
use crate::domain::charging::{ChargeType, PLATFORM};
use crate::domain::ids::UserId;
use crate::domain::purchase::{MOST_REFUNDS, RefundCap, RefundFault};

/// Stripe's request for a refund.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundRequest {
    /// `pi_…`
    pub payment_intent: String,
    /// The number of the payment's refund.
    pub number: u32,
    /// In the minor unit.
    pub amount: i64,
    /// When it was requested.
    pub at: OffsetDateTime,
    /// Sent as `Idempotency-Key`.
    pub key: String,
    /// The form, always identical.
    pub form: Vec<(&'static str, String)>,
}

impl Subscription {
    /// The newest invoice that took money.
    #[must_use]
    pub fn newest_invoice(&self) -> Option<&str> {
        self.payments.iter().find(|payment| payment.payment_intent.is_some()).map(|payment| payment.invoice.as_str())
    }

    /// The paid invoices, newest first, each with what all of its payments took and returned.
    #[must_use]
    pub fn invoices(&self) -> Vec<Payment> {
        Payment::invoices(&self.payments)
    }

    /// The payments of an invoice.
    pub fn payments_of<'a>(&'a self, invoice: &'a str) -> impl Iterator<Item = &'a Payment> {
        self.payments.iter().filter(move |payment| payment.invoice == invoice)
    }

    /// The refunds of an invoice that were requested here. Their numbers count on from one of its payments to the next.
    pub fn asked_of<'a>(&'a self, invoice: &'a str) -> impl Iterator<Item = &'a AskedRefund> {
        self.payments_of(invoice).flat_map(|payment| &payment.asked)
    }

    /// The payment that a refund returns.
    #[must_use]
    pub fn refunded_by(&self, invoice: &str, number: u32) -> Option<&Payment> {
        let is_asked = |payment: &&Payment| payment.asked.iter().any(|asked| asked.number == number);
        self.payments.iter().filter(|payment| payment.invoice == invoice).find(is_asked)
    }

    /// The most that one refund of an invoice can return. A refund returns one charge, so several payments take several refunds.
    #[must_use]
    pub fn refundable(&self, invoice: &str) -> i64 {
        self.payments_of(invoice).filter(|payment| payment.can_be_refunded()).map(Payment::refundable).max().unwrap_or(0)
    }

    /// The place of the payment that a refund of an amount returns: the first that reaches; otherwise, the one with most left.
    fn place_to_refund(&self, invoice: &str, amount: Option<i64>) -> Option<usize> {
        let all = || self.payments.iter().enumerate().filter(|(_, payment)| payment.invoice == invoice && payment.payment_intent.is_some());
        let free = || all().filter(|(_, payment)| payment.can_be_refunded() && payment.refundable() > 0);
        let reaches = free().find(|(_, payment)| amount.is_some_and(|amount| amount <= payment.refundable()));
        let most = || free().rev().max_by_key(|(_, payment)| payment.refundable());
        // If nothing is left, the fault names a bank that holds a payment.
        let held = || all().find(|(_, payment)| payment.is_held());
        reaches.or_else(most).or_else(held).or_else(|| all().next()).map(|(place, _)| place)
    }

    fn asked_mut(&mut self, invoice: &str, number: u32) -> Option<&mut AskedRefund> {
        let payments = self.payments.iter_mut().filter(|payment| payment.invoice == invoice);
        payments.flat_map(|payment| &mut payment.asked).find(|asked| asked.number == number)
    }

    /// Records a refund of an amount, or of everything that is left, and returns its number.
    ///
    /// # Errors
    /// See [`RefundFault`]; then nothing is changed.
    pub fn plan_refund(
        &mut self,
        invoice: &str,
        amount: Option<i64>,
        by: &UserId,
        client_key: Option<String>,
        at: OffsetDateTime,
    ) -> Result<u32, RefundFault> {
        let place = self.place_to_refund(invoice, amount).ok_or(RefundFault::NotPaid)?;
        if let Some(open) = self.asked_of(invoice).find(|asked| asked.state.is_planned()) {
            return Err(RefundFault::InProgress(open.number));
        }
        let number = self.asked_of(invoice).map(|asked| asked.number).max().unwrap_or(0) + 1;
        let payment = &mut self.payments[place];
        if payment.is_held() {
            return Err(RefundFault::Disputed);
        }
        // After a dispute was lost and won, a separate transfer returned the seller's share. A refund would not reverse that.
        if payment.moves.iter().any(|one| matches!(one.cause, MoveCause::WonDispute(_)) && !one.state.is_given_up()) {
            return Err(RefundFault::Restored);
        }
        let left = payment.refundable();
        let amount = amount.unwrap_or(left);
        if left == 0 || amount > left || amount < 1 {
            return Err(RefundFault::TooMuch { left });
        }
        payment.asked.push(AskedRefund { number, amount, by: by.clone(), by_staff: false, client_key, at, state: AskedState::Planned });
        self.updated_at = at;
        Ok(number)
    }

    /// Whether a refund failed and its seller's part was transferred to them again. The next refund can only reverse
    /// that afterwards, and not if the seller has been paid out, so it must not be the seller's decision.
    #[must_use]
    pub fn is_restored(&self, invoice: &str) -> bool {
        let restores = |one: &Move| matches!(one.cause, MoveCause::FailedRefund(_)) && !one.state.is_given_up();
        self.payments_of(invoice).any(|payment| payment.moves.iter().any(restores))
    }

    /// Checks the caps on one more refund of a period: a partial refund must be at least `least`, and there are at most `most` refunds.
    ///
    /// # Errors
    /// See [`RefundCap`].
    pub fn check_refund(&self, invoice: &str, amount: Option<i64>, least: i64, most: usize) -> Result<(), RefundCap> {
        let most = most.min(MOST_REFUNDS);
        let made = self.asked_of(invoice).filter(|asked| !asked.state.is_refused());
        if made.count() >= most {
            return Err(RefundCap::TooMany { most });
        }
        match amount {
            Some(amount) if amount < least && amount < self.refundable(invoice) => Err(RefundCap::TooSmall { least }),
            _ => Ok(()),
        }
    }

    /// The PaymentIntent of a refund that cannot be made before Stripe is known to have booked the charge.
    #[must_use]
    pub fn unbooked(&self, invoice: &str, number: u32) -> Option<&str> {
        self.refunded_by(invoice, number).filter(|payment| !payment.can_be_returned(self.charge_type))?.payment_intent.as_deref()
    }

    /// Stripe's request for a refund with an unknown outcome; `None` as long as Stripe has not booked the charge. The platform returns its
    /// share of the fee, and the seller their share of the transfer. <https://docs.stripe.com/api/refunds/create>
    #[must_use]
    pub fn refund_request(&self, invoice: &str, number: u32) -> Option<RefundRequest> {
        let payment = self.refunded_by(invoice, number).filter(|payment| payment.can_be_returned(self.charge_type))?;
        let asked = payment.asked.iter().find(|asked| asked.number == number && asked.state.is_planned())?;
        let payment_intent = payment.payment_intent.clone()?;
        let mut form = vec![
            ("amount", asked.amount.to_string()),
            ("metadata[number]", number.to_string()),
            ("metadata[subscription_id]", self.id.to_string()),
            ("payment_intent", payment_intent.clone()),
        ];
        form.extend(self.stack_id().map(|stack_id| ("metadata[stack_id]", stack_id)));
        if payment.application_fee > 0 {
            form.push(("refund_application_fee", "true".to_owned()));
        }
        if self.charge_type != ChargeType::Direct && !payment.is_kept(self.charge_type) {
            form.push(("reverse_transfer", "true".to_owned()));
        }
        let key = format!("{}:{}:refund:{invoice}:{number}", self.account.as_deref().unwrap_or(PLATFORM), self.id);
        Some(RefundRequest { payment_intent, number, amount: asked.amount, at: asked.at, key, form })
    }

    /// Records the outcome of a refund.
    pub fn observe_asked(&mut self, invoice: &str, number: u32, state: &AskedState) {
        if let Some(asked) = self.asked_mut(invoice, number).filter(|asked| asked.state.is_planned()) {
            asked.state = state.clone();
        }
    }

    /// Notes that staff asked for a refund.
    pub fn is_asked_by_staff(&mut self, invoice: &str, number: u32) {
        if let Some(asked) = self.asked_mut(invoice, number) {
            asked.by_staff = true;
        }
    }

    /// The refunds with an unknown outcome: invoice and number.
    #[must_use]
    pub fn planned_refunds(&self) -> Vec<(String, u32)> {
        let planned = |payment: &Payment| {
            let open = payment.asked.iter().filter(|asked| asked.state.is_planned());
            open.map(|asked| (payment.invoice.clone(), asked.number)).collect::<Vec<_>>()
        };
        self.payments.iter().flat_map(planned).collect()
    }
}
