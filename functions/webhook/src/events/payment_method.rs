//! `payment_method.*`

use shared::error::Error;
use shared::store::events::EventMark;
use shared::stripe::cards::PaymentMethod;
use shared::stripe::webhook::Event;

use super::object;
use crate::Webhook;

/// A buyer's customer on the platform keeps a card from now on, however it came there: by the hosted Checkout, after its holder has
/// authenticated, or by a purchase. Where the customer has no default yet, the card becomes it. Two DynamoDB trips, and two
/// calls to Stripe for the first card.
///
/// The event does not say what its customer's default is: Stripe is asked.
/// <https://docs.stripe.com/api/events/types#event_types-payment_method.attached>
///
/// # Errors
/// Where the event must come again.
pub async fn attached(webhook: &Webhook, event: &Event) -> Result<(), Error> {
    let method: PaymentMethod = object(event)?;
    let store = &webhook.app.store;
    // Only the platform keeps cards.
    let Some(customer) = method.customer_id().filter(|_| event.account.is_none() && method.is_card()) else { return Ok(()) };
    if store.is_handled(&event.id).await? {
        return Ok(());
    }
    if webhook.stripe.make_first_default(customer, &method.id).await? {
        tracing::info!(event_id = event.id, customer, "the buyer's card became the default");
    }
    let mark = EventMark { id: event.id.clone(), kind: event.kind.clone(), at: webhook.app.clock.now() };
    let _by_another = store.mark_handled(&mark).await?;
    Ok(())
}
