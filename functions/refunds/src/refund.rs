//! Giving money back.

use serde::Deserialize;
use shared::error::Error;
use shared::http::view::PurchaseView;
use shared::http::{Request, Response, identity, request, request_id, response};
use shared::ids::PurchaseId;
use shared::purchase::{MovementKind, MovementState, Outcome, Purchase, RefundFault};
use shared::settlement;
use shared::store::Written;
use shared::stripe::error::StripeError;
use shared::stripe::objects::Charge;
use shared::user::User;

use crate::Refunds;

/// How often a record that others write as well is read again.
const TRIES: usize = 8;

#[derive(Default, Deserialize)]
struct Body {
    amount: Option<i64>,
}

/// What is asked for.
struct Wanted {
    by: User,
    amount: Option<i64>,
    client_key: Option<String>,
    cause: String,
}

/// Gives back a part of a purchase or, without an amount, all that is left.
///
/// What is given back is written down before Stripe is asked, and with it, so that any number of requests at once never
/// give back more than was paid. Three DynamoDB trips and one Stripe call; for separate transfers one of each more for
/// each payee who gives their part back.
///
/// A refund whose end is not known is found before another begins. A request that names itself by `Idempotency-Key` is the
/// same refund however often it comes.
///
/// # Errors
/// See `POST /purchases/{id}/refund` in `openapi.yaml`.
pub(crate) async fn refund(refunds: &Refunds, request: &Request, id: &str) -> Result<Response, Error> {
    let app = &refunds.app;
    identity::required(request, &app.config)?;
    let body: Body = if request::bytes(request)?.is_empty() { Body::default() } else { request::json(request)? };
    let Ok(id) = id.parse::<PurchaseId>() else {
        identity::user(request, app).await?;
        return Err(Error::NotFound("purchase"));
    };
    let (user, purchase) = tokio::join!(identity::user(request, app), app.store.purchase(&id));
    let (by, mut purchase) = (user?, purchase?.ok_or(Error::NotFound("purchase"))?);
    if by.id == purchase.buyer_id && !by.is_staff {
        return Err(Error::Forbidden);
    }
    if by.id != purchase.seller_id && !by.is_staff {
        return Err(Error::NotFound("purchase"));
    }
    if body.amount.is_some_and(|amount| amount < 1) {
        return Err(Error::InvalidRequest("amount must be at least 1 minor unit".to_owned()));
    }
    let wanted = Wanted { by, amount: body.amount, client_key: client_key(request)?, cause: format!("request:{}", request_id(request)) };

    let Planned { number, is_new } = plan(refunds, &mut purchase, &wanted).await?;
    let carried_out = carry_out(refunds, &mut purchase, number, &wanted.cause).await;
    // The seller took the access away. Sent for the first time, nothing was done; what came of an earlier sending stays open.
    if is_new && matches!(carried_out, Err(Error::SellerNotConnected)) {
        let refused = Outcome::Refused { code: "account_invalid".to_owned() };
        let cause = &wanted.cause;
        settlement::change(app, &mut purchase, cause, |purchase, now| purchase.observe_movement(number, &refused, cause, now)).await?;
    }
    let refund = purchase.movement(number).ok_or_else(|| Error::Internal(format!("refund {number} of {id} is gone")))?;
    match refund.state {
        MovementState::Planned => carried_out?,
        MovementState::Failed => {
            let code = refund.failure.clone().unwrap_or_else(|| "failed".to_owned());
            learn_refunded(refunds, &mut purchase, &wanted.cause).await?;
            return Err(Error::RefundRefused(code));
        }
        // What has not come back from payees yet is planned, and comes.
        MovementState::Pending | MovementState::Done => {}
    }
    Ok(response::json(200, &PurchaseView::from(&purchase)))
}

/// The refund that is asked for.
struct Planned {
    number: u32,
    /// Whether this request wrote it down. Another's may have been sent.
    is_new: bool,
}

/// Writes the refund down, or finds the one that this request is a repetition of.
async fn plan(refunds: &Refunds, purchase: &mut Purchase, wanted: &Wanted) -> Result<Planned, Error> {
    let app = &refunds.app;
    for _ in 0..TRIES {
        let refund_of = |purchase: &Purchase, test: &dyn Fn(&shared::purchase::Movement) -> bool| {
            let all = purchase.movements().iter().filter(|movement| movement.kind == MovementKind::Refund);
            all.clone().find(|movement| test(movement)).map(|movement| (movement.number, movement.amount))
        };
        if wanted.client_key.is_some()
            && let Some((number, amount)) = refund_of(purchase, &|refund| refund.client_key == wanted.client_key)
        {
            if wanted.amount.is_some_and(|wanted| wanted != amount) {
                return Err(Error::InvalidRequest("this Idempotency-Key was used for a refund of another amount".to_owned()));
            }
            return Ok(Planned { number, is_new: false });
        }
        if let Some((number, amount)) = refund_of(purchase, &|refund| refund.is_planned()) {
            let is_repetition = wanted.client_key.is_none() && wanted.amount.is_none_or(|wanted| wanted == amount);
            if is_repetition {
                return Ok(Planned { number, is_new: false });
            }
            carry_out(refunds, purchase, number, &wanted.cause).await?;
            if purchase.movement(number).is_some_and(shared::purchase::Movement::is_planned) {
                return Err(Error::RefundInProgress);
            }
        }
        let planned = purchase.plan_refund(wanted.amount, &wanted.by.id, wanted.client_key.clone(), &wanted.cause, app.clock.now());
        let number = planned.map_err(|fault| match fault {
            RefundFault::NotPaid => Error::NotPaid,
            RefundFault::InProgress(_) => Error::RefundInProgress,
            RefundFault::Disputed => Error::PurchaseDisputed,
            RefundFault::TooMuch { left: 0 } => Error::AlreadyRefunded,
            RefundFault::TooMuch { left } => Error::RefundTooLarge { left, currency: purchase.currency.code() },
        })?;
        match app.store.write_outcome(purchase, None).await? {
            Written::Yes => return Ok(Planned { number, is_new: true }),
            Written::No(_) => *purchase = app.store.purchase(&purchase.id).await?.ok_or(Error::NotFound("purchase"))?,
        }
    }
    Err(Error::RefundInProgress)
}

async fn carry_out(refunds: &Refunds, purchase: &mut Purchase, refund: u32, cause: &str) -> Result<(), Error> {
    let wanted = |purchase: &Purchase, number: u32| {
        number == refund
            || purchase.movement(number).is_some_and(|movement| movement.kind != MovementKind::Refund && movement.may_be_at_stripe())
    };
    settlement::carry_out(&refunds.app, &refunds.stripe, purchase, cause, wanted).await
}

/// Stripe refused: somebody may have given money back in its dashboard, and the event is still on its way.
async fn learn_refunded(refunds: &Refunds, purchase: &mut Purchase, cause: &str) -> Result<(), Error> {
    let charge = purchase.paid_attempt().and_then(|paid| paid.charge.as_ref()).map(|charge| charge.id.clone());
    let Some(charge) = charge else { return Ok(()) };
    let account = purchase.charged_account().map(str::to_owned);
    let current: Charge = match refunds.stripe.get(&format!("/charges/{charge}"), account.as_deref()).await {
        // The seller has taken the access away: it is out of reach, and so is what became of it.
        Err(StripeError::AccountRevoked) => return Ok(()),
        answer => answer?,
    };
    settlement::change(&refunds.app, purchase, cause, |purchase, now| purchase.observe_refunded(current.amount_refunded, cause, now))
        .await?;
    Ok(())
}

/// What the client named its request.
fn client_key(request: &Request) -> Result<Option<String>, Error> {
    let Some(key) = request.headers().get("idempotency-key") else { return Ok(None) };
    let sound = |key: &&str| !key.is_empty() && key.len() <= 255 && key.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    let key = key.to_str().ok().filter(sound);
    key.map(|key| Some(key.to_owned()))
        .ok_or_else(|| Error::InvalidRequest("Idempotency-Key must be 1 to 255 printable characters".to_owned()))
}
