//! `POST /purchases/{id}/refund`: gives money back.

use refunds::Refunds;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    shared::log::init();
    let refunds = Refunds::from_env().await?;
    shared::http::serve(|request| refunds::handle(&refunds, request)).await
}
