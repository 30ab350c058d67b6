//! `payout.*`: a seller's, or the platform's, money on its way to a bank. No purchase knows of it; a failed one is for
//! its owner to mend, at Stripe.

use shared::error::Error;
use shared::metrics::{self, Unit};
use shared::stripe::webhook::Event;

/// It arrived. <https://docs.stripe.com/api/events/types#event_types-payout.paid>
///
/// # Errors
/// Never.
pub fn paid(event: &Event) -> Result<(), Error> {
    count(event, "paid")
}

/// The bank sent it back. <https://docs.stripe.com/api/events/types#event_types-payout.failed>
///
/// # Errors
/// Never.
pub fn failed(event: &Event) -> Result<(), Error> {
    count(event, "failed")
}

fn count(event: &Event, outcome: &str) -> Result<(), Error> {
    let (payout, account) = (event.data.object["id"].as_str().unwrap_or_default(), event.account.as_deref().unwrap_or("platform"));
    tracing::info!(
        event_id = event.id,
        payout,
        account,
        outcome,
        failure = event.data.object["failure_code"].as_str(),
        "a payout has ended"
    );
    metrics::emit("Payouts", Unit::Count, 1.0, &[("Outcome", outcome)], &[("payout", payout), ("account", account)]);
    Ok(())
}
