//! `transfer.*`: what payees get and give back. A destination charge's own transfer is known by its charge.

use shared::error::Error;
use shared::purchase::{MovementState, Outcome, SeenReversal};
use shared::stripe::objects::{Transfer, number};
use shared::stripe::webhook::Event;

use super::{Subject, change_purchase, object};
use crate::Webhook;

/// A payee was paid. <https://docs.stripe.com/api/events/types#event_types-transfer.created>
///
/// # Errors
/// Where the event must come again.
pub async fn created(webhook: &Webhook, event: &Event) -> Result<(), Error> {
    let transfer: Transfer = object(event)?;
    change_purchase(webhook, event, Subject::of(&transfer.metadata, None), |purchase, cause, now| {
        let ours = number(&transfer.metadata, "movement").and_then(|number| purchase.movement(number));
        let Some(movement) = ours.filter(|movement| movement.amount == transfer.amount && movement.payee.is_some()) else { return false };
        let made = Outcome::Made { id: transfer.id.clone(), state: MovementState::Done, transfer_reversed: None, fee_refunded: None };
        purchase.observe_movement(movement.number, &made, cause, now)
    })
    .await
}

/// A payee gave back a part of it. <https://docs.stripe.com/api/events/types#event_types-transfer.reversed>
///
/// # Errors
/// Where the event must come again.
pub async fn reversed(webhook: &Webhook, event: &Event) -> Result<(), Error> {
    let transfer: Transfer = object(event)?;
    let group = transfer.transfer_group.as_deref().and_then(|group| group.strip_prefix("group_"));
    change_purchase(webhook, event, Subject::of(&transfer.metadata, group), |purchase, cause, now| {
        let mut changed = false;
        // What a refund took back is known by the refund.
        for reversal in transfer.reversals.data.iter().filter(|reversal| reversal.source_refund.is_none()) {
            let seen = SeenReversal { id: &reversal.id, amount: reversal.amount, transfer: &transfer.id };
            changed |= purchase.observe_reversal(&seen, number(&reversal.metadata, "movement"), cause, now);
        }
        changed
    })
    .await
}
