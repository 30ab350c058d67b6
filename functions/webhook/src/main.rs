//! `POST /webhooks/stripe`, `POST /webhooks/stripe/connect`: Stripe's events.

use shared::work::Services;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    shared::base::log::init();
    let services = Services::from_env().await?;
    shared::http::serve_directly(|request| webhook::handle(&services, request)).await
}
