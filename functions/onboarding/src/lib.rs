//! A seller's Stripe account: `POST /users/me/stripe/onboarding` creates one and links to Stripe's form,
//! `GET /users/me/stripe` shows its state, and `POST /users/me/stripe/dashboard`, `POST /users/me/stripe/session` and
//! `GET /users/me/stripe/balance` are for its owner. <https://docs.stripe.com/connect/hosted-onboarding>

pub mod balance;
pub mod dashboard;
mod link;
pub mod make;
pub mod onboard;
pub mod session;
pub mod show;
pub mod view;

use lambda_http::http::Method;
use shared::domain::error::Error;
use shared::http::{Request, Response, answer, request};
use shared::work::Services;

/// Handles a request.
pub async fn handle(services: &Services, request: Request) -> Response {
    let segments = request::segments(&request);
    let path: Vec<&str> = segments.iter().map(String::as_str).collect();
    answer(&request, async {
        match (request.method(), path.as_slice()) {
            (&Method::GET, ["users", "me", "stripe"]) => show::show(services, &request).await,
            (&Method::POST, ["users", "me", "stripe", "onboarding"]) => onboard::onboard(services, &request).await,
            (&Method::POST, ["users", "me", "stripe", "dashboard"]) => dashboard::dashboard(services, &request).await,
            (&Method::POST, ["users", "me", "stripe", "session"]) => session::session(services, &request).await,
            (&Method::GET, ["users", "me", "stripe", "balance"]) => balance::balance(services, &request).await,
            _ => Err(Error::NotFound("address")),
        }
    })
    .await
}
