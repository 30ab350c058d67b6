//! The outlines of courses, the texts of their lessons, readers' progress, and when they opened a course. The outline is one item, so that a course's page reads it
//! at once; each text is an item of its own next to it.

use aws_sdk_dynamodb::types::{ConditionCheck, TransactWriteItem};

use super::courses::{Rights, rights_in, rights_keys};
use super::keys::{OPENED, lesson_key, opened_key, outline_key, progress_key, public_outline_key};
use super::page::{List, Page, Paged};
use super::table::{Store, StoreError, Written, number, taken, to_item};
use crate::domain::ids::{CourseId, LessonId, UserId};
use crate::domain::outline::{LessonText, Opened, Outline, Progress};

/// How many lessons can be removed at once. Their texts are deleted in the same transaction, whose items may have 4 MB together.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>
pub const REMOVED_MAX: usize = 50;

/// What a request for a lesson needs.
#[derive(Debug)]
pub struct ForLesson {
    /// The course's outline.
    pub outline: Option<Outline>,
    /// The lesson's text.
    pub text: Option<LessonText>,
    /// The reader's rights.
    pub rights: Rights,
    /// When they opened the course.
    pub opened: Option<Opened>,
}

/// What a request for a reader's progress needs.
#[derive(Debug)]
pub struct ForProgress {
    /// The course's outline.
    pub outline: Option<Outline>,
    /// The reader's progress.
    pub progress: Option<Progress>,
    /// The reader's rights.
    pub rights: Rights,
}

impl Store {
    /// A course's outline, and a reader's rights to the course if one is given: one trip.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn outline_for(&self, course: &CourseId, reader: Option<&UserId>) -> Result<(Option<Outline>, Rights), StoreError> {
        let (outline, rights) = (outline_key(course), reader.map(|reader| rights_keys(reader, course)));
        let mut found = self.get_all([outline.clone()].into_iter().chain(rights.iter().flatten().cloned())).await?;
        let rights = rights.map(|keys| rights_in(&mut found, &keys)).transpose()?;
        Ok((taken(&mut found, &outline)?, rights.unwrap_or_default()))
    }

    /// A lesson's text with its course's outline, and a reader's rights to the course if one is given: one trip.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn lesson_for(&self, course: &CourseId, lesson: &LessonId, reader: Option<&UserId>) -> Result<ForLesson, StoreError> {
        let (outline, text) = (outline_key(course), lesson_key(course, lesson));
        let (rights, opened) = (reader.map(|reader| rights_keys(reader, course)), reader.map(|reader| opened_key(reader, course)));
        let of_reader = rights.iter().flatten().chain(&opened).cloned();
        let mut found = self.get_all([outline.clone(), text.clone()].into_iter().chain(of_reader)).await?;
        Ok(ForLesson {
            outline: taken(&mut found, &outline)?,
            text: taken(&mut found, &text)?,
            rights: rights.map(|keys| rights_in(&mut found, &keys)).transpose()?.unwrap_or_default(),
            opened: opened.map(|key| taken(&mut found, &key)).transpose()?.flatten(),
        })
    }

    /// A reader's progress in a course, with its outline and their rights to it: one trip.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn progress_for(&self, course: &CourseId, reader: &UserId) -> Result<ForProgress, StoreError> {
        let (outline, progress, rights) = (outline_key(course), progress_key(reader, course), rights_keys(reader, course));
        let mut found = self.get_all([outline.clone(), progress.clone()].into_iter().chain(rights.clone())).await?;
        Ok(ForProgress {
            outline: taken(&mut found, &outline)?,
            progress: taken(&mut found, &progress)?,
            rights: rights_in(&mut found, &rights)?,
        })
    }

    /// Replaces an outline that was read in the version `seen`, or was not there, and deletes the texts of up to [`REMOVED_MAX`] lessons
    /// that are no longer in it. [`Written::No`] if another request changed the outline.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn replace_outline(&self, seen: Option<u64>, outline: &Outline, removed: &[LessonId]) -> Result<Written, StoreError> {
        let mut items = vec![self.put(to_item(&outline_key(&outline.course_id), outline)?).if_version(seen)];
        items.push(self.put(to_item(&public_outline_key(&outline.course_id), outline)?).always());
        items.extend(removed.iter().map(|lesson| self.remove(&lesson_key(&outline.course_id, lesson))));
        self.transact(&items).await
    }

    /// Replaces a lesson's text that was read in the version `seen`, or was not there. `No(0)` if the outline is not the one that was read:
    /// the lesson may have been removed, and nobody would ever see the text. `No(1)` if another request changed the text.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn put_lesson(&self, outline: &Outline, text: &LessonText, seen: Option<u64>) -> Result<Written, StoreError> {
        let same = ConditionCheck::builder()
            .table_name(&self.table)
            .set_key(Some(outline_key(&outline.course_id).attributes()))
            .condition_expression("version = :seen")
            .expression_attribute_values(":seen", number(outline.version))
            .build()
            .expect("a table, a key and a condition are given");
        let put = self.put(to_item(&lesson_key(&text.course_id, &text.lesson_id), text)?).if_version(seen);
        self.transact(&[TransactWriteItem::builder().condition_check(same).build(), put]).await
    }

    /// Replaces a reader's progress that was read in the version `seen`, or was not there. [`Written::No`] if another request changed it.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn put_progress(&self, reader: &UserId, progress: &Progress, seen: Option<u64>) -> Result<Written, StoreError> {
        let item = to_item(&progress_key(reader, &progress.course_id), progress)?;
        self.transact(&[self.put(item).if_version(seen)]).await
    }

    /// Records when a reader opened a course, which was read in the version `seen`, or was not there. [`Written::No`] if another request did.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn put_opened(&self, reader: &UserId, opened: &Opened, seen: Option<u64>) -> Result<Written, StoreError> {
        let item = to_item(&opened_key(reader, &opened.course_id), opened)?;
        self.transact(&[self.put(item).if_version(seen)]).await
    }

    /// When a reader opened courses.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn opened_by(&self, reader: &UserId, page: &Page) -> Result<Paged<Opened>, StoreError> {
        self.list(List::Table { pk: format!("USER#{reader}"), prefix: OPENED }, page).await
    }

    /// When a reader opened courses of a seller; of very many, only the newest courses.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn opened_from(&self, reader: &UserId, seller: &UserId) -> Result<Vec<Opened>, StoreError> {
        // A course's id begins with its seller's.
        let prefix = format!("{OPENED}crs_{}_", seller.as_part());
        Ok(self.list(List::Table { pk: format!("USER#{reader}"), prefix: &prefix }, &Page { limit: 100, after: None }).await?.items)
    }

    /// The outlines of a seller's courses.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn outlines_of(&self, seller: &UserId, page: &Page) -> Result<Paged<Outline>, StoreError> {
        self.list(List::Table { pk: format!("USER#{seller}"), prefix: "OUTLINE#" }, page).await
    }

    /// The texts of the lessons of a seller's courses.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn lessons_of(&self, seller: &UserId, page: &Page) -> Result<Paged<LessonText>, StoreError> {
        self.list(List::Table { pk: format!("USER#{seller}"), prefix: "LESSON#" }, page).await
    }

    /// A reader's progress in all courses.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn progress_of(&self, reader: &UserId, page: &Page) -> Result<Paged<Progress>, StoreError> {
        self.list(List::Table { pk: format!("USER#{reader}"), prefix: "PROGRESS#" }, page).await
    }

    /// Deletes a reader's progress in all courses, and when they opened them. Doing it twice does no harm.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn forget_reading(&self, reader: &UserId) -> Result<(), StoreError> {
        let first = || Some(Page { limit: 50, after: None });
        let (mut progress, mut opened) = (first(), first());
        while progress.is_some() || opened.is_some() {
            let mut keys = Vec::new();
            if let Some(page) = progress.take() {
                let found = self.progress_of(reader, &page).await?;
                keys.extend(found.items.iter().map(|one| progress_key(reader, &one.course_id)));
                progress = found.next.map(|next| Page { after: Some(next), ..page });
            }
            if let Some(page) = opened.take() {
                let found = self.opened_by(reader, &page).await?;
                keys.extend(found.items.iter().map(|one| opened_key(reader, &one.course_id)));
                opened = found.next.map(|next| Page { after: Some(next), ..page });
            }
            let items: Vec<_> = keys.iter().map(|key| self.remove(key)).collect();
            if !items.is_empty() {
                let _unconditional = self.transact(&items).await?;
            }
        }
        Ok(())
    }
}
