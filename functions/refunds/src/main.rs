//! `POST /purchases/{id}/refund`: refunds a purchase.

use refunds::Refunds;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    shared::base::log::init();
    let refunds = Refunds::from_env().await?;
    shared::http::serve(|request| refunds::handle(&refunds, request)).await
}
