//! An account that the platform creates for a seller.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::account::{AccountType, AccountsApi};

/// One seller's account of one type. The record outlives the link, so the seller gets the same account again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeAccount {
    /// The requested type.
    pub account_type: AccountType,
    /// Upper-case ISO 3166.
    pub country: String,
    /// Counts the requests for an account of this type: one that was refused, or whose account no longer exists at Stripe, is followed by another.
    pub generation: u32,
    /// How many accounts of this type Stripe made before, for earlier generations. Those of records from before this was counted are not in it.
    #[serde(default)]
    pub made_before: u32,
    /// The API that is asked. Requests recorded before there were two are of v1.
    #[serde(default)]
    pub accounts_api: AccountsApi,
    /// The exact request to Stripe.
    pub body: String,
    /// The idempotency key of the request.
    pub idempotency_key: String,
    /// When Stripe was first asked.
    #[serde(with = "time::serde::rfc3339")]
    pub started_at: OffsetDateTime,
    /// The current state.
    pub state: MakingState,
    /// Incremented by each write.
    pub version: u64,
}

impl MadeAccount {
    /// How many accounts of this type Stripe has made for the seller.
    #[must_use]
    pub fn made(&self) -> u32 {
        self.made_before + u32::from(matches!(self.state, MakingState::Made { .. }))
    }
}

/// The state of creating an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MakingState {
    /// Stripe may have created it.
    Asked,
    /// Stripe did not create it, and never will under this key.
    Refused,
    /// Stripe created it.
    Made {
        /// `acct_…`
        account_id: String,
    },
}
