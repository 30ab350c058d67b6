//! Changes to a running subscription by its buyer: `/cancel`, `/resume` and `/switch`.
//!
//! Each sets a desired state, so repeating it has no further effect, and events report the outcome if a response is lost.
//! So no intent is recorded. The idempotency key contains the record's version, which every recorded response increments.

use serde::{Deserialize, Serialize};
use shared::domain::error::Error;
use shared::domain::membership::{Agreed, EndCause, Interval, Status, Subscription};
use shared::domain::money::{Currency, Price};
use shared::domain::user::User;
use shared::http::view::SubscriptionView;
use shared::http::{Request, Response, identity, request, response};
use shared::store::Written;
use shared::stripe::cards::is_payment_method;
use shared::stripe::error::StripeError;
use shared::stripe::memberships::Heard;
use shared::work::Services;
use shared::work::declines;
use shared::work::subscriptions::{end, set_renewals_fee, settle};
use time::OffsetDateTime;

use crate::begin::check_price;
use crate::cards;
use crate::subscriptions::own;

#[derive(Default, Deserialize)]
struct Cancel {
    #[serde(default)]
    at_once: bool,
}

/// `POST /subscriptions/{id}/cancel`: ends it with the current period, or immediately if the member wants that or
/// something is owed, which is then voided. Access lasts until the end of the paid time. Two trips to DynamoDB, and
/// calls to Stripe for the change and for the payments; three trips to end it at once; no call to Stripe if it is
/// already ending.
pub(crate) async fn cancel(services: &Services, request: &Request, id: &str) -> Result<Response, Error> {
    let (app, stripe) = (&services.app, &services.stripe);
    let (_, mut subscription) = own(services, request, id).await?;
    let body: Cancel = if request::bytes(request)?.is_empty() { Cancel::default() } else { request::json(request)? };
    if !subscription.status.runs() && !subscription.is_to_be_ended() {
        return Err(Error::SubscriptionNotRunning);
    }
    let owes = |subscription: &Subscription| subscription.owes || subscription.status.is_past_due();
    let mut at_once = body.at_once || owes(&subscription);
    if !at_once && !subscription.ending {
        change(services, &mut subscription, &[("cancel_at_period_end", "true")]).await?;
        // Its renewal was drafted or could not be paid, and no event has arrived yet.
        at_once = owes(&subscription);
    }
    if at_once {
        end(app, stripe, &mut subscription, EndCause::Member).await?;
    }
    Ok(response::json(200, &SubscriptionView::from(&subscription)))
}

#[derive(Default, Deserialize)]
struct Resume {
    payment_method: Option<String>,
    /// The response from the browser's challenge, see [`declines`].
    challenge: Option<String>,
}

/// `POST /subscriptions/{id}/resume`: undoes a cancellation before the period ends. A given payment method pays from
/// now on, and pays what is owed immediately: calls to Stripe for the card, the change, the open invoices and the
/// resulting state. If it still owes, for example because the cardholder must authenticate, the response says where to
/// pay: one more call. A card is counted before it is sent to Stripe, see [`declines`]: two more trips to DynamoDB,
/// and two for a decline.
pub(crate) async fn resume(services: &Services, request: &Request, id: &str) -> Result<Response, Error> {
    let app = &services.app;
    let (buyer, subscription) = own(services, request, id).await?;
    let body: Resume = if request::bytes(request)?.is_empty() { Resume::default() } else { request::json(request)? };
    if body.payment_method.as_deref().is_some_and(|id| !is_payment_method(id)) {
        return Err(Error::InvalidRequest("payment_method must be a Stripe payment method (pm_…)".to_owned()));
    }
    if !subscription.status.runs() || subscription.end.is_some() {
        return Err(Error::SubscriptionNotRunning);
    }
    let Some(card) = &body.payment_method else { return Box::pin(resume_with(services, &buyer, subscription, None)).await };
    let (token, address) = (identity::required(request, &app.config)?.token, identity::address(request, &app.config));
    let (_, counts) = app.store.user_and_declines(&token, &address, app.clock.now()).await?;
    declines::check(app, &buyer, &address, counts, body.challenge.as_deref()).await?;
    declines::take_try(app, &declines::card_try(app, &buyer.id, &address, card)).await?;
    let answer = Box::pin(resume_with(services, &buyer, subscription, Some(card))).await;
    declines::count(app, &buyer, &address, &answer).await?;
    answer
}

async fn resume_with(services: &Services, buyer: &User, mut subscription: Subscription, method: Option<&str>) -> Result<Response, Error> {
    let (app, stripe) = (&services.app, &services.stripe);
    check_charges(services, &subscription).await?;
    let mut fields = Vec::new();
    if subscription.ending {
        fields.push(("cancel_at_period_end", "false"));
    }
    let card = match method {
        Some(method) => Some(cards::for_subscription(services, buyer, &subscription, method).await?),
        None => None,
    };
    fields.extend(card.as_deref().map(|card| ("default_payment_method", card)));
    if !fields.is_empty() {
        change(services, &mut subscription, &fields).await?;
    }
    if let (Some(card), Status::PastDue) = (card, subscription.status) {
        let paid = stripe.pay_what_is_owed(&subscription, &card).await;
        let found = match paid {
            Ok(()) => stripe.find_subscription(&subscription, app.clock.now()).await,
            Err(error) => Err(error),
        };
        settle(app, stripe, &mut subscription, found).await?;
    }
    let payment_url = if subscription.status.is_past_due() { stripe.page_to_pay(&subscription).await? } else { None };
    Ok(response::json(200, &Resumed { subscription: (&subscription).into(), payment_url }))
}

/// The subscription, and how to pay what it still owes.
#[derive(Serialize)]
struct Resumed {
    #[serde(flatten)]
    subscription: SubscriptionView,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_url: Option<String>,
}

#[derive(Deserialize)]
struct Switch {
    interval: Interval,
    expected_amount: Option<i64>,
    expected_currency: Option<Currency>,
    /// The response from the browser's challenge, see [`declines`].
    challenge: Option<String>,
}

/// `POST /subscriptions/{id}/switch`: switches to the other interval at the current price. A more expensive
/// one starts now: the rest of the paid period is credited and the difference charged at once; if that
/// fails, nothing changes. A cheaper one starts when the period ends, so that no credit is left that could
/// pay another seller. First reads the current state from Stripe, because only paid time is credited. If the
/// minimum fee of the difference takes a higher percentage than the price, one more change sets that of the renewals. What is
/// asked for is recorded first, so that no percentage is ever read from what the account's owner can write. A switch may be the first
/// payment of a card, so its declines count, see [`declines`]: one more trip, and two for a decline.
pub(crate) async fn switch(services: &Services, request: &Request, id: &str) -> Result<Response, Error> {
    let app = &services.app;
    let (buyer, subscription) = own(services, request, id).await?;
    let body: Switch = request::json(request)?;
    if !subscription.status.runs() {
        return Err(Error::SubscriptionNotRunning);
    }
    let (token, address) = (identity::required(request, &app.config)?.token, identity::address(request, &app.config));
    let (_, counts) = app.store.user_and_declines(&token, &address, app.clock.now()).await?;
    declines::check(app, &buyer, &address, counts, body.challenge.as_deref()).await?;
    let answer = Box::pin(switch_to(services, subscription, body)).await;
    declines::count(app, &buyer, &address, &answer).await?;
    answer
}

async fn switch_to(services: &Services, mut subscription: Subscription, wanted: Switch) -> Result<Response, Error> {
    let (app, stripe) = (&services.app, &services.stripe);
    let Switch { interval, expected_amount, expected_currency, .. } = wanted;
    let found = stripe.find_subscription(&subscription, app.clock.now()).await;
    settle(app, stripe, &mut subscription, found).await?;
    if !subscription.status.runs() || subscription.ending || subscription.end.is_some() {
        return Err(Error::SubscriptionNotRunning);
    }
    if subscription.interval == interval {
        return Ok(response::json(200, &SubscriptionView::from(&subscription)));
    }
    check_paid(&subscription, app.clock.now())?;
    let (store, seller_id) = (&app.store, &subscription.seller_id);
    let (offer, seller, has_course) = tokio::join!(store.offer(seller_id), store.user(seller_id), store.offers_a_course(seller_id));
    let has_course = has_course?;
    let offer = offer?.filter(|offer| has_course && offer.currency == subscription.currency).ok_or(Error::IntervalNotOffered)?;
    let amount = offer.price(interval).ok_or(Error::IntervalNotOffered)?;
    Price { amount, currency: offer.currency }.check_shown(expected_amount, expected_currency)?;
    let seller = seller?.ok_or(Error::SellerNotConnected)?;
    check_price(services, &seller, subscription.charge_type, amount, offer.currency)?;
    let config = &app.config;
    let fee = seller.fee(&config.terms, &config.platform_country, config.default_fee_percent, offer.currency);
    let usual = fee.percent_of(amount).unwrap_or_else(|| "0".to_owned());
    check_charges(services, &subscription).await?;
    let price = stripe.price_of(&offer, interval, amount, subscription.account.as_deref()).await?;
    let item = subscription.item.clone().ok_or(Error::SubscriptionNotRunning)?;
    let ends_at = subscription.period_end.ok_or(Error::SubscriptionNotRunning)?.unix_timestamp().to_string();
    // The difference is less than the price, so the minimum fee is a larger part of it.
    let raised = fee.percent_of_part(amount - subscription.amount, amount).filter(|_| !subscription.switches_later(amount));
    // Stripe refuses a date of an earlier period. So if a new one has begun by then, its unpaid time is not credited.
    let prorated_at = app.clock.now().max(subscription.period_start().unwrap_or(OffsetDateTime::UNIX_EPOCH)).unix_timestamp().to_string();
    let mut fields = vec![
        ("application_fee_percent", raised.as_deref().unwrap_or(&usual)),
        ("items[0][id]", item.as_str()),
        ("items[0][price]", price.as_str()),
    ];
    if subscription.switches_later(amount) {
        // A trial is time that is not charged: here, time that is already paid. <https://docs.stripe.com/billing/subscriptions/trials>
        fields.extend([("proration_behavior", "none"), ("trial_end", ends_at.as_str())]);
    } else {
        if subscription.is_paid_less(app.clock.now()) {
            return Err(Error::PeriodRefunded);
        }
        fields.extend([("payment_behavior", "error_if_incomplete"), ("proration_behavior", "always_invoice")]);
        fields.push(("proration_date", prorated_at.as_str()));
    }
    subscription.asked = Some(Agreed { interval, amount, fee_percent: usual.clone(), switch_fee_percent: raised.clone() });
    if let Written::No(_) = app.store.write_subscription(&mut subscription, None).await? {
        return Err(Error::SubscriptionInProgress);
    }
    let changed = stripe.change_subscription(&subscription, &fields).await;
    if let Err(StripeError::Refused { .. } | StripeError::Declined { .. }) = &changed {
        // It was not made, so it must not count as agreed if the owner makes it later.
        subscription.asked = None;
    }
    match record(services, &mut subscription, changed).await {
        Err(Error::PaymentProviderError(code)) => {
            check_paid(&subscription, app.clock.now())?;
            return Err(Error::PaymentProviderError(code));
        }
        recorded => recorded?,
    }
    if let Err(error) = set_renewals_fee(app, stripe, &mut subscription).await {
        tracing::warn!(subscription_id = %subscription.id, %error, "the percentage of the renewals is left to the reconciliation");
    }
    Ok(response::json(200, &SubscriptionView::from(&subscription)))
}

/// Refuses a switch while part of the current period is not paid, or was refunded.
fn check_paid(subscription: &Subscription, now: OffsetDateTime) -> Result<(), Error> {
    if !subscription.status.is_past_due() && subscription.paid_until() >= subscription.period_end {
        return Ok(());
    }
    // What was refunded in full is not paid, and nothing is due for it either.
    let refunded = !subscription.status.is_past_due() && subscription.is_paid_less(now);
    Err(if refunded { Error::PeriodRefunded } else { Error::SubscriptionPastDue })
}

/// Refuses a change whose next invoice would also charge what the seller has added to the member's customer on their own account, or
/// that pays an invoice with such an addition: three calls to Stripe side by side. On the platform only staff could add anything.
async fn check_charges(services: &Services, subscription: &Subscription) -> Result<(), Error> {
    let Some(account) = subscription.account.as_deref() else { return Ok(()) };
    let stripe = &services.stripe;
    // Whether it owes is not taken from the record: the event of a failed renewal may come later.
    let (is_clean, owes_more) =
        tokio::try_join!(stripe.charges_nothing_else(&subscription.customer, Some(account)), stripe.owes_more_than_agreed(subscription))?;
    if is_clean && !owes_more { Ok(()) } else { Err(Error::OtherCharges) }
}

/// Has Stripe change it and records the resulting state. If Stripe refuses, it may have ended in the meantime.
async fn change(services: &Services, subscription: &mut Subscription, fields: &[(&str, &str)]) -> Result<(), Error> {
    let changed = services.stripe.change_subscription(subscription, fields).await;
    record(services, subscription, changed).await
}

/// Records the outcome of a change.
async fn record(services: &Services, subscription: &mut Subscription, changed: Result<Heard, StripeError>) -> Result<(), Error> {
    let (app, stripe) = (&services.app, &services.stripe);
    let refused = match &changed {
        Err(StripeError::Refused { code, .. }) => Some(code.clone()),
        _ => None,
    };
    let heard = if refused.is_some() { stripe.find_subscription(subscription, app.clock.now()).await } else { changed };
    settle(app, stripe, subscription, heard).await?;
    match refused {
        None => Ok(()),
        Some(_) if !subscription.status.runs() => Err(Error::SubscriptionNotRunning),
        Some(code) => Err(Error::PaymentProviderError(code)),
    }
}
