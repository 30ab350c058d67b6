//! Subscriptions that wait for somebody: one whose beginning nobody told, a renewal of which no event came.

use std::time::Instant;

use shared::error::Error;
use shared::ids::SubscriptionId;
use shared::membership::{Observation, Subscription};
use shared::memberships;
use shared::store::memberships::DUE_SUBSCRIPTION_SHARDS;
use shared::stripe::billing::{Invoice, StripeSubscription, named};
use shared::stripe::memberships::Heard;
use shared::stripe::webhook::Event;
use time::{Duration, OffsetDateTime};

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

/// Takes in what became of subscriptions on an account within a time and no event told, as while it was out of reach: that they ended,
/// and that they were paid for. Stripe keeps an account's events for 30 days. <https://docs.stripe.com/api/events/list>
///
/// # Errors
/// Where DynamoDB or Stripe fails.
pub async fn catch_up(
    reconcile: &Reconcile,
    account: &str,
    from: OffsetDateTime,
    to: OffsetDateTime,
    report: &mut Report,
) -> Result<(), Error> {
    let (from, to) = (from.unix_timestamp(), to.unix_timestamp());
    let query = format!("/events?types[]=customer.subscription.deleted&types[]=invoice.paid&created[gte]={from}&created[lt]={to}");
    for event in reconcile.stripe.all::<Event>(&query, Some(account)).await? {
        let Some(mut subscription) = unheard(reconcile, account, &event).await? else { continue };
        if take_in(reconcile, &mut subscription, None).await? {
            report.repaired += 1;
            tracing::warn!(subscription_id = %subscription.id, event_id = event.id, kind = event.kind, "taken in from an event that was not sent");
        }
    }
    Ok(())
}

/// The subscription that an event of an account says something new of.
async fn unheard(reconcile: &Reconcile, account: &str, event: &Event) -> Result<Option<Subscription>, Error> {
    let object = || event.data.object.clone();
    let (id, invoice) = match event.kind.as_str() {
        "invoice.paid" => {
            let Ok(invoice) = serde_json::from_value::<Invoice>(object()) else { return Ok(None) };
            (invoice.subscription().and_then(|(_, metadata)| named(metadata)), Some(invoice.id))
        }
        _ => {
            let Ok(told) = serde_json::from_value::<StripeSubscription>(object()) else { return Ok(None) };
            (named(&told.metadata), None)
        }
    };
    let Some(id) = id else { return Ok(None) };
    let subscription = reconcile.app.store.subscription(&id).await?;
    // A seller's account must not speak for another's subscription, or for the platform's.
    Ok(subscription.filter(|subscription| subscription.account.as_deref() == Some(account)).filter(|subscription| match &invoice {
        Some(invoice) => subscription.payments.iter().all(|payment| payment.invoice != *invoice),
        None => subscription.status.is_open(),
    }))
}

/// Takes in how a subscription stands, and what a payment of it came to, if one is named. Says whether anything was new.
///
/// # Errors
/// Where DynamoDB or Stripe fails.
pub async fn take_in(reconcile: &Reconcile, subscription: &mut Subscription, payment_intent: Option<&str>) -> Result<bool, Error> {
    let Some(id) = subscription.stripe_id.clone() else { return Ok(false) };
    let Some(seen) = reconcile.stripe.see_subscription(subscription, &id, payment_intent).await? else { return Ok(false) };
    let changed = seen.payments != subscription.payments || seen.status != subscription.status;
    if changed {
        let heard = Heard { observation: Observation::Seen(Box::new(seen)), client_secret: None, checkout_url: None };
        memberships::settle(&reconcile.app, &reconcile.stripe, subscription, Ok(heard)).await?;
    }
    Ok(changed)
}
