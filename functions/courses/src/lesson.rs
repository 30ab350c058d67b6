//! `/courses/{slug}/lessons/{id}`: what a lesson says.

use serde::{Deserialize, Serialize};
use shared::app::App;
use shared::base::clock::written;
use shared::domain::error::Error;
use shared::domain::ids::LessonId;
use shared::domain::outline::{Lesson, LessonText, Outline};
use shared::http::{Request, Response, identity, request, response};
use shared::store::Written;

use crate::fields::sound_content;
use crate::reader;

/// How many times to retry when the outline changes meanwhile.
const TRIES: u32 = 5;

#[derive(Serialize)]
struct Answer {
    course_id: String,
    id: LessonId,
    title: String,
    content: String,
    version: u64,
    updated_at: Option<String>,
}

impl Answer {
    fn new(outline: &Outline, lesson: &Lesson, text: Option<LessonText>) -> Self {
        Self {
            course_id: outline.course_id.to_string(),
            id: lesson.id.clone(),
            title: lesson.title.clone(),
            version: text.as_ref().map_or(0, |text| text.version),
            updated_at: text.as_ref().map(|text| written(text.updated_at)),
            content: text.map(|text| text.markdown).unwrap_or_default(),
        }
    }
}

fn id_of(text: &str) -> Result<LessonId, Error> {
    text.parse().map_err(|_| Error::NotFound("lesson"))
}

/// The outline with the lesson in it.
fn found<'a>(outline: Option<&'a Outline>, id: &LessonId) -> Result<(&'a Outline, &'a Lesson), Error> {
    outline.and_then(|outline| Some((outline, outline.lesson(id)?))).ok_or(Error::NotFound("lesson"))
}

/// `GET /courses/{slug}/lessons/{id}`: for those who may read the course, see [`reader::check`]; for everybody if it is a preview and the
/// course is offered, and then the answer to a request without a session may be cached. Two trips to DynamoDB: course and user, then
/// outline, text, purchase and subscription. A third on the first visit of a day, see [`reader::note`].
pub(crate) async fn show(app: &App, request: &Request, slug: &str, id: &str) -> Result<Response, Error> {
    let session = identity::presented(request, &app.config);
    let (course, user) = app.store.course_by_slug(slug, session.as_ref().map(|one| &one.token), app.clock.now()).await?;
    // Strangers learn nothing of a course that is not offered, not even that there is one.
    let course = course.filter(|course| course.is_offered() || user.is_some()).ok_or(Error::NotFound("course"))?;
    let id = id_of(id)?;
    let read = app.store.lesson_for(&course.id, &id, user.as_ref().map(|user| &user.id)).await?;
    let lesson = found(read.outline.as_ref(), &id);
    if course.is_offered() && lesson.as_ref().is_ok_and(|(_, lesson)| lesson.preview) {
        let (outline, lesson) = lesson?;
        return Ok(response::cacheable(request, &Answer::new(outline, lesson, read.text)));
    }
    let reader = identity::in_role(user.ok_or(Error::NotSignedIn)?, &app.config);
    reader::check(app, &reader, &course, read.rights)?;
    let (outline, lesson) = lesson?;
    reader::note(app, &reader, &course, read.opened.as_ref()).await;
    Ok(response::json(200, &Answer::new(outline, lesson, read.text)))
}

/// `version` is that of the text which it replaces, 0 if nothing was written yet.
#[derive(Deserialize)]
struct Body {
    version: u64,
    content: String,
}

/// `PUT /courses/{slug}/lessons/{id}`: replaces what the lesson says. Three trips to DynamoDB: user and course, then outline and text, then
/// the change. The last two are repeated if the outline changes meanwhile. The same text again changes nothing.
///
/// # Errors
/// [`Error::Conflict`] if `version` is not the text's: nobody overwrites what they have not seen.
pub(crate) async fn replace(app: &App, request: &Request, slug: &str, id: &str) -> Result<Response, Error> {
    let course = reader::own_course(app, request, slug).await?;
    let id = id_of(id)?;
    let body: Body = request::json(request)?;
    let content = sound_content(body.content)?;
    for _ in 0..TRIES {
        let read = app.store.lesson_for(&course.id, &id, None).await?;
        let (outline, lesson) = found(read.outline.as_ref(), &id)?;
        let seen = read.text.as_ref().map(|text| text.version);
        // Sent twice, because the first answer was lost.
        if read.text.as_ref().is_some_and(|text| text.markdown == content) {
            return Ok(response::json(200, &Answer::new(outline, lesson, read.text)));
        }
        if body.version != seen.unwrap_or_default() {
            return Err(Error::Conflict);
        }
        let text = LessonText {
            course_id: course.id.clone(),
            lesson_id: id.clone(),
            markdown: content.clone(),
            updated_at: app.clock.now(),
            version: body.version + 1,
        };
        match app.store.put_lesson(outline, &text, seen).await? {
            Written::Yes => return Ok(response::json(200, &Answer::new(outline, lesson, Some(text)))),
            Written::No(0) => {}
            Written::No(_) => return Err(Error::Conflict),
        }
    }
    Err(Error::Conflict)
}
