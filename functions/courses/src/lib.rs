//! Courses: the catalogue, a course's page, and what sellers do with their own; also sellers' pages and `GET /config`, which is as public as the catalogue.

mod catalogue;
mod change;
mod config;
mod content;
mod create;
mod fields;
mod lesson;
mod mine;
mod outline;
mod progress;
mod reader;
mod seller;
mod share;
mod show;

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
        (&Method::GET, ["courses"]) => catalogue::list(app, request).await,
        (&Method::POST, ["courses"]) => create::create(app, request).await,
        (&Method::GET, ["courses", slug]) => show::show(app, request, slug).await,
        (&Method::PATCH, ["courses", slug]) => change::edit(app, request, slug).await,
        (&Method::DELETE, ["courses", slug]) => change::delete(app, request, slug).await,
        (&Method::GET, ["courses", slug, "content"]) => content::show(app, request, slug).await,
        (&Method::PUT, ["courses", slug, "content"]) => content::replace(app, request, slug).await,
        (&Method::GET, ["courses", slug, "outline"]) => outline::show(app, request, slug).await,
        (&Method::PUT, ["courses", slug, "outline"]) => outline::replace(app, request, slug).await,
        (&Method::GET, ["courses", slug, "lessons", id]) => lesson::show(app, request, slug, id).await,
        (&Method::PUT, ["courses", slug, "lessons", id]) => lesson::replace(app, request, slug, id).await,
        (&Method::GET, ["courses", slug, "progress"]) => progress::show(app, request, slug).await,
        (&Method::PUT, ["courses", slug, "progress"]) => progress::note(app, request, slug).await,
        (&Method::GET, ["courses", slug, "share"]) => share::show(app, request, slug).await,
        (&Method::PUT, ["courses", slug, "share"]) => share::accept(app, request, slug).await,
        (&Method::DELETE, ["courses", slug, "share"]) => share::leave(app, request, slug).await,
        (&Method::GET, ["users", "me", "shares"]) => share::list(app, request).await,
        (&Method::GET, ["users", "me", "courses"]) => mine::list(app, request).await,
        (&Method::GET, ["users", "me", "page"]) => seller::own(app, request).await,
        (&Method::PATCH, ["users", "me", "page"]) => seller::edit(app, request).await,
        (&Method::GET, ["sellers", handle]) => seller::show(app, request, handle).await,
        (&Method::GET, ["config"]) => Ok(config::show(app, request)),
        (
            _,
            ["courses" | "config"]
            | ["courses", _]
            | ["courses", _, "content" | "outline" | "progress" | "share"]
            | ["courses", _, "lessons", _]
            | ["users", "me", "courses" | "shares" | "page"]
            | ["sellers", _],
        ) => Err(Error::MethodNotAllowed),
        _ => Err(Error::NotFound("address")),
    }
}
