//! Common parts of all access to the table.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Delete, KeysAndAttributes, Put, TransactWriteItem};
use serde::Serialize;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;

use crate::domain::error::Error;
use crate::settings::config::credentials_beside;

/// An item, in the SDK's format.
pub type Item = HashMap<String, AttributeValue>;

/// The table.
#[derive(Clone, Debug)]
pub struct Store {
    pub(super) client: Client,
    pub(super) table: String,
    /// The table of password hashes.
    pub(super) credentials: String,
}

/// DynamoDB failed, or contains something that we did not write.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The request failed after the SDK's own retries.
    #[error("DynamoDB {operation}: {message}")]
    Request {
        /// Which operation.
        operation: &'static str,
        /// The SDK's message.
        message: String,
    },
    /// A cursor that does not belong to this list.
    #[error("the cursor does not belong to this list")]
    Cursor,
    /// An item is not in our format.
    #[error("an item of the table cannot be read: {0}")]
    Item(#[from] serde_dynamo::Error),
}

impl StoreError {
    pub(super) fn request<E: ProvideErrorMetadata>(operation: &'static str, error: &SdkError<E>) -> Self {
        let message = match error {
            SdkError::ServiceError(service) => {
                format!("{}: {}", service.err().code().unwrap_or("unknown"), service.err().message().unwrap_or(""))
            }
            other => other.to_string(),
        };
        Self::Request { operation, message }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Cursor => Self::BadCursor,
            other => Self::Internal(other.to_string()),
        }
    }
}

/// The key of an item.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    pub(super) pk: String,
    sk: String,
}

impl Key {
    pub(super) fn new(pk: String, sk: impl Into<String>) -> Self {
        Self { pk, sk: sk.into() }
    }

    pub(super) fn of(item: &Item) -> Option<Self> {
        Some(Self { pk: item.get("pk")?.as_s().ok()?.clone(), sk: item.get("sk")?.as_s().ok()?.clone() })
    }

    pub(super) fn attributes(&self) -> Item {
        HashMap::from([("pk".to_owned(), string(&self.pk)), ("sk".to_owned(), string(&self.sk))])
    }
}

/// Whether a conditional write succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Written {
    /// It did.
    Yes,
    /// The condition of the item with this index failed, and nothing was written.
    No(usize),
}

pub(super) fn string(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

pub(super) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// A time in the form of all stored times.
pub(super) fn moment(at: OffsetDateTime) -> Result<AttributeValue, StoreError> {
    #[derive(Serialize)]
    struct Moment(#[serde(with = "time::serde::rfc3339")] OffsetDateTime);
    Ok(serde_dynamo::aws_sdk_dynamodb_1::to_attribute_value(Moment(at))?)
}

pub(super) fn to_item<T: Serialize>(key: &Key, value: &T) -> Result<Item, StoreError> {
    let mut item: Item = serde_dynamo::aws_sdk_dynamodb_1::to_item(value)?;
    item.extend(key.attributes());
    Ok(item)
}

pub(super) fn from_item<T: DeserializeOwned>(item: Item) -> Result<T, StoreError> {
    Ok(serde_dynamo::aws_sdk_dynamodb_1::from_item(item)?)
}

/// One of the items that were read together.
pub(super) fn taken<T: DeserializeOwned>(found: &mut HashMap<Key, Item>, key: &Key) -> Result<Option<T>, StoreError> {
    found.remove(key).map(from_item).transpose()
}

/// Up to `most` milliseconds, so that conflicting writers do not collide again.
fn jitter(most: u64) -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| u64::from(now.subsec_micros()) % most.max(1))
}

/// The shard of an id, of `parts`. Uses FNV-1a, so that it is the same in every function and version.
pub(super) fn shard(id: &str, parts: u32) -> u32 {
    let hash = id.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash % parts
}

/// How many times to retry a transaction that conflicts with another on the same item.
const CONFLICT_RETRIES: u64 = 5;

/// How many times to ask again for keys that DynamoDB left unprocessed, after growing pauses: at most a second and a quarter in total.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html>
const UNPROCESSED_RETRIES: u64 = 6;

impl Store {
    /// The table of this name.
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        let table = table.into();
        Self { client, credentials: credentials_beside(&table), table }
    }

    /// Uses a table for password hashes with another name than [`credentials_beside`] gives.
    #[must_use]
    pub fn with_credentials(self, credentials: impl Into<String>) -> Self {
        Self { credentials: credentials.into(), ..self }
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<T>, StoreError> {
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

    /// Reads up to 100 items in one trip, or in none if there are no keys. Missing items are left out; keys may repeat.
    pub(super) async fn get_all(&self, keys: impl IntoIterator<Item = Key>) -> Result<HashMap<Key, Item>, StoreError> {
        let mut wanted: Vec<Key> = Vec::new();
        for key in keys {
            if !wanted.contains(&key) {
                wanted.push(key);
            }
        }
        let mut left = (!wanted.is_empty()).then(|| wanted.iter().map(Key::attributes).collect::<Vec<_>>());
        let mut found = HashMap::new();
        let mut retry = 0;
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
            left = answer.unprocessed_keys.unwrap_or_default().into_values().next().map(|rest| rest.keys).filter(|keys| !keys.is_empty());
            if left.is_some() {
                if retry == UNPROCESSED_RETRIES {
                    let message = "DynamoDB repeatedly left keys unprocessed".to_owned();
                    return Err(StoreError::Request { operation: "BatchGetItem", message });
                }
                tokio::time::sleep(std::time::Duration::from_millis((10 << retry) + jitter(10 << retry))).await;
                retry += 1;
            }
        }
        Ok(found)
    }

    pub(super) async fn delete(&self, key: &Key) -> Result<Option<Item>, StoreError> {
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

    /// Writes all of the items or none.
    ///
    /// The SDK sends a request token, so that a retry after a lost response does not count as a second write. A
    /// single conditional write has no such token. Conflicts with other transactions on the same item are retried.
    pub(super) async fn transact(&self, items: &[TransactWriteItem]) -> Result<Written, StoreError> {
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

    pub(super) fn put(&self, item: Item) -> PutItem {
        PutItem(Put::builder().table_name(&self.table).set_item(Some(item)))
    }

    pub(super) fn remove(&self, key: &Key) -> TransactWriteItem {
        let delete = Delete::builder().table_name(&self.table).set_key(Some(key.attributes())).build();
        TransactWriteItem::builder().delete(delete.expect("a table and a key are given")).build()
    }

    /// Only if the item has this `version`.
    pub(super) fn remove_if_version(&self, key: &Key, seen: u64) -> TransactWriteItem {
        let delete = Delete::builder()
            .table_name(&self.table)
            .set_key(Some(key.attributes()))
            .condition_expression("version = :seen")
            .expression_attribute_values(":seen", number(seen))
            .build();
        TransactWriteItem::builder().delete(delete.expect("a table and a key are given")).build()
    }

    pub(super) fn is_absent(&self, key: &Key) -> TransactWriteItem {
        let check = ConditionCheck::builder()
            .table_name(&self.table)
            .set_key(Some(key.attributes()))
            .condition_expression("attribute_not_exists(pk)")
            .build();
        TransactWriteItem::builder().condition_check(check.expect("a table, a key and a condition are given")).build()
    }
}

/// A put in a transaction, under construction.
pub(super) struct PutItem(pub(super) aws_sdk_dynamodb::types::builders::PutBuilder);

impl PutItem {
    /// Only if no such item exists.
    pub(super) fn if_absent(self) -> TransactWriteItem {
        Self(self.0.condition_expression("attribute_not_exists(pk)")).always()
    }

    /// Only if the item is unchanged since it was read: absent, or with this `version`.
    pub(super) fn if_version(self, seen: Option<u64>) -> TransactWriteItem {
        let Some(version) = seen else { return self.if_absent() };
        Self(self.0.condition_expression("version = :seen").expression_attribute_values(":seen", number(version))).always()
    }

    pub(super) fn always(self) -> TransactWriteItem {
        TransactWriteItem::builder().put(self.0.build().expect("a table and an item are given")).build()
    }
}

impl From<PutItem> for TransactWriteItem {
    fn from(put: PutItem) -> Self {
        put.always()
    }
}
