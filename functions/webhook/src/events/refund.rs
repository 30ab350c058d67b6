//! `refund.*`: the events do not say how much of the transfer and the fee was returned with the refund, so each asks Stripe: one call.

use shared::domain::error::Error;
use shared::stripe::error::StripeError;
use shared::stripe::objects::Refund;
use shared::stripe::webhook::Event;
use shared::work::Services;

use super::change::{Subject, change_purchase};
use super::event::object;

/// A refund was created. <https://docs.stripe.com/api/events/types#event_types-refund.created>
///
/// # Errors
/// If Stripe must send the event again.
pub async fn created(services: &Services, event: &Event) -> Result<(), Error> {
    as_it_stands(services, event).await
}

/// A refund changed. <https://docs.stripe.com/api/events/types#event_types-refund.updated>
///
/// # Errors
/// If Stripe must send the event again.
pub async fn updated(services: &Services, event: &Event) -> Result<(), Error> {
    as_it_stands(services, event).await
}

/// A refund failed at the buyer's bank. <https://docs.stripe.com/api/events/types#event_types-refund.failed>
///
/// # Errors
/// If Stripe must send the event again.
pub async fn failed(services: &Services, event: &Event) -> Result<(), Error> {
    as_it_stands(services, event).await
}

async fn as_it_stands(services: &Services, event: &Event) -> Result<(), Error> {
    let Some(told) = object::<Refund>(event) else { return Ok(()) };
    // Refunds without a PaymentIntent are the other side of a reversal.
    let Some(payment_intent) = &told.payment_intent else { return Ok(()) };
    let subject = Subject::of(&told.metadata, Some(payment_intent));
    let refund = match services.stripe.refund(&told.id, event.account.as_deref()).await {
        Ok(Some(current)) => current,
        Ok(None) => told,
        // The account has revoked access since. What remains is the event itself and the platform's own fee.
        Err(StripeError::AccountRevoked) => services.stripe.refund_out_of_reach(told).await?,
        Err(error) => return Err(error.into()),
    };
    change_purchase(services, event, subject, |purchase, cause, now| refund.tell(purchase, cause, now)).await
}
