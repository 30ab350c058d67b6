//! `POST /courses/charge`: sells one course to the signed-in user, once.
//!
//! The files follow the request: [`charge`] decides, [`begin`] makes an attempt at Stripe, [`resume`] continues one that
//! an earlier request began, [`outcome`] records what Stripe said and answers.

pub mod begin;
pub mod charge;
pub mod order;
pub mod outcome;
pub mod resume;

use std::time::Duration;

use shared::app::App;
use shared::domain::error::Error;
use shared::http::{Request, Response, answer};
use shared::stripe::Gateway;

/// The function's dependencies.
#[derive(Clone, Debug)]
pub struct Charge {
    /// Settings and the DynamoDB table.
    pub app: App,
    /// The Stripe client.
    pub stripe: Gateway,
}

impl Charge {
    /// Reads the settings from the environment and fetches Stripe's keys.
    ///
    /// # Errors
    /// If a setting or the secret cannot be used.
    pub async fn from_env() -> Result<Self, lambda_http::Error> {
        let app = App::from_env()?;
        let stripe = Gateway::from_env(&app).await?;
        Ok(Self { app, stripe })
    }
}

/// The time limit for all Stripe calls of a request. API Gateway waits 30 seconds, and the outcome must be recorded before that.
const STRIPE_TIME: Duration = Duration::from_secs(22);

/// Handles a request.
pub async fn handle(charge: &Charge, request: Request) -> Response {
    answer(&request, async {
        if request.method() != lambda_http::http::Method::POST {
            return Err(Error::MethodNotAllowed);
        }
        let charge = Charge { app: charge.app.clone(), stripe: charge.stripe.within(STRIPE_TIME) };
        charge::charge(&charge, &request).await
    })
    .await
}
