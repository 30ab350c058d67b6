//! Reconciliation: what a request could not finish and no webhook told is found and mended here, on a schedule.
//!
//! Four jobs, in this order: [`stuck`] purchases and movements are asked for at Stripe, and so are [`subscriptions`]; [`orphans`], payments at
//! Stripe that are not on record, are recorded or given back; and the [`books`] of each hour are held against Stripe's, and what they lack is
//! asked for and taken in ([`repair`]). Each does a bounded piece of work, writes down how far it came, and goes on there next time. Two
//! runs at once do no harm: what is mended is mended under the same keys and versions as everywhere else.

pub mod accounts;
pub mod books;
pub mod orphans;
pub mod repair;
pub mod stuck;
pub mod subscriptions;

use std::time::Instant;

use serde::Serialize;
use shared::app::App;
use shared::error::Error;
use shared::metrics::{self, Unit};
use shared::store::Written;
use shared::store::reconciliation::Progress;
use shared::stripe::Gateway;

/// What the function is made with.
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
    /// Purchases and subscriptions that were due and looked at.
    pub checked: u32,
    /// Those of them that went on, and purchases that Stripe's books knew more of.
    pub repaired: u32,
    /// Payments that were put on record.
    pub recorded: u32,
    /// Payments that were given back or canceled, because nothing was bought with them.
    pub returned: u32,
    /// Hours whose books were compared.
    pub hours: u32,
    /// Lines that differed.
    pub differences: u32,
}

/// One run, until then at the latest.
///
/// # Errors
/// Where DynamoDB fails. What Stripe does not answer is left to the next run.
pub async fn run(reconcile: &Reconcile, until: Instant) -> Result<Report, Error> {
    let mut report = Report::default();
    stuck::run(reconcile, until, &mut report).await?;
    subscriptions::run(reconcile, until, &mut report).await?;

    let mut progress = reconcile.app.store.progress().await?.unwrap_or_else(|| Progress::begin(reconcile.app.clock.now()));
    let jobs = async {
        orphans::run(reconcile, until, &mut progress, &mut report).await?;
        accounts::run(reconcile, until, &mut progress, &mut report).await?;
        books::run(reconcile, until, &mut progress, &mut report).await
    };
    let finished = jobs.await;

    for (name, value) in
        [("ReconcileRepairs", report.repaired + report.recorded + report.returned), ("ReconcileDifferences", report.differences)]
    {
        metrics::emit(name, Unit::Count, f64::from(value), &[], &[]);
    }
    tracing::info!(?report, "reconciled");
    finished.map(|()| report)
}

/// What the history of a purchase names as the cause of what a run changed.
fn cause(reconcile: &Reconcile) -> String {
    format!("reconcile:{}", reconcile.app.clock.now().unix_timestamp())
}

/// Writes down how far it came. Says whether it may go on: where another run is at work as well, that one does.
async fn save(reconcile: &Reconcile, progress: &mut Progress) -> Result<bool, Error> {
    Ok(reconcile.app.store.save_progress(progress).await? == Written::Yes)
}
