//! Connected accounts: made by the platform, looked at, and the pages at Stripe that their owners are sent to.

use std::collections::HashMap;

use serde::Deserialize;
use time::OffsetDateTime;

use super::error::StripeError;
use super::objects::List;
use super::{Gateway, Post};
use crate::ids::UserId;
use crate::purchase::KEY_LIFETIME;
use crate::store::made_accounts::MadeAccount;
use crate::user::{AccountState, AccountType, Capabilities, CapabilityStatus, PLATFORM, Requirements};

/// The most names that are kept of each list of requirements, and the most letters of each: they are a part of the
/// user's item, which every request of theirs reads. Stripe's own page shows all.
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
    /// What kind of account it is; none of a kind that has no name (`controller` properties of another mix).
    #[must_use]
    pub fn account_type(&self) -> Option<AccountType> {
        match self.kind.as_deref() {
            Some("standard") => Some(AccountType::Standard),
            Some("express") => Some(AccountType::Express),
            Some("custom") => Some(AccountType::Custom),
            _ => None,
        }
    }

    /// How it stands, of an answer to a question that was asked at that time.
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

/// Accounts from before there were capabilities have one that stands for both.
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

/// An address at Stripe to which one person is sent, once.
#[derive(Clone, Debug, Deserialize)]
pub struct Address {
    /// Never stored, never logged.
    pub url: String,
    /// Unix seconds; an address to the Express Dashboard has none.
    #[serde(default)]
    pub expires_at: Option<i64>,
}

/// What an Account Link is for. <https://docs.stripe.com/api/account_links/create#create_account_link-type>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// To tell what is due now.
    Onboarding,
    /// To look over what was told, and tell what will be due: only where the platform collects it, as of Custom accounts.
    Update,
}

/// An account under its own idempotency key, at last.
#[derive(Debug)]
pub enum Made {
    /// It is there.
    Yes(Box<Account>),
    /// It was never made, and the key will never make it.
    Never,
}

/// The request that makes an account, and its idempotency key. Stripe collects what it wants to know, whatever the type.
/// <https://docs.stripe.com/api/accounts/create>
#[must_use]
pub fn creation(user: &UserId, email: &str, account_type: AccountType, country: &str, generation: u32) -> (String, String) {
    let number = generation.to_string();
    let mut form = vec![
        ("type", account_type.as_str()),
        ("country", country),
        ("email", email),
        ("metadata[user_id]", user.as_str()),
        ("metadata[generation]", &number),
    ];
    // A Standard account has them without being asked.
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

    /// Has Stripe make an account, for the first time or again: under its key while Stripe remembers that, and by
    /// looking through the accounts made since then later on.
    ///
    /// # Errors
    /// Where Stripe refuses, or the outcome stays unknown.
    pub async fn make_account(&self, user: &UserId, made: &MadeAccount, now: OffsetDateTime) -> Result<Made, StripeError> {
        if now - made.started_at >= KEY_LIFETIME {
            return self.find_account(user, made).await;
        }
        let post = Post { path: "/accounts", body: &made.body, account: None, key: &made.idempotency_key };
        match self.post(&post).await {
            Ok(account) => Ok(Made::Yes(Box::new(account))),
            // The key has stored a failure. Whether anything was made, the list of accounts knows.
            Err(StripeError::Failed { replayed: true, .. }) => self.find_account(user, made).await,
            Err(error) => Err(error),
        }
    }

    async fn find_account(&self, user: &UserId, made: &MadeAccount) -> Result<Made, StripeError> {
        let ours = |account: &Account| {
            let text = |name: &str| account.metadata.get(name).map(String::as_str);
            text("user_id") == Some(user.as_str())
                && text("generation") == Some(made.generation.to_string().as_str())
                && account.account_type() == Some(made.account_type)
        };
        // A minute for clocks that differ.
        let list = format!("/accounts?limit=100&created[gte]={}", made.started_at.unix_timestamp() - 60);
        let mut path = list.clone();
        loop {
            let page: List<Account> = self.get(&path, None).await?;
            let last = page.data.last().map(|account| account.id.clone());
            if let Some(found) = page.data.into_iter().find(ours) {
                return Ok(Made::Yes(Box::new(found)));
            }
            match last {
                Some(last) if page.has_more => path = format!("{list}&starting_after={last}"),
                _ => return Ok(Made::Never),
            }
        }
    }

    /// A page at Stripe where an account's owner tells what is wanted; it opens once, within minutes. `nonce` is new for
    /// each: a link that was answered before may be used up.
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

    /// The way into the Express Dashboard; it opens once, within minutes.
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
