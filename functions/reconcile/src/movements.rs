//! What moved on an account by Stripe's balance transactions, and what our records say about it.
//! <https://docs.stripe.com/api/balance_transactions>

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::time::Instant;

use shared::domain::error::Error;
use shared::domain::membership::{Refund, Subscription};
use shared::domain::money::Settled;
use shared::domain::purchase::{AttemptStatus, ChargeFacts, DisputeMove, DisputeStatus, Movement, MovementKind, Observation, Purchase};
use shared::store::books::LineKind;
use shared::store::payments::OfPayment;
use shared::stripe::error::StripeError;
use shared::stripe::objects::{BalanceTransaction, List};
use shared::work::Services;
use shared::work::settlement;

use crate::pages::shorter;
use crate::{Report, cause, late, orphans, repair, subscriptions};

/// Identifies a line: its kind and the charge's PaymentIntent, or the id of the refund or dispute.
pub type Name = (LineKind, String);

/// A movement on Stripe's side.
#[derive(Debug)]
pub struct Entry {
    /// The connected account; `None` is the platform's own.
    pub account: Option<String>,
    /// The balance transaction.
    pub transaction: String,
    /// In the currency of settlement.
    pub amount: i64,
    /// In the currency of the charge, if the source says so.
    pub charged: Option<(i64, String)>,
    /// The currency of settlement.
    pub currency: String,
    /// The PaymentIntent that it belongs to.
    pub payment_intent: String,
    /// Whether its metadata names a purchase.
    pub is_ours: bool,
    /// Stripe's fee, in the currency of settlement.
    pub stripe_fee: i64,
    /// The charge, refund or dispute.
    pub source: String,
    /// In Unix seconds.
    pub created: i64,
}

/// Stripe's movements on some accounts in a period. Charges come first, so that their refunds and disputes find the purchase.
#[derive(Debug, Default)]
pub struct Entries {
    /// By name.
    pub entries: BTreeMap<Name, Entry>,
    /// What Stripe has but cannot be parsed, by account.
    unread: Vec<(Option<String>, String)>,
}

impl Entries {
    /// Reads an account's balance transactions of a period, in Unix seconds. If there are many, or time is up, reads only
    /// some of the newest, and returns the end of a shorter period that probably has fewer.
    ///
    /// # Errors
    /// If Stripe fails.
    pub async fn read(
        &mut self,
        services: &Services,
        account: Option<&str>,
        period: &Range<i64>,
        until: Instant,
    ) -> Result<Option<i64>, StripeError> {
        let query =
            format!("/balance_transactions?limit=100&expand[]=data.source&created[gte]={}&created[lt]={}", period.start, period.end);
        let mut path = query.clone();
        for number in 1.. {
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
            let Some(next) = page.next() else { break };
            if let Some(end) = shorter(period, number, page.data.last().map(|transaction| transaction.created), until) {
                return Ok(Some(end));
            }
            path = format!("{query}&starting_after={next}");
        }
        Ok(None)
    }

    /// Reports what cannot be parsed, because it is not the same as a missing line.
    ///
    /// # Errors
    /// If DynamoDB fails.
    pub async fn tell_unread(&self, services: &Services, report: &mut Report) -> Result<(), Error> {
        for (account, id) in &self.unread {
            orphans::unreadable(services, account.as_deref(), std::slice::from_ref(id), report).await?;
        }
        Ok(())
    }

    /// Adds to purchases and subscriptions what they lack, also how it settled. Returns them in their new state, by PaymentIntent.
    ///
    /// # Errors
    /// If DynamoDB or Stripe fails, or time is up.
    pub async fn take_in(&self, services: &Services, until: Instant, report: &mut Report) -> Result<HashMap<String, Owner>, Error> {
        let payments: BTreeSet<String> = self.entries.values().map(|entry| entry.payment_intent.clone()).collect();
        let mut owners = owners(services, payments.into_iter().collect()).await?;
        for (name, entry) in &self.entries {
            // A payment that no purchase knows of is an orphan and has been handled as one.
            let Some(owner) = owners.get_mut(&entry.payment_intent) else { continue };
            let is_recorded = owner.recorded(name, entry).is_some_and(|ours| ours == entry.in_currency_of(owner));
            if is_recorded && !owner.lacks_settlement(name, entry) {
                continue;
            }
            if Instant::now() >= until {
                return Err(late());
            }
            let taken_in = match owner {
                Owner::Purchase(purchase) => {
                    let taken_in =
                        !is_recorded && repair::take_in(services, purchase, name.0, stripe_id(name), entry.account.as_deref()).await?;
                    learn_settlement(services, purchase, name, entry).await?;
                    taken_in
                }
                Owner::Subscription(subscription) => subscriptions::take_in(services, subscription, Some(&entry.payment_intent)).await?,
            };
            if taken_in && !is_recorded {
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
#[must_use]
pub fn stripe_id(name: &Name) -> &str {
    name.1.split(STAGE).next().unwrap_or_default()
}

impl Entry {
    /// What moved, in the currency of settlement; negative if money left the account.
    #[must_use]
    pub fn settled(&self) -> Settled {
        Settled { amount: self.amount, currency: self.currency.clone() }
    }

    /// The amount in the currency of the charge, which our records use; as settled if that is the same.
    #[must_use]
    pub fn in_currency_of(&self, owner: &Owner) -> i64 {
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

/// <https://docs.stripe.com/reports/balance-transaction-types>, <https://docs.stripe.com/reports/reporting-categories>
fn kind(transaction: &BalanceTransaction) -> Option<LineKind> {
    Some(match (transaction.kind.as_str(), transaction.reporting_category.as_str()) {
        // A debit that failed while it was pending: no refund, and never paid here.
        (_, "charge_failure") => return None,
        ("charge" | "payment", _) => LineKind::Charge,
        // What a bank returns has several types. Of a payment that is no card's, it is a refund in the other direction.
        (_, "refund_failure") | ("refund_failure", _) => LineKind::RefundFailure,
        ("refund" | "payment_refund", _) if transaction.amount > 0 => LineKind::RefundFailure,
        ("refund" | "payment_refund", _) => LineKind::Refund,
        (_, "dispute") => LineKind::Dispute,
        (_, "dispute_reversal") => LineKind::DisputeReversal,
        _ => return None,
    })
}

/// What a payment is for.
#[derive(Debug)]
pub enum Owner {
    /// A course.
    Purchase(Box<Purchase>),
    /// A membership.
    Subscription(Box<Subscription>),
}

impl Owner {
    /// The purchase, if it is one.
    #[must_use]
    pub fn purchase(&self) -> Option<&Purchase> {
        match self {
            Self::Purchase(purchase) => Some(purchase),
            Self::Subscription(_) => None,
        }
    }

    /// The subscription, if it is one.
    #[must_use]
    pub fn subscription(&self) -> Option<&Subscription> {
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

    /// The currency that it was sold in.
    #[must_use]
    pub fn currency(&self) -> &'static str {
        match self {
            Self::Purchase(purchase) => purchase.currency.code(),
            Self::Subscription(subscription) => subscription.currency.code(),
        }
    }

    /// What our record says about a movement: its amount, in the currency of the sale.
    #[must_use]
    pub fn recorded(&self, name: &Name, entry: &Entry) -> Option<i64> {
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

impl Owner {
    /// What our record says that a movement settled as; `None` if that is unknown, or not recorded because it was not converted.
    #[must_use]
    pub fn settled(&self, name: &Name, entry: &Entry) -> Option<Settled> {
        let (kind, id) = (name.0, stripe_id(name));
        let is_it = |one: &Option<String>| one.as_deref() == Some(id);
        match (self, kind) {
            (Self::Purchase(purchase), LineKind::Charge) => {
                let paid = purchase.attempts().iter().find(|attempt| is_it(&attempt.payment_intent))?;
                paid.charge.as_ref()?.settled.clone()
            }
            (Self::Subscription(subscription), LineKind::Charge) => {
                subscription.payments.iter().find(|payment| is_it(&payment.payment_intent))?.settled.clone()
            }
            (Self::Purchase(purchase), LineKind::Refund) => {
                let refund = purchase.movements().iter().find(|movement| is_it(&movement.stripe_id))?;
                refund.settled.as_ref().map(|cost| Settled { amount: -cost.amount, currency: cost.currency.clone() })
            }
            (Self::Purchase(purchase), LineKind::Dispute | LineKind::DisputeReversal) => {
                let mut moves = purchase.disputes().iter().flat_map(|dispute| &dispute.moves);
                moves.find(|one| one.id == entry.transaction).map(|one| one.moved.clone())
            }
            (Self::Subscription(subscription), LineKind::Dispute | LineKind::DisputeReversal) => {
                let mut moves = subscription.payments.iter().flat_map(|payment| &payment.disputes).flat_map(|dispute| &dispute.moves);
                moves.find(|one| one.id == entry.transaction).map(|one| one.moved.clone())
            }
            (Self::Subscription(subscription), LineKind::Refund) => {
                let cost = refund_of(subscription, id)?.settled.as_ref()?;
                Some(Settled { amount: -cost.amount, currency: cost.currency.clone() })
            }
            (Self::Purchase(purchase), LineKind::RefundFailure) => {
                purchase.movements().iter().find(|movement| is_it(&movement.stripe_id))?.returned.clone()
            }
            (Self::Subscription(subscription), LineKind::RefundFailure) => refund_of(subscription, id)?.returned.clone(),
            (_, LineKind::CurrencyDifference) => None,
        }
    }

    /// Whether it is not on record yet how a movement settled. A charge is booked up to an hour after the payment, and its event is of no
    /// use while the account cannot be read. Hosted Checkout's objects do not say it at all.
    fn lacks_settlement(&self, (kind, id): &Name, entry: &Entry) -> bool {
        match (self, kind) {
            (Self::Purchase(purchase), LineKind::Charge) => lacks_fee(purchase, entry).is_some(),
            (Self::Purchase(purchase), LineKind::Refund | LineKind::RefundFailure) => lacks_conversion(purchase, id, entry),
            (Self::Subscription(subscription), LineKind::Charge) => {
                let payment = subscription.payments.iter().find(|payment| payment.payment_intent.as_ref() == Some(id));
                payment.is_some_and(|payment| payment.settled.is_none() || payment.stripe_fee.is_none())
            }
            (Self::Subscription(subscription), LineKind::Refund) => {
                entry.currency != subscription.currency.code() && refund_of(subscription, id).is_some_and(|refund| refund.settled.is_none())
            }
            (Self::Subscription(subscription), LineKind::RefundFailure) => {
                entry.currency != subscription.currency.code()
                    && refund_of(subscription, id).is_some_and(|refund| refund.returned.is_none())
            }
            (_, LineKind::Dispute | LineKind::DisputeReversal | LineKind::CurrencyDifference) => false,
        }
    }
}

/// The number of the paid attempt if the entry is its charge and the attempt lacks what it settled as or Stripe's fee.
fn lacks_fee(purchase: &Purchase, entry: &Entry) -> Option<u32> {
    let paid = purchase.paid_attempt().filter(|paid| paid.account == entry.account)?;
    let is_it = paid.payment_intent.as_ref() == Some(&entry.payment_intent);
    (is_it && (purchase.stripe_fee().is_none() || purchase.settled().is_none())).then_some(paid.number)
}

/// Whether a refund or its return was converted, and it is not on record what it moved.
fn lacks_conversion(purchase: &Purchase, refund: &str, entry: &Entry) -> bool {
    let is_it = |id: &Option<String>| id.as_deref() == Some(refund);
    let refund = purchase.movements().iter().find(|one| one.kind == MovementKind::Refund && is_it(&one.stripe_id));
    let known = |refund: &Movement| if entry.amount > 0 { refund.returned.is_some() } else { refund.settled.is_some() };
    refund.is_some_and(|refund| !known(refund)) && entry.currency != purchase.currency.code()
}

/// Records how a charge or refund settled, if that is not known. For payments through hosted Checkout, nothing else says it.
async fn learn_settlement(services: &Services, purchase: &mut Purchase, name: &Name, entry: &Entry) -> Result<(), Error> {
    let (app, cause) = (&services.app, cause(services));
    match name.0 {
        LineKind::Charge => {
            let Some(number) = lacks_fee(purchase, entry) else { return Ok(()) };
            let facts = ChargeFacts {
                id: entry.source.clone(),
                stripe_fee: Some(entry.stripe_fee),
                settled: Some(entry.settled()),
                created: Some(entry.created),
                ..ChargeFacts::default()
            };
            let seen = Observation { charge: Some(facts), ..Observation::of(AttemptStatus::Paid) };
            settlement::change(app, purchase, &cause, |purchase, now| purchase.observe(number, &seen, &cause, now)).await?;
        }
        LineKind::Refund | LineKind::RefundFailure if lacks_conversion(purchase, stripe_id(name), entry) => {
            // The rate changes between the sale and its refund.
            let moved = entry.settled();
            let change = |purchase: &mut Purchase, now| purchase.observe_conversion(stripe_id(name), &moved, &cause, now);
            settlement::change(app, purchase, &cause, change).await?;
        }
        LineKind::Refund | LineKind::RefundFailure | LineKind::Dispute | LineKind::DisputeReversal | LineKind::CurrencyDifference => {}
    }
    Ok(())
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

/// A refund to a member.
fn refund_of<'a>(subscription: &'a Subscription, id: &str) -> Option<&'a Refund> {
    subscription.payments.iter().flat_map(|payment| &payment.refunds).find(|refund| refund.id == id)
}

/// The same for a subscription's invoices.
fn recorded_of_invoices(subscription: &Subscription, (kind, id): &Name) -> Option<i64> {
    let refund = || refund_of(subscription, id);
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
///
/// # Errors
/// If Stripe fails.
pub async fn look_up(services: &Services, (kind, id): &Name, account: Option<&str>) -> Result<Option<i64>, Error> {
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
