//! `GET /users/oauth/callback` and what follows from it: the life of a link to a Stripe account.

use oauth_callback::OAuthCallback;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    shared::log::init();
    let oauth = OAuthCallback::from_env().await?;
    shared::http::serve(|request| oauth_callback::handle(&oauth, request)).await
}
