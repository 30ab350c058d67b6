//! `payment_intent.*`

use shared::error::Error;
use shared::purchase::Observation;
use shared::stripe::objects::PaymentIntent;
use shared::stripe::webhook::Event;

use super::{change_purchase, object};
use crate::Webhook;

/// A PaymentIntent has moved on, to the status that it has in the event.
/// <https://docs.stripe.com/api/events/types#event_types-payment_intent.succeeded>
///
/// # Errors
/// Where the event must come again.
pub async fn changed(webhook: &Webhook, event: &Event) -> Result<(), Error> {
    let payment_intent: PaymentIntent = object(event)?;
    let named = payment_intent.metadata.get("purchase_id").and_then(|id| id.parse().ok());
    let number = payment_intent.metadata.get("attempt").and_then(|number| number.parse().ok());
    change_purchase(webhook, event, named, |purchase, cause, now| {
        let Some(number) = purchase.find_attempt(Some(&payment_intent.id), None, number) else { return false };
        let Some(attempt) = purchase.attempts.iter().find(|attempt| attempt.number == number) else { return false };
        if attempt.amount != payment_intent.amount {
            // Metadata can be written by whoever owns the account; the amount says whether it is what we asked for.
            tracing::warn!(purchase_id = %purchase.id, attempt = number, amount = payment_intent.amount, "the payment is of another amount");
            return false;
        }
        let means = attempt.means;
        let seen: Observation = payment_intent.observe(means);
        purchase.observe(number, &seen, cause, now)
    })
    .await
}
