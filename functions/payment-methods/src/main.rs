//! `/users/me/payment-methods`: a buyer's saved cards.

use shared::work::Services;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    shared::base::log::init();
    let services = Services::from_env().await?;
    shared::http::serve(&services.app.config, |request| payment_methods::handle(&services, request)).await
}
