//! Early fraud warnings: what a card's issuer says before anybody disputes the payment.
//! <https://docs.stripe.com/disputes/how-disputes-work#early-fraud-warnings>

/// The issuer of the card says that a payment was fraud.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FraudWarning {
    /// `issfr_…`
    pub id: String,
    /// The `pi_…` that it is about.
    pub payment_intent: String,
    /// Stripe's `fraud_type`, such as `made_with_stolen_card`.
    pub reason: String,
}
