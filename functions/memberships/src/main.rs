//! `/sellers/{id}/membership` and `/subscriptions`: memberships and their subscribers.

use memberships::Memberships;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    shared::base::log::init();
    let memberships = Memberships::from_env().await?;
    shared::http::serve(|request| memberships::handle(&memberships, request)).await
}
