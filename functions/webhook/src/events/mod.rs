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

use crate::Webhook;

type Handler = for<'a> fn(&'a Webhook, &'a Event) -> Pin<Box<dyn Future<Output = Result<(), Error>> + Send + 'a>>;

/// A type of event that is handled.
#[derive(Clone, Copy, Debug)]
pub struct Handled {
    /// As Stripe names it. <https://docs.stripe.com/api/events/types>
    pub name: &'static str,
    /// Whether only connected accounts have it, so that it is sent only to the Connect endpoint.
    pub connect_only: bool,
    handler: Handler,
}

const fn on_any(name: &'static str, handler: Handler) -> Handled {
    Handled { name, connect_only: false, handler }
}

const fn on_connected(name: &'static str, handler: Handler) -> Handled {
    Handled { name, connect_only: true, handler }
}

/// All handled events, for any account or only for connected accounts.
pub const EVENTS: &[Handled] = &[
    on_connected("account.application.deauthorized", |webhook, event| Box::pin(account::application_deauthorized(webhook, event))),
    on_connected("account.updated", |webhook, event| Box::pin(account::updated(webhook, event))),
    on_connected("capability.updated", |webhook, event| Box::pin(capability::updated(webhook, event))),
    on_any("charge.dispute.closed", |webhook, event| Box::pin(dispute::closed(webhook, event))),
    on_any("charge.dispute.created", |webhook, event| Box::pin(dispute::created(webhook, event))),
    on_any("charge.dispute.funds_reinstated", |webhook, event| Box::pin(dispute::funds_reinstated(webhook, event))),
    on_any("charge.dispute.funds_withdrawn", |webhook, event| Box::pin(dispute::funds_withdrawn(webhook, event))),
    on_any("charge.dispute.updated", |webhook, event| Box::pin(dispute::updated(webhook, event))),
    on_any("charge.refunded", |webhook, event| Box::pin(charge::refunded(webhook, event))),
    on_any("charge.updated", |webhook, event| Box::pin(charge::updated(webhook, event))),
    on_any("checkout.session.async_payment_failed", |webhook, event| Box::pin(checkout_session::async_payment_failed(webhook, event))),
    on_any("checkout.session.async_payment_succeeded", |webhook, event| {
        Box::pin(checkout_session::async_payment_succeeded(webhook, event))
    }),
    on_any("checkout.session.completed", |webhook, event| Box::pin(checkout_session::completed(webhook, event))),
    on_any("checkout.session.expired", |webhook, event| Box::pin(checkout_session::expired(webhook, event))),
    on_any("customer.subscription.created", |webhook, event| Box::pin(subscription::created(webhook, event))),
    on_any("customer.subscription.deleted", |webhook, event| Box::pin(subscription::deleted(webhook, event))),
    on_any("customer.subscription.updated", |webhook, event| Box::pin(subscription::updated(webhook, event))),
    on_any("invoice.paid", |webhook, event| Box::pin(invoice::paid(webhook, event))),
    on_any("invoice.payment_action_required", |webhook, event| Box::pin(invoice::payment_action_required(webhook, event))),
    on_any("invoice.payment_failed", |webhook, event| Box::pin(invoice::payment_failed(webhook, event))),
    on_any("payment_intent.canceled", |webhook, event| Box::pin(payment_intent::canceled(webhook, event))),
    on_any("payment_intent.payment_failed", |webhook, event| Box::pin(payment_intent::payment_failed(webhook, event))),
    on_any("payment_intent.processing", |webhook, event| Box::pin(payment_intent::processing(webhook, event))),
    on_any("payment_intent.requires_action", |webhook, event| Box::pin(payment_intent::requires_action(webhook, event))),
    on_any("payment_intent.succeeded", |webhook, event| Box::pin(payment_intent::succeeded(webhook, event))),
    on_any("payment_method.attached", |webhook, event| Box::pin(payment_method::attached(webhook, event))),
    on_any("payout.failed", |webhook, event| Box::pin(payout::failed(webhook, event))),
    on_any("payout.paid", |_, event| Box::pin(async { payout::paid(event) })),
    on_any("refund.created", |webhook, event| Box::pin(refund::created(webhook, event))),
    on_any("refund.failed", |webhook, event| Box::pin(refund::failed(webhook, event))),
    on_any("refund.updated", |webhook, event| Box::pin(refund::updated(webhook, event))),
    on_any("setup_intent.setup_failed", |webhook, event| Box::pin(setup_intent::setup_failed(webhook, event))),
    on_any("transfer.created", |webhook, event| Box::pin(transfer::created(webhook, event))),
    on_any("transfer.reversed", |webhook, event| Box::pin(transfer::reversed(webhook, event))),
];

/// Passes an event to its handler. An unknown type is counted but is no error, because Stripe has many.
///
/// # Errors
/// If Stripe must send the event again.
pub async fn dispatch(webhook: &Webhook, event: &Event) -> Result<(), Error> {
    // Every deployment on a Stripe account receives all of the account's events.
    if let Some(stack_id) = stack_of(event).filter(|id| *id != webhook.stripe.stack_id()) {
        tracing::info!(event_id = event.id, kind = event.kind, stack_id, "the event belongs to another deployment");
        return Ok(());
    }
    let Some(handled) = EVENTS.iter().find(|handled| handled.name == event.kind) else {
        tracing::info!(event_id = event.id, kind = event.kind, "the event's type is not handled");
        metrics::emit("WebhookUnknownType", Unit::Count, 1.0, &[], &[("kind", &event.kind)]);
        return Ok(());
    };
    (handled.handler)(webhook, event).await
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
