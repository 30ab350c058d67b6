//! Purchases that wait for somebody: an attempt whose end nobody told, money that was to move and did not.

use std::time::Instant;

use shared::error::Error;
use shared::ids::PurchaseId;
use shared::purchase::{DisputeStatus, MovementKind, MovementState, PATIENCE, Purchase, Status};
use shared::settlement;
use shared::store::findings::Found;
use shared::store::purchases::DUE_SHARDS;
use shared::stripe::error::StripeError;

use crate::{Reconcile, Report, cause, repair};

/// How many purchases of a part are looked at in a run. What is left is due longer, and comes first in the next one.
const PER_SHARD: i32 = 25;

/// Looks at what is due: its cost is that of the purchases that are, not of the table.
///
/// # Errors
/// Where DynamoDB fails.
pub async fn run(reconcile: &Reconcile, until: Instant, report: &mut Report) -> Result<(), Error> {
    for shard in 0..DUE_SHARDS {
        let due = reconcile.app.store.due_purchases(shard, reconcile.app.clock.now(), PER_SHARD).await?;
        for id in due {
            if Instant::now() >= until {
                return Ok(());
            }
            report.checked += 1;
            match look_at(reconcile, &id).await {
                Ok(true) => report.repaired += 1,
                Ok(false) => {}
                // One that cannot be mended must not keep the others from it.
                Err(error) => {
                    tracing::warn!(purchase_id = %id, %error, "the purchase is left to the next run");
                    let found = Found::RepairFailed { purchase_id: id, reason: error.code().to_owned() };
                    reconcile.app.store.keep_finding(&found, reconcile.app.clock.now()).await?;
                }
            }
        }
    }
    Ok(())
}

/// Brings one purchase on. Says whether it went on.
///
/// # Errors
/// Where DynamoDB fails, or Stripe does not say how it stands.
pub async fn look_at(reconcile: &Reconcile, id: &PurchaseId) -> Result<bool, Error> {
    let app = &reconcile.app;
    let Some(mut purchase) = app.store.purchase(id).await? else { return Ok(false) };
    let now = app.clock.now();
    if purchase.status().is_open() && purchase.attempt().leased_until > now {
        return Ok(false);
    }
    let cause = cause(reconcile);
    let (before, was_checked) = (stand(&purchase), purchase.was_checked());
    let worked = work(reconcile, &mut purchase, &cause).await;
    // Later each time, so that what cannot go on does not stand in the way of what can.
    settlement::change(app, &mut purchase, &cause, |purchase, now| {
        let is_due = purchase.due_at().is_some_and(|due_at| due_at <= now);
        if is_due {
            purchase.checked(now);
        }
        is_due
    })
    .await?;
    worked?;
    if was_checked {
        // What kept it back the last time does no more.
        app.store.settle_finding(&Found::RepairFailed { purchase_id: id.clone(), reason: String::new() }, now).await?;
    }
    let went_on = stand(&purchase) != before;
    if went_on {
        tracing::info!(purchase_id = %id, status = ?purchase.status(), "the purchase was brought on");
    }
    Ok(went_on)
}

/// What makes a difference to anybody.
fn stand(purchase: &Purchase) -> (Status, Vec<MovementState>, Vec<DisputeStatus>) {
    let movements = purchase.movements().iter().map(|movement| movement.state).collect();
    (purchase.status(), movements, purchase.disputes().iter().map(|dispute| dispute.status).collect())
}

async fn work(reconcile: &Reconcile, purchase: &mut Purchase, cause: &str) -> Result<(), Error> {
    let (app, stripe) = (&reconcile.app, &reconcile.stripe);
    let now = app.clock.now();
    if purchase.status().is_open() {
        let attempt = purchase.attempt().clone();
        // Nobody authenticates a day later: the buyer begins anew, and nothing can be paid behind everybody's back.
        let found = if now - attempt.started_at > PATIENCE {
            stripe.withdraw_attempt(&purchase.id, &attempt, now).await
        } else {
            stripe.find_attempt(&purchase.id, &attempt, now).await
        };
        let heard = found.map_err(unknown)?;
        settlement::change(app, purchase, cause, |purchase, now| purchase.observe(attempt.number, &heard.observation, cause, now)).await?;
    }
    for refund in purchase.movements().to_vec() {
        let id = refund.stripe_id.as_deref().filter(|_| refund.kind == MovementKind::Refund && refund.state == MovementState::Pending);
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
                current.tell(purchase, cause, now);
            }
            true
        })
        .await?;
    }
    repair::carry_out(reconcile, purchase, cause, now).await
}

fn unknown(error: StripeError) -> Error {
    error.into()
}
