//! `/users/me/payment-methods`: the cards that the platform keeps for a buyer, who can pay any seller with them.
//!
//! Stripe stores the cards with the buyer's customer on the platform; only their ids are stored here. Card details and the
//! default are read from Stripe each time, because banks renew cards without any request.

mod cards;
mod save;

use lambda_http::http::Method;
use shared::domain::error::Error;
use shared::http::{Request, Response, answer, request};
use shared::work::Services;

/// Handles a request.
pub async fn handle(services: &Services, request: Request) -> Response {
    let services = services.for_request();
    answer(&request, route(&services, &request)).await
}

async fn route(services: &Services, request: &Request) -> Result<Response, Error> {
    let path = request::segments(request);
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match (request.method(), path.as_slice()) {
        (&Method::GET, ["users", "me", "payment-methods"]) => cards::list(services, request).await,
        (&Method::POST, ["users", "me", "payment-methods"]) => save::save(services, request).await,
        (&Method::PATCH, ["users", "me", "payment-methods", id]) => cards::change(services, request, id).await,
        (&Method::DELETE, ["users", "me", "payment-methods", id]) => cards::remove(services, request, id).await,
        (_, ["users", "me", "payment-methods"] | ["users", "me", "payment-methods", _]) => Err(Error::MethodNotAllowed),
        _ => Err(Error::NotFound("address")),
    }
}
