//! Withdraws payments that wait for the buyer, on a hosted page or at the bank, for something that is no longer sold: the course was
//! unpublished, taken down, deleted or repriced, its seller was dismissed, suspended, erased, or has no account that can be charged this way, or its
//! buyer was suspended or erased. Also withdraws payments that failed in a browser: the next try begins another, and a thief could try
//! many cards on this one. And those of buyers whose cards were declined too often: a thief could have begun many and try a card on each.
//! Stripe's own pages stay open to them, because Stripe guards these.
//!
//! The same goes for first payments of memberships: the offer has ended or has another price, or nobody can join because the courses were taken down.
//!
//! The functions that change courses and users have no client for Stripe. So every minute all of these payments are compared with their
//! offers: one query per part of the index and two reads per 33 payments, and one query for each seller whose membership is being paid. A
//! buyer who pays first has bought, at the price of the payment. Deleted and unpublished courses stay readable for their buyers, and the
//! seller or staff can refund such a purchase, and the first period of such a membership.

use std::collections::BTreeMap;
use std::time::Instant;

use shared::domain::declines::user_waits;
use shared::domain::error::Error;
use shared::domain::ids::UserId;
use shared::domain::membership::{Standing, Subscription};
use shared::domain::purchase::{Means, Purchase};
use shared::settings::config::Config;
use shared::store::memberships::AwaitedMembership;
use shared::store::purchases::{AWAITING_PARTS, AwaitedPayment};
use shared::work::Services;
use shared::work::{settlement, subscriptions};
use time::OffsetDateTime;

use crate::{Report, cause, repair};

/// How many payments are read at once, each with its course or offer, seller and buyer: DynamoDB reads at most 100 items in a batch.
const AT_ONCE: i32 = 33;

/// Withdraws the payments whose offer is no longer valid.
///
/// # Errors
/// If DynamoDB fails. Stripe's failures are left to the next run.
pub async fn run(services: &Services, until: Instant, report: &mut Report) -> Result<(), Error> {
    of_purchases(services, until, report).await?;
    of_memberships(services, until, report).await
}

async fn of_purchases(services: &Services, until: Instant, report: &mut Report) -> Result<(), Error> {
    let app = &services.app;
    for part in AWAITING_PARTS {
        let mut after = None;
        loop {
            let (payments, next) = app.store.awaiting_buyers(part, AT_ONCE, after).await?;
            let now = app.clock.now();
            for payment in payments.into_iter().filter(|payment| !stands(&app.config, payment, now)) {
                if Instant::now() >= until {
                    return Ok(());
                }
                let id = payment.purchase.id.clone();
                match withdraw(services, payment.purchase).await {
                    Ok(withdrawn) => report.repaired += u32::from(withdrawn),
                    // A payment that cannot be withdrawn must not keep the others open.
                    Err(error) => tracing::warn!(purchase_id = %id, %error, "the payment is left to the next run"),
                }
            }
            after = next;
            if after.is_none() {
                break;
            }
        }
    }
    Ok(())
}

async fn of_memberships(services: &Services, until: Instant, report: &mut Report) -> Result<(), Error> {
    let app = &services.app;
    let mut taken_down: BTreeMap<UserId, bool> = BTreeMap::new();
    let mut after = None;
    loop {
        let (payments, next) = app.store.awaiting_members(AT_ONCE, after).await?;
        let now = app.clock.now();
        for payment in payments {
            if Instant::now() >= until {
                return Ok(());
            }
            let seller = &payment.subscription.seller_id;
            if can_join(&app.config, &payment, now) {
                let is_taken_down = match taken_down.get(seller) {
                    Some(known) => *known,
                    None => app.store.is_taken_down(seller).await?,
                };
                taken_down.insert(seller.clone(), is_taken_down);
                if !is_taken_down {
                    continue;
                }
            }
            let id = payment.subscription.id.clone();
            match withdraw_membership(services, payment.subscription).await {
                Ok(withdrawn) => report.repaired += u32::from(withdrawn),
                Err(error) => tracing::warn!(subscription_id = %id, %error, "the first payment is left to the next run"),
            }
        }
        after = next;
        if after.is_none() {
            return Ok(());
        }
    }
}

/// Whether the payment may go on waiting: nothing failed yet, and what is being paid for could still be bought now.
fn stands(config: &Config, payment: &AwaitedPayment, now: OffsetDateTime) -> bool {
    let AwaitedPayment { purchase, course: Some(course), seller: Some(seller), buyer: Some(buyer) } = payment else { return false };
    let Some(charge_type) = seller.charge_type_of(course, &config.terms) else { return false };
    let link = seller.connected_account().filter(|link| link.check(charge_type, &config.platform_country).is_ok());
    !purchase.can_be_confirmed_again()
        && buyer.suspended.is_none()
        && (purchase.attempt().means == Means::Checkout || user_waits(buyer, now).is_none())
        && course.is_offered()
        && course.price.amount == purchase.amount()
        && course.price.currency == purchase.currency
        && charge_type == purchase.charge_type
        && link.is_some_and(|link| link.account_id == purchase.seller_account)
}

/// Whether the first payment may go on waiting: the same membership could still be joined now, unless its seller's courses were taken down.
fn can_join(config: &Config, payment: &AwaitedMembership, now: OffsetDateTime) -> bool {
    let AwaitedMembership { subscription, offer: Some(offer), seller: Some(seller), buyer: Some(buyer) } = payment else { return false };
    let can_be_charged = match subscription.standing(Some(seller), &config.platform_country) {
        Standing::GoesOn => seller.charge_type_of_memberships(&config.terms) == subscription.charge_type,
        Standing::CannotNow | Standing::Gone => false,
    };
    can_be_charged
        && buyer.suspended.is_none()
        && (subscription.is_checkout() || user_waits(buyer, now).is_none())
        && offer.price(subscription.interval) == Some(subscription.amount)
        && offer.currency == subscription.currency
}

/// Withdraws a payment. If it was made first, that counts. Returns whether anything changed.
async fn withdraw(services: &Services, mut purchase: Purchase) -> Result<bool, Error> {
    let (app, stripe) = (&services.app, &services.stripe);
    let (began, cause) = (app.clock.now(), cause(services));
    // A request is working on it and checks the offer itself.
    if purchase.attempt().leased_until > began {
        return Ok(false);
    }
    if !settlement::withdraw(app, stripe, &mut purchase, &cause).await? {
        return Ok(false);
    }
    tracing::info!(purchase_id = %purchase.id, status = ?purchase.status(), "a payment that waited for the buyer was withdrawn");
    repair::carry_out(services, &mut purchase, &cause, began).await?;
    Ok(true)
}

/// Withdraws a membership's first payment. If it was made first, the membership has begun. Returns whether anything changed.
async fn withdraw_membership(services: &Services, mut subscription: Subscription) -> Result<bool, Error> {
    let (app, stripe) = (&services.app, &services.stripe);
    let now = app.clock.now();
    // A request is working on it and checks the offer itself. Or our table is a copy of another deployment's.
    if subscription.leased_until > now || !subscription.is_of_stack(&app.config.stack_id) {
        return Ok(false);
    }
    let heard = Box::pin(stripe.withdraw_subscription(&subscription, now)).await?;
    subscriptions::settle(app, stripe, &mut subscription, Ok(heard)).await?;
    tracing::info!(subscription_id = %subscription.id, status = ?subscription.status, "a membership's first payment was withdrawn");
    Ok(!subscription.awaits_buyer())
}
