//! Beginning an attempt: the request is written down, exactly, before it is sent.

use shared::course::Share;
use shared::customers;
use shared::entropy::digest;
use shared::error::Error;
use shared::http::Response;
use shared::ids::PurchaseId;
use shared::purchase::{Attempt, ChargeType, Means, Payee, Purchase, Status, Terms, divide};
use shared::store::Written;
use shared::store::purchases::Slot;
use shared::stripe::error::StripeError;
use shared::stripe::objects::Identified;
use shared::stripe::requests::{self, Sale};
use shared::user::{PLATFORM, StripeLink, Unable};
use time::Duration;

use crate::Charge;
use crate::charge::{Order, Payment};
use crate::outcome::{self, answer};

/// For how long a request has an attempt to itself. Longer than the function may run, so that two never work on one.
pub const LEASE: Duration = Duration::seconds(30);

/// The buyer's first attempt to buy the course.
pub async fn first(charge: &Charge, order: &Order) -> Result<Response, Error> {
    let purchase = purchase(charge, order)?;
    attempt(charge, order, purchase, None).await
}

/// The next attempt of a purchase that came to nothing, or a new purchase after one that was given or taken back.
pub async fn next(charge: &Charge, order: &Order, previous: Purchase, slot: &Slot) -> Result<Response, Error> {
    let mut purchase = if previous.paid_attempt().is_some() { purchase(charge, order)? } else { previous };
    purchase.seller_account.clone_from(&seller_link(charge, order)?.account_id);
    purchase.charge_type = charge_type(charge, order)?;
    purchase.currency = order.course.price.currency;
    purchase.course_title.clone_from(&order.course.title);
    attempt(charge, order, purchase, Some(slot)).await
}

/// Several payees can only be paid by transfers of their own.
fn charge_type(charge: &Charge, order: &Order) -> Result<ChargeType, Error> {
    let seller = order.seller.as_ref().ok_or(Error::SellerNotConnected)?;
    Ok(if order.course.payees.is_empty() { seller.charge_type(&charge.app.config) } else { ChargeType::Separate })
}

/// The seller's account, where it can be charged the way that the sale will be.
fn seller_link<'a>(charge: &Charge, order: &'a Order) -> Result<&'a StripeLink, Error> {
    let link = order.seller.as_ref().and_then(|seller| seller.connected_account()).ok_or(Error::SellerNotConnected)?;
    match link.check(charge_type(charge, order)?, &charge.app.config.platform_country) {
        Ok(()) => Ok(link),
        Err(Unable::Disabled) => Err(Error::SellerNotConnected),
        Err(Unable::Lacks(capability)) => Err(Error::SellerCapabilityMissing { capability: capability.as_str() }),
    }
}

fn purchase(charge: &Charge, order: &Order) -> Result<Purchase, Error> {
    let (app, course) = (&charge.app, &order.course);
    let now = app.clock.now();
    Ok(Purchase::new(Terms {
        id: PurchaseId::generate(&order.buyer.id, now, &app.entropy),
        course_id: course.id.clone(),
        course_title: course.title.clone(),
        course_slug: course.slug.clone(),
        buyer_id: order.buyer.id.clone(),
        seller_id: course.seller_id.clone(),
        seller_account: seller_link(charge, order)?.account_id.clone(),
        charge_type: charge_type(charge, order)?,
        currency: course.price.currency,
        at: now,
    }))
}

async fn attempt(charge: &Charge, order: &Order, mut purchase: Purchase, slot: Option<&Slot>) -> Result<Response, Error> {
    let account = purchase.charged_account().map(str::to_owned);
    let mut customer = customers::find_or_make(&charge.app, &charge.stripe, &order.buyer, account.as_deref()).await?;
    let (named, kept) = match payment_methods(charge, order, account.as_deref(), slot).await {
        Ok(methods) => methods,
        Err(error) => {
            // No intent will name the customer. One that is remembered is found again, and forgotten with its user.
            customers::keep(&charge.app, &order.buyer, account.as_deref(), &customer).await?;
            return Err(error);
        }
    };
    let mut payment_method = kept.clone().or_else(|| named.clone());
    let mut heard = send(charge, order, &mut purchase, slot, &customer, payment_method.as_deref()).await?;

    // Somebody deleted the customer at Stripe. The cards went with it, and a new one is made.
    if failed_with(&purchase, outcome::CUSTOMER_GONE) {
        customer = customers::replace(&charge.app, &charge.stripe, &order.buyer, account.as_deref(), &customer).await?;
        let slot = Slot::of(&purchase, slot);
        heard = send(charge, order, &mut purchase, Some(&slot), &customer, payment_method.as_deref()).await?;
    }
    // A payment method that the connected account does not know may be one of the platform's.
    if let (true, Some(account), Some(named), None) = (failed_with(&purchase, outcome::PAYMENT_METHOD_REFUSED), &account, &named, &kept) {
        // Cloning uses the card up, so that every attempt with it needs the same clone.
        let key = format!("{account}:clone:{}:{}", purchase.id, digest(named));
        payment_method = Some(clone_to(charge, account, named, None, &key).await?);
        let slot = Slot::of(&purchase, slot);
        heard = send(charge, order, &mut purchase, Some(&slot), &customer, payment_method.as_deref()).await?;
    }
    answer(&purchase, heard)
}

/// The payment method that the buyer names, and for a direct charge its clone where the platform keeps it.
async fn payment_methods(
    charge: &Charge,
    order: &Order,
    account: Option<&str>,
    slot: Option<&Slot>,
) -> Result<(Option<String>, Option<String>), Error> {
    let named = payment_method(charge, order, account, slot).await?;
    let kept = match (account, &named) {
        (Some(account), Some(named)) => kept_by_platform(charge, order, account, named, slot).await?,
        _ => None,
    };
    Ok((named, kept))
}

/// Whether the latest attempt came to nothing for that reason.
pub fn failed_with(purchase: &Purchase, code: &str) -> bool {
    purchase.attempt().failure.as_ref().is_some_and(|failure| failure.code == code)
}

/// Writes the intent, asks Stripe, and records the outcome: two DynamoDB trips and one Stripe call.
async fn send(
    charge: &Charge,
    order: &Order,
    purchase: &mut Purchase,
    slot: Option<&Slot>,
    customer: &str,
    payment_method: Option<&str>,
) -> Result<outcome::ForTheBrowser, Error> {
    let app = &charge.app;
    let now = app.clock.now();
    let account = purchase.charged_account().map(str::to_owned);
    let number = purchase.attempts().last().map_or(1, |attempt| attempt.number + 1);
    let price = order.course.price;
    let return_url = format!("{}/purchase.html?id={}", app.config.storefront_url, purchase.id);
    let sale = Sale {
        purchase,
        attempt: number,
        amount: price.amount,
        application_fee: fee(charge, order)?,
        customer,
        on_behalf_of: seller_link(charge, order)?.on_behalf_of(purchase.charge_type, &app.config.platform_country),
        save_card: order.save_card,
        return_url: &return_url,
    };
    let (means, request) = match payment_method {
        Some(payment_method) => (Means::PaymentIntent, sale.payment_intent(payment_method)),
        None => {
            let cancel_url = format!("{}/course.html?slug={}&checkout=canceled", app.config.storefront_url, order.course.slug);
            (Means::Checkout, sale.checkout(&cancel_url))
        }
    };
    let attempt = Attempt {
        number,
        means,
        idempotency_key: format!("{}:{}:{number}", account.as_deref().unwrap_or(PLATFORM), purchase.id),
        account,
        body: request.body.unwrap_or_default(),
        customer: customer.to_owned(),
        payment_method: payment_method.map(str::to_owned),
        amount: sale.amount,
        application_fee: sale.application_fee,
        payees: payees(purchase, order, sale.amount - sale.application_fee)?,
        started_at: now,
        leased_until: now + LEASE,
        payment_intent: None,
        checkout_session: None,
        charge: None,
        status: Status::Pending,
        failure: None,
    };
    purchase.begin(attempt, &order.cause);
    if let Written::No(_) = app.store.write_intent(purchase, slot).await? {
        return Err(outcome::lost_race(charge, order, purchase.attempt()).await?);
    }
    let result = charge.stripe.send_attempt(&purchase.id, purchase.attempt()).await;
    outcome::settle(charge, purchase, result, &order.cause).await
}

fn fee(charge: &Charge, order: &Order) -> Result<i64, Error> {
    let (seller, price) = (order.seller.as_ref().ok_or(Error::SellerNotConnected)?, order.course.price);
    Ok(seller.fee(&charge.app.config, order.course.fee_percent, price.currency).of(price.amount))
}

/// Who gets what the platform does not keep, where it transfers it itself: no unit is left over, and none is made. A payee
/// whose account can be sent nothing at the moment waits for their part, and holds up nobody; one without an account
/// has nowhere to wait.
fn payees(purchase: &Purchase, order: &Order, rest: i64) -> Result<Vec<Payee>, Error> {
    if purchase.charge_type != ChargeType::Separate {
        return Ok(Vec::new());
    }
    let shares = &order.course.payees;
    if shares.is_empty() {
        return Ok(vec![Payee { user_id: purchase.seller_id.clone(), account: purchase.seller_account.clone(), amount: rest }]);
    }
    // Weights of a hundredth of the rest each, so that none is capped.
    let weights: Vec<i64> = shares.iter().map(|share| rest * i64::from(share.share)).collect();
    let one = |(share, amount): (&Share, i64)| {
        let payee = order.payees.iter().find(|payee| payee.id == share.seller).and_then(|payee| payee.connected_account());
        let account = payee.ok_or(Error::SellerNotConnected)?.account_id.clone();
        Ok(Payee { user_id: share.seller.clone(), account, amount })
    };
    shares.iter().zip(divide(rest, &weights)).map(one).collect()
}

/// The payment method to charge; none for hosted Checkout. A token of the same try gives the same payment method,
/// so that a repetition does not find the token spent.
async fn payment_method(charge: &Charge, order: &Order, account: Option<&str>, slot: Option<&Slot>) -> Result<Option<String>, Error> {
    let token = match &order.payment {
        Payment::Checkout => return Ok(None),
        Payment::Method(method) => return Ok(Some(method.clone())),
        Payment::Token(token) => token,
    };
    // A card that is to be kept is the platform's.
    let account = account.filter(|_| !order.save_card);
    let (place, seen) = (account.unwrap_or(PLATFORM), slot.map_or(0, |slot| slot.version));
    let key = format!("{place}:token:{}:{seen}:{}", order.buyer.id, digest(&format!("{}{token}", order.course.id)));
    let made: Result<Identified, _> = charge.stripe.send_harmless(&requests::payment_method_from_token(token), account, &key).await;
    made.map(|made| Some(made.id)).map_err(method_error)
}

/// For a direct charge: the clone of a card that the buyer keeps with the platform, or wants kept there from now on.
async fn kept_by_platform(
    charge: &Charge,
    order: &Order,
    account: &str,
    named: &str,
    slot: Option<&Slot>,
) -> Result<Option<String>, Error> {
    let seen = slot.map_or(0, |slot| slot.version);
    let key = |what: &str, place: &str| format!("{place}:{what}:{}:{}:{seen}:{named}", order.buyer.id, order.course.id);
    if order.save_card {
        let mut customer = customers::on_platform(&charge.app, &charge.stripe, &order.buyer).await?;
        let mut attached = attach(charge, named, &customer, &key("attach", PLATFORM)).await;
        if attached.as_ref().is_err_and(|error| error.is_missing("customer")) {
            customer = customers::replace(&charge.app, &charge.stripe, &order.buyer, None, &customer).await?;
            attached = attach(charge, named, &customer, &key("attach-again", PLATFORM)).await;
        }
        let attached = attached.map_err(method_error)?;
        return clone_to(charge, account, &attached.id, Some(&customer), &key("clone", account)).await.map(Some);
    }
    let Some(customer) = order.buyer.customers.get(PLATFORM) else { return Ok(None) };
    if !matches!(order.payment, Payment::Method(_)) || !charge.stripe.is_saved(customer, named).await? {
        return Ok(None);
    }
    clone_to(charge, account, named, Some(customer), &key("clone", account)).await.map(Some)
}

async fn attach(charge: &Charge, payment_method: &str, customer: &str, key: &str) -> Result<Identified, StripeError> {
    charge.stripe.send_harmless(&requests::attach(payment_method, customer), None, key).await
}

/// Clones a payment method of the platform's to a connected account. One that no customer keeps is used up by it.
async fn clone_to(charge: &Charge, account: &str, payment_method: &str, customer: Option<&str>, key: &str) -> Result<String, Error> {
    let cloned: Result<Identified, _> =
        charge.stripe.send_harmless(&requests::clone_payment_method(payment_method, customer), Some(account), key).await;
    cloned.map(|cloned| cloned.id).map_err(method_error)
}

/// A refusal of a payment method is the buyer's to mend.
fn method_error(error: StripeError) -> Error {
    match error {
        StripeError::Refused { status: 400 | 404, code, .. } => Error::PaymentMethodRefused(code),
        other => other.into(),
    }
}
