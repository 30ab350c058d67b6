//! Compares our ledger with Stripe's balance transactions, hour by hour: each of our charges, refunds and
//! disputes must be in both, with the same amount. <https://docs.stripe.com/api/balance_transactions>
//!
//! What only Stripe has is first read and added to our record; only what then still differs is a difference. An
//! event that arrived late is in a later hour of our ledger than of Stripe's, so such lines are looked up one
//! by one. An account that revoked access cannot be compared and does not hold up the others. Days are UTC.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::time::Instant;

use shared::base::metrics::{self, Unit};
use shared::domain::error::Error;
use shared::domain::membership::Subscription;
use shared::domain::money::Settled;
use shared::domain::purchase::{AttemptStatus, ChargeFacts, DisputeMove, DisputeStatus, Observation, Purchase};
use shared::store::Store;
use shared::store::books::{Line, LineKind};
use shared::store::findings::Found;
use shared::store::payments::OfPayment;
use shared::store::reconciliation::Progress;
use shared::stripe::error::StripeError;
use shared::stripe::objects::{BalanceTransaction, List};
use shared::work::Services;
use shared::work::settlement;
use time::OffsetDateTime;

use crate::{Report, cause, orphans, repair, save, subscriptions};

/// Hours newer than this are not compared yet, because events arrive late.
const SETTLED: i64 = 2;

/// After hours with little movement, this many times as many are compared at once, to catch up faster.
const FASTER: i64 = 4;

/// Up to this many movements count as little.
const LITTLE: usize = 100;

const HOUR: i64 = 3600;

/// Compares the hours that have settled since the last run.
///
/// # Errors
/// If DynamoDB fails. Stripe's failures are left to the next run.
pub async fn run(services: &Services, until: Instant, progress: &mut Progress, report: &mut Report) -> Result<(), Error> {
    let mut at_once = 1;
    loop {
        let (from, settled) = (progress.books_hour, Store::hour_of(services.app.clock.now()) - SETTLED);
        if from >= settled || Instant::now() >= until {
            return Ok(());
        }
        // Never across midnight, because each day is summed up.
        let to = settled.min(from + at_once).min((from.div_euclid(24) + 1) * 24);
        let hours = match Hours::compare(services, from..to, report).await {
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
        // Saved before the hours count as compared, because this run may die here. Two runs save the same findings.
        for found in &hours.differences {
            services.app.store.keep_finding(found, services.app.clock.now()).await?;
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

/// Identifies a line: its kind and the charge's PaymentIntent, or the id of the refund or dispute.
type Name = (LineKind, String);

/// A movement on Stripe's side.
struct Entry {
    account: Option<String>,
    /// The balance transaction.
    transaction: String,
    /// In the currency of settlement.
    amount: i64,
    /// In the currency of the charge, if the source says so.
    charged: Option<(i64, String)>,
    currency: String,
    payment_intent: String,
    is_ours: bool,
    stripe_fee: i64,
    source: String,
    created: i64,
}

/// Stripe's movements on some accounts in a period. Charges come first, so that their refunds and disputes find the purchase.
#[derive(Default)]
struct Entries {
    entries: BTreeMap<Name, Entry>,
    /// What Stripe has but cannot be parsed, by account.
    unread: Vec<(Option<String>, String)>,
}

impl Entries {
    /// Reads an account's balance transactions of a period, in Unix seconds, excluding the end.
    async fn read(&mut self, services: &Services, account: Option<&str>, from: i64, to: i64) -> Result<(), StripeError> {
        let query = format!("/balance_transactions?limit=100&expand[]=data.source&created[gte]={from}&created[lt]={to}");
        let mut path = query.clone();
        loop {
            let page: List<BalanceTransaction> = services.stripe.get(&path, account).await?;
            self.unread.extend(page.unread.iter().map(|id| (account.map(str::to_owned), id.clone())));
            for transaction in &page.data {
                let Some(kind) = kind(transaction) else { continue };
                let Some(source) = transaction.source() else {
                    self.unread.push((account.map(str::to_owned), transaction.id.clone()));
                    continue;
                };
                if services.stripe.is_anothers(&source.metadata) {
                    continue;
                }
                let Some(payment_intent) = source.payment_intent.clone() else { continue };
                let id = if kind == LineKind::Charge { payment_intent.clone() } else { source.id.clone() };
                let sign = if transaction.amount < 0 { -1 } else { 1 };
                let entry = Entry {
                    account: account.map(str::to_owned),
                    transaction: transaction.id.clone(),
                    amount: transaction.amount,
                    charged: (!source.currency.is_empty()).then(|| (sign * source.amount, source.currency.clone())),
                    currency: transaction.currency.clone(),
                    payment_intent,
                    is_ours: source.metadata.contains_key("purchase_id"),
                    stripe_fee: transaction.stripe_fee(),
                    source: source.id.clone(),
                    created: transaction.created,
                };
                // A dispute with several stages moves money several times.
                let name = if is_of_dispute(kind) { format!("{id}{STAGE}{}", transaction.id) } else { id };
                self.entries.insert((kind, name), entry);
            }
            let Some(next) = page.next() else { return Ok(()) };
            path = format!("{query}&starting_after={next}");
        }
    }

    /// Reports what cannot be parsed, because it is not the same as a missing line.
    async fn tell_unread(&self, services: &Services, report: &mut Report) -> Result<(), Error> {
        for (account, id) in &self.unread {
            orphans::unreadable(services, account.as_deref(), std::slice::from_ref(id), report).await?;
        }
        Ok(())
    }

    /// Adds to purchases and subscriptions what they lack. Returns them in their new state, by PaymentIntent.
    async fn take_in(&self, services: &Services, report: &mut Report) -> Result<HashMap<String, Owner>, Error> {
        let payments: BTreeSet<String> = self.entries.values().map(|entry| entry.payment_intent.clone()).collect();
        let mut owners = owners(services, payments.into_iter().collect()).await?;
        for (name, entry) in &self.entries {
            // A payment that no purchase knows of is an orphan and has been handled as one.
            let Some(owner) = owners.get_mut(&entry.payment_intent) else { continue };
            if owner.recorded(name, entry).is_some_and(|ours| ours == entry.in_currency_of(owner)) {
                continue;
            }
            let taken_in = match owner {
                Owner::Purchase(purchase) => repair::take_in(services, purchase, name.0, stripe_id(name), entry.account.as_deref()).await?,
                Owner::Subscription(subscription) => subscriptions::take_in(services, subscription, Some(&entry.payment_intent)).await?,
            };
            if taken_in {
                report.repaired += 1;
                tracing::warn!(kind = ?name.0, stripe_id = name.1, whose = owner.id(), "added from Stripe's books");
            }
        }
        Ok(owners)
    }
}

/// Separates a dispute's id from its balance transaction's.
const STAGE: char = '#';

/// The id to look up at Stripe.
fn stripe_id(name: &Name) -> &str {
    name.1.split(STAGE).next().unwrap_or_default()
}

impl Entry {
    /// The amount in the currency of the charge, which our records use; as settled if that is the same.
    fn in_currency_of(&self, owner: &Owner) -> i64 {
        match &self.charged {
            Some((amount, currency)) if self.currency != owner.currency() && currency == owner.currency() => *amount,
            _ => self.amount,
        }
    }
}

/// Whether it is a balance transaction of a dispute, which can have several.
fn is_of_dispute(kind: LineKind) -> bool {
    matches!(kind, LineKind::Dispute | LineKind::DisputeReversal)
}

/// Adds what moved on an account in a period without an event.
///
/// # Errors
/// If DynamoDB or Stripe fails.
pub async fn catch_up(
    services: &Services,
    account: &str,
    from: OffsetDateTime,
    to: OffsetDateTime,
    report: &mut Report,
) -> Result<(), Error> {
    let mut entries = Entries::default();
    entries.read(services, Some(account), from.unix_timestamp(), to.unix_timestamp()).await?;
    entries.tell_unread(services, report).await?;
    entries.take_in(services, report).await?;
    Ok(())
}

/// The result of comparing some hours.
#[derive(Default)]
struct Hours {
    /// How many movements there were, in the ledger or at Stripe.
    movements: usize,
    differences: Vec<Found>,
    /// By currency: ours, Stripe's.
    sums: BTreeMap<String, (i64, i64)>,
}

impl Hours {
    async fn compare(services: &Services, hours: Range<i64>, report: &mut Report) -> Result<Self, Error> {
        let ledger = services.app.store.ledger(hours.clone()).await?;
        let mut accounts: BTreeSet<Option<String>> = ledger.iter().map(|line| line.account.clone()).collect();
        accounts.insert(None);
        let mut entries = Entries::default();
        let mut closed: BTreeSet<String> = BTreeSet::new();
        for account in accounts {
            match (entries.read(services, account.as_deref(), hours.start * HOUR, hours.end * HOUR).await, account) {
                // We can no longer read this account's books; the others are compared.
                (Err(StripeError::AccountRevoked), Some(account)) => closed.extend([account]),
                (read, _) => read?,
            }
        }
        if !closed.is_empty() {
            tracing::warn!(?hours, accounts = ?closed, "accounts that revoked access are left out of these hours' books");
        }

        let mut compared = Self { movements: ledger.len().max(entries.entries.len()), ..Self::default() };
        entries.tell_unread(services, report).await?;
        let owners = entries.take_in(services, report).await?;
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
            // A day's sums are in the currency of settlement, where an exchange rate alone makes no difference.
            let in_settled = if ours == Some(stripe) { entry.amount } else { ours.unwrap_or(0) };
            compared.add(&entry.currency, in_settled, entry.amount);
            if ours != Some(stripe) {
                let currency =
                    owner.filter(|_| stripe != entry.amount).map_or_else(|| entry.currency.clone(), |owner| owner.currency().to_owned());
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
                compared.differ(found, &entry.payment_intent);
            }
            match (purchase, name.0) {
                (Some(purchase), LineKind::Charge) if purchase.stripe_fee().is_none() || purchase.settled().is_none() => {
                    learn_fee(services, purchase, entry).await?;
                }
                (Some(purchase), LineKind::Refund) if entry.currency != purchase.currency.code() => {
                    learn_conversion(services, purchase, stripe_id(name), entry).await?;
                }
                _ => {}
            }
        }
        let is_closed = |line: &Line| line.account.as_ref().is_some_and(|account| closed.contains(account));
        // Exchange differences of refunds exist only in our ledger.
        let ledger = ledger.iter().filter(|line| line.kind != LineKind::CurrencyDifference);
        let lines: BTreeMap<Name, &Line> = ledger.map(|line| ((line.kind, line.stripe_id.clone()), line)).collect();
        let heard: BTreeSet<Name> = entries.entries.keys().map(|name| (name.0, stripe_id(name).to_owned())).collect();
        for (name, line) in lines.into_iter().filter(|(name, line)| !heard.contains(name) && !is_closed(line)) {
            // Stripe has it at another time, or not at all.
            let stripe = look_up(services, &name, line.account.as_deref()).await?;
            if stripe != Some(line.amount) {
                compared.add(&line.currency, line.amount, stripe.unwrap_or(0));
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

    fn subscription(&self) -> Option<&Subscription> {
        match self {
            Self::Purchase(_) => None,
            Self::Subscription(subscription) => Some(subscription),
        }
    }

    fn id(&self) -> &str {
        match self {
            Self::Purchase(purchase) => purchase.id.as_str(),
            Self::Subscription(subscription) => subscription.id.as_str(),
        }
    }

    fn currency(&self) -> &'static str {
        match self {
            Self::Purchase(purchase) => purchase.currency.code(),
            Self::Subscription(subscription) => subscription.currency.code(),
        }
    }

    fn recorded(&self, name: &Name, entry: &Entry) -> Option<i64> {
        match self {
            Self::Purchase(purchase) if is_of_dispute(name.0) => {
                let dispute = purchase.disputes().iter().find(|dispute| dispute.id == stripe_id(name))?;
                let withdrew = dispute.status.withdrew() || dispute.has_withdrawn();
                Disputed { amount: dispute.amount, status: dispute.status, withdrew, moves: &dispute.moves }.recorded(name.0, entry)
            }
            Self::Purchase(purchase) => recorded(purchase, name),
            Self::Subscription(subscription) if is_of_dispute(name.0) => {
                let mut all = subscription.payments.iter().flat_map(|payment| &payment.disputes);
                let dispute = all.find(|dispute| dispute.id == stripe_id(name))?;
                let (amount, status, withdrew) = (dispute.amount, dispute.status, dispute.withdrew());
                Disputed { amount, status, withdrew, moves: &dispute.moves }.recorded(name.0, entry)
            }
            Self::Subscription(subscription) => recorded_of_invoices(subscription, name),
        }
    }
}

/// Reads what payments are for, a hundred per trip.
async fn owners(services: &Services, payments: Vec<String>) -> Result<HashMap<String, Owner>, Error> {
    let store = &services.app.store;
    let mut owners = HashMap::new();
    for some in payments.chunks(100) {
        for (payment, of) in store.purchases_of_payments(some).await? {
            let owner = match of {
                OfPayment::Paid(purchase) => Some(Owner::Purchase(purchase)),
                OfPayment::Known(id) => store.purchase(&id).await?.map(|purchase| Owner::Purchase(Box::new(purchase))),
                OfPayment::Subscription(id) => store.subscription(&id).await?.map(|found| Owner::Subscription(Box::new(found))),
            };
            let stack_id = &services.app.config.stack_id;
            let is_ours = |owner: &Owner| match owner {
                Owner::Purchase(purchase) => purchase.is_of_stack(stack_id),
                Owner::Subscription(subscription) => subscription.is_of_stack(stack_id),
            };
            let owner = owner.filter(is_ours);
            owners.extend(owner.map(|owner| (payment, owner)));
        }
    }
    Ok(owners)
}

/// The same for a subscription's invoices.
fn recorded_of_invoices(subscription: &Subscription, (kind, id): &Name) -> Option<i64> {
    let refund = || subscription.payments.iter().flat_map(|payment| &payment.refunds).find(|refund| refund.id == *id);
    match kind {
        LineKind::Charge => {
            let payment = subscription.payments.iter().find(|payment| payment.payment_intent.as_ref() == Some(id));
            payment.map(|payment| payment.amount)
        }
        LineKind::Refund => refund().map(|refund| -refund.amount),
        LineKind::RefundFailure => refund().filter(|refund| refund.failed).map(|refund| refund.amount),
        LineKind::Dispute | LineKind::DisputeReversal | LineKind::CurrencyDifference => None,
    }
}

/// A recorded dispute of a purchase or of a member's payment.
struct Disputed<'a> {
    amount: i64,
    status: DisputeStatus,
    /// Whether money was ever withdrawn for it.
    withdrew: bool,
    moves: &'a [DisputeMove],
}

impl Disputed<'_> {
    /// What our record says about one balance transaction of the dispute: the disputed amount, if it is known to have moved.
    fn recorded(&self, kind: LineKind, entry: &Entry) -> Option<i64> {
        let is_known = self.moves.iter().any(|one| one.id == entry.transaction);
        let is_reversal = kind == LineKind::DisputeReversal;
        let is_told = if is_reversal { self.status.is_won() } else { self.withdrew };
        let sign = if is_reversal { 1 } else { -1 };
        // Older records have no balance transactions of disputes; there only the status says what moved.
        (is_known || (self.moves.is_empty() && is_told)).then_some(sign * self.amount)
    }
}

/// What our record says about the line.
fn recorded(purchase: &Purchase, (kind, id): &Name) -> Option<i64> {
    let refund = || purchase.movements().iter().find(|movement| movement.stripe_id.as_ref() == Some(id));
    match kind {
        LineKind::Charge => {
            let paid = purchase.attempts().iter().find(|attempt| attempt.payment_intent.as_ref() == Some(id));
            paid.filter(|attempt| attempt.status.is_paid()).map(|attempt| attempt.amount)
        }
        LineKind::Refund => refund().map(|refund| -refund.amount),
        LineKind::RefundFailure => refund().filter(|refund| !refund.state.stands()).map(|refund| refund.amount),
        LineKind::Dispute | LineKind::DisputeReversal | LineKind::CurrencyDifference => None,
    }
}

/// What Stripe says about a line that its books do not have in these hours.
async fn look_up(services: &Services, (kind, id): &Name, account: Option<&str>) -> Result<Option<i64>, Error> {
    let stripe = &services.stripe;
    Ok(match kind {
        LineKind::Charge => stripe.payment_intent(id, account).await?.filter(|one| one.status == "succeeded").map(|one| one.amount),
        LineKind::Refund => stripe.refund(id, account).await?.map(|refund| -refund.amount),
        LineKind::RefundFailure => {
            let failed = stripe.refund(id, account).await?.filter(|refund| !refund.state().stands());
            failed.map(|refund| refund.amount)
        }
        LineKind::Dispute => stripe.dispute(id, account).await?.map(|dispute| -dispute.amount),
        LineKind::DisputeReversal => {
            let won = stripe.dispute(id, account).await?.filter(|dispute| dispute.status == Some(DisputeStatus::Won));
            won.map(|dispute| dispute.amount)
        }
        LineKind::CurrencyDifference => None,
    })
}

/// Records what a refund cost in the charge's currency of settlement; the rate changes between the two.
async fn learn_conversion(services: &Services, purchase: &Purchase, refund: &str, entry: &Entry) -> Result<(), Error> {
    let mut purchase = purchase.clone();
    let moved = Settled { amount: -entry.amount, currency: entry.currency.clone() };
    let cause = cause(services);
    settlement::change(&services.app, &mut purchase, &cause, |purchase, now| purchase.observe_conversion(refund, &moved, &cause, now))
        .await?;
    Ok(())
}

/// For payments through hosted Checkout, this is the first time that Stripe's fee is known.
async fn learn_fee(services: &Services, purchase: &Purchase, entry: &Entry) -> Result<(), Error> {
    let Some(paid) = purchase.paid_attempt().filter(|paid| paid.account == entry.account) else { return Ok(()) };
    let (number, mut purchase) = (paid.number, purchase.clone());
    let facts = ChargeFacts {
        id: entry.source.clone(),
        stripe_fee: Some(entry.stripe_fee),
        settled: Some(Settled { amount: entry.amount, currency: entry.currency.clone() }),
        created: Some(entry.created),
        transfer: None,
    };
    let seen = Observation { charge: Some(facts), ..Observation::of(AttemptStatus::Paid) };
    let cause = cause(services);
    settlement::change(&services.app, &mut purchase, &cause, |purchase, now| purchase.observe(number, &seen, &cause, now)).await?;
    Ok(())
}
