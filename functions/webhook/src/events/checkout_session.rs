//! `checkout.session.*`

use shared::error::Error;
use shared::purchase::{Failure, Observation, Status};
use shared::stripe::objects::{CheckoutSession, number};
use shared::stripe::webhook::Event;

use super::{Subject, change_purchase, object, subscription};
use crate::Webhook;

/// The buyer went through the hosted page; most have paid then, or have subscribed.
/// <https://docs.stripe.com/api/events/types#event_types-checkout.session.completed>
///
/// # Errors
/// Where the event must come again.
pub async fn completed(webhook: &Webhook, event: &Event) -> Result<(), Error> {
    as_it_stands(webhook, event).await
}

/// Nobody paid in time, or the session was ended.
/// <https://docs.stripe.com/api/events/types#event_types-checkout.session.expired>
///
/// # Errors
/// Where the event must come again.
pub async fn expired(webhook: &Webhook, event: &Event) -> Result<(), Error> {
    as_it_stands(webhook, event).await
}

/// A payment that takes days has arrived.
/// <https://docs.stripe.com/api/events/types#event_types-checkout.session.async_payment_succeeded>
///
/// # Errors
/// Where the event must come again.
pub async fn async_payment_succeeded(webhook: &Webhook, event: &Event) -> Result<(), Error> {
    as_it_stands(webhook, event).await
}

/// A payment that was begun in Checkout and takes days has failed.
/// <https://docs.stripe.com/api/events/types#event_types-checkout.session.async_payment_failed>
///
/// # Errors
/// Where the event must come again.
pub async fn async_payment_failed(webhook: &Webhook, event: &Event) -> Result<(), Error> {
    let session: CheckoutSession = object(event)?;
    let failure = Failure { code: "async_payment_failed".to_owned(), decline_code: None, declined: true };
    let seen = Observation { status: Status::Failed, failure: Some(failure), ..session.observe() };
    observe(webhook, event, &session, seen).await
}

async fn as_it_stands(webhook: &Webhook, event: &Event) -> Result<(), Error> {
    let session: CheckoutSession = object(event)?;
    if session.mode == "subscription" {
        return Box::pin(subscription::of_session(webhook, event, &session)).await;
    }
    let seen = session.observe();
    observe(webhook, event, &session, seen).await
}

async fn observe(webhook: &Webhook, event: &Event, session: &CheckoutSession, seen: Observation) -> Result<(), Error> {
    let subject = Subject::of(&session.metadata, None);
    change_purchase(webhook, event, subject, |purchase, cause, now| {
        match purchase.find_attempt(seen.payment_intent.as_deref(), Some(&session.id), number(&session.metadata, "attempt")) {
            Some(number) => purchase.observe(number, &seen, cause, now),
            None => false,
        }
    })
    .await
}
