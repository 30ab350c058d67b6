//! The DynamoDB table. Each file contains one subject's items; [`keys`] lists all keys.

pub mod applications;
pub mod audit;
pub mod books;
pub mod courses;
pub mod credentials;
pub mod customers;
pub mod debts;
pub mod declines;
pub mod disputes;
pub mod erasures;
pub mod events;
pub mod findings;
pub mod keys;
pub mod links;
pub mod made_accounts;
pub mod mailed;
pub mod members;
mod members_news;
pub mod memberships;
pub mod oauth;
pub mod outbox;
pub mod page;
pub mod payments;
pub mod payouts;
pub mod purchases;
pub mod reconciliation;
pub mod refund_days;
mod refusals;
pub mod second_factors;
pub mod sessions;
pub mod shares;
mod table;
pub mod throttle;
pub mod token;
pub mod users;

pub use table::{Store, StoreError, Written};
