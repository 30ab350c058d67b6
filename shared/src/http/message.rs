//! API Gateway's requests and responses.

pub use lambda_http::{Body, Request};

/// A response to API Gateway.
pub type Response = lambda_http::Response<Body>;

/// The id that API Gateway and Lambda use for the request.
#[must_use]
pub fn request_id(request: &Request) -> String {
    use lambda_http::RequestExt as _;
    request.lambda_context_ref().map_or_else(|| "local".to_owned(), |context| context.request_id.clone())
}
