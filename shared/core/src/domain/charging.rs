//! What charges for courses and for memberships have in common.

use serde::{Deserialize, Serialize};
use time::Duration;

use super::money::{LeastFee, PerCurrency};

/// How a sale is charged, and so on whose account.
/// <https://docs.stripe.com/connect/charges>
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChargeType {
    /// On the connected account, with an application fee.
    Direct,
    /// On the platform, with the seller's part transferred as part of the charge.
    Destination,
    /// On the platform, with a separate transfer to each payee.
    Separate,
}

/// The platform's terms, unless it has agreed on others with a seller.
#[derive(Clone, Debug)]
pub struct PlatformTerms {
    /// The platform's country, upper-case ISO 3166.
    pub country: String,
    /// How sales are charged. `None`, which is `auto`, is what fits each seller's account.
    pub charge_type: Option<ChargeType>,
    /// The fixed part of the fee, by currency, in the minor unit.
    pub fee_fixed: PerCurrency,
    /// The minimum fee. If the operator sets none, it covers Stripe's own fee.
    pub fee_minimum: LeastFee,
}

/// The key of the platform's own account in [`User::customers`](crate::domain::user::User::customers) and in idempotency keys.
pub const PLATFORM: &str = "platform";

/// Why an attempt failed, in Stripe's terms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// `card_declined`, `expired_card`, …
    pub code: String,
    /// `insufficient_funds`, …
    pub decline_code: Option<String>,
    /// Whether the buyer's bank, or Stripe on its behalf, declined. Otherwise Stripe refused the request itself.
    #[serde(default)]
    pub declined: bool,
}

/// What the person using a card may learn about its decline. Stripe says to present these as a generic decline:
/// otherwise a thief learns that the card was reported, or that the platform suspects fraud.
/// <https://docs.stripe.com/declines/codes>
#[must_use]
pub fn told(decline_code: &str) -> &str {
    match decline_code {
        "fraudulent" | "highest_risk_level" | "lost_card" | "merchant_blacklist" | "pickup_card" | "restricted_card"
        | "security_violation" | "stolen_card" => "generic_decline",
        other => other,
    }
}

impl Failure {
    /// The same for the person using the card, see [`told`].
    #[must_use]
    pub fn told(&self) -> Self {
        let decline_code = self.decline_code.as_deref().map(|code| told(code).to_owned());
        Self { decline_code, ..self.clone() }
    }
}

/// [`Failure::code`] if the PaymentIntent's amount is not its attempt's. An account's owner can change it until the buyer has paid.
/// <https://docs.stripe.com/api/payment_intents/update#update_payment_intent-amount>
pub const AMOUNT_CHANGED: &str = "amount_changed";

/// [`Failure::code`] if a request's key replays a 500, or is too old, and Stripe's lists show nothing made under it. Stripe may still carry
/// such a request out: it calls a 500 indeterminate and may roll it forward afterwards. So what turns up later counts after all.
/// <https://docs.stripe.com/error-low-level>
pub const NEVER_MADE: &str = "never_made";

/// Stripe's code if it refuses a refund because a bank disputes the charge, or has taken its money back.
/// <https://docs.stripe.com/error-codes#charge-disputed>
pub const CHARGE_DISPUTED: &str = "charge_disputed";

/// How long after it was sent a request may still be at work at Stripe, although nobody waits for its answer: Stripe's own libraries wait
/// for 80 seconds. <https://github.com/stripe/stripe-node#configuration>
pub const AT_WORK: Duration = Duration::minutes(2);

/// How long Stripe replays the first answer to an idempotency key; slightly less than Stripe promises.
/// <https://docs.stripe.com/api/idempotent_requests>
pub const KEY_LIFETIME: Duration = Duration::hours(23);
