//! `invoice.*`: a subscription's invoices. Handlers ask Stripe which of them are paid.

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
/// counted against the buyer first: two more calls to Stripe, and three trips to DynamoDB.
/// <https://docs.stripe.com/api/events/types#event_types-invoice.payment_failed>
///
/// # Errors
/// If Stripe must send the event again.
pub async fn payment_failed(services: &Services, event: &Event) -> Result<(), Error> {
    let Some(invoice) = of_our_version(services, event).await? else { return Ok(()) };
    if let Some(buyer) = awaited(services, event, &invoice).await? {
        match services.stripe.failed_authentication(&invoice.id, event.account.as_deref()).await {
            Ok(Some(card)) => declines::count_in_browser(&services.app, &event.id, &buyer, card.as_deref()).await?,
            // An account that revoked access tells nothing any more.
            Ok(None) | Err(StripeError::AccountRevoked) => {}
            Err(error) => return Err(error.into()),
        }
    }
    not_paid(services, event, &invoice).await
}

/// The cardholder must authenticate. Only the member can do that, so they are notified in the same
/// way. <https://docs.stripe.com/api/events/types#event_types-invoice.payment_action_required>
///
/// # Errors
/// If Stripe must send the event again.
pub async fn payment_action_required(services: &Services, event: &Event) -> Result<(), Error> {
    let Some(invoice) = of_our_version(services, event).await? else { return Ok(()) };
    not_paid(services, event, &invoice).await
}

async fn not_paid(services: &Services, event: &Event, invoice: &Invoice) -> Result<(), Error> {
    let Some((stripe_id, metadata)) = invoice.subscription() else { return Ok(()) };
    let Some(id) = named(metadata) else { return Ok(()) };
    let is_renewal = invoice.billing_reason.as_deref() == Some("subscription_cycle");
    follow(services, event, &id, Look::Stripe(stripe_id), |subscription| {
        if is_renewal && subscription.status.is_past_due() {
            subscription.renewal_failed(&invoice.id);
        }
    })
    .await
}

/// Returns the buyer if the event is new and its invoice is the first one of a subscription that waits for the buyer's browser.
async fn awaited(services: &Services, event: &Event, invoice: &Invoice) -> Result<Option<UserId>, Error> {
    if invoice.billing_reason.as_deref() != Some("subscription_create") {
        return Ok(None);
    }
    let Some((stripe_id, metadata)) = invoice.subscription() else { return Ok(None) };
    let Some(id) = named(metadata) else { return Ok(None) };
    let (Some(subscription), false) = services.app.store.subscription_for_event(&id, &event.id).await? else { return Ok(None) };
    // The owner of an account can put one of our ids into another subscription's metadata.
    let is_it = subscription.stripe_id.as_deref().map_or(event.account.is_none(), |known| known == stripe_id);
    let is_own = subscription.account == event.account && subscription.is_of_stack(&services.app.config.stack_id);
    // Its answer may have been lost, so that it is still pending here.
    let waits = subscription.status.is_open() && !subscription.status.runs();
    Ok((is_it && is_own && waits).then_some(subscription.buyer_id))
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
