//! Users, and the uniqueness of their e-mail addresses.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Delete, Put, TransactWriteItem, Update};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::credentials::same_password;
use super::keys::{email_key, made_key, old_email_key, profile};
use super::outbox::Mail;
use super::page::{List, Page, Paged};
use super::table::{Item, Key, Store, StoreError, Written, from_item, moment, number, string, to_item};
use super::token::Token;
use crate::base::entropy::digest;
use crate::domain::ids::UserId;
use crate::domain::user::{AccountType, Email, SellerTerms, Suspension, User};

/// Where a sign-up comes from, and the limit of sign-ups from there per quarter of an hour.
#[derive(Clone, Copy, Debug)]
pub struct SignUps<'a> {
    /// The client's address.
    pub address: &'a str,
    /// The limit.
    pub most: i64,
}

/// The index in [`Written::No`] if [`Store::add_user`] finds too many sign-ups from an address.
pub const TOO_MANY: usize = 0;

#[derive(Serialize, Deserialize)]
struct EmailOwner {
    user_id: UserId,
    /// Set once the user has moved to another address: until then, in Unix seconds, only they can take this one again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reserved_until: Option<i64>,
}

/// How long an address stays reserved for the user who left it: longer than the link that undoes the change is valid, even if its mail is late.
const RESERVED: Duration = Duration::days(14);

/// Changes made by staff to a user; absent ones stay.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Appoints or dismisses a seller.
    pub is_seller: Option<bool>,
    /// Appoints or dismisses a staff member.
    pub is_staff: Option<bool>,
    /// Sets or removes a seller's individual terms.
    pub terms: Option<Option<SellerTerms>>,
    /// Suspends the user, which ends all sessions, or lifts the suspension.
    pub suspended: Option<Option<Suspension>>,
}

/// An update expression and its values.
type Expression = (String, HashMap<String, AttributeValue>);

impl Change {
    /// The update of the profile; `None` if nothing changes.
    fn expression(&self) -> Result<Option<Expression>, StoreError> {
        let (mut sets, mut removed, mut values) = (Vec::new(), Vec::new(), HashMap::new());
        let mut set = |name: &str, value: AttributeValue| {
            sets.push(format!("{name} = :{name}"));
            values.insert(format!(":{name}"), value);
        };
        for (name, value) in [("is_seller", self.is_seller), ("is_staff", self.is_staff)] {
            if let Some(value) = value {
                set(name, AttributeValue::Bool(value));
            }
        }
        match &self.terms {
            Some(Some(terms)) => set("terms", AttributeValue::M(serde_dynamo::aws_sdk_dynamodb_1::to_item(terms)?)),
            Some(None) => removed.push("terms"),
            None => {}
        }
        match &self.suspended {
            Some(Some(suspension)) => {
                set("suspended", AttributeValue::M(serde_dynamo::aws_sdk_dynamodb_1::to_item(suspension)?));
                set("sessions_ended_at", moment(suspension.at)?);
            }
            Some(None) => removed.push("suspended"),
            None => {}
        }
        let parts = [("SET", sets.join(", ")), ("REMOVE", removed.join(", "))];
        let parts: Vec<_> = parts.iter().filter(|(_, part)| !part.is_empty()).map(|(verb, part)| format!("{verb} {part}")).collect();
        Ok((!parts.is_empty()).then(|| (parts.join(" "), values)))
    }
}

fn user_item(user: &User) -> Result<Item, StoreError> {
    let mut item = to_item(&profile(&user.id), user)?;
    if !user.customers_asked.is_empty() {
        // A string set, because accounts are added with `ADD`.
        item.insert("customers_asked".to_owned(), AttributeValue::Ss(user.customers_asked.iter().cloned().collect()));
    }
    item.insert("gsi1pk".to_owned(), string("USERS"));
    item.insert("gsi1sk".to_owned(), string(format!("{:020}#{}", user.created_at.unix_timestamp_nanos(), user.id)));
    Ok(item)
}

impl Store {
    /// Adds a user with an unused e-mail address and with the password hash that [`User::new`] was given.
    /// If a token is given, starts the user's first session and queues the mail that confirms the address.
    ///
    /// # Errors
    /// If DynamoDB fails. [`Written::No`] if the address is taken, or with [`TOO_MANY`] if
    /// there were too many sign-ups from this network address in this quarter of an hour.
    pub async fn add_user(
        &self,
        user: &User,
        email: &Email,
        hash: &str,
        session: Option<&Token>,
        from: Option<&SignUps<'_>>,
    ) -> Result<Written, StoreError> {
        let owner = self.own_email(&user.id, email, user.created_at)?;
        let mut items = vec![owner, self.put(user_item(user)?).if_absent(), self.set_password(&user.id, hash)?];
        items.extend(old_email_key(email).map(|key| self.is_absent(&key)));
        if let Some(token) = session {
            items.push(self.new_session(token, user, user.created_at)?);
            items.push(self.ask_for(&Mail::confirm_email(&user.id, email, user.created_at), user.created_at)?);
        }
        if let Some(from) = from {
            items.insert(TOO_MANY, self.take_place(from.address, from.most, user.created_at));
        }
        self.transact(&items).await
    }

    /// The user.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn user(&self, id: &UserId) -> Result<Option<User>, StoreError> {
        self.get(&profile(id)).await
    }

    /// The user with this e-mail address.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn user_by_email(&self, email: &Email) -> Result<Option<User>, StoreError> {
        let Some(owner) = self.owner_of(email).await? else { return Ok(None) };
        self.user(&owner.user_id).await
    }

    async fn owner_of(&self, email: &Email) -> Result<Option<EmailOwner>, StoreError> {
        let owner: Option<EmailOwner> = match (self.get(&email_key(email)).await?, old_email_key(email)) {
            (None, Some(old)) => self.get(&old).await?,
            (found, _) => found,
        };
        Ok(owner.filter(|owner| owner.reserved_until.is_none()))
    }

    /// Gives a user an address that nobody has and that is reserved for nobody else.
    fn own_email(&self, user: &UserId, email: &Email, now: OffsetDateTime) -> Result<TransactWriteItem, StoreError> {
        let owner = to_item(&email_key(email), &EmailOwner { user_id: user.clone(), reserved_until: None })?;
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(owner))
            .condition_expression(
                "attribute_not_exists(pk) OR reserved_until < :now OR (attribute_exists(reserved_until) AND user_id = :user)",
            )
            .expression_attribute_values(":now", number(now.unix_timestamp()))
            .expression_attribute_values(":user", string(user.as_str()));
        Ok(TransactWriteItem::builder().put(put.build().expect("a table and an item are given")).build())
    }

    /// Keeps an address that a user has left for them alone, for a while.
    fn reserve_email(&self, user: &UserId, email: &Email, now: OffsetDateTime) -> Result<TransactWriteItem, StoreError> {
        let until = (now + RESERVED).unix_timestamp();
        let mut item = to_item(&email_key(email), &EmailOwner { user_id: user.clone(), reserved_until: Some(until) })?;
        item.insert("ttl".to_owned(), number(until));
        Ok(self.put(item).always())
    }

    /// The user with this e-mail address and their password hash: two sequential trips.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn user_and_password(&self, email: &Email) -> Result<Option<(User, Option<String>)>, StoreError> {
        let Some(owner) = self.owner_of(email).await? else { return Ok(None) };
        let (user, hash) = tokio::join!(self.user(&owner.user_id), self.password_hash(&owner.user_id));
        let hash = hash?;
        Ok(user?.map(|user| {
            let hash = user.password_hash.clone().or(hash);
            (user, hash)
        }))
    }

    /// Users, newest first.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn users(&self, page: &Page, containing: Option<&str>) -> Result<Paged<User>, StoreError> {
        let list = List::Index { pk: "USERS".to_owned() };
        match containing.map(str::to_lowercase) {
            None => self.list(list, page).await,
            Some(part) => self.search(list, page, &|user: &User| user.email.to_lowercase().contains(&part)).await,
        }
    }

    /// Changes the password, or requests another e-mail address, or both, atomically. A new password ends all sessions
    /// except `kept`, and the user is notified by mail. A new address is only noted: it replaces the old one once it is
    /// confirmed, see [`Store::move_email`], for which its owner gets a mail if `mails`. Whether it is taken is not
    /// looked up, so nothing reveals that.
    ///
    /// `user` is what the request has read, and becomes what is stored.
    ///
    /// # Errors
    /// If DynamoDB fails. [`Written::No`] if another request has changed address or password since, or ended the session.
    pub async fn change_credentials(
        &self,
        user: &mut User,
        email: Option<(&Email, bool)>,
        password_hash: Option<&str>,
        kept: &Token,
        now: OffsetDateTime,
    ) -> Result<Written, StoreError> {
        // A hash that is still in the profile moves to its own table.
        let hash = password_hash.or(user.password_hash.as_deref()).map(str::to_owned);
        let (same, password) = same_password(user);
        let old_email = string(&user.email);
        let mut mails = Vec::new();
        if let Some((email, told)) = email {
            let is_same = Email::parse(&user.email).is_ok_and(|old| old.key() == email.key());
            if is_same {
                email.written().clone_into(&mut user.email);
            } else if told {
                mails.push(Mail::confirm_email(&user.id, email, now));
            }
            user.new_email = (!is_same).then(|| email.written().to_owned());
        }
        if password_hash.is_some() {
            mails.push(Mail::password_changed(&user.id, now));
        }
        if let Some(hash) = &hash {
            user.password_digest = digest(hash);
            user.password_hash = None;
        }
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(profile(&user.id).attributes()))
            .condition_expression(format!("email = :old_email AND {same}"))
            .expression_attribute_values(":email", string(&user.email))
            .expression_attribute_values(":digest", string(&user.password_digest))
            .expression_attribute_values(":old_email", old_email)
            .expression_attribute_values(":password", password);
        let update = match &user.new_email {
            Some(new) => update
                .update_expression("SET email = :email, password_digest = :digest, new_email = :new REMOVE password_hash")
                .expression_attribute_values(":new", string(new)),
            None => update.update_expression("SET email = :email, password_digest = :digest REMOVE password_hash, new_email"),
        };
        let update = update.build().expect("a table, a key and an expression are given");
        let mut items = vec![TransactWriteItem::builder().update(update).build()];
        if let Some(hash) = &hash {
            items.push(self.set_password(&user.id, hash)?);
        }
        if let Some(hash) = password_hash {
            items.push(self.keep_session(kept, hash));
        }
        for mail in mails {
            items.push(self.ask_for(&mail, now)?);
        }
        self.transact(&items).await
    }

    /// The writes that replace a user's address: they take the new one, which must be unused, and free
    /// the old one. While the user may still return to the old one, nobody else can take it.
    pub(super) fn readdress(
        &self,
        user: &UserId,
        (from, to): (&Email, &Email),
        may_return: bool,
        now: OffsetDateTime,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        if from.key() == to.key() {
            return Ok(Vec::new());
        }
        let mut items = vec![self.own_email(user, to, now)?];
        items.extend(old_email_key(to).map(|key| self.is_absent(&key)));
        if may_return {
            items.push(self.reserve_email(user, from, now)?);
            items.extend(old_email_key(from).map(|key| self.remove(&key)));
        } else {
            items.extend(self.free(from));
        }
        Ok(items)
    }

    /// Erases a person: profile, address and sign-in. Purchases and sales stay, under an id that no longer identifies
    /// anybody. Also starts the erasure at Stripe, see [`erasures`](super::erasures). Courses must be deleted first.
    ///
    /// # Errors
    /// If DynamoDB fails. [`Written::No`] if address, password, customers or link changed concurrently.
    pub async fn erase_user(&self, user: &User, now: OffsetDateTime) -> Result<Written, StoreError> {
        let (same, password) = same_password(user);
        let delete = Delete::builder()
            .table_name(&self.table)
            .set_key(Some(profile(&user.id).attributes()))
            .expression_attribute_values(":customers", serde_dynamo::aws_sdk_dynamodb_1::to_attribute_value(&user.customers)?)
            .expression_attribute_values(":email", string(&user.email))
            .expression_attribute_values(":password", password);
        let asked = user.customers_asked.iter().cloned().collect::<Vec<_>>();
        // DynamoDB has no empty sets.
        let (asked, delete) = if asked.is_empty() {
            ("attribute_not_exists(customers_asked)", delete)
        } else {
            ("customers_asked = :asked", delete.expression_attribute_values(":asked", AttributeValue::Ss(asked)))
        };
        let known = format!("email = :email AND {same} AND customers = :customers AND attribute_not_exists(stripe)");
        let delete = delete.condition_expression(format!("{known} AND {asked}")).build().expect("a table and a key are given");
        let mut items =
            vec![TransactWriteItem::builder().delete(delete).build(), self.begin_erasure(user, now)?, self.forget_password(&user.id)];
        items.push(self.forget_second_factor(&user.id));
        items.extend(Email::parse(&user.email).iter().flat_map(|email| self.free(email)));
        // Recorded requests to Stripe contain the address.
        let types = [AccountType::Standard, AccountType::Express, AccountType::Custom];
        items.extend(types.map(|account_type| self.remove(&made_key(&user.id, account_type))));
        self.transact(&items).await
    }

    /// Writes changes by staff to a user: roles, terms, a suspension. The user's
    /// own data is not touched. One trip; removing the role of staff takes two.
    ///
    /// # Errors
    /// If DynamoDB fails. `None` if there is no such user, or if `by` is no longer staff: two who
    /// remove each other's role cannot both succeed.
    pub async fn change_user(&self, id: &UserId, change: &Change, by: Option<&UserId>) -> Result<Option<User>, StoreError> {
        let Some((expression, values)) = change.expression()? else { return self.user(id).await };
        let (true, Some(by)) = (change.is_staff == Some(false), by) else { return self.set_profile(id, &expression, values).await };
        let still = ConditionCheck::builder()
            .table_name(&self.table)
            .set_key(Some(profile(by).attributes()))
            .condition_expression("is_staff = :true")
            .expression_attribute_values(":true", AttributeValue::Bool(true))
            .build()
            .expect("a table, a key and a condition are given");
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(profile(id).attributes()))
            .update_expression(expression)
            .condition_expression("attribute_exists(pk)")
            .set_expression_attribute_values(Some(values))
            .build()
            .expect("a table, a key and an expression are given");
        let items = [TransactWriteItem::builder().condition_check(still).build(), TransactWriteItem::builder().update(update).build()];
        match self.transact(&items).await? {
            Written::Yes => self.user(id).await,
            Written::No(_) => Ok(None),
        }
    }

    /// Ends all sessions of a user that were started until now. False if there is no such user.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn end_sessions(&self, id: &UserId, now: OffsetDateTime) -> Result<bool, StoreError> {
        let values = HashMap::from([(":now".to_owned(), moment(now)?)]);
        Ok(self.set_profile(id, "SET sessions_ended_at = :now", values).await?.is_some())
    }

    /// Frees an address for others.
    fn free(&self, email: &Email) -> Vec<TransactWriteItem> {
        std::iter::once(email_key(email)).chain(old_email_key(email)).map(|key| self.remove(&key)).collect()
    }

    fn is_absent(&self, key: &Key) -> TransactWriteItem {
        let check = ConditionCheck::builder()
            .table_name(&self.table)
            .set_key(Some(key.attributes()))
            .condition_expression("attribute_not_exists(pk)")
            .build();
        TransactWriteItem::builder().condition_check(check.expect("a table, a key and a condition are given")).build()
    }

    /// Users by their ids, in any order; missing ones are left out. One trip.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn users_by_id(&self, ids: &[UserId]) -> Result<Vec<User>, StoreError> {
        self.get_all(ids.iter().map(profile)).await?.into_values().map(from_item).collect()
    }

    async fn set_profile(
        &self,
        id: &UserId,
        expression: &str,
        values: HashMap<String, AttributeValue>,
    ) -> Result<Option<User>, StoreError> {
        let result = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(profile(id).attributes()))
            .update_expression(expression)
            .condition_expression("attribute_exists(pk)")
            .set_expression_attribute_values(Some(values).filter(|values| !values.is_empty()))
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
