//! Memberships of sellers who leave: if there is nobody to pay, nothing is renewed.

use std::time::Instant;

use shared::domain::error::Error;
use shared::domain::mail::Mail;
use shared::domain::membership::{EndCause, Standing, Subscription};
use shared::store::page::Page;
use shared::work::Services;
use shared::work::subscriptions as memberships;
use time::Duration;

use crate::Report;

/// How many sellers a run handles.
const PER_RUN: i32 = 10;

/// How long to keep checking a seller who was reported as leaving but has not left.
const PATIENCE: Duration = Duration::hours(1);

/// Ends the memberships of sellers who have left.
///
/// # Errors
/// If DynamoDB fails. Ends that Stripe does not carry out are recorded and done later.
pub async fn run(services: &Services, until: Instant, report: &mut Report) -> Result<(), Error> {
    let (app, stripe) = (&services.app, &services.stripe);
    for going in app.store.going(PER_RUN).await? {
        let seller = app.store.user(&going.seller_id).await?;
        let (mut after, mut has_gone) = (None, true);
        loop {
            if Instant::now() >= until {
                return Ok(());
            }
            let page = app.store.members_of(&going.seller_id, &Page { limit: 100, after }).await?;
            for mut subscription in page.items {
                if !subscription.status.is_open() || subscription.end.is_some() {
                    continue;
                }
                if subscription.standing(seller.as_ref(), &app.config.platform_country) != Standing::Gone {
                    has_gone = false;
                    continue;
                }
                match memberships::end(app, stripe, &mut subscription, EndCause::Seller).await {
                    Ok(()) => report.repaired += 1,
                    // The end is recorded, so the subscription becomes due by itself.
                    Err(error) => tracing::warn!(subscription_id = %subscription.id, %error, "the end is left to a later run"),
                }
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        if has_gone || app.clock.now() - going.at > PATIENCE {
            app.store.has_gone(&going).await?;
        }
    }
    Ok(())
}

/// Checks that a subscription's next period has a seller to pay and a course to read. If the seller
/// has left, ends it at once. If nothing can be charged at present, or no course is offered, cancels
/// its renewal, which the member can undo while the period lasts. Returns whether it did either.
///
/// # Errors
/// If DynamoDB or Stripe fails.
pub async fn look_at_seller(services: &Services, subscription: &mut Subscription) -> Result<bool, Error> {
    let (app, stripe) = (&services.app, &services.stripe);
    if !subscription.status.runs() || subscription.ending {
        return Ok(false);
    }
    let seller = app.store.user(&subscription.seller_id).await?;
    let standing = subscription.standing(seller.as_ref(), &app.config.platform_country);
    if standing == Standing::GoesOn && app.store.offers_a_course(&subscription.seller_id).await? {
        return Ok(false);
    }
    tracing::warn!(subscription_id = %subscription.id, seller_id = %subscription.seller_id, ?standing, "the membership is not renewed");
    if standing == Standing::Gone || subscription.owes {
        memberships::end(app, stripe, subscription, EndCause::Seller).await?;
        return Ok(true);
    }
    // The mail is queued first, and only once: if the process dies here, the next visit does the rest.
    app.store.ask(&Mail::membership_ends(subscription), app.clock.now()).await?;
    let changed = stripe.change_subscription(subscription, &[("cancel_at_period_end", "true")]).await;
    memberships::settle(app, stripe, subscription, changed).await?;
    Ok(true)
}
