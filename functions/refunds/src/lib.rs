//! `POST /purchases/{id}/refund`: refunds a buyer at the request of the course's seller or of staff.
//! `GET` and `POST /admin/disputes/{id}/evidence`: staff answer a dispute.
//!
//! This is a separate function because reading purchases needs neither Stripe's keys nor the time to fetch them.

mod evidence;
mod refund;

use lambda_http::http::Method;
use shared::domain::error::Error;
use shared::http::{Request, Response, answer, request};
use shared::work::Services;

/// Handles a request.
pub async fn handle(services: &Services, request: Request) -> Response {
    answer(&request, async {
        let path = request::segments(&request);
        match (request.method(), path.iter().map(String::as_str).collect::<Vec<_>>().as_slice()) {
            (&Method::POST, ["purchases", id, "refund"]) => {
                let services = services.for_request();
                refund::refund(&services, &request, id).await
            }
            (&Method::GET, ["admin", "disputes", id, "evidence"]) => {
                let services = services.for_request();
                evidence::draft(&services, &request, id).await
            }
            (&Method::POST, ["admin", "disputes", id, "evidence"]) => {
                let services = services.for_request();
                evidence::give(&services, &request, id).await
            }
            (_, ["purchases", _, "refund"] | ["admin", "disputes", _, "evidence"]) => Err(Error::MethodNotAllowed),
            _ => Err(Error::NotFound("address")),
        }
    })
    .await
}
