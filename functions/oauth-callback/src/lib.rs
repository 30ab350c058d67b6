//! Links to Stripe accounts: `GET /users/oauth/callback` creates one, `POST /users/oauth/confirm` completes one that
//! awaits confirmation, `DELETE /users/me/stripe` removes it.

pub mod callback;
mod clients;
pub mod confirm;
pub mod disconnect;

use lambda_http::http::Method;
use shared::domain::error::Error;
use shared::http::{Request, Response, answer, request};

pub use clients::OAuthCallback;

/// Handles a request.
pub async fn handle(oauth: &OAuthCallback, request: Request) -> Response {
    let segments = request::segments(&request);
    let path: Vec<&str> = segments.iter().map(String::as_str).collect();
    match (request.method(), path.as_slice()) {
        // Never a problem document: the browser must return to the storefront in every case.
        (&Method::GET, ["users", "oauth", "callback"]) => answer(&request, async { Ok(callback::callback(oauth, &request).await) }).await,
        (&Method::POST, ["users", "oauth", "confirm"]) => answer(&request, confirm::confirm(oauth, &request)).await,
        (&Method::DELETE, ["users", "me", "stripe"]) => answer(&request, disconnect::disconnect(oauth, &request)).await,
        _ => answer(&request, async { Err(Error::NotFound("address")) }).await,
    }
}
