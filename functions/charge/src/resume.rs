//! Going on with a purchase that an earlier request began: finished, lost, waiting for the buyer, or still at work.

use shared::error::Error;
use shared::http::Response;
use shared::purchase::{Attempt, ChargeType, Means, Purchase, Status};
use shared::store::Written;
use shared::store::purchases::Slot;
use shared::stripe::error::StripeError;
use shared::stripe::find::{Heard, NEVER_MADE};

use crate::Charge;
use crate::begin::{LEASE, failed_with, next};
use crate::charge::{Order, Payment};
use crate::outcome::{self, ForTheBrowser, answer};

/// Goes on with the purchase that holds the slot.
///
/// One that came to nothing gets its next attempt. One whose end is not known is first found out: that costs a read
/// and a write in DynamoDB more, and a call to Stripe.
pub async fn resume(charge: &Charge, order: &Order, slot: &Slot) -> Result<Response, Error> {
    let missing = || Error::Internal(format!("the slot names the purchase {}, which is missing", slot.purchase_id));
    let mut purchase = charge.app.store.purchase(&slot.purchase_id).await?.ok_or_else(missing)?;
    if purchase.ownership().is_paid() {
        return Err(Error::AlreadyOwned);
    }
    let has_ended = purchase.paid_attempt().is_some() || !(purchase.status().is_open() || purchase.is_in_the_buyers_hands());
    if has_ended {
        return next(charge, order, purchase, slot).await;
    }

    lease(charge, &mut purchase).await?;
    let was_lost = purchase.attempt().payment_intent.is_none() && purchase.attempt().checkout_session.is_none();
    let now = charge.app.clock.now();
    let found = if purchase.status().is_open() {
        charge.stripe.find_attempt(&purchase.id, purchase.attempt(), now).await
    } else {
        // It failed in the buyer's hands, where it could still be paid. The next attempt begins when it cannot.
        charge.stripe.withdraw_attempt(&purchase.id, purchase.attempt(), now).await
    };
    let browser = record(charge, &mut purchase, found, order).await?;
    // A card that the connected account does not know may be one of the platform's: the next attempt tries that.
    let may_be_cloned = purchase.charged_account().is_some() && failed_with(&purchase, outcome::PAYMENT_METHOD_REFUSED);
    match purchase.status() {
        // Neither says anything of the card.
        Status::Failed if failed_with(&purchase, NEVER_MADE) || failed_with(&purchase, outcome::CUSTOMER_GONE) => {
            again(charge, order, purchase, slot).await
        }
        Status::Failed if was_lost && !may_be_cloned && is_same_request(&order.payment, purchase.attempt()) => answer(&purchase, browser),
        Status::RequiresAction if is_other_method(&order.payment, purchase.attempt()) => withdraw(charge, order, purchase, slot).await,
        Status::Pending if purchase.attempt().means == Means::Checkout => {
            let attempt = purchase.attempt();
            let same_consent = attempt.keeps_card() == (order.save_card && purchase.charge_type != ChargeType::Direct);
            let same = order.payment == Payment::Checkout && attempt.amount == order.course.price.amount && same_consent;
            if same && browser.checkout_url.is_some() { answer(&purchase, browser) } else { withdraw(charge, order, purchase, slot).await }
        }
        Status::Pending => Err(Error::PurchaseInProgress),
        Status::Failed | Status::Canceled => again(charge, order, purchase, slot).await,
        _ => answer(&purchase, browser),
    }
}

/// Takes back what the buyer turned away from, then begins anew: never two ways of paying at once.
async fn withdraw(charge: &Charge, order: &Order, mut purchase: Purchase, slot: &Slot) -> Result<Response, Error> {
    let result = charge.stripe.withdraw_attempt(&purchase.id, purchase.attempt(), charge.app.clock.now()).await;
    let browser = record(charge, &mut purchase, result, order).await?;
    match purchase.status() {
        Status::Failed | Status::Canceled => again(charge, order, purchase, slot).await,
        Status::Pending | Status::RequiresAction => Err(Error::PurchaseInProgress),
        _ => answer(&purchase, browser),
    }
}

async fn again(charge: &Charge, order: &Order, purchase: Purchase, before: &Slot) -> Result<Response, Error> {
    let slot = Slot::of(&purchase, Some(before));
    next(charge, order, purchase, &slot).await
}

async fn record(
    charge: &Charge,
    purchase: &mut Purchase,
    result: Result<Heard, StripeError>,
    order: &Order,
) -> Result<ForTheBrowser, Error> {
    outcome::settle(charge, purchase, result, &order.cause).await
}

/// Takes the attempt over from a request that is gone, or refuses where one is still at work.
async fn lease(charge: &Charge, purchase: &mut Purchase) -> Result<(), Error> {
    let now = charge.app.clock.now();
    if purchase.attempt().leased_until > now {
        return Err(Error::PurchaseInProgress);
    }
    purchase.lease(now + LEASE);
    match charge.app.store.write_outcome(purchase, None).await? {
        Written::Yes => Ok(()),
        Written::No(_) => Err(Error::PurchaseInProgress),
    }
}

/// Whether this is the request whose answer was lost, made again.
fn is_same_request(payment: &Payment, attempt: &Attempt) -> bool {
    match payment {
        Payment::Method(method) => attempt.payment_method.as_ref() == Some(method),
        Payment::Token(_) => attempt.means == Means::PaymentIntent,
        Payment::Checkout => attempt.means == Means::Checkout,
    }
}

/// Whether the buyer names another payment method than the one that waits for them. Naming none means to go on.
fn is_other_method(payment: &Payment, attempt: &Attempt) -> bool {
    match payment {
        Payment::Checkout => false,
        Payment::Method(method) => attempt.payment_method.as_ref() != Some(method),
        Payment::Token(_) => true,
    }
}
