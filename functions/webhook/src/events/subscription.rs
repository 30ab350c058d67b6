//! `customer.subscription.*`. Such events overtake each other and those of invoices: each only says that there is something to see,
//! and Stripe is asked how the subscription stands now.

use shared::error::Error;
use shared::ids::SubscriptionId;
use shared::membership::{Observation, Subscription};
use shared::store::Written;
use shared::store::events::EventMark;
use shared::stripe::billing::{StripeSubscription, named};
use shared::stripe::error::StripeError;
use shared::stripe::objects::CheckoutSession;
use shared::stripe::webhook::Event;

use super::{TRIES, object};
use crate::Webhook;

/// It began, or waits for its first payment.
/// <https://docs.stripe.com/api/events/types#event_types-customer.subscription.created>
///
/// # Errors
/// Where the event must come again.
pub async fn created(webhook: &Webhook, event: &Event) -> Result<(), Error> {
    as_it_stands(webhook, event).await
}

/// It was renewed, switched, owes, or is about to end.
/// <https://docs.stripe.com/api/events/types#event_types-customer.subscription.updated>
///
/// # Errors
/// Where the event must come again.
pub async fn updated(webhook: &Webhook, event: &Event) -> Result<(), Error> {
    as_it_stands(webhook, event).await
}

/// It has ended.
/// <https://docs.stripe.com/api/events/types#event_types-customer.subscription.deleted>
///
/// # Errors
/// Where the event must come again.
pub async fn deleted(webhook: &Webhook, event: &Event) -> Result<(), Error> {
    as_it_stands(webhook, event).await
}

async fn as_it_stands(webhook: &Webhook, event: &Event) -> Result<(), Error> {
    let told: StripeSubscription = object(event)?;
    // One without our metadata is another program's.
    let Some(id) = named(&told.metadata) else { return Ok(()) };
    follow(webhook, event, &id, Look::Stripe(&told.id), |_| ()).await
}

/// The same of hosted Checkout: the buyer has subscribed there, or did not in time.
///
/// # Errors
/// Where the event must come again.
pub(super) async fn of_session(webhook: &Webhook, event: &Event, session: &CheckoutSession) -> Result<(), Error> {
    let Some(id) = named(&session.metadata) else { return Ok(()) };
    follow(webhook, event, &id, Look::Session(&session.id), |_| ()).await
}

/// Where to look for what an event tells of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Look<'a> {
    /// At the subscription, `sub_…`.
    Stripe(&'a str),
    /// At the Checkout Session, `cs_…`, that asks for it.
    Session(&'a str),
    /// At what was given back of a payment, `pi_…`.
    Payment(&'a str),
}

/// Has an event's subscription taken in as Stripe has it now: one read, calls to Stripe for the subscription, its invoices and what
/// was given back of the newest, and one transaction with the event's mark. Where another write came first, all of it again: so what
/// is written was always asked after what is on record. `note` adds what only the event tells.
///
/// # Errors
/// Where the event must come again.
pub(super) async fn follow(
    webhook: &Webhook,
    event: &Event,
    id: &SubscriptionId,
    look: Look<'_>,
    note: impl Fn(&mut Subscription),
) -> Result<(), Error> {
    let (app, store) = (&webhook.app, &webhook.app.store);
    for _ in 0..TRIES {
        let (subscription, handled) = store.subscription_for_event(id, &event.id).await?;
        if handled {
            return Ok(());
        }
        let Some(mut subscription) = subscription else {
            tracing::info!(event_id = event.id, kind = event.kind, subscription_id = %id, "the event is about no subscription on record");
            return Ok(());
        };
        // A seller's account must not speak for another's subscription, or for the platform's.
        if subscription.account != event.account {
            tracing::warn!(event_id = event.id, subscription_id = %id, account = event.account, "the event is of another account than its subscription");
            return Ok(());
        }
        let now = app.clock.now();
        match see(webhook, &mut subscription, look).await {
            Ok(Some(observation)) => subscription.observe(&observation, now),
            Ok(None) => {
                tracing::info!(event_id = event.id, kind = event.kind, subscription_id = %id, "the event is about another subscription");
                return Ok(());
            }
            // The event will not come again. The reconciliation looks until the account is linked again.
            Err(StripeError::AccountRevoked) => subscription.is_unread = true,
            Err(error) => return Err(error.into()),
        }
        note(&mut subscription);
        let mark = EventMark { id: event.id.clone(), kind: event.kind.clone(), at: now };
        if store.write_subscription(&mut subscription, Some(&mark)).await? == Written::Yes {
            tracing::info!(event_id = event.id, kind = event.kind, subscription_id = %id, status = ?subscription.status, "event handled");
            return Ok(());
        }
    }
    Err(Error::Internal(format!("the subscription of the event {} changes too fast", event.id)))
}

async fn see(webhook: &Webhook, subscription: &mut Subscription, look: Look<'_>) -> Result<Option<Observation>, StripeError> {
    let stripe = &webhook.stripe;
    let (stripe_id, payment) = match (look, subscription.stripe_id.clone()) {
        // Whoever owns the account can name one of ours in another's metadata.
        (Look::Stripe(told), Some(known)) if told != known => return Ok(None),
        (Look::Stripe(told), _) => (told.to_owned(), None),
        (Look::Payment(payment), Some(known)) => (known, Some(payment)),
        (Look::Payment(_), None) => return Ok(None),
        (Look::Session(told), None) if subscription.checkout_session.as_deref().is_none_or(|known| known == told) => {
            subscription.checkout_session = Some(told.to_owned());
            let heard = stripe.find_subscription(subscription, webhook.app.clock.now()).await?;
            return Ok(Some(heard.observation));
        }
        (Look::Session(_), Some(known)) => (known, None),
        (Look::Session(_), None) => return Ok(None),
    };
    let seen = stripe.see_subscription(subscription, &stripe_id, payment).await?;
    Ok(seen.map(|seen| Observation::Seen(Box::new(seen))))
}
