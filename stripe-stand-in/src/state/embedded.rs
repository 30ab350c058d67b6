//! Account Sessions in use.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a client secret opens to a page.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Embedded {
    pub(crate) account: String,
    /// As in the API's response: each component with its features.
    pub(crate) components: Value,
    pub(crate) expires_at: i64,
    /// The only page that may use it, once one has.
    pub(crate) page: Option<String>,
}
