//! `capability.*`

use shared::error::Error;
use shared::stripe::webhook::Event;

use super::account;
use crate::Webhook;

/// What an account may do has changed. The event tells of one capability; what counts is the account as it stands.
/// <https://docs.stripe.com/api/events/types#event_types-capability.updated>
///
/// # Errors
/// Where the event must come again.
pub async fn updated(webhook: &Webhook, event: &Event) -> Result<(), Error> {
    account::updated(webhook, event).await
}
