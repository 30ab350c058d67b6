//! What every function does before and after a request.

use std::pin::pin;

use lambda_http::RequestExt as _;
use lambda_http::http::HeaderValue;
use lambda_http::http::header::{CONTENT_SECURITY_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS};

use super::message::{Request, Response, request_id};
use super::{identity, problem};
use crate::cloud::trace::Daemon;
use crate::domain::error::Error;
use crate::domain::ids::UserId;
use crate::settings::config::Config;
use crate::store::sessions::noting_who;

/// If a browser is made to show an answer as a page, it loads nothing and is in no frame.
const NO_PAGE: &str = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'";

/// Two years, as for the pages. CloudFront's policy for the API would set one, and leaves ours.
/// <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-response-headers-policies.html>
const HTTPS_ONLY: &str = "max-age=63072000";

/// Turns a handler's result into an answer and writes the request's one log line.
pub async fn answer(request: &Request, work: impl Future<Output = Result<Response, Error>>) -> Response {
    let id = request_id(request);
    // The query is not logged: it may contain an OAuth code or state.
    let (method, path) = (request.method().as_str(), request.uri().path());
    // By reference: a copy of a handler's future in each layer would take too much of the stack.
    let (result, user_id) = noting_who(pin!(work)).await;
    let (mut response, code) = match result {
        Ok(response) => (response, None),
        Err(error) => {
            problem::log(&error, &id);
            (problem::response(&error, &id), Some(error.code()))
        }
    };
    // Set by CloudFront if the request came through it. A direct request to the API can contain anything, so this is a hint, not proof.
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(NO_PAGE));
    // API Gateway's. Over HTTP, which is only used locally, the header is not allowed: RFC 6797, section 7.2.
    if header("x-forwarded-proto") == Some("https") {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(HTTPS_ONLY));
    }
    let (viewer, cloudfront_id) = (header("x-viewer-address"), header("x-amz-cf-id"));
    let (status, user_id) = (response.status().as_u16(), user_id.as_ref().map(UserId::as_str));
    tracing::info!(request_id = id, method, path, status, code, user_id, viewer, cloudfront_id, "answered");
    response
}

/// The refusal of a request that went around our CloudFront, where the operator wants all to go through it.
pub async fn turned_away(request: &Request, config: &Config) -> Option<Response> {
    if !config.only_through_cloudfront || identity::is_through_cloudfront(request, config) {
        return None;
    }
    Some(answer(request, async { Err(Error::Forbidden) }).await)
}

/// Serves a handler to Lambda. Its calls are traced if `TRACE_CALLS` is `on`; those of functions without requests, which run each minute, are not.
///
/// # Errors
/// If Lambda's runtime API fails.
pub async fn serve<F, W>(config: &Config, handle: F) -> Result<(), lambda_http::Error>
where
    F: Fn(Request) -> W + Sync,
    W: Future<Output = Response> + Send,
{
    let handle = &handle;
    serve_directly(move |request| async move {
        match turned_away(&request, config).await {
            Some(refusal) => refusal,
            None => handle(request).await,
        }
    })
    .await
}

/// The same for requests that need not come through CloudFront, which are Stripe's.
///
/// # Errors
/// If Lambda's runtime API fails.
pub async fn serve_directly<F, W>(handle: F) -> Result<(), lambda_http::Error>
where
    F: Fn(Request) -> W,
    W: Future<Output = Response> + Send,
{
    let daemon = Daemon::from_env();
    lambda_http::run(lambda_http::service_fn(|request: Request| {
        let watched = daemon.clone().zip(request.lambda_context_ref().and_then(|context| context.xray_trace_id.clone()));
        let work = handle(request);
        async move {
            let response = match watched {
                Some((daemon, header)) => daemon.watch(&header, work).await,
                None => work.await,
            };
            Ok::<_, std::convert::Infallible>(response)
        }
    }))
    .await
}
