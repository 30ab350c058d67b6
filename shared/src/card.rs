//! A card that a buyer keeps with the platform.

use time::OffsetDateTime;

/// What its owner may see of it. Stripe has the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// `pm_…`
    pub id: String,
    /// `visa`, `mastercard`, …
    pub brand: String,
    /// The number's last four digits.
    pub last4: String,
    /// 1 to 12.
    pub exp_month: i64,
    /// Four digits.
    pub exp_year: i64,
    /// Whether it is charged where no other is named.
    pub is_default: bool,
    /// When Stripe made the payment method.
    pub created_at: OffsetDateTime,
}
