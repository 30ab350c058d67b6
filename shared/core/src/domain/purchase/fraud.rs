//! Early fraud warnings of a purchase's payment.

use time::OffsetDateTime;

use super::movement::Reason;
use super::record::{News, Purchase};
use crate::domain::fraud_warning::FraudWarning;

impl Purchase {
    /// Takes in a warning. With `refund`, which is the operator's policy, it plans a refund of all that is left, once for each warning and only if one
    /// can be made now. Nothing happens if the payment does not pay this purchase, is disputed, or was refunded. Returns whether anything happened.
    pub fn warn_of_fraud(&mut self, warning: &FraudWarning, refund: bool, cause: &str, at: OffsetDateTime) -> bool {
        let attempt = self.find_attempt(Some(&warning.payment_intent), None);
        if !attempt.is_some_and(|number| self.is_paid_by(number)) || !self.disputes().is_empty() || self.refundable() == 0 {
            return false;
        }
        if refund && !self.is_refunded_for(warning) {
            // A refund with an unknown outcome comes first. Staff are told either way.
            let planned = self.plan_refund_for(Reason::FraudWarning(warning.id.clone()), None, None, cause, at);
            tracing::info!(purchase_id = %self.id, warning = warning.id, ?planned, "an early fraud warning asks for a refund");
        }
        self.news.push(News::FraudWarning(warning.clone()));
        true
    }

    fn is_refunded_for(&self, warning: &FraudWarning) -> bool {
        self.movements.iter().any(|movement| matches!(&movement.reason, Reason::FraudWarning(id) if *id == warning.id))
    }

    /// Whether an early fraud warning led to a refund that stands.
    #[must_use]
    pub fn is_refunded_for_fraud(&self) -> bool {
        self.movements.iter().any(|movement| matches!(movement.reason, Reason::FraudWarning(_)) && movement.state.stands())
    }
}
