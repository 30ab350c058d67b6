//! Purchases, and the slot that allows one of them per buyer and course.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};
use serde::Serialize;
use time::OffsetDateTime;

use super::books::{ledger_item, ledger_lines};
use super::declines::{CardTry, Counters};
use super::events::EventMark;
use super::keys::{course_key, event_key, member_key, payment_key, profile, purchase_key, slot_key};
use super::page::{List, Page, Paged};
use super::payments::{OfPayment, PaymentOwner};
use super::sessions::signed_in;
use super::table::{Item, Key, Store, StoreError, Written, from_item, number, shard, string, to_item};
use super::token::Token;
use crate::base::metrics;
use crate::domain::charging::PLATFORM;
use crate::domain::course::Course;
use crate::domain::declines::Counts;
use crate::domain::ids::{CourseId, PurchaseId, UserId};
use crate::domain::mail::{DisputeStage, Mail, Recipient, Sold, told_of_disputes};
use crate::domain::membership;
use crate::domain::purchase::{MovementKind, News, Purchase, Slot};
use crate::domain::user::User;

/// Everything a charge needs.
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
    /// This hour's declines.
    pub declines: Counts,
}

/// The first index in [`Written::No`] if [`Store::write_try`] finds that too many cards were tried in this minute.
pub const TOO_FAST: usize = 3;

fn purchase_item(purchase: &Purchase) -> Result<Item, StoreError> {
    let mut item = to_item(&purchase_key(&purchase.id), purchase)?;
    // The seller should see a delayed payment before it arrives.
    if let Some(sold_at) = purchase.paid_at().or(purchase.processing_since()) {
        item.insert("gsi1pk".to_owned(), string(format!("SALES#{}", purchase.seller_id)));
        item.insert("gsi1sk".to_owned(), string(format!("{:020}#{}", sold_at.unix_timestamp_nanos(), purchase.id)));
    }
    if let Some(due_at) = purchase.due_at() {
        let part = if purchase.awaits_buyer() {
            DUE_SHARDS + shard(purchase.id.as_str(), AWAITING_SHARDS)
        } else {
            shard(purchase.id.as_str(), DUE_SHARDS)
        };
        item.insert("gsi2pk".to_owned(), string(due_key(part)));
        item.insert("gsi2sk".to_owned(), string(format!("{:020}#{}", due_at.unix_timestamp_nanos(), purchase.id)));
    }
    Ok(item)
}

/// The mails for some changes.
fn mails(purchase: &Purchase, news: &[News]) -> Vec<Mail> {
    let id = || purchase.id.clone();
    let mut mails = Vec::new();
    for news in news {
        match news {
            News::Paid => mails.extend([Mail::PurchaseReceipt { purchase: id() }, Mail::SaleNotice { purchase: id() }]),
            News::Refunded(number) => {
                mails.push(Mail::Refunded { purchase: id(), refund: number.to_string(), total: purchase.refunded() });
            }
            News::DisputeOpened(dispute) | News::DisputeNeedsAnswer(dispute) => {
                let Some(one) = purchase.disputes().iter().find(|one| one.id == *dispute) else { continue };
                let stage = DisputeStage::of(one.status, matches!(news, News::DisputeOpened(_)));
                let mail = |to| Mail::DisputeOpened { purchase: id(), dispute: dispute.clone(), to, stage };
                mails.extend(told_of_disputes(purchase.charged_account()).iter().copied().map(mail));
            }
            News::DisputeClosed(dispute) => {
                let won = !purchase.disputes().iter().any(|one| one.id == *dispute && one.is_lost());
                let mail = |to| Mail::DisputeClosed { purchase: id(), dispute: dispute.clone(), won, to };
                mails.extend(told_of_disputes(purchase.charged_account()).iter().copied().map(mail));
            }
            News::RefundFailed(number) => {
                // Of a refund that Stripe refused, the buyer has not been told anything.
                let is_made = purchase.movement(*number).is_some_and(|refund| refund.stripe_id.is_some());
                let told = [Recipient::Seller, Recipient::Staff].into_iter().chain(is_made.then_some(Recipient::Buyer));
                mails.extend(told.map(|to| Mail::RefundFailed { purchase: id(), refund: number.to_string(), to }));
            }
            News::FraudWarning(warning) => mails.extend(Mail::fraud_warning(&Sold::Purchase(id()), warning, purchase.charged_account())),
            News::NotPaid(_)
            | News::OffRecord { .. }
            | News::FeeDiffers { .. }
            | News::MoveRefused(_)
            | News::MoveDone(_)
            | News::Converted(_)
            | News::ReturnConverted(_)
            | News::DisputeWithdrawn(_)
            | News::DisputeReinstated(_) => {}
        }
    }
    mails
}

/// Emits the metrics for some changes.
fn measure(purchase: &Purchase, news: &[News]) {
    let id = purchase.id.as_str();
    for news in news {
        let (name, outcome, reason) = match news {
            News::Paid => ("Charges", "paid", None),
            News::NotPaid(code) => ("Charges", "not_paid", Some(code.as_str())),
            News::Refunded(_) => ("Refunds", "made", None),
            News::RefundFailed(_) => ("Refunds", "failed", None),
            News::DisputeOpened(_) => ("Disputes", "opened", None),
            News::DisputeClosed(dispute) => {
                let closed = purchase.disputes().iter().find(|one| one.id == *dispute);
                let Some(outcome) = closed.and_then(|one| one.status.outcome()) else { continue };
                ("Disputes", outcome, None)
            }
            News::MoveRefused(number) => {
                measure_refusal(purchase, *number);
                continue;
            }
            News::OffRecord { .. } | News::FeeDiffers { .. } => {
                // As if the reconciliation had found it.
                metrics::emit("ReconcileDifferences", metrics::Unit::Count, 1.0, &[], &[("purchase_id", id)]);
                continue;
            }
            News::DisputeNeedsAnswer(_)
            | News::DisputeWithdrawn(_)
            | News::DisputeReinstated(_)
            | News::MoveDone(_)
            | News::Converted(_)
            | News::ReturnConverted(_)
            | News::FraudWarning(_) => continue,
        };
        let properties = [("purchase_id", id), ("reason", reason.unwrap_or_default())];
        metrics::emit(name, metrics::Unit::Count, 1.0, &[("Outcome", outcome)], &properties[..1 + usize::from(reason.is_some())]);
    }
}

/// Emits the metric for a transfer or reversal that Stripe refused.
fn measure_refusal(purchase: &Purchase, number: u32) {
    // Once per movement. If it is refused again, it is already a finding.
    let Some(movement) = purchase.movement(number).filter(|movement| movement.tries == 1) else { return };
    let kind = if movement.kind == MovementKind::Transfer { "transfer" } else { "reversal" };
    let properties = [("purchase_id", purchase.id.as_str()), ("reason", movement.failure.as_deref().unwrap_or_default())];
    metrics::emit("MovesRefused", metrics::Unit::Count, 1.0, &[("Kind", kind)], &properties);
}

fn value<T: Serialize>(value: &T) -> Result<AttributeValue, StoreError> {
    Ok(serde_dynamo::aws_sdk_dynamodb_1::to_attribute_value(value)?)
}

fn update(update: UpdateBuilder) -> TransactWriteItem {
    TransactWriteItem::builder().update(update.build().expect("a table, a key and an expression are given")).build()
}

/// Due purchases are spread over this many keys.
const DUE_SHARDS: u32 = 16;

/// Due purchases that wait for their buyer are spread over this many other keys.
const AWAITING_SHARDS: u32 = 4;

/// The numbers of all these keys.
pub const DUE_PARTS: std::ops::Range<u32> = 0..DUE_SHARDS + AWAITING_SHARDS;

/// The numbers of the keys for purchases that wait for their buyer.
pub const AWAITING_PARTS: std::ops::Range<u32> = DUE_SHARDS..DUE_SHARDS + AWAITING_SHARDS;

fn due_key(part: u32) -> String {
    if part < DUE_SHARDS { format!("DUE#{part:02}") } else { format!("OPEN#{:02}", part - DUE_SHARDS) }
}

/// A purchase that waits for its buyer, and the current state of what it sells.
#[derive(Debug)]
pub struct AwaitedPayment {
    /// The purchase.
    pub purchase: Purchase,
    /// Its course, published or not.
    pub course: Option<Course>,
    /// Its seller.
    pub seller: Option<User>,
    /// Its buyer.
    pub buyer: Option<User>,
}

impl Store {
    /// Reads what a charge needs: one trip.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn read_for_charge(
        &self,
        token: &Token,
        course: &CourseId,
        address: &str,
        now: OffsetDateTime,
    ) -> Result<ForCharge, StoreError> {
        let (session, buyer) = (token.key(), profile(token.user_id()));
        let (course_item, seller) = (course_key(course), profile(&course.seller()));
        let slot = slot_key(token.user_id(), course);
        let counters = Counters::beside(address, now);
        let keys = [&session, &buyer, &course_item, &seller, &slot].map(Key::clone);
        let found = self.get_all(keys.into_iter().chain(counters.keys())).await?;
        let read = |key: &Key| found.get(key).cloned();
        Ok(ForCharge {
            buyer: signed_in(found.get(&session), found.get(&buyer), now)?,
            course: read(&course_item).map(from_item).transpose()?,
            seller: read(&seller).map(from_item).transpose()?,
            slot: read(&slot).map(from_item).transpose()?,
            declines: counters.read(&found),
        })
    }

    /// A buyer's purchase of a course, and their subscription to its seller's membership: one trip.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn access(&self, buyer: &UserId, course: &CourseId) -> Result<(Option<Slot>, Option<membership::Slot>), StoreError> {
        let (slot, member) = (slot_key(buyer, course), member_key(buyer, &course.seller()));
        let mut found = self.get_all([slot.clone(), member.clone()]).await?;
        let slot = found.remove(&slot).map(from_item).transpose()?;
        Ok((slot, found.remove(&member).map(from_item).transpose()?))
    }

    /// A buyer's purchase of a course.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn slot(&self, buyer: &UserId, course: &CourseId) -> Result<Option<Slot>, StoreError> {
        self.get(&slot_key(buyer, course)).await
    }

    /// A purchase.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn purchase(&self, id: &PurchaseId) -> Result<Option<Purchase>, StoreError> {
        self.get(&purchase_key(id)).await
    }

    /// A purchase, and whether an event was already handled: one trip.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn purchase_for_event(&self, id: &PurchaseId, event: &str) -> Result<(Option<Purchase>, bool), StoreError> {
        let (purchase, event) = (purchase_key(id), event_key(event));
        let mut found = self.get_all([purchase.clone(), event.clone()]).await?;
        Ok((found.remove(&purchase).map(from_item).transpose()?, found.contains_key(&event)))
    }

    /// What a PaymentIntent belongs to, with the purchase itself once paid, and whether an event was already handled: one trip.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn payment_for_event(&self, payment_intent: &str, event: &str) -> Result<(Option<OfPayment>, bool), StoreError> {
        let (payment, event) = (payment_key(payment_intent), event_key(event));
        let mut found = self.get_all([payment.clone(), event.clone()]).await?;
        let owner: Option<PaymentOwner> = found.remove(&payment).map(from_item).transpose()?;
        Ok((owner.and_then(PaymentOwner::into_known), found.contains_key(&event)))
    }

    /// What PaymentIntents belong to, by PaymentIntent; at most 100. Unknown ones are left out.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn purchases_of_payments(&self, payment_intents: &[String]) -> Result<BTreeMap<String, OfPayment>, StoreError> {
        let mut found = self.get_all(payment_intents.iter().map(|id| payment_key(id))).await?;
        let mut owners = BTreeMap::new();
        for id in payment_intents {
            let owner: Option<PaymentOwner> = found.remove(&payment_key(id)).map(from_item).transpose()?;
            owners.extend(owner.and_then(PaymentOwner::into_known).map(|of| (id.clone(), of)));
        }
        Ok(owners)
    }

    /// Up to `limit` (at most 100) of a part's purchases that are not at rest: one query and one read.
    /// Starts after the key `after`, and returns the key to continue after if there are more.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn unsettled(&self, part: u32, limit: i32, after: Option<Item>) -> Result<(Vec<Purchase>, Option<Item>), StoreError> {
        let (items, next) = self.due_items(due_key(part), limit, after).await?;
        Ok((items.into_iter().map(from_item).collect::<Result<_, _>>()?, next))
    }

    /// Up to `limit` (at most 100) items with this `gsi2pk`, longest due first: one query and one read.
    pub(super) async fn due_items(&self, gsi2pk: String, limit: i32, after: Option<Item>) -> Result<(Vec<Item>, Option<Item>), StoreError> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .index_name("gsi2")
            .key_condition_expression("gsi2pk = :pk")
            .expression_attribute_values(":pk", string(gsi2pk))
            .set_exclusive_start_key(after)
            .limit(limit)
            .send()
            .await
            .map_err(|error| StoreError::request("Query", &error))?;
        let keys: Vec<Key> = answer.items.unwrap_or_default().iter().filter_map(Key::of).collect();
        let mut found = self.get_all(keys.iter().cloned()).await?;
        Ok((keys.iter().filter_map(|key| found.remove(key)).collect(), answer.last_evaluated_key))
    }

    /// Up to `limit` (at most 33) purchases of a part that wait for their buyers, and what they sell: as [`unsettled`](Self::unsettled),
    /// with one more read.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn awaiting_buyers(
        &self,
        part: u32,
        limit: i32,
        after: Option<Item>,
    ) -> Result<(Vec<AwaitedPayment>, Option<Item>), StoreError> {
        let (purchases, next) = self.unsettled(part, limit, after).await?;
        let keys = |one: &Purchase| [course_key(&one.course_id), profile(&one.seller_id), profile(&one.buyer_id)];
        let found = self.get_all(purchases.iter().flat_map(keys)).await?;
        let read = |key: &Key| found.get(key).cloned();
        let pages = purchases.into_iter().map(|purchase| {
            Ok(AwaitedPayment {
                course: read(&course_key(&purchase.course_id)).map(from_item).transpose()?,
                seller: read(&profile(&purchase.seller_id)).map(from_item).transpose()?,
                buyer: read(&profile(&purchase.buyer_id)).map(from_item).transpose()?,
                purchase,
            })
        });
        Ok((pages.collect::<Result<_, StoreError>>()?, next))
    }

    /// Up to `limit` due purchases of a part, longest due first.
    ///
    /// # Errors
    /// If DynamoDB fails.
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

    /// Writes an attempt, with the customer that pays, before Stripe is called. The slot ensures that only
    /// one of several concurrent requests continues: `slot` is the one that was read, and must be unchanged.
    ///
    /// # Errors
    /// If DynamoDB fails. [`Written::No`] if another request was first.
    pub async fn write_intent(&self, purchase: &mut Purchase, slot: Option<&Slot>) -> Result<Written, StoreError> {
        self.write_attempt(purchase, slot, &[]).await
    }

    /// The same for a buyer's request, which may try a card.
    ///
    /// # Errors
    /// See [`Store::write_intent`]; [`Written::No`] with [`TOO_FAST`] or more if too many cards are tried, see [`Store::take_try`].
    pub async fn write_try(&self, purchase: &mut Purchase, slot: Option<&Slot>, card: Option<&CardTry<'_>>) -> Result<Written, StoreError> {
        let at = purchase.attempt().started_at;
        let tries = card.map(|one| self.tries(one, at));
        self.write_attempt(purchase, slot, tries.as_ref().map_or(&[], |tries| tries)).await
    }

    async fn write_attempt(
        &self,
        purchase: &mut Purchase,
        slot: Option<&Slot>,
        tries: &[TransactWriteItem],
    ) -> Result<Written, StoreError> {
        let seen_purchase = (purchase.version > 0).then_some(purchase.version);
        // A purchase after a refunded one takes over its slot and continues the version, so that it never repeats.
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
        let account = attempt.account.as_deref().unwrap_or(PLATFORM);
        let mut items = vec![
            update(slot_item),
            self.put(purchase_item(purchase)?).if_version(seen_purchase),
            self.remember_customer(&purchase.buyer_id, account, &attempt.customer),
        ];
        items.extend_from_slice(tries);
        self.transact(&items).await
    }

    /// Writes a purchase that was read with its current version, with the mark of the event that
    /// changed it and with what follows from its changes: the seller's totals, ledger lines and mails.
    ///
    /// # Errors
    /// If DynamoDB fails. [`Written::No`] if another request or event came first: read it and decide again.
    pub async fn write_outcome(&self, purchase: &mut Purchase, mark: Option<&EventMark>) -> Result<Written, StoreError> {
        self.write_with(purchase, mark, Vec::new()).await
    }

    /// The same with additional items, which come right after the purchase in the transaction.
    pub(super) async fn write_with(
        &self,
        purchase: &mut Purchase,
        mark: Option<&EventMark>,
        more: Vec<TransactWriteItem>,
    ) -> Result<Written, StoreError> {
        let seen = purchase.version;
        purchase.version += 1;
        let lacking = purchase.count();
        let news = purchase.take_news();
        let mut items = vec![self.put(purchase_item(purchase)?).if_version(Some(seen))];
        items.extend(more);
        let paid = purchase.paid_attempt();
        if let Some(payment_intent) = &paid.unwrap_or(purchase.attempt()).payment_intent {
            let copy = paid.is_some().then(|| purchase.clone());
            let owner = PaymentOwner { purchase_id: Some(purchase.id.clone()), purchase: copy, subscription_id: None };
            items.push(self.put(to_item(&payment_key(payment_intent), &owner)?).always());
        }
        if let Some(mark) = mark {
            items.push(self.mark(mark)?);
        }
        items.extend(self.add_sums(&purchase.seller_id, purchase.id.as_str(), &lacking));
        for line in ledger_lines(purchase, &news) {
            items.push(self.put(ledger_item(&line)?).always());
        }
        for mail in mails(purchase, &news) {
            items.push(self.ask_for(&mail, purchase.updated_at())?);
        }
        items.extend(self.told_to_staff(purchase, &news)?);
        items.extend(self.disputes_with(purchase)?);
        let slot = items.len();
        // Both purchases continue the slot's version, so the version alone does not identify the owner.
        let still = self.slot_update(purchase)?.condition_expression("version = :seen AND purchase_id = :purchase");
        items.push(update(still.expression_attribute_values(":seen", number(seen))));
        let written = match self.transact(&items).await? {
            // The slot now belongs to another purchase: this one was refunded and the course was bought again.
            Written::No(index) if index == slot => {
                items[slot] = update(self.earlier_update(purchase)?);
                self.transact(&items).await?
            }
            written => written,
        };
        if written == Written::Yes {
            measure(purchase, &news);
        }
        Ok(written)
    }

    fn update_of_slot(&self, purchase: &Purchase) -> UpdateBuilder {
        let key = slot_key(&purchase.buyer_id, &purchase.course_id);
        let update = Update::builder().table_name(&self.table).set_key(Some(key.attributes()));
        update.expression_attribute_values(":purchase", string(purchase.id.as_str()))
    }

    /// Makes this purchase the slot's owner. Entries about earlier ones stay.
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

    /// Records in another purchase's slot what the buyer owns through this one.
    fn earlier_update(&self, purchase: &Purchase) -> Result<UpdateBuilder, StoreError> {
        Ok(self
            .update_of_slot(purchase)
            .update_expression("SET earlier.#purchase = :ownership")
            .condition_expression("purchase_id <> :purchase")
            .expression_attribute_names("#purchase", purchase.id.as_str())
            .expression_attribute_values(":ownership", value(&purchase.ownership())?))
    }

    /// A buyer's purchases and attempted purchases, newest first.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn purchases_of(&self, buyer: &UserId, page: &Page) -> Result<Paged<Purchase>, StoreError> {
        self.list(List::Table { pk: format!("USER#{buyer}"), prefix: "PURCHASE#" }, page).await
    }

    /// A seller's sales: purchases that were ever paid or are processing, newest first.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn sales_of(&self, seller: &UserId, page: &Page) -> Result<Paged<Purchase>, StoreError> {
        self.list(List::Index { pk: format!("SALES#{seller}") }, page).await
    }
}
