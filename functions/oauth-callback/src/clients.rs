//! What the function needs, created once when it starts.

use std::sync::Arc;

use shared::app::App;
use shared::cloud::aws;
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
    /// Reads the settings from the environment and fetches both secrets in parallel. Meanwhile it connects.
    ///
    /// # Errors
    /// If a setting or a secret cannot be used.
    pub async fn from_env() -> Result<Self, lambda_http::Error> {
        let app = App::from_env()?;
        app.connect(&[&app.config.stripe_connect_base, &app.config.stripe_api_base]);
        let secrets = aws::secrets_manager(&app.aws, aws::endpoint("SECRETS_MANAGER"));
        let stripe = Gateway::from_secret(&app, secrets.clone());
        let token_keys = Rotating::read(secrets, app.config.token_keys_secret_arn.clone(), app.clock.clone());
        let (stripe, token_keys) = tokio::try_join!(stripe, token_keys)?;
        Ok(Self { app, stripe, token_keys: Arc::new(token_keys) })
    }
}
