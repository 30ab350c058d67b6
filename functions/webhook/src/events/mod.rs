//! One file per kind of object, one function per event, named after it.

pub mod account;
pub mod charge;
pub mod checkout_session;
pub mod payment_intent;

use serde::de::DeserializeOwned;
use shared::error::Error;
use shared::ids::PurchaseId;
use shared::purchase::Purchase;
use shared::store::Written;
use shared::store::events::EventMark;
use shared::stripe::webhook::Event;
use time::OffsetDateTime;

use crate::Webhook;

/// How often a purchase that others write as well is read again before Stripe is asked to come back.
const TRIES: usize = 5;

/// Hands an event to its handler. One that is not known is no error: Stripe has many.
///
/// # Errors
/// Where the event must come again.
pub async fn dispatch(webhook: &Webhook, event: &Event) -> Result<(), Error> {
    match event.kind.as_str() {
        "payment_intent.succeeded"
        | "payment_intent.payment_failed"
        | "payment_intent.canceled"
        | "payment_intent.processing"
        | "payment_intent.requires_action" => payment_intent::changed(webhook, event).await,
        "checkout.session.completed" | "checkout.session.expired" | "checkout.session.async_payment_succeeded" => {
            checkout_session::changed(webhook, event).await
        }
        "checkout.session.async_payment_failed" => checkout_session::async_payment_failed(webhook, event).await,
        "charge.refunded" => charge::refunded(webhook, event).await,
        "account.updated" => account::updated(webhook, event).await,
        "account.application.deauthorized" => account::application_deauthorized(webhook, event).await,
        _ => {
            tracing::info!(event_id = event.id, kind = event.kind, "the event is of no interest");
            Ok(())
        }
    }
}

/// The event's object. One that cannot be read will not become readable by coming again.
fn object<T: DeserializeOwned>(event: &Event) -> Result<T, Error> {
    serde_json::from_value(event.data.object.clone()).map_err(|error| Error::MalformedJson(error.to_string()))
}

/// Lets an event change its purchase: one read, then one transaction with the event's mark. Two DynamoDB trips.
///
/// `change` says which attempt the event is about and whether it changed anything; it runs again on what others
/// wrote in the meantime.
async fn change_purchase(
    webhook: &Webhook,
    event: &Event,
    purchase_id: Option<PurchaseId>,
    change: impl Fn(&mut Purchase, &str, OffsetDateTime) -> bool,
) -> Result<(), Error> {
    let Some(id) = purchase_id else {
        tracing::info!(event_id = event.id, kind = event.kind, "the event is about no purchase of ours");
        return Ok(());
    };
    let store = &webhook.app.store;
    let cause = format!("event:{}", event.id);
    for _ in 0..TRIES {
        let (purchase, handled) = store.purchase_for_event(&id, &event.id).await?;
        if handled {
            return Ok(());
        }
        let Some(mut purchase) = purchase else {
            tracing::warn!(event_id = event.id, kind = event.kind, purchase_id = %id, "the event is about a purchase that is not on record");
            return Ok(());
        };
        // A seller's account must not speak for another's purchase, or for the platform's.
        if !purchase.attempts.iter().any(|attempt| attempt.account == event.account) {
            tracing::warn!(event_id = event.id, purchase_id = %id, account = event.account, "the event is of another account than its purchase");
            return Ok(());
        }
        let now = webhook.app.clock.now();
        let mark = EventMark { id: event.id.clone(), kind: event.kind.clone(), at: now };
        let written = if change(&mut purchase, &cause, now) {
            store.write_outcome(&mut purchase, Some(&mark)).await?
        } else {
            store.mark_handled(&mark).await?
        };
        if written == Written::Yes {
            tracing::info!(event_id = event.id, kind = event.kind, purchase_id = %id, status = ?purchase.status, "event handled");
            return Ok(());
        }
    }
    Err(Error::Internal(format!("the purchase {id} changes too fast for the event {}", event.id)))
}
