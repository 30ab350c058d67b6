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

use lambda_http::http::Method;
use shared::domain::error::Error;
use shared::http::{Request, Response, answer as answered, request};
use shared::work::Services;

/// Answers a request.
pub async fn handle(services: &Services, request: Request) -> Response {
    let services = services.for_request();
    answered(&request, route(&services, &request)).await
}

async fn route(services: &Services, request: &Request) -> Result<Response, Error> {
    let path = request::segments(request);
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match (request.method(), path.as_slice()) {
        (&Method::GET, ["sellers", id, "membership"]) => offer::show(services, id).await,
        (&Method::POST, ["sellers", id, "membership"]) => offer::put(services, request, id).await,
        (&Method::DELETE, ["sellers", id, "membership"]) => offer::end(services, request, id).await,
        (&Method::POST, ["sellers", id, "membership", "subscribe"]) => Box::pin(subscribe::subscribe(services, request, id)).await,
        (&Method::GET, ["sellers", id, "members"]) => members::list(services, request, id).await,
        (&Method::POST, ["subscriptions", id, "refund"]) => Box::pin(refund::refund(services, request, id)).await,
        (&Method::GET, ["subscriptions"]) => subscriptions::list(services, request).await,
        (&Method::GET, ["subscriptions", id]) => subscriptions::show(services, request, id).await,
        (&Method::POST, ["subscriptions", id, "cancel"]) => Box::pin(change::cancel(services, request, id)).await,
        (&Method::POST, ["subscriptions", id, "resume"]) => Box::pin(change::resume(services, request, id)).await,
        (&Method::POST, ["subscriptions", id, "switch"]) => Box::pin(change::switch(services, request, id)).await,
        (_, ["sellers", _, "membership" | "members"] | ["sellers", _, "membership", "subscribe"])
        | (_, ["subscriptions"] | ["subscriptions", _] | ["subscriptions", _, "cancel" | "resume" | "switch" | "refund"]) => {
            Err(Error::MethodNotAllowed)
        }
        _ => Err(Error::NotFound("address")),
    }
}
