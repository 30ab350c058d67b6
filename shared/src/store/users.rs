//! Users, and the uniqueness of their e-mail addresses.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Delete, Put, TransactWriteItem, Update};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::credentials::same_password;
use super::keys::{application_key, email_key, made_key, old_email_key, page_key, profile, suppressed_key};
use super::page::{List, Page, Paged};
use super::table::{Item, Store, StoreError, Written, from_item, moment, number, string, taken, to_item};
use super::token::Token;
use crate::base::entropy::{Entropy, digest};
use crate::domain::audit::{Actor, Deed, Entry};
use crate::domain::ids::UserId;
use crate::domain::mail::Mail;
use crate::domain::seller_page::SellerPage;
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
    /// When the application was made by which the user becomes a seller, if it is by one.
    pub application: Option<OffsetDateTime>,
    /// What the user is told with that, if anything.
    pub note: Option<String>,
    /// Removes text and links of the seller's page.
    pub clear_page: bool,
}

/// A user before a change by staff, and the item as stored.
#[derive(Debug)]
pub struct Seen {
    /// The user.
    pub user: User,
    item: Item,
    page: Option<SellerPage>,
}

/// The result of a change by staff.
#[derive(Debug)]
pub enum Changed {
    /// The user as changed, or unchanged if they were like this already.
    Yes(Box<User>),
    /// Whoever asked is no longer staff.
    NotStaff,
    /// The application is not waiting any more.
    NoApplication,
    /// The user was changed by another request, or erased: read them again and decide again.
    Raced,
}

impl Change {
    /// What it does to this user, one for each field that differs.
    fn deeds(&self, Seen { user, page, .. }: &Seen) -> Vec<Deed> {
        let mut deeds = Vec::new();
        if let Some(to) = self.is_seller.filter(|to| *to != user.is_seller) {
            deeds.push(Deed::SellerRole { from: user.is_seller, to, note: self.note.clone() });
        }
        if let Some(to) = self.is_staff.filter(|to| *to != user.is_staff) {
            deeds.push(Deed::StaffRole { from: user.is_staff, to });
        }
        if let Some(to) = self.terms.as_ref().filter(|to| **to != user.terms) {
            deeds.push(Deed::Terms { from: user.terms.clone(), to: to.clone() });
        }
        let reason = |one: &Option<Suspension>| one.as_ref().map(|one| one.reason.clone());
        if let Some(to) = self.suspended.as_ref().filter(|to| reason(to) != reason(&user.suspended)) {
            deeds.push(Deed::Suspension { from: user.suspended.clone(), to: to.clone() });
        }
        if self.clear_page && page.as_ref().is_some_and(|page| !page.text.is_empty() || !page.links.is_empty()) {
            deeds.push(Deed::PageCleared);
        }
        deeds
    }
}

/// The attributes of a profile that staff change.
const STAFFS: [&str; 5] = ["is_seller", "is_staff", "terms", "suspended", "sessions_ended_at"];

/// The update that makes a stored profile the one in `new`, if the attributes that only staff change are still as in `old`.
fn update_of_staffs(table: &str, id: &UserId, old: &Item, new: &Item) -> TransactWriteItem {
    let mut update = Update::builder().table_name(table).set_key(Some(profile(id).attributes()));
    let (mut sets, mut removed, mut conditions) = (Vec::new(), Vec::new(), vec!["attribute_exists(pk)".to_owned()]);
    for name in STAFFS {
        match old.get(name) {
            // Users end their sessions, too, which must not hold up a suspension.
            _ if name == "sessions_ended_at" => {}
            Some(value) => {
                conditions.push(format!("{name} = :old_{name}"));
                update = update.expression_attribute_values(format!(":old_{name}"), value.clone());
            }
            None => conditions.push(format!("attribute_not_exists({name})")),
        }
        match new.get(name) {
            Some(value) if old.get(name) != Some(value) => {
                sets.push(format!("{name} = :{name}"));
                update = update.expression_attribute_values(format!(":{name}"), value.clone());
            }
            None if old.contains_key(name) => removed.push(name.to_owned()),
            _ => {}
        }
    }
    let parts = [("SET", sets), ("REMOVE", removed)];
    let parts = parts.iter().filter(|(_, names)| !names.is_empty()).map(|(verb, names)| format!("{verb} {}", names.join(", ")));
    let update = update.update_expression(parts.collect::<Vec<_>>().join(" ")).condition_expression(conditions.join(" AND "));
    TransactWriteItem::builder().update(update.build().expect("a table, a key and an expression are given")).build()
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

    /// Until when, in Unix seconds, each of these addresses is reserved for a user who has left it. Those that are not are missing.
    pub(super) async fn reserved_until(&self, user: &UserId, emails: &[String]) -> Result<BTreeMap<String, i64>, StoreError> {
        let keys: Vec<_> = emails.iter().filter_map(|email| Some((email, email_key(&Email::parse(email).ok()?)))).collect();
        let mut until = BTreeMap::new();
        for some in keys.chunks(100) {
            let found = self.get_all(some.iter().map(|(_, key)| key.clone())).await?;
            for (email, key) in some {
                let owner: Option<EmailOwner> = found.get(key).cloned().map(from_item).transpose()?;
                let reserved = owner.filter(|owner| owner.user_id == *user).and_then(|owner| owner.reserved_until);
                until.extend(reserved.map(|reserved| ((*email).clone(), reserved)));
            }
        }
        Ok(until)
    }

    /// Frees an address that is reserved for a user. Does nothing if somebody else has it by now.
    pub(super) async fn free_reserved(&self, user: &UserId, email: &Email) -> Result<(), StoreError> {
        let result = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(email_key(email).attributes()))
            .condition_expression("user_id = :user AND attribute_exists(reserved_until)")
            .expression_attribute_values(":user", string(user.as_str()))
            .send()
            .await;
        match result {
            Err(error) if !error.as_service_error().is_some_and(DeleteItemError::is_conditional_check_failed_exception) => {
                Err(StoreError::request("DeleteItem", &error))
            }
            _ => Ok(()),
        }
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
            user.new_email_at = (!is_same).then_some(now);
        }
        // An address that is not confirmed may be a stranger's, who must not be mailed again and again.
        if password_hash.is_some() && user.email_confirmed {
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
                .update_expression(
                    "SET email = :email, password_digest = :digest, new_email = :new, new_email_at = :at REMOVE password_hash",
                )
                .expression_attribute_values(":new", string(new))
                .expression_attribute_values(":at", moment(user.new_email_at.unwrap_or(now))?),
            None => update.update_expression("SET email = :email, password_digest = :digest REMOVE password_hash, new_email, new_email_at"),
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
    /// anybody. Also starts the erasure at Stripe, see [`erasures`](super::erasures). Courses and page must be
    /// deleted first.
    ///
    /// # Errors
    /// If DynamoDB fails. [`Written::No`] if address, password, customers, link or page changed concurrently.
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
        items.push(self.remove(&application_key(&user.id)));
        // It was erased before, unless it was made again since.
        items.push(self.is_absent(&page_key(&user.id)));
        items.extend(Email::parse(&user.email).iter().flat_map(|email| self.free(email)));
        items.extend(Email::parse(&user.email).iter().map(|email| self.remove(&suppressed_key(email))));
        // Recorded requests to Stripe contain the address.
        let types = [AccountType::Standard, AccountType::Express, AccountType::Custom];
        items.extend(types.map(|account_type| self.remove(&made_key(&user.id, account_type))));
        self.transact(&items).await
    }

    /// A user whom staff are about to change: one trip.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn user_to_change(&self, id: &UserId) -> Result<Option<Seen>, StoreError> {
        let (key, page) = (profile(id), page_key(id));
        let mut found = self.get_all([key.clone(), page.clone()]).await?;
        let Some(item) = found.remove(&key) else { return Ok(None) };
        Ok(Some(Seen { user: from_item(item.clone())?, item, page: taken(&mut found, &page)? }))
    }

    /// Writes changes by staff to a user: roles, terms, a suspension. The user's own data is not touched. Each change has
    /// an entry in the audit log, and the user is told of a role and a suspension. One trip, or none if nothing changes.
    ///
    /// `by` is the staff member, as read and found to be in that role, or `None` for an operator. A staff member who takes the role of staff
    /// from somebody must still be in it: two who take it from each other cannot both succeed.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn change_user(
        &self,
        seen: &Seen,
        change: &Change,
        by: Option<&User>,
        now: OffsetDateTime,
        entropy: &Entropy,
    ) -> Result<Changed, StoreError> {
        let (id, mut user) = (seen.user.id.clone(), seen.user.clone());
        let deeds = change.deeds(seen);
        if deeds.is_empty() {
            return Ok(Changed::Yes(Box::new(user)));
        }
        for deed in &deeds {
            match deed {
                Deed::SellerRole { to, .. } => user.is_seller = *to,
                Deed::StaffRole { to, .. } => user.is_staff = *to,
                Deed::Terms { to, .. } => user.terms.clone_from(to),
                Deed::Suspension { to, .. } => {
                    user.suspended.clone_from(to);
                    user.sessions_ended_at = to.as_ref().map(|one| one.at).or(user.sessions_ended_at);
                }
                _ => {}
            }
        }
        let mut new = seen.item.clone();
        let written: Item = serde_dynamo::aws_sdk_dynamodb_1::to_item(&user)?;
        for name in STAFFS {
            match written.get(name) {
                Some(value) => new.insert(name.to_owned(), value.clone()),
                None => new.remove(name),
            };
        }
        let is_about_user = deeds.iter().any(|deed| !matches!(deed, Deed::PageCleared));
        let mut items = Vec::new();
        if is_about_user {
            items.push(update_of_staffs(&self.table, &id, &seen.item, &new));
        }
        if user.is_seller && !seen.user.is_seller {
            // They need not wait for it any more.
            items.push(self.application_goes(&id, change.application)?);
        }
        let actor = by.map_or(Actor::Operator, |staff| Actor::Staff { id: staff.id.clone() });
        for deed in deeds {
            let entry = Entry::new(&actor, &id, deed, now, entropy);
            items.push(self.audited(&entry)?);
            if let Some(mail) = Mail::of_entry(&entry) {
                // The entry's note has no addresses.
                let mail = if let Deed::SellerRole { to: true, .. } = entry.deed { mail.with_note(change.note.clone()) } else { mail };
                items.push(self.ask_for(&mail, now)?);
            }
        }
        if let Some(page) = self.page_with(seen, &user, change, now)? {
            items.push(page);
        }
        let takes_role = seen.user.is_staff && !user.is_staff;
        let mut still = items.len();
        if let Some(staff) = by.filter(|_| takes_role) {
            items.push(self.is_still_staff(staff));
            still = items.len() - 1;
        }
        Ok(match self.transact(&items).await? {
            Written::Yes => Changed::Yes(Box::new(user)),
            Written::No(index) if index == still => Changed::NotStaff,
            // The user is the first item.
            Written::No(1) if change.application.is_some() => Changed::NoApplication,
            Written::No(_) => Changed::Raced,
        })
    }

    /// What a change by staff does to the seller's page: it hides the page of somebody who may not sell any more. `None` if nothing.
    fn page_with(&self, seen: &Seen, user: &User, change: &Change, now: OffsetDateTime) -> Result<Option<TransactWriteItem>, StoreError> {
        let Some(page) = &seen.page else {
            // One that is made at this moment would not be hidden.
            let hides = seen.user.may_sell() && !user.may_sell();
            return if hides { Ok(Some(self.is_absent(&page_key(&user.id)))) } else { Ok(None) };
        };
        let mut new = SellerPage { hidden: !user.may_sell(), ..page.clone() };
        if change.clear_page {
            new.text.clear();
            new.links.clear();
        }
        if new == *page {
            return Ok(None);
        }
        new.version += 1;
        new.updated_at = now;
        Ok(Some(self.put(to_item(&page_key(&user.id), &new)?).if_version(Some(page.version))))
    }

    /// Fails unless all that put this user into the role of staff is still so, see `http::identity`, which alone decides what that takes.
    fn is_still_staff(&self, staff: &User) -> TransactWriteItem {
        let with_factor = if staff.has_second_factor() { " AND attribute_exists(recovery_codes)" } else { "" };
        let check = ConditionCheck::builder()
            .table_name(&self.table)
            .set_key(Some(profile(&staff.id).attributes()))
            .condition_expression(format!("is_staff = :true{with_factor}"))
            .expression_attribute_values(":true", AttributeValue::Bool(true))
            .build();
        TransactWriteItem::builder().condition_check(check.expect("a table, a key and a condition are given")).build()
    }

    /// Ends all sessions of a user that were started until the time of the entry. False if there is no such user.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn end_sessions(&self, entry: &Entry) -> Result<bool, StoreError> {
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(profile(&entry.user_id).attributes()))
            .update_expression("SET sessions_ended_at = :now")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":now", moment(entry.at)?)
            .build()
            .expect("a table, a key and an expression are given");
        let update = TransactWriteItem::builder().update(update).build();
        Ok(self.transact(&[update, self.audited(entry)?]).await? == Written::Yes)
    }

    /// Frees an address for others.
    fn free(&self, email: &Email) -> Vec<TransactWriteItem> {
        std::iter::once(email_key(email)).chain(old_email_key(email)).map(|key| self.remove(&key)).collect()
    }

    /// Users by their ids, in any order; missing ones are left out. One trip.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn users_by_id(&self, ids: &[UserId]) -> Result<Vec<User>, StoreError> {
        self.get_all(ids.iter().map(profile)).await?.into_values().map(from_item).collect()
    }
}
