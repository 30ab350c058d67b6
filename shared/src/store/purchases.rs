//! Purchases, and the slot that holds a buyer and a course to one of them.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::courses::course_key;
use super::events::{EventMark, event_key};
use super::page::{List, Page, Paged};
use super::sessions::{Token, signed_in};
use super::users::profile;
use super::{Item, Key, Store, StoreError, Written, from_item, string, to_item};
use crate::course::Course;
use crate::ids::{CourseId, PurchaseId, UserId};
use crate::purchase::{Purchase, Status};
use crate::user::User;

fn purchase_key(id: &PurchaseId) -> Key {
    Key::new(format!("USER#{}", id.buyer()), format!("PURCHASE#{id}"))
}

fn slot_key(buyer: &UserId, course: &CourseId) -> Key {
    Key::new(format!("USER#{buyer}"), format!("OWNS#{course}"))
}

fn payment_key(payment_intent: &str) -> Key {
    Key::new(format!("PAYMENT#{payment_intent}"), "PAYMENT")
}

/// A buyer's one purchase of a course.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Slot {
    /// The purchase.
    pub purchase_id: PurchaseId,
    /// Where it stands, so that `owned` is one read.
    pub status: Status,
    /// Counts the purchase's writes.
    pub version: u64,
}

#[derive(Serialize, Deserialize)]
struct PaymentOwner {
    purchase_id: PurchaseId,
}

/// All that a charge needs to know.
#[derive(Debug)]
pub struct ForCharge {
    /// The signed-in user.
    pub buyer: Option<User>,
    /// The course, published or not.
    pub course: Option<Course>,
    /// Its seller.
    pub seller: Option<User>,
    /// The buyer's purchase of it, if there is one.
    pub slot: Option<Slot>,
}

fn purchase_item(purchase: &Purchase) -> Result<Item, StoreError> {
    let mut item = to_item(&purchase_key(&purchase.id), purchase)?;
    if let Some(paid_at) = purchase.paid_at {
        item.insert("gsi1pk".to_owned(), string(format!("SALES#{}", purchase.seller_id)));
        item.insert("gsi1sk".to_owned(), string(format!("{:020}#{}", paid_at.unix_timestamp_nanos(), purchase.id)));
    }
    Ok(item)
}

impl Store {
    /// Reads what a charge needs: one trip.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn read_for_charge(&self, token: &Token, course: &CourseId, now: OffsetDateTime) -> Result<ForCharge, StoreError> {
        let (session, buyer) = (token.key(), profile(token.user_id()));
        let (course_item, seller) = (course_key(course), profile(&course.seller()));
        let slot = slot_key(token.user_id(), course);
        let found = self.get_all([&session, &buyer, &course_item, &seller, &slot].map(Key::clone)).await?;
        let read = |key: &Key| found.get(key).cloned();
        Ok(ForCharge {
            buyer: signed_in(found.get(&session), found.get(&buyer), now)?,
            course: read(&course_item).map(from_item).transpose()?,
            seller: read(&seller).map(from_item).transpose()?,
            slot: read(&slot).map(from_item).transpose()?,
        })
    }

    /// A buyer's purchase of a course.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn slot(&self, buyer: &UserId, course: &CourseId) -> Result<Option<Slot>, StoreError> {
        self.get(&slot_key(buyer, course)).await
    }

    /// A purchase.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn purchase(&self, id: &PurchaseId) -> Result<Option<Purchase>, StoreError> {
        self.get(&purchase_key(id)).await
    }

    /// A purchase, and whether an event was handled already: one trip.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn purchase_for_event(&self, id: &PurchaseId, event: &str) -> Result<(Option<Purchase>, bool), StoreError> {
        let (purchase, event) = (purchase_key(id), event_key(event));
        let mut found = self.get_all([purchase.clone(), event.clone()]).await?;
        Ok((found.remove(&purchase).map(from_item).transpose()?, found.contains_key(&event)))
    }

    /// The purchase that a PaymentIntent belongs to.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn purchase_of_payment(&self, payment_intent: &str) -> Result<Option<PurchaseId>, StoreError> {
        Ok(self.get::<PaymentOwner>(&payment_key(payment_intent)).await?.map(|owner| owner.purchase_id))
    }

    /// Writes an attempt down before Stripe is asked, with the customer that it charges. The slot makes sure that of
    /// any number of requests one goes on: `slot` is the one that was read, and it must be there unchanged.
    ///
    /// # Errors
    /// Where DynamoDB fails. [`Written::No`] where another request was first.
    pub async fn write_intent(&self, purchase: &mut Purchase, slot: Option<&Slot>) -> Result<Written, StoreError> {
        let seen_purchase = (purchase.version > 0).then_some(purchase.version);
        // A purchase after a refunded one takes its slot over and counts on, so that the slot's version never repeats.
        let seen_slot = slot.map(|slot| slot.version);
        purchase.version = purchase.version.max(seen_slot.unwrap_or(0)) + 1;
        let attempt = purchase.attempt();
        let account = attempt.account.as_deref().unwrap_or(crate::user::PLATFORM);
        let items = vec![
            self.put(self.slot_item(purchase)?).if_version(seen_slot),
            self.put(purchase_item(purchase)?).if_version(seen_purchase),
            self.remember_customer(&purchase.buyer_id, account, &attempt.customer),
        ];
        self.transact(items).await
    }

    /// Writes what became of a purchase that was read with its present version, with the event that told it.
    ///
    /// # Errors
    /// Where DynamoDB fails. [`Written::No`] where another request or event was first: read again and look anew.
    pub async fn write_outcome(&self, purchase: &mut Purchase, mark: Option<&EventMark>) -> Result<Written, StoreError> {
        let seen = purchase.version;
        purchase.version += 1;
        let mut items = vec![self.put(purchase_item(purchase)?).if_version(Some(seen))];
        if let Some(payment_intent) = &purchase.attempt().payment_intent {
            let owner = PaymentOwner { purchase_id: purchase.id.clone() };
            items.push(self.put(to_item(&payment_key(payment_intent), &owner)?).always());
        }
        if let Some(mark) = mark {
            items.push(self.mark(mark)?);
        }
        let slot = items.len();
        items.push(self.put(self.slot_item(purchase)?).if_version(Some(seen)));
        match self.transact(items.clone()).await? {
            // The slot is another purchase's by now: this one was refunded and the course bought again.
            Written::No(index) if index == slot => {
                items.truncate(slot);
                self.transact(items).await
            }
            written => Ok(written),
        }
    }

    fn slot_item(&self, purchase: &Purchase) -> Result<Item, StoreError> {
        let slot = Slot { purchase_id: purchase.id.clone(), status: purchase.status, version: purchase.version };
        to_item(&slot_key(&purchase.buyer_id, &purchase.course_id), &slot)
    }

    /// What a buyer bought and tried to buy, the newest first.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn purchases_of(&self, buyer: &UserId, page: &Page) -> Result<Paged<Purchase>, StoreError> {
        self.list(List::Table { pk: format!("USER#{buyer}"), prefix: "PURCHASE#" }, page).await
    }

    /// What a seller sold: purchases that were ever paid, the newest first.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn sales_of(&self, seller: &UserId, page: &Page) -> Result<Paged<Purchase>, StoreError> {
        self.list(List::Index { pk: format!("SALES#{seller}") }, page).await
    }
}
