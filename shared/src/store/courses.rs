//! Courses. The item under the slug carries the whole course, so that its page is one read; both are always written
//! in one transaction.

use serde::{Deserialize, Serialize};

use super::page::{List, Page, Paged};
use super::sessions::{Token, signed_in};
use super::users::profile;
use super::{Item, Key, Store, StoreError, Written, from_item, string, to_item};
use crate::course::{Course, check_slug};
use crate::ids::{CourseId, UserId};
use crate::user::User;

pub(super) fn course_key(id: &CourseId) -> Key {
    Key::new(format!("USER#{}", id.seller()), format!("COURSE#{id}"))
}

fn slug_key(slug: &str) -> Key {
    Key::new(format!("SLUG#{slug}"), "SLUG")
}

#[derive(Serialize, Deserialize)]
struct SlugOwner {
    course: Course,
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
        self.transact(vec![self.put(owner).if_absent(), self.put(course_item(course)?).if_absent()]).await
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
        self.transact(items).await
    }

    /// The course at a slug, published or not, and the signed-in user where a token is given: one trip.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn course_by_slug(
        &self,
        slug: &str,
        token: Option<&Token>,
        now: time::OffsetDateTime,
    ) -> Result<(Option<Course>, Option<User>), StoreError> {
        // What no slug can be, no course has; DynamoDB would refuse a key of that length.
        let slug = check_slug(slug).is_ok().then(|| slug_key(slug));
        let Some(token) = token else {
            let Some(slug) = slug else { return Ok((None, None)) };
            return Ok((self.get::<SlugOwner>(&slug).await?.map(|owner| owner.course), None));
        };
        let (session, user) = (token.key(), profile(token.user_id()));
        let mut found = self.get_all([session.clone(), user.clone()].into_iter().chain(slug.clone())).await?;
        let course = slug.and_then(|slug| found.remove(&slug)).map(from_item::<SlugOwner>).transpose()?.map(|owner| owner.course);
        Ok((course, signed_in(found.get(&session), found.get(&user), now)?))
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
