//! `POST /purchases/{id}/refund`: gives a buyer money back, on the word of the course's seller or of the staff.
//!
//! A function of its own: reading purchases needs neither Stripe's keys nor the time to fetch them.

mod refund;

use std::time::Duration;

use lambda_http::http::Method;
use shared::app::App;
use shared::error::Error;
use shared::http::{Request, Response, answer, request};
use shared::stripe::Gateway;

/// What the function is made with.
#[derive(Clone, Debug)]
pub struct Refunds {
    /// Settings and the table.
    pub app: App,
    /// Stripe.
    pub stripe: Gateway,
}

impl Refunds {
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
