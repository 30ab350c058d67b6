//! Purchases, and the slot that holds a buyer and a course to one of them.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::books::{ledger_item, ledger_lines};
use super::courses::course_key;
use super::events::{EventMark, event_key};
use super::memberships::member_key;
use super::outbox::Mail;
use super::page::{List, Page, Paged};
use super::sessions::{Token, signed_in};
use super::users::profile;
use super::{Item, Key, Store, StoreError, Written, from_item, number, shard, string, to_item};
use crate::course::Course;
use crate::ids::{CourseId, PurchaseId, SubscriptionId, UserId};
use crate::membership;
use crate::metrics;
use crate::purchase::{DisputeStatus, News, Ownership, Purchase, Status};
use crate::user::User;

fn purchase_key(id: &PurchaseId) -> Key {
    Key::new(format!("USER#{}", id.buyer()), format!("PURCHASE#{id}"))
}

pub(super) fn slot_key(buyer: &UserId, course: &CourseId) -> Key {
    Key::new(format!("USER#{buyer}"), format!("OWNS#{course}"))
}

pub(super) fn payment_key(payment_intent: &str) -> Key {
    Key::new(format!("PAYMENT#{payment_intent}"), "PAYMENT")
}

/// A buyer's one purchase of a course.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Slot {
    /// The purchase.
    pub purchase_id: PurchaseId,
    /// Where it stands.
    pub status: Status,
    /// What the buyer has of the course by this purchase.
    #[serde(default)]
    ownership: Ownership,
    /// What the buyer has by those that had the slot before, and heard news since: a bank may send a refund back after the
    /// course was bought again.
    #[serde(default)]
    earlier: BTreeMap<PurchaseId, Ownership>,
    /// Counts the purchase's writes.
    pub version: u64,
}

impl Slot {
    /// The slot as it stands when the purchase is written; `before` is the one that it takes over.
    #[must_use]
    pub fn of(purchase: &Purchase, before: Option<&Self>) -> Self {
        Self {
            purchase_id: purchase.id.clone(),
            status: purchase.status(),
            ownership: purchase.ownership(),
            earlier: before.map(|slot| slot.earlier.clone()).unwrap_or_default(),
            version: purchase.version,
        }
    }

    /// What the buyer has of the course, by whichever purchase: one read.
    #[must_use]
    pub fn ownership(&self) -> Ownership {
        self.earlier.values().copied().chain([self.ownership]).max().unwrap_or_default()
    }
}

/// Whose payment it is. Once paid, with the purchase itself: events of disputes and of refunds that were made elsewhere name
/// nothing but the payment, and are handled in as few trips as others. Or it is a subscription's.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct PaymentOwner {
    #[serde(skip_serializing_if = "Option::is_none")]
    purchase_id: Option<PurchaseId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purchase: Option<Purchase>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subscription_id: Option<SubscriptionId>,
}

pub(super) fn payment_of_subscription(id: &SubscriptionId) -> PaymentOwner {
    PaymentOwner { subscription_id: Some(id.clone()), ..PaymentOwner::default() }
}

impl PaymentOwner {
    fn into_known(self) -> Option<OfPayment> {
        let paid = self.purchase.map(|purchase| OfPayment::Paid(Box::new(purchase)));
        paid.or(self.purchase_id.map(OfPayment::Known)).or(self.subscription_id.map(OfPayment::Subscription))
    }
}

/// What a payment is for.
#[derive(Clone, Debug)]
pub enum OfPayment {
    /// It was paid.
    Paid(Box<Purchase>),
    /// It is on record, and read by its id.
    Known(PurchaseId),
    /// It is an invoice's, of this subscription to a membership.
    Subscription(SubscriptionId),
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
    if let Some(paid_at) = purchase.paid_at() {
        item.insert("gsi1pk".to_owned(), string(format!("SALES#{}", purchase.seller_id)));
        item.insert("gsi1sk".to_owned(), string(format!("{:020}#{}", paid_at.unix_timestamp_nanos(), purchase.id)));
    }
    if let Some(due_at) = purchase.due_at() {
        item.insert("gsi2pk".to_owned(), string(due_key(shard(purchase.id.as_str(), DUE_SHARDS))));
        item.insert("gsi2sk".to_owned(), string(format!("{:020}#{}", due_at.unix_timestamp_nanos(), purchase.id)));
    }
    Ok(item)
}

/// The mails that news bring.
fn mails(purchase: &Purchase, news: &[News]) -> Vec<Mail> {
    let id = || purchase.id.clone();
    let mut mails = Vec::new();
    for news in news {
        match news {
            News::Paid => mails.extend([Mail::PurchaseReceipt { purchase: id() }, Mail::SaleNotice { purchase: id() }]),
            News::Refunded(number) => {
                mails.push(Mail::Refunded { purchase: id(), refund: number.to_string(), total: purchase.refunded() });
            }
            News::DisputeOpened(dispute) => mails.push(Mail::DisputeOpened { purchase: id(), dispute: dispute.clone() }),
            News::DisputeClosed(dispute) => {
                let lost = purchase.disputes().iter().any(|one| one.id == *dispute && one.status == DisputeStatus::Lost);
                mails.push(Mail::DisputeClosed { purchase: id(), dispute: dispute.clone(), won: !lost });
            }
            News::NotPaid(_) | News::RefundFailed(_) | News::DisputeWithdrawn(_) | News::DisputeReinstated(_) => {}
        }
    }
    mails
}

fn value<T: Serialize>(value: &T) -> Result<AttributeValue, StoreError> {
    Ok(serde_dynamo::aws_sdk_dynamodb_1::to_attribute_value(value)?)
}

fn update(update: UpdateBuilder) -> TransactWriteItem {
    TransactWriteItem::builder().update(update.build().expect("a table, a key and an expression are given")).build()
}

/// Over how many keys the purchases that are due are spread.
pub const DUE_SHARDS: u32 = 16;

fn due_key(shard: u32) -> String {
    format!("DUE#{shard:02}")
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

    /// A buyer's purchase of a course, and their subscription to its seller's membership: one trip.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn access(&self, buyer: &UserId, course: &CourseId) -> Result<(Option<Slot>, Option<membership::Slot>), StoreError> {
        let (slot, member) = (slot_key(buyer, course), member_key(buyer, &course.seller()));
        let mut found = self.get_all([slot.clone(), member.clone()]).await?;
        let slot = found.remove(&slot).map(from_item).transpose()?;
        Ok((slot, found.remove(&member).map(from_item).transpose()?))
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

    /// The purchase that a PaymentIntent belongs to, its record once it was paid, and whether an event was handled
    /// already: one trip.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn payment_for_event(&self, payment_intent: &str, event: &str) -> Result<(Option<OfPayment>, bool), StoreError> {
        let (payment, event) = (payment_key(payment_intent), event_key(event));
        let mut found = self.get_all([payment.clone(), event.clone()]).await?;
        let owner: Option<PaymentOwner> = found.remove(&payment).map(from_item).transpose()?;
        Ok((owner.and_then(PaymentOwner::into_known), found.contains_key(&event)))
    }

    /// What PaymentIntents are for, by PaymentIntent; at most 100. Those that are not known are left out.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn purchases_of_payments(&self, payment_intents: &[String]) -> Result<BTreeMap<String, OfPayment>, StoreError> {
        let mut found = self.get_all(payment_intents.iter().map(|id| payment_key(id))).await?;
        let mut owners = BTreeMap::new();
        for id in payment_intents {
            let owner: Option<PaymentOwner> = found.remove(&payment_key(id)).map(from_item).transpose()?;
            owners.extend(owner.and_then(PaymentOwner::into_known).map(|of| (id.clone(), of)));
        }
        Ok(owners)
    }

    /// Up to `limit` purchases of one shard that are due, the longest due first.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn due_purchases(&self, shard: u32, now: OffsetDateTime, limit: i32) -> Result<Vec<PurchaseId>, StoreError> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .index_name("gsi2")
            .key_condition_expression("gsi2pk = :pk AND gsi2sk < :now")
            .expression_attribute_values(":pk", string(due_key(shard)))
            .expression_attribute_values(":now", string(format!("{:020}", now.unix_timestamp_nanos())))
            .limit(limit)
            .send()
            .await
            .map_err(|error| StoreError::request("Query", &error))?;
        let keys = answer.items.unwrap_or_default();
        Ok(keys.iter().filter_map(|item| item.get("sk")?.as_s().ok()?.strip_prefix("PURCHASE#")?.parse().ok()).collect())
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
        let slot_item = self.slot_update(purchase)?;
        let slot_item = match slot {
            None => slot_item.condition_expression("attribute_not_exists(pk)"),
            Some(slot) => slot_item
                .condition_expression("version = :seen AND earlier = :earlier")
                .expression_attribute_values(":seen", number(slot.version))
                .expression_attribute_values(":earlier", value(&slot.earlier)?),
        };
        let attempt = purchase.attempt();
        let account = attempt.account.as_deref().unwrap_or(crate::user::PLATFORM);
        let items = vec![
            update(slot_item),
            self.put(purchase_item(purchase)?).if_version(seen_purchase),
            self.remember_customer(&purchase.buyer_id, account, &attempt.customer),
        ];
        self.transact(&items).await
    }

    /// Writes what became of a purchase that was read with its present version, with the event that told it, and with what
    /// follows from it: the seller's totals, the ledger's lines and the mails.
    ///
    /// # Errors
    /// Where DynamoDB fails. [`Written::No`] where another request or event was first: read again and look anew.
    pub async fn write_outcome(&self, purchase: &mut Purchase, mark: Option<&EventMark>) -> Result<Written, StoreError> {
        let seen = purchase.version;
        purchase.version += 1;
        let lacking = purchase.count();
        let news = purchase.take_news();
        let mut items = vec![self.put(purchase_item(purchase)?).if_version(Some(seen))];
        let paid = purchase.paid_attempt();
        if let Some(payment_intent) = &paid.unwrap_or(purchase.attempt()).payment_intent {
            let copy = paid.is_some().then(|| purchase.clone());
            let owner = PaymentOwner { purchase_id: Some(purchase.id.clone()), purchase: copy, subscription_id: None };
            items.push(self.put(to_item(&payment_key(payment_intent), &owner)?).always());
        }
        if let Some(mark) = mark {
            items.push(self.mark(mark)?);
        }
        items.extend(self.add_sums(&purchase.seller_id, purchase.id.as_str(), purchase.currency, lacking));
        for line in ledger_lines(purchase, &news) {
            items.push(self.put(ledger_item(&line)?).always());
        }
        for mail in mails(purchase, &news) {
            items.push(self.ask_for(&mail, purchase.updated_at())?);
        }
        let slot = items.len();
        // Both count on from where the slot stood, so that the version alone does not say whose it is.
        let still = self.slot_update(purchase)?.condition_expression("version = :seen AND purchase_id = :purchase");
        items.push(update(still.expression_attribute_values(":seen", number(seen))));
        let written = match self.transact(&items).await? {
            // The slot is another purchase's by now: this one was refunded and the course bought again.
            Written::No(index) if index == slot => {
                items[slot] = update(self.earlier_update(purchase)?);
                self.transact(&items).await?
            }
            written => written,
        };
        if written == Written::Yes {
            metrics::of_news(purchase, &news);
        }
        Ok(written)
    }

    fn update_of_slot(&self, purchase: &Purchase) -> UpdateBuilder {
        let key = slot_key(&purchase.buyer_id, &purchase.course_id);
        let update = Update::builder().table_name(&self.table).set_key(Some(key.attributes()));
        update.expression_attribute_values(":purchase", string(purchase.id.as_str()))
    }

    /// Makes the slot this purchase's. What is known of earlier ones stays.
    fn slot_update(&self, purchase: &Purchase) -> Result<UpdateBuilder, StoreError> {
        Ok(self
            .update_of_slot(purchase)
            .update_expression(
                "SET purchase_id = :purchase, #status = :status, ownership = :ownership, version = :version, \
                 earlier = if_not_exists(earlier, :none)",
            )
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":status", value(&purchase.status())?)
            .expression_attribute_values(":ownership", value(&purchase.ownership())?)
            .expression_attribute_values(":version", number(purchase.version))
            .expression_attribute_values(":none", AttributeValue::M(Item::new())))
    }

    /// Notes in another purchase's slot what the buyer has by this one.
    fn earlier_update(&self, purchase: &Purchase) -> Result<UpdateBuilder, StoreError> {
        Ok(self
            .update_of_slot(purchase)
            .update_expression("SET earlier.#purchase = :ownership")
            .condition_expression("purchase_id <> :purchase")
            .expression_attribute_names("#purchase", purchase.id.as_str())
            .expression_attribute_values(":ownership", value(&purchase.ownership())?))
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
