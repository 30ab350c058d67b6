//! `payment_intent.*`

use shared::domain::error::Error;
use shared::stripe::objects::PaymentIntent;
use shared::stripe::webhook::Event;
use shared::work::Services;
use shared::work::declines;

use super::change::{Subject, change_purchase};
use super::event::object;

/// The payment succeeded. <https://docs.stripe.com/api/events/types#event_types-payment_intent.succeeded>
///
/// # Errors
/// If Stripe must send the event again.
pub async fn succeeded(services: &Services, event: &Event) -> Result<(), Error> {
    as_it_stands(services, event).await
}

/// An attempt was declined or not authenticated. One that had been handed to the browser is counted against the buyer first; requests count
/// the others themselves. One trip to DynamoDB more, and two to count.
/// <https://docs.stripe.com/api/events/types#event_types-payment_intent.payment_failed>
///
/// # Errors
/// If Stripe must send the event again.
pub async fn payment_failed(services: &Services, event: &Event) -> Result<(), Error> {
    let Some(payment_intent) = object::<PaymentIntent>(event) else { return Ok(()) };
    if let Subject::Purchase(id, _) = Subject::of(&payment_intent.metadata, None)
        && let (Some(purchase), false) = services.app.store.purchase_for_event(&id, &event.id).await?
        && let Some(number) = purchase.find_attempt(Some(&payment_intent.id), None)
        && purchase.was_in_the_buyers_hands(number)
    {
        let card = payment_intent.fingerprint();
        declines::count_in_browser(&services.app, &event.id, &purchase.buyer_id, card.as_deref()).await?;
    }
    as_it_stands(services, event).await
}

/// The payment was canceled. <https://docs.stripe.com/api/events/types#event_types-payment_intent.canceled>
///
/// # Errors
/// If Stripe must send the event again.
pub async fn canceled(services: &Services, event: &Event) -> Result<(), Error> {
    as_it_stands(services, event).await
}

/// The payment is processing at the bank. <https://docs.stripe.com/api/events/types#event_types-payment_intent.processing>
///
/// # Errors
/// If Stripe must send the event again.
pub async fn processing(services: &Services, event: &Event) -> Result<(), Error> {
    as_it_stands(services, event).await
}

/// The buyer must authenticate.
/// <https://docs.stripe.com/api/events/types#event_types-payment_intent.requires_action>
///
/// # Errors
/// If Stripe must send the event again.
pub async fn requires_action(services: &Services, event: &Event) -> Result<(), Error> {
    as_it_stands(services, event).await
}

async fn as_it_stands(services: &Services, event: &Event) -> Result<(), Error> {
    let Some(payment_intent) = object::<PaymentIntent>(event) else { return Ok(()) };
    // Without our metadata it belongs to another program.
    let subject = Subject::of(&payment_intent.metadata, None);
    let place = services.stripe.place(event.account.as_deref());
    change_purchase(services, event, subject, |purchase, cause, now| payment_intent.tell(purchase, &place, cause, now)).await
}
