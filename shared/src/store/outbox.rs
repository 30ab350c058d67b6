//! The outbox: mails that were asked for. The row that asks is written in the transaction that is its cause, so that
//! there is no mail without the cause and no cause without the mail. The table's stream hands new rows to `notify`, and a
//! sweep finds what the stream lost.
//!
//! To ask within a transaction of the store:
//!
//! ```ignore
//! items.push(self.ask_for(&Mail::PurchaseReceipt { purchase: purchase.id.clone() }, at)?);
//! ```
//!
//! `Store::ask_for(&self, mail: &Mail, at: OffsetDateTime) -> Result<TransactWriteItem, StoreError>` gives an update without a
//! condition: it never makes the transaction fail, and asking again for the same cause changes nothing, also after the mail
//! was sent. It needs `dynamodb:UpdateItem` on `MAIL#*`. Outside of a transaction there is [`Store::ask`].
//!
//! A row is `waiting` until it is `sent`, or `failed` for good. Whoever sends takes a lease first, so that of any number of
//! deliveries one sends. Waiting rows stand in the index under `OUTBOX#<shard>` by the time at which they are due; sent ones
//! leave it, and failed ones stand under `OUTBOX#FAILED`.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::{Item, Key, Store, StoreError, from_item, number, string};
use crate::entropy::digest;
use crate::ids::{PurchaseId, UserId};
use crate::user::Email;

/// A mail, by what causes it. It holds ids: names, addresses and amounts are read when it is sent. The same cause gives
/// the same [`Mail::id`], and so one row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Mail {
    /// To the buyer: the purchase is paid.
    PurchaseReceipt {
        /// Which purchase.
        purchase: PurchaseId,
    },
    /// To the seller: a course was sold.
    SaleNotice {
        /// Which purchase.
        purchase: PurchaseId,
    },
    /// To the buyer: money was given back.
    Refunded {
        /// Which purchase.
        purchase: PurchaseId,
        /// Which of its refunds: a number or an id that is this refund's alone.
        refund: String,
        /// How much was given back so far, all refunds together, in the minor unit.
        total: i64,
    },
    /// To the seller: the buyer's bank disputes the payment.
    DisputeOpened {
        /// Which purchase.
        purchase: PurchaseId,
        /// `dp_…`
        dispute: String,
    },
    /// To the seller: the dispute is over.
    DisputeClosed {
        /// Which purchase.
        purchase: PurchaseId,
        /// `dp_…`
        dispute: String,
        /// Whether the seller keeps the money.
        won: bool,
    },
    /// To a seller: Stripe still needs something before the account can be charged for.
    OnboardingUnfinished {
        /// Which seller.
        user: UserId,
        /// `acct_…`
        account: String,
    },
    /// To a buyer: a membership could not be renewed.
    RenewalFailed {
        /// Whose membership.
        user: UserId,
        /// `in_…`
        invoice: String,
        /// What the membership is for, as its buyer knows it.
        title: String,
    },
    /// To whoever has the address, if anybody has: the link that sets a new password.
    PasswordReset {
        /// [`Email::key`] of the address that was named.
        email: String,
        /// When, in windows of [`ASKED_TWICE`].
        window: i64,
    },
    /// To a user: the link that confirms the address.
    ConfirmEmail {
        /// Whose address.
        user: UserId,
        /// The digest of its [`Email::key`].
        email: String,
        /// When, in windows of [`ASKED_TWICE`].
        window: i64,
    },
}

/// Who asks for the same link again within a window of this length gets one mail.
pub const ASKED_TWICE: Duration = Duration::minutes(1);

fn window(at: OffsetDateTime) -> i64 {
    at.unix_timestamp() / ASKED_TWICE.whole_seconds()
}

impl Mail {
    /// A link to set a new password, for the address that somebody named at this time.
    #[must_use]
    pub fn password_reset(email: &Email, at: OffsetDateTime) -> Self {
        Self::PasswordReset { email: email.key().to_owned(), window: window(at) }
    }

    /// A link to confirm the user's address.
    #[must_use]
    pub fn confirm_email(user: &UserId, email: &Email, at: OffsetDateTime) -> Self {
        Self::ConfirmEmail { user: user.clone(), email: digest(email.key()), window: window(at) }
    }

    /// Whether the digest in [`Mail::ConfirmEmail`] is of this address.
    #[must_use]
    pub fn is_address(email_digest: &str, address: &str) -> bool {
        Email::parse(address).is_ok_and(|email| digest(email.key()) == email_digest)
    }

    /// The cause, in one text.
    #[must_use]
    pub fn id(&self) -> String {
        match self {
            Self::PurchaseReceipt { purchase } => format!("receipt#{purchase}"),
            Self::SaleNotice { purchase } => format!("sale#{purchase}"),
            Self::Refunded { purchase, refund, .. } => format!("refund#{purchase}#{refund}"),
            Self::DisputeOpened { dispute, .. } => format!("dispute-opened#{dispute}"),
            Self::DisputeClosed { dispute, .. } => format!("dispute-closed#{dispute}"),
            Self::OnboardingUnfinished { account, .. } => format!("onboarding#{account}"),
            Self::RenewalFailed { invoice, .. } => format!("renewal#{invoice}"),
            // Hashed: a log line with the id need not tell the address.
            Self::PasswordReset { email, window } => format!("reset#{}#{window}", digest(email)),
            Self::ConfirmEmail { user, email, window } => format!("confirm#{user}#{email}#{window}"),
        }
    }

    /// How long the row is kept once the mail was sent or has failed. Nothing repeats a cause that late.
    fn kept(&self) -> Duration {
        match self {
            // It names an address, perhaps a stranger's.
            Self::PasswordReset { .. } => Duration::days(2),
            _ => Duration::days(30),
        }
    }
}

/// In how many partitions waiting mails stand.
const SHARDS: u8 = 4;

/// How many mails of a partition one sweep takes.
const SWEPT: i32 = 25;

/// Where mails stand that were given up.
const FAILED: &str = "OUTBOX#FAILED";

fn mail_key(id: &str) -> Key {
    Key::new(format!("MAIL#{id}"), "MAIL")
}

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
    /// It was sent, or there was nobody to send it to.
    Sent,
    /// It was given up.
    Failed,
}

/// A row of the outbox.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MailRow {
    /// The mail.
    pub mail: Mail,
    /// Where it stands.
    pub state: MailState,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was asked for.
    #[serde(with = "time::serde::rfc3339")]
    pub asked_at: OffsetDateTime,
    /// Until then, in Unix seconds, somebody is sending it.
    #[serde(default)]
    leased_until: i64,
}

/// What came of trying to take a mail.
#[derive(Debug)]
pub enum Lease {
    /// It is the caller's to send, and nobody else's until the lease ends.
    Taken(Box<MailRow>),
    /// It was sent or given up, it waits for its time, or somebody else sends it.
    NotNow,
}

fn refused(error: &SdkError<UpdateItemError>) -> Option<Option<Item>> {
    match error.as_service_error() {
        Some(UpdateItemError::ConditionalCheckFailedException(refused)) => Some(refused.item().cloned()),
        _ => None,
    }
}

impl Store {
    /// Asks for a mail, as a part of a transaction: never fails it, and changes nothing where the mail was asked for before.
    ///
    /// # Errors
    /// Where the mail cannot be written as an item, which a mail always can.
    pub(super) fn ask_for(&self, mail: &Mail, at: OffsetDateTime) -> Result<TransactWriteItem, StoreError> {
        let id = mail.id();
        let row = MailRow { mail: mail.clone(), state: MailState::Waiting, attempts: 0, asked_at: at, leased_until: 0 };
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

    /// Asks for a mail that no other write is the cause of.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn ask(&self, mail: &Mail, at: OffsetDateTime) -> Result<(), StoreError> {
        let _unconditional = self.transact(&[self.ask_for(mail, at)?]).await?;
        Ok(())
    }

    /// A row of the outbox, by [`Mail::id`].
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn mail(&self, id: &str) -> Result<Option<MailRow>, StoreError> {
        self.get(&mail_key(id)).await
    }

    /// Takes a mail to send it: one trip. The lease must be longer than the caller may live.
    ///
    /// # Errors
    /// Where DynamoDB fails.
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
            // After every id that is due at this moment.
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
            // Who asks again for a mail that was sent puts its row back into the index.
            let in_index = old.get("gsi1pk").and_then(|pk| pk.as_s().ok()).is_some_and(|pk| pk != FAILED);
            let row: MailRow = from_item(old)?;
            if in_index && row.state == MailState::Sent {
                self.end_mail(&row, "SET leased_until = :zero REMOVE gsi1pk, gsi1sk", &[]).await?;
            }
        }
        Ok(Lease::NotNow)
    }

    /// Marks a leased mail as sent: one trip.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn mail_is_sent(&self, row: &MailRow, now: OffsetDateTime) -> Result<(), StoreError> {
        let values = [(":state", string("sent")), (":ttl", number((now + row.mail.kept()).unix_timestamp()))];
        self.end_mail(row, "SET #state = :state, #ttl = :ttl, leased_until = :zero REMOVE gsi1pk, gsi1sk", &values).await
    }

    /// Gives a leased mail back, to be tried again at `next`.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn mail_waits(&self, row: &MailRow, next: OffsetDateTime) -> Result<(), StoreError> {
        let id = row.mail.id();
        let values = [(":shard", string(shard(&id))), (":due", string(due(next, &id)))];
        self.end_mail(row, "SET gsi1pk = :shard, gsi1sk = :due, leased_until = :zero", &values).await
    }

    /// Gives a leased mail up.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn mail_has_failed(&self, row: &MailRow, reason: &str, now: OffsetDateTime) -> Result<(), StoreError> {
        let values = [
            (":state", string("failed")),
            (":failed", string(FAILED)),
            (":due", string(due(now, &row.mail.id()))),
            (":reason", string(reason)),
            (":ttl", number((now + row.mail.kept()).unix_timestamp())),
        ];
        let expression = "SET #state = :state, gsi1pk = :failed, gsi1sk = :due, reason = :reason, #ttl = :ttl, leased_until = :zero";
        self.end_mail(row, expression, &values).await
    }

    /// Only the holder of the lease writes: one whose lease has ended may have been followed by another.
    async fn end_mail(&self, row: &MailRow, expression: &str, values: &[(&str, AttributeValue)]) -> Result<(), StoreError> {
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(mail_key(&row.mail.id()).attributes()))
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

    /// The ids of mails that are due, the oldest first in each partition.
    ///
    /// # Errors
    /// Where DynamoDB fails.
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

/// The mail's id in a row's `pk`; none where it is another item's.
#[must_use]
pub fn mail_id(pk: &str) -> Option<&str> {
    pk.strip_prefix("MAIL#")
}
