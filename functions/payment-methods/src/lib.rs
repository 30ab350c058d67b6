//! `/users/me/payment-methods`: the cards that the platform keeps for a buyer, who can pay any seller with them.
//!
//! Stripe stores the cards with the buyer's customer on the platform; only their ids are stored here. Card details and the
//! default are read from Stripe each time, because banks renew cards without any request.

mod cards;
mod save;

use std::time::Duration;

use lambda_http::http::Method;
use shared::app::App;
use shared::domain::error::Error;
use shared::http::{Request, Response, answer, request};
use shared::stripe::Gateway;

/// The function's dependencies.
#[derive(Clone, Debug)]
pub struct PaymentMethods {
    /// Settings and the DynamoDB table.
    pub app: App,
    /// The Stripe client.
    pub stripe: Gateway,
}

impl PaymentMethods {
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

/// The time limit for all Stripe calls of a request: API Gateway waits 30 seconds.
const STRIPE_TIME: Duration = Duration::from_secs(22);

/// Handles a request.
pub async fn handle(payment_methods: &PaymentMethods, request: Request) -> Response {
    let this = PaymentMethods { app: payment_methods.app.clone(), stripe: payment_methods.stripe.within(STRIPE_TIME) };
    answer(&request, route(&this, &request)).await
}

async fn route(this: &PaymentMethods, request: &Request) -> Result<Response, Error> {
    let path = request::segments(request);
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match (request.method(), path.as_slice()) {
        (&Method::GET, ["users", "me", "payment-methods"]) => cards::list(this, request).await,
        (&Method::POST, ["users", "me", "payment-methods"]) => save::save(this, request).await,
        (&Method::PATCH, ["users", "me", "payment-methods", id]) => cards::change(this, request, id).await,
        (&Method::DELETE, ["users", "me", "payment-methods", id]) => cards::remove(this, request, id).await,
        (_, ["users", "me", "payment-methods"] | ["users", "me", "payment-methods", _]) => Err(Error::MethodNotAllowed),
        _ => Err(Error::NotFound("address")),
    }
}
