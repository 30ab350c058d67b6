//! What the storefront's server renders: the pages of courses and sellers, for people and robots with or without JavaScript, and what robots
//! ask for. All of it is the same for everybody: no answer depends on a cookie or a session.

mod course;
mod markdown;
mod robots;
mod seller;
mod template;

use lambda_http::http::Method;
use shared::app::App;
use shared::domain::error::Error;
use shared::http::{Body, Request, Response, answer, request};

/// Handles one request. `HEAD` is answered as `GET`, without the body.
pub async fn handle(app: &App, request: Request) -> Response {
    let answer = answer(&request, route(app, &request)).await;
    if request.method() == Method::HEAD { answer.map(|_| Body::Empty) } else { answer }
}

async fn route(app: &App, request: &Request) -> Result<Response, Error> {
    let path = request::segments(request);
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match (request.method(), path.as_slice()) {
        (&Method::GET | &Method::HEAD, ["pages", "courses", slug]) => course::show(app, slug).await,
        (&Method::GET | &Method::HEAD, ["pages", "sellers", handle]) => seller::show(app, request, handle).await,
        (&Method::GET | &Method::HEAD, ["pages", "sitemap.xml"]) => robots::sitemap(app, request).await,
        (&Method::GET | &Method::HEAD, ["pages", "robots.txt"]) => Ok(robots::robots(app)),
        (_, ["pages", "courses" | "sellers", _] | ["pages", "sitemap.xml" | "robots.txt"]) => Err(Error::MethodNotAllowed),
        _ => Err(Error::NotFound("address")),
    }
}
