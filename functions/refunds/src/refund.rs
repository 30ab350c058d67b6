//! Refunds a purchase.

use serde::Deserialize;
use shared::domain::audit::{Actor, Deed, Entry};
use shared::domain::error::Error;
use shared::domain::ids::PurchaseId;
use shared::domain::money::Price;
use shared::domain::purchase::{MOST_REFUNDS, MovementKind, MovementState, Outcome, Purchase, REPEATED_WITHIN, Reason, share};
use shared::domain::user::User;
use shared::http::view::PurchaseView;
use shared::http::{Request, Response, identity, request, request_id, response};
use shared::store::Written;
use shared::store::refund_days::Allowance;
use shared::stripe::error::StripeError;
use shared::stripe::objects::Charge;
use shared::work::refund_caps::{self, SellersRefund};
use shared::work::{Services, debts, settlement};

/// How many times to retry when a concurrent write wins.
const TRIES: usize = 8;

#[derive(Default, Deserialize)]
struct Body {
    amount: Option<i64>,
    /// For staff: the platform pays before the payees have returned their part.
    #[serde(default)]
    platform_pays: bool,
}

/// The refund that the request asks for.
struct Wanted {
    by: User,
    amount: Option<i64>,
    platform_pays: bool,
    client_key: Option<String>,
    cause: String,
}

/// Refunds part of a purchase or, without an amount, everything that is left.
///
/// The refund is stored in the purchase before Stripe is called, so concurrent requests never refund more than was paid. Costs
/// three DynamoDB trips and one Stripe call; with separate transfers, one more of each for every payee who returns their part.
///
/// With separate transfers the payees' parts are reversed first, then the refund is made. If a reversal is not possible yet, or Stripe has
/// not booked the charge, the refund waits (202) and the reconciliation continues it. Staff can have the platform pay immediately; nobody else can spend
/// its money. Staff need a password that was entered lately.
///
/// Sellers refund within the operator's caps, and once they have left the charged account, no more than it has: one more Stripe call. When a daily cap is reached, one more trip reads how much the seller has sold.
///
/// A refund whose outcome is unknown is resolved before another begins. Requests with the same `Idempotency-Key` are the same refund; without
/// one, those of the same user for the same amount within [`REPEATED_WITHIN`].
///
/// # Errors
/// See `POST /purchases/{id}/refund` in `openapi.yaml`.
pub(crate) async fn refund(services: &Services, request: &Request, id: &str) -> Result<Response, Error> {
    let app = &services.app;
    identity::required(request, &app.config)?;
    let body: Body = if request::bytes(request)?.is_empty() { Body::default() } else { request::json(request)? };
    let Ok(id) = id.parse::<PurchaseId>() else {
        identity::user(request, app).await?;
        return Err(Error::NotFound("purchase"));
    };
    let (by, purchase) = tokio::join!(identity::user_or_staff_with_password(request, app), app.store.purchase(&id));
    let (by, mut purchase) = (by?, purchase?.ok_or(Error::NotFound("purchase"))?);
    if by.id == purchase.buyer_id && !by.is_staff {
        return Err(Error::Forbidden);
    }
    if by.id != purchase.seller_id && !by.is_staff {
        return Err(Error::NotFound("purchase"));
    }
    if !by.is_staff && !by.may_sell() {
        return Err(Error::NotASeller);
    }
    if body.platform_pays && !by.is_staff {
        return Err(Error::Forbidden);
    }
    if body.amount.is_some_and(|amount| amount < 1) {
        return Err(Error::InvalidRequest("amount must be at least 1 minor unit".to_owned()));
    }
    let wanted = Wanted {
        by,
        amount: body.amount,
        platform_pays: body.platform_pays,
        client_key: request::idempotency_key(request)?,
        cause: format!("request:{}", request_id(request)),
    };

    let Planned { number, is_new } = plan(services, &mut purchase, &wanted).await?;
    let carried_out = carry_out(services, &mut purchase, number, &wanted.cause).await;
    // The seller revoked access. A first request has done nothing; the outcome of an earlier request stays open.
    if is_new && matches!(carried_out, Err(Error::SellerNotConnected)) {
        let refused = Outcome::Refused { code: "account_invalid".to_owned() };
        settlement::observe(app, &mut purchase, number, &refused, &wanted.cause).await?;
    }
    let refund = purchase.movement(number).ok_or_else(|| Error::Internal(format!("refund {number} of {id} is gone")))?;
    match refund.state {
        MovementState::Planned => carried_out?,
        MovementState::Failed => {
            let code = refund.failure.clone().unwrap_or_else(|| "failed".to_owned());
            learn_refunded(services, &mut purchase, &wanted.cause).await?;
            return Err(Error::RefundRefused(code));
        }
        // The reconciliation continues it once the payees have returned their parts, and Stripe has booked the charge.
        MovementState::Waiting => return Ok(response::json(202, &PurchaseView::from(&purchase))),
        MovementState::Pending | MovementState::Done => {}
    }
    Ok(response::json(200, &PurchaseView::from(&purchase)))
}

/// The refund to carry out.
struct Planned {
    number: u32,
    /// Whether this request stored it. If not, an earlier request may already have sent it.
    is_new: bool,
}

/// Stores the refund, or finds the one that this request repeats.
async fn plan(services: &Services, purchase: &mut Purchase, wanted: &Wanted) -> Result<Planned, Error> {
    let app = &services.app;
    let mut more = None;
    for _ in 0..TRIES {
        let refund_of = |purchase: &Purchase, test: &dyn Fn(&shared::domain::purchase::Movement) -> bool| {
            let all = purchase.movements().iter().filter(|movement| movement.kind == MovementKind::Refund);
            all.clone().find(|movement| test(movement)).map(|movement| (movement.number, movement.amount))
        };
        if wanted.client_key.is_some()
            && let Some((number, amount)) = refund_of(purchase, &|refund| refund.client_key == wanted.client_key)
        {
            if wanted.amount.is_some_and(|wanted| wanted != amount) {
                return Err(Error::InvalidRequest("this Idempotency-Key was used for a refund of another amount".to_owned()));
            }
            bear(services, purchase, number, wanted).await?;
            return Ok(Planned { number, is_new: false });
        }
        if let Some((number, amount)) = refund_of(purchase, &|refund| refund.is_planned()) {
            // Without an amount it is all that is left, except if staff have the platform pay the one that waits.
            let is_same = wanted.amount.map_or(wanted.platform_pays || purchase.refundable() == 0, |wanted| wanted == amount);
            let is_repetition = wanted.client_key.is_none() && is_same;
            if is_repetition {
                bear(services, purchase, number, wanted).await?;
                return Ok(Planned { number, is_new: false });
            }
            carry_out(services, purchase, number, &wanted.cause).await?;
            if purchase.movement(number).is_some_and(shared::domain::purchase::Movement::is_planned) {
                return Err(Error::RefundInProgress);
            }
        }
        let is_repeated = |refund: &shared::domain::purchase::Movement| {
            refund.state.stands()
                && refund.reason == Reason::Asked(wanted.by.id.clone())
                && wanted.amount == Some(refund.amount)
                && app.clock.now() - refund.planned_at < REPEATED_WITHIN
        };
        if wanted.client_key.is_none()
            && let Some((number, _)) = refund_of(purchase, &is_repeated)
        {
            return Ok(Planned { number, is_new: false });
        }
        let number = draft(services, purchase, wanted)?;
        if write(services, purchase, number, wanted, &mut more).await? {
            return Ok(Planned { number, is_new: true });
        }
        *purchase = app.store.purchase(&purchase.id).await?.ok_or(Error::NotFound("purchase"))?;
    }
    Err(Error::RefundInProgress)
}

/// If staff asked for it, has the platform pay a refund that waits for its payees.
async fn bear(services: &Services, purchase: &mut Purchase, number: u32, wanted: &Wanted) -> Result<(), Error> {
    if wanted.platform_pays {
        let cause = &wanted.cause;
        let amount = amount_of(purchase, number);
        let entry = entry(services, purchase, wanted, Deed::RefundBorne { purchase_id: purchase.id.clone(), refund: number, amount });
        let bear = |purchase: &mut Purchase, now| purchase.bear(number, &wanted.by.id, cause, now);
        settlement::change_by_staff(&services.app, purchase, cause, &entry, bear).await?;
    }
    Ok(())
}

fn amount_of(purchase: &Purchase, number: u32) -> Price {
    Price { amount: purchase.movement(number).map_or(0, |refund| refund.amount), currency: purchase.currency }
}

/// What the audit log says of a refund by staff.
fn entry(services: &Services, purchase: &Purchase, wanted: &Wanted, deed: Deed) -> Entry {
    let app = &services.app;
    Entry::new(&Actor::Staff { id: wanted.by.id.clone() }, &purchase.seller_id, deed, app.clock.now(), &app.entropy)
}

/// Adds the refund to the purchase if the facts and the operator's caps allow it.
fn draft(services: &Services, purchase: &mut Purchase, wanted: &Wanted) -> Result<u32, Error> {
    let (caps, currency, now) = (&services.app.config.refund_caps, purchase.currency, services.app.clock.now());
    // Report what nobody can refund before what the caps forbid.
    let mut planned = purchase.clone();
    let number = planned
        .plan_refund(wanted.amount, &wanted.by.id, wanted.client_key.clone(), &wanted.cause, now)
        .map_err(|fault| refund_caps::fault(fault, currency))?;
    if wanted.by.is_staff {
        planned.is_asked_by_staff(number);
    }
    let (least, most) = if wanted.by.is_staff { (1, MOST_REFUNDS) } else { (caps.least(currency), caps.per_purchase) };
    purchase.check_refund(wanted.amount, least, most).map_err(|cap| refund_caps::cap(cap, currency))?;
    if wanted.platform_pays {
        planned.bear(number, &wanted.by.id, &wanted.cause, now);
    }
    *purchase = planned;
    Ok(number)
}

/// Stores the refund and counts it towards the seller's daily cap; staff refunds do not count. Returns false if it must be tried again.
async fn write(
    services: &Services,
    purchase: &mut Purchase,
    number: u32,
    wanted: &Wanted,
    more: &mut Option<Allowance>,
) -> Result<bool, Error> {
    let store = &services.app.store;
    if wanted.by.is_staff {
        let (purchase_id, amount, platform_pays) = (purchase.id.clone(), amount_of(purchase, number), wanted.platform_pays);
        let entry = entry(services, purchase, wanted, Deed::Refund { purchase_id, refund: number, amount, platform_pays });
        return Ok(store.write_by_staff(purchase, &entry).await? == Written::Yes);
    }
    let (refund, of) = (amount_of(purchase, number), purchase.id.clone());
    let part = Price { amount: refund.amount - share(purchase.application_fee(), refund.amount, purchase.amount()), ..refund };
    debts::check_refund(&services.stripe, &wanted.by, (&purchase.seller_account, purchase.charge_type), part).await?;
    let one = SellersRefund { seller: &wanted.by.id, of: of.as_str(), refund, whole: purchase.amount() };
    refund_caps::write_within_caps(&services.app, &one, more, async |allowance| store.write_refund(purchase, refund, allowance).await).await
}

async fn carry_out(services: &Services, purchase: &mut Purchase, refund: u32, cause: &str) -> Result<(), Error> {
    let wanted = |purchase: &Purchase, number: u32| {
        number == refund
            || purchase.movement(number).is_some_and(|movement| movement.kind != MovementKind::Refund && movement.may_be_at_stripe())
    };
    settlement::carry_out(&services.app, &services.stripe, purchase, cause, wanted).await
}

/// Stripe refused the refund: somebody may have refunded in the Dashboard, and the event has not arrived yet.
async fn learn_refunded(services: &Services, purchase: &mut Purchase, cause: &str) -> Result<(), Error> {
    let charge = purchase.paid_attempt().and_then(|paid| paid.charge.as_ref()).map(|charge| charge.id.clone());
    let Some(charge) = charge else { return Ok(()) };
    let account = purchase.charged_account().map(str::to_owned);
    let current: Charge = match services.stripe.get(&format!("/charges/{charge}"), account.as_deref()).await {
        // The seller revoked access, so the charge and its state are out of reach.
        Err(StripeError::AccountRevoked) => return Ok(()),
        answer => answer?,
    };
    settlement::change(&services.app, purchase, cause, |purchase, now| purchase.observe_refunded(current.amount_refunded, cause, now))
        .await?;
    Ok(())
}
