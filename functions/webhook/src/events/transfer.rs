//! `transfer.*`: transfers to payees and their reversals. The transfer of a destination charge is known from its charge.

use shared::domain::error::Error;
use shared::domain::purchase::{MovementState, Outcome, SeenReversal};
use shared::stripe::objects::{Transfer, number};
use shared::stripe::webhook::Event;
use shared::work::Services;

use super::change::{Subject, change_purchase};
use super::event::object;

/// The transfer, if the platform made it. A connected account can be a platform too, and make transfers whose metadata names our purchases.
fn ours(event: &Event) -> Option<Transfer> {
    if event.account.is_some() {
        tracing::warn!(event_id = event.id, account = event.account, "an account's own transfer moves none of our money");
        return None;
    }
    object(event)
}

/// A payee was paid. <https://docs.stripe.com/api/events/types#event_types-transfer.created>
///
/// # Errors
/// If Stripe must send the event again.
pub async fn created(services: &Services, event: &Event) -> Result<(), Error> {
    let Some(transfer) = ours(event) else { return Ok(()) };
    change_purchase(services, event, Subject::of(&transfer.metadata, None), |purchase, cause, now| {
        let ours = number(&transfer.metadata, "movement").and_then(|number| purchase.movement(number));
        let Some(movement) =
            ours.filter(|movement| purchase.left_to_transfer(movement.number) == transfer.amount && movement.payee.is_some())
        else {
            return false;
        };
        let made = Outcome::Made { id: transfer.id.clone(), state: MovementState::Done, transfer_reversed: None, fee_refunded: None };
        purchase.observe_movement(movement.number, &made, cause, now)
    })
    .await
}

/// A transfer was reversed, in part or in full. <https://docs.stripe.com/api/events/types#event_types-transfer.reversed>
///
/// # Errors
/// If Stripe must send the event again.
pub async fn reversed(services: &Services, event: &Event) -> Result<(), Error> {
    let Some(transfer) = ours(event) else { return Ok(()) };
    let group = transfer.transfer_group.as_deref().and_then(|group| group.strip_prefix("group_"));
    change_purchase(services, event, Subject::of(&transfer.metadata, group), |purchase, cause, now| {
        let mut changed = false;
        // Reversals made by a refund are recorded with the refund.
        for reversal in transfer.reversals.data.iter().filter(|reversal| reversal.source_refund.is_none()) {
            let seen = SeenReversal { id: &reversal.id, amount: reversal.amount, transfer: &transfer.id };
            changed |= purchase.observe_reversal(&seen, number(&reversal.metadata, "movement"), cause, now);
        }
        changed
    })
    .await
}
