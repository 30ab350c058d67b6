//! `invoice.*`: a subscription's invoices. Handlers ask Stripe which of them are paid.

use std::sync::Mutex;

use shared::domain::error::Error;
use shared::domain::ids::UserId;
use shared::stripe::billing::{Invoice, named};
use shared::stripe::error::StripeError;
use shared::stripe::webhook::Event;
use shared::work::Services;
use shared::work::declines;

use super::event::object;
use super::subscription::{Look, follow};

/// An invoice was paid, or nothing was due.
/// <https://docs.stripe.com/api/events/types#event_types-invoice.paid>
///
/// # Errors
/// If Stripe must send the event again.
pub async fn paid(services: &Services, event: &Event) -> Result<(), Error> {
    let Some(invoice) = of_our_version(services, event).await? else { return Ok(()) };
    let Some((stripe_id, metadata)) = invoice.subscription() else { return Ok(()) };
    let Some(id) = named(metadata) else { return Ok(()) };
    follow(services, event, &id, Look::Stripe(stripe_id), |_| ()).await
}

/// A payment attempt failed. If a renewal is past due, the member gets one mail per invoice. A first payment that was not authenticated is
/// counted against the buyer: two more calls to Stripe, and three trips to DynamoDB.
/// <https://docs.stripe.com/api/events/types#event_types-invoice.payment_failed>
///
/// # Errors
/// If Stripe must send the event again.
pub async fn payment_failed(services: &Services, event: &Event) -> Result<(), Error> {
    let Some((invoice, buyer)) = not_paid(services, event).await? else { return Ok(()) };
    let failed = services.stripe.failed_authentication(&invoice.id, event.account.as_deref()).await;
    match failed {
        Ok(Some(card)) => declines::count_in_browser(&services.app, &buyer, card.as_deref()).await,
        Ok(None) => Ok(()),
        Err(error) => {
            // The event has had its effect and will not be sent again.
            tracing::warn!(event_id = event.id, %error, "it is unknown whether the cardholder failed to authenticate, so the card is not counted");
            Ok(())
        }
    }
}

/// The cardholder must authenticate. Only the member can do that, so they are notified in the same
/// way. <https://docs.stripe.com/api/events/types#event_types-invoice.payment_action_required>
///
/// # Errors
/// If Stripe must send the event again.
pub async fn payment_action_required(services: &Services, event: &Event) -> Result<(), Error> {
    not_paid(services, event).await.map(drop)
}

/// Returns the invoice and the buyer if it is the first one and the subscription waits for the buyer's browser.
async fn not_paid(services: &Services, event: &Event) -> Result<Option<(Invoice, UserId)>, Error> {
    let Some(invoice) = of_our_version(services, event).await? else { return Ok(None) };
    let Some((stripe_id, metadata)) = invoice.subscription() else { return Ok(None) };
    let Some(id) = named(metadata) else { return Ok(None) };
    let is_first = invoice.billing_reason.as_deref() == Some("subscription_create");
    let buyer = Mutex::new(None);
    let is_renewal = invoice.billing_reason.as_deref() == Some("subscription_cycle");
    follow(services, event, &id, Look::Stripe(stripe_id), |subscription| {
        if is_renewal && subscription.status.is_past_due() {
            subscription.renewal_failed(&invoice.id);
        }
        let waits = is_first && subscription.status.is_incomplete();
        *buyer.lock().expect("nobody panics with it") = waits.then(|| subscription.buyer_id.clone());
    })
    .await?;
    Ok(buyer.into_inner().expect("nobody panics with it").map(|buyer| (invoice, buyer)))
}

/// Returns the event's invoice, read from Stripe if the event's endpoint uses another API version. `None` if it cannot be read.
async fn of_our_version(services: &Services, event: &Event) -> Result<Option<Invoice>, Error> {
    let Some(told) = object::<Invoice>(event) else { return Ok(None) };
    if !told.is_of_another_version() {
        return Ok(Some(told));
    }
    match services.stripe.get(&format!("/invoices/{}", told.id), event.account.as_deref()).await {
        // Access was revoked, or it was deleted.
        Err(StripeError::AccountRevoked | StripeError::Refused { status: 404, .. }) => Ok(None),
        invoice => Ok(Some(invoice?)),
    }
}
