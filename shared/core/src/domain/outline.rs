//! The outline of a course: its sections and lessons, the lessons' texts, a reader's progress, and when they opened it.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::ids::{CourseId, LessonId};

/// The most sections of a course.
pub const SECTIONS_MAX: usize = 50;

/// The most lessons of a course, in all of its sections.
pub const LESSONS_MAX: usize = 200;

/// The longest estimate for a lesson, in minutes.
pub const MINUTES_MAX: u16 = 600;

/// What is in a course, in order. Everybody who sees the course sees it; the texts are stored apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outline {
    /// The course.
    pub course_id: CourseId,
    /// At most [`SECTIONS_MAX`].
    pub sections: Vec<Section>,
    /// When it was last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
    /// Incremented by each change. A write is conditional on the version that it read.
    pub version: u64,
}

/// A section of an outline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// One line.
    pub title: String,
    /// At most [`LESSONS_MAX`] in all sections.
    pub lessons: Vec<Lesson>,
}

/// A lesson in an outline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lesson {
    /// Its id.
    pub id: LessonId,
    /// One line.
    pub title: String,
    /// How long it takes, 1 to [`MINUTES_MAX`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minutes: Option<u16>,
    /// Whether everybody may read it while the course is offered.
    pub preview: bool,
}

impl Outline {
    /// All lessons, in order.
    pub fn lessons(&self) -> impl Iterator<Item = &Lesson> {
        self.sections.iter().flat_map(|section| &section.lessons)
    }

    /// The lesson with this id.
    #[must_use]
    pub fn lesson(&self, id: &LessonId) -> Option<&Lesson> {
        self.lessons().find(|lesson| lesson.id == *id)
    }
}

/// What a lesson says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LessonText {
    /// The course.
    pub course_id: CourseId,
    /// The lesson.
    pub lesson_id: LessonId,
    /// Markdown, at most [`super::course::CONTENT_MAX`] bytes.
    pub markdown: String,
    /// When it was last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
    /// Incremented by each change. A write is conditional on the version that it read.
    pub version: u64,
}

/// How far somebody has got in a course.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The course.
    pub course_id: CourseId,
    /// The lessons that they are done with. Some may have left the outline since.
    pub done: Vec<LessonId>,
    /// The lesson that they opened last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<LessonId>,
    /// When it was last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
    /// Incremented by each change. A write is conditional on the version that it read.
    pub version: u64,
}

impl Progress {
    /// Nothing read yet.
    #[must_use]
    pub fn none(course_id: CourseId, at: OffsetDateTime) -> Self {
        Self { course_id, done: Vec::new(), last: None, updated_at: at, version: 0 }
    }

    /// Notes that a lesson was opened, and if `is_done` is given, whether they are done with it. Lessons that have left the outline are
    /// forgotten, so that the record is never longer than the outline.
    pub fn note(&mut self, outline: &Outline, lesson: &LessonId, is_done: Option<bool>) {
        let was_done = self.done.contains(lesson);
        let is_done = is_done.unwrap_or(was_done);
        let stays = |id: &LessonId| if id == lesson { is_done } else { self.done.contains(id) };
        self.done = outline.lessons().map(|one| one.id.clone()).filter(|id| stays(id)).collect();
        self.last = Some(lesson.clone());
    }

    /// The lessons of an outline that they are done with, in its order.
    #[must_use]
    pub fn done_of(&self, outline: &Outline) -> Vec<LessonId> {
        outline.lessons().map(|lesson| lesson.id.clone()).filter(|id| self.done.contains(id)).collect()
    }
}

/// When somebody opened what they have paid for: what a bank asks for in a dispute. It is written at most once a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// The course.
    pub course_id: CourseId,
    /// The first time.
    #[serde(with = "time::serde::rfc3339")]
    pub first_at: OffsetDateTime,
    /// The first time on the last day.
    #[serde(with = "time::serde::rfc3339")]
    pub last_at: OffsetDateTime,
    /// On how many days, in UTC.
    pub days: u32,
    /// Incremented by each change. A write is conditional on the version that it read.
    pub version: u64,
}

impl Opened {
    /// With another time that is now; `None` if there was one on this day already.
    #[must_use]
    pub fn again(seen: Option<&Self>, course: &CourseId, at: OffsetDateTime) -> Option<Self> {
        match seen {
            None => Some(Self { course_id: course.clone(), first_at: at, last_at: at, days: 1, version: 1 }),
            Some(seen) if seen.last_at.date() < at.date() => {
                Some(Self { last_at: at, days: seen.days + 1, version: seen.version + 1, ..seen.clone() })
            }
            Some(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::entropy::Entropy;
    use crate::domain::ids::UserId;

    #[test]
    fn progress_follows_the_outline_and_is_never_longer() {
        let (entropy, at) = (Entropy::seeded(1), OffsetDateTime::UNIX_EPOCH);
        let course_id = CourseId::generate(&UserId::generate(&entropy), at, &entropy);
        let ids: Vec<LessonId> = (0..3).map(|_| LessonId::generate(&entropy)).collect();
        let lesson = |id: &LessonId| Lesson { id: id.clone(), title: "L".to_owned(), minutes: None, preview: false };
        let outline = |ids: &[LessonId]| Outline {
            course_id: course_id.clone(),
            sections: vec![Section { title: "S".to_owned(), lessons: ids.iter().map(lesson).collect() }],
            updated_at: at,
            version: 1,
        };
        let mut progress = Progress::none(course_id.clone(), at);
        let all = outline(&ids);
        progress.note(&all, &ids[2], Some(true));
        progress.note(&all, &ids[0], Some(true));
        progress.note(&all, &ids[0], None);
        assert_eq!((progress.done_of(&all), &progress.last), (vec![ids[0].clone(), ids[2].clone()], &Some(ids[0].clone())));
        progress.note(&all, &ids[0], Some(false));
        assert_eq!(progress.done_of(&all), [ids[2].clone()]);

        let shorter = outline(&ids[..2]);
        assert_eq!(progress.done_of(&shorter), []);
        progress.note(&shorter, &ids[1], Some(true));
        assert_eq!(progress.done, [ids[1].clone()], "what has left the outline is forgotten");
    }
}
