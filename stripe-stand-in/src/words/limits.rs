//! Rate limits: <https://docs.stripe.com/rate-limits>.

use serde::{Deserialize, Serialize};

/// Limits of requests. By default nothing is limited.
///
/// Stripe's own limits in test mode are 25 requests a second in total and per endpoint, and
/// 1000 changes of a PaymentIntent an hour. It does not publish those of concurrent requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Requests a second, for all of an account's keys.
    pub global_rate: Option<u32>,
    /// Requests a second per endpoint.
    pub endpoint_rate: Option<u32>,
    /// Concurrent requests.
    pub global_concurrency: Option<u32>,
    /// Concurrent requests per endpoint.
    pub endpoint_concurrency: Option<u32>,
    /// Changes of a PaymentIntent per hour.
    pub payment_intent_updates: Option<u32>,
}
