//! Sends the mails of the outbox, for the table's stream and on a schedule, and hears of those that did not arrive.

use lambda_runtime::{LambdaEvent, service_fn};
use notify::{Event, Notify};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    shared::base::log::init();
    let notify = Notify::from_env()?;
    lambda_runtime::run(service_fn(|event: LambdaEvent<Event>| {
        let work = notify::handle(&notify, event.payload);
        async move { work.await.map_err(|error| lambda_runtime::Error::from(error.to_string())) }
    }))
    .await
}
