//! Reconciliation: finds and repairs, on a schedule, what a request could not finish and no webhook reported.
//!
//! Jobs, in this order: withdraw payments whose [`offers`] are no longer valid, every minute; ask Stripe about [`stuck`] purchases
//! and movements; end the memberships of sellers who have left ([`members`]) and ask about due [`subscriptions`]; record or refund
//! [`orphans`], which are payments at Stripe that are not on record; catch up with connected [`accounts`]; and compare the [`books`]
//! of each hour with Stripe's, adding what they lack ([`repair`]). Each job does a limited amount of work, saves its progress and
//! continues there next time. Concurrent runs do no harm, because repairs use the same keys and versions as everything else.

pub mod accounts;
pub mod books;
pub mod members;
pub mod movements;
pub mod offers;
pub mod orphans;
pub mod pages;
pub mod repair;
pub mod stuck;
pub mod subscriptions;

use std::ops::AddAssign;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use shared::app::App;
use shared::base::metrics::{self, Unit};
use shared::domain::error::Error;
use shared::store::Written;
use shared::store::reconciliation::Progress;
use shared::stripe::Gateway;
use time::OffsetDateTime;

/// How many accounts are read side by side. The calls per second are bounded by [`Gateway::paced`].
const SIDE_BY_SIDE: usize = 16;

/// How long after a run's deadline its last calls to Stripe are given up.
const GRACE: Duration = Duration::from_secs(20);

/// What the function needs.
#[derive(Clone, Debug)]
pub struct Reconcile {
    /// Settings and the table.
    pub app: App,
    /// Stripe.
    pub stripe: Gateway,
}

impl Reconcile {
    /// From the environment; fetches Stripe's keys.
    ///
    /// # Errors
    /// If a setting or the secret cannot be used.
    pub async fn from_env() -> Result<Self, lambda_runtime::Error> {
        let app = App::from_env()?;
        let stripe = Gateway::from_env(&app).await?.paced();
        Ok(Self { app, stripe })
    }
}

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Purchases and subscriptions that were due and looked at.
    pub checked: u32,
    /// How many of them changed, and purchases to which Stripe's books added something.
    pub repaired: u32,
    /// Payments that were added to our records.
    pub recorded: u32,
    /// Payments that were refunded or canceled, because nothing was bought with them.
    pub returned: u32,
    /// Hours whose books were compared.
    pub hours: u32,
    /// Lines that differed.
    pub differences: u32,
    /// Connected accounts that were due and read.
    pub accounts: u32,
    /// Connected accounts that could not be read, or whose books could not be compared.
    pub unread: u32,
}

impl AddAssign for Report {
    fn add_assign(&mut self, other: Self) {
        self.checked += other.checked;
        self.repaired += other.repaired;
        self.recorded += other.recorded;
        self.returned += other.returned;
        self.hours += other.hours;
        self.differences += other.differences;
        self.accounts += other.accounts;
        self.unread += other.unread;
    }
}

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
pub async fn handle(reconcile: &Reconcile, asked: Asked, until: Instant) -> Result<Report, Error> {
    match asked.only {
        Some(Only::Offers) => run_offers(reconcile, until).await,
        None => run(reconcile, until).await,
    }
}

async fn run(reconcile: &Reconcile, until: Instant) -> Result<Report, Error> {
    let mut report = Report::default();
    let time_left = until.saturating_duration_since(Instant::now());
    let reconcile = &Reconcile { stripe: reconcile.stripe.within(time_left + GRACE), ..reconcile.clone() };
    offers::run(reconcile, until, &mut report).await?;
    stuck::run(reconcile, until, &mut report).await?;
    members::run(reconcile, until, &mut report).await?;
    subscriptions::run(reconcile, until, &mut report).await?;

    let mut progress = reconcile.app.store.progress().await?.unwrap_or_else(|| Progress::begin(reconcile.app.clock.now()));
    let jobs = async {
        orphans::run(reconcile, until, &mut progress, &mut report).await?;
        // The books keep a quarter of the time.
        let time_left = until.saturating_duration_since(Instant::now());
        accounts::run(reconcile, until - time_left / 4, &mut progress, &mut report).await?;
        books::run(reconcile, until, &mut progress, &mut report).await
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

async fn run_offers(reconcile: &Reconcile, until: Instant) -> Result<Report, Error> {
    let mut report = Report::default();
    offers::run(reconcile, until, &mut report).await?;
    if report != Report::default() {
        tracing::info!(?report, "payments withdrawn");
    }
    Ok(report)
}

/// What could not be finished because the run's time is over. The next run continues.
fn late() -> Error {
    Error::Internal("the run's time is over".to_owned())
}

/// A time in Unix seconds.
fn at(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// The cause that purchases' histories name for changes made by this run.
fn cause(reconcile: &Reconcile) -> String {
    format!("reconcile:{}", reconcile.app.clock.now().unix_timestamp())
}

/// Saves the progress. Returns whether to continue; if another run saved first, that one continues.
async fn save(reconcile: &Reconcile, progress: &mut Progress) -> Result<bool, Error> {
    Ok(reconcile.app.store.save_progress(progress).await? == Written::Yes)
}
