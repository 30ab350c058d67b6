//! Memberships, subscriptions to them, and the slot that holds a buyer and a seller to one of these.

use aws_sdk_dynamodb::types::TransactWriteItem;
use time::OffsetDateTime;

use super::books::{Line, LineKind, ledger_item};
use super::events::{EventMark, event_key};
use super::outbox::Mail;
use super::page::{List, Page, Paged};
use super::purchases::{payment_key, payment_of_subscription};
use super::sessions::{Token, signed_in};
use super::users::profile;
use super::{Item, Key, Store, StoreError, Written, from_item, shard, string, to_item};
use crate::ids::{SubscriptionId, UserId};
use crate::membership::{News, Offer, Slot, Subscription};
use crate::user::User;

fn offer_key(seller: &UserId) -> Key {
    Key::new(format!("USER#{seller}"), "MEMBERSHIP")
}

fn subscription_key(id: &SubscriptionId) -> Key {
    Key::new(format!("USER#{}", id.buyer()), format!("SUBSCRIPTION#{id}"))
}

pub(super) fn member_key(buyer: &UserId, seller: &UserId) -> Key {
    Key::new(format!("USER#{buyer}"), format!("MEMBER#{seller}"))
}

/// Over how many keys the subscriptions that are due are spread.
pub const DUE_SUBSCRIPTION_SHARDS: u32 = 4;

fn due_key(shard: u32) -> String {
    format!("DUESUBSCRIPTION#{shard:02}")
}

/// All that a request to subscribe needs to know.
#[derive(Debug)]
pub struct ForSubscription {
    /// The signed-in user.
    pub buyer: Option<User>,
    /// Whose membership it is.
    pub seller: Option<User>,
    /// What is offered.
    pub offer: Option<Offer>,
    /// The buyer's subscription to it, if there is one.
    pub slot: Option<Slot>,
}

fn subscription_item(subscription: &Subscription) -> Result<Item, StoreError> {
    let mut item = to_item(&subscription_key(&subscription.id), subscription)?;
    if let Some(due_at) = subscription.due_at() {
        item.insert("gsi2pk".to_owned(), string(due_key(shard(subscription.id.as_str(), DUE_SUBSCRIPTION_SHARDS))));
        item.insert("gsi2sk".to_owned(), string(format!("{:020}#{}", due_at.unix_timestamp_nanos(), subscription.id)));
    }
    Ok(item)
}

fn member_item(subscription: &Subscription) -> Result<Item, StoreError> {
    to_item(&member_key(&subscription.buyer_id, &subscription.seller_id), &Slot::of(subscription))
}

/// The ledger's line that a piece of news brings.
fn line(subscription: &Subscription, news: &News) -> Option<Line> {
    let refund = |id: &String| subscription.payments.iter().flat_map(|payment| &payment.refunds).find(|refund| refund.id == *id);
    let (kind, stripe_id, amount) = match news {
        News::Paid(invoice) => {
            let payment = subscription.payments.iter().find(|payment| payment.invoice == *invoice)?;
            (LineKind::Charge, payment.payment_intent.clone()?, payment.amount)
        }
        News::Refunded(id) => (LineKind::Refund, id.clone(), -refund(id)?.amount),
        News::RefundFailed(id) => (LineKind::RefundFailure, id.clone(), refund(id)?.amount),
        News::RenewalFailed(_) => return None,
    };
    Some(Line {
        kind,
        stripe_id,
        account: subscription.account.clone(),
        amount,
        currency: subscription.currency.code().to_owned(),
        purchase_id: None,
        subscription_id: Some(subscription.id.clone()),
        at: subscription.updated_at.unix_timestamp(),
    })
}

impl Store {
    /// Makes or changes a seller's offer.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn put_offer(&self, offer: &Offer) -> Result<(), StoreError> {
        let item = to_item(&offer_key(&offer.seller_id), offer)?;
        let _unconditional = self.transact(&[self.put(item).always()]).await?;
        Ok(())
    }

    /// A seller's offer.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn offer(&self, seller: &UserId) -> Result<Option<Offer>, StoreError> {
        self.get(&offer_key(seller)).await
    }

    /// Ends a seller's offer; subscriptions to it run on.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn end_offer(&self, seller: &UserId) -> Result<(), StoreError> {
        self.delete(&offer_key(seller)).await?;
        Ok(())
    }

    /// Reads what a request to subscribe needs: one trip.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn read_for_subscription(&self, token: &Token, seller: &UserId, now: OffsetDateTime) -> Result<ForSubscription, StoreError> {
        let (session, buyer) = (token.key(), profile(token.user_id()));
        let (seller_key, offer) = (profile(seller), offer_key(seller));
        let slot = member_key(token.user_id(), seller);
        let found = self.get_all([&session, &buyer, &seller_key, &offer, &slot].map(Key::clone)).await?;
        let read = |key: &Key| found.get(key).cloned();
        Ok(ForSubscription {
            buyer: signed_in(found.get(&session), found.get(&buyer), now)?,
            seller: read(&seller_key).map(from_item).transpose()?,
            offer: read(&offer).map(from_item).transpose()?,
            slot: read(&slot).map(from_item).transpose()?,
        })
    }

    /// A subscription.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn subscription(&self, id: &SubscriptionId) -> Result<Option<Subscription>, StoreError> {
        self.get(&subscription_key(id)).await
    }

    /// A subscription, and whether an event was handled already: one trip.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn subscription_for_event(&self, id: &SubscriptionId, event: &str) -> Result<(Option<Subscription>, bool), StoreError> {
        let (subscription, event) = (subscription_key(id), event_key(event));
        let mut found = self.get_all([subscription.clone(), event.clone()]).await?;
        Ok((found.remove(&subscription).map(from_item).transpose()?, found.contains_key(&event)))
    }

    /// What a buyer subscribed to and tried to, the newest first.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn subscriptions_of(&self, buyer: &UserId, page: &Page) -> Result<Paged<Subscription>, StoreError> {
        self.list(List::Table { pk: format!("USER#{buyer}"), prefix: "SUBSCRIPTION#" }, page).await
    }

    /// Writes a subscription down before Stripe is asked, with the customer that it charges. The slot makes sure that of
    /// any number of requests one goes on: `slot` is the one that was read, and it must be there unchanged.
    ///
    /// # Errors
    /// Where DynamoDB fails. [`Written::No`] where another request was first.
    pub async fn begin_subscription(&self, subscription: &mut Subscription, slot: Option<&Slot>) -> Result<Written, StoreError> {
        let seen = slot.map(|slot| slot.version);
        // It counts on, so that the slot's version never repeats.
        subscription.version = seen.unwrap_or(0) + 1;
        let account = subscription.account.as_deref().unwrap_or(crate::user::PLATFORM);
        let items = vec![
            self.put(member_item(subscription)?).if_version(seen),
            self.put(subscription_item(subscription)?).if_absent(),
            self.remember_customer(&subscription.buyer_id, account, &subscription.customer),
        ];
        self.transact(&items).await
    }

    /// Writes what became of a subscription that was read with its present version, with the event that told it, and with what
    /// follows from it: whose payments these are, the seller's totals, the ledger's lines and the mails.
    ///
    /// # Errors
    /// Where DynamoDB fails. [`Written::No`] where another request or event was first: read again and ask Stripe anew.
    pub async fn write_subscription(&self, subscription: &mut Subscription, mark: Option<&EventMark>) -> Result<Written, StoreError> {
        let seen = subscription.version;
        subscription.version += 1;
        let lacking = subscription.count();
        let news = subscription.take_news();
        let mut items = vec![self.put(subscription_item(subscription)?).if_version(Some(seen))];
        if let Some(mark) = mark {
            items.push(self.mark(mark)?);
        }
        items.extend(self.add_sums(&subscription.seller_id, subscription.id.as_str(), subscription.currency, lacking));
        for news in &news {
            items.extend(self.follows(subscription, news)?);
        }
        let slot = items.len();
        items.push(self.put(member_item(subscription)?).if_version_of_subscription(seen, &subscription.id));
        match self.transact(&items).await? {
            // The slot is a later subscription's by now, which must know until when this one is paid.
            Written::No(index) if index == slot => {
                items.truncate(slot);
                if let Some(mut later) = self.later_than(subscription).await?
                    && later.hear_of_earlier(subscription)
                {
                    let seen = later.version;
                    later.version += 1;
                    items.push(self.put(subscription_item(&later)?).if_version(Some(seen)));
                    items.push(self.put(member_item(&later)?).if_version_of_subscription(seen, &later.id));
                }
                self.transact(&items).await
            }
            written => Ok(written),
        }
    }

    /// The subscription that has the slot, where that is another.
    async fn later_than(&self, subscription: &Subscription) -> Result<Option<Subscription>, StoreError> {
        let slot: Option<Slot> = self.get(&member_key(&subscription.buyer_id, &subscription.seller_id)).await?;
        match slot.filter(|slot| slot.subscription_id != subscription.id) {
            Some(slot) => self.subscription(&slot.subscription_id).await,
            None => Ok(None),
        }
    }

    /// What follows from a piece of news.
    fn follows(&self, subscription: &Subscription, news: &News) -> Result<Vec<TransactWriteItem>, StoreError> {
        let mut items = Vec::new();
        if let Some(line) = line(subscription, news) {
            items.push(self.put(ledger_item(&line)?).always());
            if line.kind == LineKind::Charge {
                let owner = payment_of_subscription(&subscription.id);
                items.push(self.put(to_item(&payment_key(&line.stripe_id), &owner)?).always());
            }
        }
        if let News::RenewalFailed(invoice) = news {
            let user = subscription.buyer_id.clone();
            let mail = Mail::RenewalFailed { user, invoice: invoice.clone(), title: subscription.title.clone() };
            items.push(self.ask_for(&mail, subscription.updated_at)?);
        }
        Ok(items)
    }

    /// Up to `limit` subscriptions of one shard that are due, the longest due first.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn due_subscriptions(&self, shard: u32, now: OffsetDateTime, limit: i32) -> Result<Vec<SubscriptionId>, StoreError> {
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
        Ok(keys.iter().filter_map(|item| item.get("sk")?.as_s().ok()?.strip_prefix("SUBSCRIPTION#")?.parse().ok()).collect())
    }
}
