//! Subscriptions that wait for somebody: one whose beginning nobody told, a renewal of which no event came.

use std::time::Instant;

use shared::error::Error;
use shared::ids::SubscriptionId;
use shared::membership::{Observation, Subscription};
use shared::memberships;
use shared::store::memberships::DUE_SUBSCRIPTION_SHARDS;
use shared::stripe::memberships::Heard;
use time::Duration;

use crate::{Reconcile, Report};

/// How many subscriptions of a part are looked at in a run. What is left is due longer, and comes first in the next one.
const PER_SHARD: i32 = 25;

/// When one is looked at again that still waits.
const PAUSE: Duration = Duration::hours(6);

/// Asks Stripe for what is due.
///
/// # Errors
/// Where DynamoDB fails.
pub async fn run(reconcile: &Reconcile, until: Instant, report: &mut Report) -> Result<(), Error> {
    for shard in 0..DUE_SUBSCRIPTION_SHARDS {
        for id in reconcile.app.store.due_subscriptions(shard, reconcile.app.clock.now(), PER_SHARD).await? {
            if Instant::now() >= until {
                return Ok(());
            }
            report.checked += 1;
            match look_at(reconcile, &id).await {
                Ok(true) => report.repaired += 1,
                Ok(false) => {}
                // One that cannot be mended must not keep the others from it.
                Err(error) => tracing::warn!(subscription_id = %id, %error, "the subscription is left to the next run"),
            }
        }
    }
    Ok(())
}

/// Takes one subscription in as Stripe has it. Says whether that was new.
async fn look_at(reconcile: &Reconcile, id: &SubscriptionId) -> Result<bool, Error> {
    let (app, stripe) = (&reconcile.app, &reconcile.stripe);
    let Some(mut subscription) = app.store.subscription(id).await? else { return Ok(false) };
    let now = app.clock.now();
    if subscription.leased_until > now {
        return Ok(false);
    }
    let before = (subscription.status, subscription.paid_until());
    let heard = stripe.find_subscription(&subscription, now).await;
    subscription.rests_until = Some(now + PAUSE);
    memberships::settle(app, stripe, &mut subscription, heard).await?;
    Ok((subscription.status, subscription.paid_until()) != before)
}

/// Takes in what a payment of a subscription's came to, which no event told. Says whether there was anything.
///
/// # Errors
/// Where DynamoDB or Stripe fails.
pub async fn take_in(reconcile: &Reconcile, subscription: &mut Subscription, payment_intent: &str) -> Result<bool, Error> {
    let Some(id) = subscription.stripe_id.clone() else { return Ok(false) };
    let Some(seen) = reconcile.stripe.see_subscription(subscription, &id, Some(payment_intent)).await? else { return Ok(false) };
    let changed = seen.payments != subscription.payments;
    if changed {
        let heard = Heard { observation: Observation::Seen(Box::new(seen)), client_secret: None, checkout_url: None };
        memberships::settle(&reconcile.app, &reconcile.stripe, subscription, Ok(heard)).await?;
    }
    Ok(changed)
}
