//! The outbox: queued mails. A mail's row is written in the same transaction as its cause, so neither exists
//! without the other. The table's stream passes new rows to `notify`, and a sweep finds rows that the stream lost.
//!
//! To queue a mail in one of the store's transactions:
//!
//! ```ignore
//! items.push(self.ask_for(&Mail::PurchaseReceipt { purchase: purchase.id.clone() }, at)?);
//! ```
//!
//! `Store::ask_for(&self, mail: &Mail, at: OffsetDateTime) -> Result<TransactWriteItem, StoreError>` returns an update
//! without a condition. It never makes the transaction fail, and queuing a mail again for the same cause changes nothing,
//! even after it was sent. It needs `dynamodb:UpdateItem` on `MAIL#*`. Outside of transactions use [`Store::ask`].
//!
//! A row is `waiting` until it is `sent`, has finally `failed`, or is `suppressed`, because its address bounces or its owner complained. Senders take a lease first, so only
//! one of several deliveries sends the mail. Waiting rows are in the index under `OUTBOX#<shard>`,
//! sorted by when they are due; sent and suppressed rows leave the index, and failed rows are under `OUTBOX#FAILED`.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::keys::mail_key;
use super::table::{Item, Key, Store, StoreError, Written, from_item, number, string};
use crate::base::entropy::digest;
use crate::domain::mail::Mail;
use crate::domain::user::Email;

/// The number of partitions of waiting mails.
const SHARDS: u8 = 4;

/// How many mails of each partition a sweep takes.
const SWEPT: i32 = 25;

/// How many mails about what others sell an address gets in a day that nobody has confirmed: anybody may have typed it.
const NAMELESS_A_DAY: i64 = 3;

const DAY: i64 = 24 * 60 * 60;

/// The partition of failed mails.
const FAILED: &str = "OUTBOX#FAILED";

fn shard(id: &str) -> String {
    let number = ring::digest::digest(&ring::digest::SHA256, id.as_bytes()).as_ref()[0] % SHARDS;
    format!("OUTBOX#{number}")
}

fn due(at: OffsetDateTime, id: &str) -> String {
    format!("{:020}#{id}", at.unix_timestamp_nanos())
}

/// Whether the row is still to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailState {
    /// It is.
    Waiting,
    /// It was sent, or had no recipient, or was one too many to an address that nobody has confirmed.
    Sent,
    /// It was given up.
    Failed,
    /// It was not sent, because its address is suppressed.
    Suppressed,
}

/// A row of the outbox.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MailRow {
    /// The mail.
    pub mail: Mail,
    /// Its state.
    pub state: MailState,
    /// How many times it was tried.
    pub attempts: u32,
    /// Which of these tries was the last that SES refused.
    #[serde(default)]
    refused: u32,
    /// When it was to be sent first.
    #[serde(with = "time::serde::rfc3339")]
    pub asked_at: OffsetDateTime,
    /// The lease of the current sender ends at this time, in Unix seconds.
    #[serde(default)]
    leased_until: i64,
}

impl MailRow {
    /// Whether more than `most` tries in a row, this one included, have not come to an answer of SES.
    #[must_use]
    pub fn is_unanswered(&self, most: u32) -> bool {
        self.attempts.saturating_sub(self.refused) > most
    }
}

/// The result of taking a mail.
#[derive(Debug)]
pub enum Lease {
    /// The caller sends it, and nobody else until the lease ends.
    Taken(Box<MailRow>),
    /// It was sent or given up, is not due yet, or is being sent.
    NotNow,
}

fn refused(error: &SdkError<UpdateItemError>) -> Option<Option<Item>> {
    match error.as_service_error() {
        Some(UpdateItemError::ConditionalCheckFailedException(refused)) => Some(refused.item().cloned()),
        _ => None,
    }
}

impl Store {
    /// Queues a mail as part of a transaction, to be sent at this time, which may be in the future. Never makes
    /// the transaction fail, and changes nothing if the mail was queued before.
    ///
    /// # Errors
    /// If the mail cannot be serialized, which never happens.
    pub(super) fn ask_for(&self, mail: &Mail, at: OffsetDateTime) -> Result<TransactWriteItem, StoreError> {
        let id = mail.id();
        let row = MailRow { mail: mail.clone(), state: MailState::Waiting, attempts: 0, refused: 0, asked_at: at, leased_until: 0 };
        let mut attributes: Item = serde_dynamo::aws_sdk_dynamodb_1::to_item(row)?;
        attributes.insert("gsi1pk".to_owned(), string(shard(&id)));
        attributes.insert("gsi1sk".to_owned(), string(due(at, &id)));
        let mut update = Update::builder().table_name(&self.table).set_key(Some(mail_key(&id).attributes()));
        let mut sets = Vec::new();
        for (name, value) in attributes {
            sets.push(format!("#{name} = if_not_exists(#{name}, :{name})"));
            update = update.expression_attribute_names(format!("#{name}"), &name).expression_attribute_values(format!(":{name}"), value);
        }
        let update = update.update_expression(format!("SET {}", sets.join(", "))).build();
        Ok(TransactWriteItem::builder().update(update.expect("a table, a key and an expression are given")).build())
    }

    /// Queues a mail that has no other write as its cause.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn ask(&self, mail: &Mail, at: OffsetDateTime) -> Result<(), StoreError> {
        let _unconditional = self.transact(&[self.ask_for(mail, at)?]).await?;
        Ok(())
    }

    /// A row of the outbox, by [`Mail::id`].
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn mail(&self, id: &str) -> Result<Option<MailRow>, StoreError> {
        self.get(&mail_key(id)).await
    }

    /// Counts a mail against what an unconfirmed address gets in the day of `now`, in UTC, once however often it is tried: one trip. Returns
    /// false if that is used up.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn take_nameless(&self, mail: &Mail, email: &Email, now: OffsetDateTime) -> Result<bool, StoreError> {
        let day = now.unix_timestamp() / DAY;
        let recipient = digest(&format!("nameless {}", email.key()));
        let key = Key::new(format!("THROTTLE#{recipient}#{day}"), "THROTTLE");
        let item = self.take_one(&key, "mails", &mail.id(), NAMELESS_A_DAY, (day + 2) * DAY);
        Ok(self.transact(&[item]).await? == Written::Yes)
    }

    /// Leases a mail for sending: one trip. The lease must be longer than the caller can live.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn lease_mail(&self, id: &str, lease: Duration, now: OffsetDateTime) -> Result<Lease, StoreError> {
        let result = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(mail_key(id).attributes()))
            .update_expression("SET leased_until = :until ADD attempts :one")
            .condition_expression("#state = :waiting AND leased_until <= :now AND gsi1sk <= :due")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":until", number((now + lease).unix_timestamp()))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":waiting", string("waiting"))
            .expression_attribute_values(":now", number(now.unix_timestamp()))
            // Sorts after all ids that are due now.
            .expression_attribute_values(":due", string(due(now, "~")))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let error = match result {
            Ok(answer) => return Ok(Lease::Taken(Box::new(from_item(answer.attributes.unwrap_or_default())?))),
            Err(error) => error,
        };
        let Some(old) = refused(&error) else { return Err(StoreError::request("UpdateItem", &error)) };
        if let Some(old) = old {
            // Queuing a sent mail again puts its row back into the index.
            let in_index = old.get("gsi1pk").and_then(|pk| pk.as_s().ok()).is_some_and(|pk| pk != FAILED);
            let row: MailRow = from_item(old)?;
            if in_index && matches!(row.state, MailState::Sent | MailState::Suppressed) {
                self.end_mail(id, &row, "SET leased_until = :zero REMOVE gsi1pk, gsi1sk", &[]).await?;
            }
        }
        Ok(Lease::NotNow)
    }

    /// Marks a leased mail as sent, and forgets the address in it: one trip.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn mail_is_sent(&self, row: &MailRow, now: OffsetDateTime) -> Result<(), StoreError> {
        self.mail_ends(row, "sent", now).await
    }

    /// Marks a leased mail as suppressed, and forgets the address in it: one trip.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn mail_is_suppressed(&self, row: &MailRow, now: OffsetDateTime) -> Result<(), StoreError> {
        self.mail_ends(row, "suppressed", now).await
    }

    async fn mail_ends(&self, row: &MailRow, state: &str, now: OffsetDateTime) -> Result<(), StoreError> {
        let mail = AttributeValue::M(serde_dynamo::aws_sdk_dynamodb_1::to_item(row.mail.without_address())?);
        let values = [(":state", string(state)), (":mail", mail), (":ttl", number((now + row.mail.kept()).unix_timestamp()))];
        let expression = "SET #state = :state, mail = :mail, #ttl = :ttl, leased_until = :zero REMOVE gsi1pk, gsi1sk";
        self.end_mail(&row.mail.id(), row, expression, &values).await
    }

    /// Releases a leased mail that was not tried, to be retried at `next`.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn mail_waits(&self, row: &MailRow, next: OffsetDateTime) -> Result<(), StoreError> {
        let id = row.mail.id();
        let values = [(":shard", string(shard(&id))), (":due", string(due(next, &id)))];
        self.end_mail(&id, row, "SET gsi1pk = :shard, gsi1sk = :due, leased_until = :zero", &values).await
    }

    /// Releases a leased mail that SES has refused, to be retried at `next`.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn mail_is_refused(&self, row: &MailRow, next: OffsetDateTime) -> Result<(), StoreError> {
        let id = row.mail.id();
        let values = [(":shard", string(shard(&id))), (":due", string(due(next, &id))), (":refused", number(row.attempts))];
        self.end_mail(&id, row, "SET gsi1pk = :shard, gsi1sk = :due, leased_until = :zero, refused = :refused", &values).await
    }

    /// Gives up a leased mail.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn mail_has_failed(&self, row: &MailRow, reason: &str, now: OffsetDateTime) -> Result<(), StoreError> {
        let values = [
            (":state", string("failed")),
            (":failed", string(FAILED)),
            (":due", string(due(now, &row.mail.id()))),
            (":reason", string(reason)),
            (":ttl", number((now + row.mail.kept()).unix_timestamp())),
        ];
        let expression = "SET #state = :state, gsi1pk = :failed, gsi1sk = :due, reason = :reason, #ttl = :ttl, leased_until = :zero";
        self.end_mail(&row.mail.id(), row, expression, &values).await
    }

    /// Only the current leaseholder may write; an expired lease may have been taken by another sender.
    async fn end_mail(&self, id: &str, row: &MailRow, expression: &str, values: &[(&str, AttributeValue)]) -> Result<(), StoreError> {
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(mail_key(id).attributes()))
            .update_expression(expression)
            .condition_expression("leased_until = :lease")
            .expression_attribute_values(":lease", number(row.leased_until))
            .expression_attribute_values(":zero", number(0));
        for name in ["state", "ttl"].into_iter().filter(|name| expression.contains(&format!("#{name} "))) {
            update = update.expression_attribute_names(format!("#{name}"), name);
        }
        for (name, value) in values {
            update = update.expression_attribute_values(*name, value.clone());
        }
        match update.send().await {
            Ok(_) => Ok(()),
            Err(error) if refused(&error).is_some() => Ok(()),
            Err(error) => Err(StoreError::request("UpdateItem", &error)),
        }
    }

    /// The ids of due mails, oldest first in each partition.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn due_mails(&self, now: OffsetDateTime) -> Result<Vec<String>, StoreError> {
        let mut ids = Vec::new();
        for number in 0..SHARDS {
            let answer = self
                .client
                .query()
                .table_name(&self.table)
                .index_name("gsi1")
                .key_condition_expression("gsi1pk = :shard AND gsi1sk <= :due")
                .expression_attribute_values(":shard", string(format!("OUTBOX#{number}")))
                .expression_attribute_values(":due", string(due(now, "~")))
                .limit(SWEPT)
                .send()
                .await
                .map_err(|error| StoreError::request("Query", &error))?;
            for item in answer.items.unwrap_or_default() {
                ids.extend(item.get("pk").and_then(|pk| pk.as_s().ok()).and_then(|pk| mail_id(pk)).map(str::to_owned));
            }
        }
        Ok(ids)
    }
}

/// The mail's id from a row's `pk`; `None` if it is another item's.
#[must_use]
pub fn mail_id(pk: &str) -> Option<&str> {
    pk.strip_prefix("MAIL#")
}
