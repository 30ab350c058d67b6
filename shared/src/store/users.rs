//! Users and the uniqueness of their e-mail addresses.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, Delete, TransactWriteItem, Update};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::outbox::Mail;
use super::page::{List, Page, Paged};
use super::sessions::Token;
use super::{Item, Key, Store, StoreError, Written, from_item, string, to_item};
use crate::ids::UserId;
use crate::user::{Email, SellerTerms, User};

pub(super) fn profile(id: &UserId) -> Key {
    Key::new(format!("USER#{id}"), "PROFILE")
}

fn email_key(email: &Email) -> Key {
    Key::new(format!("EMAIL#{}", email.key()), "EMAIL")
}

#[derive(Serialize, Deserialize)]
struct EmailOwner {
    user_id: UserId,
}

/// How a change of e-mail address or password ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum CredentialsChange {
    /// It was made.
    Made,
    /// The address is another's.
    EmailTaken,
    /// Another request changed them first, or has ended the session.
    Outdated,
}

fn user_item(user: &User) -> Result<Item, StoreError> {
    let mut item = to_item(&profile(&user.id), user)?;
    item.insert("gsi1pk".to_owned(), string("USERS"));
    item.insert("gsi1sk".to_owned(), string(format!("{:020}#{}", user.created_at.unix_timestamp_nanos(), user.id)));
    Ok(item)
}

impl Store {
    /// Adds a user with an e-mail that no other has. Where a token is given, that begins the user's first session, and a mail is
    /// asked for that confirms the address.
    ///
    /// # Errors
    /// Where DynamoDB fails. [`Written::No`] where the address is taken.
    pub async fn add_user(&self, user: &User, email: &Email, session: Option<&Token>) -> Result<Written, StoreError> {
        let owner = to_item(&email_key(email), &EmailOwner { user_id: user.id.clone() })?;
        let mut items = vec![self.put(owner).if_absent(), self.put(user_item(user)?).if_absent()];
        if let Some(token) = session {
            items.push(self.new_session(token, user, user.created_at)?);
            items.push(self.ask_for(&Mail::confirm_email(&user.id, email, user.created_at), user.created_at)?);
        }
        self.transact(&items).await
    }

    /// The user.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn user(&self, id: &UserId) -> Result<Option<User>, StoreError> {
        self.get(&profile(id)).await
    }

    /// The user with this e-mail address.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn user_by_email(&self, email: &Email) -> Result<Option<User>, StoreError> {
        let Some(owner) = self.get::<EmailOwner>(&email_key(email)).await? else { return Ok(None) };
        self.user(&owner.user_id).await
    }

    /// Users, the newest first.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn users(&self, page: &Page, containing: Option<&str>) -> Result<Paged<User>, StoreError> {
        let list = List::Index { pk: "USERS".to_owned() };
        match containing.map(str::to_lowercase) {
            None => self.list(list, page).await,
            Some(part) => self.search(list, page, &|user: &User| user.email.to_lowercase().contains(&part)).await,
        }
    }

    /// Changes the e-mail address, the password, or both: all of it or nothing. The old address is free at once, the new
    /// one is to be confirmed, and with a new password all sessions end but that of `kept`.
    ///
    /// `user` is what the request has read: where another request has changed address or password since, nothing is
    /// written.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn change_credentials(
        &self,
        user: &User,
        email: Option<&Email>,
        password_hash: Option<&str>,
        kept: &Token,
        now: OffsetDateTime,
    ) -> Result<CredentialsChange, StoreError> {
        let old = Email::parse(&user.email).ok().map(|email| email_key(&email));
        let moved = email.filter(|email| old.as_ref() != Some(&email_key(email)));
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(profile(&user.id).attributes()))
            .update_expression("SET email = :email, email_confirmed = :confirmed, password_hash = :hash")
            .condition_expression("email = :old_email AND password_hash = :old_hash")
            .expression_attribute_values(":email", string(email.map_or(user.email.as_str(), Email::written)))
            .expression_attribute_values(":confirmed", AttributeValue::Bool(user.email_confirmed && moved.is_none()))
            .expression_attribute_values(":hash", string(password_hash.unwrap_or(&user.password_hash)))
            .expression_attribute_values(":old_email", string(&user.email))
            .expression_attribute_values(":old_hash", string(&user.password_hash))
            .build()
            .expect("a table, a key and an expression are given");
        let mut items = vec![TransactWriteItem::builder().update(update).build()];
        if let Some(hash) = password_hash {
            items.push(self.keep_session(kept, hash));
        }
        let conditions = items.len();
        if let Some(email) = moved {
            let owner = to_item(&email_key(email), &EmailOwner { user_id: user.id.clone() })?;
            items.push(self.put(owner).if_absent());
            items.extend(old.map(|old| self.remove(&old)));
            items.push(self.ask_for(&Mail::confirm_email(&user.id, email, now), now)?);
        }
        Ok(match self.transact(&items).await? {
            Written::Yes => CredentialsChange::Made,
            Written::No(index) if index < conditions => CredentialsChange::Outdated,
            Written::No(_) => CredentialsChange::EmailTaken,
        })
    }

    /// Erases what is known of a person: profile, address and sign-in. What was bought and sold stays, under an id that names
    /// nobody any more; with it begins the erasure at Stripe, see [`erasures`](super::erasures). Courses must be gone before.
    ///
    /// # Errors
    /// Where DynamoDB fails. [`Written::No`] where address, password, customers or link changed at this moment.
    pub async fn erase_user(&self, user: &User, now: OffsetDateTime) -> Result<Written, StoreError> {
        let delete = Delete::builder()
            .table_name(&self.table)
            .set_key(Some(profile(&user.id).attributes()))
            .expression_attribute_values(":customers", serde_dynamo::aws_sdk_dynamodb_1::to_attribute_value(&user.customers)?)
            .expression_attribute_values(":email", string(&user.email))
            .expression_attribute_values(":hash", string(&user.password_hash));
        let asked = user.customers_asked.iter().cloned().collect::<Vec<_>>();
        // There is no empty set.
        let (asked, delete) = if asked.is_empty() {
            ("attribute_not_exists(customers_asked)", delete)
        } else {
            ("customers_asked = :asked", delete.expression_attribute_values(":asked", AttributeValue::Ss(asked)))
        };
        let known = "email = :email AND password_hash = :hash AND customers = :customers AND attribute_not_exists(stripe)";
        let delete = delete.condition_expression(format!("{known} AND {asked}")).build().expect("a table and a key are given");
        let mut items = vec![TransactWriteItem::builder().delete(delete).build(), self.begin_erasure(user, now)?];
        items.extend(Email::parse(&user.email).ok().map(|email| self.remove(&email_key(&email))));
        self.transact(&items).await
    }

    /// Makes or unmakes a seller or a member of staff. Nothing that is theirs is touched.
    ///
    /// # Errors
    /// Where DynamoDB fails. `None` where there is no such user.
    pub async fn set_roles(&self, id: &UserId, is_seller: Option<bool>, is_staff: Option<bool>) -> Result<Option<User>, StoreError> {
        let mut sets = Vec::new();
        let mut values = Vec::new();
        for (name, value) in [("is_seller", is_seller), ("is_staff", is_staff)] {
            if let Some(value) = value {
                sets.push(format!("{name} = :{name}"));
                values.push((format!(":{name}"), AttributeValue::Bool(value)));
            }
        }
        if sets.is_empty() {
            return self.user(id).await;
        }
        let values: Vec<_> = values.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        self.set_profile(id, &format!("SET {}", sets.join(", ")), &values).await
    }

    /// Users by their ids, in any order; those that do not exist are left out. One trip.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn users_by_id(&self, ids: &[UserId]) -> Result<Vec<User>, StoreError> {
        self.get_all(ids.iter().map(profile)).await?.into_values().map(from_item).collect()
    }

    /// Sets a seller's own terms, or takes them away; none where there is no such user.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn set_terms(&self, id: &UserId, terms: Option<&SellerTerms>) -> Result<Option<User>, StoreError> {
        match terms {
            Some(terms) => {
                let value = AttributeValue::M(serde_dynamo::aws_sdk_dynamodb_1::to_item(terms)?);
                self.set_profile(id, "SET terms = :terms", &[(":terms", value)]).await
            }
            None => self.set_profile(id, "REMOVE terms", &[]).await,
        }
    }

    async fn set_profile(&self, id: &UserId, expression: &str, values: &[(&str, AttributeValue)]) -> Result<Option<User>, StoreError> {
        let values = values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let result = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(profile(id).attributes()))
            .update_expression(expression)
            .condition_expression("attribute_exists(pk)")
            .set_expression_attribute_values(Some(values).filter(|values: &HashMap<_, _>| !values.is_empty()))
            .return_values(aws_sdk_dynamodb::types::ReturnValue::AllNew)
            .send()
            .await;
        match result {
            Ok(answer) => answer.attributes.map(from_item).transpose(),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(aws_sdk_dynamodb::operation::update_item::UpdateItemError::is_conditional_check_failed_exception) =>
            {
                Ok(None)
            }
            Err(error) => Err(StoreError::request("UpdateItem", &error)),
        }
    }
}
