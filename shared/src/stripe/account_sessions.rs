//! Account sessions, which show Stripe's components in the storefront's pages.
//! <https://docs.stripe.com/connect/get-started-connect-embedded-components>

use serde::Deserialize;

use super::error::StripeError;
use super::gateway::{Gateway, Post};
use super::requests::form;
use crate::domain::user::{AccountType, StripeLink};

/// What Stripe shows of an account that the platform may ask information of.
const OF_OURS: &[&str] =
    &["account_management", "account_onboarding", "balances", "documents", "notification_banner", "payments", "payouts"];

/// The same without the forms for the information that Stripe requires. The owner of an account linked by OAuth gives that in their
/// own Dashboard; Stripe makes no Account Links for such an account either.
const OF_THEIRS: &[&str] = &["balances", "documents", "payments", "payouts"];

/// The components that a session of this account enables, in Stripe's names. Stripe warns that not all work with accounts
/// linked by OAuth, without saying which: <https://docs.stripe.com/connect/supported-embedded-components>.
#[must_use]
pub fn components(link: &StripeLink) -> &'static [&'static str] {
    let is_theirs = !link.made_by_platform && link.account_type == AccountType::Standard;
    if is_theirs { OF_THEIRS } else { OF_OURS }
}

/// What a seller may do in a component, for those that have more than Stripe's defaults. Stripe enforces it:
/// <https://docs.stripe.com/api/account_sessions/create>.
///
/// - Refunds go through this API alone, which keeps to the sellers' caps, gives the fee back, and takes the payees' parts back first.
/// - Nothing is captured by hand, and what is open is withdrawn by this API.
/// - Disputes of direct charges are the seller's to answer, and a Custom account has no other page for it. Those of destination
///   and separate charges are the platform's, also those on behalf of the seller, which `destination_on_behalf_of_charge_management`
///   would hand over: <https://docs.stripe.com/connect/supported-embedded-components/payments>.
/// - Smart Disputes take a share of what is won, from whoever pays Stripe's fees.
/// - Who bears the losses decides about payouts: an account emptied at once has nothing left for a refund or dispute. These are
///   also Stripe's defaults, except for instant payouts, which the platform's Dashboard would decide.
/// - Bank details stay as Stripe has them: its own log-in, in a window, comes before them.
fn features(component: &str, stripe_bears_losses: bool) -> Vec<(&'static str, bool)> {
    match component {
        "payments" => vec![
            ("capture_payments", false),
            ("destination_on_behalf_of_charge_management", false),
            ("dispute_management", true),
            ("refund_management", false),
            ("smart_disputes_management", false),
        ],
        "balances" | "payouts" => {
            ["edit_payout_schedule", "instant_payouts", "standard_payouts"].map(|name| (name, stripe_bears_losses)).to_vec()
        }
        _ => Vec::new(),
    }
}

/// A new session. <https://docs.stripe.com/api/account_sessions/object>
#[derive(Deserialize)]
pub struct AccountSession {
    /// Opens the account to one page. Never stored, never logged.
    pub client_secret: String,
    /// In Unix seconds. Stripe does not document how long that is.
    #[serde(default)]
    pub expires_at: Option<i64>,
}

impl Gateway {
    /// A session for the account's owner, with [`components`]. `nonce` differs for each, because a session is used once.
    ///
    /// # Errors
    /// See [`StripeError`].
    pub async fn account_session(&self, link: &StripeLink, nonce: &str) -> Result<AccountSession, StripeError> {
        let account = link.account_id.as_str();
        let (key, body) = (format!("{account}:account_session:{nonce}"), body(link));
        self.post(&Post { path: "/account_sessions", body: &body, account: None, key: &key }).await
    }
}

fn body(link: &StripeLink) -> String {
    let stripe_bears_losses = link.account_type.has_losses_borne_by_stripe();
    let mut fields = vec![("account".to_owned(), link.account_id.clone())];
    for component in components(link) {
        fields.push((format!("components[{component}][enabled]"), true.to_string()));
        for (feature, is_on) in features(component, stripe_bears_losses) {
            fields.push((format!("components[{component}][features][{feature}]"), is_on.to_string()));
        }
    }
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    form(&fields)
}
