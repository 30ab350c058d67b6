//! Continues a purchase that an earlier request began: finished, lost, waiting for the buyer, or still in progress.

use shared::domain::charging::{ChargeType, NEVER_MADE};
use shared::domain::error::Error;
use shared::domain::purchase::{Attempt, Means, Purchase, Slot, Status};
use shared::store::Written;
use shared::stripe::error::StripeError;
use shared::stripe::find::Heard;
use shared::work::Services;

use crate::begin::{LEASE, failed_with, next};
use crate::order::{Order, Payment};
use crate::outcome::{self, ForTheBrowser};

/// Continues the purchase that holds the slot.
///
/// If the last attempt failed, the next one begins. If its outcome is unknown, it is looked up first, which costs one more
/// DynamoDB read, one more write and one more Stripe call.
pub async fn resume(services: &Services, order: &Order, slot: &Slot) -> Result<(Purchase, ForTheBrowser), Error> {
    let missing = || Error::Internal(format!("the slot names the purchase {}, which is missing", slot.purchase_id));
    let mut purchase = services.app.store.purchase(&slot.purchase_id).await?.ok_or_else(missing)?;
    if purchase.ownership().is_paid() {
        return Err(Error::AlreadyOwned);
    }
    if !purchase.is_of_stack(&services.app.config.stack_id) && purchase.status().is_open() {
        // The table is a copy of another deployment's, and the buyer may be paying there right now.
        return Err(Error::PurchaseInProgress);
    }
    let has_ended = purchase.paid_attempt().is_some() || !(purchase.status().is_open() || purchase.is_in_the_buyers_hands());
    if has_ended {
        return next(services, order, purchase, slot).await;
    }

    let was_lost = purchase.attempt().payment_intent.is_none() && purchase.attempt().checkout_session.is_none();
    let now = services.app.clock.now();
    let price = &order.course.price;
    let costs_the_same = (purchase.amount(), purchase.currency) == (price.amount, price.currency);
    let same_consent = purchase.attempt().keeps_card() == (order.save_card && purchase.charge_type != ChargeType::Direct);
    let is_same = costs_the_same && same_consent && is_same_request(&order.payment, purchase.attempt());
    lease(services, &mut purchase, is_same).await?;
    let found = if purchase.status().is_open() && is_same {
        services.stripe.repeat_attempt(&purchase, purchase.attempt(), now).await
    } else if purchase.status().is_open() {
        // What the buyer no longer wants must not be made now.
        services.stripe.find_attempt(&purchase, purchase.attempt(), now).await
    } else {
        // The attempt failed, but the buyer's browser could still pay it. Cancel it before the next attempt begins.
        services.stripe.withdraw_attempt(&purchase, purchase.attempt(), now).await
    };
    let is_at_work = matches!(found, Err(StripeError::InUse));
    let browser = match record(services, &mut purchase, found, order).await {
        Err(_) if is_at_work && !is_same => return Err(Error::PurchaseInProgress),
        recorded => recorded?,
    };
    // A card unknown to the connected account may belong to the platform. The next attempt tries that.
    let may_be_cloned = purchase.charged_account().is_some() && failed_with(&purchase, outcome::PAYMENT_METHOD_REFUSED);
    match purchase.status() {
        // Neither failure is about the card.
        Status::Failed if failed_with(&purchase, NEVER_MADE) || failed_with(&purchase, outcome::CUSTOMER_GONE) => {
            again(services, order, purchase, slot).await
        }
        Status::Failed if was_lost && !may_be_cloned && is_same_request(&order.payment, purchase.attempt()) => Ok((purchase, browser)),
        // The buyer wants to pay otherwise, or was told another price.
        Status::RequiresAction if !costs_the_same || is_other_method(&order.payment, purchase.attempt()) => {
            withdraw(services, order, purchase, slot).await
        }
        // The buyer has done their part and the bank is processing. If the payment fails, the next request starts a new attempt.
        Status::Pending if purchase.processing_since().is_some() => Err(Error::PaymentProcessing),
        Status::Pending if purchase.attempt().means == Means::Checkout => {
            let same = order.payment == Payment::Checkout && costs_the_same && same_consent;
            if same && browser.checkout_url.is_some() { Ok((purchase, browser)) } else { withdraw(services, order, purchase, slot).await }
        }
        Status::Pending => Err(Error::PurchaseInProgress),
        Status::Failed | Status::Canceled => again(services, order, purchase, slot).await,
        Status::RequiresAction | Status::Paid | Status::PartiallyRefunded | Status::Refunded | Status::Disputed => Ok((purchase, browser)),
    }
}

/// Cancels the way of paying that the buyer abandoned, then begins a new attempt. Two ways to pay never exist at once.
async fn withdraw(services: &Services, order: &Order, mut purchase: Purchase, slot: &Slot) -> Result<(Purchase, ForTheBrowser), Error> {
    let result = services.stripe.withdraw_attempt(&purchase, purchase.attempt(), services.app.clock.now()).await;
    let browser = record(services, &mut purchase, result, order).await?;
    match purchase.status() {
        Status::Failed | Status::Canceled => again(services, order, purchase, slot).await,
        Status::Pending | Status::RequiresAction => Err(Error::PurchaseInProgress),
        Status::Paid | Status::PartiallyRefunded | Status::Refunded | Status::Disputed => Ok((purchase, browser)),
    }
}

async fn again(services: &Services, order: &Order, purchase: Purchase, before: &Slot) -> Result<(Purchase, ForTheBrowser), Error> {
    let slot = Slot::of(&purchase, Some(before));
    next(services, order, purchase, &slot).await
}

async fn record(
    services: &Services,
    purchase: &mut Purchase,
    result: Result<Heard, StripeError>,
    order: &Order,
) -> Result<ForTheBrowser, Error> {
    outcome::settle(services, purchase, result, &order.cause).await
}

/// Takes over the attempt of a request that has ended, perhaps to send it again. Fails if that request may still be running.
async fn lease(services: &Services, purchase: &mut Purchase, sends_again: bool) -> Result<(), Error> {
    let now = services.app.clock.now();
    if purchase.attempt().leased_until > now {
        return Err(Error::PurchaseInProgress);
    }
    purchase.lease(now + LEASE);
    if sends_again {
        purchase.send_again(now);
    }
    match services.app.store.write_outcome(purchase, None).await? {
        Written::Yes => Ok(()),
        Written::No(_) => Err(Error::PurchaseInProgress),
    }
}

/// Whether this repeats the request whose answer was lost.
fn is_same_request(payment: &Payment, attempt: &Attempt) -> bool {
    match payment {
        Payment::Method(_) | Payment::Token(_) => named(attempt) == payment.named(),
        Payment::Checkout => attempt.means == Means::Checkout,
    }
}

/// What the buyer named for an attempt, see [`Payment::named`].
fn named(attempt: &Attempt) -> Option<String> {
    attempt.named.clone().or_else(|| attempt.payment_method.clone())
}

/// Whether the buyer named a different payment method than the one that awaits authentication. Naming none means continuing.
fn is_other_method(payment: &Payment, attempt: &Attempt) -> bool {
    match payment {
        Payment::Checkout => false,
        Payment::Method(_) => named(attempt) != payment.named(),
        Payment::Token(_) => true,
    }
}
