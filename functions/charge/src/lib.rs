//! `POST /courses/charge`: sells one course to the signed-in user, once.
//!
//! The files follow the request: [`charge`] decides, [`begin`] makes an attempt at Stripe, [`resume`] continues one that
//! an earlier request began, [`outcome`] records what Stripe said and answers.

pub mod begin;
pub mod charge;
pub mod order;
pub mod outcome;
pub mod resume;

use shared::domain::error::Error;
use shared::http::{Request, Response, answer};
use shared::work::Services;

/// Handles a request.
pub async fn handle(services: &Services, request: Request) -> Response {
    answer(&request, async {
        if request.method() != lambda_http::http::Method::POST {
            return Err(Error::MethodNotAllowed);
        }
        let services = services.for_request();
        charge::charge(&services, &request).await
    })
    .await
}
