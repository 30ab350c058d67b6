//! The one DynamoDB table. Each file beside this one has the items of one subject; this one has the keys and what
//! every access shares.
//!
//! | item | `pk` | `sk` | `gsi1pk`, `gsi1sk` |
//! | --- | --- | --- | --- |
//! | user | `USER#<user>` | `PROFILE` | `USERS`, id by time of sign-up |
//! | what is left of an erased user | `USER#<user>` | `ERASED` | `ERASURES`, by when it is due at Stripe; only where something is left there |
//! | session | `USER#<user>` | `SESSION#<hash>` | |
//! | token that travels by mail | `USER#<user>` | `RESET#<hash>`, `CONFIRM#<hash>` | |
//! | sealed tokens | `USER#<user>` | `STRIPE` | |
//! | account that the platform made for a seller | `USER#<user>` | `MADE#<type>` | |
//! | course | `USER#<seller>` | `COURSE#<course>` | `COURSES`, newest last; only where published |
//! | what a course's buyers read | `USER#<seller>` | `CONTENT#<course>` | |
//! | purchase | `USER#<buyer>` | `PURCHASE#<purchase>` | `SALES#<seller>`; only where ever paid |
//! | the seller's totals, in parts | `USER#<seller>` | `TOTALS#<part>` | |
//! | money that moved, for the reconciliation | `LEDGER#<day>#<part>` | `<hour>#<kind>#<Stripe's id>` | |
//! | slot: a buyer's one purchase of a course | `USER#<buyer>` | `OWNS#<course>` | |
//! | a seller's membership | `USER#<seller>` | `MEMBERSHIP` | |
//! | subscription to a membership | `USER#<buyer>` | `SUBSCRIPTION#<subscription>` | |
//! | slot: a buyer's one subscription to a seller | `USER#<buyer>` | `MEMBER#<seller>` | |
//! | e-mail, unique | `EMAIL#<key>` | `EMAIL` | |
//! | slug, unique, with the course | `SLUG#<slug>` | `SLUG` | |
//! | Stripe account, unique | `ACCOUNT#<acct>` | `ACCOUNT` | |
//! | until when the reconciliation has read a Stripe account | `ACCOUNT#<acct>` | `READ` | |
//! | PaymentIntent of a purchase, with a copy once paid, or of a subscription | `PAYMENT#<pi>` | `PAYMENT` | |
//! | OAuth state, ticket, parked link | `OAUTH#<kind>#<hash>` | `OAUTH` | |
//! | failed log-ins | `THROTTLE#<subject>#<window>` | `THROTTLE` | |
//! | webhook event | `EVENT#<evt>` | `EVENT` | |
//! | where the reconciliation stands | `RECONCILE` | `RECONCILE` | |
//! | what the reconciliation found | `FINDING#<digest>` | `FINDING` | `FINDINGS`, by the time it was found |
//! | mail that was asked for | `MAIL#<cause>` | `MAIL` | `OUTBOX#<shard>`, by the time it is due; only where waiting |
//!
//! A second index, `gsi2`, has the keys of the purchases that somebody must look at who waits for no request:
//! `DUE#<part>`, by when. A purchase stands in it only until it is at rest. Subscriptions stand in it under
//! `DUESUBSCRIPTION#<part>` until they have ended.

pub mod books;
pub mod cards;
pub mod courses;
pub mod erasures;
pub mod events;
pub mod findings;
pub mod links;
pub mod made_accounts;
pub mod mailed;
pub mod memberships;
pub mod oauth;
pub mod outbox;
pub mod page;
pub mod purchases;
pub mod reconciliation;
pub mod sessions;
pub mod throttle;
pub mod users;

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, KeysAndAttributes, Put, TransactWriteItem};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ids::SubscriptionId;

/// An item as the SDK has it.
pub type Item = HashMap<String, AttributeValue>;

/// The table.
#[derive(Clone, Debug)]
pub struct Store {
    client: Client,
    table: String,
}

/// DynamoDB could not be used, or held something that we did not write.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The request failed after the SDK's own retries.
    #[error("DynamoDB {operation}: {message}")]
    Request {
        /// Which operation.
        operation: &'static str,
        /// What the SDK says.
        message: String,
    },
    /// A cursor that no answer of this list has given.
    #[error("the cursor is none of this list's")]
    Cursor,
    /// An item does not have the shape that we write.
    #[error("an item of the table cannot be read: {0}")]
    Item(#[from] serde_dynamo::Error),
}

impl StoreError {
    fn request<E: ProvideErrorMetadata>(operation: &'static str, error: &SdkError<E>) -> Self {
        let message = match error {
            SdkError::ServiceError(service) => {
                format!("{}: {}", service.err().code().unwrap_or("unknown"), service.err().message().unwrap_or(""))
            }
            other => other.to_string(),
        };
        Self::Request { operation, message }
    }
}

/// The key of an item.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    pk: String,
    sk: String,
}

impl Key {
    fn new(pk: String, sk: impl Into<String>) -> Self {
        Self { pk, sk: sk.into() }
    }

    fn of(item: &Item) -> Option<Self> {
        Some(Self { pk: item.get("pk")?.as_s().ok()?.clone(), sk: item.get("sk")?.as_s().ok()?.clone() })
    }

    fn attributes(&self) -> Item {
        HashMap::from([("pk".to_owned(), string(&self.pk)), ("sk".to_owned(), string(&self.sk))])
    }
}

/// Whether a conditional write was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Written {
    /// It was.
    Yes,
    /// The condition of the item with this index did not hold, and nothing was written.
    No(usize),
}

pub(crate) fn string(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

pub(crate) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

fn to_item<T: Serialize>(key: &Key, value: &T) -> Result<Item, StoreError> {
    let mut item: Item = serde_dynamo::aws_sdk_dynamodb_1::to_item(value)?;
    item.extend(key.attributes());
    Ok(item)
}

fn from_item<T: DeserializeOwned>(item: Item) -> Result<T, StoreError> {
    Ok(serde_dynamo::aws_sdk_dynamodb_1::from_item(item)?)
}

/// Up to `most` milliseconds, so that those who met do not meet again.
fn jitter(most: u64) -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| u64::from(now.subsec_micros()) % most.max(1))
}

/// One of `parts` keys over which a hot one is spread: by FNV-1a, so that it is the same in every function and version.
fn shard(id: &str, parts: u32) -> u32 {
    let hash = id.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash % parts
}

/// How often a transaction is tried again that met another one on the same item.
const CONFLICT_RETRIES: u64 = 5;

impl Store {
    /// The table of this name.
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    async fn get<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<T>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key.attributes()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| StoreError::request("GetItem", &error))?;
        answer.item.map(from_item).transpose()
    }

    /// Reads up to 100 items in one trip; none of none. Those that do not exist are left out; a key may stand twice.
    async fn get_all(&self, keys: impl IntoIterator<Item = Key>) -> Result<HashMap<Key, Item>, StoreError> {
        let mut wanted: Vec<Key> = Vec::new();
        for key in keys {
            if !wanted.contains(&key) {
                wanted.push(key);
            }
        }
        let mut left = (!wanted.is_empty()).then(|| wanted.iter().map(Key::attributes).collect::<Vec<_>>());
        let mut found = HashMap::new();
        while let Some(keys) = left.take() {
            let request = KeysAndAttributes::builder()
                .set_keys(Some(keys))
                .consistent_read(true)
                .build()
                .map_err(|error| StoreError::Request { operation: "BatchGetItem", message: error.to_string() })?;
            let answer = self
                .client
                .batch_get_item()
                .request_items(&self.table, request)
                .send()
                .await
                .map_err(|error| StoreError::request("BatchGetItem", &error))?;
            for item in answer.responses.unwrap_or_default().into_values().flatten() {
                if let Some(key) = Key::of(&item) {
                    found.insert(key, item);
                }
            }
            left = answer.unprocessed_keys.unwrap_or_default().into_values().next().map(|rest| rest.keys);
        }
        Ok(found)
    }

    async fn delete(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        let answer = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(key.attributes()))
            .return_values(aws_sdk_dynamodb::types::ReturnValue::AllOld)
            .send()
            .await
            .map_err(|error| StoreError::request("DeleteItem", &error))?;
        Ok(answer.attributes)
    }

    /// Writes all of it or nothing.
    ///
    /// The SDK sends a request token, so that a repetition after a lost answer is not taken for a second write; a
    /// lone conditional write could not tell. Another transaction on the same item at the same moment is no answer,
    /// and is tried again.
    async fn transact(&self, items: &[TransactWriteItem]) -> Result<Written, StoreError> {
        for retry in 0.. {
            let result = self.client.transact_write_items().set_transact_items(Some(items.to_vec())).send().await;
            let error = match result {
                Ok(_) => return Ok(Written::Yes),
                Err(error) => error,
            };
            let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) = error.as_service_error() else {
                return Err(StoreError::request("TransactWriteItems", &error));
            };
            let codes: Vec<&str> = canceled.cancellation_reasons().iter().map(|reason| reason.code().unwrap_or("None")).collect();
            if let Some(index) = codes.iter().position(|code| *code == "ConditionalCheckFailed") {
                return Ok(Written::No(index));
            }
            let passing =
                codes.iter().any(|code| matches!(*code, "TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded"));
            if !passing || retry == CONFLICT_RETRIES {
                let message = format!("canceled: {}", codes.join(", "));
                return Err(StoreError::Request { operation: "TransactWriteItems", message });
            }
            tokio::time::sleep(std::time::Duration::from_millis((10 << retry) + jitter(10 << retry))).await;
        }
        unreachable!("the loop returns")
    }

    fn put(&self, item: Item) -> PutItem {
        PutItem(Put::builder().table_name(&self.table).set_item(Some(item)))
    }

    fn remove(&self, key: &Key) -> TransactWriteItem {
        let delete = Delete::builder().table_name(&self.table).set_key(Some(key.attributes())).build();
        TransactWriteItem::builder().delete(delete.expect("a table and a key are given")).build()
    }
}

/// A put within a transaction, under construction.
struct PutItem(aws_sdk_dynamodb::types::builders::PutBuilder);

impl PutItem {
    /// Only where no such item exists.
    fn if_absent(self) -> TransactWriteItem {
        Self(self.0.condition_expression("attribute_not_exists(pk)")).always()
    }

    /// Only where the item still is the one that was read: none, or the one with this `version`.
    fn if_version(self, seen: Option<u64>) -> TransactWriteItem {
        let Some(version) = seen else { return self.if_absent() };
        Self(self.0.condition_expression("version = :seen").expression_attribute_values(":seen", number(version))).always()
    }

    /// Only where the item still has this `version` and is this subscription's.
    fn if_version_of_subscription(self, seen: u64, subscription: &SubscriptionId) -> TransactWriteItem {
        let of = self.0.expression_attribute_values(":subscription", string(subscription.as_str()));
        let of = of.expression_attribute_values(":seen", number(seen));
        Self(of.condition_expression("version = :seen AND subscription_id = :subscription")).always()
    }

    fn always(self) -> TransactWriteItem {
        TransactWriteItem::builder().put(self.0.build().expect("a table and an item are given")).build()
    }
}

impl From<PutItem> for TransactWriteItem {
    fn from(put: PutItem) -> Self {
        put.always()
    }
}
