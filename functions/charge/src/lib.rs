//! `POST /courses/charge`: sells one course to the signed-in user, once.
//!
//! The files follow the request: [`charge`] decides, [`begin`] asks Stripe for the first time, [`resume`] goes on
//! with what an earlier request began, [`outcome`] records what Stripe said and answers.

pub mod begin;
pub mod charge;
pub mod outcome;
pub mod resume;

use std::time::Duration;

use shared::app::App;
use shared::error::Error;
use shared::http::{Request, Response, answer};
use shared::stripe::Gateway;

/// What the function is made with.
#[derive(Clone, Debug)]
pub struct Charge {
    /// Settings and the table.
    pub app: App,
    /// Stripe.
    pub stripe: Gateway,
}

impl Charge {
    /// From the environment; fetches Stripe's keys.
    ///
    /// # Errors
    /// Where a setting or the secret cannot be used.
    pub async fn from_env() -> Result<Self, lambda_http::Error> {
        let app = App::from_env()?;
        let stripe = Gateway::from_env(&app).await?;
        Ok(Self { app, stripe })
    }
}

/// How long Stripe may take in all. API Gateway waits 30 seconds, and the outcome must be recorded before.
const STRIPE_TIME: Duration = Duration::from_secs(22);

/// Answers a request.
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
