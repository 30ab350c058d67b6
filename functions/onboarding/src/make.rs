//! Creates an account only once, however many repeated or concurrent requests ask for it.
//!
//! The request is stored before it is sent to Stripe, under an idempotency key of the user, the type and a generation.
//! A request that finds it stored sends the same request again, and Stripe answers with the same account.

use std::collections::BTreeMap;

use shared::app::App;
use shared::domain::error::Error;
use shared::domain::user::{AccountType, AccountsApi, MadeAccount, MakingState, StripeLink, User};
use shared::store::Written;
use shared::store::findings::Found;
use shared::store::links::Linked;
use shared::stripe::accounts::{self, Account, Made, New};
use shared::stripe::error::StripeError;
use shared::work::{Services, debts};
use time::OffsetDateTime;

/// How many times to retry when a concurrent write wins.
const TRIES: usize = 8;

/// The most characters of Stripe's sentence in a finding.
const SENTENCE_MAX: usize = 1000;

/// The most accounts of one type that are made for a seller: one in another country is a new account, and so is one after its owner has revoked the
/// platform's access. Without a limit, whoever unlinks and asks again could have any number.
const ACCOUNTS_MAX: usize = 5;

/// The seller's account of this type, linked: an existing one, or a new one in this country, by default the platform's.
///
/// A new one is asked for at the APIs that the setting allows, one after the other until one does not refuse the platform. That is
/// found out anew by each creation, so what somebody switches on in Stripe's Dashboard counts at once.
///
/// # Errors
/// If Stripe refuses or its answer stays unknown. The next request continues from there. [`Error::AccountsRefused`] if
/// Stripe lets the platform make no accounts at all. [`Error::TooManyAccounts`] if it would be one more than a seller can have of a type.
pub async fn make(services: &Services, user: &User, account_type: AccountType, country: Option<&str>) -> Result<StripeLink, Error> {
    let app = &services.app;
    let mut refusals = Refusals::default();
    let owing = debts::owing(app, &services.stripe, user).await?;
    for _ in 0..TRIES {
        let asked_at = app.clock.now();
        let seen = app.store.made_account(&user.id, account_type).await?;
        // Who owes can have the account that owes.
        let meant = seen.as_ref().filter(|record| goes_on(record, country)).and_then(MadeAccount::account);
        if owing.iter().any(|account| Some(account.as_str()) != meant) {
            return Err(Error::DebtsOpen);
        }
        let (mut record, made) = match seen {
            Some(record) if goes_on(&record, country) => {
                let made = found_or_made(services, user, &record, &mut refusals, asked_at).await;
                (record, made)
            }
            before => {
                if before.as_ref().is_some_and(|before| before.accounts().len() >= ACCOUNTS_MAX) {
                    return Err(Error::TooManyAccounts { most: ACCOUNTS_MAX });
                }
                let Some(api) = refusals.next(app.config.accounts_api) else { return Err(refusals.tell(app, asked_at).await?) };
                let mut record = next(app, user, account_type, country, api, before.as_ref(), asked_at);
                if let Written::No(_) = app.store.write_made_account(&user.id, &mut record).await? {
                    continue;
                }
                let made = match services.stripe.make_account(&user.id, &record, asked_at).await {
                    Err(error) if refusals.note(api, &error) => Ok(Made::Never),
                    made => made,
                };
                (record, made)
            }
        };
        match made {
            Ok(Made::Yes(account)) => return link(services, user, record, &account, asked_at).await,
            // The next iteration begins another generation.
            Ok(Made::Never) => {
                record.earlier = record.accounts();
                record.state = MakingState::Refused;
                let _by_another = app.store.write_made_account(&user.id, &mut record).await?;
            }
            Err(error) => return Err(refusal(services, user, record, error).await?),
        }
    }
    Err(Error::Internal(format!("the account of {} changes too fast to be made", user.id)))
}

/// The APIs that refused the platform during one request, and Stripe's sentences.
#[derive(Default)]
struct Refusals(BTreeMap<AccountsApi, String>);

impl Refusals {
    /// Whether that is what an error is. If so, it is noted.
    fn note(&mut self, api: AccountsApi, error: &StripeError) -> bool {
        let Some(sentence) = accounts::platform_refusal(api, error) else { return false };
        tracing::warn!(api = api.as_str(), sentence, "Stripe lets the platform make no accounts with this API");
        self.0.insert(api, sentence.chars().take(SENTENCE_MAX).collect());
        true
    }

    /// The next API to ask.
    fn next(&self, only: Option<AccountsApi>) -> Option<AccountsApi> {
        let allowed = [AccountsApi::V2, AccountsApi::V1].into_iter().filter(|api| only.is_none_or(|only| only == *api));
        allowed.into_iter().find(|api| !self.0.contains_key(api))
    }

    /// Tells staff, once all have refused.
    async fn tell(self, app: &App, now: OffsetDateTime) -> Result<Error, Error> {
        let sentences = self.0.iter().map(|(api, sentence)| format!("{}: {sentence}", api.as_str()));
        let found = Found::AccountsRefused { reason: sentences.collect::<Vec<_>>().join("\n") };
        app.store.keep_finding(&found, now).await?;
        Ok(Error::AccountsRefused)
    }
}

/// Whether to continue with a stored record. A request that Stripe may have received must be resolved first. An account that
/// exists stays the seller's, unless one in another country is requested.
fn goes_on(record: &MadeAccount, country: Option<&str>) -> bool {
    match record.state {
        MakingState::Asked => true,
        MakingState::Made { .. } => country.is_none_or(|country| country == record.country),
        MakingState::Refused => false,
    }
}

fn next(
    app: &App,
    user: &User,
    account_type: AccountType,
    country: Option<&str>,
    api: AccountsApi,
    before: Option<&MadeAccount>,
    now: OffsetDateTime,
) -> MadeAccount {
    let platform_country = &app.config.platform_country;
    let country = country.unwrap_or(platform_country);
    let generation = before.map_or(1, |before| before.generation + 1);
    let new = New {
        api,
        user: &user.id,
        email: &user.email,
        account_type,
        country,
        platform_country,
        generation,
        stack_id: &app.config.stack_id,
    };
    MadeAccount {
        account_type,
        country: country.to_owned(),
        generation,
        earlier: before.map(MadeAccount::accounts).unwrap_or_default(),
        accounts_api: api,
        body: new.body(),
        idempotency_key: new.key(),
        started_at: now,
        state: MakingState::Asked,
        version: before.map_or(0, |before| before.version),
    }
}

async fn found_or_made(
    services: &Services,
    user: &User,
    record: &MadeAccount,
    refusals: &mut Refusals,
    now: OffsetDateTime,
) -> Result<Made, StripeError> {
    let MakingState::Made { account_id } = &record.state else {
        return match services.stripe.make_account(&user.id, record, now).await {
            // What the platform may do now says nothing about an earlier sending of the request.
            Err(error) if refusals.note(record.accounts_api, &error) => services.stripe.find_account(&user.id, record).await,
            made => made,
        };
    };
    match services.stripe.account(account_id).await {
        Ok(account) => Ok(Made::Yes(Box::new(account))),
        // Its owner or Stripe has revoked the platform's access.
        Err(StripeError::AccountRevoked) => Ok(Made::Never),
        Err(error) => Err(error),
    }
}

async fn link(
    services: &Services,
    user: &User,
    mut record: MadeAccount,
    account: &Account,
    asked_at: OffsetDateTime,
) -> Result<StripeLink, Error> {
    let app = &services.app;
    let link = StripeLink {
        account_id: account.id.clone(),
        account_type: record.account_type,
        made_by_platform: true,
        accounts_api: record.accounts_api,
        scope: "read_write".to_owned(),
        livemode: services.stripe.livemode(),
        linked_at: app.clock.now(),
        state: account.state(asked_at),
    };
    record.state = MakingState::Made { account_id: account.id.clone() };
    record.version += 1;
    match app.store.link_made(&user.id, &link, &record).await? {
        Linked::Yes => {
            tracing::info!(user_id = %user.id, account = account.id, kind = record.account_type.as_str(), "an account was created or found, and linked");
            Ok(link)
        }
        Linked::AccountTaken => Err(Error::AccountTaken),
        // Another account was linked in the meantime, or the user is no longer a seller. The new account stays on record.
        Linked::UserRefused => Err(Error::AlreadyConnected),
    }
}

/// If Stripe did nothing, the next request starts over. If the outcome is unknown, the record stays as it is.
async fn refusal(services: &Services, user: &User, mut record: MadeAccount, error: StripeError) -> Result<Error, Error> {
    if error.is_turned_away() {
        // Stripe did not look at the request, and an earlier copy of it may have created the account.
        return Ok(error.into());
    }
    let StripeError::Refused { code, param, message, .. } = &error else { return Ok(error.into()) };
    tracing::warn!(user_id = %user.id, country = record.country, code, param, message, "Stripe refused to create an account");
    if record.state == MakingState::Asked {
        record.state = MakingState::Refused;
        let _by_another = services.app.store.write_made_account(&user.id, &mut record).await?;
    }
    // v2 names no parameter. Whether an account may be only paid out depends on the two countries, and on what Stripe allows the platform: then
    // its sentence names both capabilities, https://github.com/Layr-Labs/d-inference/issues/684.
    let is_about_country = matches!(param.as_deref(), Some("country" | "tos_acceptance[service_agreement]"))
        || code.contains("country")
        || message.contains("without the `card_payments` capability");
    Ok(if is_about_country {
        Error::InvalidRequest(format!("country: Stripe makes no such account in {}", record.country))
    } else {
        error.into()
    })
}
