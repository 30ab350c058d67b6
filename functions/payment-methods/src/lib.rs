//! `/users/me/payment-methods`: the cards that a buyer keeps with the platform, and pays any seller with.
//!
//! Stripe keeps the cards, with the buyer's one customer on the platform; here are only their ids. What a card looks
//! like, and which is the default, is asked of Stripe each time: banks renew cards without anybody's request.

mod cards;
mod save;

use std::time::Duration;

use lambda_http::http::Method;
use shared::app::App;
use shared::error::Error;
use shared::http::{Request, Response, answer, request};
use shared::stripe::Gateway;

/// What the function is made with.
#[derive(Clone, Debug)]
pub struct PaymentMethods {
    /// Settings and the table.
    pub app: App,
    /// Stripe.
    pub stripe: Gateway,
}

impl PaymentMethods {
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

/// How long Stripe may take in all: API Gateway waits 30 seconds.
const STRIPE_TIME: Duration = Duration::from_secs(22);

/// Answers a request.
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
