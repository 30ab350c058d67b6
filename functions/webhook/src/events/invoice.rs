//! `invoice.*`: a subscription's invoices. Handlers ask Stripe which of them are paid.

use shared::domain::charging::Failure;
use shared::domain::error::Error;
use shared::domain::membership::{Observation, Subscription};
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

/// A payment attempt failed. If a renewal or a first debit is past due, the member gets one mail per invoice. If a browser tried to make a first payment, the
/// failure is counted against the buyer, and the subscription ends: four to six more calls to Stripe, and three trips to DynamoDB. Stripe's own
/// page for the invoice of a renewal is guarded by Stripe, and not counted. <https://docs.stripe.com/api/events/types#event_types-invoice.payment_failed>
///
/// # Errors
/// If Stripe must send the event again.
pub async fn payment_failed(services: &Services, event: &Event) -> Result<(), Error> {
    let Some(invoice) = of_our_version(services, event).await? else { return Ok(()) };
    let mut why = None;
    if let Some((subscription, id)) = tried_in_browser(services, event, &invoice).await? {
        match Box::pin(services.stripe.end_declined(&subscription, id)).await {
            Ok(heard) => {
                declines::count_in_browser(&services.app, &event.id, &subscription.buyer_id, heard.fingerprint.as_deref()).await?;
                if let Observation::Ended(failure) = heard.observation {
                    why = Some(failure);
                }
            }
            // An account that revoked access tells nothing any more.
            Err(StripeError::AccountRevoked) => {}
            Err(error) => return Err(error.into()),
        }
    }
    not_paid(services, event, &invoice, why).await
}

/// The cardholder must authenticate. Only the member can do that, so they are notified in the same
/// way. <https://docs.stripe.com/api/events/types#event_types-invoice.payment_action_required>
///
/// # Errors
/// If Stripe must send the event again.
pub async fn payment_action_required(services: &Services, event: &Event) -> Result<(), Error> {
    let Some(invoice) = of_our_version(services, event).await? else { return Ok(()) };
    not_paid(services, event, &invoice, None).await
}

/// `why` is known if the subscription never began.
async fn not_paid(services: &Services, event: &Event, invoice: &Invoice, why: Option<Failure>) -> Result<(), Error> {
    let Some((stripe_id, metadata)) = invoice.subscription() else { return Ok(()) };
    let Some(id) = named(metadata) else { return Ok(()) };
    // A first payment is past due only if a bank refused its debit days later. Nobody is there to see it.
    let is_unattended = matches!(invoice.billing_reason.as_deref(), Some("subscription_cycle" | "subscription_create"));
    follow(services, event, &id, Look::Stripe(stripe_id), |subscription| {
        if is_unattended && subscription.status.is_past_due() {
            subscription.renewal_failed(&invoice.id);
        }
        if !subscription.status.is_open() && why.is_some() {
            subscription.failure.clone_from(&why);
        }
    })
    .await
}

/// Returns the subscription, and its id at Stripe, if the event is new and a browser has tried to make the first payment. What the request that
/// creates a subscription is answered, it counts itself; hosted Checkout is guarded by Stripe.
async fn tried_in_browser<'a>(services: &Services, event: &Event, invoice: &'a Invoice) -> Result<Option<(Subscription, &'a str)>, Error> {
    if invoice.billing_reason.as_deref() != Some("subscription_create") {
        return Ok(None);
    }
    let Some((stripe_id, metadata)) = invoice.subscription() else { return Ok(None) };
    let Some(id) = named(metadata) else { return Ok(None) };
    let (Some(subscription), false) = services.app.store.subscription_for_event(&id, &event.id).await? else { return Ok(None) };
    // The owner of an account can put one of our ids into another subscription's metadata.
    let is_it = subscription.stripe_id.as_deref().map_or(event.account.is_none(), |known| known == stripe_id);
    let is_own = subscription.account == event.account && subscription.is_of_stack(&services.app.config.stack_id);
    let by_request = subscription.is_checkout() || event.idempotency_key() == Some(&subscription.idempotency_key);
    // Its answer may have been lost, so that it is still pending here. Or another of the browser's declines has ended it already.
    let was_with_buyer = !subscription.status.runs() && (subscription.status.is_open() || subscription.stripe_id.is_some());
    Ok((is_it && is_own && !by_request && was_with_buyer).then_some((subscription, stripe_id)))
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
