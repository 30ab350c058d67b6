//! Stripe customers in a user's record.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update};

use super::keys::profile;
use super::table::{Store, StoreError, from_item, number, string};
use crate::domain::ids::UserId;
use crate::domain::user::User;

/// A change of a record and its condition.
struct Change<'a> {
    expression: &'a str,
    condition: &'a str,
    names: &'a [(&'a str, &'a str)],
    values: Vec<(&'a str, AttributeValue)>,
}

/// The record after a change, or the current one if the condition failed.
enum Changed {
    Yes(Box<User>),
    No(Option<Box<User>>),
}

impl Changed {
    fn into_user(self) -> Option<User> {
        match self {
            Self::Yes(user) | Self::No(Some(user)) => Some(*user),
            Self::No(None) => None,
        }
    }
}

impl Store {
    /// Notes that a customer is about to be created for the user on a connected account. `None` if the user is gone.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn note_customer_asked(&self, id: &UserId, account: &str) -> Result<Option<User>, StoreError> {
        let values = vec![(":account", AttributeValue::Ss(vec![account.to_owned()]))];
        let change = Change { expression: "ADD customers_asked :account", condition: "attribute_exists(pk)", names: &[], values };
        Ok(self.change_profile(id, change).await?.into_user())
    }

    /// Remembers the user's customer on an account unless there is one. Returns the one on record; `None` if the user is gone.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn keep_customer(&self, id: &UserId, account: &str, customer: &str) -> Result<Option<String>, StoreError> {
        let change = Change {
            expression: "SET customers.#account = if_not_exists(customers.#account, :customer)",
            condition: "attribute_exists(pk)",
            names: &[("#account", account)],
            values: vec![(":customer", string(customer))],
        };
        let user = self.change_profile(id, change).await?.into_user();
        Ok(user.and_then(|mut user| user.customers.remove(account)))
    }

    /// Replaces a customer that is gone, unless another request already has. Returns the one on record; `None` if the user is gone.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn replace_customer(&self, id: &UserId, account: &str, gone: &str, customer: &str) -> Result<Option<String>, StoreError> {
        let expression = "SET customers.#account = :customer";
        let values = vec![(":customer", string(customer)), (":gone", string(gone))];
        let condition = "attribute_exists(pk) AND customers.#account = :gone";
        let user = self.change_profile(id, Change { expression, condition, names: &[("#account", account)], values }).await?.into_user();
        Ok(user.and_then(|mut user| user.customers.remove(account)))
    }

    /// Remembers the user's customer on an account unless there is one. Part of a transaction.
    pub(super) fn remember_customer(&self, id: &UserId, account: &str, customer: &str) -> TransactWriteItem {
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(profile(id).attributes()))
            .update_expression("SET customers.#account = if_not_exists(customers.#account, :customer)")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_names("#account", account)
            .expression_attribute_values(":customer", string(customer))
            .build()
            .expect("a table, a key and an expression are given");
        TransactWriteItem::builder().update(update).build()
    }

    /// Counts a change of the saved cards and returns the new count. `None` if the user is gone.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn count_card_change(&self, id: &UserId) -> Result<Option<u64>, StoreError> {
        let values = vec![(":one", number(1))];
        let change = Change { expression: "ADD card_changes :one", condition: "attribute_exists(pk)", names: &[], values };
        Ok(self.change_profile(id, change).await?.into_user().map(|user| user.card_changes))
    }

    async fn change_profile(&self, id: &UserId, change: Change<'_>) -> Result<Changed, StoreError> {
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(profile(id).attributes()))
            .update_expression(change.expression)
            .condition_expression(change.condition)
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        for (name, value) in change.names {
            update = update.expression_attribute_names(*name, *value);
        }
        let values: HashMap<String, AttributeValue> = change.values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        match update.set_expression_attribute_values(Some(values)).send().await {
            Ok(answer) => Ok(Changed::Yes(Box::new(from_item(answer.attributes.unwrap_or_default())?))),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                    let old = refused.item().cloned().filter(|item| !item.is_empty());
                    Ok(Changed::No(old.map(from_item).transpose()?.map(Box::new)))
                }
                _ => Err(StoreError::request("UpdateItem", &error)),
            },
        }
    }
}
