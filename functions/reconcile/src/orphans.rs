//! Payments at Stripe that are not on record. Purchases are written before Stripe is
//! called, so there are none unless the table was restored from a backup or edited by hand.
//!
//! Our payments are known by their metadata. If the purchase exists, the payment is added to it; otherwise it
//! is reported. If the operator's policy allows it, it is also put on record if buyer and course exist and the
//! buyer does not own the course, and otherwise refunded, or canceled if unpaid. What a refused attempt left unpaid is canceled. Payments of other deployments
//! on the same Stripe account are ignored. Payments that do not name their deployment are only reported.

use std::ops::Range;
use std::time::Instant;

use shared::domain::charging::{ChargeType, PLATFORM};
use shared::domain::error::Error;
use shared::domain::ids::{CourseId, PurchaseId, UserId};
use shared::domain::purchase::{Attempt, AttemptStatus, Means, Purchase, Terms};
use shared::settings::config::OrphanPolicy;
use shared::store::Written;
use shared::store::findings::Found;
use shared::store::reconciliation::Progress;
use shared::stripe::Post;
use shared::stripe::error::StripeError;
use shared::stripe::objects::{Identified, List, PaymentIntent, number};
use shared::work::Services;
use shared::work::settlement;
use time::Duration;

use crate::pages::shorter;
use crate::{Report, at, cause, late, save};

/// Younger payments may still be about to be recorded.
pub const YOUNG: Duration = Duration::minutes(10);

/// How much of the past is searched in one step, in seconds.
const STEP: i64 = 6 * 60 * 60;

/// How long to wait until Stripe has booked a payment, which it promises within an hour.
/// <https://docs.stripe.com/payments/payment-intents/asynchronous-capture>
const BOOKED: Duration = Duration::hours(2);

/// Stripe's clock and ours differ by less than this.
pub const SLACK: Duration = Duration::minutes(2);

/// Searches the platform's own payments since the last run.
///
/// # Errors
/// If DynamoDB fails. Stripe's failures are left to the next run.
pub async fn run(services: &Services, until: Instant, progress: &mut Progress, report: &mut Report) -> Result<(), Error> {
    let newest = (services.app.clock.now() - YOUNG).unix_timestamp();
    let mut from = progress.orphans_from.unwrap_or_else(|| (progress.orphans_until - SLACK).unix_timestamp());
    let mut step = STEP;
    while from < newest && Instant::now() < until {
        let to = newest.min(from + step);
        match look_through(services, None, from..to, until, report).await {
            Ok(Looked { shorter: Some(end), .. }) => step = end - from,
            Ok(Looked { waits, .. }) => {
                let to = waits.unwrap_or(to);
                (from, step) = (to, STEP.min(2 * step));
                progress.orphans_until = progress.orphans_until.max(at(to));
                progress.orphans_from = (to < newest).then_some(to);
                if !save(services, progress).await? || waits.is_some() {
                    return Ok(());
                }
            }
            Err(error) => {
                tracing::warn!(%error, "Stripe's payments are left to the next run");
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The result of searching a period.
#[derive(Clone, Copy, Debug, Default)]
pub struct Looked {
    /// If it has too many payments and was not searched, the end of a shorter one.
    pub shorter: Option<i64>,
    /// Whether there were payments of ours.
    pub any: bool,
    /// When the oldest payment was created that is to be looked at again in the next run.
    pub waits: Option<i64>,
}

/// Searches an account's payments of a period, in Unix seconds.
///
/// # Errors
/// If DynamoDB or Stripe fails, or time is up.
pub async fn look_through(
    services: &Services,
    account: Option<&str>,
    period: Range<i64>,
    until: Instant,
    report: &mut Report,
) -> Result<Looked, Error> {
    let query = format!("/payment_intents?limit=100&expand[]=data.latest_charge&created[gte]={}&created[lt]={}", period.start, period.end);
    let mut path = query.clone();
    let mut looked = Looked::default();
    for number in 1.. {
        let page: List<PaymentIntent> = services.stripe.get(&path, account).await?;
        unreadable(services, account, &page.unread, report).await?;
        let is_ours =
            |payment: &&PaymentIntent| payment.metadata.contains_key("purchase_id") && !services.stripe.is_anothers(&payment.metadata);
        let ours: Vec<&PaymentIntent> = page.data.iter().filter(is_ours).collect();
        looked.any |= !ours.is_empty();
        let ids: Vec<String> = ours.iter().map(|payment| payment.id.clone()).collect();
        let known = services.app.store.purchases_of_payments(&ids).await?;
        for payment in ours.into_iter().filter(|payment| !known.contains_key(&payment.id)) {
            if Instant::now() >= until {
                return Err(late());
            }
            if adopt(services, account, payment, report).await? {
                looked.waits = Some(looked.waits.map_or(payment.created, |oldest| oldest.min(payment.created)));
            }
        }
        let Some(next) = page.next() else { break };
        looked.shorter = shorter(&period, number, page.data.last().map(|payment| payment.created), until);
        if looked.shorter.is_some() {
            break;
        }
        path = format!("{query}&starting_after={next}");
    }
    Ok(looked)
}

/// Reports objects that cannot be parsed, for a person to look at.
///
/// # Errors
/// If DynamoDB fails.
pub async fn unreadable(services: &Services, account: Option<&str>, ids: &[String], report: &mut Report) -> Result<(), Error> {
    for id in ids {
        tracing::error!(stripe_id = id, account, "an object at Stripe cannot be parsed");
        report.differences += 1;
        let found = Found::Unreadable { stripe_id: id.clone(), account: account.map(str::to_owned) };
        services.app.store.keep_finding(&found, services.app.clock.now()).await?;
    }
    Ok(())
}

/// Handles a payment that no purchase on record names. Returns whether it has to wait.
async fn adopt(services: &Services, account: Option<&str>, payment: &PaymentIntent, report: &mut Report) -> Result<bool, Error> {
    let app = &services.app;
    let cause = cause(services);
    let Some(id) = payment.metadata.get("purchase_id").and_then(|id| id.parse::<PurchaseId>().ok()) else { return Ok(false) };
    let mut is_left_over = false;
    if let Some(mut purchase) = app.store.purchase(&id).await? {
        let place = services.stripe.place(account);
        if purchase.find_maker(&payment.made(&place)).is_some() {
            if settlement::change(app, &mut purchase, &cause, |purchase, now| payment.tell(purchase, &place, &cause, now)).await? {
                report.repaired += 1;
            }
            return Ok(false);
        }
        // Stripe created it and refused to confirm it, for example because it is not for a card. Its attempt has ended.
        is_left_over = matches!(payment.status.as_str(), "requires_payment_method" | "requires_confirmation" | "requires_action")
            && payment.metadata.contains_key("stack_id");
    } else if policy(services, payment) == OrphanPolicy::Record && record(services, &id, account, payment, &cause).await? {
        report.recorded += 1;
        tracing::warn!(purchase_id = %id, payment_intent = payment.id, "a missing payment was put on record");
        let found = off_record(&id, account, payment);
        app.store.keep_finding(&found, app.clock.now()).await?;
        app.store.settle_finding(&found, app.clock.now()).await?;
        return Ok(false);
    }
    give_back(services, &id, account, payment, is_left_over, report).await
}

/// What to do with it. Only this deployment's own payments may be recorded
/// or refunded; one that does not name its deployment is only reported.
fn policy(services: &Services, payment: &PaymentIntent) -> OrphanPolicy {
    if payment.metadata.contains_key("stack_id") { services.app.config.orphan_policy } else { OrphanPolicy::Report }
}

fn off_record(id: &PurchaseId, account: Option<&str>, payment: &PaymentIntent) -> Found {
    Found::PaymentOffRecord {
        payment_intent: payment.id.clone(),
        account: account.map(str::to_owned),
        purchase_id: id.clone(),
        currency: payment.currency.clone(),
        amount: payment.taken(),
    }
}

/// Writes the purchase that the payment describes. Returns whether that was possible.
async fn record(services: &Services, id: &PurchaseId, account: Option<&str>, payment: &PaymentIntent, cause: &str) -> Result<bool, Error> {
    let store = &services.app.store;
    let named = (payment.metadata.get("buyer_id"), payment.metadata.get("course_id"));
    let (Some(buyer), Some(course)) = named else { return Ok(false) };
    let (Ok(buyer), Ok(course)) = (buyer.parse::<UserId>(), course.parse::<CourseId>()) else { return Ok(false) };
    let (found, buyer, slot) = tokio::join!(store.course(&course), store.user(&buyer), store.slot(&buyer, &course));
    let (Some(course), Some(buyer), slot) = (found?, buyer?, slot?) else { return Ok(false) };
    let seller = store.user(&course.seller_id).await?;
    let linked = seller.and_then(|seller| seller.stripe).map(|link| link.account_id);
    let charge_type = match (account, payment.destination()) {
        (Some(_), _) => ChargeType::Direct,
        (None, Some(_)) => ChargeType::Destination,
        (None, None) => ChargeType::Separate,
    };
    // An account's owner can write metadata, and pay little for somebody else's course.
    let is_made_by_us = payment.made(&services.stripe.place(account)).by_platform;
    let is_price = (payment.taken(), payment.currency.as_str()) == (course.price.amount, course.price.currency.code());
    if account.is_some_and(|account| linked.as_deref() != Some(account) || !is_made_by_us || !is_price) {
        return Ok(false);
    }
    let seller_account = account.or(payment.destination()).map(str::to_owned).or(linked);
    let (Some(seller_account), Ok(currency)) = (seller_account, serde_json::from_value(payment.currency.clone().into())) else {
        return Ok(false);
    };
    // Stripe does not know the shares of a separate charge, and transfers are never guessed.
    if slot.as_ref().is_some_and(|slot| slot.ownership().is_paid()) || charge_type == ChargeType::Separate || id.buyer() != buyer.id {
        return Ok(false);
    }
    let started_at = at(payment.created);
    let purchase = Purchase::new(Terms {
        id: id.clone(),
        course_id: course.id,
        course_title: course.title,
        course_slug: course.slug,
        buyer_id: buyer.id.clone(),
        seller_id: course.seller_id,
        seller_account,
        charge_type,
        currency,
        at: started_at,
    });
    let mut purchase = purchase.of_stack(&services.app.config.stack_id);
    let customer = payment.customer.clone().or_else(|| buyer.customers.get(account.unwrap_or(PLATFORM)).cloned()).unwrap_or_default();
    let attempt = Attempt {
        number: number(&payment.metadata, "attempt").unwrap_or(1),
        means: Means::PaymentIntent,
        account: account.map(str::to_owned),
        idempotency_key: format!("{}:{id}:recorded", account.unwrap_or(PLATFORM)),
        body: String::new(),
        customer,
        payment_method: None,
        named: None,
        sent_again_at: None,
        amount: payment.taken(),
        application_fee: payment.application_fee_amount.unwrap_or(0),
        payees: Vec::new(),
        started_at,
        leased_until: started_at,
        payment_intent: Some(payment.id.clone()),
        checkout_session: None,
        charge: None,
        status: AttemptStatus::Pending,
        failure: None,
        sold: None,
    };
    let number = attempt.number;
    purchase.begin(attempt, cause);
    if let Written::No(_) = store.write_intent(&mut purchase, slot.as_ref()).await? {
        return Ok(false);
    }
    let seen = payment.observe(Means::PaymentIntent);
    settlement::change(&services.app, &mut purchase, cause, |purchase, now| purchase.observe(number, &seen, cause, now)).await?;
    Ok(true)
}

/// Refunds or cancels a payment that bought nothing, or only reports it. Nobody needs to know of what was left over unpaid.
/// Returns whether it waits for Stripe's booking, as the refund of a purchase does: Stripe would refuse, and repeat that for a day.
async fn give_back(
    services: &Services,
    id: &PurchaseId,
    account: Option<&str>,
    payment: &PaymentIntent,
    is_left_over: bool,
    report: &mut Report,
) -> Result<bool, Error> {
    let (app, found) = (&services.app, off_record(id, account, payment));
    let paid = payment.status == "succeeded";
    if payment.status == "canceled" || (paid && payment.is_refunded()) {
        // The run that refunded it may have died before settling the finding.
        app.store.settle_finding(&found, app.clock.now()).await?;
        return Ok(false);
    }
    if !is_left_over {
        tracing::error!(purchase_id = %id, payment_intent = payment.id, amount = payment.amount, paid, "a payment belongs to no purchase");
        app.store.keep_finding(&found, app.clock.now()).await?;
        if policy(services, payment) == OrphanPolicy::Report {
            report.differences += 1;
            return Ok(false);
        }
    }
    let has_parts = payment.application_fee_amount.is_some() || payment.destination().is_some();
    let unbooked_since = payment.unbooked_since().filter(|_| paid && has_parts);
    if unbooked_since.is_some_and(|since| app.clock.now() - at(since) < BOOKED) {
        return Ok(true);
    }
    let mut form: Vec<(&str, &str)> = Vec::new();
    if paid {
        form.extend([("payment_intent", payment.id.as_str()), ("metadata[orphan]", id.as_str())]);
        form.push(("metadata[stack_id]", services.stripe.stack_id()));
        if payment.application_fee_amount.is_some() {
            form.push(("refund_application_fee", "true"));
        }
        if payment.destination().is_some() {
            form.push(("reverse_transfer", "true"));
        }
    }
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let path = if paid { "/refunds".to_owned() } else { format!("/payment_intents/{}/cancel", payment.id) };
    let key = format!("{}:orphan:{}:{paid}", account.unwrap_or(PLATFORM), payment.id);
    match services.stripe.post::<Identified>(&Post { path: &path, body: &body, account, key: &key }).await {
        Ok(_) => {
            if is_left_over {
                report.repaired += 1;
            } else {
                report.returned += 1;
            }
            app.store.settle_finding(&found, app.clock.now()).await?;
        }
        // For example disputed meanwhile. Its finding stays open.
        Err(StripeError::Refused { code, .. }) => {
            tracing::warn!(payment_intent = payment.id, code, "the payment could not be refunded or canceled");
            report.differences += 1;
        }
        Err(error) => return Err(error.into()),
    }
    Ok(false)
}
