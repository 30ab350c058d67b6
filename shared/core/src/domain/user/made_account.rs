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
    /// The accounts of this type that Stripe made before, for earlier generations. Those of records from before they were kept are not among them.
    #[serde(default)]
    pub earlier: Vec<String>,
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
    /// The account that Stripe made for this generation.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        if let MakingState::Made { account_id } = &self.state { Some(account_id) } else { None }
    }

    /// The accounts of this type that Stripe has made for the seller, newest last.
    #[must_use]
    pub fn accounts(&self) -> Vec<String> {
        self.earlier.iter().map(String::as_str).chain(self.account()).map(str::to_owned).collect()
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
