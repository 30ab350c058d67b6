//! The life of a link to a Stripe account: `GET /users/oauth/callback` makes it, `POST /users/oauth/confirm` makes
//! one that waited, `DELETE /users/me/stripe` ends it.

pub mod callback;
pub mod confirm;
pub mod disconnect;

use std::sync::Arc;

use lambda_http::http::Method;
use shared::app::App;
use shared::aws;
use shared::error::Error;
use shared::http::{Request, Response, answer, request};
use shared::rotating::Rotating;
use shared::secrets::TokenKeys;
use shared::stripe::Gateway;

/// What the function is made with.
#[derive(Clone, Debug)]
pub struct OAuthCallback {
    /// Settings and the table.
    pub app: App,
    /// Stripe.
    pub stripe: Gateway,
    /// What seals the tokens.
    pub token_keys: Arc<Rotating<TokenKeys>>,
}

impl OAuthCallback {
    /// From the environment; fetches both secrets side by side.
    ///
    /// # Errors
    /// Where a setting or a secret cannot be used.
    pub async fn from_env() -> Result<Self, lambda_http::Error> {
        let app = App::from_env()?;
        let secrets = aws::secrets_manager(&app.aws, aws::endpoint("SECRETS_MANAGER"));
        let stripe = Gateway::from_secret(&app, secrets.clone());
        let token_keys = Rotating::read(secrets, app.config.token_keys_secret_arn.clone(), app.clock.clone());
        let (stripe, token_keys) = tokio::try_join!(stripe, token_keys)?;
        Ok(Self { app, stripe, token_keys: Arc::new(token_keys) })
    }
}

/// Answers a request.
pub async fn handle(oauth: &OAuthCallback, request: Request) -> Response {
    let segments = request::segments(&request);
    let path: Vec<&str> = segments.iter().map(String::as_str).collect();
    match (request.method(), path.as_slice()) {
        // Never a problem document: whatever comes, the browser goes back to the storefront.
        (&Method::GET, ["users", "oauth", "callback"]) => answer(&request, async { Ok(callback::callback(oauth, &request).await) }).await,
        (&Method::POST, ["users", "oauth", "confirm"]) => answer(&request, confirm::confirm(oauth, &request)).await,
        (&Method::DELETE, ["users", "me", "stripe"]) => answer(&request, disconnect::disconnect(oauth, &request)).await,
        _ => answer(&request, async { Err(Error::NotFound("address")) }).await,
    }
}
