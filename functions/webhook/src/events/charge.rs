//! `charge.*`

use shared::error::Error;
use shared::purchase::{Observation, Status};
use shared::stripe::objects::{Charge, number};
use shared::stripe::webhook::Event;

use super::{Subject, change_purchase, object};
use crate::Webhook;

/// A charge was given back, in whole or in part. It says how much so far, so that repeated and late events add
/// nothing; and since only what was paid can be given back, it says that it was paid.
/// <https://docs.stripe.com/api/events/types#event_types-charge.refunded>
///
/// # Errors
/// Where the event must come again.
pub async fn refunded(webhook: &Webhook, event: &Event) -> Result<(), Error> {
    let charge: Charge = object(event)?;
    // Without a PaymentIntent it is the other side of a transfer.
    let Some(payment_intent) = &charge.payment_intent else { return Ok(()) };
    let subject = Subject::of(&charge.metadata, Some(payment_intent));
    change_purchase(webhook, event, subject, |purchase, cause, now| {
        let Some(number) = purchase.find_attempt(Some(payment_intent), None, number(&charge.metadata, "attempt")) else { return false };
        let paid =
            Observation { payment_intent: Some(payment_intent.clone()), charge: Some(charge.facts()), ..Observation::of(Status::Paid) };
        let became_paid = purchase.observe(number, &paid, cause, now);
        purchase.observe_refunded(charge.amount_refunded, cause, now) || became_paid
    })
    .await
}
