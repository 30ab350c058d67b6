//! `POST /purchases/{id}/refund`: refunds a buyer at the request of the course's seller or of staff.
//!
//! This is a separate function because reading purchases needs neither Stripe's keys nor the time to fetch them.

mod refund;

use std::time::Duration;

use lambda_http::http::Method;
use shared::app::App;
use shared::domain::error::Error;
use shared::http::{Request, Response, answer, request};
use shared::stripe::Gateway;

/// The function's dependencies.
#[derive(Clone, Debug)]
pub struct Refunds {
    /// Settings and the DynamoDB table.
    pub app: App,
    /// The Stripe client.
    pub stripe: Gateway,
}

impl Refunds {
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
pub async fn handle(refunds: &Refunds, request: Request) -> Response {
    answer(&request, async {
        let path = request::segments(&request);
        match (request.method(), path.iter().map(String::as_str).collect::<Vec<_>>().as_slice()) {
            (&Method::POST, ["purchases", id, "refund"]) => {
                let refunds = Refunds { app: refunds.app.clone(), stripe: refunds.stripe.within(STRIPE_TIME) };
                refund::refund(&refunds, &request, id).await
            }
            (_, ["purchases", _, "refund"]) => Err(Error::MethodNotAllowed),
            _ => Err(Error::NotFound("address")),
        }
    })
    .await
}
