//! The Stripe stand-in over real HTTP.

#![allow(clippy::unwrap_used, missing_docs)]

mod authentication;
mod billing;
mod checkout;
mod client;
mod faults;
mod idempotency;
mod lists;
mod money;
mod money_back;
mod oauth;
mod onboarding;
mod payments;
mod payouts;
mod persistence;
mod receiver;
mod requests;
mod setup;
mod webhook_endpoints;
mod webhooks;
