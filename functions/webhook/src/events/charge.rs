//! `charge.*`

use shared::domain::error::Error;
use shared::domain::purchase::{AttemptStatus, Observation};
use shared::stripe::objects::Charge;
use shared::stripe::webhook::Event;
use shared::work::Services;

use super::change::{Subject, change_purchase, payment};
use super::event::object;

/// A charge was refunded, in part or in full. The event states the total so far, so repeated and late
/// events add nothing. Only a paid charge can be refunded, so it also shows that the charge was paid.
/// <https://docs.stripe.com/api/events/types#event_types-charge.refunded>
///
/// # Errors
/// If Stripe must send the event again.
pub async fn refunded(services: &Services, event: &Event) -> Result<(), Error> {
    let Some(charge) = object::<Charge>(event) else { return Ok(()) };
    // Charges without a PaymentIntent are the receiving side of a transfer.
    let Some(payment_intent) = &charge.payment_intent else { return Ok(()) };
    let subject = Subject::of(&charge.metadata, Some(payment_intent));
    change_purchase(services, event, subject, |purchase, cause, now| {
        let Some(number) = purchase.find_attempt(Some(payment_intent), None) else { return false };
        let paid = Observation {
            payment_intent: Some(payment_intent.clone()),
            charge: Some(charge.facts()),
            ..Observation::of(AttemptStatus::Paid)
        };
        let became_paid = purchase.observe(number, &paid, cause, now);
        let is_given_back = purchase.is_paid_by(number) && purchase.observe_refunded(charge.amount_refunded, cause, now);
        is_given_back || became_paid
    })
    .await
}

/// A charge was booked, which can happen up to an hour after the payment. Only then are Stripe's fee and the charge's
/// transfer known. The event contains only the id of the balance transaction, so this asks Stripe: one call.
/// <https://docs.stripe.com/payments/payment-intents/asynchronous-capture>
///
/// # Errors
/// If Stripe must send the event again.
pub async fn updated(services: &Services, event: &Event) -> Result<(), Error> {
    let Some(charge) = object::<Charge>(event) else { return Ok(()) };
    let Some(payment_intent) = charge.payment_intent.as_deref().filter(|_| charge.is_booked()) else { return Ok(()) };
    let subject = Subject::of(&charge.metadata, Some(payment_intent));
    let current = match &subject {
        Subject::Purchase(..) => payment(services, event, payment_intent).await?,
        // Invoice payments: the subscription reads them itself.
        Subject::Payment(_) | Subject::Nothing => None,
    };
    let place = services.stripe.place(event.account.as_deref());
    change_purchase(services, event, subject, |purchase, cause, now| {
        current.as_ref().is_some_and(|current| current.tell(purchase, &place, cause, now))
    })
    .await
}
