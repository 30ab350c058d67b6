//! What the reconciliation found that a person should know. The same finding
//! is always the same item. It expires ninety days after it was last found.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{TransactWriteItem, Update};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::books::LineKind;
use super::keys::finding_key;
use super::page::{List, Page, Paged};
use super::table::{Item, Store, StoreError, number, string};
use crate::base::clock::written;
use crate::base::entropy::digest;
use crate::domain::ids::{PurchaseId, SubscriptionId, UserId};
use crate::domain::membership::Term;

/// How long a finding is kept after it was last found.
const KEPT: Duration = Duration::days(90);

/// The index partition that lists them.
const LIST: &str = "FINDINGS";

/// What was found. Amounts are in the minor unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Found {
    /// A line of our books differs from Stripe's balance transaction.
    BooksDifference {
        /// What moved.
        line: LineKind,
        /// The PaymentIntent of a charge; otherwise the id of the refund or dispute.
        stripe_id: String,
        /// The connected account; `None` is the platform's own.
        account: Option<String>,
        /// If known, the purchase that the money belongs to,
        purchase_id: Option<PurchaseId>,
        /// or a subscription's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subscription_id: Option<SubscriptionId>,
        /// Lower-case ISO 4217.
        currency: String,
        /// The amount in our books; `None` if they have no such line.
        ours: Option<i64>,
        /// The amount at Stripe; `None` if Stripe has no such movement.
        stripe: Option<i64>,
    },
    /// A payment that we made at Stripe and that belongs to no purchase on record.
    PaymentOffRecord {
        /// `pi_…`
        payment_intent: String,
        /// The connected account; `None` is the platform's own.
        account: Option<String>,
        /// The purchase that its metadata names.
        purchase_id: PurchaseId,
        /// Lower-case ISO 4217.
        currency: String,
        /// The amount.
        amount: i64,
    },
    /// A payment left the platform another fee than it was asked for.
    FeeDiffers {
        /// `pi_…`
        payment_intent: String,
        /// The connected account; `None` is the platform's own.
        account: Option<String>,
        /// The purchase.
        purchase_id: PurchaseId,
        /// Lower-case ISO 4217.
        currency: String,
        /// The fee that was asked for.
        ours: i64,
        /// The fee that Stripe took.
        stripe: i64,
    },
    /// Stripe refused a transfer to a payee or a reversal. It is retried automatically, at growing intervals.
    MoveRefused {
        /// The purchase,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        purchase_id: Option<PurchaseId>,
        /// or the subscription to a membership.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subscription_id: Option<SubscriptionId>,
        /// The movement's number.
        movement: u32,
        /// Whether a payee must return money; otherwise a payee is waiting for it.
        gives_back: bool,
        /// The payee.
        payee: Option<UserId>,
        /// Their account.
        account: Option<String>,
        /// Lower-case ISO 4217.
        currency: String,
        /// The amount.
        amount: i64,
        /// Stripe's code.
        reason: String,
    },
    /// A buyer's bank returned a refund, and the buyer must get the money another way; or Stripe refused one while nobody waited for the answer.
    RefundFailed {
        /// The purchase,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        purchase_id: Option<PurchaseId>,
        /// or the subscription to a membership.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subscription_id: Option<SubscriptionId>,
        /// `re_…`; empty if Stripe refused it.
        refund: String,
        /// Its number in the purchase.
        #[serde(default)]
        movement: u32,
        /// The charged account; `None` is the platform's own.
        account: Option<String>,
        /// Lower-case ISO 4217.
        currency: String,
        /// The amount.
        amount: i64,
        /// Stripe's code, if it refused it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A bank returned a payout. The account's owner is waiting for the money.
    PayoutFailed {
        /// `po_…`
        payout: String,
        /// The connected account; `None` is the platform's own.
        account: Option<String>,
        /// Lower-case ISO 4217.
        currency: String,
        /// The amount.
        amount: i64,
        /// Stripe's code.
        reason: String,
    },
    /// The issuer of a card says that a payment was fraud.
    FraudWarning {
        /// `issfr_…`
        warning: String,
        /// The purchase,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        purchase_id: Option<PurchaseId>,
        /// or the subscription to a membership.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subscription_id: Option<SubscriptionId>,
        /// The charged account; `None` is the platform's own.
        account: Option<String>,
        /// Lower-case ISO 4217.
        currency: String,
        /// The amount paid.
        amount: i64,
        /// Stripe's `fraud_type`.
        reason: String,
    },
    /// A customer on the platform has a credit, left by an earlier version or by somebody in
    /// Stripe's Dashboard. It would pay the next invoice of a running membership of any seller.
    CustomerCredit {
        /// `cus_…`
        customer: String,
        /// A subscription that it would pay.
        subscription_id: SubscriptionId,
        /// Lower-case ISO 4217.
        currency: String,
        /// The amount.
        amount: i64,
    },
    /// A membership at Stripe charges something else than what was agreed, or leaves the platform less of it.
    MembershipDiffers {
        /// The subscription to the membership.
        subscription_id: SubscriptionId,
        /// `sub_…`
        stripe_id: Option<String>,
        /// The connected account; `None` is the platform's own.
        account: Option<String>,
        /// Lower-case ISO 4217.
        currency: String,
        /// What differs, and the unit of the next two.
        term: Term,
        /// What was agreed.
        ours: i64,
        /// What Stripe has.
        stripe: i64,
        /// The invoice of the payment that differs, `in_…`; `None` if it is about the coming renewals.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        payment: Option<String>,
    },
    /// A payment or balance transaction at Stripe that this program cannot parse and so cannot compare.
    Unreadable {
        /// `pi_…` or `txn_…`; empty if that cannot be read either.
        stripe_id: String,
        /// The connected account; `None` is the platform's own.
        account: Option<String>,
    },
    /// Stripe lets the platform make no accounts for sellers.
    AccountsRefused {
        /// Stripe's sentences, after the name of the API that said them.
        reason: String,
    },
    /// A purchase or subscription that waits for something and could not be continued.
    RepairFailed {
        /// The purchase,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        purchase_id: Option<PurchaseId>,
        /// or the subscription to a membership.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subscription_id: Option<SubscriptionId>,
        /// The [code](crate::domain::error::Error::code) of the error.
        reason: String,
    },
}

impl Found {
    /// The same id each time the same thing is found.
    #[must_use]
    pub fn id(&self) -> String {
        let subject = match self {
            Self::BooksDifference { line, stripe_id, account, .. } => {
                format!("books#{}#{line:?}#{stripe_id}", account.as_deref().unwrap_or_default())
            }
            Self::PaymentOffRecord { payment_intent, .. } => format!("payment#{payment_intent}"),
            Self::FeeDiffers { payment_intent, .. } => format!("fee#{payment_intent}"),
            Self::MoveRefused { purchase_id, subscription_id, movement, .. } => {
                let purchase = purchase_id.as_ref().map(PurchaseId::as_str);
                let whose = purchase.or(subscription_id.as_ref().map(SubscriptionId::as_str)).unwrap_or_default();
                format!("move#{whose}#{movement}")
            }
            Self::RefundFailed { refund, purchase_id, movement, .. } if refund.is_empty() => {
                format!("refund-failed#{}#{movement}", purchase_id.as_ref().map(PurchaseId::as_str).unwrap_or_default())
            }
            Self::RefundFailed { refund, .. } => format!("refund-failed#{refund}"),
            Self::PayoutFailed { payout, .. } => format!("payout-failed#{payout}"),
            Self::FraudWarning { warning, .. } => return id_of_fraud_warning(warning),
            Self::CustomerCredit { customer, .. } => format!("credit#{customer}"),
            Self::MembershipDiffers { subscription_id, term, payment, .. } => {
                let of_payment = payment.as_ref().map(|payment| format!("#{payment}")).unwrap_or_default();
                format!("membership#{subscription_id}#{}{of_payment}", term.as_str())
            }
            Self::Unreadable { stripe_id, account } => format!("unreadable#{}#{stripe_id}", account.as_deref().unwrap_or_default()),
            Self::AccountsRefused { .. } => "accounts-refused".to_owned(),
            Self::RepairFailed { purchase_id, subscription_id, .. } => {
                let purchase = purchase_id.as_ref().map(PurchaseId::as_str);
                format!("repair#{}", purchase.or(subscription_id.as_ref().map(SubscriptionId::as_str)).unwrap_or_default())
            }
        };
        id_of(&subject)
    }
}

fn id_of(subject: &str) -> String {
    let mut id = digest(subject);
    id.truncate(22);
    format!("fnd_{id}")
}

fn id_of_fraud_warning(warning: &str) -> String {
    id_of(&format!("fraud#{warning}"))
}

/// A finding as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was found.
    pub found: Found,
    /// When it was first found.
    #[serde(with = "time::serde::rfc3339")]
    pub found_at: OffsetDateTime,
    /// When it was last found.
    #[serde(with = "time::serde::rfc3339")]
    pub last_found_at: OffsetDateTime,
    /// When the reconciliation fixed it; `None` if a person has to.
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub settled_at: Option<OffsetDateTime>,
}

fn refused(error: &SdkError<UpdateItemError>) -> bool {
    matches!(error.as_service_error(), Some(UpdateItemError::ConditionalCheckFailedException(_)))
}

/// A finding that is found again keeps its place in the list.
const KEEP: &str = "SET found_at = if_not_exists(found_at, :now), gsi1pk = if_not_exists(gsi1pk, :list), \
                    gsi1sk = if_not_exists(gsi1sk, :place), #found = :found, last_found_at = :now, #ttl = :ttl REMOVE settled_at";

impl Store {
    /// The same as [`Store::keep_finding`], as part of the transaction that causes it.
    pub(super) fn keep_finding_with(&self, found: &Found, now: OffsetDateTime) -> Result<TransactWriteItem, StoreError> {
        let id = found.id();
        let found: Item = serde_dynamo::aws_sdk_dynamodb_1::to_item(found)?;
        let update = Update::builder().table_name(&self.table).set_key(Some(finding_key(&id).attributes())).update_expression(KEEP);
        let update = update
            .expression_attribute_names("#found", "found")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":now", string(written(now)))
            .expression_attribute_values(":list", string(LIST))
            .expression_attribute_values(":place", string(format!("{:020}#{id}", now.unix_timestamp_nanos())))
            .expression_attribute_values(":found", aws_sdk_dynamodb::types::AttributeValue::M(found))
            .expression_attribute_values(":ttl", number((now + KEPT).unix_timestamp()));
        Ok(TransactWriteItem::builder().update(update.build().expect("a table, a key and an expression are given")).build())
    }

    /// Marks a finding from an earlier transaction as settled, as part of the transaction that fixes it.
    pub(super) fn settle_finding_with(&self, found: &Found, now: OffsetDateTime) -> TransactWriteItem {
        let update = Update::builder().table_name(&self.table).set_key(Some(finding_key(&found.id()).attributes()));
        let update = update
            .update_expression("SET settled_at = :now, #ttl = :ttl")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":now", string(written(now)))
            .expression_attribute_values(":ttl", number((now + KEPT).unix_timestamp()));
        TransactWriteItem::builder().update(update.build().expect("a table, a key and an expression are given")).build()
    }

    /// Records a finding. One that was found before keeps its place in the list and is reopened if it was settled.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn keep_finding(&self, found: &Found, now: OffsetDateTime) -> Result<(), StoreError> {
        let id = found.id();
        let found: Item = serde_dynamo::aws_sdk_dynamodb_1::to_item(found)?;
        let update = self.client.update_item().table_name(&self.table).set_key(Some(finding_key(&id).attributes()));
        update
            .update_expression(KEEP)
            .expression_attribute_names("#found", "found")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":now", string(written(now)))
            .expression_attribute_values(":list", string(LIST))
            .expression_attribute_values(":place", string(format!("{:020}#{id}", now.unix_timestamp_nanos())))
            .expression_attribute_values(":found", aws_sdk_dynamodb::types::AttributeValue::M(found))
            .expression_attribute_values(":ttl", number((now + KEPT).unix_timestamp()))
            .send()
            .await
            .map_err(|error| StoreError::request("UpdateItem", &error))?;
        Ok(())
    }

    /// Marks a finding as settled. Does nothing if it was never found or is already settled.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn settle_finding(&self, found: &Found, now: OffsetDateTime) -> Result<(), StoreError> {
        self.settle(&found.id(), now).await
    }

    /// The same for the finding about an early fraud warning: nothing can be done about its charge any more.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn fraud_warning_is_over(&self, warning: &str, now: OffsetDateTime) -> Result<(), StoreError> {
        self.settle(&id_of_fraud_warning(warning), now).await
    }

    async fn settle(&self, id: &str, now: OffsetDateTime) -> Result<(), StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(finding_key(id).attributes()))
            .update_expression("SET settled_at = :now")
            .condition_expression("attribute_exists(pk) AND attribute_not_exists(settled_at)")
            .expression_attribute_values(":now", string(written(now)));
        match update.send().await {
            Ok(_) => Ok(()),
            Err(error) if refused(&error) => Ok(()),
            Err(error) => Err(StoreError::request("UpdateItem", &error)),
        }
    }

    /// Findings, newest first.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn findings(&self, page: &Page) -> Result<Paged<Finding>, StoreError> {
        self.list(List::Index { pk: LIST.to_owned() }, page).await
    }
}
