//! `GET`, `POST /users/authorize`: sends a seller to Stripe.

use authorize::Authorize;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    shared::log::init();
    let authorize = Authorize::from_env().await?;
    shared::http::serve(|request| authorize::handle(&authorize, request)).await
}
