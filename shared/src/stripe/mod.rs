//! The Stripe gateway: typed requests, a single HTTP client, lenient parsing, and errors classified by what they say about the outcome.

pub mod account_sessions;
pub mod accounts;
pub mod billing;
pub mod cards;
pub mod disputes;
pub mod error;
pub mod find;
mod gateway;
mod members_money;
mod members_payments;
pub mod memberships;
pub mod movements;
pub mod oauth;
pub mod objects;
pub mod pages;
pub mod read;
pub mod requests;
pub mod signature;
pub mod webhook;

pub use gateway::{Gateway, Post};

pub use crate::settings::config::STRIPE_API_VERSION as API_VERSION;
