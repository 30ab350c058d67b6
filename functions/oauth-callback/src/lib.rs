//! Links to Stripe accounts: `GET /users/oauth/callback` creates one, `POST /users/oauth/confirm` completes one that
//! awaits confirmation, `DELETE /users/me/stripe` removes it.

pub mod callback;
pub mod confirm;
pub mod disconnect;

use std::sync::Arc;

use lambda_http::http::Method;
use shared::app::App;
use shared::cloud::aws;
use shared::domain::error::Error;
use shared::http::{Request, Response, answer, request};
use shared::settings::rotating::Rotating;
use shared::settings::secrets::TokenKeys;
use shared::stripe::Gateway;

/// The function's dependencies.
#[derive(Clone, Debug)]
pub struct OAuthCallback {
    /// Settings and the DynamoDB table.
    pub app: App,
    /// The Stripe client.
    pub stripe: Gateway,
    /// The keys that seal the tokens.
    pub token_keys: Arc<Rotating<TokenKeys>>,
}

impl OAuthCallback {
    /// Reads the settings from the environment and fetches both secrets in parallel.
    ///
    /// # Errors
    /// If a setting or a secret cannot be used.
    pub async fn from_env() -> Result<Self, lambda_http::Error> {
        let app = App::from_env()?;
        let secrets = aws::secrets_manager(&app.aws, aws::endpoint("SECRETS_MANAGER"));
        let stripe = Gateway::from_secret(&app, secrets.clone());
        let token_keys = Rotating::read(secrets, app.config.token_keys_secret_arn.clone(), app.clock.clone());
        let (stripe, token_keys) = tokio::try_join!(stripe, token_keys)?;
        Ok(Self { app, stripe, token_keys: Arc::new(token_keys) })
    }
}

/// Handles a request.
pub async fn handle(oauth: &OAuthCallback, request: Request) -> Response {
    let segments = request::segments(&request);
    let path: Vec<&str> = segments.iter().map(String::as_str).collect();
    match (request.method(), path.as_slice()) {
        // Never a problem document: the browser must return to the storefront in every case.
        (&Method::GET, ["users", "oauth", "callback"]) => answer(&request, async { Ok(callback::callback(oauth, &request).await) }).await,
        (&Method::POST, ["users", "oauth", "confirm"]) => answer(&request, confirm::confirm(oauth, &request)).await,
        (&Method::DELETE, ["users", "me", "stripe"]) => answer(&request, disconnect::disconnect(oauth, &request)).await,
        _ => answer(&request, async { Err(Error::NotFound("address")) }).await,
    }
}
