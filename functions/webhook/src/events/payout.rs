//! `payout.*`: payouts from a seller's or the platform's balance to a bank. They
//! concern no purchase. The account's owner must fix a failed one at Stripe.

use shared::base::metrics::{self, Unit};
use shared::domain::error::Error;
use shared::store::findings::Found;
use shared::stripe::webhook::Event;
use shared::work::Services;

/// The payout arrived. <https://docs.stripe.com/api/events/types#event_types-payout.paid>
///
/// # Errors
/// Never.
pub fn paid(event: &Event) -> Result<(), Error> {
    count(event, "paid")
}

/// The payout failed. <https://docs.stripe.com/api/events/types#event_types-payout.failed>
///
/// Staff and the seller are notified, because somebody is waiting for the money: two DynamoDB trips.
///
/// # Errors
/// If Stripe must send the event again.
pub async fn failed(services: &Services, event: &Event) -> Result<(), Error> {
    let payout = &event.data.object;
    let text = |name: &str| payout[name].as_str().unwrap_or_default().to_owned();
    let (store, id) = (&services.app.store, text("id"));
    let found = Found::PayoutFailed {
        payout: id.clone(),
        account: event.account.clone(),
        currency: text("currency"),
        amount: payout["amount"].as_i64().unwrap_or(0),
        reason: text("failure_code"),
    };
    let seller = match &event.account {
        Some(account) if !id.is_empty() => store.owner_of_account(account).await?,
        _ => None,
    };
    store.payout_failed(&found, &id, seller, services.app.clock.now()).await?;
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
