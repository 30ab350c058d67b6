//! Purchases that are stuck: attempts with an unknown outcome, and money that should have moved but did not.

use std::time::Instant;

use shared::domain::error::Error;
use shared::domain::ids::PurchaseId;
use shared::domain::purchase::{DisputeStatus, MovementKind, MovementState, PATIENCE, Purchase, Status};
use shared::store::findings::Found;
use shared::store::purchases::DUE_PARTS;
use shared::stripe::error::StripeError;
use shared::work::Services;
use shared::work::settlement;

use crate::{Report, cause, repair};

/// How many purchases of each part a run checks. The rest has been due for longest in the next run and comes first.
const PER_SHARD: i32 = 25;

/// Checks due purchases. The cost depends on how many are due, not on the size of the table.
///
/// # Errors
/// If DynamoDB fails.
pub async fn run(services: &Services, until: Instant, report: &mut Report) -> Result<(), Error> {
    for shard in DUE_PARTS {
        let due = services.app.store.due_purchases(shard, services.app.clock.now(), PER_SHARD).await?;
        for id in due {
            if Instant::now() >= until {
                return Ok(());
            }
            report.checked += 1;
            match look_at(services, &id).await {
                Ok(true) => report.repaired += 1,
                Ok(false) => {}
                // A purchase that cannot be repaired must not block the others.
                Err(error) => {
                    tracing::warn!(purchase_id = %id, %error, "the purchase is left to the next run");
                    let found = Found::RepairFailed { purchase_id: Some(id), subscription_id: None, reason: error.code().to_owned() };
                    services.app.store.keep_finding(&found, services.app.clock.now()).await?;
                }
            }
        }
    }
    Ok(())
}

/// Tries to advance one purchase. Returns whether it changed.
///
/// # Errors
/// If DynamoDB fails, or Stripe does not answer.
pub async fn look_at(services: &Services, id: &PurchaseId) -> Result<bool, Error> {
    let app = &services.app;
    let Some(mut purchase) = app.store.purchase(id).await? else { return Ok(false) };
    let now = app.clock.now();
    if purchase.status().is_open() && purchase.attempt().leased_until > now {
        return Ok(false);
    }
    let cause = cause(services);
    if !purchase.is_of_stack(&app.config.stack_id) {
        // Our table is a copy of that deployment's. The purchase stays due for ever, at growing intervals.
        settlement::rest(app, &mut purchase).await?;
        return Ok(false);
    }
    let (before, is_told) = (stand(&purchase), purchase.repair_failed());
    let worked = work(services, &mut purchase, &cause).await;
    // At growing intervals, so that purchases that cannot advance do not block others.
    settlement::change(app, &mut purchase, &cause, |purchase, now| {
        let is_due = purchase.due_at().is_some_and(|due_at| due_at <= now);
        if is_due {
            purchase.checked(now);
        }
        purchase.note_repair(worked.is_err()) || is_due
    })
    .await?;
    worked?;
    if is_told {
        // Whatever failed the last time works again, or nothing was left to do.
        let found = Found::RepairFailed { purchase_id: Some(id.clone()), subscription_id: None, reason: String::new() };
        app.store.settle_finding(&found, now).await?;
    }
    let went_on = stand(&purchase) != before;
    if went_on {
        tracing::info!(purchase_id = %id, status = ?purchase.status(), "the purchase advanced");
    }
    Ok(went_on)
}

/// The state whose change matters to anybody.
fn stand(purchase: &Purchase) -> (Status, Vec<MovementState>, Vec<DisputeStatus>) {
    let movements = purchase.movements().iter().map(|movement| movement.state).collect();
    (purchase.status(), movements, purchase.disputes().iter().map(|dispute| dispute.status).collect())
}

async fn work(services: &Services, purchase: &mut Purchase, cause: &str) -> Result<(), Error> {
    let (app, stripe) = (&services.app, &services.stripe);
    let now = app.clock.now();
    if purchase.status().is_open() || purchase.can_be_confirmed_again() {
        let attempt = purchase.attempt().clone();
        // Nobody authenticates a day later. The attempt is withdrawn so that it cannot be paid unexpectedly; the buyer can start again.
        // One that failed in a browser is withdrawn much earlier: whoever goes on begins another.
        let found = if now - attempt.started_at > PATIENCE || purchase.can_be_confirmed_again() {
            stripe.withdraw_attempt(purchase, &attempt, now).await
        } else {
            stripe.find_attempt(purchase, &attempt, now).await
        };
        let heard = found.map_err(unknown)?;
        settlement::change(app, purchase, cause, |purchase, now| purchase.observe(attempt.number, &heard.observation, cause, now)).await?;
    }
    for refund in purchase.movements().to_vec() {
        let id = refund.stripe_id.as_deref().filter(|_| refund.kind == MovementKind::Refund && refund.state.is_accepted());
        if let Some(id) = id
            && let Some(current) = stripe.refund(id, refund.account.as_deref()).await.map_err(unknown)?
        {
            settlement::change(app, purchase, cause, |purchase, now| current.tell(purchase, cause, now)).await?;
        }
    }
    for id in purchase.silent_disputes(now) {
        let current = stripe.dispute(&id, purchase.charged_account()).await.map_err(unknown)?;
        settlement::change(app, purchase, cause, |purchase, now| {
            purchase.asked_about(&id, now);
            if let Some(current) = &current {
                current.tell(purchase, now, cause, now);
            }
            true
        })
        .await?;
    }
    repair::carry_out(services, purchase, cause, now).await
}

fn unknown(error: StripeError) -> Error {
    error.into()
}
