//! Puts back what the tables have lost, from tables that DynamoDB restored to an earlier moment.
//!
//! An item that is missing was not necessarily lost: the shop deletes some itself, and people can have their data erased. [`Rule`] tells
//! these apart. Nothing that exists is changed, so what happened since that moment stays. Each write is conditional on the item still being missing,
//! and on everything that was read to decide it. So this can run while the shop is open, be interrupted, and run again.

mod fits;
pub mod rules;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::DisplayErrorContext;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, Put, TransactWriteItem};
use shared::app::App;
use time::format_description::well_known::Rfc3339;

use crate::Failure;
use fits::Check;
use rules::{Rule, kind};

type Item = HashMap<String, AttributeValue>;

/// The names of a stack's two tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tables {
    /// The table.
    pub items: String,
    /// The table of credentials.
    pub credentials: String,
}

/// Whether to write, or only to report what would be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Nothing is written.
    Report,
    /// Missing items are put back.
    Copy,
}

/// What became of a missing item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It can be put back, and was if asked for.
    Back,
    /// Something that it depends on was changed meanwhile. Running this again decides it anew.
    Raced,
    /// It belongs to somebody who was erased.
    Erased,
    /// It contradicts the record that it belongs to.
    Unfit,
    /// Its time was over.
    Expired,
    /// The shop deletes such items itself.
    Passing,
    /// This version knows no such items.
    Unknown,
}

/// The missing items.
#[derive(Debug, PartialEq, Eq)]
pub struct Report {
    mode: Mode,
    /// How many had each outcome, by kind.
    pub missing: BTreeMap<Outcome, BTreeMap<String, usize>>,
    /// The outcome and the key of each, but for those that the shop deletes itself.
    pub items: Vec<String>,
}

impl std::fmt::Display for Report {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let total: usize = self.missing.values().flat_map(BTreeMap::values).sum();
        write!(formatter, "{total} items are missing from the live tables.")?;
        for (outcome, kinds) in &self.missing {
            let what = match (outcome, self.mode) {
                (Outcome::Back, Mode::Copy) => "Put back",
                (Outcome::Back, Mode::Report) => "Can be put back",
                (Outcome::Raced, _) => "Changed at the same time, run it again",
                (Outcome::Erased, _) => "Not put back, their users were erased",
                (Outcome::Unfit, _) => "Not put back, they contradict what is there",
                (Outcome::Expired, _) => "Not put back, expired",
                (Outcome::Passing, _) => "Not put back, the shop deletes such items itself",
                (Outcome::Unknown, _) => "Not put back, unknown to this version",
            };
            let kinds: Vec<_> = kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
            write!(formatter, "\n  {what}: {}", kinds.join(", "))?;
        }
        Ok(())
    }
}

/// Compares `restored` with the app's own tables. Reads all of `restored`; of the live tables it reads the same keys.
///
/// # Errors
/// If DynamoDB fails. Items already put back stay; run it again.
pub async fn run(app: &App, client: &Client, restored: &Tables, mode: Mode) -> Result<Report, Failure> {
    let live = Tables { items: app.config.table_name.clone(), credentials: app.config.credentials_table.clone() };
    if live.items == restored.items || live.credentials == restored.credentials {
        return Err("these are the live tables; name those that DynamoDB restored".into());
    }
    let now = app.clock.now();
    let work = Work { client, live: &live, restored, now: now.unix_timestamp(), written: now.format(&Rfc3339)? };
    let mut report = Report { mode, missing: BTreeMap::new(), items: Vec::new() };
    for (from, to) in [(&restored.items, &live.items), (&restored.credentials, &live.credentials)] {
        let mut pages = client.scan().table_name(from).into_paginator().send();
        while let Some(page) = pages.next().await {
            let items = page.map_err(|error| DisplayErrorContext(error).to_string())?.items.unwrap_or_default();
            for some in items.chunks(100) {
                for item in work.missing(to, some).await? {
                    let (pk, sk) = key(item).ok_or("an item has no key")?;
                    let outcome = work.decide(to, pk, sk, item, mode).await?;
                    if !matches!(outcome, Outcome::Passing | Outcome::Expired) {
                        report.items.push(format!("{outcome:?}\t{pk}\t{sk}"));
                    }
                    *report.missing.entry(outcome).or_default().entry(kind(pk, sk)).or_default() += 1;
                }
            }
        }
    }
    Ok(report)
}

fn key(item: &Item) -> Option<(&str, &str)> {
    Some((item.get("pk")?.as_s().ok()?, item.get("sk")?.as_s().ok()?))
}

fn keys(pk: &str, sk: &str) -> Item {
    [("pk", pk), ("sk", sk)].map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned()))).into()
}

/// What is compared.
struct Work<'a> {
    client: &'a Client,
    live: &'a Tables,
    restored: &'a Tables,
    /// In Unix seconds.
    now: i64,
    /// The same moment in RFC 3339.
    written: String,
}

impl Work<'_> {
    /// Those of up to 100 items that the table does not have.
    async fn missing<'a>(&self, table: &str, items: &'a [Item]) -> Result<Vec<&'a Item>, Failure> {
        let mut there = BTreeSet::new();
        let mut left: Vec<Item> = items.iter().filter_map(key).map(|(pk, sk)| keys(pk, sk)).collect();
        while !left.is_empty() {
            let wanted = KeysAndAttributes::builder().set_keys(Some(left)).projection_expression("pk, sk").consistent_read(true).build()?;
            let answer = self.client.batch_get_item().request_items(table, wanted).send().await;
            let answer = answer.map_err(|error| DisplayErrorContext(error).to_string())?;
            for item in answer.responses.iter().flat_map(HashMap::values).flatten() {
                there.extend(key(item).map(|(pk, sk)| (pk.to_owned(), sk.to_owned())));
            }
            left = answer.unprocessed_keys.unwrap_or_default().into_values().flat_map(|rest| rest.keys).collect();
        }
        let is_there = |item: &&Item| key(item).is_some_and(|(pk, sk)| there.contains(&(pk.to_owned(), sk.to_owned())));
        Ok(items.iter().filter(|item| !is_there(item)).collect())
    }

    /// Decides about a missing item, and puts it back if it belongs there.
    async fn decide(&self, table: &str, pk: &str, sk: &str, item: &Item, mode: Mode) -> Result<Outcome, Failure> {
        let Some(rule) = Rule::of(pk, sk) else { return Ok(Outcome::Unknown) };
        let ttl = item.get("ttl").and_then(|ttl| ttl.as_n().ok()?.parse::<i64>().ok());
        let checks = match rule {
            Rule::Passing => return Ok(Outcome::Passing),
            _ if ttl.is_some_and(|ttl| ttl <= self.now) => return Ok(Outcome::Expired),
            Rule::Lasts | Rule::UntilErased => Vec::new(),
            Rule::IfItFits => match self.fits(pk, sk, item).await? {
                Some(checks) => checks,
                None => return Ok(Outcome::Unfit),
            },
        };
        let owner = fits::owner(pk, sk, item).filter(|_| rule != Rule::Lasts);
        let is_erased = match owner {
            Some(owner) => self.record(&format!("USER#{owner}"), "ERASED").await?.is_some(),
            None => false,
        };
        let is_course = kind(pk, sk) == "COURSE";
        if is_erased && !is_course {
            return Ok(Outcome::Erased);
        }
        if mode == Mode::Report {
            return Ok(Outcome::Back);
        }
        let item = fits::as_written(pk, sk, item, &self.written);
        if is_erased {
            return self.put_back(table, fits::as_deleted(item), checks.into_iter()).await;
        }
        let not_erased = owner.map(|owner| Check::absent(format!("USER#{owner}"), "ERASED"));
        self.put_back(table, item, checks.into_iter().chain(not_erased)).await
    }

    async fn put_back(&self, table: &str, item: Item, checks: impl Iterator<Item = Check>) -> Result<Outcome, Failure> {
        let put = Put::builder().table_name(table).set_item(Some(item)).condition_expression("attribute_not_exists(pk)").build()?;
        let mut items = vec![TransactWriteItem::builder().put(put).build()];
        for check in checks {
            items.push(TransactWriteItem::builder().condition_check(check.of(&self.live.items)?).build());
        }
        match self.client.transact_write_items().set_transact_items(Some(items)).send().await {
            Ok(_) => Ok(Outcome::Back),
            Err(error) if error.as_service_error().is_some_and(TransactWriteItemsError::is_transaction_canceled_exception) => {
                Ok(Outcome::Raced)
            }
            Err(error) => Err(DisplayErrorContext(error).to_string().into()),
        }
    }

    /// An item of the live table or, if it is missing there, of the restored one.
    async fn record(&self, pk: &str, sk: &str) -> Result<Option<Item>, Failure> {
        for table in [&self.live.items, &self.restored.items] {
            let request = self.client.get_item().table_name(table).set_key(Some(keys(pk, sk))).consistent_read(true);
            let answer = request.send().await.map_err(|error| DisplayErrorContext(error).to_string())?;
            if answer.item.is_some() {
                return Ok(answer.item);
            }
        }
        Ok(None)
    }
}
