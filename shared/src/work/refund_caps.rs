//! The operator's caps on sellers' refunds of purchases and membership periods. They do not apply to staff.

use crate::app::App;
use crate::base::metrics::{self, Unit};
use crate::domain::error::Error;
use crate::domain::ids::UserId;
use crate::domain::money::{Currency, Price};
use crate::domain::purchase::{RefundCap, RefundFault};
use crate::store::StoreError;
use crate::store::refund_days::{Allowance, Planned};

/// In seconds.
const DAY: i64 = 86_400;

/// The answer to a refund that cannot be made.
#[must_use]
pub fn fault(fault: RefundFault, currency: Currency) -> Error {
    match fault {
        RefundFault::NotPaid => Error::NotPaid,
        RefundFault::InProgress(_) => Error::RefundInProgress,
        RefundFault::Disputed => Error::PurchaseDisputed,
        RefundFault::Restored => Error::RefundByStaff,
        RefundFault::TooMuch { left: 0 } => Error::AlreadyRefunded,
        RefundFault::TooMuch { left } => Error::RefundTooLarge { left, currency: currency.code() },
    }
}

/// The answer to a refund that exceeds a cap.
#[must_use]
pub fn cap(cap: RefundCap, currency: Currency) -> Error {
    match cap {
        RefundCap::TooSmall { least } => Error::RefundTooSmall { least, currency: currency.code() },
        RefundCap::TooMany { most } => Error::TooManyRefunds { most },
    }
}

/// A refund that a seller has asked for.
#[derive(Clone, Copy, Debug)]
pub struct SellersRefund<'a> {
    /// The seller.
    pub seller: &'a UserId,
    /// What is refunded: the purchase or the subscription.
    pub of: &'a str,
    /// How much.
    pub refund: Price,
    /// The full amount that was paid. That much can be refunded every day, whatever it cost.
    pub whole: i64,
}

/// Has `write` store a seller's refund, which counts it towards the seller's daily caps. Returns false if it must be decided
/// again. `more` is what the seller may refund because of their sales: read when a cap is reached, and kept for the next try.
///
/// # Errors
/// [`Error::RefundLimitReached`], and if DynamoDB fails.
pub async fn write_within_caps(
    app: &App,
    one: &SellersRefund<'_>,
    more: &mut Option<Allowance>,
    write: impl AsyncFnOnce(Allowance) -> Result<Planned, StoreError>,
) -> Result<bool, Error> {
    let (caps, currency) = (&app.config.refund_caps, one.refund.currency);
    let allowance = more.unwrap_or(Allowance { refunds: caps.per_day, amount: caps.daily(currency) });
    match write(allowance).await? {
        Planned::Yes => Ok(true),
        Planned::No => Ok(false),
        Planned::TooMuch if more.is_none() => {
            let mut sold = app.store.totals_of(one.seller).await?.by_currency;
            let sold = sold.remove(currency.code()).unwrap_or_default();
            let part = |whole: i64| whole.saturating_mul(caps.percent_of_sold) / 100;
            let amount = allowance.amount.max(part(sold.gross)).max(one.whole);
            *more = Some(Allowance { refunds: allowance.refunds.max(part(sold.sales)), amount });
            Ok(false)
        }
        Planned::TooMuch => {
            metrics::emit("RefundLimits", Unit::Count, 1.0, &[], &[("seller_id", one.seller.as_str())]);
            tracing::warn!(seller_id = %one.seller, of = one.of, amount = one.refund.amount, "a seller's daily refund limit is reached");
            let now = app.clock.now().unix_timestamp();
            Err(Error::RefundLimitReached { retry_after: DAY - now.rem_euclid(DAY) })
        }
    }
}
