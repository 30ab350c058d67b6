//! `POST /subscriptions/{id}/refund`: refunds a member for a period, at the request of the seller or of staff.

use serde::Deserialize;
use shared::domain::audit::{Actor, Deed, Entry};
use shared::domain::charging::NEVER_MADE;
use shared::domain::error::Error;
use shared::domain::ids::SubscriptionId;
use shared::domain::membership::{AskedRefund, AskedState, Subscription};
use shared::domain::money::Price;
use shared::domain::purchase::{MOST_REFUNDS, REPEATED_WITHIN, share};
use shared::domain::user::User;
use shared::http::view::MemberView;
use shared::http::{Request, Response, identity, request, response};
use shared::store::Written;
use shared::store::refund_days::Allowance;
use shared::work::refund_caps::{self, SellersRefund};
use shared::work::subscriptions::give_back;
use shared::work::{Services, debts};

/// How many times to reread a record that others write as well.
const TRIES: usize = 8;

#[derive(Default, Deserialize)]
struct Body {
    invoice: Option<String>,
    amount: Option<i64>,
}

/// Refunds part of a period's price or, without an amount, everything that is left of it; without an invoice, for the newest
/// paid period. If several payments paid the invoice, it refunds one of them: the first that reaches, or else the one with most left. The refund is recorded before Stripe is called, so concurrent requests never refund more than was paid. Three
/// DynamoDB trips, and calls to Stripe for the refund, the subscription with its invoices, and what moved with the refund.
/// Until Stripe has booked the payment, the refund waits (202).
///
/// Sellers refund within the operator's caps, as for purchases. When a daily cap is reached, one more trip reads how
/// much the seller has sold. Staff need a password that was entered lately.
///
/// # Errors
/// See `openapi.yaml`.
pub(crate) async fn refund(services: &Services, request: &Request, id: &str) -> Result<Response, Error> {
    let app = &services.app;
    identity::required(request, &app.config)?;
    let body: Body = if request::bytes(request)?.is_empty() { Body::default() } else { request::json(request)? };
    let unknown = || Error::NotFound("subscription");
    let Ok(id) = id.parse::<SubscriptionId>() else {
        identity::user(request, app).await?;
        return Err(unknown());
    };
    let (by, subscription) = tokio::join!(identity::user_or_staff_with_password(request, app), app.store.subscription(&id));
    let (by, mut subscription) = (by?, subscription?.ok_or_else(unknown)?);
    if by.id == subscription.buyer_id && !by.is_staff {
        return Err(Error::Forbidden);
    }
    if by.id != subscription.seller_id && !by.is_staff {
        return Err(unknown());
    }
    if !by.is_staff && !by.may_sell() {
        return Err(Error::NotASeller);
    }
    if body.amount.is_some_and(|amount| amount < 1) {
        return Err(Error::InvalidRequest("amount must be at least 1 minor unit".to_owned()));
    }
    let invoice = match body.invoice {
        Some(invoice) if subscription.payments_of(&invoice).next().is_none() => return Err(Error::NotFound("invoice")),
        Some(invoice) => invoice,
        None => subscription.newest_invoice().ok_or(Error::NotPaid)?.to_owned(),
    };

    let wanted = Wanted { by: &by, invoice: &invoice, amount: body.amount, client_key: request::idempotency_key(request)? };
    let number = plan(services, &mut subscription, &wanted).await?;
    give_back(app, &services.stripe, &mut subscription, &invoice, number).await?;
    match state_of(&subscription, &invoice, number) {
        Some(AskedState::Refused(code)) if code == NEVER_MADE => Err(Error::PaymentProviderError(code)),
        Some(AskedState::Refused(code)) => Err(Error::RefundRefused(code)),
        // The reconciliation makes it once Stripe has booked the payment.
        Some(AskedState::Planned) => Ok(response::json(202, &MemberView::from(&subscription))),
        _ => Ok(response::json(200, &MemberView::from(&subscription))),
    }
}

struct Wanted<'a> {
    by: &'a User,
    invoice: &'a str,
    amount: Option<i64>,
    client_key: Option<String>,
}

fn state_of(subscription: &Subscription, invoice: &str, number: u32) -> Option<AskedState> {
    subscription.asked_of(invoice).find(|asked| asked.number == number).map(|asked| asked.state.clone())
}

/// Records the refund, or finds the one that this request repeats.
async fn plan(services: &Services, subscription: &mut Subscription, wanted: &Wanted<'_>) -> Result<u32, Error> {
    let app = &services.app;
    let mut more = None;
    for _ in 0..TRIES {
        let asked: Vec<AskedRefund> = subscription.asked_of(wanted.invoice).cloned().collect();
        if let Some(key) = &wanted.client_key
            && let Some(same) = asked.iter().find(|asked| asked.client_key.as_ref() == Some(key))
        {
            return match wanted.amount {
                Some(amount) if amount != same.amount => {
                    Err(Error::InvalidRequest("this Idempotency-Key was used for a refund of another amount".to_owned()))
                }
                _ => Ok(same.number),
            };
        }
        if let Some(open) = asked.iter().find(|asked| asked.state.is_planned()) {
            if wanted.client_key.is_none()
                && wanted.amount.map_or_else(|| subscription.refundable(wanted.invoice) == 0, |amount| amount == open.amount)
            {
                return Ok(open.number);
            }
            // Its outcome must be found before another begins.
            give_back(app, &services.stripe, subscription, wanted.invoice, open.number).await?;
        }
        let returned = |asked: &AskedRefund| {
            let mut refunds = subscription.payments_of(wanted.invoice).flat_map(|payment| &payment.refunds);
            matches!(&asked.state, AskedState::Made(id) if refunds.any(|refund| refund.failed && refund.id == *id))
        };
        let is_repeated = |asked: &AskedRefund| {
            !asked.state.is_refused()
                && !returned(asked)
                && asked.by == wanted.by.id
                && wanted.amount == Some(asked.amount)
                && app.clock.now() - asked.at < REPEATED_WITHIN
        };
        if wanted.client_key.is_none()
            && let Some(same) = asked.iter().find(|asked| is_repeated(asked))
        {
            return Ok(same.number);
        }
        let number = draft(services, subscription, wanted)?;
        if write(services, subscription, number, wanted, &mut more).await? {
            return Ok(number);
        }
        *subscription = app.store.subscription(&subscription.id).await?.ok_or(Error::NotFound("subscription"))?;
    }
    Err(Error::RefundInProgress)
}

/// Adds the refund to the subscription if the facts and the operator's caps allow it.
fn draft(services: &Services, subscription: &mut Subscription, wanted: &Wanted<'_>) -> Result<u32, Error> {
    let (caps, currency, now) = (&services.app.config.refund_caps, subscription.currency, services.app.clock.now());
    // Report what nobody can refund before what the caps forbid.
    let mut planned = subscription.clone();
    let number = planned.plan_refund(wanted.invoice, wanted.amount, &wanted.by.id, wanted.client_key.clone(), now);
    let number = number.map_err(|fault| refund_caps::fault(fault, currency))?;
    if wanted.by.is_staff {
        planned.is_asked_by_staff(wanted.invoice, number);
    }
    if !wanted.by.is_staff && subscription.is_restored(wanted.invoice) {
        return Err(Error::RefundByStaff);
    }
    let (least, most) = if wanted.by.is_staff { (1, MOST_REFUNDS) } else { (caps.least(currency), caps.per_purchase) };
    subscription.check_refund(wanted.invoice, wanted.amount, least, most).map_err(|cap| refund_caps::cap(cap, currency))?;
    *subscription = planned;
    Ok(number)
}

/// Stores the refund and counts it towards the seller's daily caps; staff refunds do not count. Returns false if it must be tried again.
async fn write(
    services: &Services,
    subscription: &mut Subscription,
    number: u32,
    wanted: &Wanted<'_>,
    more: &mut Option<Allowance>,
) -> Result<bool, Error> {
    let store = &services.app.store;
    let payment = subscription.refunded_by(wanted.invoice, number);
    let asked = payment.and_then(|payment| payment.asked.iter().find(|asked| asked.number == number));
    let (whole, amount) = (payment.map_or(0, |payment| payment.amount), asked.map_or(0, |asked| asked.amount));
    let (refund, of) = (Price { amount, currency: subscription.currency }, subscription.id.clone());
    if wanted.by.is_staff {
        let (by, app) = (Actor::Staff { id: wanted.by.id.clone() }, &services.app);
        let deed = Deed::MembershipRefund { subscription_id: of, refund: number, amount: refund };
        let entry = Entry::new(&by, &subscription.seller_id, deed, app.clock.now(), &app.entropy);
        return Ok(store.write_subscription_by_staff(subscription, &entry).await? == Written::Yes);
    }
    let fee = payment.map_or(0, |payment| share(payment.application_fee, amount, payment.amount));
    let part = Price { amount: amount - fee, ..refund };
    debts::check_refund(&services.stripe, wanted.by, (&subscription.seller_account, subscription.charge_type), part).await?;
    let one = SellersRefund { seller: &wanted.by.id, of: of.as_str(), refund, whole };
    refund_caps::write_within_caps(&services.app, &one, more, async |allowance| {
        store.write_member_refund(subscription, refund, allowance).await
    })
    .await
}
