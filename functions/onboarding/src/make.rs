//! Creates an account only once, however many repeated or concurrent requests ask for it.
//!
//! The request is stored before it is sent to Stripe, under an idempotency key of the user, the type and a generation.
//! A request that finds it stored sends the same request again, and Stripe answers with the same account.

use shared::app::App;
use shared::domain::error::Error;
use shared::domain::user::{AccountType, MadeAccount, MakingState, StripeLink, User};
use shared::store::Written;
use shared::store::links::Linked;
use shared::stripe::accounts::{self, Account, Made};
use shared::stripe::error::StripeError;
use time::OffsetDateTime;

use shared::work::Services;

/// How many times to retry when a concurrent write wins.
const TRIES: usize = 8;

/// The seller's account of this type, linked: an existing one, or a new one in this country, by default the platform's.
///
/// # Errors
/// If Stripe refuses or its answer stays unknown. The next request continues from there.
pub async fn make(services: &Services, user: &User, account_type: AccountType, country: Option<&str>) -> Result<StripeLink, Error> {
    let app = &services.app;
    for _ in 0..TRIES {
        let asked_at = app.clock.now();
        let seen = app.store.made_account(&user.id, account_type).await?;
        let (mut record, made) = match seen {
            Some(record) if goes_on(&record, country) => {
                let made = found_or_made(services, user, &record, asked_at).await;
                (record, made)
            }
            before => {
                let mut record = next(app, user, account_type, country, before.as_ref(), asked_at);
                if let Written::No(_) = app.store.write_made_account(&user.id, &mut record).await? {
                    continue;
                }
                let made = services.stripe.make_account(&user.id, &record, asked_at).await;
                (record, made)
            }
        };
        match made {
            Ok(Made::Yes(account)) => return link(services, user, record, &account, asked_at).await,
            // The next iteration begins another generation.
            Ok(Made::Never) => {
                record.state = MakingState::Refused;
                let _by_another = app.store.write_made_account(&user.id, &mut record).await?;
            }
            Err(error) => return Err(refusal(services, user, record, error).await?),
        }
    }
    Err(Error::Internal(format!("the account of {} changes too fast to be made", user.id)))
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
    before: Option<&MadeAccount>,
    now: OffsetDateTime,
) -> MadeAccount {
    let country = country.unwrap_or(&app.config.platform_country);
    let generation = before.map_or(1, |before| before.generation + 1);
    let (body, idempotency_key) = accounts::creation(&user.id, &user.email, account_type, country, generation, &app.config.stack_id);
    MadeAccount {
        account_type,
        country: country.to_owned(),
        generation,
        body,
        idempotency_key,
        started_at: now,
        state: MakingState::Asked,
        version: before.map_or(0, |before| before.version),
    }
}

async fn found_or_made(services: &Services, user: &User, record: &MadeAccount, now: OffsetDateTime) -> Result<Made, StripeError> {
    let MakingState::Made { account_id } = &record.state else {
        return services.stripe.make_account(&user.id, record, now).await;
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
    let StripeError::Refused { param, message, .. } = &error else { return Ok(error.into()) };
    tracing::warn!(user_id = %user.id, country = record.country, param, message, "Stripe refused to create an account");
    if record.state == MakingState::Asked {
        record.state = MakingState::Refused;
        let _by_another = services.app.store.write_made_account(&user.id, &mut record).await?;
    }
    Ok(match param.as_deref() {
        Some("country") => Error::InvalidRequest(format!("country: Stripe makes no such account in {}", record.country)),
        _ => error.into(),
    })
}
