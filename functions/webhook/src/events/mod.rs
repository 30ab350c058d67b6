//! The handled events: one file per kind of object, one function per event, named after it.
//!
//! To add an event, add a function to its object's file and a line to
//! [`EVENTS`], from which `make stripe-setup` tells Stripe what to send.

pub mod account;
pub mod capability;
mod change;
pub mod charge;
pub mod checkout_session;
pub mod dispute;
pub mod early_fraud_warning;
mod event;
pub mod invoice;
pub mod payment_intent;
pub mod payment_method;
pub mod payout;
pub mod refund;
pub mod setup_intent;
pub mod subscription;
pub mod transfer;

use std::pin::Pin;

use shared::base::metrics::{self, Unit};
use shared::domain::error::Error;
use shared::stripe::webhook::Event;
use shared::work::Services;

type Handler = for<'a> fn(&'a Services, &'a Event) -> Pin<Box<dyn Future<Output = Result<(), Error>> + Send + 'a>>;

/// Which of Stripe's streams an event comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Snapshots of any account, so both of the platform's and of connected accounts.
    OfAny,
    /// Snapshots that only connected accounts have.
    OfConnected,
    /// Thin events.
    Thin,
}

/// A type of event that is handled.
#[derive(Clone, Copy, Debug)]
pub struct Handled {
    /// As Stripe names it. <https://docs.stripe.com/api/events/types>, <https://docs.stripe.com/api/v2/core/events/event-types>
    pub name: &'static str,
    /// Where it comes from.
    pub stream: Stream,
    handler: Handler,
}

const fn on_any(name: &'static str, handler: Handler) -> Handled {
    Handled { name, stream: Stream::OfAny, handler }
}

const fn on_connected(name: &'static str, handler: Handler) -> Handled {
    Handled { name, stream: Stream::OfConnected, handler }
}

const fn thin(name: &'static str, handler: Handler) -> Handled {
    Handled { name, stream: Stream::Thin, handler }
}

/// All handled events: snapshots of any account or only of connected accounts, and thin ones.
pub const EVENTS: &[Handled] = &[
    on_connected("account.application.deauthorized", |services, event| Box::pin(account::application_deauthorized(services, event))),
    on_connected("account.updated", |services, event| Box::pin(account::updated(services, event))),
    on_connected("capability.updated", |services, event| Box::pin(capability::updated(services, event))),
    on_any("charge.dispute.closed", |services, event| Box::pin(dispute::closed(services, event))),
    on_any("charge.dispute.created", |services, event| Box::pin(dispute::created(services, event))),
    on_any("charge.dispute.funds_reinstated", |services, event| Box::pin(dispute::funds_reinstated(services, event))),
    on_any("charge.dispute.funds_withdrawn", |services, event| Box::pin(dispute::funds_withdrawn(services, event))),
    on_any("charge.dispute.updated", |services, event| Box::pin(dispute::updated(services, event))),
    on_any("charge.refunded", |services, event| Box::pin(charge::refunded(services, event))),
    on_any("charge.updated", |services, event| Box::pin(charge::updated(services, event))),
    on_any("checkout.session.async_payment_failed", |services, event| Box::pin(checkout_session::async_payment_failed(services, event))),
    on_any("checkout.session.async_payment_succeeded", |services, event| {
        Box::pin(checkout_session::async_payment_succeeded(services, event))
    }),
    on_any("checkout.session.completed", |services, event| Box::pin(checkout_session::completed(services, event))),
    on_any("checkout.session.expired", |services, event| Box::pin(checkout_session::expired(services, event))),
    on_any("customer.subscription.created", |services, event| Box::pin(subscription::created(services, event))),
    on_any("customer.subscription.deleted", |services, event| Box::pin(subscription::deleted(services, event))),
    on_any("customer.subscription.updated", |services, event| Box::pin(subscription::updated(services, event))),
    on_any("invoice.paid", |services, event| Box::pin(invoice::paid(services, event))),
    on_any("invoice.payment_action_required", |services, event| Box::pin(invoice::payment_action_required(services, event))),
    on_any("invoice.payment_failed", |services, event| Box::pin(invoice::payment_failed(services, event))),
    on_any("payment_intent.canceled", |services, event| Box::pin(payment_intent::canceled(services, event))),
    on_any("payment_intent.payment_failed", |services, event| Box::pin(payment_intent::payment_failed(services, event))),
    on_any("payment_intent.processing", |services, event| Box::pin(payment_intent::processing(services, event))),
    on_any("payment_intent.requires_action", |services, event| Box::pin(payment_intent::requires_action(services, event))),
    on_any("payment_intent.succeeded", |services, event| Box::pin(payment_intent::succeeded(services, event))),
    on_any("payment_method.attached", |services, event| Box::pin(payment_method::attached(services, event))),
    on_any("payout.failed", |services, event| Box::pin(payout::failed(services, event))),
    on_any("payout.paid", |_, event| Box::pin(async { payout::paid(event) })),
    on_any("radar.early_fraud_warning.created", |services, event| Box::pin(early_fraud_warning::created(services, event))),
    on_any("radar.early_fraud_warning.updated", |services, event| Box::pin(early_fraud_warning::updated(services, event))),
    on_any("refund.created", |services, event| Box::pin(refund::created(services, event))),
    on_any("refund.failed", |services, event| Box::pin(refund::failed(services, event))),
    on_any("refund.updated", |services, event| Box::pin(refund::updated(services, event))),
    on_any("setup_intent.setup_failed", |services, event| Box::pin(setup_intent::setup_failed(services, event))),
    on_any("transfer.created", |services, event| Box::pin(transfer::created(services, event))),
    on_any("transfer.reversed", |services, event| Box::pin(transfer::reversed(services, event))),
    thin("v2.core.account.closed", |services, event| Box::pin(account::updated(services, event))),
    thin("v2.core.account.updated", |services, event| Box::pin(account::updated(services, event))),
    thin("v2.core.account[configuration.merchant].capability_status_updated", |services, event| {
        Box::pin(account::updated(services, event))
    }),
    thin("v2.core.account[configuration.merchant].updated", |services, event| Box::pin(account::updated(services, event))),
    thin("v2.core.account[configuration.recipient].capability_status_updated", |services, event| {
        Box::pin(account::updated(services, event))
    }),
    thin("v2.core.account[configuration.recipient].updated", |services, event| Box::pin(account::updated(services, event))),
    thin("v2.core.account[future_requirements].updated", |services, event| Box::pin(account::updated(services, event))),
    thin("v2.core.account[requirements].updated", |services, event| Box::pin(account::updated(services, event))),
];

/// Passes an event to its handler. An unknown type is counted but is not an error, because Stripe has many.
///
/// # Errors
/// If Stripe must send the event again.
pub async fn dispatch(services: &Services, event: &Event) -> Result<(), Error> {
    // Every deployment on a Stripe account receives all of the account's events.
    if let Some(stack_id) = stack_of(event).filter(|id| *id != services.stripe.stack_id()) {
        tracing::info!(event_id = event.id, kind = event.kind, stack_id, "the event belongs to another deployment");
        return Ok(());
    }
    let Some(handled) = EVENTS.iter().find(|handled| handled.name == event.kind) else {
        tracing::info!(event_id = event.id, kind = event.kind, "the event's type is not handled");
        metrics::emit("WebhookUnknownType", Unit::Count, 1.0, &[], &[("kind", &event.kind)]);
        return Ok(());
    };
    (handled.handler)(services, event).await
}

/// The deployment that created the event's object, if the object says so. Events of accounts are matched by our own link instead.
fn stack_of(event: &Event) -> Option<&str> {
    if event.kind.starts_with("account.") || event.kind.starts_with("capability.") {
        return None;
    }
    let object = &event.data.object;
    let metadata = ["/metadata/stack_id", "/parent/subscription_details/metadata/stack_id"];
    metadata.into_iter().find_map(|path| object.pointer(path)).and_then(|id| id.as_str())
}
