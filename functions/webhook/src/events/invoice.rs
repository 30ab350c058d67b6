//! `invoice.*`: what a subscription is paid by. Which invoices are paid, Stripe is asked.

use shared::error::Error;
use shared::membership::Status;
use shared::stripe::billing::{Invoice, named};
use shared::stripe::webhook::Event;

use super::object;
use super::subscription::{Look, follow};
use crate::Webhook;

/// A period was paid for, or nothing was owed for it.
/// <https://docs.stripe.com/api/events/types#event_types-invoice.paid>
///
/// # Errors
/// Where the event must come again.
pub async fn paid(webhook: &Webhook, event: &Event) -> Result<(), Error> {
    let invoice: Invoice = object(event)?;
    let Some((stripe_id, metadata)) = invoice.subscription() else { return Ok(()) };
    let Some(id) = named(metadata) else { return Ok(()) };
    follow(webhook, event, &id, Look::Stripe(stripe_id), |_| ()).await
}

/// A try to be paid failed. Of a renewal that is still owed the member is told, once an invoice.
/// <https://docs.stripe.com/api/events/types#event_types-invoice.payment_failed>
///
/// # Errors
/// Where the event must come again.
pub async fn payment_failed(webhook: &Webhook, event: &Event) -> Result<(), Error> {
    let invoice: Invoice = object(event)?;
    let Some((stripe_id, metadata)) = invoice.subscription() else { return Ok(()) };
    let Some(id) = named(metadata) else { return Ok(()) };
    let is_renewal = invoice.billing_reason.as_deref() == Some("subscription_cycle");
    follow(webhook, event, &id, Look::Stripe(stripe_id), |subscription| {
        if is_renewal && subscription.status == Status::PastDue {
            subscription.renewal_failed(&invoice.id);
        }
    })
    .await
}
