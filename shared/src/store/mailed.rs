//! Single-use tokens sent by mail: one kind sets a new password, the other confirms an address. Only their digests
//! are stored. Tokens are generated when the mail is sent, so they never appear in the table or its stream.
//!
//! A token is valid only for the address it was sent to. A token that sets a password
//! is also valid only for the old password, so using one invalidates all others.
//!
//! A third kind undoes a change of address: it goes to the old address, sets a password, and restores that address.
//! Somebody who took the account over cannot invalidate it with further changes; only undoing a change does. A second factor
//! that was switched on after the change was asked for goes with it.

use aws_sdk_dynamodb::types::{AttributeValue, Delete, TransactWriteItem, Update};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::credentials::same_password;
use super::keys::{profile, suppressed_key};
use super::page::{List, Page, Paged};
use super::table::{Key, Store, StoreError, Written, from_item, moment, number, string, to_item};
use super::token::Token;
use crate::base::entropy::digest;
use crate::domain::mail::{FactorNews, Mail};
use crate::domain::user::{Email, SecondFactor, User};

/// How many addresses that a user has left are kept. Each is reserved for them for a while, and a link returns to it.
pub const MOST_LEFT: usize = 20;

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To set a new password.
    Reset,
    /// To confirm an address.
    Confirm,
    /// To set a new password and return to the address that it was sent to.
    Undo,
}

impl Purpose {
    /// How long a token of this kind is valid.
    #[must_use]
    pub fn lifetime(self) -> Duration {
        match self {
            Self::Reset => Duration::hours(1),
            Self::Confirm => Duration::hours(24),
            Self::Undo => Duration::days(7),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Mailed {
    /// The digest of the address.
    email: String,
    /// The digest of the password hash.
    password: String,
    /// The address itself, if the token undoes a change of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    restores: Option<String>,
    /// When the change that it undoes was asked for, in Unix seconds. Tokens from before this was noted say when they were issued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    asked_at: Option<i64>,
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
}

/// To whom a token is sent, and why.
#[derive(Clone, Copy, Debug)]
pub struct SentTo<'a> {
    /// The address.
    pub email: &'a str,
    /// When the change that it undoes was asked for, in Unix seconds, if that is known.
    pub asked_at: Option<i64>,
}

/// The sort key of a token.
#[derive(Deserialize)]
struct Issued {
    sk: String,
}

impl Mailed {
    fn holds(&self, purpose: Purpose, user: &User, now: OffsetDateTime) -> bool {
        let is_address = |address: &str| self.email == digest(address);
        let holds = match purpose {
            Purpose::Reset => is_address(&user.email) && self.password == user.password_digest(),
            Purpose::Confirm => is_address(&user.email) || user.new_email.as_deref().is_some_and(is_address),
            Purpose::Undo => user.email_restored_at.is_none_or(|at| self.expires_at - purpose.lifetime() > at),
        };
        holds && self.expires_at > now
    }
}

/// A valid token's user.
#[derive(Debug)]
pub struct Holder {
    /// The user.
    pub user: User,
    /// Whether the token confirms the user's new address rather than the current one.
    pub moves: bool,
    /// What the token restores, if it undoes a change of address.
    pub restores: Option<Restores>,
}

/// What a token restores that undoes a change of address.
#[derive(Debug)]
pub struct Restores {
    /// The address.
    pub email: String,
    /// When the change was asked for, in Unix seconds. A second factor that was switched on since then is not the owner's.
    pub asked_at: i64,
}

impl Store {
    /// Issues a token for `user`, to be sent to this address.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn issue(&self, token: &Token, purpose: Purpose, user: &User, to: SentTo<'_>, now: OffsetDateTime) -> Result<(), StoreError> {
        let expires_at = now + purpose.lifetime();
        let (restores, asked_at) = match purpose {
            Purpose::Undo => (Some(to.email.to_owned()), to.asked_at),
            Purpose::Reset | Purpose::Confirm => (None, None),
        };
        let mailed = Mailed { email: digest(to.email), password: user.password_digest(), restores, asked_at, expires_at };
        let mut item = to_item(&mailed_key(token, purpose), &mailed)?;
        item.insert("ttl".to_owned(), number(expires_at.unix_timestamp()));
        let _always = self.transact(&[self.put(item).always()]).await?;
        Ok(())
    }

    /// The user of a token, if it is valid: one trip. Does not spend the token.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn user_by_mailed(&self, token: &Token, purpose: Purpose, now: OffsetDateTime) -> Result<Option<Holder>, StoreError> {
        let (key, user) = (mailed_key(token, purpose), profile(token.user_id()));
        let mut found = self.get_all([key.clone(), user.clone()]).await?;
        let (Some(mailed), Some(user)) = (found.remove(&key), found.remove(&user)) else { return Ok(None) };
        let (mailed, user): (Mailed, User) = (from_item(mailed)?, from_item(user)?);
        let moves = mailed.email != digest(&user.email);
        let holds = mailed.holds(purpose, &user, now);
        let asked_at = mailed.asked_at.unwrap_or_else(|| (mailed.expires_at - purpose.lifetime()).unix_timestamp());
        let restores = mailed.restores.map(|email| Restores { email, asked_at });
        Ok(holds.then_some(Holder { user, moves, restores }))
    }

    /// Spends a token and sets a password. This ends all of the user's sessions, discards a requested new address, and
    /// confirms the current one, because only its owner had the token. A token that undoes a change of address first
    /// restores the old one, and deletes `factor` if the user has switched one on since the change was asked for. The user is
    /// notified by mail. `holder` comes from [`Store::user_by_mailed`].
    ///
    /// # Errors
    /// If DynamoDB fails. [`Written::No`] if the token was spent, address, password or factor changed concurrently, or the old
    /// address is taken.
    pub async fn reset_password(
        &self,
        token: &Token,
        holder: &Holder,
        factor: Option<&SecondFactor>,
        password_hash: &str,
        now: OffsetDateTime,
    ) -> Result<Written, StoreError> {
        let (user, purpose) = (&holder.user, if holder.restores.is_some() { Purpose::Undo } else { Purpose::Reset });
        let (same, password) = same_password(user);
        let email = holder.restores.as_ref().map_or(&user.email, |restores| &restores.email);
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(profile(&user.id).attributes()))
            .expression_attribute_values(":digest", string(digest(password_hash)))
            .expression_attribute_values(":true", AttributeValue::Bool(true))
            .expression_attribute_values(":email", string(email))
            .expression_attribute_values(":old", string(&user.email))
            .expression_attribute_values(":password", password);
        let set = "SET email = :email, password_digest = :digest, email_confirmed = :true";
        let update = match purpose {
            Purpose::Undo => {
                // Nobody switches a factor on unnoticed meanwhile.
                let has_factor = if user.has_second_factor() { "attribute_exists" } else { "attribute_not_exists" };
                let removed = if factor.is_some() { ", recovery_codes" } else { "" };
                update
                    .update_expression(format!(
                        "{set}, email_restored_at = :now REMOVE password_hash, new_email, new_email_at, mail_suppressed{removed}"
                    ))
                    .condition_expression(format!("email = :old AND {same} AND {has_factor}(recovery_codes)"))
                    .expression_attribute_values(":now", moment(now)?)
            }
            Purpose::Reset | Purpose::Confirm => update
                .update_expression(format!("{set} REMOVE password_hash, new_email, new_email_at"))
                .condition_expression(format!("email = :old AND {same}")),
        };
        let update = update.build().expect("a table, a key and an expression are given");
        let mut items = vec![
            self.spend(token, purpose),
            TransactWriteItem::builder().update(update).build(),
            self.set_password(&user.id, password_hash)?,
        ];
        if let (Ok(from), Ok(to)) = (Email::parse(&user.email), Email::parse(email)) {
            items.extend(self.readdress(&user.id, (&from, &to), false, now)?);
        }
        if holder.restores.is_some() {
            items.push(self.note_moved(&user.id, now)?);
        }
        items.push(self.ask_for(&Mail::password_changed(&user.id, now), now)?);
        if let Some(factor) = factor {
            items.push(self.factor_becomes(&user.id, factor, None)?);
            items.push(self.ask_for(&Mail::SecondFactor { user: user.id.clone(), news: FactorNews::Off, at: now.unix_timestamp() }, now)?);
        }
        self.transact(&items).await
    }

    /// Spends a token to give a user the new address that they asked for, confirmed. If the old one was confirmed, it
    /// is notified and stays reserved; otherwise it may be a stranger's, and is free immediately. It is no longer suppressed. `user` comes from
    /// [`Store::user_by_mailed`].
    ///
    /// # Errors
    /// If DynamoDB fails. [`Written::No`] if the token was spent, an address changed concurrently, or the new one is taken.
    pub async fn move_email(&self, token: &Token, user: &User, now: OffsetDateTime) -> Result<Written, StoreError> {
        let new = user.new_email.as_deref().unwrap_or_default();
        let (from, to) = (Email::parse(&user.email).ok(), Email::parse(new).ok());
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(profile(&user.id).attributes()))
            .update_expression(if user.email_confirmed {
                "SET email = :new, email_confirmed = :true, left_emails = :left REMOVE new_email, new_email_at, mail_suppressed"
            } else {
                "SET email = :new, email_confirmed = :true REMOVE new_email, new_email_at, mail_suppressed"
            })
            .condition_expression("email = :email AND new_email = :new")
            .expression_attribute_values(":true", AttributeValue::Bool(true))
            .expression_attribute_values(":email", string(&user.email))
            .expression_attribute_values(":new", string(new));
        let update = if user.email_confirmed {
            // Each once, and not the one that is the user's again.
            let is = |left: &str, email: &Email| Email::parse(left).is_ok_and(|left| left.key() == email.key());
            let stays = |left: &&String| [&from, &to].into_iter().flatten().all(|email| !is(left, email));
            let left = user.left_emails.iter().filter(stays).chain([&user.email]).map(string).collect();
            update.expression_attribute_values(":left", AttributeValue::L(left))
        } else {
            update
        };
        let update = update.build().expect("a table, a key and an expression are given");
        let mut items =
            vec![self.spend(token, Purpose::Confirm), TransactWriteItem::builder().update(update).build(), self.note_moved(&user.id, now)?];
        // What bounced there says nothing about whoever has it next.
        items.extend(from.as_ref().map(|from| self.remove(&suppressed_key(from))));
        if let (Some(from), Some(to)) = (&from, &to) {
            items.extend(self.readdress(&user.id, (from, to), user.email_confirmed, now)?);
        }
        if user.email_confirmed {
            items.push(self.ask_for(&Mail::email_moved(user, now), now)?);
        }
        self.transact(&items).await
    }

    /// Spends a token to confirm the user's address.
    ///
    /// # Errors
    /// If DynamoDB fails. [`Written::No`] if the token was spent, or the address changed, concurrently.
    pub async fn confirm_email(&self, token: &Token, user: &User) -> Result<Written, StoreError> {
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(profile(&user.id).attributes()))
            .update_expression("SET email_confirmed = :true")
            .condition_expression("email = :email")
            .expression_attribute_values(":true", AttributeValue::Bool(true))
            .expression_attribute_values(":email", string(&user.email))
            .build()
            .expect("a table, a key and an expression are given");
        self.transact(&[self.spend(token, Purpose::Confirm), TransactWriteItem::builder().update(update).build()]).await
    }

    /// Forgets the addresses that a user has left: their reservations, and the tokens that would return to them. Before an erasure,
    /// so that none is left afterwards. One trip for each address and each token, and one more for each page of tokens.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn forget_left_emails(&self, user: &User) -> Result<(), StoreError> {
        for email in user.left_emails.iter().filter_map(|email| Email::parse(email).ok()) {
            self.free_reserved(&user.id, &email).await?;
        }
        let mut after = None;
        loop {
            let list = List::Table { pk: format!("USER#{}", user.id), prefix: "UNDO#" };
            let tokens: Paged<Issued> = self.list(list, &Page { limit: 100, after }).await?;
            for token in tokens.items {
                self.delete(&Key::new(format!("USER#{}", user.id), token.sk)).await?;
            }
            after = tokens.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Makes room for another address that a user leaves: forgets those that are no longer reserved for them, to which no link returns any
    /// more. Nothing happens while they have left fewer than [`MOST_LEFT`]. Otherwise one trip, and if some are forgotten, one for each and
    /// one more. Returns in how many seconds there is room, if there is none: until then, each may still be returned to.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn make_room_for_left_email(&self, user: &User, now: OffsetDateTime) -> Result<Option<i64>, StoreError> {
        if user.left_emails.len() < MOST_LEFT {
            return Ok(None);
        }
        let (now, reserved) = (now.unix_timestamp(), self.reserved_until(&user.id, &user.left_emails).await?);
        let (kept, forgotten): (Vec<_>, Vec<_>) =
            user.left_emails.iter().partition(|left| reserved.get(*left).is_some_and(|until| *until >= now));
        if !forgotten.is_empty() {
            for email in forgotten.iter().filter_map(|email| Email::parse(email).ok()) {
                self.free_reserved(&user.id, &email).await?;
            }
            let list = |emails: &mut dyn Iterator<Item = &String>| AttributeValue::L(emails.map(string).collect());
            let update = Update::builder()
                .table_name(&self.table)
                .set_key(Some(profile(&user.id).attributes()))
                .update_expression("SET left_emails = :kept")
                // Another may have been left since.
                .condition_expression("left_emails = :seen")
                .expression_attribute_values(":kept", list(&mut kept.iter().copied()))
                .expression_attribute_values(":seen", list(&mut user.left_emails.iter()))
                .build()
                .expect("a table, a key and an expression are given");
            if self.transact(&[TransactWriteItem::builder().update(update).build()]).await? == Written::Yes && kept.len() < MOST_LEFT {
                return Ok(None);
            }
        }
        Ok(Some(kept.iter().filter_map(|left| reserved.get(*left)).min().map_or(1, |until| (until - now).max(1))))
    }

    fn spend(&self, token: &Token, purpose: Purpose) -> TransactWriteItem {
        let delete = Delete::builder()
            .table_name(&self.table)
            .set_key(Some(mailed_key(token, purpose).attributes()))
            .condition_expression("attribute_exists(pk)")
            .build();
        TransactWriteItem::builder().delete(delete.expect("a table and a key are given")).build()
    }
}

fn mailed_key(token: &Token, purpose: Purpose) -> Key {
    let kind = match purpose {
        Purpose::Reset => "RESET",
        Purpose::Confirm => "CONFIRM",
        Purpose::Undo => "UNDO",
    };
    Key::new(format!("USER#{}", token.user_id()), format!("{kind}#{}", token.digest()))
}
