//! `payment_method.*`

use shared::domain::error::Error;
use shared::store::events::EventMark;
use shared::stripe::cards::PaymentMethod;
use shared::stripe::webhook::Event;
use shared::work::Services;

use super::event::object;

/// A card was attached to a buyer's customer on the platform: by hosted Checkout, after authentication, or by a purchase. If
/// the customer has no default card, this becomes the default. Two DynamoDB trips, and two calls to Stripe for the first card.
///
/// The event does not include the customer's default, so this asks Stripe.
/// <https://docs.stripe.com/api/events/types#event_types-payment_method.attached>
///
/// # Errors
/// If Stripe must send the event again.
pub async fn attached(services: &Services, event: &Event) -> Result<(), Error> {
    let Some(method) = object::<PaymentMethod>(event) else { return Ok(()) };
    let store = &services.app.store;
    // Cards are only saved on the platform.
    let Some(customer) = method.customer_id().filter(|_| event.account.is_none() && method.is_card()) else { return Ok(()) };
    if store.is_handled(&event.id).await? {
        return Ok(());
    }
    if services.stripe.make_first_default(customer, &method.id).await? {
        tracing::info!(event_id = event.id, customer, "the buyer's card became the default");
    }
    let mark = EventMark { id: event.id.clone(), kind: event.kind.clone(), at: services.app.clock.now() };
    let _by_another = store.mark_handled(&mark).await?;
    Ok(())
}
