//! `setup_intent.*`

use shared::domain::error::Error;
use shared::store::events::EventMark;
use shared::stripe::cards::SetupIntent;
use shared::stripe::webhook::Event;
use shared::work::Services;
use shared::work::declines;

use super::event::object;

/// A card that was to be saved was declined or not authenticated. What the request that made the SetupIntent was answered, it counts itself;
/// what happens in the browser afterwards is counted here against the user. The SetupIntent is canceled, or the browser could try card after
/// card on it. Four DynamoDB trips, two of them for the count, and one Stripe call.
/// <https://docs.stripe.com/api/events/types#event_types-setup_intent.setup_failed>
///
/// # Errors
/// If Stripe must send the event again.
pub async fn setup_failed(services: &Services, event: &Event) -> Result<(), Error> {
    let Some(intent) = object::<SetupIntent>(event) else { return Ok(()) };
    let (store, stripe) = (&services.app.store, &services.stripe);
    // Cards are only saved on the platform. Without our metadata it belongs to another program.
    let is_ours = event.account.is_none() && !stripe.is_anothers(&intent.metadata);
    let user =
        intent.metadata.get("buyer_id").and_then(|id| id.parse().ok()).filter(|_| is_ours && !intent.is_made_by(event.idempotency_key()));
    let Some(user) = user else { return Ok(()) };
    if store.is_handled(&event.id).await? {
        return Ok(());
    }
    stripe.cancel_setup_intent(&intent.id).await?;
    declines::count_in_browser(&services.app, &event.id, &user, intent.fingerprint().as_deref()).await?;
    let mark = EventMark { id: event.id.clone(), kind: event.kind.clone(), at: services.app.clock.now() };
    let _by_another = store.mark_handled(&mark).await?;
    Ok(())
}
