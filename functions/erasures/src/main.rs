//! Deletes erased users' customers at Stripe, on a schedule.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use lambda_runtime::{Context, LambdaEvent, service_fn};
use serde::de::IgnoredAny;
use shared::work::Services;

/// The time to reserve at the end of a run: enough for one customer for whom Stripe does not answer.
const MARGIN: Duration = Duration::from_secs(20);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    shared::base::log::init();
    let services = Services::from_env().await?;
    lambda_runtime::run(service_fn(|event: LambdaEvent<IgnoredAny>| {
        let work = erasures::run(&services, until(&event.context));
        async move { work.await.map_err(|error| lambda_runtime::Error::from(error.to_string())) }
    }))
    .await
}

fn until(context: &Context) -> Instant {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let left = Duration::from_millis(context.deadline).saturating_sub(now);
    Instant::now() + left.saturating_sub(MARGIN.min(left / 2))
}
