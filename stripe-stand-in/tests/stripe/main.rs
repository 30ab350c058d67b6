//! The Stripe stand-in over real HTTP.

#![allow(clippy::unwrap_used, missing_docs)]

mod accounts_v2;
mod answers;
mod authentication;
mod billing;
mod billing_currencies;
mod borders;
mod checkout;
mod client;
mod currencies;
mod discounts;
mod disputes;
mod embedded;
mod event_destinations;
mod faults;
mod idempotency;
mod later;
mod limits;
mod lists;
mod money;
mod money_back;
mod oauth;
mod onboarding;
mod payments;
mod payouts;
mod persistence;
mod radar;
mod receiver;
mod requests;
mod setup;
mod speed;
mod wallets;
mod webhook_endpoints;
mod webhooks;
