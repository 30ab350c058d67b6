//! `/courses/{slug}/progress`: how far the signed-in user has got in a course.

use serde::{Deserialize, Serialize};
use shared::app::App;
use shared::base::clock::written;
use shared::domain::course::Course;
use shared::domain::error::Error;
use shared::domain::ids::LessonId;
use shared::domain::outline::{Outline, Progress};
use shared::domain::user::User;
use shared::http::{Request, Response, request, response};
use shared::store::Written;
use shared::store::outlines::ForProgress;

use crate::reader;

/// How many times to retry when a concurrent write wins.
const TRIES: u32 = 5;

#[derive(Serialize)]
struct Answer {
    course_id: String,
    done: Vec<LessonId>,
    last: Option<LessonId>,
    updated_at: Option<String>,
}

impl Answer {
    /// Lessons that have left the outline are left out.
    fn new(course: &Course, outline: Option<&Outline>, progress: Option<&Progress>) -> Self {
        let both = outline.zip(progress);
        Self {
            course_id: course.id.to_string(),
            done: both.map(|(outline, progress)| progress.done_of(outline)).unwrap_or_default(),
            last: both.and_then(|(outline, progress)| progress.last.clone().filter(|id| outline.lesson(id).is_some())),
            updated_at: progress.map(|progress| written(progress.updated_at)),
        }
    }
}

/// `GET /courses/{slug}/progress`: for those who may read the course, see [`reader::check`]. Two trips to DynamoDB: user and course, then
/// outline, progress, purchase and subscription.
pub(crate) async fn show(app: &App, request: &Request, slug: &str) -> Result<Response, Error> {
    let (reader, course) = reader::with_course(app, request, slug).await?;
    let read = read(app, &reader, &course).await?;
    Ok(response::json(200, &Answer::new(&course, read.outline.as_ref(), read.progress.as_ref())))
}

/// The lesson that was opened, and whether the reader is done with it, if they say so.
#[derive(Deserialize)]
struct Body {
    lesson: LessonId,
    done: Option<bool>,
}

/// `PUT /courses/{slug}/progress`: notes one lesson, so that requests from several devices add up. Three trips to DynamoDB: user and course,
/// then what [`show`] reads, then the change, unless nothing changes. The last two are repeated for each concurrent change that wins.
pub(crate) async fn note(app: &App, request: &Request, slug: &str) -> Result<Response, Error> {
    let (reader, course) = reader::with_course(app, request, slug).await?;
    let body: Body = request::json(request)?;
    for _ in 0..TRIES {
        let read = read(app, &reader, &course).await?;
        let outline = read.outline.as_ref().filter(|outline| outline.lesson(&body.lesson).is_some()).ok_or(Error::NotFound("lesson"))?;
        let seen = read.progress.as_ref().map(|progress| progress.version);
        let before = read.progress.unwrap_or_else(|| Progress::none(course.id.clone(), app.clock.now()));
        let mut progress = before.clone();
        progress.note(outline, &body.lesson, body.done);
        if progress == before {
            return Ok(response::json(200, &Answer::new(&course, Some(outline), Some(&progress))));
        }
        progress.updated_at = app.clock.now();
        progress.version += 1;
        if app.store.put_progress(&reader.id, &progress, seen).await? == Written::Yes {
            return Ok(response::json(200, &Answer::new(&course, Some(outline), Some(&progress))));
        }
    }
    Err(Error::Conflict)
}

/// What is read for a request, if the reader may read the course.
async fn read(app: &App, reader: &User, course: &Course) -> Result<ForProgress, Error> {
    let mut read = app.store.progress_for(&course.id, &reader.id).await?;
    reader::check(app, reader, course, std::mem::take(&mut read.rights))?;
    Ok(read)
}
