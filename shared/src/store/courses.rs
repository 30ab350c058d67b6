//! Courses. The item under the slug carries the whole course, so that its page is one read; both are always written
//! in one transaction.

use serde::{Deserialize, Serialize};

use super::memberships::member_key;
use super::page::{List, Page, Paged};
use super::purchases::{Slot, slot_key};
use super::sessions::{Token, signed_in};
use super::users::profile;
use super::{Item, Key, Store, StoreError, Written, from_item, string, to_item};
use crate::course::{Content, Course, check_slug};
use crate::ids::{CourseId, UserId};
use crate::membership;
use crate::user::User;

pub(super) fn course_key(id: &CourseId) -> Key {
    Key::new(format!("USER#{}", id.seller()), format!("COURSE#{id}"))
}

fn slug_key(slug: &str) -> Key {
    Key::new(format!("SLUG#{slug}"), "SLUG")
}

fn content_key(id: &CourseId) -> Key {
    Key::new(format!("USER#{}", id.seller()), format!("CONTENT#{id}"))
}

#[derive(Serialize, Deserialize)]
struct SlugOwner {
    course: Course,
}

/// All that a reader's request needs to know.
#[derive(Debug)]
pub struct ForReader {
    /// What there is to read.
    pub content: Option<Content>,
    /// The reader's purchase of the course.
    pub slot: Option<Slot>,
    /// The reader's subscription to the seller's membership.
    pub member: Option<membership::Slot>,
}

fn course_item(course: &Course) -> Result<Item, StoreError> {
    let mut item = to_item(&course_key(&course.id), course)?;
    if course.published && !course.deleted {
        item.insert("gsi1pk".to_owned(), string("COURSES"));
        item.insert("gsi1sk".to_owned(), string(format!("{:020}#{}", course.created_at.unix_timestamp_nanos(), course.id)));
    }
    Ok(item)
}

impl Store {
    /// Adds a course with a slug that no other has.
    ///
    /// # Errors
    /// Where DynamoDB fails. [`Written::No`] where the slug is taken.
    pub async fn add_course(&self, course: &Course) -> Result<Written, StoreError> {
        let owner = to_item(&slug_key(&course.slug), &SlugOwner { course: course.clone() })?;
        self.transact(&[self.put(owner).if_absent(), self.put(course_item(course)?).if_absent()]).await
    }

    /// Replaces a course that was read as `old`; a deleted one gives its slug back.
    ///
    /// # Errors
    /// Where DynamoDB fails. `No(0)` where another request changed the course, `No(1)` where the new slug is taken.
    pub async fn replace_course(&self, old: &Course, new: &Course) -> Result<Written, StoreError> {
        let mut items = vec![self.put(course_item(new)?).if_version(Some(old.version))];
        let owner = to_item(&slug_key(&new.slug), &SlugOwner { course: new.clone() })?;
        if new.deleted {
            items.push(self.remove(&slug_key(&old.slug)));
        } else if new.slug == old.slug {
            items.push(self.put(owner).always());
        } else {
            items.push(self.put(owner).if_absent());
            items.push(self.remove(&slug_key(&old.slug)));
        }
        self.transact(&items).await
    }

    /// The course at a slug, published or not, and the signed-in user where a token is given: one trip. A course's id stands for
    /// its slug, also after the course was deleted and the slug given to another.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn course_by_slug(
        &self,
        slug: &str,
        token: Option<&Token>,
        now: time::OffsetDateTime,
    ) -> Result<(Option<Course>, Option<User>), StoreError> {
        let id = slug.parse::<CourseId>().ok();
        // What no slug can be, no course has; DynamoDB would refuse a key of that length.
        let key = id.as_ref().map(course_key).or_else(|| check_slug(slug).is_ok().then(|| slug_key(slug)));
        let read = |item: Item| match &id {
            Some(_) => from_item::<Course>(item),
            None => from_item::<SlugOwner>(item).map(|owner| owner.course),
        };
        let Some(token) = token else {
            let Some(key) = key else { return Ok((None, None)) };
            let course = match &id {
                Some(_) => self.get::<Course>(&key).await?,
                None => self.get::<SlugOwner>(&key).await?.map(|owner| owner.course),
            };
            return Ok((course, None));
        };
        let (session, user) = (token.key(), profile(token.user_id()));
        let mut found = self.get_all([session.clone(), user.clone()].into_iter().chain(key.clone())).await?;
        let course = key.and_then(|key| found.remove(&key)).map(read).transpose()?;
        Ok((course, signed_in(found.get(&session), found.get(&user), now)?))
    }

    /// A course, published, deleted or not.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn course(&self, id: &CourseId) -> Result<Option<Course>, StoreError> {
        self.get(&course_key(id)).await
    }

    /// Replaces what a course's buyers read.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn put_content(&self, course: &CourseId, content: &Content) -> Result<(), StoreError> {
        let item = to_item(&content_key(course), content)?;
        let _unconditional = self.transact(&[self.put(item).always()]).await?;
        Ok(())
    }

    /// What a course's buyers and the seller's members read, with a user's purchase of the course and their subscription to the
    /// membership: one trip.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn content_for(&self, course: &CourseId, reader: &UserId) -> Result<ForReader, StoreError> {
        let (content, slot, member) = (content_key(course), slot_key(reader, course), member_key(reader, &course.seller()));
        let mut found = self.get_all([content.clone(), slot.clone(), member.clone()]).await?;
        Ok(ForReader {
            content: found.remove(&content).map(from_item).transpose()?,
            slot: found.remove(&slot).map(from_item).transpose()?,
            member: found.remove(&member).map(from_item).transpose()?,
        })
    }

    /// Published courses, the newest first.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn published_courses(&self, page: &Page) -> Result<Paged<Course>, StoreError> {
        self.list(List::Index { pk: "COURSES".to_owned() }, page).await
    }

    /// Published courses that have all the words in their title or description, the newest first. A page may be
    /// short, or empty, and still have a next one: a bounded number of courses is looked at for each.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn search_courses(&self, words: &[String], page: &Page) -> Result<Paged<Course>, StoreError> {
        self.search(List::Index { pk: "COURSES".to_owned() }, page, &|course: &Course| {
            let text = format!("{} {}", course.title, course.description).to_lowercase();
            words.iter().all(|word| text.contains(word.as_str()))
        })
        .await
    }

    /// A seller's own courses, published or not.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn courses_of(&self, seller: &UserId, page: &Page) -> Result<Paged<Course>, StoreError> {
        let list = List::Table { pk: format!("USER#{seller}"), prefix: "COURSE#" };
        self.search(list, page, &|course: &Course| !course.deleted).await
    }
}
