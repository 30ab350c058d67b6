//! Connected accounts: creating and reading them, and the pages at Stripe for their owners.

use std::collections::HashMap;

use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::error::StripeError;
use super::gateway::{Gateway, Post};
use super::objects::List;
use super::requests::form;
use crate::domain::charging::{KEY_LIFETIME, PLATFORM};
use crate::domain::country::is_only_paid_out;
use crate::domain::ids::UserId;
use crate::domain::user::{
    AccountState, AccountType, AccountsApi, Capabilities, CapabilityStatus, FutureRequirements, MadeAccount, RequirementError,
    Requirements, StripeLink,
};

/// The most names kept from each list of requirements, and the most characters of each. They are
/// part of the user's item, which each of the user's requests reads. Stripe's own page shows all.
const NAMES_MAX: usize = 20;
const NAME_MAX: usize = 80;
/// The same for Stripe's sentence about what was wrong.
const REASON_MAX: usize = 300;

/// An account as v1 shows it, whichever API made it: <https://docs.stripe.com/api/accounts/object>.
///
/// "You can still pass the ID of a v2 `Account` to an Accounts v1 API endpoint. When you do so, the response is structured as a
/// v1 `Account`": <https://docs.stripe.com/connect/accounts-v2>. So all accounts are read at v1. The answers of v2 to creating
/// and listing accounts tell only the id, the dashboard and the metadata:
/// <https://docs.stripe.com/api/v2/core/accounts/object>.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Account {
    /// `acct_…`
    pub id: String,
    /// `standard`, `express`, `custom` or `none`
    #[serde(default, rename = "type")]
    kind: Option<String>,
    /// `full`, `express` or `none`; only v2 tells it.
    #[serde(default)]
    dashboard: Option<String>,
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
    future_requirements: Option<Wanted>,
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
    #[serde(default)]
    errors: Option<Vec<Value>>,
}

impl Account {
    /// The type of account; `None` for other combinations of `controller` properties, which have no name.
    #[must_use]
    pub fn account_type(&self) -> Option<AccountType> {
        match (self.kind.as_deref(), self.dashboard.as_deref()) {
            (Some("standard"), _) | (None, Some("full")) => Some(AccountType::Standard),
            (Some("express"), _) | (None, Some("express")) => Some(AccountType::Express),
            (Some("custom"), _) | (None, Some("none")) => Some(AccountType::Custom),
            _ => None,
        }
    }

    /// The account's state, from a response to a request made at this time, as if it was the first.
    #[must_use]
    pub fn state(&self, asked_at: OffsetDateTime) -> AccountState {
        let wanted = self.requirements.clone().unwrap_or_default();
        let later = self.future_requirements.clone().unwrap_or_default();
        let state = AccountState {
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
                errors: errors(wanted.errors),
            },
            future_requirements: FutureRequirements { currently_due: names(later.currently_due), current_deadline: later.current_deadline },
            country: self.country.clone(),
            asked_at: i64::try_from(asked_at.unix_timestamp_nanos() / 1_000_000).unwrap_or_default(),
            ..AccountState::default()
        };
        state.following(&AccountState::default())
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

fn errors(list: Option<Vec<Value>>) -> Vec<RequirementError> {
    let read = |error: Value| {
        let text = |name: &str, most| error[name].as_str().unwrap_or_default().chars().take(most).collect();
        RequirementError { requirement: text("requirement", NAME_MAX), code: text("code", NAME_MAX), reason: text("reason", REASON_MAX) }
    };
    list.unwrap_or_default().into_iter().take(NAMES_MAX).map(read).collect()
}

/// A single-use URL at Stripe for one person.
#[derive(Clone, Debug, Deserialize)]
pub struct Address {
    /// Never stored, never logged.
    pub url: String,
    /// `None` for the Express Dashboard.
    #[serde(default, deserialize_with = "moment")]
    pub expires_at: Option<OffsetDateTime>,
}

/// v1 writes times as Unix seconds, v2 by RFC 3339.
fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<OffsetDateTime>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Number(seconds) => seconds.as_i64().and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok()),
        Value::String(text) => OffsetDateTime::parse(&text, &Rfc3339).ok(),
        _ => None,
    })
}

/// What an Account Link is for. <https://docs.stripe.com/api/account_links/create#create_account_link-type>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// To provide what is currently due.
    Onboarding,
    /// To review the information and provide what will be due. Only where the platform collects it, as for Custom accounts.
    Update,
}

impl LinkKind {
    /// Its name and its `collection_options`. Whether a form also asks for future requirements is only up to the platform where it
    /// collects the information: <https://docs.stripe.com/connect/hosted-onboarding>.
    fn options(self) -> (&'static str, &'static [(&'static str, &'static str)]) {
        match self {
            Self::Onboarding => ("account_onboarding", &[("fields", "currently_due")]),
            Self::Update => ("account_update", &[("fields", "eventually_due"), ("future_requirements", "include")]),
        }
    }
}

/// The outcome of creating an account under its idempotency key.
#[derive(Debug)]
pub enum Made {
    /// It exists.
    Yes(Box<Account>),
    /// It was never created, and the key will never create it.
    Never,
}

impl Made {
    /// v2 does not tell the country here; it is the requested one.
    fn new(account: Account, made: &MadeAccount) -> Self {
        let country = account.country.clone().or_else(|| Some(made.country.clone()));
        Self::Yes(Box::new(Account { country, ..account }))
    }
}

/// What identifies an account that is to be made.
#[derive(Clone, Copy, Debug)]
pub struct New<'a> {
    /// The API that is asked.
    pub api: AccountsApi,
    /// Its owner.
    pub user: &'a UserId,
    /// The owner's address.
    pub email: &'a str,
    /// The type.
    pub account_type: AccountType,
    /// Upper-case ISO 3166.
    pub country: &'a str,
    /// The platform's country.
    pub platform_country: &'a str,
    /// See [`MadeAccount::generation`].
    pub generation: u32,
    /// The id of this deployment.
    pub stack_id: &'a str,
}

impl New<'_> {
    /// The idempotency key of the request. Each generation asks one API.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{PLATFORM}:account:{}:{}:{}", self.user, self.account_type.as_str(), self.generation)
    }

    /// The body of the request.
    #[must_use]
    pub fn body(&self) -> String {
        match self.api {
            AccountsApi::V1 => self.form(),
            AccountsApi::V2 => self.json(),
        }
    }

    /// Whether the account is only to be paid out, because Stripe offers nothing else in its country.
    /// <https://docs.stripe.com/connect/service-agreement-types#recipient>
    fn is_only_paid_out(&self) -> bool {
        self.account_type != AccountType::Standard && is_only_paid_out(self.platform_country, self.country)
    }

    /// <https://docs.stripe.com/api/accounts/create>. Stripe collects the required information for all types.
    fn form(&self) -> String {
        let number = self.generation.to_string();
        let mut fields = vec![
            ("type", self.account_type.as_str()),
            ("country", self.country),
            ("email", self.email),
            ("metadata[user_id]", self.user.as_str()),
            ("metadata[generation]", &number),
            ("metadata[stack_id]", self.stack_id),
        ];
        // Standard accounts have them by default.
        if self.account_type != AccountType::Standard {
            fields.push(("capabilities[transfers][requested]", "true"));
            fields.push(if self.is_only_paid_out() {
                ("tos_acceptance[service_agreement]", "recipient")
            } else {
                ("capabilities[card_payments][requested]", "true")
            });
        }
        form(&fields)
    }

    /// <https://docs.stripe.com/api/v2/core/accounts/create>. The types in the terms of v2, for the charges that
    /// <https://docs.stripe.com/connect/integration-recommendations> recommends:
    ///
    /// | Type | Dashboard | Fees and losses collected by | Configurations |
    /// | --- | --- | --- | --- |
    /// | Standard | full | Stripe | merchant: direct charges only |
    /// | Express | express | the platform | merchant and recipient |
    /// | Custom | none | the platform | merchant and recipient |
    ///
    /// Where accounts are only paid out, they are recipients alone.
    fn json(&self) -> String {
        let requested = json!({ "requested": true });
        let mut configuration = json!({});
        if !self.is_only_paid_out() {
            configuration["merchant"] = json!({ "capabilities": { "card_payments": requested } });
        }
        let (dashboard, collector) = match self.account_type {
            AccountType::Standard => ("full", "stripe"),
            AccountType::Express => ("express", "application"),
            AccountType::Custom => ("none", "application"),
        };
        // Where Stripe bears the losses, it recommends direct charges alone, for which nothing is transferred.
        if self.account_type != AccountType::Standard {
            configuration["recipient"] = json!({ "capabilities": { "stripe_balance": { "stripe_transfers": requested } } });
        }
        let body = json!({
            "configuration": configuration,
            "contact_email": self.email,
            "dashboard": dashboard,
            "defaults": { "responsibilities": { "fees_collector": collector, "losses_collector": collector } },
            "identity": { "country": self.country },
            "metadata": { "user_id": self.user.as_str(), "generation": self.generation.to_string(), "stack_id": self.stack_id },
        });
        body.to_string()
    }
}

/// Stripe's sentence, if it refused to let the platform make any accounts with this API. Refusals of
/// one account are none: <https://docs.stripe.com/connect/accounts-v2/account-creation>,
/// <https://docs.stripe.com/api/v2/core/accounts/create>.
///
/// v1's refusal is only known by its sentence, which names the API to use instead. A key without the permission
/// is refused with 403, and an API that does not exist with 404.
#[must_use]
pub fn platform_refusal(api: AccountsApi, error: &StripeError) -> Option<&str> {
    const CODES: [&str; 3] =
        ["accounts_v2_access_blocked", "non_connect_platform_accounts_v2_access_blocked", "account_creation_liability_unacknowledged"];
    let StripeError::Refused { status, code, message, .. } = error else { return None };
    let is_meant = match api {
        AccountsApi::V1 => *status == 403 || message.contains(V2_ACCOUNTS) || message.contains("signed up for Connect"),
        AccountsApi::V2 => matches!(status, 403 | 404) || CODES.contains(&code.as_str()),
    };
    is_meant.then_some(message)
}

const ACCOUNTS: &str = "/accounts";
const V2_ACCOUNTS: &str = "/v2/core/accounts";

impl Gateway {
    /// A connected account. <https://docs.stripe.com/api/accounts/retrieve>
    ///
    /// # Errors
    /// See [`StripeError`].
    pub async fn account(&self, id: &str) -> Result<Account, StripeError> {
        self.get(&format!("/accounts/{id}"), None).await
    }

    /// Creates an account, for the first time or again: under its key while Stripe
    /// remembers that, and afterwards by searching the accounts.
    ///
    /// v1 replays the first answer, also a failure. v2 never repeats what succeeded, and tries again what failed:
    /// <https://docs.stripe.com/api/idempotent_requests>. How long v2 remembers a key is not
    /// documented, so it is relied on no longer than v1.
    ///
    /// # Errors
    /// If Stripe refuses, or the outcome stays unknown.
    pub async fn make_account(&self, user: &UserId, made: &MadeAccount, now: OffsetDateTime) -> Result<Made, StripeError> {
        if now - made.started_at >= KEY_LIFETIME {
            return self.find_account(user, made).await;
        }
        let path = match made.accounts_api {
            AccountsApi::V1 => ACCOUNTS,
            AccountsApi::V2 => V2_ACCOUNTS,
        };
        let post = Post { path, body: &made.body, account: None, key: &made.idempotency_key };
        match self.post(&post).await {
            Ok(account) => Ok(Made::new(account, made)),
            // The key replays a stored failure. The list of accounts shows whether the account was created.
            Err(StripeError::Failed { replayed: true, .. }) => self.find_account(user, made).await,
            Err(error) => Err(error),
        }
    }

    /// Searches the accounts for one that may have been created. v1 lists those created since, v2 all that are not closed:
    /// <https://docs.stripe.com/api/accounts/list>, <https://docs.stripe.com/api/v2/core/accounts/list>.
    ///
    /// # Errors
    /// If the outcome stays unknown.
    pub async fn find_account(&self, user: &UserId, made: &MadeAccount) -> Result<Made, StripeError> {
        let ours = |account: &Account| {
            let text = |name: &str| account.metadata.get(name).map(String::as_str);
            text("user_id") == Some(user.as_str())
                && !self.is_anothers(&account.metadata)
                && text("generation") == Some(made.generation.to_string().as_str())
                && account.account_type() == Some(made.account_type)
        };
        let list = match made.accounts_api {
            // One minute of tolerance for differing clocks.
            AccountsApi::V1 => format!("{ACCOUNTS}?limit=100&created[gte]={}", made.started_at.unix_timestamp() - 60),
            AccountsApi::V2 => format!("{V2_ACCOUNTS}?limit=100"),
        };
        let mut path = list.clone();
        loop {
            let page: List<Account> = match self.get(&path, None).await {
                // An API that the platform may not even read has made nothing for it.
                Err(error) if platform_refusal(made.accounts_api, &error).is_some() => return Ok(Made::Never),
                // That the list is refused does not mean that the account was.
                Err(StripeError::Refused { status, .. }) => return Err(StripeError::Failed { status, replayed: false }),
                page => page?,
            };
            let next = page.next().map(|last| format!("{list}&starting_after={last}")).or_else(|| page.next_page_url.clone());
            let has_hole = !page.unread.is_empty();
            if let Some(found) = page.data.into_iter().find(ours) {
                return Ok(Made::new(found, made));
            }
            match next {
                // The element that cannot be parsed may be the one.
                _ if has_hole => return Err(StripeError::Unreadable),
                Some(next) => path = next,
                None => return Ok(Made::Never),
            }
        }
    }

    /// A page at Stripe where an account's owner provides the required information, from the API that made the account. It
    /// expires after a few minutes and opens once. `nonce` differs for each, because an earlier link may be used up.
    /// <https://docs.stripe.com/api/account_links/create>, <https://docs.stripe.com/api/v2/core/account_links/create>
    ///
    /// # Errors
    /// See [`StripeError`].
    pub async fn account_link(&self, link: &StripeLink, kind: LinkKind, page: &str, nonce: &str) -> Result<Address, StripeError> {
        let account = link.account_id.as_str();
        let (return_url, refresh_url) = (format!("{page}?onboarding=return"), format!("{page}?onboarding=refresh"));
        let (kind, options) = kind.options();
        let (path, body) = match link.accounts_api {
            AccountsApi::V1 => {
                let named = options.iter().map(|(name, value)| (format!("collection_options[{name}]"), *value)).collect::<Vec<_>>();
                let mut fields = vec![("account", account), ("type", kind), ("return_url", &return_url), ("refresh_url", &refresh_url)];
                fields.extend(named.iter().map(|(name, value)| (name.as_str(), *value)));
                ("/account_links", form(&fields))
            }
            AccountsApi::V2 => {
                let options = json!({
                    "collection_options": options.iter().copied().collect::<HashMap<_, _>>(),
                    "return_url": return_url,
                    "refresh_url": refresh_url,
                });
                let body = json!({ "account": account, "use_case": { "type": kind, kind: options } });
                ("/v2/core/account_links", body.to_string())
            }
        };
        let key = format!("{account}:account_link:{nonce}");
        self.post(&Post { path, body: &body, account: None, key: &key }).await
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
        let wrong: Vec<Value> = many.iter().map(|name| json!({ "requirement": name, "code": name, "reason": name, "newer": {} })).collect();
        let said = json!({
            "id": "acct_1",
            "requirements": { "currently_due": many, "errors": wrong },
            "future_requirements": { "currently_due": many, "errors": null },
        });
        let state = account(said).state(OffsetDateTime::UNIX_EPOCH);
        let (errors, later) = (&state.requirements.errors, &state.future_requirements.currently_due);
        assert_eq!((errors.len(), later.len()), (NAMES_MAX, NAMES_MAX));
        assert_eq!((errors[0].requirement.len(), errors[0].code.len(), errors[0].reason.len()), (NAME_MAX, NAME_MAX, REASON_MAX));
        assert_eq!(errors[0].requirement, state.requirements.currently_due[0], "they can still be matched");
        assert_eq!(state.requirements.currently_due.len(), NAMES_MAX);
        assert!(state.requirements.currently_due.iter().all(|name| name.len() <= NAME_MAX));
    }
}
