//! Disputes as staff see them. A purchase or subscription has its disputes in its own record; the transaction that writes it also writes
//! these items, so they are never behind. An open one stays; a decided one expires a year after it was opened.

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::keys::dispute_key;
use super::page::{List, Page, Paged};
use super::table::{Item, Store, StoreError, Written, number, string};
use crate::domain::audit::Entry;
use crate::domain::ids::{CourseId, PurchaseId, SubscriptionId, UserId};
use crate::domain::membership::Subscription;
use crate::domain::money::Price;
use crate::domain::purchase::{DisputeStatus, Purchase};

/// How long after it was opened a decided dispute is kept.
const KEPT: Duration = Duration::days(365);

/// The index partition of undecided disputes: those that wait for an answer come first, by the time by which to give it.
const OPEN: &str = "DISPUTES#OPEN";

/// The index partition of decided disputes, by the time at which they were opened.
const CLOSED: &str = "DISPUTES#CLOSED";

/// A dispute of a purchase or of a member's payment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Case {
    /// `du_…` or `dp_…`
    pub id: String,
    /// The purchase,
    #[serde(default)]
    pub purchase_id: Option<PurchaseId>,
    /// or the subscription to a membership.
    #[serde(default)]
    pub subscription_id: Option<SubscriptionId>,
    /// The course, if it is a purchase's.
    #[serde(default)]
    pub course_id: Option<CourseId>,
    /// The seller.
    pub seller_id: UserId,
    /// The title of the course or membership when it was sold.
    pub title: String,
    /// The account that was charged, and whose owner answers; `None` is the platform's own.
    #[serde(default)]
    pub account: Option<String>,
    /// When the purchase was paid. Not known of a member's payment.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub paid_at: Option<OffsetDateTime>,
    /// What is disputed.
    pub amount: Price,
    /// The bank's reason.
    pub reason: String,
    /// The status.
    pub status: DisputeStatus,
    /// When we learned of it.
    #[serde(with = "time::serde::rfc3339")]
    pub opened_at: OffsetDateTime,
    /// The last moment to answer it, if the bank takes an answer.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub due_by: Option<OffsetDateTime>,
    /// The deployment that asked Stripe for the money, as of the purchase or subscription.
    #[serde(default)]
    pub stack_id: Option<String>,
    /// The newest evidence that staff gave here.
    #[serde(default)]
    pub evidence: Option<Evidence>,
}

/// Evidence that staff gave. Its texts are at Stripe only, because they name the buyer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Numbers the requests to Stripe for this dispute.
    pub number: u32,
    /// Incremented by each write, which is conditional on the version that it read.
    pub version: u64,
    /// Whether the bank gets it; otherwise it is only staged at Stripe.
    pub submit: bool,
    /// The digest of the request's body.
    pub digest: String,
    /// Who gave it.
    pub by: UserId,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The outcome.
    pub state: EvidenceState,
}

/// What became of evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceState {
    /// Stripe may have it.
    Asked,
    /// Stripe has it.
    Made,
    /// Stripe refused it, with this code.
    Refused(String),
}

impl EvidenceState {
    /// Whether its outcome is unknown.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        match self {
            Self::Asked => true,
            Self::Made | Self::Refused(_) => false,
        }
    }

    /// Whether Stripe refused it.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        match self {
            Self::Refused(_) => true,
            Self::Asked | Self::Made => false,
        }
    }
}

impl Case {
    /// The buyer or member.
    #[must_use]
    pub fn buyer(&self) -> Option<UserId> {
        self.purchase_id.as_ref().map(PurchaseId::buyer).or(self.subscription_id.as_ref().map(SubscriptionId::buyer))
    }

    /// Its place in the list: the partition, and where in it.
    fn place(&self) -> (&'static str, String) {
        let (list, at) = match self.due_by.filter(|_| self.status.needs_answer()) {
            Some(due_by) => (OPEN, format!("0#{:020}", due_by.unix_timestamp_nanos())),
            None => (if self.status.is_open() { OPEN } else { CLOSED }, format!("1#{:020}", self.opened_at.unix_timestamp_nanos())),
        };
        (list, format!("{at}#{}", self.id))
    }

    /// When it expires; `None` while it is undecided.
    fn expires_at(&self) -> Option<OffsetDateTime> {
        (!self.status.is_open()).then(|| self.opened_at + KEPT)
    }
}

fn cases_of(purchase: &Purchase) -> impl Iterator<Item = Case> {
    purchase.disputes().iter().map(|dispute| Case {
        id: dispute.id.clone(),
        purchase_id: Some(purchase.id.clone()),
        subscription_id: None,
        course_id: Some(purchase.course_id.clone()),
        seller_id: purchase.seller_id.clone(),
        title: purchase.course_title.clone(),
        account: purchase.charged_account().map(str::to_owned),
        paid_at: purchase.paid_at(),
        amount: Price { amount: dispute.amount, currency: purchase.currency },
        reason: dispute.reason.clone(),
        status: dispute.status,
        opened_at: dispute.opened_at,
        due_by: dispute.due_by,
        stack_id: purchase.stack_id().map(str::to_owned),
        evidence: None,
    })
}

fn cases_of_member(subscription: &Subscription) -> impl Iterator<Item = Case> {
    subscription.payments.iter().flat_map(|payment| &payment.disputes).map(|dispute| Case {
        id: dispute.id.clone(),
        purchase_id: None,
        subscription_id: Some(subscription.id.clone()),
        course_id: None,
        seller_id: subscription.seller_id.clone(),
        title: subscription.title.clone(),
        account: subscription.account.clone(),
        paid_at: None,
        amount: Price { amount: dispute.amount, currency: subscription.currency },
        reason: dispute.reason.clone(),
        status: dispute.status,
        opened_at: dispute.opened_at.unwrap_or(subscription.updated_at),
        due_by: dispute.due_by,
        stack_id: subscription.stack_id(),
        evidence: None,
    })
}

impl Store {
    /// The items of a purchase's disputes, for the transaction that writes it.
    pub(super) fn disputes_with(&self, purchase: &Purchase) -> Result<Vec<TransactWriteItem>, StoreError> {
        cases_of(purchase).filter_map(|case| self.keep_case(&case, purchase.updated_at()).transpose()).collect()
    }

    /// The same of a member's payments.
    pub(super) fn members_disputes_with(&self, subscription: &Subscription) -> Result<Vec<TransactWriteItem>, StoreError> {
        cases_of_member(subscription).filter_map(|case| self.keep_case(&case, subscription.updated_at).transpose()).collect()
    }

    /// Writes what the dispute's owner knows, and leaves what staff gave as evidence. `None` if it has expired.
    fn keep_case(&self, case: &Case, now: OffsetDateTime) -> Result<Option<TransactWriteItem>, StoreError> {
        let expires_at = case.expires_at();
        if expires_at.is_some_and(|expires_at| expires_at <= now) {
            return Ok(None);
        }
        let mut attributes: Item = serde_dynamo::aws_sdk_dynamodb_1::to_item(case)?;
        attributes.remove("evidence");
        let (list, place) = case.place();
        attributes.insert("gsi1pk".to_owned(), string(list));
        attributes.insert("gsi1sk".to_owned(), string(place));
        let mut update = Update::builder().table_name(&self.table).set_key(Some(dispute_key(&case.id).attributes()));
        let gone = match expires_at {
            Some(expires_at) => {
                attributes.insert("ttl".to_owned(), number(expires_at.unix_timestamp()));
                ""
            }
            // A decided dispute can be appealed.
            None => {
                update = update.expression_attribute_names("#ttl", "ttl");
                " REMOVE #ttl"
            }
        };
        let mut sets = Vec::new();
        for (name, value) in attributes {
            sets.push(format!("#{name} = :{name}"));
            update = update.expression_attribute_names(format!("#{name}"), &name).expression_attribute_values(format!(":{name}"), value);
        }
        let update = update.update_expression(format!("SET {}{gone}", sets.join(", "))).build();
        Ok(Some(TransactWriteItem::builder().update(update.expect("a table, a key and an expression are given")).build()))
    }

    /// A dispute.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn dispute(&self, id: &str) -> Result<Option<Case>, StoreError> {
        self.get(&dispute_key(id)).await
    }

    /// The undecided disputes: first those that wait for an answer, by the time by which to give it, and then those that the bank reviews.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn open_disputes(&self, page: &Page) -> Result<Paged<Case>, StoreError> {
        self.list_ascending(List::Index { pk: OPEN.to_owned() }, page).await
    }

    /// The decided disputes, latest opened first.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn closed_disputes(&self, page: &Page) -> Result<Paged<Case>, StoreError> {
        self.list(List::Index { pk: CLOSED.to_owned() }, page).await
    }

    /// Records evidence, or its outcome, with what the audit log says of it. `seen` is the evidence that was read.
    ///
    /// # Errors
    /// If DynamoDB fails. [`Written::No`] if another request was first.
    pub async fn write_evidence(
        &self,
        dispute: &str,
        seen: Option<&Evidence>,
        evidence: &mut Evidence,
        entry: Option<&Entry>,
    ) -> Result<Written, StoreError> {
        evidence.version = seen.map_or(0, |seen| seen.version) + 1;
        let update = Update::builder().table_name(&self.table).set_key(Some(dispute_key(dispute).attributes()));
        let update = update
            .update_expression("SET evidence = :evidence")
            .expression_attribute_values(":evidence", AttributeValue::M(serde_dynamo::aws_sdk_dynamodb_1::to_item(&*evidence)?));
        let update = match seen {
            None => update.condition_expression("attribute_exists(pk) AND attribute_not_exists(evidence)"),
            Some(seen) => {
                update.condition_expression("evidence.version = :seen").expression_attribute_values(":seen", number(seen.version))
            }
        };
        let update = update.build().expect("a table, a key and an expression are given");
        let mut items = vec![TransactWriteItem::builder().update(update).build()];
        items.extend(entry.map(|entry| self.audited(entry)).transpose()?);
        self.transact(&items).await
    }
}
