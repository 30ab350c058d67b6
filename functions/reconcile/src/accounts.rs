//! Finds what happened on connected accounts without an event. Each account has a time when it is to be read next, and continues where
//! its last reading ended. A run reads those that are due side by side, longest due first, until its time is up.
//!
//! An account on which something moved is due in the next run, others with payments in the one after it. So a lost event of any of
//! 10,000 accounts is found within an hour; `docs/operations.md` has the calls. An account without payments has nothing to refund or to
//! dispute, and is asked for its first payment once a day; the first payment that we hear of ends that.
//!
//! An account that revoked access, or whose seller has no link, cannot be
//! read. What happened there meanwhile is read once it is linked again.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Instant;

use futures_util::TryStreamExt as _;
use futures_util::stream::FuturesUnordered;
use shared::domain::error::Error;
use shared::domain::user::AccountState;
use shared::store::Store;
use shared::store::reconciliation::{Next, Progress, Reading};
use shared::stripe::accounts::Account;
use shared::stripe::error::StripeError;
use shared::stripe::objects::{Identified, List};
use shared::work::{self, Services};
use time::{Duration, OffsetDateTime};

use crate::movements::Entries;
use crate::orphans::{SLACK, YOUNG};
use crate::{Report, SIDE_BY_SIDE, at, late, orphans, save, subscriptions};

/// How much of an account's past is read in one step, in seconds.
const STEP: i64 = 24 * 60 * 60;

/// When to read again an account on which something moved. Less than the time between two runs.
const BUSY: Duration = Duration::minutes(14);

/// The same for other accounts with payments, and those that cannot be read: every second run. What moves right after one reading is ten
/// minutes old ([`YOUNG`]) in the next, or else in the one after it.
const QUIET: Duration = Duration::minutes(29);

/// The same for accounts without payments.
const UNUSED: Duration = Duration::hours(24);

/// How many pages of Stripe's list of accounts a run compares with our index.
const LISTED: usize = 10;

/// Reads the accounts that are due.
///
/// # Errors
/// If DynamoDB fails. Stripe's failures are left to the next run.
pub async fn run(services: &Services, until: Instant, progress: &mut Progress, report: &mut Report) -> Result<(), Error> {
    if !list(services, until, progress).await? {
        return Ok(());
    }
    let (store, now) = (&services.app.store, services.app.clock.now());
    let hour = Store::hour_of(now);
    let lines = store.ledger(hour - 1..hour + 1).await?;
    note_payments(services, lines.into_iter().filter_map(|line| line.account)).await?;

    let (mut due, mut after, mut has_more) = (VecDeque::new(), None, true);
    let mut running = FuturesUnordered::new();
    loop {
        while running.len() < SIDE_BY_SIDE && Instant::now() < until {
            if due.is_empty() && has_more {
                let (some, next) = store.due_accounts(now, after.take()).await?;
                due.extend(some);
                has_more = next.is_some();
                after = next;
            } else if let Some((account, reading)) = due.pop_front() {
                running.push(visit(services, account, reading, now, until));
            } else {
                break;
            }
        }
        let Some(one) = running.try_next().await? else { return Ok(()) };
        *report += one;
    }
}

/// Compares Stripe's list of accounts with our index, and adds those that it lacks: accounts that an earlier version linked, and those
/// that gave access back. Also takes in states that no event reported. Returns whether to continue.
async fn list(services: &Services, until: Instant, progress: &mut Progress) -> Result<bool, Error> {
    let (store, now) = (&services.app.store, services.app.clock.now());
    for _ in 0..LISTED {
        if Instant::now() >= until {
            break;
        }
        let after = progress.accounts_after.as_ref().map(|id| format!("&starting_after={id}")).unwrap_or_default();
        let asked_at = services.app.clock.now();
        let page: List<Account> = match services.stripe.get(&format!("/accounts?limit=100{after}"), None).await {
            Ok(page) => page,
            Err(error) => {
                tracing::warn!(%error, "the list of connected accounts is left to the next run");
                // The account at which it continues may be gone. The list is then read from its beginning.
                if matches!(error, StripeError::Refused { .. }) && progress.accounts_after.take().is_some() {
                    return save(services, progress).await;
                }
                break;
            }
        };
        let next = page.next().map(str::to_owned);
        let states: HashMap<String, AccountState> =
            page.data.into_iter().map(|account| (account.id.clone(), account.state(asked_at))).collect();
        let accounts: Vec<String> = states.keys().cloned().collect();
        for user in store.owners_of(&accounts).await? {
            let Some((account, before)) = user.stripe.as_ref().map(|link| (link.account_id.clone(), &link.state)) else { continue };
            if let Some(state) = states.get(&account).filter(|state| !before.is_like(state)) {
                let id = user.id.clone();
                let _recorded = work::accounts::take_in(&services.app, &id, &account, Some(user), state).await?;
            }
        }
        for (account, reading) in store.readings(&accounts).await? {
            if !reading.is_listed() {
                store.save_reading(&account, &reading, Next::At(now - BUSY)).await?;
            }
        }
        // If one page lists all accounts, there is no cursor to save.
        if next != progress.accounts_after {
            progress.accounts_after = next;
            if !save(services, progress).await? {
                return Ok(false);
            }
        }
        if progress.accounts_after.is_none() {
            break;
        }
    }
    Ok(true)
}

/// Notes that there are payments on these accounts, and that those of which it was not known are to be read at once. One trip
/// for a hundred of them.
///
/// # Errors
/// If DynamoDB fails.
pub async fn note_payments(services: &Services, accounts: impl Iterator<Item = String>) -> Result<(), Error> {
    let (store, now) = (&services.app.store, services.app.clock.now());
    let accounts: BTreeSet<String> = accounts.collect();
    let accounts: Vec<String> = accounts.into_iter().collect();
    for some in accounts.chunks(100) {
        for (account, mut reading) in store.readings(some).await? {
            if reading.has_payments != Some(true) {
                reading.has_payments = Some(true);
                let next = if reading.is_listed() { Next::At(now - BUSY) } else { Next::AsBefore };
                store.save_reading(&account, &reading, next).await?;
            }
        }
    }
    Ok(())
}

/// Reads one account, and decides when to read it again, counted from the time when the run `began`. Its failure must not hold up the others.
async fn visit(services: &Services, account: String, mut reading: Reading, began: OffsetDateTime, until: Instant) -> Result<Report, Error> {
    let (mut report, account, store) = (Report::default(), account.as_str(), &services.app.store);
    let read = read(services, account, &mut reading, until, &mut report).await;
    report.accounts += 1;
    let next = match read {
        Ok(_) if reading.has_payments == Some(false) => Next::At(began + UNUSED),
        Ok(moved) => Next::At(began + if moved { BUSY } else { QUIET }),
        // It keeps its place and is among the first in the next run.
        Err(_) if Instant::now() >= until => Next::AsBefore,
        Err(Error::SellerNotConnected) => Next::Never,
        // It may take much of a run's time, so it waits longer if it fails again.
        Err(_) => Next::At(began + if reading.failures > 0 { QUIET } else { BUSY }),
    };
    reading.failures = match (read, next) {
        (Err(error), Next::At(_)) => {
            tracing::warn!(account, %error, failures = reading.failures, "the account is left to a later run");
            report.unread += 1;
            reading.failures + 1
        }
        (Err(_), Next::AsBefore) => reading.failures,
        _ => 0,
    };
    store.save_reading(account, &reading, next).await?;
    Ok(report)
}

/// Reads what happened on an account since its last reading. Returns whether anything moved.
async fn read(services: &Services, account: &str, reading: &mut Reading, until: Instant, report: &mut Report) -> Result<bool, Error> {
    let newest = (services.app.clock.now() - YOUNG).unix_timestamp();
    let mut from = reading.from.unwrap_or_else(|| (reading.until - SLACK).unix_timestamp());
    if reading.has_payments != Some(true) {
        let since = reading.has_payments.map(|_| format!("&created[gte]={from}")).unwrap_or_default();
        let page: List<Identified> = services.stripe.get(&format!("/payment_intents?limit=1{since}"), Some(account)).await?;
        let has_payments = page.last.is_some();
        reading.has_payments = Some(has_payments);
        if !has_payments {
            reading.until = reading.until.max(at(newest));
            return Ok(false);
        }
    }
    let mut moved = false;
    while from < newest {
        if Instant::now() >= until {
            return Err(late());
        }
        let step = reading.step.unwrap_or(STEP);
        let to = newest.min(from + step);
        let looked = orphans::look_through(services, Some(account), from..to, until, report).await?;
        let mut entries = Entries::default();
        let shorter = match looked.shorter {
            None => entries.read(services, Some(account), &(from..to), until).await?,
            shorter => shorter,
        };
        if let Some(end) = shorter {
            reading.step = Some(end - from);
            services.app.store.save_reading(account, reading, Next::AsBefore).await?;
            continue;
        }
        entries.tell_unread(services, report).await?;
        entries.take_in(services, until, report).await?;
        subscriptions::catch_up(services, account, from..to, until, report).await?;
        moved |= looked.any || !entries.entries.is_empty();
        let to = looked.waits.unwrap_or(to);
        from = to;
        reading.until = reading.until.max(at(to));
        reading.from = (to < newest).then_some(to);
        reading.step = reading.step.map(|step| 2 * step).filter(|step| to < newest && *step < STEP);
        if looked.waits.is_some() {
            break;
        }
        if reading.from.is_some() {
            services.app.store.save_reading(account, reading, Next::AsBefore).await?;
        }
    }
    Ok(moved)
}
