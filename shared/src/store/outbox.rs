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
//! A row is `waiting` until it is `sent` or has finally `failed`. Senders take a lease first, so only
//! one of several deliveries sends the mail. Waiting rows are in the index under `OUTBOX#<shard>`,
//! sorted by when they are due; sent rows leave the index, and failed rows are under `OUTBOX#FAILED`.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::keys::mail_key;
use super::table::{Item, Store, StoreError, from_item, number, string};
use crate::base::entropy::digest;
use crate::domain::audit::{Deed, Entry};
use crate::domain::ids::{PurchaseId, SubscriptionId, UserId};
use crate::domain::membership::Subscription;
use crate::domain::purchase::DisputeStatus;
use crate::domain::user::{Email, User};

/// A mail, identified by its cause. It contains only ids; names, addresses and amounts are
/// read when it is sent. The same cause has the same [`Mail::id`], and so only one row.
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
    /// To the buyer: money was refunded.
    Refunded {
        /// Which purchase.
        purchase: PurchaseId,
        /// The refund: a number or id that is unique among the purchase's refunds.
        refund: String,
        /// The total refunded so far, in the minor unit.
        total: i64,
    },
    /// The buyer's bank returned a refund.
    RefundFailed {
        /// Which purchase.
        purchase: PurchaseId,
        /// The refund: a number that is unique among the purchase's refunds.
        refund: String,
        /// The recipient.
        to: Recipient,
    },
    /// To the seller, and the staff if it is the platform's: the buyer's bank disputes the payment.
    DisputeOpened {
        /// Which purchase.
        purchase: PurchaseId,
        /// `dp_…`
        dispute: String,
        /// The recipient.
        #[serde(default = "Recipient::seller")]
        to: Recipient,
        /// How far it is.
        #[serde(default)]
        stage: DisputeStage,
    },
    /// To the seller, and the staff if it is the platform's: the dispute is over.
    DisputeClosed {
        /// Which purchase.
        purchase: PurchaseId,
        /// `dp_…`
        dispute: String,
        /// Whether the seller keeps the money.
        won: bool,
        /// The recipient.
        #[serde(default = "Recipient::seller")]
        to: Recipient,
    },
    /// To a seller: Stripe still needs information before the account can be used. Queued when the
    /// account is made, for a day later, and sent only if that is so then.
    OnboardingUnfinished {
        /// Which seller.
        user: UserId,
        /// `acct_…`
        account: String,
    },
    /// To a buyer: a membership could not be renewed.
    RenewalFailed {
        /// The member.
        user: UserId,
        /// `in_…`
        invoice: String,
        /// The membership's title, as the buyer knows it.
        title: String,
    },
    /// To a member: the membership will not be renewed, because its seller cannot be paid any more.
    MembershipEnds {
        /// The member.
        user: UserId,
        /// The subscription.
        subscription: SubscriptionId,
        /// The membership's title.
        title: String,
        /// Paid until, in Unix seconds.
        until: Option<i64>,
        /// Whether it is charged on the seller's own account, which the platform may no longer control.
        direct: bool,
    },
    /// To a member: money was refunded for a period.
    MembershipRefunded {
        /// The subscription.
        subscription: SubscriptionId,
        /// `re_…`
        refund: String,
        /// The total refunded for the period so far, in the minor unit.
        total: i64,
    },
    /// The member's bank returned a refund.
    MembershipRefundFailed {
        /// The subscription.
        subscription: SubscriptionId,
        /// `re_…`
        refund: String,
        /// The recipient.
        to: Recipient,
    },
    /// To the seller, and the staff if it is the platform's: a member's bank disputes a payment.
    MembershipDisputeOpened {
        /// The subscription.
        subscription: SubscriptionId,
        /// `dp_…`
        dispute: String,
        /// The recipient.
        to: Recipient,
        /// How far it is.
        #[serde(default)]
        stage: DisputeStage,
    },
    /// To the seller, and the staff if it is the platform's: the dispute is over.
    MembershipDisputeClosed {
        /// The subscription.
        subscription: SubscriptionId,
        /// `dp_…`
        dispute: String,
        /// Whether the seller keeps the money.
        won: bool,
        /// The recipient.
        to: Recipient,
    },
    /// To the owner of the address, if it has an account: the link that sets a new password.
    PasswordReset {
        /// [`Email::key`] of the given address.
        email: String,
        /// When, in windows of [`ASKED_TWICE`].
        window: i64,
    },
    /// To an address that a user has or wants to change to: the link that confirms it. If another account has it, the
    /// mail says so instead.
    ConfirmEmail {
        /// The user whose address it is, or will be.
        user: UserId,
        /// The digest of its [`Email::key`].
        email: String,
        /// When, in windows of [`ASKED_TWICE`].
        window: i64,
    },
    /// To the address that a user had: it was changed, with a link that undoes it.
    EmailMoved {
        /// The user.
        user: UserId,
        /// The old address.
        from: String,
        /// When, in Unix seconds.
        at: i64,
        /// When the new one was asked for, in Unix seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        asked_at: Option<i64>,
    },
    /// To a user: the password was changed.
    PasswordChanged {
        /// The user.
        user: UserId,
        /// When, in Unix seconds.
        at: i64,
    },
    /// To a user: their second factor was switched on or off, or a recovery code was used.
    SecondFactor {
        /// The user.
        user: UserId,
        /// What happened.
        news: FactorNews,
        /// When, in Unix seconds.
        at: i64,
    },
    /// To a user: somebody who knows the password enters wrong codes of the second factor.
    CodesWrong {
        /// The user.
        user: UserId,
        /// The day, counted from 1970 in UTC: they are told once a day.
        day: i64,
    },
    /// To a user: staff or an operator changed their account.
    ChangedByStaff {
        /// The user.
        user: UserId,
        /// What changed.
        news: News,
        /// The id of the audit log's entry.
        entry: String,
    },
    /// To a seller: a Stripe account was connected.
    AccountConnected {
        /// The seller.
        user: UserId,
        /// `acct_…`
        account: String,
        /// When, in Unix seconds.
        at: i64,
    },
    /// To a seller: the bank sent a payout back.
    PayoutFailed {
        /// The seller.
        user: UserId,
        /// `po_…`
        payout: String,
    },
    /// To a seller: the Stripe account was disconnected.
    AccountDisconnected {
        /// The seller.
        user: UserId,
        /// `acct_…`
        account: String,
        /// When, in Unix seconds.
        at: i64,
    },
}

/// What happened to a second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactorNews {
    /// It was switched on.
    On,
    /// It was switched off.
    Off,
    /// A recovery code was used.
    RecoveryCode,
}

impl FactorNews {
    fn name(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
            Self::RecoveryCode => "recovery",
        }
    }
}

/// What a user is told after staff or an operator changed their account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum News {
    /// They may sell.
    SellerRoleGiven,
    /// They may no longer sell.
    SellerRoleTaken,
    /// Their application to sell was declined.
    ApplicationDeclined,
    /// They are staff.
    StaffRoleGiven,
    /// They are no longer staff.
    StaffRoleTaken,
    /// They are suspended.
    Suspended,
    /// They are no longer suspended.
    SuspensionLifted,
}

/// Who gets a mail about a purchase or a membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recipient {
    /// The buyer.
    Buyer,
    /// The seller.
    Seller,
    /// The platform's staff, if the operator has configured an address.
    Staff,
}

/// How far a dispute is when somebody must answer it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisputeStage {
    /// It has just been opened.
    #[default]
    Opened,
    /// The inquiry that it was has become a dispute, and the money is withdrawn.
    Escalated,
    /// It was lost, and is being appealed.
    Appealed,
}

impl DisputeStage {
    /// The stage of a dispute that waits for an answer, or was just opened.
    pub(super) fn of(status: DisputeStatus, is_new: bool) -> Self {
        match (is_new, status.is_appeal()) {
            (true, _) => Self::Opened,
            (false, true) => Self::Appealed,
            (false, false) => Self::Escalated,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Escalated => "escalated",
            Self::Appealed => "appealed",
        }
    }
}

/// Who is told about a dispute of a charge on this account; `None` is the platform's own. Its owner answers it, and the seller loses by it.
/// <https://docs.stripe.com/connect/disputes>
pub(super) fn told_of_disputes(account: Option<&str>) -> &'static [Recipient] {
    if account.is_some() { &[Recipient::Seller] } else { &[Recipient::Seller, Recipient::Staff] }
}

impl Recipient {
    fn seller() -> Self {
        Self::Seller
    }

    /// For ids of mails that once went to the seller only: rows that are waiting keep theirs.
    fn suffix(self) -> &'static str {
        match self {
            Self::Seller => "",
            Self::Buyer => "#buyer",
            Self::Staff => "#staff",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Buyer => "buyer",
            Self::Seller => "seller",
            Self::Staff => "staff",
        }
    }
}

/// Repeated requests for the same link within a window of this length send one mail.
pub const ASKED_TWICE: Duration = Duration::minutes(1);

fn window(at: OffsetDateTime) -> i64 {
    at.unix_timestamp() / ASKED_TWICE.whole_seconds()
}

impl Mail {
    /// A link that sets a new password, for an address given at this time.
    #[must_use]
    pub fn password_reset(email: &Email, at: OffsetDateTime) -> Self {
        Self::PasswordReset { email: email.key().to_owned(), window: window(at) }
    }

    /// A link that confirms the user's address.
    #[must_use]
    pub fn confirm_email(user: &UserId, email: &Email, at: OffsetDateTime) -> Self {
        Self::ConfirmEmail { user: user.clone(), email: digest(email.key()), window: window(at) }
    }

    /// Says that a user's password was changed.
    #[must_use]
    pub fn password_changed(user: &UserId, at: OffsetDateTime) -> Self {
        Self::PasswordChanged { user: user.clone(), at: at.unix_timestamp() }
    }

    /// Says that somebody who knows a user's password enters wrong codes.
    #[must_use]
    pub fn codes_wrong(user: &UserId, at: OffsetDateTime) -> Self {
        Self::CodesWrong { user: user.clone(), day: at.unix_timestamp() / Duration::DAY.whole_seconds() }
    }

    /// What a user is told of an entry of the audit log; `None` if it does not concern them alone.
    #[must_use]
    pub fn of_entry(entry: &Entry) -> Option<Self> {
        let news = match &entry.deed {
            Deed::SellerRole { to: true, .. } => News::SellerRoleGiven,
            Deed::SellerRole { .. } => News::SellerRoleTaken,
            Deed::ApplicationDeclined { .. } => News::ApplicationDeclined,
            Deed::StaffRole { to: true, .. } => News::StaffRoleGiven,
            Deed::StaffRole { .. } => News::StaffRoleTaken,
            Deed::Suspension { from: None, .. } => News::Suspended,
            Deed::Suspension { to: None, .. } => News::SuspensionLifted,
            // Another reason, which the user does not see.
            Deed::Suspension { .. } => return None,
            Deed::Terms { .. }
            | Deed::SessionsEnded
            // A mail of its own says so.
            | Deed::SecondFactorOff
            | Deed::CourseTakenDown { .. }
            | Deed::CourseFee { .. }
            | Deed::Refund { .. }
            | Deed::RefundBorne { .. }
            | Deed::RefundRefused { .. }
            | Deed::DisputeEvidence { .. }
            | Deed::DisputeEvidenceRefused { .. }
            | Deed::MembershipRefund { .. }
            | Deed::MembershipRefundRefused { .. } => return None,
        };
        Some(Self::ChangedByStaff { user: entry.user_id.clone(), news, entry: entry.id.clone() })
    }

    /// Says that a user's address was changed.
    #[must_use]
    pub fn email_moved(user: &User, at: OffsetDateTime) -> Self {
        let asked_at = user.new_email_at.map(OffsetDateTime::unix_timestamp);
        Self::EmailMoved { user: user.id.clone(), from: user.email.clone(), at: at.unix_timestamp(), asked_at }
    }

    /// Says that a membership will not be renewed, because its seller cannot be paid.
    #[must_use]
    pub fn membership_ends(subscription: &Subscription) -> Self {
        Self::MembershipEnds {
            user: subscription.buyer_id.clone(),
            subscription: subscription.id.clone(),
            title: subscription.title.clone(),
            until: subscription.paid_until().map(OffsetDateTime::unix_timestamp),
            direct: subscription.account.is_some(),
        }
    }

    /// Whether the digest in [`Mail::ConfirmEmail`] is of this address.
    #[must_use]
    pub fn is_address(email_digest: &str, address: &str) -> bool {
        Email::parse(address).is_ok_and(|email| digest(email.key()) == email_digest)
    }

    /// The cause as text.
    #[must_use]
    pub fn id(&self) -> String {
        match self {
            Self::PurchaseReceipt { purchase } => format!("receipt#{purchase}"),
            Self::SaleNotice { purchase } => format!("sale#{purchase}"),
            Self::Refunded { purchase, refund, .. } => format!("refund#{purchase}#{refund}"),
            Self::RefundFailed { purchase, refund, to } => format!("refund-failed#{purchase}#{refund}#{}", to.name()),
            Self::DisputeOpened { dispute, to, stage, .. } => format!("dispute-{}#{dispute}{}", stage.name(), to.suffix()),
            // A lost dispute can still be won, and lost again.
            Self::DisputeClosed { dispute, won: true, to, .. } => format!("dispute-closed#{dispute}#won{}", to.suffix()),
            Self::DisputeClosed { dispute, to, .. } => format!("dispute-closed#{dispute}{}", to.suffix()),
            Self::OnboardingUnfinished { account, .. } => format!("onboarding#{account}"),
            Self::RenewalFailed { invoice, .. } => format!("renewal#{invoice}"),
            Self::MembershipEnds { subscription, .. } => format!("membership-ends#{subscription}"),
            Self::MembershipRefunded { refund, .. } => format!("member-refund#{refund}"),
            Self::MembershipRefundFailed { refund, to, .. } => format!("member-refund-failed#{refund}#{}", to.name()),
            Self::MembershipDisputeOpened { dispute, to, stage, .. } => format!("member-dispute-{}#{dispute}#{}", stage.name(), to.name()),
            Self::MembershipDisputeClosed { dispute, won, to, .. } => {
                format!("member-dispute-closed#{dispute}#{}#{}", if *won { "won" } else { "lost" }, to.name())
            }
            // Hashed, so that log lines with the id do not contain the address.
            Self::PasswordReset { email, window } => format!("reset#{}#{window}", digest(email)),
            Self::ConfirmEmail { user, email, window } => format!("confirm#{user}#{email}#{window}"),
            Self::EmailMoved { user, from, at, .. } => format!("moved#{user}#{}#{at}", digest(from)),
            Self::PasswordChanged { user, at } => format!("password#{user}#{at}"),
            Self::SecondFactor { user, news, at } => format!("factor#{user}#{}#{at}", news.name()),
            Self::CodesWrong { user, day } => format!("codes#{user}#{day}"),
            Self::ChangedByStaff { entry, .. } => format!("changed#{entry}"),
            Self::AccountConnected { user, account, at } => format!("connected#{user}#{account}#{at}"),
            Self::PayoutFailed { payout, .. } => format!("payout-failed#{payout}"),
            Self::AccountDisconnected { user, account, at } => format!("disconnected#{user}#{account}#{at}"),
        }
    }

    /// The mail without the address that it was sent to. Its [`Mail::id`] is another then.
    fn without_address(&self) -> Self {
        let mut mail = self.clone();
        if let Self::PasswordReset { email: address, .. } | Self::EmailMoved { from: address, .. } = &mut mail {
            address.clear();
        }
        mail
    }

    /// How long the row is kept after the mail was sent or has failed. No cause is repeated that late.
    fn kept(&self) -> Duration {
        match self {
            // They contain an address until they are sent.
            Self::PasswordReset { .. } | Self::EmailMoved { .. } => Duration::days(2),
            _ => Duration::days(30),
        }
    }
}

/// The number of partitions of waiting mails.
const SHARDS: u8 = 4;

/// How many mails of each partition a sweep takes.
const SWEPT: i32 = 25;

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
    /// It was sent, or had no recipient.
    Sent,
    /// It was given up.
    Failed,
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
    /// When it was to be sent first.
    #[serde(with = "time::serde::rfc3339")]
    pub asked_at: OffsetDateTime,
    /// The lease of the current sender ends at this time, in Unix seconds.
    #[serde(default)]
    leased_until: i64,
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
            if in_index && row.state == MailState::Sent {
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
        let mail = AttributeValue::M(serde_dynamo::aws_sdk_dynamodb_1::to_item(row.mail.without_address())?);
        let values = [(":state", string("sent")), (":mail", mail), (":ttl", number((now + row.mail.kept()).unix_timestamp()))];
        let expression = "SET #state = :state, mail = :mail, #ttl = :ttl, leased_until = :zero REMOVE gsi1pk, gsi1sk";
        self.end_mail(&row.mail.id(), row, expression, &values).await
    }

    /// Releases a leased mail, to be retried at `next`.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn mail_waits(&self, row: &MailRow, next: OffsetDateTime) -> Result<(), StoreError> {
        let id = row.mail.id();
        let values = [(":shard", string(shard(&id))), (":due", string(due(next, &id)))];
        self.end_mail(&id, row, "SET gsi1pk = :shard, gsi1sk = :due, leased_until = :zero", &values).await
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
