//! Payments at Stripe that are not on record. The purchase is written before Stripe is asked, so that there are none, unless
//! the table was restored from a backup or somebody wrote to it by hand.
//!
//! Our payments are known by their metadata. One whose purchase exists is taken in by it. One without is put on record where
//! buyer and course exist and the buyer does not have the course; otherwise, or where the platform's policy says so, it is given
//! back, or canceled before it is paid.

use std::time::Instant;

use shared::config::OrphanPolicy;
use shared::error::Error;
use shared::ids::{CourseId, PurchaseId, UserId};
use shared::purchase::{Attempt, ChargeType, Means, Purchase, Status, Terms};
use shared::settlement;
use shared::store::Written;
use shared::store::findings::Found;
use shared::store::reconciliation::Progress;
use shared::stripe::Post;
use shared::stripe::error::StripeError;
use shared::stripe::objects::{Identified, List, PaymentIntent, number};
use shared::user::PLATFORM;
use time::{Duration, OffsetDateTime};

use crate::{Reconcile, Report, cause, save};

/// What is younger is still being written down.
pub const YOUNG: Duration = Duration::minutes(10);

/// How much of the past one step looks through.
const STEP: Duration = Duration::hours(6);

/// Stripe's clock and ours differ by less.
pub const SLACK: Duration = Duration::minutes(2);

/// Looks through the platform's own payments since the last run.
///
/// # Errors
/// Where DynamoDB fails. What Stripe does not answer is left to the next run.
pub async fn run(reconcile: &Reconcile, until: Instant, progress: &mut Progress, report: &mut Report) -> Result<(), Error> {
    let newest = reconcile.app.clock.now() - YOUNG;
    while progress.orphans_until < newest && Instant::now() < until {
        let to = newest.min(progress.orphans_until + STEP);
        if let Err(error) = look_through(reconcile, None, progress.orphans_until - SLACK, to, report).await {
            tracing::warn!(%error, "Stripe's payments are left to the next run");
            return Ok(());
        }
        progress.orphans_until = to;
        if !save(reconcile, progress).await? {
            return Ok(());
        }
    }
    Ok(())
}

/// Looks through an account's payments of a time.
///
/// # Errors
/// Where it did not come to the end.
pub async fn look_through(
    reconcile: &Reconcile,
    account: Option<&str>,
    from: OffsetDateTime,
    to: OffsetDateTime,
    report: &mut Report,
) -> Result<(), Error> {
    let query = format!(
        "/payment_intents?limit=100&expand[]=data.latest_charge&created[gte]={}&created[lt]={}",
        from.unix_timestamp(),
        to.unix_timestamp()
    );
    let mut after: Option<String> = None;
    loop {
        let path = after.map_or_else(|| query.clone(), |id| format!("{query}&starting_after={id}"));
        let page: List<PaymentIntent> = reconcile.stripe.get(&path, account).await?;
        let ours: Vec<&PaymentIntent> = page.data.iter().filter(|payment| payment.metadata.contains_key("purchase_id")).collect();
        let ids: Vec<String> = ours.iter().map(|payment| payment.id.clone()).collect();
        let known = reconcile.app.store.purchases_of_payments(&ids).await?;
        for payment in ours.into_iter().filter(|payment| !known.contains_key(&payment.id)) {
            adopt(reconcile, account, payment, report).await?;
        }
        after = page.data.last().map(|payment| payment.id.clone());
        if !page.has_more || after.is_none() {
            return Ok(());
        }
    }
}

/// Takes in a payment that no purchase is known to have made.
async fn adopt(reconcile: &Reconcile, account: Option<&str>, payment: &PaymentIntent, report: &mut Report) -> Result<(), Error> {
    let app = &reconcile.app;
    let cause = cause(reconcile);
    let Some(id) = payment.metadata.get("purchase_id").and_then(|id| id.parse::<PurchaseId>().ok()) else { return Ok(()) };
    let number = number(&payment.metadata, "attempt");
    if let Some(mut purchase) = app.store.purchase(&id).await? {
        let attempt = purchase.find_attempt(Some(&payment.id), None, number);
        let attempt = attempt.and_then(|number| purchase.attempts().iter().find(|attempt| attempt.number == number)).cloned();
        if let Some(attempt) = attempt.filter(|attempt| attempt.amount == payment.amount && attempt.account.as_deref() == account) {
            let seen = payment.observe(attempt.means);
            if settlement::change(app, &mut purchase, &cause, |purchase, now| purchase.observe(attempt.number, &seen, &cause, now)).await? {
                report.repaired += 1;
            }
            return Ok(());
        }
    } else if app.config.orphan_policy == OrphanPolicy::Record && record(reconcile, &id, account, payment, &cause).await? {
        report.recorded += 1;
        tracing::warn!(purchase_id = %id, payment_intent = payment.id, "a payment was put on record that was not");
        let found = off_record(&id, account, payment);
        app.store.keep_finding(&found, app.clock.now()).await?;
        app.store.settle_finding(&found, app.clock.now()).await?;
        return Ok(());
    }
    give_back(reconcile, &id, account, payment, report).await
}

fn off_record(id: &PurchaseId, account: Option<&str>, payment: &PaymentIntent) -> Found {
    Found::PaymentOffRecord {
        payment_intent: payment.id.clone(),
        account: account.map(str::to_owned),
        purchase_id: id.clone(),
        currency: payment.currency.clone(),
        amount: payment.amount,
    }
}

/// Writes the purchase that the payment tells of. Says whether it could be.
async fn record(
    reconcile: &Reconcile,
    id: &PurchaseId,
    account: Option<&str>,
    payment: &PaymentIntent,
    cause: &str,
) -> Result<bool, Error> {
    let store = &reconcile.app.store;
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
    let seller_account = account.or(payment.destination()).map(str::to_owned).or(linked);
    let (Some(seller_account), Ok(currency)) = (seller_account, serde_json::from_value(payment.currency.clone().into())) else {
        return Ok(false);
    };
    // A separate charge's shares are not at Stripe; its transfers are not made by guess.
    if slot.as_ref().is_some_and(|slot| slot.ownership().is_paid()) || charge_type == ChargeType::Separate || id.buyer() != buyer.id {
        return Ok(false);
    }
    let started_at = OffsetDateTime::from_unix_timestamp(payment.created).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let mut purchase = Purchase::new(Terms {
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
    let customer = payment.customer.clone().or_else(|| buyer.customers.get(account.unwrap_or(PLATFORM)).cloned()).unwrap_or_default();
    let attempt = Attempt {
        number: number(&payment.metadata, "attempt").unwrap_or(1),
        means: Means::PaymentIntent,
        account: account.map(str::to_owned),
        idempotency_key: format!("{}:{id}:recorded", account.unwrap_or(PLATFORM)),
        body: String::new(),
        customer,
        payment_method: None,
        amount: payment.amount,
        application_fee: payment.application_fee_amount.unwrap_or(0),
        payees: Vec::new(),
        started_at,
        leased_until: started_at,
        payment_intent: Some(payment.id.clone()),
        checkout_session: None,
        charge: None,
        status: Status::Pending,
        failure: None,
    };
    let number = attempt.number;
    purchase.begin(attempt, cause);
    if let Written::No(_) = store.write_intent(&mut purchase, slot.as_ref()).await? {
        return Ok(false);
    }
    let seen = payment.observe(Means::PaymentIntent);
    settlement::change(&reconcile.app, &mut purchase, cause, |purchase, now| purchase.observe(number, &seen, cause, now)).await?;
    Ok(true)
}

/// Gives a payment back for which there is nothing, or only says so.
async fn give_back(
    reconcile: &Reconcile,
    id: &PurchaseId,
    account: Option<&str>,
    payment: &PaymentIntent,
    report: &mut Report,
) -> Result<(), Error> {
    let (app, found) = (&reconcile.app, off_record(id, account, payment));
    let paid = payment.status == "succeeded";
    if payment.status == "canceled" || (paid && payment.is_refunded()) {
        // The run that gave it back may not have come to say so.
        return Ok(app.store.settle_finding(&found, app.clock.now()).await?);
    }
    tracing::error!(purchase_id = %id, payment_intent = payment.id, amount = payment.amount, paid, "a payment belongs to no purchase");
    app.store.keep_finding(&found, app.clock.now()).await?;
    if app.config.orphan_policy == OrphanPolicy::Report {
        report.differences += 1;
        return Ok(());
    }
    let mut form: Vec<(&str, &str)> = Vec::new();
    if paid {
        form.extend([("payment_intent", payment.id.as_str()), ("metadata[orphan]", id.as_str())]);
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
    match reconcile.stripe.post::<Identified>(&Post { path: &path, body: &body, account, key: &key }).await {
        Ok(_) => {
            report.returned += 1;
            app.store.settle_finding(&found, app.clock.now()).await?;
        }
        // It moved on meanwhile: the next run sees how.
        Err(StripeError::Refused { code, .. }) => {
            tracing::warn!(payment_intent = payment.id, code, "the payment could not be given back");
            report.differences += 1;
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
