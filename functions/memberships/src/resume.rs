//! Going on with a subscription that an earlier request began: lost, waiting for the buyer, or still at work.

use shared::error::Error;
use shared::http::Response;
use shared::membership::{Slot, Status, Subscription};
use shared::memberships::settle;
use shared::store::Written;

use crate::Memberships;
use crate::answer::answer;
use crate::begin::{LEASE, begin, lost_its_customer};
use crate::subscribe::Order;

/// Goes on with the subscription that holds the slot, of which it is not known that it runs: a read and a write in DynamoDB more,
/// and a call to Stripe. What waits for another card, interval or page than is asked for now is taken back first.
pub async fn resume(this: &Memberships, order: &Order, slot: &Slot) -> Result<Response, Error> {
    let (app, stripe) = (&this.app, &this.stripe);
    let missing = || Error::Internal(format!("the slot names the subscription {}, which is missing", slot.subscription_id));
    let mut subscription = app.store.subscription(&slot.subscription_id).await?.ok_or_else(missing)?;
    if subscription.status.runs() {
        return Err(Error::AlreadySubscribed);
    }
    lease(this, &mut subscription).await?;
    let was_lost = subscription.stripe_id.is_none() && subscription.checkout_session.is_none();
    let found = stripe.find_subscription(&subscription, app.clock.now()).await;
    let heard = settle(app, stripe, &mut subscription, found).await?;
    match subscription.status {
        Status::Active | Status::PastDue => answer(&subscription, heard),
        // This is the request whose answer was lost, made again.
        Status::Failed if was_lost && !lost_its_customer(&subscription) && is_same(order, &subscription) => answer(&subscription, heard),
        Status::Canceled | Status::Failed => Box::pin(begin(this, order, Some(&Slot::of(&subscription)))).await,
        Status::Incomplete if is_same(order, &subscription) => answer(&subscription, heard),
        Status::Pending if is_same(order, &subscription) && heard.checkout_url.is_some() => answer(&subscription, heard),
        Status::Incomplete | Status::Pending => Box::pin(withdraw(this, order, subscription)).await,
    }
}

/// Takes back what the buyer turned away from, then begins anew: never two at once.
async fn withdraw(this: &Memberships, order: &Order, mut subscription: Subscription) -> Result<Response, Error> {
    let (app, stripe) = (&this.app, &this.stripe);
    lease(this, &mut subscription).await?;
    let result = stripe.withdraw_subscription(&subscription, app.clock.now()).await;
    let heard = settle(app, stripe, &mut subscription, result).await?;
    match subscription.status {
        Status::Canceled | Status::Failed => Box::pin(begin(this, order, Some(&Slot::of(&subscription)))).await,
        Status::Pending | Status::Incomplete => Err(Error::SubscriptionInProgress),
        Status::Active | Status::PastDue => answer(&subscription, heard),
    }
}

/// Takes the subscription over from a request that is gone, or refuses where one is still at work.
async fn lease(this: &Memberships, subscription: &mut Subscription) -> Result<(), Error> {
    let now = this.app.clock.now();
    if subscription.leased_until > now {
        return Err(Error::SubscriptionInProgress);
    }
    subscription.leased_until = now + LEASE;
    match this.app.store.write_subscription(subscription, None).await? {
        Written::Yes => Ok(()),
        Written::No(_) => Err(Error::SubscriptionInProgress),
    }
}

/// Whether it asks for what is asked for now, in the same way.
fn is_same(order: &Order, subscription: &Subscription) -> bool {
    let costs_the_same =
        (subscription.interval, subscription.amount, subscription.currency) == (order.interval, order.amount, order.offer.currency);
    costs_the_same && subscription.payment_method == order.payment_method
}
