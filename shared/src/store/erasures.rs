//! What is left of a person who erased their account, until Stripe has forgotten them too.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::{Item, Key, Store, StoreError, Written, from_item, number, string, to_item};
use crate::ids::UserId;
use crate::user::{PLATFORM, User};

/// How long after the erasure Stripe is asked for customers first: what runs at that moment has come to its end by then, and Stripe's
/// search has it.
const SETTLING: Duration = Duration::minutes(5);

/// A customer that is to be deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// `acct_…`, or [`PLATFORM`].
    pub account: String,
    /// `cus_…`
    pub id: String,
}

/// An erased person: ids alone, which name nobody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// Who it was.
    pub user_id: UserId,
    /// When the account was erased here.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Their customers that Stripe still has.
    pub customers: Vec<Customer>,
    /// The accounts, [`PLATFORM`] among them, on which Stripe is to be asked for more.
    #[serde(default)]
    pub places: Vec<String>,
    /// When to go on; none where nothing is left to do, or was given up.
    #[serde(with = "time::serde::rfc3339::option")]
    pub due_at: Option<OffsetDateTime>,
    /// How often that was tried.
    pub tries: u32,
    /// Counts writes.
    pub version: u64,
}

fn key(user: &UserId) -> Key {
    Key::new(format!("USER#{user}"), "ERASED")
}

/// All that are due stand under one key of the index: there are few, and none of them long.
const DUE: &str = "ERASURES";

fn sort_key(due_at: OffsetDateTime, user: &str) -> String {
    format!("{:020}#{user}", due_at.unix_timestamp_nanos())
}

fn item(erasure: &Erasure) -> Result<Item, StoreError> {
    let mut item = to_item(&key(&erasure.user_id), erasure)?;
    if let Some(due_at) = erasure.due_at {
        item.insert("gsi1pk".to_owned(), string(DUE));
        item.insert("gsi1sk".to_owned(), string(sort_key(due_at, erasure.user_id.as_str())));
    }
    Ok(item)
}

impl Erasure {
    /// Whether Stripe knows nothing more.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.customers.is_empty() && self.places.is_empty()
    }
}

impl Store {
    /// Begins the erasure at Stripe of a person who is erased here. Part of the transaction that does.
    pub(super) fn begin_erasure(&self, user: &User, now: OffsetDateTime) -> Result<TransactWriteItem, StoreError> {
        let customers = user.customers.iter().map(|(account, id)| Customer { account: account.clone(), id: id.clone() });
        let erasure = Erasure {
            user_id: user.id.clone(),
            at: now,
            customers: customers.collect(),
            places: std::iter::once(PLATFORM.to_owned()).chain(user.customers_asked.iter().cloned()).collect(),
            due_at: Some(now + SETTLING),
            tries: 0,
            version: 1,
        };
        Ok(self.put(item(&erasure)?).always())
    }

    /// Up to `limit` erasures that are due, the longest due first.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn due_erasures(&self, now: OffsetDateTime, limit: i32) -> Result<Vec<Erasure>, StoreError> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .index_name("gsi1")
            .key_condition_expression("gsi1pk = :pk AND gsi1sk <= :now")
            .expression_attribute_values(":pk", string(DUE))
            .expression_attribute_values(":now", string(sort_key(now, "~")))
            .limit(limit)
            .send()
            .await
            .map_err(|error| StoreError::request("Query", &error))?;
        answer.items.unwrap_or_default().into_iter().map(from_item).collect()
    }

    /// Writes how far an erasure has come. [`Written::No`] where it was written since it was read.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn write_erasure(&self, erasure: &mut Erasure) -> Result<Written, StoreError> {
        let seen = erasure.version;
        erasure.version += 1;
        self.transact(&[self.put(item(erasure)?).if_version(Some(seen))]).await
    }

    /// Adds a customer that was made for a person while they erased their account. Nothing where they did not.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn leave_to_erasure(&self, user: &UserId, account: &str, customer: &str, now: OffsetDateTime) -> Result<(), StoreError> {
        let customer = Customer { account: account.to_owned(), id: customer.to_owned() };
        let one = AttributeValue::L(vec![serde_dynamo::aws_sdk_dynamodb_1::to_attribute_value(&customer)?]);
        let due_at = now.format(&time::format_description::well_known::Rfc3339).unwrap_or_default();
        let result = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(user).attributes()))
            .update_expression("SET customers = list_append(customers, :one), due_at = :at, gsi1pk = :due, gsi1sk = :sk ADD version :1")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":one", one)
            .expression_attribute_values(":at", string(due_at))
            .expression_attribute_values(":due", string(DUE))
            .expression_attribute_values(":sk", string(sort_key(now, user.as_str())))
            .expression_attribute_values(":1", number(1))
            .send()
            .await;
        match result {
            Err(error) if !error.as_service_error().is_some_and(UpdateItemError::is_conditional_check_failed_exception) => {
                Err(StoreError::request("UpdateItem", &error))
            }
            _ => Ok(()),
        }
    }
}
