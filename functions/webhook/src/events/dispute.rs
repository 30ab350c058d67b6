//! `charge.dispute.*`: a dispute names nothing but its payment, and each event carries the dispute as it stood then. They
//! overtake each other; the furthest that was heard counts.

use shared::error::Error;
use shared::stripe::objects::Dispute;
use shared::stripe::webhook::Event;

use super::{Subject, change_purchase, object};
use crate::Webhook;

/// A bank disputes a payment, or asks about it.
/// <https://docs.stripe.com/api/events/types#event_types-charge.dispute.created>
///
/// # Errors
/// Where the event must come again.
pub async fn created(webhook: &Webhook, event: &Event) -> Result<(), Error> {
    changed(webhook, event).await
}

/// Evidence was given, or an inquiry became a dispute.
/// <https://docs.stripe.com/api/events/types#event_types-charge.dispute.updated>
///
/// # Errors
/// Where the event must come again.
pub async fn updated(webhook: &Webhook, event: &Event) -> Result<(), Error> {
    changed(webhook, event).await
}

/// The bank has the money.
/// <https://docs.stripe.com/api/events/types#event_types-charge.dispute.funds_withdrawn>
///
/// # Errors
/// Where the event must come again.
pub async fn funds_withdrawn(webhook: &Webhook, event: &Event) -> Result<(), Error> {
    changed(webhook, event).await
}

/// The bank gave it back.
/// <https://docs.stripe.com/api/events/types#event_types-charge.dispute.funds_reinstated>
///
/// # Errors
/// Where the event must come again.
pub async fn funds_reinstated(webhook: &Webhook, event: &Event) -> Result<(), Error> {
    changed(webhook, event).await
}

/// It was won or lost, or an inquiry came to nothing.
/// <https://docs.stripe.com/api/events/types#event_types-charge.dispute.closed>
///
/// # Errors
/// Where the event must come again.
pub async fn closed(webhook: &Webhook, event: &Event) -> Result<(), Error> {
    changed(webhook, event).await
}

async fn changed(webhook: &Webhook, event: &Event) -> Result<(), Error> {
    let dispute: Dispute = object(event)?;
    let Some(payment_intent) = &dispute.payment_intent else {
        tracing::warn!(event_id = event.id, dispute = dispute.id, "the dispute names no payment");
        return Ok(());
    };
    let subject = Subject::Payment(payment_intent.clone());
    change_purchase(webhook, event, subject, |purchase, cause, now| dispute.tell(purchase, cause, now)).await
}
