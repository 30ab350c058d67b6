//! Memberships, subscriptions to them, and the slot that allows one subscription per buyer and seller.

use aws_sdk_dynamodb::types::TransactWriteItem;
use time::OffsetDateTime;

use super::declines::Counters;
use super::events::EventMark;
use super::keys::{event_key, member_key, members_key, offer_key, profile, public_offer_key, subscription_key};
use super::members_news::measure;
use super::page::{List, Page, Paged};
use super::sessions::signed_in;
use super::table::{Item, Key, PutItem, Store, StoreError, Written, from_item, number, shard, string, to_item};
use super::token::Token;
use crate::domain::declines::Counts;
use crate::domain::ids::{SubscriptionId, UserId};
use crate::domain::membership::{Offer, Slot, Subscription};
use crate::domain::user::{User, payer_place};

/// Due subscriptions are spread over this many keys.
const DUE_SHARDS: u32 = 4;

/// The number of the key for due subscriptions whose first payment waits for the buyer. One is enough: few people join in the same second.
const AWAITING_PART: u32 = DUE_SHARDS;

/// The numbers of all these keys.
pub const DUE_SUBSCRIPTION_PARTS: std::ops::RangeInclusive<u32> = 0..=AWAITING_PART;

fn due_key(part: u32) -> String {
    if part < AWAITING_PART { format!("DUESUBSCRIPTION#{part:02}") } else { "OPENSUBSCRIPTION".to_owned() }
}

/// A subscription whose first payment waits for its buyer, and the current state of what it would join.
#[derive(Debug)]
pub struct AwaitedMembership {
    /// The subscription.
    pub subscription: Subscription,
    /// The seller's offer.
    pub offer: Option<Offer>,
    /// The seller.
    pub seller: Option<User>,
    /// The buyer.
    pub buyer: Option<User>,
}

/// Everything a request to subscribe needs.
#[derive(Debug)]
pub struct ForSubscription {
    /// The signed-in user.
    pub buyer: Option<User>,
    /// The membership's seller.
    pub seller: Option<User>,
    /// The offer.
    pub offer: Option<Offer>,
    /// The buyer's subscription to it, if there is one.
    pub slot: Option<Slot>,
    /// This hour's declines.
    pub declines: Counts,
}

fn subscription_item(subscription: &Subscription) -> Result<Item, StoreError> {
    let mut item = to_item(&subscription_key(&subscription.id), subscription)?;
    if let Some(due_at) = subscription.due_at() {
        let part = if subscription.awaits_buyer() { AWAITING_PART } else { shard(subscription.id.as_str(), DUE_SHARDS) };
        item.insert("gsi2pk".to_owned(), string(due_key(part)));
        item.insert("gsi2sk".to_owned(), string(format!("{:020}#{}", due_at.unix_timestamp_nanos(), subscription.id)));
    }
    item.insert("gsi1pk".to_owned(), string(members_key(&subscription.seller_id)));
    item.insert("gsi1sk".to_owned(), string(format!("{:020}#{}", subscription.created_at.unix_timestamp_nanos(), subscription.id)));
    Ok(item)
}

fn member_item(subscription: &Subscription) -> Result<Item, StoreError> {
    to_item(&member_key(&subscription.buyer_id, &subscription.seller_id), &Slot::of(subscription))
}

impl Store {
    /// Creates or replaces a seller's offer.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn put_offer(&self, offer: &Offer) -> Result<(), StoreError> {
        let keys = [offer_key(&offer.seller_id), public_offer_key(&offer.seller_id)];
        let items: Vec<_> = keys.iter().map(|key| Ok(self.put(to_item(key, offer)?).always())).collect::<Result<_, StoreError>>()?;
        let _unconditional = self.transact(&items).await?;
        Ok(())
    }

    /// A seller's offer.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn offer(&self, seller: &UserId) -> Result<Option<Offer>, StoreError> {
        self.get(&offer_key(seller)).await
    }

    /// A seller's offer, and the seller: one trip.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn offer_and_seller(&self, seller: &UserId) -> Result<(Option<Offer>, Option<User>), StoreError> {
        let (offer, seller) = (offer_key(seller), profile(seller));
        let mut found = self.get_all([offer.clone(), seller.clone()]).await?;
        Ok((found.remove(&offer).map(from_item).transpose()?, found.remove(&seller).map(from_item).transpose()?))
    }

    /// Ends a seller's offer; its subscriptions continue.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn end_offer(&self, seller: &UserId) -> Result<(), StoreError> {
        let _unconditional = self.transact(&[self.remove(&offer_key(seller)), self.remove(&public_offer_key(seller))]).await?;
        Ok(())
    }

    /// Reads what a request to subscribe needs: one trip.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn read_for_subscription(
        &self,
        token: &Token,
        seller: &UserId,
        address: &str,
        now: OffsetDateTime,
    ) -> Result<ForSubscription, StoreError> {
        let (session, buyer) = (token.key(), profile(token.user_id()));
        let (seller_key, offer) = (profile(seller), offer_key(seller));
        let slot = member_key(token.user_id(), seller);
        let counters = Counters::beside(address, now);
        let keys = [&session, &buyer, &seller_key, &offer, &slot].map(Key::clone);
        let found = self.get_all(keys.into_iter().chain(counters.keys())).await?;
        let read = |key: &Key| found.get(key).cloned();
        Ok(ForSubscription {
            buyer: signed_in(found.get(&session), found.get(&buyer), now)?,
            seller: read(&seller_key).map(from_item).transpose()?,
            offer: read(&offer).map(from_item).transpose()?,
            slot: read(&slot).map(from_item).transpose()?,
            declines: counters.read(&found),
        })
    }

    /// A subscription.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn subscription(&self, id: &SubscriptionId) -> Result<Option<Subscription>, StoreError> {
        self.get(&subscription_key(id)).await
    }

    /// A subscription, and whether an event was already handled: one trip.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn subscription_for_event(&self, id: &SubscriptionId, event: &str) -> Result<(Option<Subscription>, bool), StoreError> {
        let (subscription, event) = (subscription_key(id), event_key(event));
        let mut found = self.get_all([subscription.clone(), event.clone()]).await?;
        Ok((found.remove(&subscription).map(from_item).transpose()?, found.contains_key(&event)))
    }

    /// A buyer's subscriptions and attempts to subscribe, newest first.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn subscriptions_of(&self, buyer: &UserId, page: &Page) -> Result<Paged<Subscription>, StoreError> {
        self.list(List::Table { pk: format!("USER#{buyer}"), prefix: "SUBSCRIPTION#" }, page).await
    }

    /// Writes a subscription, with the customer that pays, before Stripe is called. The slot ensures that only
    /// one of several concurrent requests continues: `slot` is the one that was read, and must be unchanged.
    ///
    /// # Errors
    /// If DynamoDB fails. [`Written::No`] if another request was first.
    pub async fn begin_subscription(&self, subscription: &mut Subscription, slot: Option<&Slot>) -> Result<Written, StoreError> {
        let seen = slot.map(|slot| slot.version);
        // Continues the slot's version, so that it never repeats.
        subscription.version = seen.unwrap_or(0) + 1;
        let place = subscription.account.clone().unwrap_or_else(|| payer_place(subscription.currency));
        let items = vec![
            self.put(member_item(subscription)?).if_version(seen),
            self.put(subscription_item(subscription)?).if_absent(),
            self.remember_customer(&subscription.buyer_id, &place, &subscription.customer),
        ];
        self.transact(&items).await
    }

    /// Writes a subscription that was read with its current version, with the mark of the event that changed it
    /// and with what follows from its changes: the owners of payments, the seller's totals, ledger lines and mails.
    ///
    /// # Errors
    /// If DynamoDB fails. [`Written::No`] if another write came first: read it and ask Stripe again.
    pub async fn write_subscription(&self, subscription: &mut Subscription, mark: Option<&EventMark>) -> Result<Written, StoreError> {
        self.write_subscription_with(subscription, mark, Vec::new()).await
    }

    /// The same with additional items, which come right after the subscription in the transaction. A payment that turns out to be a purchase's
    /// or another subscription's is not booked.
    pub(super) async fn write_subscription_with(
        &self,
        subscription: &mut Subscription,
        mark: Option<&EventMark>,
        more: Vec<TransactWriteItem>,
    ) -> Result<Written, StoreError> {
        let claims = subscription.claims();
        let unwritten = (!claims.is_empty()).then(|| (subscription.clone(), more.clone()));
        let seen = subscription.version;
        subscription.version += 1;
        let lacking = subscription.count();
        let news = subscription.take_news();
        let mut items = vec![self.put(subscription_item(subscription)?).if_version(Some(seen))];
        items.extend(more);
        let first_claim = items.len();
        for payment_intent in &claims {
            items.push(self.claim_payment(payment_intent, &subscription.id)?);
        }
        if let Some(mark) = mark {
            items.push(self.mark(mark)?);
        }
        items.extend(self.add_sums(&subscription.seller_id, subscription.id.as_str(), &lacking));
        items.extend(self.follows(subscription, &news)?);
        let slot = items.len();
        items.push(self.put_member(subscription, seen)?);
        let written = match self.transact(&items).await? {
            Written::No(index) if (first_claim..first_claim + claims.len()).contains(&index) => {
                let Some((before, more)) = unwritten else { return Ok(Written::No(index)) };
                let payment_intent = &claims[index - first_claim];
                tracing::warn!(subscription_id = %subscription.id, payment_intent, "a payment of something else was attached to an invoice");
                *subscription = before;
                subscription.disown(payment_intent);
                return Box::pin(self.write_subscription_with(subscription, mark, more)).await;
            }
            // The slot now belongs to a later subscription, which must know how long this one is paid.
            Written::No(index) if index == slot => {
                items.truncate(slot);
                if let Some(mut later) = self.later_than(subscription).await?
                    && later.hear_of_earlier(subscription)
                {
                    let seen = later.version;
                    later.version += 1;
                    items.push(self.put(subscription_item(&later)?).if_version(Some(seen)));
                    items.push(self.put_member(&later, seen)?);
                }
                self.transact(&items).await?
            }
            written => written,
        };
        if written == Written::Yes {
            measure(subscription, &news);
        }
        Ok(written)
    }

    /// Writes a subscription's slot, if it still has this version and belongs to this subscription.
    fn put_member(&self, subscription: &Subscription, seen: u64) -> Result<TransactWriteItem, StoreError> {
        let PutItem(put) = self.put(member_item(subscription)?);
        let put = put.condition_expression("version = :seen AND subscription_id = :subscription");
        let put = put.expression_attribute_values(":subscription", string(subscription.id.as_str()));
        Ok(PutItem(put.expression_attribute_values(":seen", number(seen))).always())
    }

    /// The slot of a buyer and a seller.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn member_slot(&self, buyer: &UserId, seller: &UserId) -> Result<Option<Slot>, StoreError> {
        self.get(&member_key(buyer, seller)).await
    }

    /// The subscription that owns the slot, if it is another one.
    async fn later_than(&self, subscription: &Subscription) -> Result<Option<Subscription>, StoreError> {
        let slot = self.member_slot(&subscription.buyer_id, &subscription.seller_id).await?;
        match slot.filter(|slot| slot.subscription_id != subscription.id) {
            Some(slot) => self.subscription(&slot.subscription_id).await,
            None => Ok(None),
        }
    }

    /// Up to `limit` (at most 33) subscriptions whose first payments wait for their buyers, and what these would join: one query and two
    /// reads. Starts after the key `after`, and returns the key to continue after if there are more.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn awaiting_members(&self, limit: i32, after: Option<Item>) -> Result<(Vec<AwaitedMembership>, Option<Item>), StoreError> {
        let (items, next) = self.due_items(due_key(AWAITING_PART), limit, after).await?;
        let subscriptions: Vec<Subscription> = items.into_iter().map(from_item).collect::<Result<_, _>>()?;
        let keys = |one: &Subscription| [offer_key(&one.seller_id), profile(&one.seller_id), profile(&one.buyer_id)];
        let found = self.get_all(subscriptions.iter().flat_map(keys)).await?;
        let read = |key: &Key| found.get(key).cloned();
        let payments = subscriptions.into_iter().map(|subscription| {
            Ok(AwaitedMembership {
                offer: read(&offer_key(&subscription.seller_id)).map(from_item).transpose()?,
                seller: read(&profile(&subscription.seller_id)).map(from_item).transpose()?,
                buyer: read(&profile(&subscription.buyer_id)).map(from_item).transpose()?,
                subscription,
            })
        });
        Ok((payments.collect::<Result<_, StoreError>>()?, next))
    }

    /// Up to `limit` due subscriptions of a part, longest due first.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn due_subscriptions(&self, part: u32, now: OffsetDateTime, limit: i32) -> Result<Vec<SubscriptionId>, StoreError> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .index_name("gsi2")
            .key_condition_expression("gsi2pk = :pk AND gsi2sk < :now")
            .expression_attribute_values(":pk", string(due_key(part)))
            .expression_attribute_values(":now", string(format!("{:020}", now.unix_timestamp_nanos())))
            .limit(limit)
            .send()
            .await
            .map_err(|error| StoreError::request("Query", &error))?;
        let keys = answer.items.unwrap_or_default();
        Ok(keys.iter().filter_map(|item| item.get("sk")?.as_s().ok()?.strip_prefix("SUBSCRIPTION#")?.parse().ok()).collect())
    }
}
