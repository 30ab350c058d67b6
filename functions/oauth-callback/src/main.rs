//! `GET /users/oauth/callback` and the other requests about links to Stripe accounts.

use oauth_callback::OAuthCallback;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    shared::base::log::init();
    let oauth = OAuthCallback::from_env().await?;
    shared::http::serve(&oauth.app.config, |request| oauth_callback::handle(&oauth, request)).await
}
