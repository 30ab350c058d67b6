//! A seller's Stripe account: `POST /users/me/stripe/onboarding` creates one and links to Stripe's form,
//! `GET /users/me/stripe` shows its state, and `POST /users/me/stripe/dashboard` and `GET /users/me/stripe/balance` are
//! for its owner. <https://docs.stripe.com/connect/hosted-onboarding>

pub mod balance;
pub mod dashboard;
pub mod make;
pub mod onboard;
pub mod show;
pub mod view;

use lambda_http::http::Method;
use shared::app::App;
use shared::domain::error::Error;
use shared::domain::user::{StripeLink, User};
use shared::http::{Request, Response, answer, request};
use shared::stripe::Gateway;

/// The function's dependencies.
#[derive(Clone, Debug)]
pub struct Onboarding {
    /// Settings and the DynamoDB table.
    pub app: App,
    /// The Stripe client.
    pub stripe: Gateway,
}

impl Onboarding {
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

/// Handles a request.
pub async fn handle(onboarding: &Onboarding, request: Request) -> Response {
    let segments = request::segments(&request);
    let path: Vec<&str> = segments.iter().map(String::as_str).collect();
    answer(&request, async {
        match (request.method(), path.as_slice()) {
            (&Method::GET, ["users", "me", "stripe"]) => show::show(onboarding, &request).await,
            (&Method::POST, ["users", "me", "stripe", "onboarding"]) => onboard::onboard(onboarding, &request).await,
            (&Method::POST, ["users", "me", "stripe", "dashboard"]) => dashboard::dashboard(onboarding, &request).await,
            (&Method::GET, ["users", "me", "stripe", "balance"]) => balance::balance(onboarding, &request).await,
            _ => Err(Error::NotFound("address")),
        }
    })
    .await
}

/// The seller's linked account.
fn link_of(user: &User) -> Result<&StripeLink, Error> {
    if !user.is_seller {
        return Err(Error::NotASeller);
    }
    user.stripe.as_ref().ok_or(Error::NotConnected)
}
