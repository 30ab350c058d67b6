//! The Stripe stand-in over real HTTP.

#![allow(clippy::unwrap_used, missing_docs)]

mod client;
mod oauth;
mod payments;
mod receiver;
