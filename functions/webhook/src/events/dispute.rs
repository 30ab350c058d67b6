//! `charge.dispute.*`: a dispute only names its payment, and each event contains the dispute
//! as it was at the time. Events can arrive out of order; the most advanced state wins.

use shared::domain::error::Error;
use shared::stripe::objects::Dispute;
use shared::stripe::webhook::Event;
use shared::work::Services;
use time::OffsetDateTime;

use super::change::{Subject, change_purchase};
use super::event::object;

/// A bank disputed a payment or opened an inquiry.
/// <https://docs.stripe.com/api/events/types#event_types-charge.dispute.created>
///
/// # Errors
/// If Stripe must send the event again.
pub async fn created(services: &Services, event: &Event) -> Result<(), Error> {
    changed(services, event).await
}

/// Evidence was submitted, or an inquiry became a dispute.
/// <https://docs.stripe.com/api/events/types#event_types-charge.dispute.updated>
///
/// # Errors
/// If Stripe must send the event again.
pub async fn updated(services: &Services, event: &Event) -> Result<(), Error> {
    changed(services, event).await
}

/// The bank withdrew the money.
/// <https://docs.stripe.com/api/events/types#event_types-charge.dispute.funds_withdrawn>
///
/// # Errors
/// If Stripe must send the event again.
pub async fn funds_withdrawn(services: &Services, event: &Event) -> Result<(), Error> {
    changed(services, event).await
}

/// The bank returned the money.
/// <https://docs.stripe.com/api/events/types#event_types-charge.dispute.funds_reinstated>
///
/// # Errors
/// If Stripe must send the event again.
pub async fn funds_reinstated(services: &Services, event: &Event) -> Result<(), Error> {
    changed(services, event).await
}

/// The dispute was won or lost, or an inquiry was closed.
/// <https://docs.stripe.com/api/events/types#event_types-charge.dispute.closed>
///
/// # Errors
/// If Stripe must send the event again.
pub async fn closed(services: &Services, event: &Event) -> Result<(), Error> {
    changed(services, event).await
}

async fn changed(services: &Services, event: &Event) -> Result<(), Error> {
    let Some(dispute) = object::<Dispute>(event) else { return Ok(()) };
    let Some(payment_intent) = &dispute.payment_intent else {
        tracing::warn!(event_id = event.id, dispute = dispute.id, "the dispute names no payment");
        return Ok(());
    };
    let subject = Subject::Payment(payment_intent.clone());
    change_purchase(services, event, subject, |purchase, cause, now| {
        let as_of = OffsetDateTime::from_unix_timestamp(event.created).unwrap_or(now);
        dispute.tell(purchase, as_of, cause, now)
    })
    .await
}
