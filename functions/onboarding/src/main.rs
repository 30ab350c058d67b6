//! `/users/me/stripe`: a seller's Stripe account, from its creation to its balance.

use onboarding::Onboarding;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    shared::base::log::init();
    let onboarding = Onboarding::from_env().await?;
    shared::http::serve(|request| onboarding::handle(&onboarding, request)).await
}
