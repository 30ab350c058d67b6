//! The books: sellers' all-time totals, and a ledger of every movement of money, by hour, which is compared with Stripe's.

use std::collections::BTreeMap;
use std::ops::Range;

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::debts::Debt;
use super::keys::DEBTS;
use super::table::{Item, Key, Store, StoreError, from_item, number, shard, string, to_item};
use crate::domain::ids::{PurchaseId, SubscriptionId, UserId};
use crate::domain::purchase::{News, Purchase, Sums};

/// A seller's totals are spread over this many items, so that a bestseller's sales do not contend for one.
const TOTALS_SHARDS: u32 = 64;

/// A day's ledger is spread over this many keys.
const LEDGER_SHARDS: u32 = 16;

/// What moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineKind {
    /// A buyer paid.
    Charge,
    /// Money was refunded to a buyer.
    Refund,
    /// A bank returned a refund.
    RefundFailure,
    /// A bank withdrew the disputed amount.
    Dispute,
    /// A bank returned it.
    DisputeReversal,
    /// The exchange-rate difference of a refund: what its part of the charge brought in, less what
    /// the refund cost; or of its return: what that brought in, less the part. Stripe has no such line.
    CurrencyDifference,
}

/// A line of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// What moved.
    pub kind: LineKind,
    /// The PaymentIntent of a charge; otherwise the id of the refund or dispute. The difference of a refund's return has `#returned` after it.
    pub stripe_id: String,
    /// The connected account it moved on; `None` is the platform's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// In the minor unit; negative if money left the account.
    pub amount: i64,
    /// Lower-case ISO 4217.
    pub currency: String,
    /// The purchase that the money belongs to,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purchase_id: Option<PurchaseId>,
    /// or a subscription's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription_id: Option<SubscriptionId>,
    /// When, in Unix seconds: by Stripe's clock if known.
    pub at: i64,
}

impl Line {
    /// The id of the purchase or subscription that the money belongs to.
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

/// The prefix of the lines of an hour, within its day.
fn hour_of_day(hour: i64) -> String {
    format!("{:02}", hour.rem_euclid(24))
}

pub(super) fn ledger_item(line: &Line) -> Result<Item, StoreError> {
    let kind = serde_json::to_value(line.kind).unwrap_or_default();
    let hour = line.at.div_euclid(3600);
    let name = format!("{}#{}#{}", hour_of_day(hour), kind.as_str().unwrap_or_default(), line.stripe_id);
    to_item(&ledger_key(hour.div_euclid(24), shard(line.whose(), LEDGER_SHARDS), name), line)
}

/// The id of the line for a refund's return, whose refund has a line of the same kind.
pub(super) fn of_return(refund: &str) -> String {
    format!("{refund}#returned")
}

/// The ledger lines for some changes.
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
        News::Converted(number) => {
            let refund = purchase.movement(*number)?;
            let line = line(LineKind::CurrencyDifference, refund.stripe_id.as_deref()?, purchase.difference_of_refund(refund)?, at);
            Some(Line { currency: refund.settled.as_ref()?.currency.clone(), ..line })
        }
        News::ReturnConverted(number) => {
            let refund = purchase.movement(*number)?;
            let id = of_return(refund.stripe_id.as_deref()?);
            let line = line(LineKind::CurrencyDifference, &id, purchase.difference_of_return(refund)?, at);
            Some(Line { currency: refund.returned.as_ref()?.currency.clone(), ..line })
        }
        News::NotPaid(_)
        | News::OffRecord { .. }
        | News::FeeDiffers { .. }
        | News::DisputeOpened(_)
        | News::DisputeNeedsAnswer(_)
        | News::DisputeClosed(_)
        | News::MoveRefused(_)
        | News::MoveDone(_)
        | News::FraudWarning(_) => None,
    });
    lines.collect()
}

/// A seller's balance with the platform.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// What they have made in total, by currency.
    pub by_currency: BTreeMap<String, Sums>,
    /// What they owe, oldest purchases first.
    pub debts: Vec<Debt>,
}

/// The names of the totals' columns, with their amounts.
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
    /// Adds to a seller's totals what they do not yet contain of the purchase or subscription with the id `of`.
    pub(super) fn add_sums(&self, seller: &UserId, of: &str, lacking: &[(String, Sums)]) -> Option<TransactWriteItem> {
        if lacking.iter().all(|(_, sums)| *sums == Sums::default()) {
            return None;
        }
        let part = shard(of, TOTALS_SHARDS);
        let key = Key::new(format!("USER#{seller}"), format!("TOTALS#{part:02}"));
        let mut update = Update::builder().table_name(&self.table).set_key(Some(key.attributes()));
        let mut terms = Vec::new();
        let all = lacking.iter().flat_map(|(currency, sums)| columns(sums).map(|(name, amount)| (format!("{currency}_{name}"), amount)));
        for (column, amount) in all.filter(|(_, amount)| *amount != 0) {
            terms.push(format!("#{column} :{column}"));
            update = update
                .expression_attribute_names(format!("#{column}"), &column)
                .expression_attribute_values(format!(":{column}"), number(amount));
        }
        let update = update.update_expression(format!("ADD {}", terms.join(", "))).build();
        Some(TransactWriteItem::builder().update(update.expect("a table, a key and an expression are given")).build())
    }

    /// What a seller has made in total, by currency, and what they owe: one query.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn totals_of(&self, seller: &UserId) -> Result<Totals, StoreError> {
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
        let (mut totals, mut debts): (BTreeMap<String, Sums>, Vec<Debt>) = Default::default();
        for item in answer.items.unwrap_or_default() {
            if item.get("sk").and_then(|sk| sk.as_s().ok()).is_some_and(|sk| sk.starts_with(DEBTS)) {
                debts.push(from_item(item)?);
                continue;
            }
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
        Ok(Totals { by_currency: totals, debts })
    }

    /// The ledger's lines of some hours. Hours are counted from 1970.
    ///
    /// # Errors
    /// If DynamoDB fails.
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

    /// The hour of a point in time, counted from 1970.
    #[must_use]
    pub fn hour_of(at: OffsetDateTime) -> i64 {
        at.unix_timestamp().div_euclid(3600)
    }
}
