//! Buying, linking and hearing from Stripe: across the functions, against a Stripe that behaves.

mod charge;
mod checkout;
mod direct;
mod faults;
mod oauth;
mod tutorial;
mod webhooks;
