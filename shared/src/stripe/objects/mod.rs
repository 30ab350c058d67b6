//! Stripe's objects, with the fields that we use. Parsing is lenient on purpose: a
//! new, missing or changed field must never make a successful charge look failed.

mod balance;
mod common;
mod movements;
mod oauth;
mod payments;

pub(super) use balance::ApplicationFee;
pub use balance::{Balance, BalanceTransaction, Money, Source};
pub(super) use common::Expandable;
pub use common::{Identified, List, number};
pub(super) use movements::EVIDENCE_MARK;
pub use movements::{Dispute, EarlyFraudWarning, Refund, Reversal, Transfer};
pub use oauth::OAuthToken;
pub(super) use payments::Body;
pub use payments::{Charge, CheckoutSession, NextAction, PaymentIntent, Place};
