//! `POST /purchases/{id}/refund`: refunds a purchase.

use shared::work::Services;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    shared::base::log::init();
    let services = Services::from_env().await?;
    shared::http::serve(|request| refunds::handle(&services, request)).await
}
