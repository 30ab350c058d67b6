//! Sessions: opaque tokens, stored hashed next to their user, so that one trip reads both.
//!
//! A session is valid only for the password it was started with. It stores a digest of that. So the
//! single write that changes the password ends all sessions, even one that is just being started. For the same reason it stores when
//! the user's sessions were last ended, as the log-in saw it: ending them also ends one whose log-in read the user before.

use std::sync::OnceLock;

use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{TransactWriteItem, Update};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::keys::profile;
use super::page::{List, Page, Paged};
use super::table::{Item, Store, StoreError, Written, from_item, moment, number, string, to_item};
use super::token::Token;
use crate::base::entropy::digest;
use crate::domain::ids::UserId;
use crate::domain::user::User;

/// How long a session lasts.
pub const SESSION_LIFETIME: Duration = Duration::days(14);

/// How long after the password was entered a session may change where a seller's money goes.
pub const PASSWORD_LASTS: Duration = Duration::minutes(15);

#[derive(Serialize, Deserialize)]
struct Session {
    /// The digest of the user's password hash.
    password: String,
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
    /// When the password was entered again, if it was.
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    password_at: Option<OffsetDateTime>,
    /// [`User::sessions_ended_at`] when the session was started, 1970 if they never were. `None` for sessions from before this was noted.
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    after: Option<OffsetDateTime>,
}

/// When a session was started and ends.
#[derive(Clone, Copy, Debug)]
pub struct SessionTimes {
    /// When it was started.
    pub begun_at: OffsetDateTime,
    /// When it ends at the latest.
    pub expires_at: OffsetDateTime,
    /// When the password was entered again, if it was.
    pub password_at: Option<OffsetDateTime>,
}

impl Session {
    fn begun_at(&self) -> OffsetDateTime {
        self.expires_at - SESSION_LIFETIME
    }

    /// Whether the user's sessions were ended since it was started.
    fn was_ended(&self, user: &User) -> bool {
        match self.after {
            Some(after) => after != ended_at(user),
            None => self.begun_at() <= ended_at(user),
        }
    }
}

/// When the user's sessions were last ended.
fn ended_at(user: &User) -> OffsetDateTime {
    user.sessions_ended_at.unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// An update of a profile on the condition that its user's sessions were not ended since the user was read.
pub(super) fn if_not_ended_since(user: &User, update: UpdateBuilder) -> Result<UpdateBuilder, StoreError> {
    Ok(match user.sessions_ended_at {
        Some(seen) => update.condition_expression("sessions_ended_at = :seen").expression_attribute_values(":seen", moment(seen)?),
        None => update.condition_expression("attribute_exists(pk) AND attribute_not_exists(sessions_ended_at)"),
    })
}

/// The signed-in user, if session and profile match.
pub(super) fn signed_in(session: Option<&Item>, profile: Option<&Item>, now: OffsetDateTime) -> Result<Option<User>, StoreError> {
    Ok(session_of(session, profile, now)?.map(|(user, _)| user))
}

/// The same, and their session.
fn session_of(session: Option<&Item>, profile: Option<&Item>, now: OffsetDateTime) -> Result<Option<(User, Session)>, StoreError> {
    let (Some(session), Some(profile)) = (session, profile) else { return Ok(None) };
    let session: Session = from_item(session.clone())?;
    // DynamoDB deletes expired items within days, not immediately.
    if session.expires_at <= now {
        return Ok(None);
    }
    let user: User = from_item(profile.clone())?;
    let holds = user.suspended.is_none() && !session.was_ended(&user) && session.password == user.password_digest();
    if holds {
        // Outside of a request there is nobody to tell.
        let _told = SIGNED_IN.try_with(|signed_in| signed_in.set(user.id.clone()));
    }
    Ok(holds.then_some((user, session)))
}

tokio::task_local! {
    static SIGNED_IN: OnceLock<UserId>;
}

/// Does a request's work, and also says whose valid session it read, if it read one.
pub async fn noting_who<T>(work: impl Future<Output = T>) -> (T, Option<UserId>) {
    let noted = async {
        let done = work.await;
        (done, SIGNED_IN.with(|signed_in| signed_in.get().cloned()))
    };
    SIGNED_IN.scope(OnceLock::new(), noted).await
}

impl Store {
    /// Starts a session for `user`, whose password was just checked against the hash in `user`.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn add_session(&self, token: &Token, user: &User, now: OffsetDateTime) -> Result<(), StoreError> {
        let _always = self.transact(&[self.new_session(token, user, now)?]).await?;
        Ok(())
    }

    pub(super) fn new_session(&self, token: &Token, user: &User, now: OffsetDateTime) -> Result<TransactWriteItem, StoreError> {
        let expires_at = now + SESSION_LIFETIME;
        let mut item = to_item(
            &token.key(),
            &Session { password: user.password_digest(), expires_at, password_at: None, after: Some(ended_at(user)) },
        )?;
        item.insert("ttl".to_owned(), number(expires_at.unix_timestamp()));
        Ok(self.put(item).always())
    }

    /// Keeps a session valid after a change of password.
    pub(super) fn keep_session(&self, token: &Token, password_hash: &str) -> TransactWriteItem {
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(token.key().attributes()))
            .update_expression("SET password = :password")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":password", string(digest(password_hash)))
            .build()
            .expect("a table, a key and an expression are given");
        TransactWriteItem::builder().update(update).build()
    }

    /// The user to whom a token belongs: one trip.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn user_by_token(&self, token: &Token, now: OffsetDateTime) -> Result<Option<User>, StoreError> {
        let (session, user) = (token.key(), profile(token.user_id()));
        let found = self.get_all([session.clone(), user.clone()]).await?;
        signed_in(found.get(&session), found.get(&user), now)
    }

    /// The same, and whether they entered their password within [`PASSWORD_LASTS`]: one trip.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn user_and_recency(&self, token: &Token, now: OffsetDateTime) -> Result<Option<(User, bool)>, StoreError> {
        let (session, user) = (token.key(), profile(token.user_id()));
        let found = self.get_all([session.clone(), user.clone()]).await?;
        let signed_in = session_of(found.get(&session), found.get(&user), now)?;
        Ok(signed_in.map(|(user, session)| (user, now - session.password_at.unwrap_or_else(|| session.begun_at()) < PASSWORD_LASTS)))
    }

    /// A user's sessions that are still stored, in no particular order.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn sessions_of(&self, user: &UserId, page: &Page) -> Result<Paged<SessionTimes>, StoreError> {
        let sessions: Paged<Session> = self.list(List::Table { pk: format!("USER#{user}"), prefix: "SESSION#" }, page).await?;
        let times = |session: Session| SessionTimes {
            begun_at: session.begun_at(),
            expires_at: session.expires_at,
            password_at: session.password_at,
        };
        Ok(Paged { items: sessions.items.into_iter().map(times).collect(), next: sessions.next })
    }

    /// Records that the password was entered again.
    ///
    /// # Errors
    /// If DynamoDB fails. [`Written::No`] if the session has ended.
    pub async fn password_entered(&self, token: &Token, now: OffsetDateTime) -> Result<Written, StoreError> {
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(token.key().attributes()))
            .update_expression("SET password_at = :now")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":now", moment(now)?)
            .build()
            .expect("a table, a key and an expression are given");
        self.transact(&[TransactWriteItem::builder().update(update).build()]).await
    }

    /// Ends all sessions of a user, who was just read, but the one of `token`.
    ///
    /// # Errors
    /// If DynamoDB fails. [`Written::No`] if that one has ended, too: it must not come back.
    pub async fn end_other_sessions(&self, token: &Token, user: &User, now: OffsetDateTime) -> Result<Written, StoreError> {
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(profile(&user.id).attributes()))
            .update_expression("SET sessions_ended_at = :now")
            .expression_attribute_values(":now", moment(now)?);
        let update = if_not_ended_since(user, update)?.build().expect("a table, a key and an expression are given");
        self.transact(&[TransactWriteItem::builder().update(update).build(), self.outlives(token, now)?]).await
    }

    /// Keeps a session valid whose user's other sessions end at this moment.
    pub(super) fn outlives(&self, token: &Token, now: OffsetDateTime) -> Result<TransactWriteItem, StoreError> {
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(token.key().attributes()))
            .update_expression("SET #after = :now")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_names("#after", "after")
            .expression_attribute_values(":now", moment(now)?)
            .build()
            .expect("a table, a key and an expression are given");
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// Ends the session of a token.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn end_session(&self, token: &Token) -> Result<(), StoreError> {
        self.delete(&token.key()).await?;
        Ok(())
    }
}
