//! A card that the platform keeps for a buyer.

use time::OffsetDateTime;

/// What its owner may see of it. Only Stripe has the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// `pm_…`
    pub id: String,
    /// `visa`, `mastercard`, …
    pub brand: String,
    /// The last four digits of the number.
    pub last4: String,
    /// 1 to 12.
    pub exp_month: i64,
    /// Four digits.
    pub exp_year: i64,
    /// Whether it is charged if no other is named.
    pub is_default: bool,
    /// When the payment method was created at Stripe.
    pub created_at: OffsetDateTime,
}
