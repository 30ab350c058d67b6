//! A subscription that is decided but not created yet.

use shared::domain::membership::{Interval, Offer};
use shared::domain::user::User;

/// A subscription that may be created.
#[derive(Clone, Debug)]
pub struct Order {
    /// The subscriber.
    pub buyer: User,
    /// The seller whose courses it gives access to.
    pub seller: User,
    /// The offer.
    pub offer: Offer,
    /// The billing interval.
    pub interval: Interval,
    /// Its price, in the minor unit.
    pub amount: i64,
    /// The card; `None` for hosted Checkout.
    pub payment_method: Option<String>,
    /// The subscriber's address.
    pub address: String,
}
