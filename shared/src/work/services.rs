//! What a function that calls Stripe needs.

use std::time::Duration;

use crate::app::App;
use crate::stripe::Gateway;

/// The time limit for all Stripe calls of a request. API Gateway waits 30 seconds, and the outcome must be recorded before that.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html>
const REQUEST_TIME: Duration = Duration::from_secs(22);

/// Settings, the table and Stripe, created once when the function starts.
#[derive(Clone, Debug)]
pub struct Services {
    /// Settings and the DynamoDB table.
    pub app: App,
    /// The Stripe client.
    pub stripe: Gateway,
}

impl Services {
    /// Reads the settings from the environment and fetches Stripe's keys. Meanwhile it connects.
    ///
    /// # Errors
    /// If a setting or the secret cannot be used.
    pub async fn from_env() -> Result<Self, lambda_http::Error> {
        let app = App::from_env()?;
        app.connect(&[&app.config.stripe_api_base]);
        let stripe = Gateway::from_env(&app).await?;
        Ok(Self { app, stripe })
    }

    /// The same for one request, whose Stripe calls must end in time for its answer.
    #[must_use]
    pub fn for_request(&self) -> Self {
        Self { app: self.app.clone(), stripe: self.stripe.within(REQUEST_TIME) }
    }
}
