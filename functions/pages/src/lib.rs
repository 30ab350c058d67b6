//! What the storefront's server renders: the pages of courses, for people and robots with or without JavaScript, and what robots ask for. All of
//! it is the same for everybody: no answer depends on a cookie or a session.

mod course;
mod markup;
mod robots;

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
        (&Method::GET, ["pages", "courses", slug]) => course::show(app, slug).await,
        (&Method::GET, ["pages", "sitemap.xml"]) => robots::sitemap(app, request).await,
        (&Method::GET, ["pages", "robots.txt"]) => Ok(robots::robots(app)),
        (_, ["pages", "courses", _] | ["pages", "sitemap.xml" | "robots.txt"]) => Err(Error::MethodNotAllowed),
        _ => Err(Error::NotFound("address")),
    }
}
