//! Our books against Stripe's, hour by hour: each charge, refund and dispute of ours that Stripe's balance transactions have must
//! be in the ledger with the same amount, and the other way round. <https://docs.stripe.com/api/balance_transactions>
//!
//! What Stripe has and our record lacks is asked for and taken in before it counts as a difference. What we heard late stands in
//! a later hour of ours than of Stripe's, and is looked up by itself. An account that took its access away cannot be compared, and does not hold up the others. Days are UTC.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::time::Instant;

use shared::error::Error;
use shared::membership::Subscription;
use shared::metrics::{self, Unit};
use shared::purchase::{ChargeFacts, DisputeStatus, MovementState, Observation, Purchase, Status};
use shared::settlement;
use shared::store::Store;
use shared::store::books::{Line, LineKind};
use shared::store::findings::Found;
use shared::store::purchases::OfPayment;
use shared::store::reconciliation::Progress;
use shared::stripe::error::StripeError;
use shared::stripe::objects::{BalanceTransaction, List};
use time::OffsetDateTime;

use crate::{Reconcile, Report, cause, repair, save, subscriptions};

/// How many hours back the newest is that is compared: events arrive late.
const SETTLED: i64 = 2;

/// How many times as many hours are compared at once after some in which little moved, where there is much to catch up with.
const FASTER: i64 = 4;

/// How many movements are little.
const LITTLE: usize = 100;

const HOUR: i64 = 3600;

/// Compares the hours that have settled since the last run.
///
/// # Errors
/// Where DynamoDB fails. What Stripe does not answer is left to the next run.
pub async fn run(reconcile: &Reconcile, until: Instant, progress: &mut Progress, report: &mut Report) -> Result<(), Error> {
    let mut at_once = 1;
    loop {
        let (from, settled) = (progress.books_hour, Store::hour_of(reconcile.app.clock.now()) - SETTLED);
        if from >= settled || Instant::now() >= until {
            return Ok(());
        }
        // Never over midnight: each day is summed up.
        let to = settled.min(from + at_once).min((from.div_euclid(24) + 1) * 24);
        let hours = match Hours::compare(reconcile, from..to, report).await {
            Ok(hours) => hours,
            Err(error) => {
                tracing::warn!(from, to, %error, "these hours' books are left to the next run");
                return Ok(());
            }
        };
        at_once = if hours.movements <= LITTLE { (at_once * FASTER).min(24) } else { 1 };
        for (currency, (ours, stripe)) in &hours.sums {
            let day = progress.day.entry(currency.clone()).or_default();
            day.ours += ours;
            day.stripe += stripe;
        }
        // Before the hours count as compared, or a run that ends here would have found nothing. Two runs find the same.
        for found in &hours.differences {
            reconcile.app.store.keep_finding(found, reconcile.app.clock.now()).await?;
        }
        progress.books_hour = to;
        let day_is_over = progress.books_hour % 24 == 0;
        let day = progress.day.clone();
        if day_is_over {
            progress.day.clear();
        }
        // Only who wrote the progress tells, so that two runs do not tell the same.
        if !save(reconcile, progress).await? {
            return Ok(());
        }
        report.hours += u32::try_from(to - from).unwrap_or(u32::MAX);
        report.differences += u32::try_from(hours.differences.len()).unwrap_or(u32::MAX);
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

/// What is told apart by it: the kind of a line, and the PaymentIntent of a charge, or the refund's or dispute's own id.
type Name = (LineKind, String);

/// What Stripe says has moved.
struct Entry {
    account: Option<String>,
    amount: i64,
    currency: String,
    payment_intent: String,
    is_ours: bool,
    stripe_fee: i64,
    source: String,
    created: i64,
}

/// What Stripe says has moved on some accounts within a time: charges first, so that what becomes of them finds their purchase.
#[derive(Default)]
struct Entries(BTreeMap<Name, Entry>);

impl Entries {
    /// Reads an account's balance transactions of a time, in Unix seconds, the end not among them.
    async fn read(&mut self, reconcile: &Reconcile, account: Option<&str>, from: i64, to: i64) -> Result<(), StripeError> {
        let query = format!("/balance_transactions?limit=100&expand[]=data.source&created[gte]={from}&created[lt]={to}");
        let mut after: Option<String> = None;
        loop {
            let path = after.map_or_else(|| query.clone(), |id| format!("{query}&starting_after={id}"));
            let page: List<BalanceTransaction> = reconcile.stripe.get(&path, account).await?;
            for transaction in &page.data {
                let (Some(kind), Some(source)) = (kind(transaction), transaction.source()) else { continue };
                let Some(payment_intent) = source.payment_intent.clone() else { continue };
                let id = if kind == LineKind::Charge { payment_intent.clone() } else { source.id.clone() };
                let entry = Entry {
                    account: account.map(str::to_owned),
                    amount: transaction.amount,
                    currency: transaction.currency.clone(),
                    payment_intent,
                    is_ours: source.metadata.contains_key("purchase_id"),
                    stripe_fee: transaction.stripe_fee(),
                    source: source.id.clone(),
                    created: transaction.created,
                };
                self.0.insert((kind, id), entry);
            }
            after = page.data.last().map(|transaction| transaction.id.clone());
            if !page.has_more || after.is_none() {
                return Ok(());
            }
        }
    }

    /// Has purchases and subscriptions take in what they lack of it. Answers them, as they are then, by their PaymentIntents.
    async fn take_in(&self, reconcile: &Reconcile, report: &mut Report) -> Result<HashMap<String, Owner>, Error> {
        let payments: BTreeSet<String> = self.0.values().map(|entry| entry.payment_intent.clone()).collect();
        let mut owners = owners(reconcile, payments.into_iter().collect()).await?;
        for (name, entry) in &self.0 {
            // A payment that no purchase knows of is an orphan, and has had its turn.
            let Some(owner) = owners.get_mut(&entry.payment_intent) else { continue };
            if owner.recorded(name) == Some(entry.amount) {
                continue;
            }
            let taken_in = match owner {
                Owner::Purchase(purchase) => repair::take_in(reconcile, purchase, name.0, &name.1, entry.account.as_deref()).await?,
                Owner::Subscription(_) if is_of_dispute(name.0) => false,
                Owner::Subscription(subscription) => subscriptions::take_in(reconcile, subscription, Some(&entry.payment_intent)).await?,
            };
            if taken_in {
                report.repaired += 1;
                tracing::warn!(kind = ?name.0, stripe_id = name.1, whose = owner.id(), "taken in from Stripe's books");
            }
        }
        Ok(owners)
    }
}

/// Of a membership nothing follows from a dispute here, and so none is on record.
fn is_of_dispute(kind: LineKind) -> bool {
    matches!(kind, LineKind::Dispute | LineKind::DisputeReversal)
}

/// Takes in what moved on an account within a time and no event told.
///
/// # Errors
/// Where DynamoDB or Stripe fails.
pub async fn catch_up(
    reconcile: &Reconcile,
    account: &str,
    from: OffsetDateTime,
    to: OffsetDateTime,
    report: &mut Report,
) -> Result<(), Error> {
    let mut entries = Entries::default();
    entries.read(reconcile, Some(account), from.unix_timestamp(), to.unix_timestamp()).await?;
    entries.take_in(reconcile, report).await?;
    Ok(())
}

/// What some hours came to.
#[derive(Default)]
struct Hours {
    /// How many movements there were, in the ledger or at Stripe.
    movements: usize,
    differences: Vec<Found>,
    /// By currency: ours, Stripe's.
    sums: BTreeMap<String, (i64, i64)>,
}

impl Hours {
    async fn compare(reconcile: &Reconcile, hours: Range<i64>, report: &mut Report) -> Result<Self, Error> {
        let ledger = reconcile.app.store.ledger(hours.clone()).await?;
        let mut accounts: BTreeSet<Option<String>> = ledger.iter().map(|line| line.account.clone()).collect();
        accounts.insert(None);
        let mut entries = Entries::default();
        let mut closed: BTreeSet<String> = BTreeSet::new();
        for account in accounts {
            match (entries.read(reconcile, account.as_deref(), hours.start * HOUR, hours.end * HOUR).await, account) {
                // It shows its books to us no more; those of all others are compared.
                (Err(StripeError::AccountRevoked), Some(account)) => closed.extend([account]),
                (read, _) => read?,
            }
        }
        if !closed.is_empty() {
            tracing::warn!(?hours, accounts = ?closed, "accounts that took their access away are left out of these hours' books");
        }

        let mut compared = Self { movements: ledger.len().max(entries.0.len()), ..Self::default() };
        let owners = entries.take_in(reconcile, report).await?;
        for (name, entry) in &entries.0 {
            let owner = owners.get(&entry.payment_intent);
            if owner.is_none() && !entry.is_ours {
                // Another program's, on the same account; or an invoice's that we have not heard of: its line comes with it.
                continue;
            }
            if matches!(owner, Some(Owner::Subscription(_))) && is_of_dispute(name.0) {
                continue;
            }
            let purchase = owner.and_then(Owner::purchase);
            let ours = owner.and_then(|owner| owner.recorded(name));
            compared.add(&entry.currency, ours.unwrap_or(0), entry.amount);
            if ours != Some(entry.amount) {
                let found = Found::BooksDifference {
                    line: name.0,
                    stripe_id: name.1.clone(),
                    account: entry.account.clone(),
                    purchase_id: purchase.map(|purchase| purchase.id.clone()),
                    currency: entry.currency.clone(),
                    ours,
                    stripe: Some(entry.amount),
                };
                compared.differ(found, &entry.payment_intent);
            }
            if let Some(purchase) = purchase.filter(|purchase| name.0 == LineKind::Charge && purchase.stripe_fee().is_none()) {
                learn_fee(reconcile, purchase, entry).await?;
            }
        }
        let is_closed = |line: &Line| line.account.as_ref().is_some_and(|account| closed.contains(account));
        let lines: BTreeMap<Name, &Line> = ledger.iter().map(|line| ((line.kind, line.stripe_id.clone()), line)).collect();
        for (name, line) in lines.into_iter().filter(|(name, line)| !entries.0.contains_key(name) && !is_closed(line)) {
            // Stripe has it at another time, or not at all.
            let stripe = look_up(reconcile, &name, line.account.as_deref()).await?;
            if stripe != Some(line.amount) {
                compared.add(&line.currency, line.amount, stripe.unwrap_or(0));
                let found = Found::BooksDifference {
                    line: line.kind,
                    stripe_id: line.stripe_id.clone(),
                    account: line.account.clone(),
                    purchase_id: line.purchase_id.clone(),
                    currency: line.currency.clone(),
                    ours: Some(line.amount),
                    stripe,
                };
                compared.differ(found, line.whose());
            }
        }
        Ok(compared)
    }

    fn add(&mut self, currency: &str, ours: i64, stripe: i64) {
        let sums = self.sums.entry(currency.to_owned()).or_default();
        sums.0 += ours;
        sums.1 += stripe;
    }

    fn differ(&mut self, found: Found, whose: &str) {
        if let Found::BooksDifference { line, stripe_id, ours, stripe, .. } = &found {
            tracing::error!(kind = ?line, stripe_id, ours, stripe, whose, "the books differ");
        }
        self.differences.push(found);
    }
}

fn kind(transaction: &BalanceTransaction) -> Option<LineKind> {
    Some(match (transaction.kind.as_str(), transaction.reporting_category.as_str()) {
        ("charge" | "payment", _) => LineKind::Charge,
        ("refund" | "payment_refund", _) => LineKind::Refund,
        ("refund_failure" | "payment_failure_refund", _) => LineKind::RefundFailure,
        ("adjustment", "dispute") => LineKind::Dispute,
        ("adjustment", "dispute_reversal") => LineKind::DisputeReversal,
        _ => return None,
    })
}

/// What a payment is for.
enum Owner {
    Purchase(Box<Purchase>),
    Subscription(Box<Subscription>),
}

impl Owner {
    fn purchase(&self) -> Option<&Purchase> {
        match self {
            Self::Purchase(purchase) => Some(purchase),
            Self::Subscription(_) => None,
        }
    }

    fn id(&self) -> &str {
        match self {
            Self::Purchase(purchase) => purchase.id.as_str(),
            Self::Subscription(subscription) => subscription.id.as_str(),
        }
    }

    fn recorded(&self, name: &Name) -> Option<i64> {
        match self {
            Self::Purchase(purchase) => recorded(purchase, name),
            Self::Subscription(subscription) => recorded_of_invoices(subscription, name),
        }
    }
}

/// What payments are for, a hundred a trip.
async fn owners(reconcile: &Reconcile, payments: Vec<String>) -> Result<HashMap<String, Owner>, Error> {
    let store = &reconcile.app.store;
    let mut owners = HashMap::new();
    for some in payments.chunks(100) {
        for (payment, of) in store.purchases_of_payments(some).await? {
            let owner = match of {
                OfPayment::Paid(purchase) => Some(Owner::Purchase(purchase)),
                OfPayment::Known(id) => store.purchase(&id).await?.map(|purchase| Owner::Purchase(Box::new(purchase))),
                OfPayment::Subscription(id) => store.subscription(&id).await?.map(|found| Owner::Subscription(Box::new(found))),
            };
            owners.extend(owner.map(|owner| (payment, owner)));
        }
    }
    Ok(owners)
}

/// The same of a subscription's invoices.
fn recorded_of_invoices(subscription: &Subscription, (kind, id): &Name) -> Option<i64> {
    let refund = || subscription.payments.iter().flat_map(|payment| &payment.refunds).find(|refund| refund.id == *id);
    match kind {
        LineKind::Charge => {
            let payment = subscription.payments.iter().find(|payment| payment.payment_intent.as_ref() == Some(id));
            payment.map(|payment| payment.amount)
        }
        LineKind::Refund => refund().map(|refund| -refund.amount),
        LineKind::RefundFailure => refund().filter(|refund| refund.failed).map(|refund| refund.amount),
        LineKind::Dispute | LineKind::DisputeReversal => None,
    }
}

/// What our record says of it.
fn recorded(purchase: &Purchase, (kind, id): &Name) -> Option<i64> {
    let refund = || purchase.movements().iter().find(|movement| movement.stripe_id.as_ref() == Some(id));
    let dispute = || purchase.disputes().iter().find(|dispute| dispute.id == *id);
    match kind {
        LineKind::Charge => {
            let paid = purchase.attempts().iter().find(|attempt| attempt.payment_intent.as_ref() == Some(id));
            paid.filter(|attempt| attempt.status == Status::Paid).map(|attempt| attempt.amount)
        }
        LineKind::Refund => refund().map(|refund| -refund.amount),
        LineKind::RefundFailure => refund().filter(|refund| refund.state == MovementState::Failed).map(|refund| refund.amount),
        LineKind::Dispute => dispute().filter(|dispute| dispute.status >= DisputeStatus::NeedsResponse).map(|dispute| -dispute.amount),
        LineKind::DisputeReversal => dispute().filter(|dispute| dispute.status == DisputeStatus::Won).map(|dispute| dispute.amount),
    }
}

/// What Stripe says of a line that its own books do not have in these hours.
async fn look_up(reconcile: &Reconcile, (kind, id): &Name, account: Option<&str>) -> Result<Option<i64>, Error> {
    let stripe = &reconcile.stripe;
    Ok(match kind {
        LineKind::Charge => stripe.payment_intent(id, account).await?.filter(|one| one.status == "succeeded").map(|one| one.amount),
        LineKind::Refund => stripe.refund(id, account).await?.map(|refund| -refund.amount),
        LineKind::RefundFailure => {
            let failed = stripe.refund(id, account).await?.filter(|refund| refund.state() == MovementState::Failed);
            failed.map(|refund| refund.amount)
        }
        LineKind::Dispute => stripe.dispute(id, account).await?.map(|dispute| -dispute.amount),
        LineKind::DisputeReversal => {
            let won = stripe.dispute(id, account).await?.filter(|dispute| dispute.status == Some(DisputeStatus::Won));
            won.map(|dispute| dispute.amount)
        }
    })
}

/// Of a payment through hosted Checkout, Stripe's fee is first heard of here.
async fn learn_fee(reconcile: &Reconcile, purchase: &Purchase, entry: &Entry) -> Result<(), Error> {
    let Some(paid) = purchase.paid_attempt().filter(|paid| paid.account == entry.account) else { return Ok(()) };
    let (number, mut purchase) = (paid.number, purchase.clone());
    let facts = ChargeFacts { id: entry.source.clone(), stripe_fee: Some(entry.stripe_fee), created: Some(entry.created), transfer: None };
    let seen = Observation { charge: Some(facts), ..Observation::of(Status::Paid) };
    let cause = cause(reconcile);
    settlement::change(&reconcile.app, &mut purchase, &cause, |purchase, now| purchase.observe(number, &seen, &cause, now)).await?;
    Ok(())
}
