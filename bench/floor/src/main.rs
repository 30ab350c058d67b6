//! A Lambda that answers immediately, the lower limit for functions on this runtime. The benchmark shows every
//! function as a multiple of it.

use std::convert::Infallible;

use lambda_http::{Body, Request, Response, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    run(service_fn(|_: Request| async { Ok::<_, Infallible>(Response::new(Body::from("{}"))) })).await
}
