//! Connected accounts: creating and reading them, and the pages at Stripe for their owners.

use std::collections::HashMap;

use serde::Deserialize;
use time::OffsetDateTime;

use super::error::StripeError;
use super::gateway::{Gateway, Post};
use super::objects::List;
use crate::domain::charging::{KEY_LIFETIME, PLATFORM};
use crate::domain::ids::UserId;
use crate::domain::user::{AccountState, AccountType, Capabilities, CapabilityStatus, MadeAccount, Requirements};

/// The most names kept from each list of requirements, and the most characters of each. They are
/// part of the user's item, which each of the user's requests reads. Stripe's own page shows all.
const NAMES_MAX: usize = 20;
const NAME_MAX: usize = 80;

/// <https://docs.stripe.com/api/accounts/object>
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Account {
    /// `acct_…`
    pub id: String,
    /// `standard`, `express`, `custom` or `none`
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    charges_enabled: Option<bool>,
    #[serde(default)]
    payouts_enabled: Option<bool>,
    #[serde(default)]
    details_submitted: Option<bool>,
    #[serde(default)]
    capabilities: Option<HashMap<String, String>>,
    #[serde(default)]
    requirements: Option<Wanted>,
    #[serde(default)]
    country: Option<String>,
    /// Ours.
    #[serde(default)]
    metadata: HashMap<String, String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Wanted {
    #[serde(default)]
    currently_due: Option<Vec<String>>,
    #[serde(default)]
    past_due: Option<Vec<String>>,
    #[serde(default)]
    eventually_due: Option<Vec<String>>,
    #[serde(default)]
    pending_verification: Option<Vec<String>>,
    #[serde(default)]
    disabled_reason: Option<String>,
    #[serde(default)]
    current_deadline: Option<i64>,
}

impl Account {
    /// The type of account; `None` for other combinations of `controller` properties, which have no name.
    #[must_use]
    pub fn account_type(&self) -> Option<AccountType> {
        match self.kind.as_deref() {
            Some("standard") => Some(AccountType::Standard),
            Some("express") => Some(AccountType::Express),
            Some("custom") => Some(AccountType::Custom),
            _ => None,
        }
    }

    /// The account's state, from a response to a request made at this time.
    #[must_use]
    pub fn state(&self, asked_at: OffsetDateTime) -> AccountState {
        let wanted = self.requirements.clone().unwrap_or_default();
        AccountState {
            charges_enabled: self.charges_enabled.unwrap_or_default(),
            payouts_enabled: self.payouts_enabled.unwrap_or_default(),
            details_submitted: self.details_submitted.unwrap_or_default(),
            capabilities: self.capabilities.as_ref().map(capabilities),
            requirements: Requirements {
                currently_due: names(wanted.currently_due),
                past_due: names(wanted.past_due),
                eventually_due: names(wanted.eventually_due),
                pending_verification: names(wanted.pending_verification),
                disabled_reason: wanted.disabled_reason.map(|reason| reason.chars().take(NAME_MAX).collect()),
                current_deadline: wanted.current_deadline,
            },
            country: self.country.clone(),
            asked_at: i64::try_from(asked_at.unix_timestamp_nanos() / 1_000_000).unwrap_or_default(),
        }
    }
}

/// Accounts older than capabilities have a single one that stands for both.
/// <https://docs.stripe.com/connect/account-capabilities>
fn capabilities(of: &HashMap<String, String>) -> Capabilities {
    let status = |name: &str| match of.get(name).map(String::as_str) {
        Some("active") => CapabilityStatus::Active,
        Some("pending") => CapabilityStatus::Pending,
        Some("unrequested") | None => CapabilityStatus::Unrequested,
        Some(_) => CapabilityStatus::Inactive,
    };
    let legacy = status("legacy_payments");
    let either = |name: &str| if legacy == CapabilityStatus::Active { legacy } else { status(name) };
    Capabilities { card_payments: either("card_payments"), transfers: either("transfers") }
}

fn names(list: Option<Vec<String>>) -> Vec<String> {
    list.unwrap_or_default().into_iter().take(NAMES_MAX).map(|name| name.chars().take(NAME_MAX).collect()).collect()
}

/// A single-use URL at Stripe for one person.
#[derive(Clone, Debug, Deserialize)]
pub struct Address {
    /// Never stored, never logged.
    pub url: String,
    /// Unix seconds; `None` for the Express Dashboard.
    #[serde(default)]
    pub expires_at: Option<i64>,
}

/// What an Account Link is for. <https://docs.stripe.com/api/account_links/create#create_account_link-type>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// To provide what is currently due.
    Onboarding,
    /// To review the information and provide what will be due. Only where the platform collects it, as for Custom accounts.
    Update,
}

/// The outcome of creating an account under its idempotency key.
#[derive(Debug)]
pub enum Made {
    /// It exists.
    Yes(Box<Account>),
    /// It was never created, and the key will never create it.
    Never,
}

/// The request that creates an account, and its idempotency key. Stripe collects the required information for all types.
/// <https://docs.stripe.com/api/accounts/create>
#[must_use]
pub fn creation(user: &UserId, email: &str, account_type: AccountType, country: &str, generation: u32, stack_id: &str) -> (String, String) {
    let number = generation.to_string();
    let mut form = vec![
        ("type", account_type.as_str()),
        ("country", country),
        ("email", email),
        ("metadata[user_id]", user.as_str()),
        ("metadata[generation]", &number),
        ("metadata[stack_id]", stack_id),
    ];
    // Standard accounts have them by default.
    if account_type != AccountType::Standard {
        form.extend([("capabilities[card_payments][requested]", "true"), ("capabilities[transfers][requested]", "true")]);
    }
    let body = serde_urlencoded::to_string(form).expect("pairs of texts can be written as a form");
    (body, format!("{PLATFORM}:account:{user}:{}:{generation}", account_type.as_str()))
}

impl Gateway {
    /// A connected account. <https://docs.stripe.com/api/accounts/retrieve>
    ///
    /// # Errors
    /// See [`StripeError`].
    pub async fn account(&self, id: &str) -> Result<Account, StripeError> {
        self.get(&format!("/accounts/{id}"), None).await
    }

    /// Creates an account, for the first time or again: under its key while Stripe
    /// remembers that, and afterwards by searching the accounts created since then.
    ///
    /// # Errors
    /// If Stripe refuses, or the outcome stays unknown.
    pub async fn make_account(&self, user: &UserId, made: &MadeAccount, now: OffsetDateTime) -> Result<Made, StripeError> {
        if now - made.started_at >= KEY_LIFETIME {
            return self.find_account(user, made).await;
        }
        let post = Post { path: "/accounts", body: &made.body, account: None, key: &made.idempotency_key };
        match self.post(&post).await {
            Ok(account) => Ok(Made::Yes(Box::new(account))),
            // The key replays a stored failure. The list of accounts shows whether the account was created.
            Err(StripeError::Failed { replayed: true, .. }) => self.find_account(user, made).await,
            Err(error) => Err(error),
        }
    }

    async fn find_account(&self, user: &UserId, made: &MadeAccount) -> Result<Made, StripeError> {
        let ours = |account: &Account| {
            let text = |name: &str| account.metadata.get(name).map(String::as_str);
            text("user_id") == Some(user.as_str())
                && !self.is_anothers(&account.metadata)
                && text("generation") == Some(made.generation.to_string().as_str())
                && account.account_type() == Some(made.account_type)
        };
        // One minute of tolerance for differing clocks.
        let list = format!("/accounts?limit=100&created[gte]={}", made.started_at.unix_timestamp() - 60);
        let mut path = list.clone();
        loop {
            let page: List<Account> = self.get(&path, None).await?;
            let (next, has_hole) = (page.next().map(str::to_owned), !page.unread.is_empty());
            if let Some(found) = page.data.into_iter().find(ours) {
                return Ok(Made::Yes(Box::new(found)));
            }
            match next {
                // The element that cannot be parsed may be the one.
                _ if has_hole => return Err(StripeError::Unreadable),
                Some(next) => path = format!("{list}&starting_after={next}"),
                None => return Ok(Made::Never),
            }
        }
    }

    /// A page at Stripe where an account's owner provides the required information. It expires after a
    /// few minutes and opens once. `nonce` differs for each, because an earlier link may be used up.
    /// <https://docs.stripe.com/api/account_links/create>
    ///
    /// # Errors
    /// See [`StripeError`].
    pub async fn account_link(&self, account: &str, kind: LinkKind, page: &str, nonce: &str) -> Result<Address, StripeError> {
        let (return_url, refresh_url) = (format!("{page}?onboarding=return"), format!("{page}?onboarding=refresh"));
        let (kind, collect) = match kind {
            LinkKind::Onboarding => ("account_onboarding", "currently_due"),
            LinkKind::Update => ("account_update", "eventually_due"),
        };
        let form = [
            ("account", account),
            ("type", kind),
            ("collection_options[fields]", collect),
            ("return_url", &return_url),
            ("refresh_url", &refresh_url),
        ];
        let body = serde_urlencoded::to_string(form).expect("pairs of texts can be written as a form");
        let key = format!("{account}:account_link:{nonce}");
        self.post(&Post { path: "/account_links", body: &body, account: None, key: &key }).await
    }

    /// A single-use link to the Express Dashboard; it expires after a few minutes.
    /// <https://docs.stripe.com/api/accounts/login_link/create>
    ///
    /// # Errors
    /// See [`StripeError`].
    pub async fn login_link(&self, account: &str, nonce: &str) -> Result<Address, StripeError> {
        let (path, key) = (format!("/accounts/{account}/login_links"), format!("{account}:login_link:{nonce}"));
        self.post(&Post { path: &path, body: "", account: None, key: &key }).await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn account(value: serde_json::Value) -> Account {
        serde_json::from_value(value).expect("it is an account")
    }

    #[test]
    fn what_stripe_does_not_say_is_not_believed() {
        let silent = account(json!({ "id": "acct_1", "capabilities": null, "requirements": null }));
        let state = silent.state(OffsetDateTime::UNIX_EPOCH);
        assert_eq!((state.charges_enabled, state.capabilities, silent.account_type()), (false, None, None));
        let new = account(json!({ "id": "acct_1", "type": "express", "capabilities": { "transfers": "unheard_of" } }));
        let known = new.state(OffsetDateTime::UNIX_EPOCH).capabilities.expect("they are told");
        assert_eq!((known.card_payments, known.transfers), (CapabilityStatus::Unrequested, CapabilityStatus::Inactive));
        let old = account(json!({ "id": "acct_1", "capabilities": { "legacy_payments": "active" } }));
        let known = old.state(OffsetDateTime::UNIX_EPOCH).capabilities.expect("they are told");
        assert_eq!((known.card_payments, known.transfers), (CapabilityStatus::Active, CapabilityStatus::Active));
    }

    #[test]
    fn a_list_of_requirements_stays_short() {
        let many: Vec<String> = (0..500).map(|number| format!("person_{number}.{}", "x".repeat(500))).collect();
        let state = account(json!({ "id": "acct_1", "requirements": { "currently_due": many } })).state(OffsetDateTime::UNIX_EPOCH);
        assert_eq!(state.requirements.currently_due.len(), NAMES_MAX);
        assert!(state.requirements.currently_due.iter().all(|name| name.len() <= NAME_MAX));
    }
}
