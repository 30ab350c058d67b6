//! The rules about courses, money and people. It calls nobody.

// When a state is added, the compiler lists every place that must handle it.
#![warn(clippy::wildcard_enum_match_arm)]

pub mod audit;
pub mod card;
pub mod charging;
pub mod country;
pub mod course;
pub mod declines;
pub mod error;
pub mod fraud_warning;
pub mod ids;
pub mod mail;
pub mod membership;
pub mod money;
pub mod outline;
pub mod purchase;
pub mod sealed;
pub mod seller_page;
pub mod slug;
pub mod user;
