//! Applies an event to its purchase.

use std::collections::HashMap;

use shared::domain::error::Error;
use shared::domain::ids::{PurchaseId, SubscriptionId};
use shared::domain::membership::Subscription;
use shared::domain::purchase::{MovementKind, Purchase};
use shared::store::Written;
use shared::store::events::EventMark;
use shared::store::payments::OfPayment;
use shared::stripe::error::StripeError;
use shared::stripe::objects::PaymentIntent;
use shared::stripe::webhook::Event;
use shared::work::Services;
use shared::work::settlement;
use time::OffsetDateTime;

use super::event::TRIES;
use super::subscription::{self, Look};

/// How an event identifies its purchase.
#[derive(Clone, Debug)]
pub(super) enum Subject {
    /// By the purchase's id in our metadata; also by its PaymentIntent if the event's object is another one.
    Purchase(PurchaseId, Option<String>),
    /// By its PaymentIntent.
    Payment(String),
    /// Not at all.
    Nothing,
}

impl Subject {
    pub(super) fn of(metadata: &HashMap<String, String>, payment_intent: Option<&str>) -> Self {
        let named = metadata.get("purchase_id").and_then(|id| id.parse().ok());
        match (named, payment_intent) {
            (Some(id), payment_intent) => Self::Purchase(id, payment_intent.map(str::to_owned)),
            (None, Some(payment_intent)) => Self::Payment(payment_intent.to_owned()),
            (None, None) => Self::Nothing,
        }
    }
}

/// Applies an event to its purchase: one read, then one transaction with the event's mark. Two DynamoDB trips; a third if the
/// event only names a PaymentIntent that is not on record as paid. If nothing on record has the PaymentIntent, also one Stripe
/// call (if the event names its purchase, only while that awaits a payment): the event may have overtaken all others about it.
///
/// `change` returns whether the event changed anything; if another write came first, it runs again on the new
/// record. What follows from the change is planned in the same transaction and carried out afterwards: transfers and
/// reversals, one Stripe call and one trip each. If that fails, it stays planned, and the reconciliation continues. A payment that failed
/// in the buyer's browser is withdrawn, for one call and one trip more.
pub(super) async fn change_purchase(
    services: &Services,
    event: &Event,
    subject: Subject,
    change: impl Fn(&mut Purchase, &str, OffsetDateTime) -> bool,
) -> Result<(), Error> {
    change_sold(services, event, subject, change, |_| ()).await
}

/// The same for an event that says something about a membership's payment, too, which Stripe's objects do not: `note` adds it.
pub(super) async fn change_sold(
    services: &Services,
    event: &Event,
    subject: Subject,
    change: impl Fn(&mut Purchase, &str, OffsetDateTime) -> bool,
    note: impl Fn(&mut Subscription),
) -> Result<(), Error> {
    let (app, store) = (&services.app, &services.app.store);
    let cause = format!("event:{}", event.id);
    for _ in 0..TRIES {
        let Read { purchase, handled, unheard, subscription } = whose(services, event, &subject).await?;
        if handled {
            return Ok(());
        }
        if let (Some(id), Subject::Payment(payment_intent)) = (subscription, &subject) {
            return Box::pin(subscription::follow(services, event, &id, Look::Payment(payment_intent), note)).await;
        }
        let Some(mut purchase) = purchase else {
            tracing::info!(event_id = event.id, kind = event.kind, ?subject, "the event's purchase is not on record");
            return Ok(());
        };
        let id = purchase.id.clone();
        if !purchase.is_of_stack(&app.config.stack_id) {
            tracing::warn!(event_id = event.id, purchase_id = %id, "the event is about another deployment's purchase");
            return Ok(());
        }
        // A seller's account must not report on another seller's purchase, or on the platform's.
        if !purchase.attempts().iter().any(|attempt| attempt.account == event.account) {
            tracing::warn!(event_id = event.id, purchase_id = %id, account = event.account, "the event is from another account than its purchase");
            return Ok(());
        }
        let now = app.clock.now();
        let mark = EventMark { id: event.id.clone(), kind: event.kind.clone(), at: now };
        let place = services.stripe.place(event.account.as_deref());
        let heard = unheard.is_some_and(|payment_intent| payment_intent.tell(&mut purchase, &place, &cause, now));
        let changed = change(&mut purchase, &cause, now) || heard;
        let planned = purchase.plan(app.config.take_back_lost_disputes, &cause, now);
        let written =
            if changed || planned { store.write_outcome(&mut purchase, Some(&mark)).await? } else { store.mark_handled(&mark).await? };
        if written == Written::Yes {
            tracing::info!(event_id = event.id, kind = event.kind, purchase_id = %id, status = ?purchase.status(), changed, "event handled");
            carry_out(services, &mut purchase, &cause).await;
            return Ok(());
        }
    }
    Err(Error::Internal(format!("the purchase of the event {} changes too fast", event.id)))
}

/// What an event is about.
#[derive(Default)]
struct Read {
    purchase: Option<Purchase>,
    /// Whether the event was handled already.
    handled: bool,
    /// The payment that names the purchase, if only Stripe knew that.
    unheard: Option<PaymentIntent>,
    /// The subscription, if the payment belongs to one of its invoices.
    subscription: Option<SubscriptionId>,
}

async fn whose(services: &Services, event: &Event, subject: &Subject) -> Result<Read, Error> {
    let store = &services.app.store;
    let mut named = None;
    let id = match subject {
        Subject::Nothing => return Ok(Read::default()),
        Subject::Purchase(id, payment_intent) => {
            let (purchase, handled) = store.purchase_for_event(id, &event.id).await?;
            // An attempt whose outcome is not recorded yet may have created it.
            let is_new =
                |id: &&String| purchase.as_ref().is_some_and(|one| one.awaits_payment() && one.find_attempt(Some(id), None).is_none());
            let Some(payment_intent) = payment_intent.as_ref().filter(is_new).filter(|_| !handled) else {
                return Ok(Read { purchase, handled, ..Read::default() });
            };
            named = Some(purchase);
            Err(payment_intent)
        }
        Subject::Payment(payment_intent) => match store.payment_for_event(payment_intent, &event.id).await? {
            (_, true) => return Ok(Read { handled: true, ..Read::default() }),
            (Some(OfPayment::Known(id)), _) => Ok(id),
            (Some(OfPayment::Paid(purchase)), _) => return Ok(Read { purchase: Some(*purchase), ..Read::default() }),
            (Some(OfPayment::Subscription(id)), _) => return Ok(Read { subscription: Some(id), ..Read::default() }),
            (None, _) => Err(payment_intent),
        },
    };
    let (id, unheard) = match id {
        Ok(id) => (id, None),
        Err(payment_intent) => {
            let unheard = payment(services, event, payment_intent).await?;
            if let Some(purchase) = named {
                return Ok(Read { purchase, unheard, ..Read::default() });
            }
            let Some(found) = unheard else { return Ok(Read::default()) };
            let Subject::Purchase(id, _) = Subject::of(&found.metadata, None) else { return Ok(Read::default()) };
            (id, Some(found))
        }
    };
    let (purchase, handled) = store.purchase_for_event(&id, &event.id).await?;
    Ok(Read { purchase, handled, unheard, subscription: None })
}

/// Returns an event's payment as Stripe has it now. `None` if it belongs to another deployment,
/// or if the account has revoked the platform's access: then it cannot be determined, and Stripe
/// will not send the event again. What happened in the meantime is read once the account is linked
/// again.
pub(super) async fn payment(services: &Services, event: &Event, id: &str) -> Result<Option<PaymentIntent>, Error> {
    let found = match services.stripe.payment_intent(id, event.account.as_deref()).await {
        Err(StripeError::AccountRevoked) => None,
        found => found?,
    };
    Ok(found.filter(|found| !services.stripe.is_anothers(&found.metadata)))
}

/// Refunds are left to the request that made them and to the reconciliation.
async fn carry_out(services: &Services, purchase: &mut Purchase, cause: &str) {
    // Before the browser tries the next card on it. A request that holds the attempt withdraws it itself.
    if purchase.can_be_confirmed_again()
        && purchase.attempt().leased_until <= services.app.clock.now()
        && let Err(error) = Box::pin(settlement::withdraw(&services.app, &services.stripe, purchase, cause)).await
    {
        tracing::warn!(purchase_id = %purchase.id, %error, "the failed payment is left to the reconciliation");
    }
    let wanted = |purchase: &Purchase, number: u32| {
        purchase.movement(number).is_some_and(|movement| movement.kind != MovementKind::Refund && movement.may_be_at_stripe())
    };
    if let Err(error) = settlement::carry_out(&services.app, &services.stripe, purchase, cause, wanted).await {
        tracing::warn!(purchase_id = %purchase.id, %error, "planned movements are left to the reconciliation");
    }
}
