//! Memberships: sellers' offers and buyers' subscriptions.
//!
//! Subscriptions follow the same rules as purchases: [`subscribe`] decides, [`begin`] records
//! the request and calls Stripe, and [`resume`] continues what an earlier request began.

pub mod answer;
pub mod begin;
mod cards;
mod change;
mod members;
mod offer;
pub mod order;
mod refund;
pub mod resume;
pub mod subscribe;
mod subscriptions;

use std::time::Duration;

use lambda_http::http::Method;
use shared::app::App;
use shared::domain::error::Error;
use shared::http::{Request, Response, answer as answered, request};
use shared::stripe::Gateway;

/// What the function needs.
#[derive(Clone, Debug)]
pub struct Memberships {
    /// Settings and the table.
    pub app: App,
    /// Stripe.
    pub stripe: Gateway,
}

impl Memberships {
    /// From the environment; fetches Stripe's keys.
    ///
    /// # Errors
    /// If a setting or the secret cannot be used.
    pub async fn from_env() -> Result<Self, lambda_http::Error> {
        let app = App::from_env()?;
        let stripe = Gateway::from_env(&app).await?;
        Ok(Self { app, stripe })
    }
}

/// How long Stripe may take in total. API Gateway waits 30 seconds, and the outcome must be recorded before that.
const STRIPE_TIME: Duration = Duration::from_secs(22);

/// Answers a request.
pub async fn handle(memberships: &Memberships, request: Request) -> Response {
    let this = Memberships { app: memberships.app.clone(), stripe: memberships.stripe.within(STRIPE_TIME) };
    answered(&request, route(&this, &request)).await
}

async fn route(this: &Memberships, request: &Request) -> Result<Response, Error> {
    let path = request::segments(request);
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match (request.method(), path.as_slice()) {
        (&Method::GET, ["sellers", id, "membership"]) => offer::show(this, id).await,
        (&Method::POST, ["sellers", id, "membership"]) => offer::put(this, request, id).await,
        (&Method::DELETE, ["sellers", id, "membership"]) => offer::end(this, request, id).await,
        (&Method::POST, ["sellers", id, "membership", "subscribe"]) => Box::pin(subscribe::subscribe(this, request, id)).await,
        (&Method::GET, ["sellers", id, "members"]) => members::list(this, request, id).await,
        (&Method::POST, ["subscriptions", id, "refund"]) => Box::pin(refund::refund(this, request, id)).await,
        (&Method::GET, ["subscriptions"]) => subscriptions::list(this, request).await,
        (&Method::GET, ["subscriptions", id]) => subscriptions::show(this, request, id).await,
        (&Method::POST, ["subscriptions", id, "cancel"]) => Box::pin(change::cancel(this, request, id)).await,
        (&Method::POST, ["subscriptions", id, "resume"]) => Box::pin(change::resume(this, request, id)).await,
        (&Method::POST, ["subscriptions", id, "switch"]) => Box::pin(change::switch(this, request, id)).await,
        (_, ["sellers", _, "membership" | "members"] | ["sellers", _, "membership", "subscribe"])
        | (_, ["subscriptions"] | ["subscriptions", _] | ["subscriptions", _, "cancel" | "resume" | "switch" | "refund"]) => {
            Err(Error::MethodNotAllowed)
        }
        _ => Err(Error::NotFound("address")),
    }
}
