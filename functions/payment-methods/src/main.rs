//! `/users/me/payment-methods`: a buyer's saved cards.

use payment_methods::PaymentMethods;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    shared::base::log::init();
    let payment_methods = PaymentMethods::from_env().await?;
    shared::http::serve(|request| payment_methods::handle(&payment_methods, request)).await
}
