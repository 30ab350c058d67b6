//! `capability.*`

use shared::domain::error::Error;
use shared::stripe::webhook::Event;
use shared::work::Services;

use super::account;

/// An account's capability changed. The event describes one capability, but what counts is the account's current state.
/// <https://docs.stripe.com/api/events/types#event_types-capability.updated>
///
/// # Errors
/// If Stripe must send the event again.
pub async fn updated(services: &Services, event: &Event) -> Result<(), Error> {
    account::updated(services, event).await
}
