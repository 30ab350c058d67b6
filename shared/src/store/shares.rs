//! Courses of other sellers in which a payee has, or is offered, a share.
//! The course says how large the share is and whether it is accepted.

use serde::{Deserialize, Serialize};

use super::keys::{course_key, share_key};
use super::page::{List, Page, Paged};
use super::table::{Key, Store, StoreError, from_item, to_item};
use crate::domain::course::Course;
use crate::domain::ids::{CourseId, UserId};
use crate::domain::purchase::Purchase;

#[derive(Serialize, Deserialize)]
struct Offered {
    course_id: CourseId,
}

impl Store {
    /// Notes for each payee that they are offered a share of a course. Written before the course itself, so that no offer stays unseen.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn offer_shares(&self, course: &CourseId, payees: &[UserId]) -> Result<(), StoreError> {
        let offered = Offered { course_id: course.clone() };
        let items = payees.iter().map(|payee| Ok(self.put(to_item(&share_key(payee, course), &offered)?).always()));
        let _always = self.transact(&items.collect::<Result<Vec<_>, StoreError>>()?).await?;
        Ok(())
    }

    /// The courses in which a payee was ever offered a share, in the order of their sellers; two trips.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn shared_courses(&self, payee: &UserId, page: &Page) -> Result<Paged<Course>, StoreError> {
        let offered: Paged<Offered> = self.list(List::Table { pk: format!("USER#{payee}"), prefix: "SHARE#" }, page).await?;
        let keys: Vec<Key> = offered.items.iter().map(|offered| course_key(&offered.course_id)).collect();
        let mut found = self.get_all(keys.clone()).await?;
        let courses = keys.iter().filter_map(|key| found.remove(key)).map(from_item).collect::<Result<_, _>>()?;
        Ok(Paged { items: courses, next: offered.next })
    }

    /// The sales of a course that brought a payee money, newest first.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn shared_sales(&self, course: &Course, payee: &UserId, page: &Page) -> Result<Paged<Purchase>, StoreError> {
        let list = List::Index { pk: format!("SALES#{}", course.seller_id) };
        let is_theirs = |purchase: &Purchase| purchase.movements().iter().any(|movement| movement.payee.as_ref() == Some(payee));
        self.search(list, page, &|purchase: &Purchase| purchase.course_id == course.id && is_theirs(purchase)).await
    }
}
