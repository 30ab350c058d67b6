//! Adds to our record what only Stripe knows of a purchase.

use shared::domain::error::Error;
use shared::domain::purchase::Purchase;
use shared::store::books::LineKind;
use shared::work::Services;
use shared::work::settlement;
use time::OffsetDateTime;

use crate::cause;

/// Reads the subject of a balance transaction from Stripe, updates the purchase
/// and carries out what follows. Returns whether the purchase changed.
///
/// # Errors
/// If DynamoDB or Stripe fails.
pub async fn take_in(services: &Services, purchase: &mut Purchase, kind: LineKind, id: &str, account: Option<&str>) -> Result<bool, Error> {
    let (app, stripe) = (&services.app, &services.stripe);
    // A seller's account must not report on another seller's purchase, or on the platform's.
    if !purchase.attempts().iter().any(|attempt| attempt.account.as_deref() == account) {
        return Ok(false);
    }
    let (cause, began) = (cause(services), app.clock.now());
    let changed = match kind {
        LineKind::Charge => match stripe.payment_intent(id, account).await? {
            Some(payment) => {
                let place = stripe.place(account);
                settlement::change(app, purchase, &cause, |purchase, now| payment.tell(purchase, &place, &cause, now)).await?
            }
            None => false,
        },
        LineKind::Refund | LineKind::RefundFailure => match stripe.refund(id, account).await? {
            Some(refund) => settlement::change(app, purchase, &cause, |purchase, now| refund.tell(purchase, &cause, now)).await?,
            None => false,
        },
        LineKind::CurrencyDifference => false,
        LineKind::Dispute | LineKind::DisputeReversal => match stripe.dispute(id, account).await? {
            Some(dispute) => settlement::change(app, purchase, &cause, |purchase, now| dispute.tell(purchase, now, &cause, now)).await?,
            None => false,
        },
    };
    if changed && let Err(error) = carry_out(services, purchase, &cause, began).await {
        // It stays planned.
        tracing::warn!(purchase_id = %purchase.id, %error, "planned movements are left to the next run");
    }
    Ok(changed)
}

/// Has Stripe carry out what is due and what was planned since the work on the purchase `began`.
///
/// # Errors
/// If DynamoDB fails, or the outcome of a movement stays unknown.
pub async fn carry_out(services: &Services, purchase: &mut Purchase, cause: &str, began: OffsetDateTime) -> Result<(), Error> {
    let wanted = |purchase: &Purchase, number: u32| {
        purchase.is_due(number, began) || purchase.movement(number).is_some_and(|movement| movement.planned_at >= began)
    };
    settlement::carry_out(&services.app, &services.stripe, purchase, cause, wanted).await
}
