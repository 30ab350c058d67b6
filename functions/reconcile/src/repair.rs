//! Adds to our record what only Stripe knows of a purchase.

use shared::domain::error::Error;
use shared::domain::money::Settled;
use shared::domain::purchase::{AttemptStatus, ChargeFacts, MovementKind, Observation, Purchase};
use shared::store::books::LineKind;
use shared::work::Services;
use shared::work::settlement;
use time::OffsetDateTime;

use crate::cause;
use crate::movements::{Entry, Name, stripe_id};

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

/// The number of the paid attempt if the entry is its charge and the attempt lacks what it settled as or Stripe's fee.
#[must_use]
pub fn lacks_fee(purchase: &Purchase, entry: &Entry) -> Option<u32> {
    let paid = purchase.paid_attempt().filter(|paid| paid.account == entry.account)?;
    let is_it = paid.payment_intent.as_ref() == Some(&entry.payment_intent);
    (is_it && (purchase.stripe_fee().is_none() || purchase.settled().is_none())).then_some(paid.number)
}

/// Whether the refund was converted and it is not on record what it cost.
#[must_use]
pub fn lacks_conversion(purchase: &Purchase, refund: &str, entry: &Entry) -> bool {
    let is_it = |id: &Option<String>| id.as_deref() == Some(refund);
    let refund = purchase.movements().iter().find(|one| one.kind == MovementKind::Refund && is_it(&one.stripe_id));
    refund.is_some_and(|refund| refund.settled.is_none()) && entry.currency != purchase.currency.code()
}

/// Records how a charge or refund settled, if that is not known. For payments through hosted Checkout, nothing else says it.
///
/// # Errors
/// If DynamoDB fails.
pub async fn learn_settlement(services: &Services, purchase: &mut Purchase, name: &Name, entry: &Entry) -> Result<(), Error> {
    let (app, cause) = (&services.app, cause(services));
    match name.0 {
        LineKind::Charge => {
            let Some(number) = lacks_fee(purchase, entry) else { return Ok(()) };
            let facts = ChargeFacts {
                id: entry.source.clone(),
                stripe_fee: Some(entry.stripe_fee),
                settled: Some(entry.settled()),
                created: Some(entry.created),
                transfer: None,
                application_fee: None,
            };
            let seen = Observation { charge: Some(facts), ..Observation::of(AttemptStatus::Paid) };
            settlement::change(app, purchase, &cause, |purchase, now| purchase.observe(number, &seen, &cause, now)).await?;
        }
        LineKind::Refund if lacks_conversion(purchase, stripe_id(name), entry) => {
            // The rate changes between the sale and its refund.
            let cost = Settled { amount: -entry.amount, ..entry.settled() };
            let change = |purchase: &mut Purchase, now| purchase.observe_conversion(stripe_id(name), &cost, &cause, now);
            settlement::change(app, purchase, &cause, change).await?;
        }
        LineKind::Refund | LineKind::RefundFailure | LineKind::Dispute | LineKind::DisputeReversal | LineKind::CurrencyDifference => {}
    }
    Ok(())
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
