//! `charge.*`

use shared::error::Error;
use shared::purchase::{Observation, Status};
use shared::stripe::objects::Charge;
use shared::stripe::webhook::Event;

use super::{change_purchase, object};
use crate::Webhook;

/// A charge was given back, in whole or in part. It says how much so far, so that repeated and late events add
/// nothing; and since only what was paid can be given back, it says that it was paid.
/// <https://docs.stripe.com/api/events/types#event_types-charge.refunded>
///
/// # Errors
/// Where the event must come again.
pub async fn refunded(webhook: &Webhook, event: &Event) -> Result<(), Error> {
    let charge: Charge = object(event)?;
    let mut purchase_id = charge.metadata.get("purchase_id").and_then(|id| id.parse().ok());
    if let (None, Some(payment_intent)) = (&purchase_id, &charge.payment_intent) {
        purchase_id = webhook.app.store.purchase_of_payment(payment_intent).await?;
    }
    change_purchase(webhook, event, purchase_id, |purchase, cause, now| {
        let number = purchase.find_attempt(charge.payment_intent.as_deref(), None, None);
        let number = number.or_else(|| charge.metadata.get("attempt").and_then(|number| number.parse().ok()));
        let paid =
            Observation { status: Status::Paid, payment_intent: charge.payment_intent.clone(), checkout_session: None, failure: None };
        let became_paid = number.is_some_and(|number| purchase.observe(number, &paid, cause, now));
        purchase.observe_refunded(charge.amount_refunded, cause, now) || became_paid
    })
    .await
}
