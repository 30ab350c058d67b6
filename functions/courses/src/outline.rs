//! `/courses/{slug}/outline`: the sections and lessons of a course.

use std::collections::HashSet;

use serde::Deserialize;
use shared::app::App;
use shared::domain::course::Course;
use shared::domain::error::Error;
use shared::domain::ids::LessonId;
use shared::domain::outline::{LESSONS_MAX, Lesson, MINUTES_MAX, Outline, SECTIONS_MAX, Section};
use shared::http::request::Object;
use shared::http::view::OutlineView;
use shared::http::{Request, Response, identity, request, response};
use shared::store::Written;
use shared::store::outlines::REMOVED_MAX;

use crate::fields::sound_title;
use crate::reader;

/// `GET /courses/{slug}/outline`: for everybody who can see the course, as `GET /courses/{slug}`. Without a session the answer may be
/// cached. Two trips to DynamoDB: course and user, then the outline, with the purchase if the course is not offered.
pub(crate) async fn show(app: &App, request: &Request, slug: &str) -> Result<Response, Error> {
    let session = identity::presented(request, &app.config);
    let (course, user) = app.store.course_by_slug(slug, session.as_ref().map(|one| &one.token), app.clock.now()).await?;
    let course = course.ok_or(Error::NotFound("course"))?;
    let user = user.map(|user| identity::in_role(user, &app.config));
    let asked = user.as_ref().filter(|_| !course.is_offered()).map(|user| &user.id);
    let (outline, rights) = app.store.outline_for(&course.id, asked).await?;
    let is_its_own = user.is_some_and(|user| user.id == course.seller_id || user.is_staff);
    let is_bought = rights.slot.is_some_and(|slot| slot.ownership().is_paid());
    if !course.is_offered() && !is_its_own && !is_bought {
        return Err(Error::NotFound("course"));
    }
    Ok(response::cacheable(request, &OutlineView::new(&course.id, outline)))
}

/// A whole outline. `version` is that of the outline which it replaces, 0 if there is none.
#[derive(Deserialize)]
struct Body {
    version: u64,
    sections: Vec<Object<SectionFields>>,
}

#[derive(Deserialize)]
struct SectionFields {
    title: String,
    lessons: Vec<Object<LessonFields>>,
}

/// A lesson without an id is a new one.
#[derive(Deserialize)]
struct LessonFields {
    id: Option<LessonId>,
    title: String,
    minutes: Option<u16>,
    #[serde(default)]
    preview: bool,
}

/// `PUT /courses/{slug}/outline`: replaces it, and deletes the texts of lessons that are left out, in the same transaction. Three trips to
/// DynamoDB: user and course, the outline, the change.
///
/// # Errors
/// [`Error::Conflict`] if `version` is not the outline's: nobody overwrites what they have not seen.
pub(crate) async fn replace(app: &App, request: &Request, slug: &str) -> Result<Response, Error> {
    let course = reader::own_course(app, request, slug).await?;
    let body: Body = request::json(request)?;
    let (seen, _) = app.store.outline_for(&course.id, None).await?;
    let version = seen.as_ref().map(|outline| outline.version);
    if body.version != version.unwrap_or_default() {
        return Err(Error::Conflict);
    }
    let outline = body.outline(app, &course, seen.as_ref())?;
    let is_removed = |id: &LessonId| outline.lesson(id).is_none();
    let removed: Vec<LessonId> = seen.iter().flat_map(Outline::lessons).map(|lesson| lesson.id.clone()).filter(is_removed).collect();
    if removed.len() > REMOVED_MAX {
        return Err(Error::InvalidRequest(format!("sections: at most {REMOVED_MAX} lessons can be removed at once")));
    }
    match app.store.replace_outline(version, &outline, &removed).await? {
        Written::Yes => Ok(response::json(200, &OutlineView::new(&course.id, Some(outline)))),
        Written::No(_) => Err(Error::Conflict),
    }
}

impl Body {
    fn outline(self, app: &App, course: &Course, seen: Option<&Outline>) -> Result<Outline, Error> {
        let fault = |text: String| Err(Error::InvalidRequest(format!("sections: {text}")));
        if self.sections.len() > SECTIONS_MAX {
            return fault(format!("a course has at most {SECTIONS_MAX}"));
        }
        if self.sections.iter().map(|Object(section)| section.lessons.len()).sum::<usize>() > LESSONS_MAX {
            return fault(format!("a course has at most {LESSONS_MAX} lessons"));
        }
        let mut listed = HashSet::new();
        let mut sections = Vec::new();
        for (at, Object(section)) in self.sections.into_iter().enumerate() {
            let mut lessons = Vec::new();
            for (number, Object(lesson)) in section.lessons.into_iter().enumerate() {
                let field = format!("sections[{at}].lessons[{number}]");
                if lesson.minutes.is_some_and(|minutes| !(1..=MINUTES_MAX).contains(&minutes)) {
                    return Err(Error::InvalidRequest(format!("{field}.minutes must lie between 1 and {MINUTES_MAX}")));
                }
                let id = match lesson.id {
                    Some(id) if seen.and_then(|outline| outline.lesson(&id)).is_none() => {
                        return fault(format!("{id} is not a lesson of this course"));
                    }
                    Some(id) if !listed.insert(id.clone()) => return fault(format!("{id} is listed twice")),
                    Some(id) => id,
                    None => LessonId::generate(&app.entropy),
                };
                let title = sound_title(&lesson.title, &format!("{field}.title"))?.to_owned();
                lessons.push(Lesson { id, title, minutes: lesson.minutes, preview: lesson.preview });
            }
            sections.push(Section { title: sound_title(&section.title, &format!("sections[{at}].title"))?.to_owned(), lessons });
        }
        Ok(Outline { course_id: course.id.clone(), sections, updated_at: app.clock.now(), version: self.version + 1 })
    }
}
