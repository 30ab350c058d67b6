//! What remains of an erased user until Stripe has deleted them too.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::table::{Item, Key, Store, StoreError, Written, from_item, number, string, to_item};
use crate::domain::charging::PLATFORM;
use crate::domain::ids::UserId;
use crate::domain::user::User;

/// How long after the erasure Stripe is first searched for customers. By
/// then, requests in progress have ended and Stripe's search is up to date.
const SETTLING: Duration = Duration::minutes(5);

/// A customer to be deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// `acct_…`, or [`PLATFORM`].
    pub account: String,
    /// `cus_…`
    pub id: String,
}

/// An erased person: only ids, which identify nobody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// The erased user.
    pub user_id: UserId,
    /// When the account was erased here.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Their customers that Stripe still has.
    pub customers: Vec<Customer>,
    /// The accounts, including [`PLATFORM`], on which to search for more customers.
    #[serde(default)]
    pub places: Vec<String>,
    /// When to continue; `None` if nothing is left to do or it was given up.
    #[serde(with = "time::serde::rfc3339::option")]
    pub due_at: Option<OffsetDateTime>,
    /// How many times it was tried.
    pub tries: u32,
    /// Counts writes.
    pub version: u64,
}

fn key(user: &UserId) -> Key {
    Key::new(format!("USER#{user}"), "ERASED")
}

/// All due erasures share one key of the index, because there are few and none stays for long.
const DUE: &str = "ERASURES";

pub(super) fn sort_key(due_at: OffsetDateTime, user: &str) -> String {
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
    /// Whether nothing is left at Stripe.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.customers.is_empty() && self.places.is_empty()
    }
}

impl Store {
    /// Starts the erasure at Stripe. Part of the transaction that erases the user here.
    pub(super) fn begin_erasure(&self, user: &User, now: OffsetDateTime) -> Result<TransactWriteItem, StoreError> {
        // One customer on the platform can be recorded for several currencies, under a key for each.
        let account = |place: &str| if place.starts_with(PLATFORM) { PLATFORM.to_owned() } else { place.to_owned() };
        let customers: BTreeSet<(String, &String)> = user.customers.iter().map(|(place, id)| (account(place), id)).collect();
        let erasure = Erasure {
            user_id: user.id.clone(),
            at: now,
            customers: customers.into_iter().map(|(account, id)| Customer { account, id: id.clone() }).collect(),
            places: std::iter::once(PLATFORM.to_owned()).chain(user.customers_asked.iter().cloned()).collect(),
            due_at: Some(now + SETTLING),
            tries: 0,
            version: 1,
        };
        Ok(self.put(item(&erasure)?).always())
    }

    /// Up to `limit` due erasures, longest due first.
    ///
    /// # Errors
    /// If DynamoDB fails.
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

    /// Saves an erasure's progress. [`Written::No`] if it was written since it was read.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn write_erasure(&self, erasure: &mut Erasure) -> Result<Written, StoreError> {
        let seen = erasure.version;
        erasure.version += 1;
        self.transact(&[self.put(item(erasure)?).if_version(Some(seen))]).await
    }

    /// Adds a customer that was created for a user during their erasure. Does nothing if the user was not erased.
    ///
    /// # Errors
    /// If DynamoDB fails.
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
