//! `/sellers/{id}/membership` and `/subscriptions`: memberships and their subscribers.

use shared::work::Services;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    shared::base::log::init();
    let services = Services::from_env().await?;
    shared::http::serve(&services.app.config, |request| memberships::handle(&services, request)).await
}
