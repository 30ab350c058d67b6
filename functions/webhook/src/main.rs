//! `POST /webhooks/stripe`, `POST /webhooks/stripe/connect`: what Stripe tells us.

use webhook::Webhook;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    shared::base::log::init();
    let webhook = Webhook::from_env().await?;
    shared::http::serve(|request| webhook::handle(&webhook, request)).await
}
