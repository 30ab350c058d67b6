//! Finds and mends what requests and webhooks have missed, on a schedule.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use lambda_runtime::{Context, LambdaEvent, service_fn};
use reconcile::Reconcile;
use serde::de::IgnoredAny;

/// What is left of a run's time when it stops, to finish what it is at.
const MARGIN: Duration = Duration::from_secs(45);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    shared::log::init();
    let reconcile = Reconcile::from_env().await?;
    lambda_runtime::run(service_fn(|event: LambdaEvent<IgnoredAny>| {
        let work = reconcile::run(&reconcile, until(&event.context));
        async move { work.await.map_err(|error| lambda_runtime::Error::from(error.to_string())) }
    }))
    .await
}

fn until(context: &Context) -> Instant {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Instant::now() + Duration::from_millis(context.deadline).saturating_sub(now).saturating_sub(MARGIN)
}
