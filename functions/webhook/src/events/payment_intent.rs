//! `payment_intent.*`

use std::sync::Mutex;

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

/// An attempt was declined or not authenticated. One that had been handed to the browser is counted against the buyer, which costs three
/// more trips; requests count the others themselves.
/// <https://docs.stripe.com/api/events/types#event_types-payment_intent.payment_failed>
///
/// # Errors
/// If Stripe must send the event again.
pub async fn payment_failed(services: &Services, event: &Event) -> Result<(), Error> {
    let Some(payment_intent) = object::<PaymentIntent>(event) else { return Ok(()) };
    let place = services.stripe.place(event.account.as_deref());
    let buyer = Mutex::new(None);
    change_purchase(services, event, Subject::of(&payment_intent.metadata, None), |purchase, cause, now| {
        let number = purchase.find_attempt(Some(&payment_intent.id), None);
        let in_browser = number.is_some_and(|number| purchase.was_in_the_buyers_hands(number));
        *buyer.lock().expect("nobody panics with it") = in_browser.then(|| purchase.buyer_id.clone());
        payment_intent.tell(purchase, &place, cause, now)
    })
    .await?;
    match buyer.into_inner().expect("nobody panics with it") {
        Some(buyer) => declines::count_in_browser(&services.app, &buyer, payment_intent.fingerprint().as_deref()).await,
        None => Ok(()),
    }
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
