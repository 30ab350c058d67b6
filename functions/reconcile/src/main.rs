//! Finds and repairs what requests and webhooks have missed, on a schedule.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use lambda_runtime::{Context, LambdaEvent, service_fn};
use reconcile::Asked;
use shared::work::Services;

/// A run stops this long before its timeout, to finish what it has started.
const MARGIN: Duration = Duration::from_secs(45);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    shared::base::log::init();
    let services = Services::from_env().await?;
    let services = Services { stripe: services.stripe.paced(), ..services };
    lambda_runtime::run(service_fn(|event: LambdaEvent<Asked>| {
        let work = reconcile::handle(&services, event.payload, until(&event.context));
        async move { work.await.map_err(|error| lambda_runtime::Error::from(error.to_string())) }
    }))
    .await
}

fn until(context: &Context) -> Instant {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let left = Duration::from_millis(context.deadline).saturating_sub(now);
    Instant::now() + left.saturating_sub(MARGIN.min(left / 2))
}
