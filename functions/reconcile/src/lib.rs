//! Reconciliation: finds and repairs, on a schedule, what a request could not finish and no webhook reported.
//!
//! Jobs, in this order: withdraw payments whose [`offers`] are no longer valid, every minute; ask Stripe about [`stuck`] purchases
//! and movements; end the memberships of sellers who have left ([`members`]) and ask about due [`subscriptions`]; tell Stripe new [`addresses`]; record or refund
//! [`orphans`], which are payments at Stripe that are not on record; catch up with connected [`accounts`]; and compare the [`books`]
//! of each hour with Stripe's, adding what they lack ([`repair`]). Each job does a limited amount of work, saves its progress and
//! continues there next time. Concurrent runs do no harm, because repairs use the same keys and versions as everything else.

pub mod accounts;
pub mod addresses;
pub mod books;
pub mod members;
pub mod movements;
pub mod offers;
pub mod orphans;
pub mod pages;
pub mod repair;
mod run;
pub mod stuck;
pub mod subscriptions;

use std::time::{Duration, Instant};

use serde::Deserialize;
use shared::base::metrics::{self, Unit};
use shared::domain::error::Error;
use shared::store::reconciliation::Progress;
use shared::work::Services;

pub use run::Report;
use run::{SIDE_BY_SIDE, at, cause, late, save};

/// How long after a run's deadline its last calls to Stripe are given up.
const GRACE: Duration = Duration::from_secs(20);

/// What the schedule's event contains.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct Asked {
    /// A single job; all jobs if absent.
    #[serde(default)]
    pub only: Option<Only>,
}

/// A job with its own schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Only {
    /// Withdraws payments for what is no longer sold, every minute, see [`offers`].
    Offers,
}

/// Runs the requested jobs until the deadline.
///
/// # Errors
/// If DynamoDB fails. Stripe's failures are left to the next run.
pub async fn handle(services: &Services, asked: Asked, until: Instant) -> Result<Report, Error> {
    match asked.only {
        Some(Only::Offers) => run_offers(services, until).await,
        None => run(services, until).await,
    }
}

async fn run(services: &Services, until: Instant) -> Result<Report, Error> {
    let mut report = Report::default();
    let time_left = until.saturating_duration_since(Instant::now());
    let services = &Services { stripe: services.stripe.within(time_left + GRACE), ..services.clone() };
    offers::run(services, until, &mut report).await?;
    stuck::run(services, until, &mut report).await?;
    members::run(services, until, &mut report).await?;
    subscriptions::run(services, until, &mut report).await?;
    addresses::run(services, until).await?;

    let mut progress = services.app.store.progress().await?.unwrap_or_else(|| Progress::begin(services.app.clock.now()));
    let jobs = async {
        orphans::run(services, until, &mut progress, &mut report).await?;
        // The books keep a quarter of the time.
        let time_left = until.saturating_duration_since(Instant::now());
        accounts::run(services, until - time_left / 4, &mut progress, &mut report).await?;
        books::run(services, until, &mut progress, &mut report).await
    };
    let finished = jobs.await;

    for (name, value) in [
        ("ReconcileRepairs", report.repaired + report.recorded + report.returned),
        ("ReconcileDifferences", report.differences),
        ("ReconcileAccountsUnread", report.unread),
    ] {
        metrics::emit(name, Unit::Count, f64::from(value), &[], &[]);
    }
    tracing::info!(?report, "reconciled");
    finished.map(|()| report)
}

async fn run_offers(services: &Services, until: Instant) -> Result<Report, Error> {
    let mut report = Report::default();
    offers::run(services, until, &mut report).await?;
    if report != Report::default() {
        tracing::info!(?report, "payments withdrawn");
    }
    Ok(report)
}
