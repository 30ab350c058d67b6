//! Buying, linking and hearing from Stripe: across the functions, against a Stripe that behaves.

mod capabilities;
mod cards;
mod charge;
mod checkout;
mod content;
mod direct;
mod disputes;
mod endpoints;
mod erasures;
mod faults;
mod fees;
mod findings;
mod liability;
mod memberships;
mod oauth;
mod onboarding;
mod payees;
mod reconcile;
mod refunds;
mod rotation;
mod tokens;
mod tutorial;
mod webhooks;
mod zero_sum;
