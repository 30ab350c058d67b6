//! Account and login links in use.

use serde::{Deserialize, Serialize};

use crate::words::params::Params;

/// What a page collects besides what is currently due.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Collects {
    pub(crate) eventually_due: bool,
    pub(crate) future_requirements: bool,
}

impl Collects {
    /// As `collection_options` say: <https://docs.stripe.com/api/account_links/create#create_account_link-collection_options>.
    pub(crate) fn of(options: &Params) -> Self {
        Self {
            eventually_due: options.text("fields") == Some("eventually_due"),
            future_requirements: options.text("future_requirements") == Some("include"),
        }
    }
}

/// What a URL under `/setup/` or `/express/` leads to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Door {
    pub(crate) account: String,
    pub(crate) refresh_url: String,
    pub(crate) return_url: String,
    pub(crate) expires_at: i64,
    /// Whether it is an opened page, not a link that opens one.
    pub(crate) opened: bool,
    #[serde(default)]
    pub(crate) collects: Collects,
}
