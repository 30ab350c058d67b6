//! `refund.*`: an event does not say what else moved with the refund, of the transfer and the fee, so Stripe is asked how it stands
//! now: a call to Stripe each.

use shared::error::Error;
use shared::stripe::error::StripeError;
use shared::stripe::objects::Refund;
use shared::stripe::webhook::Event;

use super::{Subject, change_purchase, object};
use crate::Webhook;

/// Money goes back to a buyer. <https://docs.stripe.com/api/events/types#event_types-refund.created>
///
/// # Errors
/// Where the event must come again.
pub async fn created(webhook: &Webhook, event: &Event) -> Result<(), Error> {
    as_it_stands(webhook, event).await
}

/// A refund has moved on. <https://docs.stripe.com/api/events/types#event_types-refund.updated>
///
/// # Errors
/// Where the event must come again.
pub async fn updated(webhook: &Webhook, event: &Event) -> Result<(), Error> {
    as_it_stands(webhook, event).await
}

/// The buyer's bank sent it back. <https://docs.stripe.com/api/events/types#event_types-refund.failed>
///
/// # Errors
/// Where the event must come again.
pub async fn failed(webhook: &Webhook, event: &Event) -> Result<(), Error> {
    as_it_stands(webhook, event).await
}

async fn as_it_stands(webhook: &Webhook, event: &Event) -> Result<(), Error> {
    let told: Refund = object(event)?;
    // Without a PaymentIntent it is the other side of a reversal.
    let Some(payment_intent) = &told.payment_intent else { return Ok(()) };
    let subject = Subject::of(&told.metadata, Some(payment_intent));
    let refund = match webhook.stripe.refund(&told.id, event.account.as_deref()).await {
        Ok(Some(current)) => current,
        Ok(None) => told,
        // The account took its access away since: there is what the event says, and the platform's own fee.
        Err(StripeError::AccountRevoked) => webhook.stripe.refund_out_of_reach(told).await?,
        Err(error) => return Err(error.into()),
    };
    change_purchase(webhook, event, subject, |purchase, cause, now| refund.tell(purchase, cause, now)).await
}
