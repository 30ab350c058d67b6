//! Cards that are tried and declined. Declines: by user, in their profile; by address, by card and for the whole platform, in counters per
//! hour or day. Tries: by user and by address, in sets per minute; secrets that were handed out, in sets per hour.

use std::collections::HashMap;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::{UpdateItemError, UpdateItemOutput};
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, TransactWriteItem, Update};
use time::OffsetDateTime;

use super::events::REMEMBERED;
use super::keys::profile;
use super::sessions::signed_in;
use super::table::{Item, Key, Store, StoreError, Written, number, string, taken};
use super::token::Token;
use crate::base::entropy::digest;
use crate::domain::declines::{Counts, PER_CARD, PER_USER_HOUR, SECRETS_PER_ADDRESS, SECRETS_PER_USER};
use crate::domain::ids::UserId;
use crate::domain::user::User;

/// Increments a counter.
const ADD: &str = "ADD declines :one SET #ttl = :ttl";

/// How often an update is sent at most.
const TRIES: u32 = 5;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// How many different cards a user may try per minute, whatever their outcome: this many can be tried before the first
/// decline is known.
const CARDS_PER_USER: i64 = 10;

/// The same for an address. A class that buys at once shares one.
const CARDS_PER_ADDRESS: i64 = 60;

/// A card that is about to be tried.
#[derive(Clone, Copy, Debug)]
pub struct CardTry<'a> {
    /// Who tries it.
    pub user: &'a UserId,
    /// From where.
    pub address: &'a str,
    /// The payment method or token, as the browser named it. Stripe makes one for each time that a card is entered, so it counts once, however
    /// often it is used.
    pub card: &'a str,
    /// The factor for the limit of the address, `ADDRESS_LIMITS`.
    pub wide: i64,
}

/// Addresses and cards are hashed, because the table need not contain them.
fn decline_key(subject: &str, seconds: i64, now: OffsetDateTime) -> Key {
    Key::new(format!("THROTTLE#{}#{}", digest(subject), now.unix_timestamp() / seconds), "DECLINES")
}

fn address_key(address: &str, now: OffsetDateTime) -> Key {
    decline_key(&format!("declines address {address}"), HOUR, now)
}

/// `card` is its fingerprint.
fn card_key(card: &str, now: OffsetDateTime) -> Key {
    decline_key(&format!("declines card {card}"), DAY, now)
}

fn platform_key(now: OffsetDateTime) -> Key {
    decline_key("declines platform", HOUR, now)
}

/// What a counter says.
fn declines(item: &Item) -> i64 {
    item.get("declines").and_then(|count| count.as_n().ok()?.parse().ok()).unwrap_or(0)
}

/// A change of a user's declines, with its condition. If that fails, the next one is tried.
struct Appended {
    expression: &'static str,
    condition: &'static str,
    new: Vec<AttributeValue>,
    old: Vec<AttributeValue>,
}

/// Adds a decline of this weight to the user as read. Entries older than a day are removed, unless another decline was added in the meantime.
fn appended(user: &User, weight: usize, now: OffsetDateTime) -> impl Iterator<Item = Appended> {
    let new = vec![number(now.unix_timestamp()); weight];
    let recent = |at: &&i64| **at > now.unix_timestamp() - DAY;
    let is_old = user.declined_at.iter().any(|at| !recent(&at));
    let replace = Appended {
        expression: "SET declined_at = :new",
        condition: "declined_at = :old",
        new: user.declined_at.iter().filter(recent).map(number).chain(new.iter().cloned()).collect(),
        old: user.declined_at.iter().map(number).collect(),
    };
    let append = Appended {
        expression: "SET declined_at = list_append(if_not_exists(declined_at, :old), :new)",
        // This must not recreate a user who was erased in the meantime.
        condition: "attribute_exists(pk)",
        new,
        old: Vec::new(),
    };
    is_old.then_some(replace).into_iter().chain([append])
}

/// Sends an update again if it meets a transaction on the same item, which the SDK does not repeat: an event that counts the same.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html#transaction-conflict-handling>
async fn patiently(update: UpdateItemFluentBuilder) -> Result<UpdateItemOutput, SdkError<UpdateItemError>> {
    let mut tries = 0;
    loop {
        tries += 1;
        match update.clone().send().await {
            Err(error) if tries < TRIES && error.as_service_error().is_some_and(UpdateItemError::is_transaction_conflict_exception) => {}
            sent => return sent,
        }
    }
}

/// The two counters that a request with a card reads.
pub(super) struct Counters(Key, Key);

impl Counters {
    pub(super) fn beside(address: &str, now: OffsetDateTime) -> Self {
        Self(address_key(address, now), platform_key(now))
    }

    pub(super) fn keys(&self) -> [Key; 2] {
        [self.0.clone(), self.1.clone()]
    }

    pub(super) fn read(&self, found: &HashMap<Key, Item>) -> Counts {
        let count = |key: &Key| found.get(key).map_or(0, declines);
        Counts { address: count(&self.0), platform: count(&self.1) }
    }
}

impl Store {
    /// The user to whom a token belongs, and this hour's declines from their address and on the platform: one trip.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn user_and_declines(&self, token: &Token, address: &str, now: OffsetDateTime) -> Result<(Option<User>, Counts), StoreError> {
        let (session, user) = (token.key(), profile(token.user_id()));
        let counters = Counters::beside(address, now);
        let found = self.get_all([session.clone(), user.clone()].into_iter().chain(counters.keys())).await?;
        Ok((signed_in(found.get(&session), found.get(&user), now)?, counters.read(&found)))
    }

    /// Counts a decline of a card that a user tried from an address, if that is known. `card` is its fingerprint, if Stripe returned it. Two
    /// sequential trips. A card that is declined repeatedly, for any users, counts as much as a user may try in an hour; `wide` is the
    /// factor for the limit of one card, `ADDRESS_LIMITS`.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn count_decline(
        &self,
        user: &User,
        (address, card): (Option<&str>, Option<&str>),
        wide: i64,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let of_card = async {
            match card {
                Some(card) => self.add_decline(&card_key(card, now), now + time::Duration::DAY).await,
                None => Ok(0),
            }
        };
        let soon = now + time::Duration::HOUR;
        let of_address = async {
            match address {
                Some(address) => self.add_decline(&address_key(address, now), soon).await,
                None => Ok(0),
            }
        };
        let platform = platform_key(now);
        let (of_card, of_address, of_platform) = tokio::join!(of_card, of_address, self.add_decline(&platform, soon));
        let weight = if of_card? > PER_CARD * wide { PER_USER_HOUR } else { 1 };
        for Appended { expression, condition, new, old } in appended(user, weight, now) {
            let update = self.client.update_item().table_name(&self.table).set_key(Some(profile(&user.id).attributes()));
            let update = update.update_expression(expression).condition_expression(condition);
            let update = update.expression_attribute_values(":new", AttributeValue::L(new));
            match patiently(update.expression_attribute_values(":old", AttributeValue::L(old))).await {
                Ok(_) => break,
                Err(error) if error.as_service_error().is_some_and(UpdateItemError::is_conditional_check_failed_exception) => {}
                Err(error) => return Err(StoreError::request("UpdateItem", &error)),
            }
        }
        of_address?;
        of_platform?;
        Ok(())
    }

    /// Counts a decline that an event or a later request tells of, once for each `cause`, however often it is told. As
    /// [`Store::count_decline`], but the address is not known. Two sequential trips.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn count_decline_once(
        &self,
        cause: &str,
        user: &UserId,
        card: Option<&str>,
        wide: i64,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let of_card = card.map(|card| card_key(card, now));
        let mut found = self.get_all(of_card.iter().cloned().chain([profile(user)])).await?;
        let Some(user) = taken::<User>(&mut found, &profile(user))? else { return Ok(()) };
        let before = of_card.as_ref().and_then(|key| found.get(key)).map_or(0, declines);
        let weight = if before >= PER_CARD * wide { PER_USER_HOUR } else { 1 };
        let once = digest(&format!("decline counted {cause}"));
        let mut counted = Key::new(format!("THROTTLE#{once}"), "DECLINES").attributes();
        counted.insert("ttl".to_owned(), number((now + REMEMBERED).unix_timestamp()));
        let mut items = vec![self.put(counted).if_absent()];
        let counters =
            of_card.map(|key| (key, now + time::Duration::DAY)).into_iter().chain([(platform_key(now), now + time::Duration::HOUR)]);
        for (key, until) in counters {
            let update = Update::builder().table_name(&self.table).set_key(Some(key.attributes())).update_expression(ADD);
            let update = update.expression_attribute_names("#ttl", "ttl").expression_attribute_values(":one", number(1));
            let update = update.expression_attribute_values(":ttl", number(until.unix_timestamp() + DAY)).build();
            items.push(TransactWriteItem::builder().update(update.expect("a table, a key and an expression are given")).build());
        }
        for Appended { expression, condition, new, old } in appended(&user, weight, now) {
            let update = Update::builder().table_name(&self.table).set_key(Some(profile(&user.id).attributes()));
            let update = update.update_expression(expression).condition_expression(condition);
            let update = update.expression_attribute_values(":new", AttributeValue::L(new));
            let update = update.expression_attribute_values(":old", AttributeValue::L(old)).build();
            let update = TransactWriteItem::builder().update(update.expect("a table, a key and an expression are given")).build();
            match self.transact(&[items.as_slice(), &[update]].concat()).await? {
                Written::Yes | Written::No(0) => break,
                Written::No(_) => {}
            }
        }
        Ok(())
    }

    /// Increments a counter that expires a day after `until`, and returns its value.
    async fn add_decline(&self, key: &Key, until: OffsetDateTime) -> Result<i64, StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key.attributes()))
            .update_expression(ADD)
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":ttl", number(until.unix_timestamp() + DAY))
            .return_values(ReturnValue::AllNew);
        let answer = patiently(update).await.map_err(|error| StoreError::request("UpdateItem", &error))?;
        Ok(answer.attributes().map_or(0, declines))
    }

    /// Counts a card against this minute's limits of its user and their address: one trip. Returns false if that is used up.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn take_try(&self, one: &CardTry<'_>, now: OffsetDateTime) -> Result<bool, StoreError> {
        Ok(self.transact(&self.tries(one, now)).await? == Written::Yes)
    }

    /// The same as parts of a transaction.
    pub(super) fn tries(&self, one: &CardTry<'_>, now: OffsetDateTime) -> [TransactWriteItem; 2] {
        let (user, address) = (format!("tries {}", one.user), format!("tries address {}", one.address));
        [(user, CARDS_PER_USER), (address, CARDS_PER_ADDRESS * one.wide)]
            .map(|(subject, most)| self.take_one(&decline_key(&subject, MINUTE, now), "cards", one.card, most, now.unix_timestamp() + HOUR))
    }

    /// Counts a payment against this hour's limits of secrets handed out to its buyer and to their address: one trip. One that was counted
    /// in this hour is not counted again. `payment` is any name of it that is always the same and no other's; `wide` is the factor for the limit of
    /// the address, `ADDRESS_LIMITS`. Returns false if a limit is used up.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn take_secret(
        &self,
        user: &UserId,
        address: &str,
        payment: &str,
        wide: i64,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let (user, address) = (format!("secrets {user}"), format!("secrets address {address}"));
        let items = [(user, SECRETS_PER_USER), (address, SECRETS_PER_ADDRESS * wide)].map(|(subject, most)| {
            self.take_one(&decline_key(&subject, HOUR, now), "payments", payment, most, now.unix_timestamp() + 2 * HOUR)
        });
        Ok(self.transact(&items).await? == Written::Yes)
    }

    /// Adds to a set that expires at `ttl`, as part of a transaction, which fails if there are `most` others in it.
    pub(super) fn take_one(&self, key: &Key, set: &str, one: &str, most: i64, ttl: i64) -> TransactWriteItem {
        let one = digest(one);
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key.attributes()))
            .update_expression("ADD #set :ones SET #ttl = :ttl")
            .condition_expression("attribute_not_exists(#set) OR size(#set) < :most OR contains(#set, :one)")
            .expression_attribute_names("#set", set)
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":ones", AttributeValue::Ss(vec![one.clone()]))
            .expression_attribute_values(":one", string(one))
            .expression_attribute_values(":most", number(most))
            .expression_attribute_values(":ttl", number(ttl))
            .build()
            .expect("a table, a key and an expression are given");
        TransactWriteItem::builder().update(update).build()
    }
}
