//! Courses. The item under the slug contains the whole course, so that its
//! page takes one read. Both items are always written in one transaction.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};
use serde::{Deserialize, Serialize};

use super::keys::{content_key, course_key, member_key, opened_key, profile, slot_key, slug_key, slugs_key};
use super::page::{Cursor, List, PUBLIC_REACH, Page, Paged};
use super::sessions::signed_in;
use super::table::{Item, Key, PutItem, Store, StoreError, Written, number, string, taken, to_item};
use super::token::Token;
use crate::domain::audit::Entry;
use crate::domain::course::{Content, Course};
use crate::domain::ids::{CourseId, UserId};
use crate::domain::mail::Mail;
use crate::domain::membership;
use crate::domain::outline::Opened;
use crate::domain::purchase::Slot;
use crate::domain::slug::SLUGS;
use crate::domain::user::User;

#[derive(Serialize, Deserialize)]
struct SlugOwner {
    course: Course,
}

/// What a public address leads to, of a course or of a seller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address<T> {
    /// What everybody sees there.
    Offered(Box<T>),
    /// It has another slug or handle now.
    Moved(String),
    /// Nothing that everybody may see.
    Nothing,
}

/// Content with its key.
#[derive(Deserialize)]
struct StoredContent {
    sk: String,
    #[serde(flatten)]
    content: Content,
}

/// A course's content.
#[derive(Clone, Debug)]
pub struct ContentOf {
    /// The course's id.
    pub course_id: String,
    /// The content.
    pub content: Content,
}

/// What may give a reader access to a course.
#[derive(Debug, Default)]
pub struct Rights {
    /// Their purchase of the course.
    pub slot: Option<Slot>,
    /// Their subscription to the seller's membership.
    pub member: Option<membership::Slot>,
}

/// The keys of a reader's rights to a course, which are read together with what they ask for.
pub(super) fn rights_keys(reader: &UserId, course: &CourseId) -> [Key; 2] {
    [slot_key(reader, course), member_key(reader, &course.seller())]
}

/// The rights among the items that were read.
pub(super) fn rights_in(found: &mut HashMap<Key, Item>, [slot, member]: &[Key; 2]) -> Result<Rights, StoreError> {
    Ok(Rights { slot: taken(found, slot)?, member: taken(found, member)? })
}

/// How many slugs a seller can take, for new courses and new addresses of old ones. Each stays reserved, so this is also how many one seller
/// can keep from others.
pub const SLUGS_MAX: u32 = 1_000;

/// How many of a seller's courses to read at once while looking for one that is offered.
const AT_ONCE: i32 = 10;

/// The index in [`Written::No`] if a seller has taken [`SLUGS_MAX`].
pub const NO_MORE_SLUGS: usize = 2;

/// The part of the index's sort key that sorts courses by age.
fn created_key(at: time::OffsetDateTime) -> String {
    format!("{:020}", at.unix_timestamp_nanos())
}

fn course_item(course: &Course) -> Result<Item, StoreError> {
    let mut item = to_item(&course_key(&course.id), course)?;
    if course.is_offered() {
        list_in(&mut item, "COURSES".to_owned(), course);
    }
    Ok(item)
}

/// Lists a course in the index, by age.
fn list_in(item: &mut Item, list: String, course: &Course) {
    item.insert("gsi1pk".to_owned(), string(list));
    item.insert("gsi1sk".to_owned(), string(format!("{}#{}", created_key(course.created_at), course.id)));
}

/// The course under its slug. If everybody sees it, it is in the public list of its seller's courses.
fn slug_item(slug: &str, course: Course) -> Result<Item, StoreError> {
    let owner = SlugOwner { course };
    let mut item = to_item(&slug_key(slug), &owner)?;
    if owner.course.is_offered() {
        list_in(&mut item, format!("COURSES#{}", owner.course.seller_id), &owner.course);
    }
    Ok(item)
}

impl Store {
    /// The item under the new slug of a course. A slug can be taken if it is unused, or if it was last used by the same seller: links to a
    /// former slug must never lead to another seller's course.
    fn take_slug(&self, course: &Course) -> Result<TransactWriteItem, StoreError> {
        let PutItem(put) = self.put(slug_item(&course.slug, course.clone())?);
        let put = put
            .condition_expression("attribute_not_exists(pk) OR (course.deleted = :former AND course.seller_id = :seller)")
            .expression_attribute_values(":former", AttributeValue::Bool(true))
            .expression_attribute_values(":seller", string(course.seller_id.to_string()));
        Ok(PutItem(put).always())
    }

    /// Counts a slug that a seller takes.
    fn count_slug(&self, seller: &UserId) -> TransactWriteItem {
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(slugs_key(seller).attributes()))
            .update_expression("ADD taken :1")
            .condition_expression("attribute_not_exists(taken) OR taken < :most")
            .expression_attribute_values(":1", number(1))
            .expression_attribute_values(":most", number(SLUGS_MAX))
            .build()
            .expect("a table, a key and an expression are given");
        TransactWriteItem::builder().update(update).build()
    }

    /// Adds a course with a free slug, and what the audit log says of it. Those who are offered a share are told.
    ///
    /// # Errors
    /// If DynamoDB fails. [`Written::No`] if the slug is taken, or with [`NO_MORE_SLUGS`].
    pub async fn add_course(&self, course: &Course, entries: &[Entry]) -> Result<Written, StoreError> {
        let mut items = vec![self.take_slug(course)?, self.put(course_item(course)?).if_absent(), self.count_slug(&course.seller_id)];
        for entry in entries {
            items.push(self.audited(entry)?);
        }
        self.tell_payees(None, course, &mut items)?;
        self.transact(&items).await
    }

    /// Queues mails to those to whom a course offers a share that it did not offer before.
    fn tell_payees(&self, before: Option<&Course>, course: &Course, items: &mut Vec<TransactWriteItem>) -> Result<(), StoreError> {
        for mail in Mail::of_shares(before, course) {
            items.push(self.ask_for(&mail, course.updated_at)?);
        }
        Ok(())
    }

    /// Replaces a course that was read as `old`. Those who are newly offered a share are told. The slug of a deleted course, and one that it had before, stay reserved for its seller.
    ///
    /// # Errors
    /// If DynamoDB fails. `No(0)` if another request changed the course, `No(1)` if the new slug is taken, or [`NO_MORE_SLUGS`].
    pub async fn replace_course(&self, old: &Course, new: &Course) -> Result<Written, StoreError> {
        self.replace_course_with(old, new, Vec::new()).await
    }

    /// The same with additional items, which come last in the transaction.
    pub(super) async fn replace_course_with(
        &self,
        old: &Course,
        new: &Course,
        more: Vec<TransactWriteItem>,
    ) -> Result<Written, StoreError> {
        let mut items = vec![self.put(course_item(new)?).if_version(Some(old.version))];
        if new.slug != old.slug {
            items.extend([self.take_slug(new)?, self.count_slug(&new.seller_id)]);
        }
        // Under its former slug, a course is stored as deleted, with the slug that it has now. A deleted course has no slug any more:
        // another may be using it.
        let is_former = new.deleted || new.slug != old.slug;
        if !old.deleted {
            let course = if is_former { Course { deleted: true, description: String::new(), ..new.clone() } } else { new.clone() };
            items.push(self.put(slug_item(&old.slug, course)?).always());
        }
        items.extend(more);
        self.tell_payees(Some(old), new, &mut items)?;
        self.transact(&items).await
    }

    /// The course at a slug, published or not, and the signed-in user if a token is given: one trip, or two if the course has another slug
    /// by now. The course's id also works as a slug, even after the course was deleted and another took its slug.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn course_by_slug(
        &self,
        slug: &str,
        token: Option<&Token>,
        now: time::OffsetDateTime,
    ) -> Result<(Option<Course>, Option<User>), StoreError> {
        let id = slug.parse::<CourseId>().ok();
        // No course has an invalid slug, and DynamoDB would refuse a key that is too long.
        let key = id.as_ref().map(course_key).or_else(|| SLUGS.check(slug).is_ok().then(|| slug_key(slug)));
        let Some(token) = token else {
            let Some(key) = key else { return Ok((None, None)) };
            let course = match &id {
                Some(_) => self.get::<Course>(&key).await?,
                None => self.present(self.get::<SlugOwner>(&key).await?).await?,
            };
            return Ok((course, None));
        };
        let (session, user) = (token.key(), profile(token.user_id()));
        let mut found = self.get_all([session.clone(), user.clone()].into_iter().chain(key.clone())).await?;
        let course = match (id, key) {
            (_, None) => None,
            (Some(_), Some(key)) => taken(&mut found, &key)?,
            (None, Some(key)) => self.present(taken(&mut found, &key)?).await?,
        };
        Ok((course, signed_in(found.get(&session), found.get(&user), now)?))
    }

    /// The course as it is now. If the slug is a former one, this takes another trip, and a deleted course is not found.
    async fn present(&self, found: Option<SlugOwner>) -> Result<Option<Course>, StoreError> {
        match found {
            Some(SlugOwner { course }) if course.deleted => Ok(self.course(&course.id).await?.filter(|course| !course.deleted)),
            found => Ok(found.map(|owner| owner.course)),
        }
    }

    /// What everybody sees at a slug: one trip, which reads nothing but the slug's own item, or a second one for a former slug. That
    /// leads only to a course that everybody sees.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn address(&self, slug: &str) -> Result<Address<Course>, StoreError> {
        // No course has an invalid slug, and DynamoDB would refuse a key that is too long.
        let found = if SLUGS.check(slug).is_ok() { self.get::<SlugOwner>(&slug_key(slug)).await? } else { None };
        Ok(match found {
            Some(SlugOwner { course }) if course.is_offered() => Address::Offered(Box::new(course)),
            Some(SlugOwner { course }) if course.deleted && course.slug != slug => {
                let there = self.get::<SlugOwner>(&slug_key(&course.slug)).await?.map(|owner| owner.course);
                let leads = there.is_some_and(|there| there.seller_id == course.seller_id && (there.is_offered() || there.deleted));
                if leads { Address::Moved(course.slug) } else { Address::Nothing }
            }
            _ => Address::Nothing,
        })
    }

    /// A course, published, deleted or not.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn course(&self, id: &CourseId) -> Result<Option<Course>, StoreError> {
        self.get(&course_key(id)).await
    }

    /// Replaces a course's content.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn put_content(&self, course: &CourseId, content: &Content) -> Result<(), StoreError> {
        let item = to_item(&content_key(course), content)?;
        let _unconditional = self.transact(&[self.put(item).always()]).await?;
        Ok(())
    }

    /// A course's content, and a reader's rights to it, and when they opened it: one trip.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn content_for(&self, course: &CourseId, reader: &UserId) -> Result<(Option<Content>, Rights, Option<Opened>), StoreError> {
        let (content, opened, rights) = (content_key(course), opened_key(reader, course), rights_keys(reader, course));
        let mut found = self.get_all([content.clone(), opened.clone()].into_iter().chain(rights.clone())).await?;
        Ok((taken(&mut found, &content)?, rights_in(&mut found, &rights)?, taken(&mut found, &opened)?))
    }

    /// Published courses, newest first.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn published_courses(&self, page: &Page) -> Result<Paged<Course>, StoreError> {
        self.list(List::Index { pk: "COURSES".to_owned() }, page).await
    }

    /// Published courses of a seller, newest first.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn published_courses_of(&self, seller: &UserId, page: &Page) -> Result<Paged<Course>, StoreError> {
        let found: Paged<SlugOwner> = self.list(List::Index { pk: format!("COURSES#{seller}") }, page).await?;
        Ok(Paged { items: found.items.into_iter().map(|owner| owner.course).collect(), next: found.next })
    }

    /// The published course that was created first, if there is any.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn oldest_course(&self) -> Result<Option<Course>, StoreError> {
        let page = Page { limit: 1, after: None };
        Ok(self.list_ascending(List::Index { pk: "COURSES".to_owned() }, &page).await?.items.into_iter().next())
    }

    /// The position in the list of published courses after which those created before this time begin.
    #[must_use]
    pub fn published_before(&self, time: time::OffsetDateTime) -> Cursor {
        List::Index { pk: "COURSES".to_owned() }.position(created_key(time))
    }

    /// Published courses that contain all the words in their title or description, newest first. A page may be
    /// short or empty and still have a next one, because only a limited number of courses is checked for each.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn search_courses(&self, words: &[String], page: &Page) -> Result<Paged<Course>, StoreError> {
        let has_all = |course: &Course| {
            let text = format!("{} {}", course.title, course.description).to_lowercase();
            words.iter().all(|word| text.contains(word.as_str()))
        };
        self.list_where(List::Index { pk: "COURSES".to_owned() }, page, &has_all, PUBLIC_REACH).await
    }

    /// A seller's own courses, published or not.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn courses_of(&self, seller: &UserId, page: &Page) -> Result<Paged<Course>, StoreError> {
        let list = List::Table { pk: format!("USER#{seller}"), prefix: "COURSE#" };
        self.search(list, page, &|course: &Course| !course.deleted).await
    }

    /// The same, including deleted ones.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn all_courses_of(&self, seller: &UserId, page: &Page) -> Result<Paged<Course>, StoreError> {
        self.list(List::Table { pk: format!("USER#{seller}"), prefix: "COURSE#" }, page).await
    }

    /// The contents of a seller's courses.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn contents_of(&self, seller: &UserId, page: &Page) -> Result<Paged<ContentOf>, StoreError> {
        let stored: Paged<StoredContent> = self.list(List::Table { pk: format!("USER#{seller}"), prefix: "CONTENT#" }, page).await?;
        let of = |StoredContent { sk, content }: StoredContent| ContentOf { course_id: sk.replacen("CONTENT#", "", 1), content };
        Ok(Paged { items: stored.items.into_iter().map(of).collect(), next: stored.next })
    }

    /// Whether staff took courses of a seller down and no other one is offered. What the seller does with those courses afterwards
    /// changes nothing. One query for a seller whose newest courses are offered.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn is_taken_down(&self, seller: &UserId) -> Result<bool, StoreError> {
        let (mut page, mut is_taken_down) = (Page { limit: AT_ONCE, after: None }, false);
        loop {
            let list = List::Table { pk: format!("USER#{seller}"), prefix: "COURSE#" };
            let found =
                self.list_where(list, &page, &|course: &Course| course.is_offered() || course.taken_down.is_some(), AT_ONCE).await?;
            if found.items.iter().any(Course::is_offered) {
                return Ok(false);
            }
            is_taken_down |= !found.items.is_empty();
            page.after = found.next;
            if page.after.is_none() {
                return Ok(is_taken_down);
            }
        }
    }

    /// Whether a seller offers a course, which members can read.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn offers_a_course(&self, seller: &UserId) -> Result<bool, StoreError> {
        let mut page = Page { limit: 1, after: None };
        loop {
            let list = List::Table { pk: format!("USER#{seller}"), prefix: "COURSE#" };
            let found = self.search(list, &page, &Course::is_offered).await?;
            if !found.items.is_empty() || found.next.is_none() {
                return Ok(!found.items.is_empty());
            }
            page.after = found.next;
        }
    }
}
