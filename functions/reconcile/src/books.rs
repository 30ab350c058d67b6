//! Our books against Stripe's, hour by hour: each charge, refund and dispute of ours that Stripe's balance transactions have must
//! be in the ledger with the same amount, and the other way round. <https://docs.stripe.com/api/balance_transactions>
//!
//! What we heard late stands in a later hour of ours than of Stripe's: it is looked up by itself before it counts as a
//! difference. An account that took its access away cannot be compared, and does not hold up the others. Days are UTC.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

use shared::error::Error;
use shared::metrics::{self, Unit};
use shared::purchase::{ChargeFacts, DisputeStatus, MovementState, Observation, Purchase, Status};
use shared::settlement;
use shared::store::Store;
use shared::store::books::{Line, LineKind};
use shared::store::findings::Found;
use shared::store::purchases::OfPayment;
use shared::store::reconciliation::Progress;
use shared::stripe::error::StripeError;
use shared::stripe::objects::{BalanceTransaction, Dispute, List, PaymentIntent, Refund};

use crate::{Reconcile, Report, save};

/// How many hours back the newest is that is compared: events arrive late.
const SETTLED: i64 = 2;

const HOUR: i64 = 3600;

/// Compares the hours that have settled since the last run.
///
/// # Errors
/// Where DynamoDB fails. What Stripe does not answer is left to the next run.
pub async fn run(reconcile: &Reconcile, until: Instant, progress: &mut Progress, report: &mut Report) -> Result<(), Error> {
    while progress.books_hour + SETTLED < Store::hour_of(reconcile.app.clock.now()) && Instant::now() < until {
        let hour = match Hour::compare(reconcile, progress.books_hour).await {
            Ok(hour) => hour,
            Err(error) => {
                tracing::warn!(hour = progress.books_hour, %error, "the hour's books are left to the next run");
                return Ok(());
            }
        };
        for (currency, (ours, stripe)) in &hour.sums {
            let day = progress.day.entry(currency.clone()).or_default();
            day.ours += ours;
            day.stripe += stripe;
        }
        // Before the hour counts as compared, or a run that ends here would have found nothing. Two runs find the same.
        for found in &hour.differences {
            reconcile.app.store.keep_finding(found, reconcile.app.clock.now()).await?;
        }
        progress.books_hour += 1;
        let day_is_over = progress.books_hour % 24 == 0;
        let day = progress.day.clone();
        if day_is_over {
            progress.day.clear();
        }
        // Only who wrote the progress tells, so that two runs do not tell the same.
        if !save(reconcile, progress).await? {
            return Ok(());
        }
        report.hours += 1;
        report.differences += u32::try_from(hour.differences.len()).unwrap_or(u32::MAX);
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
    Ok(())
}

type Name = (LineKind, String);

#[derive(Default)]
struct Hour {
    differences: Vec<Found>,
    /// By currency: ours, Stripe's.
    sums: BTreeMap<String, (i64, i64)>,
}

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

impl Hour {
    async fn compare(reconcile: &Reconcile, hour: i64) -> Result<Self, Error> {
        let ledger = reconcile.app.store.ledger(hour).await?;
        let mut accounts: BTreeSet<Option<String>> = ledger.iter().map(|line| line.account.clone()).collect();
        accounts.insert(None);
        let mut entries: HashMap<Name, Entry> = HashMap::new();
        let mut closed: BTreeSet<String> = BTreeSet::new();
        for account in accounts {
            match (read(reconcile, account.as_deref(), hour, &mut entries).await, account) {
                // It shows its books to us no more; those of all others are compared.
                (Err(StripeError::AccountRevoked), Some(account)) => closed.extend([account]),
                (read, _) => read?,
            }
        }
        if !closed.is_empty() {
            tracing::warn!(hour, accounts = ?closed, "accounts that took their access away are left out of the hour's books");
        }

        let mut compared = Self::default();
        let lines: HashMap<Name, &Line> = ledger.iter().map(|line| ((line.kind, line.stripe_id.clone()), line)).collect();
        let payments: BTreeSet<String> = entries.values().map(|entry| entry.payment_intent.clone()).collect();
        let purchases = purchases(reconcile, payments.into_iter().collect()).await?;
        for (name, entry) in &entries {
            let purchase = purchases.get(&entry.payment_intent);
            if purchase.is_none() && !entry.is_ours {
                // Another program's, on the same account.
                continue;
            }
            let ours = purchase.and_then(|purchase| recorded(purchase, name));
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
        for (name, line) in lines.into_iter().filter(|(name, line)| !entries.contains_key(name) && !is_closed(line)) {
            // Stripe has it in another hour, or not at all.
            let stripe = look_up(reconcile, &name, line.account.as_deref()).await?;
            if stripe != Some(line.amount) {
                compared.add(&line.currency, line.amount, stripe.unwrap_or(0));
                let found = Found::BooksDifference {
                    line: line.kind,
                    stripe_id: line.stripe_id.clone(),
                    account: line.account.clone(),
                    purchase_id: Some(line.purchase_id.clone()),
                    currency: line.currency.clone(),
                    ours: Some(line.amount),
                    stripe,
                };
                compared.differ(found, line.purchase_id.as_str());
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

/// Stripe's transactions of an account and hour.
async fn read(reconcile: &Reconcile, account: Option<&str>, hour: i64, entries: &mut HashMap<Name, Entry>) -> Result<(), StripeError> {
    let (from, to) = (hour * HOUR, (hour + 1) * HOUR);
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
            entries.insert((kind, id), entry);
        }
        after = page.data.last().map(|transaction| transaction.id.clone());
        if !page.has_more || after.is_none() {
            return Ok(());
        }
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

/// The purchases of payments, a hundred a trip.
async fn purchases(reconcile: &Reconcile, payments: Vec<String>) -> Result<HashMap<String, Purchase>, Error> {
    let store = &reconcile.app.store;
    let mut purchases = HashMap::new();
    for some in payments.chunks(100) {
        for (payment, of) in store.purchases_of_payments(some).await? {
            let purchase = match of {
                OfPayment::Paid(purchase) => Some(*purchase),
                OfPayment::Known(id) => store.purchase(&id).await?,
            };
            purchases.extend(purchase.map(|purchase| (payment, purchase)));
        }
    }
    Ok(purchases)
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

/// What Stripe says of a line that its hour does not have.
async fn look_up(reconcile: &Reconcile, (kind, id): &Name, account: Option<&str>) -> Result<Option<i64>, Error> {
    let stripe = &reconcile.stripe;
    let found = match kind {
        LineKind::Charge => {
            let payment = stripe.get::<PaymentIntent>(&format!("/payment_intents/{id}"), account).await;
            payment.map(|payment| (payment.status == "succeeded").then_some(payment.amount))
        }
        LineKind::Refund => stripe.get::<Refund>(&format!("/refunds/{id}"), account).await.map(|refund| Some(-refund.amount)),
        LineKind::RefundFailure => {
            let refund = stripe.get::<Refund>(&format!("/refunds/{id}"), account).await;
            refund.map(|refund| (refund.state() == MovementState::Failed).then_some(refund.amount))
        }
        LineKind::Dispute => stripe.get::<Dispute>(&format!("/disputes/{id}"), account).await.map(|dispute| Some(-dispute.amount)),
        LineKind::DisputeReversal => {
            let dispute = stripe.get::<Dispute>(&format!("/disputes/{id}"), account).await;
            dispute.map(|dispute| (dispute.status == Some(DisputeStatus::Won)).then_some(dispute.amount))
        }
    };
    match found {
        Ok(amount) => Ok(amount),
        Err(StripeError::Refused { status: 404, .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Of a payment through hosted Checkout, Stripe's fee is first heard of here.
async fn learn_fee(reconcile: &Reconcile, purchase: &Purchase, entry: &Entry) -> Result<(), Error> {
    let Some(paid) = purchase.paid_attempt().filter(|paid| paid.account == entry.account) else { return Ok(()) };
    let (number, mut purchase) = (paid.number, purchase.clone());
    let facts = ChargeFacts { id: entry.source.clone(), stripe_fee: Some(entry.stripe_fee), created: Some(entry.created), transfer: None };
    let seen = Observation { charge: Some(facts), ..Observation::of(Status::Paid) };
    let cause = format!("reconcile:{}", reconcile.app.clock.now().unix_timestamp());
    settlement::change(&reconcile.app, &mut purchase, &cause, |purchase, now| purchase.observe(number, &seen, &cause, now)).await?;
    Ok(())
}
