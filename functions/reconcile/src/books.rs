//! Compares our ledger with Stripe's balance transactions, hour by hour: each of our charges, refunds and
//! disputes must be in both, with the same amount, as charged and as settled. <https://docs.stripe.com/api/balance_transactions>
//!
//! What only Stripe has is first read and added to our record; only what then still differs is a difference. An
//! event that arrived late is in a later hour of our ledger than of Stripe's, so such lines are looked up one
//! by one. Days are UTC.
//!
//! The accounts of some hours are compared side by side, and the progress of each is saved. The hours are closed once all of
//! them are compared; only then are they added to the day's sums, in one write. An account that revoked access, or that cannot be
//! read in many runs, does not hold up the others.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::time::Instant;

use futures_util::TryStreamExt as _;
use futures_util::stream::FuturesUnordered;
use shared::base::metrics::{self, Unit};
use shared::domain::error::Error;
use shared::store::Store;
use shared::store::books::{Line, LineKind};
use shared::store::findings::Found;
use shared::store::reconciliation::{Compared, Progress};
use shared::stripe::error::StripeError;
use shared::work::Services;

use crate::movements::{Entries, Name, Owner, look_up, stripe_id};
use crate::{Report, SIDE_BY_SIDE, accounts, late, save};

/// Hours newer than this are not compared yet, because events arrive late.
const SETTLED: i64 = 2;

/// After hours with little movement, this many times as many are compared at once, to catch up faster.
const FASTER: i64 = 4;

/// Up to this many movements count as little.
const LITTLE: usize = 100;

/// After so many runs that could not read an account, two hours, its books are left out.
const TRIES: u32 = 8;

const HOUR: i64 = 3600;

/// Compares the hours that have settled since the last run.
///
/// # Errors
/// If DynamoDB fails. Stripe's failures are left to the next run.
pub async fn run(services: &Services, until: Instant, progress: &mut Progress, report: &mut Report) -> Result<(), Error> {
    let store = &services.app.store;
    let mut at_once = 1;
    loop {
        let (from, settled) = (progress.books_hour, Store::hour_of(services.app.clock.now()) - SETTLED);
        if from >= settled || Instant::now() >= until {
            return Ok(());
        }
        let begun = store.compared(from).await?;
        // Never across midnight, because each day is summed up.
        let to = settled.min(from + at_once).min((from.div_euclid(24) + 1) * 24);
        let to = begun.values().next().map_or(to, |one| one.hours_end);
        let hours = Hours { services, hours: from..to, until };
        let Some(compared) = hours.compare(begun, report).await? else { return Ok(()) };
        at_once = if compared.movements <= LITTLE { (at_once * FASTER).min(24) } else { 1 };
        for (currency, sums) in &compared.sums {
            let day = progress.day.entry(currency.clone()).or_default();
            day.ours += sums.ours;
            day.stripe += sums.stripe;
        }
        progress.books_hour = to;
        let day_is_over = progress.books_hour % 24 == 0;
        let day = progress.day.clone();
        if day_is_over {
            progress.day.clear();
        }
        // Only the run that saved the progress reports, so that two runs do not report the same.
        if !save(services, progress).await? {
            return Ok(());
        }
        report.hours += u32::try_from(to - from).unwrap_or(u32::MAX);
        report.differences += compared.differences;
        if day_is_over {
            for (currency, sums) in day {
                let difference = sums.ours - sums.stripe;
                tracing::info!(
                    day = progress.books_hour / 24 - 1,
                    currency,
                    ours = sums.ours,
                    stripe = sums.stripe,
                    difference,
                    "the day's books"
                );
                let minor_units = i32::try_from(difference.abs()).unwrap_or(i32::MAX);
                metrics::emit("BooksDifference", Unit::Count, f64::from(minor_units), &[("Currency", &currency)], &[]);
            }
        }
    }
}

/// The comparison of some hours, counted from 1970.
struct Hours<'a> {
    services: &'a Services,
    hours: Range<i64>,
    until: Instant,
}

/// One account's part; the platform's own is `None`.
type Account = Option<String>;

impl Hours<'_> {
    /// Continues with what earlier runs have `begun`. `None` if something is left to the next run.
    async fn compare(&self, begun: HashMap<Account, Compared>, report: &mut Report) -> Result<Option<Compared>, Error> {
        let mut lines: BTreeMap<Account, Vec<Line>> = BTreeMap::from([(None, Vec::new())]);
        for line in self.services.app.store.ledger(self.hours.clone()).await? {
            lines.entry(line.account.clone()).or_default().push(line);
        }
        accounts::note_payments(self.services, lines.keys().flatten().cloned()).await?;
        let begin = |account: &Account| {
            let beginning = Compared { hours_end: self.hours.end, until: self.hours.start * HOUR, ..Compared::default() };
            begun.get(account).cloned().unwrap_or(beginning)
        };
        // The platform first: if Stripe does not answer at all, no account is to blame.
        let platforms = lines.remove(&None).unwrap_or_default();
        let mut compared = begin(&None);
        if let Err(error) = self.account(None, &platforms, &mut compared, report).await {
            tracing::warn!(hours = ?self.hours, %error, "these hours' books are left to the next run");
            return Ok(None);
        }
        let mut all = vec![compared];
        let mut waiting = lines.iter();
        let mut running = FuturesUnordered::new();
        loop {
            while running.len() < SIDE_BY_SIDE
                && let Some((account, lines)) = waiting.next()
            {
                running.push(self.visit(account.as_deref(), lines, begin(account)));
            }
            let Some((compared, its_report)) = running.try_next().await? else { break };
            *report += its_report;
            all.push(compared);
        }
        Ok(all.iter().all(Compared::is_done).then(|| sum(all)))
    }

    /// Compares a connected account's books. Its failure must not hold up the others.
    async fn visit(&self, account: Option<&str>, lines: &[Line], mut compared: Compared) -> Result<(Compared, Report), Error> {
        let mut report = Report::default();
        let Err(error) = self.account(account, lines, &mut compared, &mut report).await else { return Ok((compared, report)) };
        if Instant::now() >= self.until {
            return Ok((compared, report));
        }
        compared.failures += 1;
        report.unread += 1;
        let failures = compared.failures;
        if failures >= TRIES {
            compared.until = compared.hours_end * HOUR;
            tracing::error!(hours = ?self.hours, account, failures, %error, "the account is left out of these hours' books");
        } else {
            tracing::warn!(hours = ?self.hours, account, failures, %error, "the account's books are left to the next run");
        }
        self.save(account, &compared).await?;
        Ok((compared, report))
    }

    /// Compares one account's books, in parts if much moved, and saves the progress.
    async fn account(&self, account: Option<&str>, lines: &[Line], compared: &mut Compared, report: &mut Report) -> Result<(), Error> {
        let end = self.hours.end * HOUR;
        while !compared.is_done() {
            if Instant::now() >= self.until {
                return Err(late());
            }
            let period = compared.until..compared.step.map_or(end, |step| end.min(compared.until + step));
            let mut entries = Entries::default();
            match entries.read(self.services, account, &period, self.until).await {
                Ok(None) => {
                    let part = self.part(&period, &entries, lines, report).await?;
                    let step = compared.step.map(|step| 2 * step);
                    *compared = Compared { step, ..sum([compared.clone(), Compared { until: period.end, ..part }]) };
                }
                Ok(Some(shorter)) => compared.step = Some(shorter - period.start),
                // We can no longer read this account's books; the others are compared.
                Err(StripeError::AccountRevoked) if account.is_some() => {
                    tracing::warn!(hours = ?self.hours, account, "an account that revoked access is left out of these hours' books");
                    compared.until = end;
                }
                Err(error) => return Err(error.into()),
            }
            // What one request told about the platform is as quickly read again.
            if account.is_some() || period != (self.hours.start * HOUR..end) {
                self.save(account, compared).await?;
            }
        }
        Ok(())
    }

    async fn save(&self, account: Option<&str>, compared: &Compared) -> Result<(), Error> {
        let app = &self.services.app;
        Ok(app.store.save_compared(self.hours.start, account, compared, app.clock.now()).await?)
    }

    /// Compares what moved in a period, in Unix seconds, with our records and the ledger's `lines`. Keeps what differs.
    async fn part(&self, period: &Range<i64>, entries: &Entries, lines: &[Line], report: &mut Report) -> Result<Compared, Error> {
        let lines: Vec<&Line> = lines.iter().filter(|line| period.contains(&line.at)).collect();
        let mut part = Compared { movements: lines.len().max(entries.entries.len()), ..Compared::default() };
        let (services, mut differences) = (self.services, Vec::new());
        entries.tell_unread(services, report).await?;
        let owners = entries.take_in(services, self.until, report).await?;
        for (name, entry) in &entries.entries {
            let owner = owners.get(&entry.payment_intent);
            if owner.is_none() && !entry.is_ours {
                // It belongs to another program on the same account, or to an
                // invoice that we have not heard of, which will add its own line.
                continue;
            }
            let purchase = owner.and_then(Owner::purchase);
            let ours = owner.and_then(|owner| owner.recorded(name, entry));
            let stripe = owner.map_or(entry.amount, |owner| entry.in_currency_of(owner));
            // What it settled as can differ although the charged amount is right.
            let settled = owner.and_then(|owner| owner.settled(name, entry)).filter(|_| ours == Some(stripe));
            let settled = settled.filter(|settled| *settled != entry.settled());
            // A day's sums are in the currency of settlement, where an exchange rate alone makes no difference.
            let as_settled = settled.as_ref().map(|settled| if settled.currency == entry.currency { settled.amount } else { 0 });
            let in_settled = if ours == Some(stripe) { as_settled.unwrap_or(entry.amount) } else { ours.unwrap_or(0) };
            add(&mut part, &entry.currency, in_settled, entry.amount);
            if ours != Some(stripe) || settled.is_some() {
                let is_charged = settled.is_none() && stripe != entry.amount;
                let currency = owner.filter(|_| is_charged).map_or_else(|| entry.currency.clone(), |owner| owner.currency().to_owned());
                let (ours, stripe) = if settled.is_some() { (as_settled, entry.amount) } else { (ours, stripe) };
                let found = Found::BooksDifference {
                    line: name.0,
                    stripe_id: stripe_id(name).to_owned(),
                    account: entry.account.clone(),
                    purchase_id: purchase.map(|purchase| purchase.id.clone()),
                    subscription_id: owner.and_then(Owner::subscription).map(|subscription| subscription.id.clone()),
                    currency,
                    ours,
                    stripe: Some(stripe),
                };
                differences.push(differ(found, &entry.payment_intent));
            }
        }
        // Exchange differences of refunds exist only in our ledger.
        let lines = lines.into_iter().filter(|line| line.kind != LineKind::CurrencyDifference);
        let lines: BTreeMap<Name, &Line> = lines.map(|line| ((line.kind, line.stripe_id.clone()), line)).collect();
        let heard: BTreeSet<Name> = entries.entries.keys().map(|name| (name.0, stripe_id(name).to_owned())).collect();
        for (name, line) in lines.into_iter().filter(|(name, _)| !heard.contains(name)) {
            if Instant::now() >= self.until {
                return Err(late());
            }
            // Stripe has it at another time, or not at all.
            let stripe = look_up(services, &name, line.account.as_deref()).await?;
            if stripe != Some(line.amount) {
                add(&mut part, &line.currency, line.amount, stripe.unwrap_or(0));
                let found = Found::BooksDifference {
                    line: line.kind,
                    stripe_id: line.stripe_id.clone(),
                    account: line.account.clone(),
                    purchase_id: line.purchase_id.clone(),
                    subscription_id: line.subscription_id.clone(),
                    currency: line.currency.clone(),
                    ours: Some(line.amount),
                    stripe,
                };
                differences.push(differ(found, line.whose()));
            }
        }
        // Kept before the hours count as compared, because this run may die. Two runs keep the same findings.
        for found in &differences {
            services.app.store.keep_finding(found, services.app.clock.now()).await?;
        }
        part.differences = u32::try_from(differences.len()).unwrap_or(u32::MAX);
        Ok(part)
    }
}

fn differ(found: Found, whose: &str) -> Found {
    if let Found::BooksDifference { line, stripe_id, ours, stripe, .. } = &found {
        tracing::error!(kind = ?line, stripe_id, ours, stripe, whose, "the books differ");
    }
    found
}

fn add(part: &mut Compared, currency: &str, ours: i64, stripe: i64) {
    let sums = part.sums.entry(currency.to_owned()).or_default();
    sums.ours += ours;
    sums.stripe += stripe;
}

/// Several parts together, compared as far as the last one.
fn sum(parts: impl IntoIterator<Item = Compared>) -> Compared {
    let mut total = Compared::default();
    for part in parts {
        for (currency, sums) in &part.sums {
            add(&mut total, currency, sums.ours, sums.stripe);
        }
        total.hours_end = total.hours_end.max(part.hours_end);
        total.until = part.until;
        total.movements += part.movements;
        total.differences += part.differences;
        total.failures = total.failures.max(part.failures);
    }
    total
}
