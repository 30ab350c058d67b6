//! A seller's account as its owner sees it.

use serde::{Deserialize, Deserializer, Serialize};
use shared::base::clock::written;
use shared::domain::charging::PlatformTerms;
use shared::domain::user::{AccountType, CapabilityStatus, RequirementError, Responsibilities, StripeLink, Unable, User};
use shared::stripe::account_sessions::AccountSession;
use shared::stripe::objects::Money;
use time::OffsetDateTime;

/// The answer of `GET /users/me/stripe`. The account's state is included if there is one.
#[derive(Debug, Serialize)]
pub struct AccountView {
    connected: bool,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    account: Option<ConnectedView>,
}

#[derive(Debug, Serialize)]
struct ConnectedView {
    account_id: String,
    account_type: AccountType,
    made_by_platform: bool,
    sells: bool,
    lacks: Option<&'static str>,
    dashboard: &'static str,
    fees_collector: &'static str,
    losses_collector: &'static str,
    country: Option<String>,
    charges_enabled: bool,
    charges_disabled_since: Option<String>,
    payouts_enabled: bool,
    payouts_disabled_since: Option<String>,
    details_submitted: bool,
    capabilities: CapabilitiesView,
    requirements: RequirementsView,
    future_requirements: FutureRequirementsView,
    scope: String,
    livemode: bool,
    linked_at: String,
}

/// Null if Stripe has not reported them yet.
#[derive(Debug, Serialize)]
struct CapabilitiesView {
    card_payments: Option<CapabilityStatus>,
    transfers: Option<CapabilityStatus>,
}

#[derive(Debug, Serialize)]
struct RequirementsView {
    currently_due: Vec<String>,
    past_due: Vec<String>,
    eventually_due: Vec<String>,
    pending_verification: Vec<String>,
    disabled_reason: Option<String>,
    current_deadline: Option<String>,
    missing: Vec<MissingView>,
    errors: Vec<RequirementError>,
}

#[derive(Debug, Serialize)]
struct FutureRequirementsView {
    currently_due: Vec<String>,
    current_deadline: Option<String>,
}

/// What is due now, and since when, if that is known.
#[derive(Debug, Serialize)]
struct MissingView {
    name: String,
    since: Option<String>,
}

impl AccountView {
    /// For a seller without an account.
    #[must_use]
    pub fn none() -> Self {
        Self { connected: false, account: None }
    }

    /// The seller's linked account, if there is one, and whether it can take their sales on these terms.
    #[must_use]
    pub fn new(seller: &User, platform: &PlatformTerms) -> Self {
        let Some(link) = &seller.stripe else { return Self::none() };
        let unable = seller.can_sell(platform).err();
        let Responsibilities { dashboard, fees_collector, losses_collector } = link.responsibilities();
        let state = link.state.clone();
        let (wanted, later, since) = (state.requirements, state.future_requirements, state.since);
        let missing =
            wanted.missing().map(|name| MissingView { name: name.to_owned(), since: since.missing.get(name).copied().and_then(at) });
        let missing = missing.collect();
        let account = ConnectedView {
            account_id: link.account_id.clone(),
            account_type: link.account_type,
            made_by_platform: link.made_by_platform,
            sells: unable.is_none(),
            lacks: match unable {
                Some(Unable::Lacks(capability)) => Some(capability.as_str()),
                Some(Unable::Disabled) | None => None,
            },
            dashboard,
            fees_collector,
            losses_collector,
            country: state.country,
            charges_enabled: state.charges_enabled,
            charges_disabled_since: since.charges.and_then(at),
            payouts_enabled: state.payouts_enabled,
            payouts_disabled_since: since.payouts.and_then(at),
            details_submitted: state.details_submitted,
            capabilities: CapabilitiesView {
                card_payments: state.capabilities.map(|all| all.card_payments),
                transfers: state.capabilities.map(|all| all.transfers),
            },
            requirements: RequirementsView {
                currently_due: wanted.currently_due,
                past_due: wanted.past_due,
                eventually_due: wanted.eventually_due,
                pending_verification: wanted.pending_verification,
                disabled_reason: wanted.disabled_reason,
                current_deadline: wanted.current_deadline.and_then(at),
                missing,
                errors: wanted.errors,
            },
            future_requirements: FutureRequirementsView {
                currently_due: later.currently_due,
                current_deadline: later.current_deadline.and_then(at),
            },
            scope: link.scope.clone(),
            livemode: link.livemode,
            linked_at: written(link.linked_at),
        };
        Self { connected: true, account: Some(account) }
    }
}

/// A single-use URL at Stripe.
#[derive(Serialize)]
pub struct AddressView {
    /// For the account's owner only.
    pub url: String,
    /// When it expires, if Stripe says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// `acct_…`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,
}

/// What a page needs to show Stripe's components.
#[derive(Serialize)]
pub struct SessionView {
    /// For `fetchClientSecret` of Connect.js, once, and only in the owner's browser.
    client_secret: String,
    /// When it expires.
    expires_at: Option<String>,
    /// `acct_…`
    account_id: String,
    /// What can be shown, in the names of Stripe's API.
    components: &'static [&'static str],
}

impl SessionView {
    /// A new session of the linked account.
    #[must_use]
    pub fn new(link: &StripeLink, session: AccountSession, components: &'static [&'static str]) -> Self {
        let AccountSession { client_secret, expires_at } = session;
        Self { client_secret, expires_at: expires_at.and_then(at), account_id: link.account_id.clone(), components }
    }
}

/// The balance of an account.
#[derive(Debug, Serialize)]
pub struct BalanceView {
    /// What can be paid out now.
    pub available: Vec<Money>,
    /// What cannot be paid out yet.
    pub pending: Vec<Money>,
    /// The newest payouts.
    pub payouts: Vec<PayoutView>,
}

/// A payout to a bank. <https://docs.stripe.com/api/payouts/object>
#[derive(Debug, Deserialize, Serialize)]
pub struct PayoutView {
    /// `po_…`
    #[serde(default)]
    pub id: String,
    /// The amount.
    #[serde(flatten)]
    pub money: Money,
    /// `paid`, `pending`, `in_transit`, `canceled` or `failed`
    #[serde(default)]
    pub status: String,
    /// When it arrives at the bank.
    #[serde(default, deserialize_with = "unix")]
    pub arrival_date: Option<String>,
    /// When it was created.
    #[serde(default, rename(deserialize = "created"), deserialize_with = "unix")]
    pub created_at: Option<String>,
    /// Why the bank sent it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_code: Option<String>,
}

fn unix<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<i64>::deserialize(deserializer)?.and_then(at))
}

/// Converts Unix seconds to the API's time format.
fn at(seconds: i64) -> Option<String> {
    OffsetDateTime::from_unix_timestamp(seconds).ok().map(written)
}
