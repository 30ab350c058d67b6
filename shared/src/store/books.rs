//! The books: what sellers have made in all, and every movement of money by the hour, to be held against Stripe's.

use std::collections::BTreeMap;
use std::ops::Range;

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{Item, Key, Store, StoreError, from_item, number, shard, string, to_item};
use crate::ids::{PurchaseId, SubscriptionId, UserId};
use crate::money::Currency;
use crate::purchase::{News, Purchase, Sums};

/// Over how many items a seller's totals are spread: a bestseller's sales would wait for each other at one.
const TOTALS_SHARDS: u32 = 64;

/// Over how many keys a day's ledger is spread.
const LEDGER_SHARDS: u32 = 16;

/// What moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineKind {
    /// A buyer paid.
    Charge,
    /// Money went back to a buyer.
    Refund,
    /// A refund came back.
    RefundFailure,
    /// A bank withdrew what is disputed.
    Dispute,
    /// It gave it back.
    DisputeReversal,
}

/// A line of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// What moved.
    pub kind: LineKind,
    /// The PaymentIntent of a charge; otherwise the refund's or the dispute's own id.
    pub stripe_id: String,
    /// The connected account that it moved on; none is the platform's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// In the minor unit; negative where money left the account.
    pub amount: i64,
    /// Lower-case ISO 4217.
    pub currency: String,
    /// Whose money: a purchase's,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purchase_id: Option<PurchaseId>,
    /// or a subscription's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription_id: Option<SubscriptionId>,
    /// When, in Unix seconds: by Stripe's clock where it is known.
    pub at: i64,
}

impl Line {
    /// The id of whose money it is.
    #[must_use]
    pub fn whose(&self) -> &str {
        let purchase = self.purchase_id.as_ref().map(PurchaseId::as_str);
        purchase.or(self.subscription_id.as_ref().map(SubscriptionId::as_str)).unwrap_or_default()
    }
}

/// Days are counted from 1970.
fn ledger_key(day: i64, part: u32, line: impl Into<String>) -> Key {
    Key::new(format!("LEDGER#{day}#{part:02}"), line)
}

/// What the lines of an hour of their day begin with.
fn hour_of_day(hour: i64) -> String {
    format!("{:02}", hour.rem_euclid(24))
}

pub(super) fn ledger_item(line: &Line) -> Result<Item, StoreError> {
    let kind = serde_json::to_value(line.kind).unwrap_or_default();
    let hour = line.at.div_euclid(3600);
    let name = format!("{}#{}#{}", hour_of_day(hour), kind.as_str().unwrap_or_default(), line.stripe_id);
    to_item(&ledger_key(hour.div_euclid(24), shard(line.whose(), LEDGER_SHARDS), name), line)
}

/// The lines that news bring.
pub(super) fn ledger_lines(purchase: &Purchase, news: &[News]) -> Vec<Line> {
    let at = purchase.updated_at().unix_timestamp();
    let line = |kind: LineKind, stripe_id: &str, amount: i64, at: i64| Line {
        kind,
        stripe_id: stripe_id.to_owned(),
        account: purchase.charged_account().map(str::to_owned),
        amount,
        currency: purchase.currency.code().to_owned(),
        purchase_id: Some(purchase.id.clone()),
        subscription_id: None,
        at,
    };
    let dispute = |kind: LineKind, id: &str, sign: i64| {
        let dispute = purchase.disputes().iter().find(|dispute| dispute.id == id)?;
        Some(line(kind, id, sign * dispute.amount, at))
    };
    let refund = |kind: LineKind, number: u32, sign: i64| {
        let refund = purchase.movement(number)?;
        Some(line(kind, refund.stripe_id.as_deref()?, sign * refund.amount, at))
    };
    let lines = news.iter().filter_map(|news| match news {
        News::Paid => {
            let paid = purchase.paid_attempt()?;
            let at = paid.charge.as_ref().and_then(|charge| charge.created).unwrap_or(at);
            Some(line(LineKind::Charge, paid.payment_intent.as_deref()?, paid.amount, at))
        }
        News::Refunded(number) => refund(LineKind::Refund, *number, -1),
        News::RefundFailed(number) => refund(LineKind::RefundFailure, *number, 1),
        News::DisputeWithdrawn(id) => dispute(LineKind::Dispute, id, -1),
        News::DisputeReinstated(id) => dispute(LineKind::DisputeReversal, id, 1),
        News::NotPaid(_) | News::DisputeOpened(_) | News::DisputeClosed(_) => None,
    });
    lines.collect()
}

/// The columns of the totals, by name.
fn columns(sums: &Sums) -> [(&'static str, i64); 7] {
    [
        ("sales", sums.sales),
        ("gross", sums.gross),
        ("application_fee", sums.application_fee),
        ("refunded", sums.refunded),
        ("disputed", sums.disputed),
        ("net", sums.net),
        ("stripe_fee", sums.stripe_fee),
    ]
}

impl Store {
    /// Adds to the seller's totals what they lack of a purchase or a subscription, by its id.
    pub(super) fn add_sums(&self, seller: &UserId, of: &str, currency: Currency, lacking: Sums) -> Option<TransactWriteItem> {
        if lacking == Sums::default() {
            return None;
        }
        let part = shard(of, TOTALS_SHARDS);
        let key = Key::new(format!("USER#{seller}"), format!("TOTALS#{part:02}"));
        let mut update = Update::builder().table_name(&self.table).set_key(Some(key.attributes()));
        let mut terms = Vec::new();
        for (name, amount) in columns(&lacking).into_iter().filter(|(_, amount)| *amount != 0) {
            terms.push(format!("#{name} :{name}"));
            update = update
                .expression_attribute_names(format!("#{name}"), format!("{}_{name}", currency.code()))
                .expression_attribute_values(format!(":{name}"), number(amount));
        }
        let update = update.update_expression(format!("ADD {}", terms.join(", "))).build();
        Some(TransactWriteItem::builder().update(update.expect("a table, a key and an expression are given")).build())
    }

    /// What a seller has made in all, by currency.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn totals_of(&self, seller: &UserId) -> Result<BTreeMap<String, Sums>, StoreError> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", string(format!("USER#{seller}")))
            .expression_attribute_values(":prefix", string("TOTALS#"))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| StoreError::request("Query", &error))?;
        let mut totals: BTreeMap<String, Sums> = BTreeMap::new();
        for item in answer.items.unwrap_or_default() {
            for (name, value) in &item {
                let (Some((currency, column)), AttributeValue::N(value)) = (name.split_once('_'), value) else { continue };
                let sums = totals.entry(currency.to_owned()).or_default();
                let amount: i64 = value.parse().unwrap_or(0);
                match column {
                    "sales" => sums.sales += amount,
                    "gross" => sums.gross += amount,
                    "application_fee" => sums.application_fee += amount,
                    "refunded" => sums.refunded += amount,
                    "disputed" => sums.disputed += amount,
                    "net" => sums.net += amount,
                    "stripe_fee" => sums.stripe_fee += amount,
                    _ => {}
                }
            }
        }
        Ok(totals)
    }

    /// The ledger's lines of some hours, counted from 1970.
    ///
    /// # Errors
    /// Where DynamoDB fails.
    pub async fn ledger(&self, hours: Range<i64>) -> Result<Vec<Line>, StoreError> {
        let mut lines = Vec::new();
        let mut from = hours.start;
        while from < hours.end {
            let day = from.div_euclid(24);
            let to = hours.end.min((day + 1) * 24);
            for part in 0..LEDGER_SHARDS {
                let query =
                    self.client.query().table_name(&self.table).key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last");
                let query = query
                    .expression_attribute_values(":pk", string(ledger_key(day, part, "").pk))
                    .expression_attribute_values(":first", string(hour_of_day(from)))
                    .expression_attribute_values(":last", string(format!("{}~", hour_of_day(to - 1))));
                let mut pages = query.into_paginator().send();
                while let Some(page) = pages.next().await {
                    for item in page.map_err(|error| StoreError::request("Query", &error))?.items.unwrap_or_default() {
                        lines.push(from_item(item)?);
                    }
                }
            }
            from = to;
        }
        Ok(lines)
    }

    /// The hour of a moment, counted from 1970.
    #[must_use]
    pub fn hour_of(at: OffsetDateTime) -> i64 {
        at.unix_timestamp().div_euclid(3600)
    }
}
