//! Operations that need both the table and Stripe.

pub mod accounts;
pub mod customers;
pub mod debts;
pub mod declines;
pub mod refund_caps;
mod services;
pub mod settlement;
pub mod subscriptions;

pub use services::Services;
