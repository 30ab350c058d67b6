//! Has Stripe forget who erased their account, on a schedule.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use erasures::Erasures;
use lambda_runtime::{Context, LambdaEvent, service_fn};
use serde::de::IgnoredAny;

/// What is left of a run's time when it begins nothing more: enough for a customer for whom Stripe does not answer.
const MARGIN: Duration = Duration::from_secs(20);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    shared::log::init();
    let erasures = Erasures::from_env().await?;
    lambda_runtime::run(service_fn(|event: LambdaEvent<IgnoredAny>| {
        let work = erasures::run(&erasures, until(&event.context));
        async move { work.await.map_err(|error| lambda_runtime::Error::from(error.to_string())) }
    }))
    .await
}

fn until(context: &Context) -> Instant {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Instant::now() + Duration::from_millis(context.deadline).saturating_sub(now).saturating_sub(MARGIN)
}
