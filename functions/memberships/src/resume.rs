//! Continues a subscription that an earlier request began: lost, waiting for the buyer, or still in progress.

use shared::domain::error::Error;
use shared::domain::membership::{Slot, Status, Subscription};
use shared::store::Written;
use shared::stripe::error::StripeError;
use shared::stripe::memberships::Heard;
use shared::work::Services;
use shared::work::subscriptions::settle;

use crate::begin::{LEASE, begin, lost_its_customer};
use crate::order::Order;

/// How many times to reread a record that events write as well.
const TRIES: usize = 3;

/// Continues the subscription that owns the slot and is not known to be running: one more DynamoDB read and write, and
/// a call to Stripe. If it is waiting for another card, interval or page than is requested now, it is withdrawn first.
pub async fn resume(services: &Services, order: &Order, slot: &Slot) -> Result<(Subscription, Heard), Error> {
    let (app, stripe) = (&services.app, &services.stripe);
    let missing = || Error::Internal(format!("the slot names the subscription {}, which is missing", slot.subscription_id));
    let mut subscription = app.store.subscription(&slot.subscription_id).await?.ok_or_else(missing)?;
    if subscription.status.runs() {
        return Err(Error::AlreadySubscribed);
    }
    let asks_for_the_same = is_same(order, &subscription);
    lease(services, &mut subscription, asks_for_the_same).await?;
    let was_lost = subscription.stripe_id.is_none() && subscription.checkout_session.is_none();
    let found = if asks_for_the_same {
        stripe.repeat_subscription(&subscription, app.clock.now()).await
    } else {
        // What the buyer no longer wants must not be made now.
        stripe.find_subscription(&subscription, app.clock.now()).await
    };
    let is_at_work = matches!(found, Err(StripeError::InUse));
    let heard = match settle(app, stripe, &mut subscription, found).await {
        Err(_) if is_at_work && !asks_for_the_same => return Err(Error::SubscriptionInProgress),
        settled => settled?,
    };
    match subscription.status {
        Status::Active | Status::PastDue => Ok((subscription, heard)),
        // The response to the first request was lost, and this is the retry.
        Status::Failed if was_lost && !lost_its_customer(&subscription) && is_same(order, &subscription) => Ok((subscription, heard)),
        Status::Canceled | Status::Failed => Box::pin(begin(services, order, Some(&Slot::of(&subscription)))).await,
        Status::Incomplete if is_same(order, &subscription) => Ok((subscription, heard)),
        Status::Pending if is_same(order, &subscription) && heard.checkout_url.is_some() => Ok((subscription, heard)),
        Status::Incomplete | Status::Pending => Box::pin(withdraw(services, order, subscription)).await,
    }
}

/// Withdraws what the buyer has abandoned, then starts again, so that there are never two.
async fn withdraw(services: &Services, order: &Order, mut subscription: Subscription) -> Result<(Subscription, Heard), Error> {
    let (app, stripe) = (&services.app, &services.stripe);
    lease(services, &mut subscription, false).await?;
    let result = stripe.withdraw_subscription(&subscription, app.clock.now()).await;
    let heard = settle(app, stripe, &mut subscription, result).await?;
    match subscription.status {
        Status::Canceled | Status::Failed => Box::pin(begin(services, order, Some(&Slot::of(&subscription)))).await,
        Status::Pending | Status::Incomplete => Err(Error::SubscriptionInProgress),
        Status::Active | Status::PastDue => Ok((subscription, heard)),
    }
}

/// Takes over the subscription from a request that has ended, perhaps to send it again, or refuses if one is still at work.
async fn lease(services: &Services, subscription: &mut Subscription, sends_again: bool) -> Result<(), Error> {
    for _ in 0..TRIES {
        let now = services.app.clock.now();
        if subscription.leased_until > now {
            break;
        }
        subscription.leased_until = now + LEASE;
        if sends_again {
            subscription.sent_again_at = Some(now);
        }
        if services.app.store.write_subscription(subscription, None).await? == Written::Yes {
            return Ok(());
        }
        // By an event, which has no lease.
        *subscription = services.app.store.subscription(&subscription.id).await?.ok_or(Error::SubscriptionInProgress)?;
    }
    Err(Error::SubscriptionInProgress)
}

/// Whether it matches the current request: interval, price and card.
fn is_same(order: &Order, subscription: &Subscription) -> bool {
    let costs_the_same =
        (subscription.interval, subscription.amount, subscription.currency) == (order.interval, order.amount, order.offer.currency);
    costs_the_same && subscription.payment_method == order.payment_method
}
