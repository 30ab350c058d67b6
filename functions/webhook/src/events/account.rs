//! `account.*` and `v2.core.account*`: changes to a seller's Stripe account.

use shared::domain::error::Error;
use shared::store::events::EventMark;
use shared::stripe::error::StripeError;
use shared::stripe::webhook::Event;
use shared::work::{Services, accounts};
use time::{Duration, OffsetDateTime};

/// The capabilities or requirements of a linked account changed. Events can arrive out of order, and thin ones contain nothing, so this asks
/// Stripe for the current state, and an older answer never replaces a newer one: three DynamoDB trips and one Stripe call.
/// <https://docs.stripe.com/api/events/types#event_types-account.updated>, <https://docs.stripe.com/api/v2/core/accounts/event-types>
///
/// # Errors
/// If Stripe must send the event again.
pub async fn updated(services: &Services, event: &Event) -> Result<(), Error> {
    let (Some(account), store) = (&event.account, &services.app.store) else { return Ok(()) };
    let Some(user) = store.owner_of_account(account).await? else { return Ok(()) };
    let asked_at = services.app.clock.now();
    match services.stripe.account(account).await {
        Ok(current) => {
            let _recorded = accounts::take_in(&services.app, &user, account, None, &current.state(asked_at)).await?;
        }
        // Access was revoked, which has its own event that does more, or the account was deleted.
        Err(StripeError::AccountRevoked | StripeError::Refused { status: 404, .. }) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// The seller revoked the platform's access. The platform can no longer fetch it, so it is taken as sent.
///
/// A late event must not unlink an account that the seller has linked again since; if in doubt, this asks Stripe whether
/// the platform has access. <https://docs.stripe.com/api/events/types#event_types-account.application.deauthorized>
///
/// # Errors
/// If Stripe must send the event again.
pub async fn application_deauthorized(services: &Services, event: &Event) -> Result<(), Error> {
    let store = &services.app.store;
    let Some(account) = &event.account else { return Ok(()) };
    if store.is_handled(&event.id).await? {
        return Ok(());
    }
    if let Some(user_id) = store.owner_of_account(account).await? {
        let link = store.user(&user_id).await?.and_then(|user| user.stripe);
        let happened_at = OffsetDateTime::from_unix_timestamp(event.created).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        // Stripe's times are whole seconds from a different clock.
        let is_newer = link.is_some_and(|link| link.linked_at + Duration::minutes(1) < happened_at);
        let is_gone = is_newer
            || match services.stripe.account(account).await {
                Ok(_) => false,
                Err(StripeError::AccountRevoked | StripeError::Refused { status: 404, .. }) => true,
                Err(error) => return Err(error.into()),
            };
        if is_gone {
            store.seller_goes(&user_id, services.app.clock.now()).await?;
            let _was_gone = store.unlink(&user_id, account, services.app.clock.now()).await?;
            tracing::info!(event_id = event.id, user_id = %user_id, "the seller revoked the platform's access");
        }
    }
    let mark = EventMark { id: event.id.clone(), kind: event.kind.clone(), at: services.app.clock.now() };
    let _by_another = store.mark_handled(&mark).await?;
    Ok(())
}
