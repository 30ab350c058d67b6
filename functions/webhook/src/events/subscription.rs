//! `customer.subscription.*`. These events and those of invoices can arrive out of order. Each is
//! only a hint that something changed, and Stripe is asked for the subscription's current state.

use shared::domain::error::Error;
use shared::domain::ids::SubscriptionId;
use shared::domain::membership::{EndCause, Move, Observation, Standing, Subscription};
use shared::store::Written;
use shared::store::events::EventMark;
use shared::stripe::billing::{StripeSubscription, named};
use shared::stripe::error::StripeError;
use shared::stripe::objects::CheckoutSession;
use shared::stripe::webhook::Event;
use shared::work::Services;
use shared::work::subscriptions as memberships;

use super::event::{TRIES, object};

/// It started, or is waiting for its first payment.
/// <https://docs.stripe.com/api/events/types#event_types-customer.subscription.created>
///
/// # Errors
/// If Stripe must send the event again.
pub async fn created(services: &Services, event: &Event) -> Result<(), Error> {
    as_it_stands(services, event).await
}

/// It was renewed, switched, became past due, or is set to end.
/// <https://docs.stripe.com/api/events/types#event_types-customer.subscription.updated>
///
/// # Errors
/// If Stripe must send the event again.
pub async fn updated(services: &Services, event: &Event) -> Result<(), Error> {
    as_it_stands(services, event).await
}

/// It ended.
/// <https://docs.stripe.com/api/events/types#event_types-customer.subscription.deleted>
///
/// # Errors
/// If Stripe must send the event again.
pub async fn deleted(services: &Services, event: &Event) -> Result<(), Error> {
    as_it_stands(services, event).await
}

async fn as_it_stands(services: &Services, event: &Event) -> Result<(), Error> {
    let Some(told) = object::<StripeSubscription>(event) else { return Ok(()) };
    // Without our metadata it belongs to another program.
    let Some(id) = named(&told.metadata) else { return Ok(()) };
    follow(services, event, &id, Look::Stripe(&told.id), |_| ()).await
}

/// The same for hosted Checkout: the buyer subscribed there, or the session expired.
///
/// # Errors
/// If Stripe must send the event again.
pub(super) async fn of_session(services: &Services, event: &Event, session: &CheckoutSession) -> Result<(), Error> {
    let Some(id) = named(&session.metadata) else { return Ok(()) };
    follow(services, event, &id, Look::Session(&session.id), |_| ()).await
}

/// What to read at Stripe for an event.
#[derive(Clone, Copy, Debug)]
pub(super) enum Look<'a> {
    /// The subscription, `sub_…`.
    Stripe(&'a str),
    /// The Checkout Session, `cs_…`, that creates it.
    Session(&'a str),
    /// The refunds of a payment, `pi_…`, and its disputes.
    Payment(&'a str),
}

/// Updates an event's subscription from Stripe: one read, calls to Stripe for the subscription, its invoices and the
/// newest one's refunds, and one transaction with the event's mark. What follows from a dispute is planned in that
/// transaction and carried out afterwards: one call and one trip each. If another write came first, all of this repeats,
/// so that a written state was always read from Stripe after the one on record. `note` adds what only the event says.
///
/// # Errors
/// If Stripe must send the event again.
pub(super) async fn follow(
    services: &Services,
    event: &Event,
    id: &SubscriptionId,
    look: Look<'_>,
    note: impl Fn(&mut Subscription),
) -> Result<(), Error> {
    let (app, store) = (&services.app, &services.app.store);
    for _ in 0..TRIES {
        let (subscription, handled) = store.subscription_for_event(id, &event.id).await?;
        if handled {
            return Ok(());
        }
        let Some(mut subscription) = subscription else {
            tracing::info!(event_id = event.id, kind = event.kind, subscription_id = %id, "the event's subscription is not on record");
            return Ok(());
        };
        if !subscription.is_of_stack(&app.config.stack_id) {
            tracing::warn!(event_id = event.id, subscription_id = %id, "the event is about another deployment's subscription");
            return Ok(());
        }
        // A seller's account must not report on another seller's subscription, or on the platform's.
        if subscription.account != event.account {
            tracing::warn!(event_id = event.id, subscription_id = %id, account = event.account, "the event is from another account than its subscription");
            return Ok(());
        }
        let now = app.clock.now();
        match see(services, &mut subscription, look).await {
            Ok(Some(observation)) => subscription.observe(&observation, now),
            Ok(None) => {
                tracing::info!(event_id = event.id, kind = event.kind, subscription_id = %id, "the event is about another subscription");
                return Ok(());
            }
            // Stripe will not send the event again. The reconciliation retries until the account is linked again.
            Err(StripeError::AccountRevoked) => subscription.is_unread = true,
            Err(error) => return Err(error.into()),
        }
        note(&mut subscription);
        // A renewal was drafted or retried. It must not pay a seller who has left.
        if subscription.status.runs() && subscription.owes {
            let seller = store.user(&subscription.seller_id).await?;
            if subscription.standing(seller.as_ref(), &app.config.platform_country) != Standing::GoesOn {
                subscription.end_for(EndCause::Seller, now);
            }
        }
        subscription.plan(app.config.take_back_lost_disputes, now);
        let mark = EventMark { id: event.id.clone(), kind: event.kind.clone(), at: now };
        if store.write_subscription(&mut subscription, Some(&mark)).await? == Written::Yes {
            tracing::info!(event_id = event.id, kind = event.kind, subscription_id = %id, status = ?subscription.status, "event handled");
            if let Err(error) = memberships::carry_out_end(app, &services.stripe, &mut subscription).await {
                tracing::warn!(subscription_id = %id, %error, "the end is left to the reconciliation");
            }
            if let Err(error) = memberships::carry_out(app, &services.stripe, &mut subscription, Move::may_be_at_stripe).await {
                tracing::warn!(subscription_id = %id, %error, "planned moves are left to the reconciliation");
            }
            return Ok(());
        }
    }
    Err(Error::Internal(format!("the subscription of the event {} changes too fast", event.id)))
}

async fn see(services: &Services, subscription: &mut Subscription, look: Look<'_>) -> Result<Option<Observation>, StripeError> {
    let stripe = &services.stripe;
    let (stripe_id, payment) = match (look, subscription.stripe_id.clone()) {
        // The owner of an account can put one of our ids into another subscription's metadata.
        (Look::Stripe(told), Some(known)) if told != known => return Ok(None),
        (Look::Stripe(told), _) => (told.to_owned(), None),
        (Look::Payment(payment), Some(known)) => (known, Some(payment)),
        (Look::Payment(_), None) => return Ok(None),
        (Look::Session(told), None)
            if subscription.is_checkout() && subscription.checkout_session.as_deref().is_none_or(|known| known == told) =>
        {
            // On a connected account, one that is not known yet may be its owner's. The recorded request says which is ours.
            if subscription.account.is_none() {
                subscription.checkout_session = Some(told.to_owned());
            }
            let heard = stripe.find_subscription(subscription, services.app.clock.now()).await?;
            return Ok(Some(heard.observation));
        }
        (Look::Session(_), Some(known)) => (known, None),
        (Look::Session(_), None) => return Ok(None),
    };
    let seen = stripe.see_subscription(subscription, &stripe_id, payment).await?;
    Ok(seen.map(|seen| Observation::Seen(Box::new(seen))))
}
