//! Reading purchases: a buyer's purchases, a seller's sales, and both for staff, along with the reconciliation's findings, disputes and the audit log.

mod bought;
mod sold;
mod staff;

use lambda_http::http::Method;
use shared::app::App;
use shared::domain::error::Error;
use shared::http::{Request, Response, answer, request};

/// Handles one request.
pub async fn handle(app: &App, request: Request) -> Response {
    answer(&request, route(app, &request)).await
}

async fn route(app: &App, request: &Request) -> Result<Response, Error> {
    let path = request::segments(request);
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match (request.method(), path.as_slice()) {
        (&Method::GET, ["purchases"]) => bought::list(app, request).await,
        (&Method::GET, ["purchases", id]) => bought::show(app, request, id).await,
        (&Method::GET, ["sales"]) => sold::list(app, request).await,
        (&Method::GET, ["admin", "users", id, "purchases"]) => staff::bought(app, request, id).await,
        (&Method::GET, ["admin", "users", id, "sales"]) => staff::sold(app, request, id).await,
        (&Method::GET, ["admin", "findings"]) => staff::findings(app, request).await,
        (&Method::GET, ["admin", "disputes"]) => staff::disputes(app, request).await,
        (&Method::GET, ["admin", "audit"]) => staff::audit(app, request).await,
        (
            _,
            ["purchases"]
            | ["purchases", _]
            | ["sales"]
            | ["admin", "users", _, "purchases" | "sales"]
            | ["admin", "findings" | "disputes" | "audit"],
        ) => Err(Error::MethodNotAllowed),
        _ => Err(Error::NotFound("address")),
    }
}
