//! What is stored: rows of objects, money, links and grants.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::words::json::Object;

/// One stored object.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    /// What the API returns.
    pub(crate) object: Value,
    /// What only the stand-in knows.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(crate) hidden: Object,
}

/// Money of one currency in an account, in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Funds {
    pub(crate) available: i64,
    pub(crate) pending: i64,
}

/// What the platform may do with a connected account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Link {
    /// Never linked, or revoked.
    None,
    ReadOnly,
    ReadWrite,
}

/// Money that left or entered the accounts as a whole, by currency: the other side of the double entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Outside {
    /// Paid by cardholders, minus refunds.
    pub(crate) cardholders: i64,
    /// Kept by Stripe as fees.
    pub(crate) stripe: i64,
    /// Paid out to banks.
    #[serde(default)]
    pub(crate) banks: i64,
    /// Converted to other currencies, minus what was converted to this one.
    #[serde(default)]
    pub(crate) exchanged: i64,
}

/// An authorization code that was passed to a redirect.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct AuthorizationCode {
    pub(crate) account: String,
    pub(crate) scope: String,
    pub(crate) expires_at: i64,
    /// The tokens issued for it, once used.
    pub(crate) issued: Option<Vec<String>>,
}

/// An access or refresh token of a connected account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Grant {
    pub(crate) account: String,
    pub(crate) scope: String,
    pub(crate) refresh: bool,
    pub(crate) revoked: bool,
}
