//! `GET /users/me/courses`

use shared::app::App;
use shared::error::Error;
use shared::http::view::CourseView;
use shared::http::{Request, Response, identity, request, response};

/// A seller's own courses, the newest first, unpublished too. One trip to DynamoDB: who asks and the page are read
/// side by side.
pub(crate) async fn list(app: &App, request: &Request) -> Result<Response, Error> {
    let session = identity::required(request, &app.config)?;
    let page = request::page(request)?;

    let (user, courses) = tokio::join!(identity::user(request, app), app.store.courses_of(session.token.user_id(), &page));
    if !user?.is_seller {
        return Err(Error::NotASeller);
    }
    Ok(response::json(200, &response::list(courses?, |course| CourseView::new(course, None))))
}
