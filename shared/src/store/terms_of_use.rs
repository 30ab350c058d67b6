//! Who has accepted the operator's terms of use: in the user's profile.

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};

use super::keys::profile;
use super::table::{Store, StoreError, Written};
use crate::domain::user::{Accepted, User, terms_of_use};

fn list(all: &[Accepted]) -> Result<AttributeValue, StoreError> {
    Ok(serde_dynamo::aws_sdk_dynamodb_1::to_attribute_value(all)?)
}

impl Store {
    /// Adds what a user accepts. `user` is what the request has read, and becomes what is stored.
    ///
    /// # Errors
    /// If DynamoDB fails. [`Written::No`] if the user has accepted something else since, or was erased.
    pub async fn accept_terms(&self, user: &mut User, accepted: Accepted) -> Result<Written, StoreError> {
        let update = Update::builder().table_name(&self.table).set_key(Some(profile(&user.id).attributes()));
        let update = if user.accepted_terms.is_empty() {
            update.condition_expression("attribute_exists(pk) AND attribute_not_exists(accepted_terms)")
        } else {
            update.condition_expression("accepted_terms = :seen").expression_attribute_values(":seen", list(&user.accepted_terms)?)
        };
        terms_of_use::add(&mut user.accepted_terms, accepted);
        let update = update.update_expression("SET accepted_terms = :new").expression_attribute_values(":new", list(&user.accepted_terms)?);
        let update = update.build().expect("a table, a key and an expression are given");
        self.transact(&[TransactWriteItem::builder().update(update).build()]).await
    }
}
