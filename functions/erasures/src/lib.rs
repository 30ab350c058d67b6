//! Has Stripe forget who erased their account: their customers are deleted, and with them the saved cards.
//!
//! `DELETE /users/me` erases the person here at once, in one transaction that leaves the ids of their customers behind, whatever
//! Stripe does. Here each of them is deleted, on the platform and on the accounts that charged the person directly, and with them
//! those that Stripe made for a request that died before it was on record. To delete is to do it once, so that a lost answer, a
//! killed run or two runs at once do no harm; what could not be deleted waits and is tried again, longer each time, and holds up
//! nobody else's. What was paid stays at Stripe and can be refunded.

use std::time::Instant;

use serde::Serialize;
use shared::app::App;
use shared::error::Error;
use shared::store::Written;
use shared::store::erasures::{Customer, Erasure};
use shared::store::page::Page;
use shared::stripe::Gateway;
use shared::stripe::error::StripeError;
use shared::user::PLATFORM;
use time::Duration;

/// How many erasures a run reads.
const PER_RUN: i32 = 50;

/// How long a payment that is under way is waited for: Stripe finds it by its customer. The reconciliation ends each within a
/// day and some minutes.
const FOR_PAYMENTS: Duration = Duration::days(2);

/// How long to wait before looking again; twice as long each time that something fails, and at most a day.
const PAUSE: Duration = Duration::minutes(15);

/// How long an account that took its access away, or a Stripe that refuses, is tried.
const PERSISTENCE: Duration = Duration::days(30);

/// What the function is made with.
#[derive(Clone, Debug)]
pub struct Erasures {
    /// Settings and the table.
    pub app: App,
    /// Stripe.
    pub stripe: Gateway,
}

impl Erasures {
    /// From the environment; fetches Stripe's keys.
    ///
    /// # Errors
    /// Where a setting or the secret cannot be used.
    pub async fn from_env() -> Result<Self, lambda_runtime::Error> {
        let app = App::from_env()?;
        let stripe = Gateway::from_env(&app).await?;
        Ok(Self { app, stripe })
    }
}

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Persons of whom Stripe knows nothing more.
    pub done: u32,
    /// Those that are looked at again.
    pub waiting: u32,
    /// Those of whom something is left at Stripe for good.
    pub given_up: u32,
}

/// One run, until then at the latest.
///
/// # Errors
/// Where DynamoDB fails. What Stripe does not do is left to the next run.
pub async fn run(erasures: &Erasures, until: Instant) -> Result<Report, Error> {
    let (app, mut report) = (&erasures.app, Report::default());
    for mut erasure in app.store.due_erasures(app.clock.now(), PER_RUN).await? {
        if Instant::now() >= until {
            break;
        }
        carry_out(erasures, &mut erasure, until).await?;
        // Somebody left another customer meanwhile: that is looked at the next time, with what is left of the others.
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

/// Deletes what can be deleted, and says when to look again.
async fn carry_out(erasures: &Erasures, erasure: &mut Erasure, until: Instant) -> Result<(), Error> {
    let (app, user) = (&erasures.app, erasure.user_id.clone());
    let now = app.clock.now();
    if now - erasure.at < FOR_PAYMENTS && has_open_payments(app, erasure).await? {
        erasure.due_at = Some(now + PAUSE);
        return Ok(());
    }

    for place in std::mem::take(&mut erasure.places) {
        if Instant::now() >= until || !search(erasures, erasure, &place).await {
            erasure.places.push(place);
        }
    }
    let mut left = Vec::new();
    for customer in std::mem::take(&mut erasure.customers) {
        if Instant::now() >= until {
            left.push(customer);
            continue;
        }
        match erasures.stripe.delete_customer(&customer.id, connected(&customer.account)).await {
            Ok(()) => tracing::info!(user_id = %user, account = customer.account, "the customer is deleted"),
            Err(error) => {
                let revoked = matches!(error, StripeError::AccountRevoked);
                tracing::warn!(user_id = %user, account = customer.account, revoked, %error, "the customer is not deleted yet");
                left.push(customer);
            }
        }
    }
    erasure.customers = left;
    erasure.tries += 1;
    let wait = (PAUSE * 2_i32.pow(erasure.tries.min(7) - 1)).min(Duration::days(1));
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

/// Adds the customers on an account that nobody remembered. Whether that was all.
async fn search(erasures: &Erasures, erasure: &mut Erasure, place: &str) -> bool {
    match erasures.stripe.search_customers(&erasure.user_id, connected(place)).await {
        Ok((found, has_more)) => {
            for id in found {
                let customer = Customer { account: place.to_owned(), id };
                if !erasure.customers.contains(&customer) {
                    tracing::warn!(user_id = %erasure.user_id, account = place, "a customer that was not on record");
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

/// Whether the person has a payment under way, which may have been made at Stripe without anybody having heard of it.
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
