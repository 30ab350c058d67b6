//! `payment_intent.*`

use shared::error::Error;
use shared::stripe::objects::PaymentIntent;
use shared::stripe::webhook::Event;

use super::{Subject, change_purchase, object};
use crate::Webhook;

/// The money is taken. <https://docs.stripe.com/api/events/types#event_types-payment_intent.succeeded>
///
/// # Errors
/// Where the event must come again.
pub async fn succeeded(webhook: &Webhook, event: &Event) -> Result<(), Error> {
    as_it_stands(webhook, event).await
}

/// A try was declined, or not authenticated.
/// <https://docs.stripe.com/api/events/types#event_types-payment_intent.payment_failed>
///
/// # Errors
/// Where the event must come again.
pub async fn payment_failed(webhook: &Webhook, event: &Event) -> Result<(), Error> {
    as_it_stands(webhook, event).await
}

/// It will never be paid. <https://docs.stripe.com/api/events/types#event_types-payment_intent.canceled>
///
/// # Errors
/// Where the event must come again.
pub async fn canceled(webhook: &Webhook, event: &Event) -> Result<(), Error> {
    as_it_stands(webhook, event).await
}

/// The bank takes its time. <https://docs.stripe.com/api/events/types#event_types-payment_intent.processing>
///
/// # Errors
/// Where the event must come again.
pub async fn processing(webhook: &Webhook, event: &Event) -> Result<(), Error> {
    as_it_stands(webhook, event).await
}

/// The buyer must authenticate.
/// <https://docs.stripe.com/api/events/types#event_types-payment_intent.requires_action>
///
/// # Errors
/// Where the event must come again.
pub async fn requires_action(webhook: &Webhook, event: &Event) -> Result<(), Error> {
    as_it_stands(webhook, event).await
}

async fn as_it_stands(webhook: &Webhook, event: &Event) -> Result<(), Error> {
    let payment_intent: PaymentIntent = object(event)?;
    // One without our metadata is another program's.
    let subject = Subject::of(&payment_intent.metadata, None);
    change_purchase(webhook, event, subject, |purchase, cause, now| payment_intent.tell(purchase, cause, now)).await
}
