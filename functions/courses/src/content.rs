//! `/courses/{slug}/content`: the text that buyers read first, or all there is if the course has no lessons.

use serde::{Deserialize, Serialize};
use shared::app::App;
use shared::base::clock::written;
use shared::domain::course::{Content, Course};
use shared::domain::error::Error;
use shared::http::{Request, Response, request, response};

use crate::fields::sound_content;
use crate::reader;

#[derive(Serialize)]
struct Answer {
    course_id: String,
    slug: String,
    title: String,
    content: String,
    updated_at: Option<String>,
}

impl Answer {
    fn new(course: Course, content: Option<Content>) -> Self {
        Self {
            course_id: course.id.to_string(),
            slug: course.slug,
            title: course.title,
            updated_at: content.as_ref().map(|content| written(content.updated_at)),
            content: content.map(|content| content.markdown).unwrap_or_default(),
        }
    }
}

#[derive(Deserialize)]
struct Body {
    content: String,
}

/// `GET /courses/{slug}/content`: for those who may read the course, see [`reader::check`]. Two trips to DynamoDB: user and course, then
/// content, purchase and subscription. A third on the first visit of a day, see [`reader::note`].
pub(crate) async fn show(app: &App, request: &Request, slug: &str) -> Result<Response, Error> {
    let (reader, course) = reader::with_course(app, request, slug).await?;
    let (content, rights, opened) = app.store.content_for(&course.id, &reader.id).await?;
    reader::check(app, &reader, &course, rights)?;
    reader::note(app, &reader, &course, opened.as_ref()).await;
    Ok(response::json(200, &Answer::new(course, content)))
}

/// `PUT /courses/{slug}/content`: replaces it. Two trips to DynamoDB.
pub(crate) async fn replace(app: &App, request: &Request, slug: &str) -> Result<Response, Error> {
    let course = reader::own_course(app, request, slug).await?;
    let body: Body = request::json(request)?;
    let content = Content { markdown: sound_content(body.content)?, updated_at: app.clock.now() };
    app.store.put_content(&course.id, &content).await?;
    Ok(response::json(200, &Answer::new(course, Some(content))))
}
