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
    /// The payment of an invoice; without one, the newest payment that took money.
    #[must_use]
    pub fn payment(&self, invoice: Option<&str>) -> Option<&Payment> {
        self.payments.iter().find(|payment| match invoice {
            Some(invoice) => payment.invoice == invoice,
            None => payment.payment_intent.is_some(),
        })
    }

    fn asked_mut(&mut self, invoice: &str, number: u32) -> Option<&mut AskedRefund> {
        let payment = self.payments.iter_mut().find(|payment| payment.invoice == invoice)?;
        payment.asked.iter_mut().find(|asked| asked.number == number)
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
        let payment = self.payments.iter_mut().find(|payment| payment.invoice == invoice && payment.payment_intent.is_some());
        let payment = payment.ok_or(RefundFault::NotPaid)?;
        if let Some(open) = payment.asked.iter().find(|asked| asked.state.is_planned()) {
            return Err(RefundFault::InProgress(open.number));
        }
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
        let number = payment.asked.iter().map(|asked| asked.number).max().unwrap_or(0) + 1;
        payment.asked.push(AskedRefund { number, amount, by: by.clone(), by_staff: false, client_key, at, state: AskedState::Planned });
        self.updated_at = at;
        Ok(number)
    }

    /// Whether a refund failed and its seller's part was transferred to them again. The next refund can only reverse
    /// that afterwards, and not if the seller has been paid out, so it must not be the seller's decision.
    #[must_use]
    pub fn is_restored(&self, invoice: &str) -> bool {
        let restores = |one: &Move| matches!(one.cause, MoveCause::FailedRefund(_)) && !one.state.is_given_up();
        self.payment(Some(invoice)).is_some_and(|payment| payment.moves.iter().any(restores))
    }

    /// Checks the caps on one more refund of a period: a partial refund must be at least `least`, and there are at most `most` refunds.
    ///
    /// # Errors
    /// See [`RefundCap`].
    pub fn check_refund(&self, invoice: &str, amount: Option<i64>, least: i64, most: usize) -> Result<(), RefundCap> {
        let Some(payment) = self.payment(Some(invoice)) else { return Ok(()) };
        let most = most.min(MOST_REFUNDS);
        let made = payment.asked.iter().filter(|asked| !asked.state.is_refused());
        if made.count() >= most {
            return Err(RefundCap::TooMany { most });
        }
        match amount {
            Some(amount) if amount < least && amount < payment.refundable() => Err(RefundCap::TooSmall { least }),
            _ => Ok(()),
        }
    }

    /// Whether part of what paid for the time after `now` was refunded, is being refunded, or is disputed. Stripe
    /// credits unused time when a subscription is switched, even if its payment was refunded.
    /// <https://docs.stripe.com/billing/subscriptions/prorations>
    #[must_use]
    pub fn is_paid_less(&self, now: OffsetDateTime) -> bool {
        let current = self.payments.iter().filter(|payment| payment.period_end.is_some_and(|end| end > now));
        current.into_iter().any(|payment| payment.refundable() < payment.amount || payment.disputed() > 0 || payment.is_contested())
    }

    /// An invoice's PaymentIntent that cannot be refunded before Stripe is known to have booked its charge.
    #[must_use]
    pub fn unbooked(&self, invoice: &str) -> Option<&str> {
        self.payment(Some(invoice)).filter(|payment| !payment.can_be_returned(self.charge_type))?.payment_intent.as_deref()
    }

    /// Stripe's request for a refund with an unknown outcome; `None` as long as Stripe has not booked the charge. The platform returns its
    /// share of the fee, and the seller their share of the transfer. <https://docs.stripe.com/api/refunds/create>
    #[must_use]
    pub fn refund_request(&self, invoice: &str, number: u32) -> Option<RefundRequest> {
        let payment = self.payment(Some(invoice)).filter(|payment| payment.can_be_returned(self.charge_type))?;
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
        if self.charge_type != ChargeType::Direct {
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
