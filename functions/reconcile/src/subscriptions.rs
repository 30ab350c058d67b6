//! Subscriptions that are stuck: nobody reported whether they began, or a renewal came without an event.

use std::ops::Range;
use std::time::Instant;

use shared::domain::error::Error;
use shared::domain::ids::SubscriptionId;
use shared::domain::membership::{Move, MoveState, Subscription};
use shared::store::findings::Found;
use shared::store::memberships::DUE_SUBSCRIPTION_PARTS;
use shared::stripe::billing::{Invoice, StripeSubscription, named};
use shared::stripe::error::StripeError;
use shared::stripe::memberships::Heard;
use shared::work::Services;
use shared::work::subscriptions as memberships;
use time::{Duration, OffsetDateTime};

use crate::{Report, late, members};

/// How many subscriptions of each part a run checks. The rest has been due for longest in the next run and comes first.
const PER_SHARD: i32 = 25;

/// When to check again one that is still waiting.
const PAUSE: Duration = Duration::hours(6);

/// How long before the end of a period the seller is checked.
const LOOKS_AHEAD: Duration = Duration::days(1);

/// When to check again one whose first payment waits for the buyer.
const OPEN: Duration = Duration::hours(1);

/// When to check again one with something left to do, which Stripe may not have done this time. Moves have their own pauses.
const SOON: Duration = Duration::minutes(15);

/// Asks Stripe about due subscriptions.
///
/// # Errors
/// If DynamoDB fails.
pub async fn run(services: &Services, until: Instant, report: &mut Report) -> Result<(), Error> {
    for part in DUE_SUBSCRIPTION_PARTS {
        for id in services.app.store.due_subscriptions(part, services.app.clock.now(), PER_SHARD).await? {
            if Instant::now() >= until {
                return Ok(());
            }
            report.checked += 1;
            match look_at(services, &id).await {
                Ok(true) => report.repaired += 1,
                Ok(false) => {}
                // A subscription that cannot be repaired must not block the others.
                Err(error) => {
                    tracing::warn!(subscription_id = %id, %error, "the subscription is left to the next run");
                    put_last(services, &id).await?;
                    services.app.store.keep_finding(&could_not(&id, error.code()), services.app.clock.now()).await?;
                }
            }
        }
    }
    Ok(())
}

/// The finding that a subscription could not be continued.
fn could_not(id: &SubscriptionId, reason: &str) -> Found {
    Found::RepairFailed { purchase_id: None, subscription_id: Some(id.clone()), reason: reason.to_owned() }
}

/// Notes that a check failed, and has the others checked first.
async fn put_last(services: &Services, id: &SubscriptionId) -> Result<(), Error> {
    let (store, now) = (&services.app.store, services.app.clock.now());
    let Some(mut subscription) = store.subscription(id).await? else { return Ok(()) };
    let is_due = subscription.due_at().is_some_and(|due_at| due_at <= now);
    if is_due || !subscription.repair_failed {
        subscription.repair_failed = true;
        subscription.rests_until = if is_due { Some(now + SOON) } else { subscription.rests_until };
        let _by_another = store.write_subscription(&mut subscription, None).await?;
    }
    Ok(())
}

/// Checks one subscription, and takes back what staff were told of an earlier check that failed. Returns whether anything was new.
async fn look_at(services: &Services, id: &SubscriptionId) -> Result<bool, Error> {
    let store = &services.app.store;
    let Some(mut subscription) = store.subscription(id).await? else { return Ok(false) };
    if subscription.leased_until > services.app.clock.now() {
        return Ok(false);
    }
    // What the check writes says so too.
    let was_told = std::mem::take(&mut subscription.repair_failed);
    let is_new = check(services, subscription).await?;
    if was_told {
        store.settle_finding(&could_not(id, ""), services.app.clock.now()).await?;
    }
    Ok(is_new)
}

/// Updates one subscription from Stripe, continues its end, its refunds and the moves after disputes, and
/// checks whether its customer has a credit and its seller can still be paid. Returns whether anything was new.
async fn check(services: &Services, mut subscription: Subscription) -> Result<bool, Error> {
    let (app, stripe) = (&services.app, &services.stripe);
    let now = app.clock.now();
    if !subscription.is_of_stack(&app.config.stack_id) {
        // Our table is a copy of that deployment's. The subscription stays due for ever, at intervals.
        subscription.rests_until = Some(now + PAUSE);
        let _by_another = app.store.write_subscription(&mut subscription, None).await?;
        return Ok(false);
    }
    let state = |one: &Subscription| {
        let moves: Vec<MoveState> = one.moves().map(|one| one.state).collect();
        (one.status, one.paid_until(), moves)
    };
    let before = state(&subscription);
    let has_work = subscription.is_to_be_ended()
        || unchecked_end(&subscription, now).is_some()
        || !subscription.planned_refunds().is_empty()
        || subscription.moves().any(|one| one.state.is_planned());
    let pause = match (has_work, subscription.awaits_buyer()) {
        (true, _) => SOON,
        (false, true) => OPEN,
        (false, false) => PAUSE,
    };
    subscription.rests_until = Some(now + pause);
    if subscription.is_to_be_ended() {
        memberships::carry_out_end(app, stripe, &mut subscription).await?;
        return Ok(state(&subscription) != before);
    }
    memberships::set_renewals_fee(app, stripe, &mut subscription).await?;
    look_for_credit(services, &mut subscription).await?;
    for (invoice, number) in subscription.planned_refunds() {
        memberships::give_back(app, stripe, &mut subscription, &invoice, number).await?;
    }
    for payment_intent in subscription.silent_payments(now) {
        subscription.asked_about(&payment_intent, now);
        let Some(id) = subscription.stripe_id.clone() else { break };
        let seen = stripe.see_subscription(&subscription, &id, Some(&payment_intent)).await?;
        let heard = seen.map(Heard::seen);
        if let Some(heard) = heard {
            memberships::settle(app, stripe, &mut subscription, Ok(heard)).await?;
        }
    }
    carry_out(services, &mut subscription, now).await?;
    let heard = stripe.find_subscription(&subscription, now).await;
    memberships::settle(app, stripe, &mut subscription, heard).await?;
    // Stripe may have given up on a renewal without an event.
    memberships::carry_out_end(app, stripe, &mut subscription).await?;
    let is_new = state(&subscription) != before;
    let has_acted = members::look_at_seller(services, &mut subscription).await?;
    if let Some(end) = unchecked_end(&subscription, now).filter(|_| !has_acted) {
        note_check(services, &mut subscription, end).await?;
    }
    Ok(has_acted || is_new)
}

/// The end of the current period, if it is near and the seller was not checked for it. A visit long before, for another reason, does not count.
fn unchecked_end(subscription: &Subscription, now: OffsetDateTime) -> Option<OffsetDateTime> {
    subscription.period_end.filter(|end| *end - LOOKS_AHEAD <= now && subscription.looked_at_for != Some(*end))
}

/// Notes that the seller was checked: only once that is done, because nobody checks again before the renewal.
async fn note_check(services: &Services, subscription: &mut Subscription, end: OffsetDateTime) -> Result<(), Error> {
    subscription.looked_at_for = Some(end);
    // If another write comes first, the seller is checked again.
    let _by_another = services.app.store.write_subscription(subscription, None).await?;
    Ok(())
}

/// Checks whether the customer has a credit, which would pay the next renewal instead of the member. A customer
/// on the platform pays any seller; one on a seller's own account pays only that seller. One call to Stripe.
async fn look_for_credit(services: &Services, subscription: &mut Subscription) -> Result<(), Error> {
    if subscription.account.is_some() || !subscription.status.runs() {
        return Ok(());
    }
    let customer = match services.stripe.customer(&subscription.customer, None).await {
        // The customer was deleted, and the subscriptions with it.
        Err(StripeError::Refused { .. }) => return Ok(()),
        found => found?,
    };
    let (store, now) = (&services.app.store, services.app.clock.now());
    let found = Found::CustomerCredit {
        customer: subscription.customer.clone(),
        subscription_id: subscription.id.clone(),
        currency: subscription.currency.code().to_owned(),
        amount: customer.credit(),
    };
    if customer.credit() > 0 {
        store.keep_finding(&found, now).await?;
    } else if subscription.has_credit {
        store.settle_finding(&found, now).await?;
    }
    subscription.has_credit = customer.credit() > 0;
    Ok(())
}

/// Has Stripe carry out what is due and what was planned since the work on the subscription `began`.
async fn carry_out(services: &Services, subscription: &mut Subscription, began: OffsetDateTime) -> Result<(), Error> {
    let wanted = |one: &Move| one.planned_at >= began || one.due_at().is_some_and(|due_at| due_at <= began);
    memberships::carry_out(&services.app, &services.stripe, subscription, wanted).await
}

/// How often an account's subscriptions are checked, in seconds.
const ROUND: i64 = 6 * 60 * 60;

/// The longest time that an invoice is retried: Stripe's longest schedule is two months.
/// <https://docs.stripe.com/billing/revenue-recovery/smart-retries>
const TRIED: Duration = Duration::days(62);

/// Updates subscriptions on an account that changed without an event, for example while the
/// account was out of reach: those that ended, and those with unknown paid invoices. This asks
/// Stripe for the current state, because an event would be in the account's own API version.
/// `period` is in Unix seconds.
///
/// # Errors
/// If DynamoDB or Stripe fails, or time is up.
pub async fn catch_up(services: &Services, account: &str, period: Range<i64>, until: Instant, report: &mut Report) -> Result<(), Error> {
    let (app, stripe) = (&services.app, &services.stripe);
    if period.start.div_euclid(ROUND) == period.end.div_euclid(ROUND) {
        return Ok(());
    }
    let paid = format!("/invoices?status=paid&created[gte]={}&created[lt]={}", period.start - TRIED.whole_seconds(), period.end);
    let (all, paid) = tokio::join!(
        stripe.all::<StripeSubscription>("/subscriptions?status=all", Some(account)),
        stripe.all::<Invoice>(&paid, Some(account))
    );
    let paid = paid?;
    for told in all? {
        let Some(id) = named(&told.metadata) else { continue };
        if Instant::now() >= until {
            return Err(late());
        }
        let Some(mut subscription) = app.store.subscription(&id).await? else { continue };
        // A seller's account must not report on another seller's subscription, or on the platform's.
        if subscription.account.as_deref() != Some(account) || subscription.stripe_id.as_ref().is_some_and(|known| *known != told.id) {
            continue;
        }
        let is_known = |invoice: &Invoice| subscription.payments.iter().any(|payment| payment.invoice == invoice.id);
        let mut its_own = paid.iter().filter(|invoice| invoice.subscription().is_some_and(|(of, _)| of == told.id));
        let is_unheard = (told.has_ended() && subscription.status.is_open()) || its_own.any(|invoice| !is_known(invoice));
        if is_unheard && take_in(services, &mut subscription, None).await? {
            report.repaired += 1;
            tracing::warn!(subscription_id = %subscription.id, "updated from Stripe, because no event arrived");
        }
    }
    Ok(())
}

/// Updates a subscription, and one of its payments if named, from Stripe. Returns whether anything was new.
///
/// # Errors
/// If DynamoDB or Stripe fails.
pub async fn take_in(services: &Services, subscription: &mut Subscription, payment_intent: Option<&str>) -> Result<bool, Error> {
    let Some(id) = subscription.stripe_id.clone() else { return Ok(false) };
    let began = services.app.clock.now();
    let Some(seen) = services.stripe.see_subscription(subscription, &id, payment_intent).await? else { return Ok(false) };
    let changed = seen.payments != subscription.payments || seen.status != subscription.status;
    if changed {
        let heard = Heard::seen(seen);
        memberships::settle(&services.app, &services.stripe, subscription, Ok(heard)).await?;
        if let Err(error) = carry_out(services, subscription, began).await {
            // It stays planned.
            tracing::warn!(subscription_id = %subscription.id, %error, "planned moves are left to the next run");
        }
    }
    Ok(changed)
}
