//! What a buyer changes of a subscription that runs: `/cancel`, `/resume` and `/switch`.
//!
//! Each sets how the subscription is to be, so that asking twice is asking once, and what came of a lost answer the events tell: no
//! intent is written. The key has the record's version, which every answer moves on.

use serde::Deserialize;
use shared::error::Error;
use shared::http::view::SubscriptionView;
use shared::http::{Request, Response, request, response};
use shared::membership::{Interval, Status, Subscription};
use shared::memberships::settle;
use shared::stripe::cards::is_payment_method;
use shared::stripe::error::StripeError;

use crate::Memberships;
use crate::begin::card;
use crate::subscriptions::own;

/// `POST /subscriptions/{id}/cancel`: it ends with the period that it is in. Two trips to DynamoDB and calls to Stripe for the change and
/// for what is paid; none where it is so already.
pub(crate) async fn cancel(this: &Memberships, request: &Request, id: &str) -> Result<Response, Error> {
    let (_, mut subscription) = own(this, request, id).await?;
    if !subscription.status.runs() {
        return Err(Error::SubscriptionNotRunning);
    }
    if !subscription.ending {
        change(this, &mut subscription, &[("cancel_at_period_end", "true")]).await?;
    }
    Ok(response::json(200, &SubscriptionView::from(&subscription)))
}

#[derive(Default, Deserialize)]
struct Resume {
    payment_method: Option<String>,
}

/// `POST /subscriptions/{id}/resume`: takes that back before the period is over. With a payment method, that one pays from now on, and
/// what is owed at once: calls to Stripe for the card, the change, the owed invoices, and how the subscription stands then.
pub(crate) async fn resume(this: &Memberships, request: &Request, id: &str) -> Result<Response, Error> {
    let (app, stripe) = (&this.app, &this.stripe);
    let (buyer, mut subscription) = own(this, request, id).await?;
    let body: Resume = if request::bytes(request)?.is_empty() { Resume::default() } else { request::json(request)? };
    if body.payment_method.as_deref().is_some_and(|id| !is_payment_method(id)) {
        return Err(Error::InvalidRequest("payment_method must be a Stripe payment method (pm_…)".to_owned()));
    }
    if !subscription.status.runs() {
        return Err(Error::SubscriptionNotRunning);
    }
    let mut fields = Vec::new();
    if subscription.ending {
        fields.push(("cancel_at_period_end", "false"));
    }
    let card = match &body.payment_method {
        Some(method) => {
            let account = subscription.account.as_deref();
            Some(card(this, &buyer, &subscription.seller_id, account, method, subscription.version).await?.method)
        }
        None => None,
    };
    fields.extend(card.as_deref().map(|card| ("default_payment_method", card)));
    if !fields.is_empty() {
        change(this, &mut subscription, &fields).await?;
    }
    if let (Some(card), Status::PastDue) = (card, subscription.status) {
        let paid = stripe.pay_what_is_owed(&subscription, &card).await;
        let found = match paid {
            Ok(()) => stripe.find_subscription(&subscription, app.clock.now()).await,
            Err(error) => Err(error),
        };
        settle(app, stripe, &mut subscription, found).await?;
    }
    Ok(response::json(200, &SubscriptionView::from(&subscription)))
}

#[derive(Deserialize)]
struct Switch {
    interval: Interval,
}

/// `POST /subscriptions/{id}/switch`: pays for another interval from now on, at the price that is offered now. What is left of the period
/// that was paid is credited, and the difference is charged at once: where that fails, all stays as it is. Stripe is asked first how the
/// subscription stands, since credit is given only for what was paid.
pub(crate) async fn switch(this: &Memberships, request: &Request, id: &str) -> Result<Response, Error> {
    let (app, stripe) = (&this.app, &this.stripe);
    let (_, mut subscription) = own(this, request, id).await?;
    let Switch { interval } = request::json(request)?;
    if !subscription.status.runs() {
        return Err(Error::SubscriptionNotRunning);
    }
    let found = stripe.find_subscription(&subscription, app.clock.now()).await;
    settle(app, stripe, &mut subscription, found).await?;
    if !subscription.status.runs() || subscription.ending {
        return Err(Error::SubscriptionNotRunning);
    }
    if subscription.interval == interval {
        return Ok(response::json(200, &SubscriptionView::from(&subscription)));
    }
    if subscription.status == Status::PastDue || subscription.paid_until() < subscription.period_end {
        return Err(Error::SubscriptionPastDue);
    }
    let (offer, seller) = tokio::join!(app.store.offer(&subscription.seller_id), app.store.user(&subscription.seller_id));
    let offer = offer?.filter(|offer| offer.currency == subscription.currency).ok_or(Error::IntervalNotOffered)?;
    let amount = offer.price(interval).ok_or(Error::IntervalNotOffered)?;
    let seller = seller?.ok_or(Error::SellerNotConnected)?;
    let fee = seller.fee(&app.config, app.config.default_fee_percent, offer.currency).percent_of(amount);
    let price = stripe.price_of(&offer, interval, amount, subscription.account.as_deref()).await?;
    let item = subscription.item.clone().ok_or(Error::SubscriptionNotRunning)?;
    let fields = [
        ("application_fee_percent", fee.as_deref().unwrap_or("0")),
        ("items[0][id]", item.as_str()),
        ("items[0][price]", price.as_str()),
        ("payment_behavior", "error_if_incomplete"),
        ("proration_behavior", "always_invoice"),
    ];
    change(this, &mut subscription, &fields).await?;
    Ok(response::json(200, &SubscriptionView::from(&subscription)))
}

/// Has Stripe change it, and records how it stands then. What Stripe refuses to change may have ended meanwhile.
async fn change(this: &Memberships, subscription: &mut Subscription, fields: &[(&str, &str)]) -> Result<(), Error> {
    let (app, stripe) = (&this.app, &this.stripe);
    let changed = stripe.change_subscription(subscription, fields).await;
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
