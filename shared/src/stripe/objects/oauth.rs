//! The responses of Stripe's OAuth for Connect.

use serde::Deserialize;

/// <https://docs.stripe.com/connect/oauth-reference>
#[derive(Clone, Deserialize)]
pub struct OAuthToken {
    /// `acct_…`
    pub stripe_user_id: String,
    /// `read_write` or `read_only`
    #[serde(default)]
    pub scope: String,
    /// Whether it was granted in live mode.
    #[serde(default)]
    pub livemode: bool,
    /// Deprecated at Stripe; stored sealed.
    #[serde(default)]
    pub access_token: Option<String>,
    /// Stored sealed.
    #[serde(default)]
    pub refresh_token: Option<String>,
    /// The account's publishable key.
    #[serde(default)]
    pub stripe_publishable_key: Option<String>,
}
