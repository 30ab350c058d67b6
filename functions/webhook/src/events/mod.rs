//! One file per kind of object, one function per event, named after it.

pub mod account;
pub mod capability;
pub mod charge;
pub mod checkout_session;
pub mod dispute;
pub mod invoice;
pub mod payment_intent;
pub mod payment_method;
pub mod payout;
pub mod refund;
pub mod subscription;
pub mod transfer;

use std::collections::HashMap;

use serde::de::DeserializeOwned;
use shared::error::Error;
use shared::ids::{PurchaseId, SubscriptionId};
use shared::metrics::{self, Unit};
use shared::purchase::{MovementKind, Purchase};
use shared::settlement;
use shared::store::Written;
use shared::store::events::EventMark;
use shared::store::purchases::OfPayment;
use shared::stripe::objects::PaymentIntent;
use shared::stripe::webhook::Event;
use time::OffsetDateTime;

use self::subscription::Look;
use crate::Webhook;

/// How often a purchase that others write as well is read again before Stripe is asked to come back.
const TRIES: usize = 8;

/// Hands an event to its handler. One that is not known is no error: Stripe has many. It is counted.
///
/// # Errors
/// Where the event must come again.
pub async fn dispatch(webhook: &Webhook, event: &Event) -> Result<(), Error> {
    match event.kind.as_str() {
        "account.application.deauthorized" => account::application_deauthorized(webhook, event).await,
        "account.updated" => account::updated(webhook, event).await,
        "capability.updated" => capability::updated(webhook, event).await,
        "charge.dispute.closed" => dispute::closed(webhook, event).await,
        "charge.dispute.created" => dispute::created(webhook, event).await,
        "charge.dispute.funds_reinstated" => dispute::funds_reinstated(webhook, event).await,
        "charge.dispute.funds_withdrawn" => dispute::funds_withdrawn(webhook, event).await,
        "charge.dispute.updated" => dispute::updated(webhook, event).await,
        "charge.refunded" => charge::refunded(webhook, event).await,
        "checkout.session.async_payment_failed" => checkout_session::async_payment_failed(webhook, event).await,
        "checkout.session.async_payment_succeeded" => checkout_session::async_payment_succeeded(webhook, event).await,
        "checkout.session.completed" => checkout_session::completed(webhook, event).await,
        "checkout.session.expired" => checkout_session::expired(webhook, event).await,
        "customer.subscription.created" => Box::pin(subscription::created(webhook, event)).await,
        "customer.subscription.deleted" => Box::pin(subscription::deleted(webhook, event)).await,
        "customer.subscription.updated" => Box::pin(subscription::updated(webhook, event)).await,
        "invoice.paid" => Box::pin(invoice::paid(webhook, event)).await,
        "invoice.payment_failed" => Box::pin(invoice::payment_failed(webhook, event)).await,
        "payment_intent.canceled" => payment_intent::canceled(webhook, event).await,
        "payment_intent.payment_failed" => payment_intent::payment_failed(webhook, event).await,
        "payment_intent.processing" => payment_intent::processing(webhook, event).await,
        "payment_intent.requires_action" => payment_intent::requires_action(webhook, event).await,
        "payment_intent.succeeded" => payment_intent::succeeded(webhook, event).await,
        "payment_method.attached" => payment_method::attached(webhook, event).await,
        "payout.failed" => payout::failed(event),
        "payout.paid" => payout::paid(event),
        "refund.created" => refund::created(webhook, event).await,
        "refund.failed" => refund::failed(webhook, event).await,
        "refund.updated" => refund::updated(webhook, event).await,
        "transfer.created" => transfer::created(webhook, event).await,
        "transfer.reversed" => transfer::reversed(webhook, event).await,
        kind => {
            tracing::info!(event_id = event.id, kind, "the event is of no interest");
            metrics::emit("WebhookUnknownType", Unit::Count, 1.0, &[], &[("kind", kind)]);
            Ok(())
        }
    }
}

/// The event's object. One that cannot be read will not become readable by coming again.
fn object<T: DeserializeOwned>(event: &Event) -> Result<T, Error> {
    serde_json::from_value(event.data.object.clone()).map_err(|error| Error::MalformedJson(error.to_string()))
}

/// How an event says which purchase it is about.
#[derive(Clone, Debug)]
enum Subject {
    /// By the purchase's id, in our metadata.
    Purchase(PurchaseId),
    /// By its PaymentIntent.
    Payment(String),
    /// Not at all.
    Nothing,
}

impl Subject {
    fn of(metadata: &HashMap<String, String>, payment_intent: Option<&str>) -> Self {
        let named = metadata.get("purchase_id").and_then(|id| id.parse().ok());
        match (named, payment_intent) {
            (Some(id), _) => Self::Purchase(id),
            (None, Some(payment_intent)) => Self::Payment(payment_intent.to_owned()),
            (None, None) => Self::Nothing,
        }
    }
}

/// Lets an event change its purchase: one read, then one transaction with the event's mark. Two DynamoDB trips; a third where
/// the event names a PaymentIntent that was not known to be paid, and a call to Stripe where it was not known at all: the event
/// may have overtaken all else that tells of the payment, and does not come again.
///
/// `change` says whether the event changed anything; it runs again on what others wrote in the meantime. What follows
/// from the change is planned in the same transaction and carried out after it: transfers and reversals, a call to Stripe
/// and a trip each. Where that fails, it stays planned, and the reconciliation goes on with it.
async fn change_purchase(
    webhook: &Webhook,
    event: &Event,
    subject: Subject,
    change: impl Fn(&mut Purchase, &str, OffsetDateTime) -> bool,
) -> Result<(), Error> {
    let (app, store) = (&webhook.app, &webhook.app.store);
    let cause = format!("event:{}", event.id);
    for _ in 0..TRIES {
        let Read { purchase, handled, unheard, subscription } = read(webhook, event, &subject).await?;
        if handled {
            return Ok(());
        }
        if let (Some(id), Subject::Payment(payment_intent)) = (subscription, &subject) {
            return Box::pin(subscription::follow(webhook, event, &id, Look::Payment(payment_intent), |_| ())).await;
        }
        let Some(mut purchase) = purchase else {
            tracing::info!(event_id = event.id, kind = event.kind, ?subject, "the event is about no purchase on record");
            return Ok(());
        };
        let id = purchase.id.clone();
        // A seller's account must not speak for another's purchase, or for the platform's.
        if !purchase.attempts().iter().any(|attempt| attempt.account == event.account) {
            tracing::warn!(event_id = event.id, purchase_id = %id, account = event.account, "the event is of another account than its purchase");
            return Ok(());
        }
        let now = app.clock.now();
        let mark = EventMark { id: event.id.clone(), kind: event.kind.clone(), at: now };
        let heard = unheard.is_some_and(|payment_intent| payment_intent.tell(&mut purchase, &cause, now));
        let changed = change(&mut purchase, &cause, now) || heard;
        let planned = purchase.plan(app.config.take_back_lost_disputes, &cause, now);
        let written =
            if changed || planned { store.write_outcome(&mut purchase, Some(&mark)).await? } else { store.mark_handled(&mark).await? };
        if written == Written::Yes {
            tracing::info!(event_id = event.id, kind = event.kind, purchase_id = %id, status = ?purchase.status(), changed, "event handled");
            carry_out(webhook, &mut purchase, &cause).await;
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
    /// The payment that names the purchase, where only Stripe knew it.
    unheard: Option<PaymentIntent>,
    /// The subscription, where the payment is one of its invoices'.
    subscription: Option<SubscriptionId>,
}

async fn read(webhook: &Webhook, event: &Event, subject: &Subject) -> Result<Read, Error> {
    let store = &webhook.app.store;
    let (id, unheard) = match subject {
        Subject::Nothing => return Ok(Read::default()),
        Subject::Purchase(id) => (id.clone(), None),
        Subject::Payment(payment_intent) => match store.payment_for_event(payment_intent, &event.id).await? {
            (_, true) => return Ok(Read { handled: true, ..Read::default() }),
            (Some(OfPayment::Known(id)), _) => (id, None),
            (Some(OfPayment::Paid(purchase)), _) => return Ok(Read { purchase: Some(*purchase), ..Read::default() }),
            (Some(OfPayment::Subscription(id)), _) => return Ok(Read { subscription: Some(id), ..Read::default() }),
            (None, _) => {
                let found = webhook.stripe.payment_intent(payment_intent, event.account.as_deref()).await?;
                let Some(found) = found else { return Ok(Read::default()) };
                let Subject::Purchase(id) = Subject::of(&found.metadata, None) else { return Ok(Read::default()) };
                (id, Some(found))
            }
        },
    };
    let (purchase, handled) = store.purchase_for_event(&id, &event.id).await?;
    Ok(Read { purchase, handled, unheard, subscription: None })
}

/// Refunds are left to the request that asked for them, and to the reconciliation.
async fn carry_out(webhook: &Webhook, purchase: &mut Purchase, cause: &str) {
    let wanted = |purchase: &Purchase, number: u32| {
        purchase.movement(number).is_some_and(|movement| movement.kind != MovementKind::Refund && movement.may_be_at_stripe())
    };
    if let Err(error) = settlement::carry_out(&webhook.app, &webhook.stripe, purchase, cause, wanted).await {
        tracing::warn!(purchase_id = %purchase.id, %error, "what is planned is left to the reconciliation");
    }
}
