//! Deletes the Stripe customers of users who erased their accounts, and with them their saved cards, and their progress in courses.
//!
//! `DELETE /users/me` erases the user here in one transaction, independently of Stripe. It leaves the ids of their
//! customers behind, and this function deletes those at Stripe: on the platform, on the accounts that charged the
//! user directly, and customers that Stripe created for a request that ended before storing them. Deleting is
//! idempotent, so lost answers, killed runs and concurrent runs do no harm. A customer that cannot be deleted is
//! retried after increasing waits, and does not hold up other users'. Payments stay at Stripe and can be refunded.

use std::time::Instant;

use serde::Serialize;
use shared::app::App;
use shared::domain::charging::PLATFORM;
use shared::domain::error::Error;
use shared::store::Written;
use shared::store::erasures::{Customer, Erasure};
use shared::store::page::Page;
use shared::stripe::error::StripeError;
use shared::work::Services;
use time::Duration;

/// How many erasures one run reads.
const PER_RUN: i32 = 50;

/// How long to wait for open payments, which Stripe finds by their customer.
/// The reconciliation ends each of them within a day and a few minutes.
const FOR_PAYMENTS: Duration = Duration::days(2);

/// The wait before the next try. It doubles with each try, up to 16 hours.
const PAUSE: Duration = Duration::minutes(15);

/// How long to keep trying if an account has revoked access or Stripe refuses.
const PERSISTENCE: Duration = Duration::days(30);

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Users who have been erased completely at Stripe.
    pub done: u32,
    /// Users who will be tried again.
    pub waiting: u32,
    /// Users whose data at Stripe could not be erased completely.
    pub given_up: u32,
}

/// Performs one run, which ends at `until` at the latest.
///
/// # Errors
/// If DynamoDB fails. What fails at Stripe is left to the next run.
pub async fn run(services: &Services, until: Instant) -> Result<Report, Error> {
    let (app, mut report) = (&services.app, Report::default());
    for mut erasure in app.store.due_erasures(app.clock.now(), PER_RUN).await? {
        if Instant::now() >= until {
            break;
        }
        carry_out(services, &mut erasure, until).await?;
        // Another customer was added in the meantime; the next run handles it along with what is left.
        let Written::Yes = app.store.write_erasure(&mut erasure).await? else { continue };
        match (erasure.is_done(), erasure.due_at) {
            (true, _) => report.done += 1,
            (false, Some(_)) => report.waiting += 1,
            (false, None) => report.given_up += 1,
        }
    }
    tracing::info!(?report, "erased at Stripe");
    Ok(report)
}

/// Deletes what can be deleted and sets the time of the next try.
async fn carry_out(services: &Services, erasure: &mut Erasure, until: Instant) -> Result<(), Error> {
    let (app, user) = (&services.app, erasure.user_id.clone());
    let now = app.clock.now();
    // By now, requests that could write more of it have ended.
    app.store.forget_reading(&user).await?;
    if now - erasure.at < FOR_PAYMENTS && has_open_payments(app, erasure).await? {
        erasure.due_at = Some(now + PAUSE);
        return Ok(());
    }

    for place in std::mem::take(&mut erasure.places) {
        if Instant::now() >= until || !search(services, erasure, &place).await {
            erasure.places.push(place);
        }
    }
    let mut left = Vec::new();
    for customer in std::mem::take(&mut erasure.customers) {
        if Instant::now() >= until {
            left.push(customer);
            continue;
        }
        match services.stripe.delete_customer(&customer.id, connected(&customer.account)).await {
            Ok(()) => tracing::info!(user_id = %user, account = customer.account, "the customer was deleted"),
            Err(error) => {
                let revoked = matches!(error, StripeError::AccountRevoked);
                tracing::warn!(user_id = %user, account = customer.account, revoked, %error, "the customer is not deleted yet");
                left.push(customer);
            }
        }
    }
    erasure.customers = left;
    erasure.tries += 1;
    let wait = PAUSE * 2_i32.pow(erasure.tries.min(7) - 1);
    let gives_up = now - erasure.at > PERSISTENCE;
    erasure.due_at = (!erasure.is_done() && !gives_up).then_some(now + wait);
    if gives_up && !erasure.is_done() {
        tracing::error!(user_id = %user, "customers of an erased person are left at Stripe");
    }
    Ok(())
}

fn connected(place: &str) -> Option<&str> {
    Some(place).filter(|place| *place != PLATFORM)
}

/// Adds the user's customers on an account that were never stored. Returns whether those were all.
async fn search(services: &Services, erasure: &mut Erasure, place: &str) -> bool {
    match services.stripe.search_customers(&erasure.user_id, connected(place)).await {
        Ok((found, has_more)) => {
            for id in found {
                let customer = Customer { account: place.to_owned(), id };
                if !erasure.customers.contains(&customer) {
                    tracing::warn!(user_id = %erasure.user_id, account = place, "found a customer that was not on record");
                    erasure.customers.push(customer);
                }
            }
            !has_more
        }
        Err(error) => {
            tracing::warn!(user_id = %erasure.user_id, account = place, %error, "Stripe is not asked for customers yet");
            false
        }
    }
}

/// Whether the user has an open payment. It may exist at Stripe without anybody here knowing.
async fn has_open_payments(app: &App, erasure: &Erasure) -> Result<bool, Error> {
    let mut after = None;
    loop {
        let page = app.store.purchases_of(&erasure.user_id, &Page { limit: 100, after }).await?;
        if page.items.iter().any(|purchase| purchase.status().is_open()) {
            return Ok(true);
        }
        after = page.next;
        if after.is_none() {
            return Ok(false);
        }
    }
}
