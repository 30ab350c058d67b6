//! The HTTP edge: what every function does before and after its own work.

pub mod cookie;
pub mod identity;
pub mod problem;
pub mod request;
pub mod response;
pub mod view;

pub use lambda_http::{Body, Request};

use crate::error::Error;

/// An answer to API Gateway.
pub type Response = lambda_http::Response<Body>;

/// The id under which API Gateway and Lambda know the request.
#[must_use]
pub fn request_id(request: &Request) -> String {
    use lambda_http::RequestExt as _;
    request.lambda_context_ref().map_or_else(|| "local".to_owned(), |context| context.request_id.clone())
}

/// Turns a handler's result into an answer, and logs the one line that a request gets.
pub async fn answer(request: &Request, work: impl Future<Output = Result<Response, Error>>) -> Response {
    let id = request_id(request);
    // The query is left out: it may carry a code or a state.
    let (method, path) = (request.method().as_str(), request.uri().path());
    let response = match work.await {
        Ok(response) => response,
        Err(error) => {
            problem::log(&error, &id);
            problem::response(&error, &id)
        }
    };
    tracing::info!(request_id = id, method, path, status = response.status().as_u16(), "answered");
    response
}

/// Serves a handler to Lambda.
///
/// # Errors
/// Where Lambda's runtime API fails.
pub async fn serve<F, W>(handle: F) -> Result<(), lambda_http::Error>
where
    F: Fn(Request) -> W,
    W: Future<Output = Response> + Send,
{
    lambda_http::run(lambda_http::service_fn(|request| {
        let work = handle(request);
        async move { Ok::<_, std::convert::Infallible>(work.await) }
    }))
    .await
}
