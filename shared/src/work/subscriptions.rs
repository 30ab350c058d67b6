//! Records what happened to a subscription.

use time::OffsetDateTime;

use crate::app::App;
use crate::domain::audit::{Actor, Deed, Entry};
use crate::domain::error::Error;
use crate::domain::membership::{AskedState, EndCause, Move, Observation, Subscription};
use crate::domain::money::Price;
use crate::store::Written;
use crate::stripe::Gateway;
use crate::stripe::error::StripeError;
use crate::stripe::memberships::Heard;

/// How many times to reread a record that others write as well.
const TRIES: usize = 5;

/// Records Stripe's answer and releases the subscription's lease. If another write came first,
/// asks Stripe again, because the answer may be older than what was written. If the outcome
/// stays unknown, the subscription stays open for the next request, event or reconciliation.
///
/// # Errors
/// If DynamoDB or Stripe fails; [`Error::SubscriptionInProgress`] if concurrent writes keep winning.
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
        subscription.plan(app.config.take_back_lost_disputes, now);
        subscription.leased_until = subscription.leased_until.min(now);
        if app.store.write_subscription(subscription, None).await? == Written::Yes {
            tracing::info!(subscription_id = %subscription.id, status = ?subscription.status, "subscription settled");
            return Ok(heard?);
        }
        let gone = || Error::Internal(format!("the subscription {} is gone", subscription.id));
        *subscription = app.store.subscription(&subscription.id).await?.ok_or_else(gone)?;
        // An event was faster and has read Stripe. But only this answer says that the subscription never began, and why.
        let before = heard?;
        let never_began = matches!(before.observation, Observation::Ended(_)) && !subscription.status.runs();
        heard = if never_began { Ok(before) } else { Box::pin(stripe.find_subscription(subscription, app.clock.now())).await };
    }
    tracing::warn!(subscription_id = %subscription.id, "concurrent writes to the subscription kept winning");
    Err(Error::SubscriptionInProgress)
}

/// Ends a subscription at once: records the end, has Stripe end it, and voids what is owed
/// for it. If Stripe does not answer or cannot be reached, the reconciliation continues.
///
/// # Errors
/// If DynamoDB or Stripe fails; [`Error::SubscriptionInProgress`] if concurrent writes keep winning.
pub async fn end(app: &App, stripe: &Gateway, subscription: &mut Subscription, cause: EndCause) -> Result<(), Error> {
    for _ in 0..TRIES {
        let is_new = subscription.end_for(cause, app.clock.now());
        if !is_new || app.store.write_subscription(subscription, None).await? == Written::Yes {
            return carry_out_end(app, stripe, subscription).await;
        }
        let gone = || Error::Internal(format!("the subscription {} is gone", subscription.id));
        *subscription = app.store.subscription(&subscription.id).await?.ok_or_else(gone)?;
    }
    Err(Error::SubscriptionInProgress)
}

/// Has Stripe carry out a recorded end, unless that is done.
///
/// # Errors
/// If DynamoDB or Stripe fails.
pub async fn carry_out_end(app: &App, stripe: &Gateway, subscription: &mut Subscription) -> Result<(), Error> {
    if subscription.is_to_be_ended() {
        let heard = Box::pin(stripe.end_subscription(subscription, app.clock.now())).await;
        settle(app, stripe, subscription, heard).await?;
    }
    Ok(())
}

/// Sets the platform's percentage of the renewals, if that of a switch is still in force.
///
/// # Errors
/// If DynamoDB or Stripe fails.
pub async fn set_renewals_fee(app: &App, stripe: &Gateway, subscription: &mut Subscription) -> Result<(), Error> {
    if let Some(percent) = subscription.renewals_fee.clone().filter(|_| subscription.status.runs()) {
        let heard = Box::pin(stripe.change_subscription(subscription, &[("application_fee_percent", &percent)])).await;
        settle(app, stripe, subscription, heard).await?;
    }
    Ok(())
}

/// Has Stripe make a recorded refund, and records the outcome of the refund, the fee and the transfer. As long as Stripe has not booked
/// the payment, the refund stays planned.
///
/// # Errors
/// If DynamoDB fails, or the outcome stays unknown: the refund then stays planned, and the next caller finds it.
pub async fn give_back(app: &App, stripe: &Gateway, subscription: &mut Subscription, invoice: &str, number: u32) -> Result<(), Error> {
    if !subscription.is_of_stack(&app.config.stack_id) {
        return Ok(());
    }
    learn_booking(app, stripe, subscription, invoice, number).await?;
    let Some(request) = subscription.refund_request(invoice, number) else { return Ok(()) };
    let state = stripe.refund_member(subscription, &request, app.clock.now()).await?;
    for round in 0..TRIES {
        let refusal = refusal(app, subscription, invoice, number, &state);
        subscription.observe_asked(invoice, number, &state);
        // Reading it takes long enough for another event to be written. In the end the outcome alone is recorded, and events bring the rest.
        if round + 1 < TRIES
            && let Some(id) = subscription.stripe_id.clone()
            && let Some(seen) = Box::pin(stripe.see_subscription(subscription, &id, Some(&request.payment_intent))).await?
        {
            subscription.observe(&Observation::Seen(Box::new(seen)), app.clock.now());
        }
        subscription.plan(app.config.take_back_lost_disputes, app.clock.now());
        let written = match refusal {
            Some(entry) => app.store.write_subscription_by_staff(subscription, &entry).await?,
            None => app.store.write_subscription(subscription, None).await?,
        };
        if written == Written::Yes {
            tracing::info!(subscription_id = %subscription.id, invoice, number, ?state, "member refunded");
            return Ok(());
        }
        let gone = || Error::Internal(format!("the subscription {} is gone", subscription.id));
        *subscription = app.store.subscription(&subscription.id).await?.ok_or_else(gone)?;
    }
    Err(Error::SubscriptionInProgress)
}

/// Asks Stripe whether it has booked the payment that a refund returns, unless that is known.
async fn learn_booking(app: &App, stripe: &Gateway, subscription: &mut Subscription, invoice: &str, number: u32) -> Result<(), Error> {
    for _ in 0..TRIES {
        let unbooked = subscription.unbooked(invoice, number).map(str::to_owned);
        let (Some(payment_intent), Some(id)) = (unbooked, subscription.stripe_id.clone()) else { return Ok(()) };
        let seen = Box::pin(stripe.see_subscription(subscription, &id, Some(&payment_intent))).await?;
        let Some(seen) = seen.filter(|seen| seen.payments != subscription.payments) else { return Ok(()) };
        let now = app.clock.now();
        subscription.observe(&Observation::Seen(Box::new(seen)), now);
        subscription.plan(app.config.take_back_lost_disputes, now);
        if app.store.write_subscription(subscription, None).await? == Written::Yes {
            return Ok(());
        }
        let gone = || Error::Internal(format!("the subscription {} is gone", subscription.id));
        *subscription = app.store.subscription(&subscription.id).await?.ok_or_else(gone)?;
    }
    Err(Error::SubscriptionInProgress)
}

/// What the audit log says if Stripe refused a refund that staff had asked for, unless it says so already.
fn refusal(app: &App, subscription: &Subscription, invoice: &str, number: u32, state: &AskedState) -> Option<Entry> {
    let AskedState::Refused(code) = state else { return None };
    let asked = subscription.asked_of(invoice).find(|asked| asked.number == number)?;
    let deed = Deed::MembershipRefundRefused {
        subscription_id: subscription.id.clone(),
        refund: number,
        amount: Price { amount: asked.amount, currency: subscription.currency },
        code: code.clone(),
    };
    let by = Actor::Staff { id: asked.by.clone() };
    let is_news = asked.by_staff && asked.state.is_planned();
    is_news.then(|| Entry::new(&by, &subscription.seller_id, deed, app.clock.now(), &app.entropy))
}

/// Applies a `change` that needs no answer from Stripe and writes the result, rereading
/// and retrying if another write came first. Returns whether anything changed.
///
/// # Errors
/// If DynamoDB fails; [`Error::SubscriptionInProgress`] if concurrent writes keep winning.
async fn change(
    app: &App,
    subscription: &mut Subscription,
    change: impl Fn(&mut Subscription, OffsetDateTime) -> bool,
) -> Result<bool, Error> {
    for _ in 0..TRIES {
        let now = app.clock.now();
        if !change(subscription, now) {
            return Ok(false);
        }
        subscription.plan(app.config.take_back_lost_disputes, now);
        if app.store.write_subscription(subscription, None).await? == Written::Yes {
            return Ok(true);
        }
        let gone = || Error::Internal(format!("the subscription {} is gone", subscription.id));
        *subscription = app.store.subscription(&subscription.id).await?.ok_or_else(gone)?;
    }
    Err(Error::SubscriptionInProgress)
}

/// Carries out the moves planned after disputes, in sequence, and records each outcome before the next: one Stripe call and one DynamoDB
/// trip each. `wanted` selects them; the others wait. A move whose outcome stays unknown keeps its key, so the next caller finds it.
///
/// # Errors
/// The first unknown outcome, after the other moves were tried.
pub async fn carry_out(app: &App, stripe: &Gateway, subscription: &mut Subscription, wanted: impl Fn(&Move) -> bool) -> Result<(), Error> {
    if !subscription.is_of_stack(&app.config.stack_id) {
        return Ok(());
    }
    let (mut tried, mut unknown): (Vec<u32>, Option<StripeError>) = Default::default();
    loop {
        let next = subscription.moves().find(|one| one.state.is_planned() && !tried.contains(&one.number) && wanted(one));
        let Some((number, is_refused)) = next.map(|one| (one.number, !one.may_be_at_stripe())) else { break };
        tried.push(number);
        // A refused move is retried under a new key. Before it is sent, the record says that it may be at Stripe.
        if is_refused && !change(app, subscription, |subscription, now| subscription.try_again(number, now)).await? {
            continue;
        }
        let (Some(planned), Some(request)) = (subscription.find_move(number).cloned(), subscription.move_request(number)) else { continue };
        match stripe.move_members_money(subscription, &planned, &request, app.clock.now()).await {
            Ok(outcome) => {
                change(app, subscription, |subscription, now| subscription.observe_move(number, &outcome, now)).await?;
                tracing::info!(subscription_id = %subscription.id, number, amount = planned.amount, ?outcome, "a member's money moved");
            }
            Err(error) => {
                tracing::warn!(subscription_id = %subscription.id, number, %error, "it is unknown whether a member's money moved");
                unknown.get_or_insert(error);
            }
        }
    }
    unknown.map_or(Ok(()), |error| Err(error.into()))
}
