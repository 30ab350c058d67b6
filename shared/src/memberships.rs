//! Recording what became of a subscription.

use crate::app::App;
use crate::error::Error;
use crate::membership::{Observation, Subscription};
use crate::store::Written;
use crate::stripe::Gateway;
use crate::stripe::error::StripeError;
use crate::stripe::memberships::Heard;

/// How often a record that others write as well is read again.
const TRIES: usize = 5;

/// Records what Stripe said, and gives the subscription free. Where another write came first, Stripe is asked anew: what was heard
/// may be older than what was written. Where the outcome stays unknown, the subscription stays open, and the next request, event or
/// reconciliation finds it.
///
/// # Errors
/// Where DynamoDB or Stripe fails; [`Error::SubscriptionInProgress`] where others write it again and again.
pub async fn settle(
    app: &App,
    stripe: &Gateway,
    subscription: &mut Subscription,
    heard: Result<Heard, StripeError>,
) -> Result<Heard, Error> {
    let mut heard = heard;
    for _ in 0..TRIES {
        let now = app.clock.now();
        if let Ok(heard) = &heard {
            subscription.observe(&heard.observation, now);
        }
        subscription.leased_until = subscription.leased_until.min(now);
        if app.store.write_subscription(subscription, None).await? == Written::Yes {
            tracing::info!(subscription_id = %subscription.id, status = ?subscription.status, "subscription settled");
            return Ok(heard?);
        }
        let gone = || Error::Internal(format!("the subscription {} is gone", subscription.id));
        *subscription = app.store.subscription(&subscription.id).await?.ok_or_else(gone)?;
        // An event was faster, and has looked. But that it never began stays so, and why, only we have heard.
        let before = heard?;
        let never_began = matches!(before.observation, Observation::Ended(_)) && !subscription.status.runs();
        heard = if never_began { Ok(before) } else { Box::pin(stripe.find_subscription(subscription, app.clock.now())).await };
    }
    tracing::warn!(subscription_id = %subscription.id, "the subscription changes too fast to be written");
    Err(Error::SubscriptionInProgress)
}
