//! Everything that follows from a payment, an invoice or a card setup.

use crate::engine::billing::attached;
use crate::engine::billing::invoices;
use crate::engine::billing::subscriptions;
use crate::engine::checkout;
use crate::engine::checkout_subscribe;
use crate::events::context::After;

/// The table of consequences. The engine consults it exactly where something happens, so that events keep their order.
pub(crate) static AFTER: After = After {
    paid: &[checkout::complete, invoices::payment_succeeded, attached::payment_succeeded],
    processing: &[checkout::processing, checkout_subscribe::processing, subscriptions::processing],
    failed: &[checkout::payment_failed, invoices::payment_failed, checkout_subscribe::payment_failed],
    authentication_wanted: &[invoices::action_required],
    set_up: &[checkout::complete_setup],
    invoice_paid: &[subscriptions::invoice_paid],
    invoice_failed: &[subscriptions::invoice_failed],
    subscribed: &[checkout_subscribe::complete],
};
