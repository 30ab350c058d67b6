//! `account.*`: what becomes of a seller's Stripe account.

use shared::error::Error;
use shared::store::events::EventMark;
use shared::stripe::error::StripeError;
use shared::stripe::webhook::Event;
use time::{Duration, OffsetDateTime};

use crate::Webhook;

/// A linked account can do more, or less, or is asked for more. Such events overtake each other, so Stripe is asked how
/// it stands now, and an older answer never replaces a newer one: two DynamoDB trips and a Stripe call.
/// <https://docs.stripe.com/api/events/types#event_types-account.updated>
///
/// # Errors
/// Where the event must come again.
pub async fn updated(webhook: &Webhook, event: &Event) -> Result<(), Error> {
    let (Some(account), store) = (&event.account, &webhook.app.store) else { return Ok(()) };
    let Some(user) = store.owner_of_account(account).await? else { return Ok(()) };
    let asked_at = webhook.app.clock.now();
    match webhook.stripe.account(account).await {
        Ok(current) => {
            let state = current.state(asked_at);
            let _gone_or_newer = store.set_account_state(&user, account, &state).await?;
        }
        // Another event says so, and does more.
        Err(StripeError::AccountRevoked) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// The seller has taken the platform's access away. The event cannot be fetched again: it is acted on as it is.
///
/// One that arrives late, after the seller has linked the account anew, must not undo that; whether the new link
/// stands, Stripe knows. <https://docs.stripe.com/api/events/types#event_types-account.application.deauthorized>
///
/// # Errors
/// Where the event must come again.
pub async fn application_deauthorized(webhook: &Webhook, event: &Event) -> Result<(), Error> {
    let store = &webhook.app.store;
    let Some(account) = &event.account else { return Ok(()) };
    if store.is_handled(&event.id).await? {
        return Ok(());
    }
    if let Some(user_id) = store.owner_of_account(account).await? {
        let link = store.user(&user_id).await?.and_then(|user| user.stripe);
        let happened_at = OffsetDateTime::from_unix_timestamp(event.created).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        // Stripe's times are whole seconds, of another clock.
        let is_newer = link.is_some_and(|link| link.linked_at + Duration::minutes(1) < happened_at);
        let is_gone = is_newer
            || match webhook.stripe.account(account).await {
                Ok(_) => false,
                Err(StripeError::AccountRevoked) => true,
                Err(error) => return Err(error.into()),
            };
        if is_gone {
            let _was_gone = store.unlink(&user_id, account).await?;
            tracing::info!(event_id = event.id, user_id = %user_id, "the seller took the platform's access away");
        }
    }
    let mark = EventMark { id: event.id.clone(), kind: event.kind.clone(), at: webhook.app.clock.now() };
    let _by_another = store.mark_handled(&mark).await?;
    Ok(())
}
