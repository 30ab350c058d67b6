//! `checkout.session.*`

use shared::domain::error::Error;
use shared::domain::purchase::{AttemptStatus, Observation};
use shared::stripe::objects::CheckoutSession;
use shared::stripe::webhook::Event;
use shared::work::Services;

use super::change::{Subject, change_purchase};
use super::event::object;
use super::subscription;

/// The buyer finished the hosted page; in most cases they have paid or subscribed.
/// <https://docs.stripe.com/api/events/types#event_types-checkout.session.completed>
///
/// # Errors
/// If Stripe must send the event again.
pub async fn completed(services: &Services, event: &Event) -> Result<(), Error> {
    as_it_stands(services, event).await
}

/// Nobody paid in time, or the session was expired early.
/// <https://docs.stripe.com/api/events/types#event_types-checkout.session.expired>
///
/// # Errors
/// If Stripe must send the event again.
pub async fn expired(services: &Services, event: &Event) -> Result<(), Error> {
    as_it_stands(services, event).await
}

/// A delayed payment arrived.
/// <https://docs.stripe.com/api/events/types#event_types-checkout.session.async_payment_succeeded>
///
/// # Errors
/// If Stripe must send the event again.
pub async fn async_payment_succeeded(services: &Services, event: &Event) -> Result<(), Error> {
    as_it_stands(services, event).await
}

/// A delayed payment that was started in Checkout failed.
/// <https://docs.stripe.com/api/events/types#event_types-checkout.session.async_payment_failed>
///
/// # Errors
/// If Stripe must send the event again.
pub async fn async_payment_failed(services: &Services, event: &Event) -> Result<(), Error> {
    let Some(session) = object::<CheckoutSession>(event) else { return Ok(()) };
    let seen = Observation { status: AttemptStatus::Failed, failure: Some(session.failure()), processing: false, ..session.observe() };
    observe(services, event, &session, seen).await
}

async fn as_it_stands(services: &Services, event: &Event) -> Result<(), Error> {
    let Some(session) = object::<CheckoutSession>(event) else { return Ok(()) };
    if session.mode == "subscription" {
        return Box::pin(subscription::of_session(services, event, &session)).await;
    }
    let seen = session.observe();
    observe(services, event, &session, seen).await
}

async fn observe(services: &Services, event: &Event, session: &CheckoutSession, seen: Observation) -> Result<(), Error> {
    let subject = Subject::of(&session.metadata, None);
    // On a connected account, one whose id is not known yet may be its owner's: the event of its payment says whether it is ours, and
    // so does the recorded request.
    let place = services.stripe.place(event.account.as_deref());
    change_purchase(services, event, subject, |purchase, cause, now| match purchase.find_maker(&session.made(&place)) {
        Some(number) => purchase.observe(number, &seen, cause, now),
        None => false,
    })
    .await
}
