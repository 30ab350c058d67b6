//! `GET /users/me/courses`

use shared::app::App;
use shared::domain::error::Error;
use shared::http::view::CourseView;
use shared::http::{Request, Response, identity, request, response};

/// A seller's own courses, newest first, including unpublished ones. One trip to DynamoDB: user and page are read in parallel.
pub(crate) async fn list(app: &App, request: &Request) -> Result<Response, Error> {
    let session = identity::required(request, &app.config)?;
    let page = request::page(request)?;

    let (user, courses) = tokio::join!(identity::user(request, app), app.store.courses_of(session.token.user_id(), &page));
    if !user?.is_seller {
        return Err(Error::NotASeller);
    }
    Ok(response::json(200, &response::list(courses?, |course| CourseView::of_its_own(course, None))))
}
