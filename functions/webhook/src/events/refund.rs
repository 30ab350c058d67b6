//! `refund.*`

use shared::error::Error;
use shared::stripe::objects::Refund;
use shared::stripe::webhook::Event;

use super::{Subject, change_purchase, object};
use crate::Webhook;

/// Money goes back to a buyer. Of a refund that was not asked for here, Stripe is asked what else moved with it.
/// <https://docs.stripe.com/api/events/types#event_types-refund.created>
///
/// # Errors
/// Where the event must come again.
pub async fn created(webhook: &Webhook, event: &Event) -> Result<(), Error> {
    let refund: Refund = object(event)?;
    if refund.payment_intent.is_some() && !refund.metadata.contains_key("movement") {
        let current = webhook.stripe.refund(&refund.id, event.account.as_deref()).await?;
        return observe(webhook, event, &current.unwrap_or(refund)).await;
    }
    observe(webhook, event, &refund).await
}

/// A refund has moved on. <https://docs.stripe.com/api/events/types#event_types-refund.updated>
///
/// # Errors
/// Where the event must come again.
pub async fn updated(webhook: &Webhook, event: &Event) -> Result<(), Error> {
    observe(webhook, event, &object(event)?).await
}

/// The buyer's bank sent it back. <https://docs.stripe.com/api/events/types#event_types-refund.failed>
///
/// # Errors
/// Where the event must come again.
pub async fn failed(webhook: &Webhook, event: &Event) -> Result<(), Error> {
    observe(webhook, event, &object(event)?).await
}

async fn observe(webhook: &Webhook, event: &Event, refund: &Refund) -> Result<(), Error> {
    // Without a PaymentIntent it is the other side of a reversal.
    let Some(payment_intent) = &refund.payment_intent else { return Ok(()) };
    let subject = Subject::of(&refund.metadata, Some(payment_intent));
    change_purchase(webhook, event, subject, |purchase, cause, now| refund.tell(purchase, cause, now)).await
}
