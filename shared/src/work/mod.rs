//! Operations that need both the table and Stripe.

pub mod customers;
pub mod declines;
pub mod refund_caps;
pub mod settlement;
pub mod subscriptions;
