//! `checkout.session.*`

use shared::error::Error;
use shared::purchase::{Failure, Observation, Status};
use shared::stripe::objects::CheckoutSession;
use shared::stripe::webhook::Event;

use super::{change_purchase, object};
use crate::Webhook;

/// A Checkout Session was completed, expired, or paid after its completion.
/// <https://docs.stripe.com/api/events/types#event_types-checkout.session.completed>
///
/// # Errors
/// Where the event must come again.
pub async fn changed(webhook: &Webhook, event: &Event) -> Result<(), Error> {
    let session: CheckoutSession = object(event)?;
    let seen = session.observe();
    observe(webhook, event, &session, seen).await
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

async fn observe(webhook: &Webhook, event: &Event, session: &CheckoutSession, seen: Observation) -> Result<(), Error> {
    let named = session.metadata.get("purchase_id").and_then(|id| id.parse().ok());
    let number = session.metadata.get("attempt").and_then(|number| number.parse().ok());
    change_purchase(webhook, event, named, |purchase, cause, now| {
        match purchase.find_attempt(seen.payment_intent.as_deref(), Some(&session.id), number) {
            Some(number) => purchase.observe(number, &seen, cause, now),
            None => false,
        }
    })
    .await
}
