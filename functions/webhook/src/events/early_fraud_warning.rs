//! `radar.early_fraud_warning.*`: the issuer of a card says that a payment was fraud. Most of these payments are disputed later,
//! unless they are refunded. <https://docs.stripe.com/disputes/how-disputes-work#early-fraud-warnings>

use shared::domain::error::Error;
use shared::domain::purchase::Purchase;
use shared::stripe::objects::EarlyFraudWarning;
use shared::stripe::webhook::Event;
use shared::work::Services;

use super::change::{Subject, change_sold};
use super::event::object;

/// A warning came in. <https://docs.stripe.com/api/events/types#event_types-radar.early_fraud_warning.created>
///
/// # Errors
/// If Stripe must send the event again.
pub async fn created(services: &Services, event: &Event) -> Result<(), Error> {
    warned(services, event).await
}

/// Something can be done about a charge no longer, because it was disputed or refunded, or again.
/// <https://docs.stripe.com/api/events/types#event_types-radar.early_fraud_warning.updated>
///
/// # Errors
/// If Stripe must send the event again.
pub async fn updated(services: &Services, event: &Event) -> Result<(), Error> {
    warned(services, event).await
}

/// Tells staff, and if the operator wants it plans a refund of the purchase, which the reconciliation makes. As for all events: two DynamoDB trips
/// and no call if the payment is on record. The finding is settled, in one trip, once nothing can be done any more.
async fn warned(services: &Services, event: &Event) -> Result<(), Error> {
    let Some(seen) = object::<EarlyFraudWarning>(event) else { return Ok(()) };
    if !seen.actionable {
        return Ok(services.app.store.fraud_warning_is_over(&seen.id, services.app.clock.now()).await?);
    }
    let Some(warning) = seen.warning() else { return Ok(()) };
    let (subject, refund) = (Subject::Payment(warning.payment_intent.clone()), services.app.config.refund_fraud_warnings);
    let of_purchase = |purchase: &mut Purchase, cause: &str, now| purchase.warn_of_fraud(&warning, refund, cause, now);
    change_sold(services, event, subject, of_purchase, |subscription| subscription.warn_of_fraud(&warning)).await
}
