//! Account and login links in use.

use serde::{Deserialize, Serialize};

/// What a URL under `/setup/` or `/express/` leads to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Door {
    pub(crate) account: String,
    pub(crate) refresh_url: String,
    pub(crate) return_url: String,
    pub(crate) expires_at: i64,
    /// Whether it is an opened page, not a link that opens one.
    pub(crate) opened: bool,
}
