//! Begins an attempt: the exact request is stored before it is sent to Stripe.

use shared::base::entropy::digest;
use shared::domain::charging::{ChargeType, PLATFORM};
use shared::domain::course::Share;
use shared::domain::error::{Error, UNUSABLE};
use shared::domain::ids::PurchaseId;
use shared::domain::purchase::{Attempt, AttemptStatus, Means, Payee, Purchase, Slot, Terms, divide};
use shared::domain::user::{StripeLink, Unable};
use shared::store::Written;
use shared::store::purchases::TOO_FAST;
use shared::stripe::error::StripeError;
use shared::stripe::objects::Identified;
use shared::stripe::requests::{self, Sale};
use shared::work::Services;
use shared::work::{customers, declines};
use time::Duration;

use crate::order::{Order, Payment};
use crate::outcome::{self, ForTheBrowser};

/// How long one request holds an attempt. Longer than the function's timeout, so two requests never work on the same attempt.
pub const LEASE: Duration = Duration::seconds(30);

/// The buyer's first attempt to buy the course.
pub async fn first(services: &Services, order: &Order) -> Result<(Purchase, ForTheBrowser), Error> {
    let purchase = purchase(services, order)?;
    attempt(services, order, purchase, None).await
}

/// The next attempt after a failed one, or a new purchase after one that was refunded or lost to a dispute.
pub async fn next(services: &Services, order: &Order, previous: Purchase, slot: &Slot) -> Result<(Purchase, ForTheBrowser), Error> {
    let mut purchase = if previous.paid_attempt().is_some() { purchase(services, order)? } else { previous };
    purchase.seller_account.clone_from(&seller_link(services, order)?.account_id);
    purchase.charge_type = charge_type(services, order)?;
    purchase.currency = order.course.price.currency;
    purchase.course_title.clone_from(&order.course.title);
    attempt(services, order, purchase, Some(slot)).await
}

/// How the course is charged now. An open attempt is resumed as it was begun.
fn charge_type(services: &Services, order: &Order) -> Result<ChargeType, Error> {
    let seller = order.seller.as_ref().ok_or(Error::SellerNotConnected)?;
    seller.charge_type_of(&order.course, &services.app.config.terms).ok_or_else(|| {
        tracing::warn!(course_id = %order.course.id, "not sold: it has payees, and its seller is on direct charges");
        Error::SellerNotConnected
    })
}

/// The seller's account, if it can take this type of charge.
fn seller_link<'a>(services: &Services, order: &'a Order) -> Result<&'a StripeLink, Error> {
    let link = order.seller.as_ref().and_then(|seller| seller.connected_account()).ok_or(Error::SellerNotConnected)?;
    match link.check(charge_type(services, order)?, &services.app.config.platform_country) {
        Ok(()) => Ok(link),
        Err(Unable::Disabled) => Err(Error::SellerNotConnected),
        Err(Unable::Lacks(capability)) => Err(Error::SellerCapabilityMissing { capability: capability.as_str() }),
    }
}

/// Says in the log that Stripe advises against the charge. Stripe takes it nevertheless, and somebody has decided so.
fn warn_if_ruled_out(services: &Services, order: &Order, purchase: &Purchase) -> Result<(), Error> {
    let payees = order.payees.iter().filter_map(|payee| payee.connected_account());
    let mut links = payees.chain([seller_link(services, order)?]);
    if let Some(link) = links.find(|link| link.rules_out(purchase.charge_type)) {
        let (charge_type, account) = (purchase.charge_type, &link.account_id);
        tracing::warn!(purchase_id = %purchase.id, account, ?charge_type, "Stripe rules out this charge for the account, whose losses it bears");
    }
    Ok(())
}

fn purchase(services: &Services, order: &Order) -> Result<Purchase, Error> {
    let (app, course) = (&services.app, &order.course);
    let now = app.clock.now();
    let purchase = Purchase::new(Terms {
        id: PurchaseId::generate(&order.buyer.id, now, &app.entropy),
        course_id: course.id.clone(),
        course_title: course.title.clone(),
        course_slug: course.slug.clone(),
        buyer_id: order.buyer.id.clone(),
        seller_id: course.seller_id.clone(),
        seller_account: seller_link(services, order)?.account_id.clone(),
        charge_type: charge_type(services, order)?,
        currency: course.price.currency,
        at: now,
    });
    Ok(purchase.of_stack(&app.config.stack_id))
}

async fn attempt(
    services: &Services,
    order: &Order,
    mut purchase: Purchase,
    slot: Option<&Slot>,
) -> Result<(Purchase, ForTheBrowser), Error> {
    let (seller, price) = (order.seller.as_ref().ok_or(Error::SellerNotConnected)?, order.course.price);
    if price.amount < seller.least_price(&services.app.config.platform_country, purchase.charge_type, price.currency) {
        return Err(Error::PriceTooLow);
    }
    warn_if_ruled_out(services, order, &purchase)?;
    let account = purchase.charged_account().map(str::to_owned);
    let mut customer = customers::find_or_make(&services.app, &services.stripe, &order.buyer, account.as_deref()).await?;
    let (named, kept) = match payment_methods(services, order, account.as_deref(), slot).await {
        Ok(methods) => methods,
        Err(error) => {
            // No intent will store the customer: remember it here, so that it is found again and deleted with its user.
            customers::keep(&services.app, &order.buyer, account.as_deref(), &customer).await?;
            return Err(error);
        }
    };
    let mut payment_method = kept.clone().or_else(|| named.clone());
    let mut heard = send(services, order, &mut purchase, slot, &customer, payment_method.as_deref()).await?;

    // Somebody deleted the customer at Stripe, and its cards with it: make a new one.
    if failed_with(&purchase, outcome::CUSTOMER_GONE) {
        customer = customers::replace(&services.app, &services.stripe, &order.buyer, account.as_deref(), &customer).await?;
        let slot = Slot::of(&purchase, slot);
        heard = send(services, order, &mut purchase, Some(&slot), &customer, payment_method.as_deref()).await?;
    }
    // A payment method unknown to the connected account may be the platform's.
    if let (true, Some(account), Some(named), None) = (failed_with(&purchase, outcome::PAYMENT_METHOD_REFUSED), &account, &named, &kept) {
        // Cloning consumes the card, so every attempt with it must reuse the same clone.
        let key = format!("{account}:clone:{}:{}", purchase.id, digest(named));
        payment_method = Some(clone_to(services, account, named, None, &key).await?);
        let slot = Slot::of(&purchase, slot);
        heard = send(services, order, &mut purchase, Some(&slot), &customer, payment_method.as_deref()).await?;
    }
    Ok((purchase, heard))
}

/// The payment method that the buyer named, and its clone if this is a direct charge and the platform keeps the card.
async fn payment_methods(
    services: &Services,
    order: &Order,
    account: Option<&str>,
    slot: Option<&Slot>,
) -> Result<(Option<String>, Option<String>), Error> {
    let named = payment_method(services, order, account, slot).await?;
    let kept = match (account, &named) {
        (Some(account), Some(named)) => kept_by_platform(services, order, account, named, slot).await?,
        _ => None,
    };
    Ok((named, kept))
}

/// Whether the latest attempt failed with this code.
pub fn failed_with(purchase: &Purchase, code: &str) -> bool {
    purchase.attempt().failure.as_ref().is_some_and(|failure| failure.code == code)
}

/// Stores the intent, calls Stripe and records the outcome: two DynamoDB trips and one Stripe call.
async fn send(
    services: &Services,
    order: &Order,
    purchase: &mut Purchase,
    slot: Option<&Slot>,
    customer: &str,
    payment_method: Option<&str>,
) -> Result<ForTheBrowser, Error> {
    let app = &services.app;
    let now = app.clock.now();
    let account = purchase.charged_account().map(str::to_owned);
    let number = purchase.attempts().last().map_or(1, |attempt| attempt.number + 1);
    let price = order.course.price;
    let return_url = format!("{}/purchase.html?id={}", app.config.storefront_url, purchase.id);
    let sale = Sale {
        purchase,
        attempt: number,
        amount: price.amount,
        application_fee: fee(services, order)?,
        customer,
        on_behalf_of: seller_link(services, order)?.on_behalf_of(purchase.charge_type, &app.config.platform_country),
        save_card: order.save_card,
        collects_address: seller_link(services, order)?.settles_in(purchase.charge_type, &app.config.platform_country) == Some("IN"),
        stack_id: &app.config.stack_id,
        return_url: &return_url,
    };
    let (means, request) = match payment_method {
        Some(payment_method) => (Means::PaymentIntent, sale.payment_intent(payment_method)),
        None => {
            let cancel_url = format!("{}/course.html?id={}&checkout=canceled", app.config.storefront_url, order.course.id);
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
        named: order.payment.named().filter(|named| payment_method != Some(named.as_str())),
        amount: sale.amount,
        application_fee: sale.application_fee,
        payees: payees(purchase, order, sale.amount - sale.application_fee, &app.config.platform_country)?,
        started_at: now,
        sent_again_at: None,
        leased_until: now + LEASE,
        payment_intent: None,
        checkout_session: None,
        charge: None,
        status: AttemptStatus::Pending,
        failure: None,
        sold: None,
    };
    purchase.begin(attempt, &order.cause);
    match app.store.write_try(purchase, slot, order.card_try(app).as_ref()).await? {
        Written::Yes => {}
        Written::No(TOO_FAST..) => {
            customers::keep(app, &order.buyer, purchase.charged_account(), customer).await?;
            return Err(declines::too_fast(&order.buyer.id, &order.address, now));
        }
        Written::No(_) => return Err(outcome::lost_race(services, order, purchase.attempt()).await?),
    }
    let result = services.stripe.send_attempt(purchase, purchase.attempt()).await;
    outcome::settle(services, purchase, result, &order.cause).await
}

fn fee(services: &Services, order: &Order) -> Result<i64, Error> {
    let (seller, price) = (order.seller.as_ref().ok_or(Error::SellerNotConnected)?, order.course.price);
    let config = &services.app.config;
    Ok(seller.fee(&config.terms, &config.platform_country, order.course.fee_percent, price.currency).of(price.amount))
}

/// Splits what remains after the fee among the payees when the platform makes the transfers; the parts add up exactly.
/// A payee whose account cannot receive transfers at the moment is paid later and does not block the sale. One without
/// an account, or whose account asks for no transfers or is in a country out of reach, fails the sale: there is nothing to transfer to later.
fn payees(purchase: &Purchase, order: &Order, rest: i64, platform_country: &str) -> Result<Vec<Payee>, Error> {
    if purchase.charge_type != ChargeType::Separate {
        return Ok(Vec::new());
    }
    let shares = &order.course.payees;
    if shares.is_empty() {
        return Ok(vec![Payee { user_id: purchase.seller_id.clone(), account: purchase.seller_account.clone(), amount: rest }]);
    }
    // Each weight is 100 times the payee's part, so `divide` never caps a part.
    let weights: Vec<i64> = shares.iter().map(|share| rest * i64::from(share.share)).collect();
    let one = |(share, amount): (&Share, i64)| {
        let payee = order.payees.iter().find(|payee| payee.id == share.seller).and_then(|payee| payee.connected_account());
        let is_sellers = share.seller == purchase.seller_id;
        let payee = payee.filter(|link| !link.asks_for_no_transfers() && (is_sellers || link.out_of_reach(platform_country).is_none()));
        let account = payee.ok_or(Error::SellerNotConnected)?.account_id.clone();
        Ok(Payee { user_id: share.seller.clone(), account, amount })
    };
    shares.iter().zip(divide(rest, &weights)).map(one).collect()
}

/// The payment method to charge; `None` for hosted Checkout. A token can be used only once,
/// so a repeated request gets the payment method that the first one made from it.
async fn payment_method(services: &Services, order: &Order, account: Option<&str>, slot: Option<&Slot>) -> Result<Option<String>, Error> {
    let token = match &order.payment {
        Payment::Checkout => return Ok(None),
        Payment::Method(method) => return Ok(Some(method.clone())),
        Payment::Token(token) => token,
    };
    // A card to be saved is attached to the platform's customer.
    let account = account.filter(|_| !order.save_card);
    let (place, seen) = (account.unwrap_or(PLATFORM), slot.map_or(0, |slot| slot.version));
    let key = format!("{place}:token:{}:{seen}:{}", order.buyer.id, digest(&format!("{}{token}", order.course.id)));
    let made: Result<Identified, _> = services.stripe.send_harmless(&requests::payment_method_from_token(token), account, &key).await;
    made.map(|made| Some(made.id)).map_err(method_error)
}

/// For a direct charge: the clone of a card that the platform keeps for the buyer, or will keep from now on.
async fn kept_by_platform(
    services: &Services,
    order: &Order,
    account: &str,
    named: &str,
    slot: Option<&Slot>,
) -> Result<Option<String>, Error> {
    let seen = slot.map_or(0, |slot| slot.version);
    let key = |what: &str, place: &str| format!("{place}:{what}:{}:{}:{seen}:{named}", order.buyer.id, order.course.id);
    if order.save_card {
        // Stripe asks the bank when a card is attached, and the intent that counts the card comes later.
        if let Some(one) = order.card_try(&services.app) {
            declines::take_try(&services.app, &one).await?;
        }
        let mut customer = customers::on_platform(&services.app, &services.stripe, &order.buyer).await?;
        let mut attached = attach(services, named, &customer, &key("attach", PLATFORM)).await;
        if attached.as_ref().is_err_and(|error| error.is_missing("customer")) {
            customer = customers::replace(&services.app, &services.stripe, &order.buyer, None, &customer).await?;
            attached = attach(services, named, &customer, &key("attach-again", PLATFORM)).await;
        }
        let attached = attached.map_err(method_error)?;
        return clone_to(services, account, &attached.id, Some(&customer), &key("clone", account)).await.map(Some);
    }
    let Some(customer) = order.buyer.customers.get(PLATFORM) else { return Ok(None) };
    if !matches!(order.payment, Payment::Method(_)) || !services.stripe.is_saved(customer, named).await? {
        return Ok(None);
    }
    clone_to(services, account, named, Some(customer), &key("clone", account)).await.map(Some)
}

async fn attach(services: &Services, payment_method: &str, customer: &str, key: &str) -> Result<Identified, StripeError> {
    services.stripe.send_harmless(&requests::attach(payment_method, customer), None, key).await
}

/// Clones a platform payment method to a connected account. Cloning consumes a payment method that is not attached to a customer.
async fn clone_to(services: &Services, account: &str, payment_method: &str, customer: Option<&str>, key: &str) -> Result<String, Error> {
    let cloned: Result<Identified, _> =
        services.stripe.send_harmless(&requests::clone_payment_method(payment_method, customer), Some(account), key).await;
    cloned.map(|cloned| cloned.id).map_err(method_error)
}

/// The buyer can fix a refused payment method.
fn method_error(error: StripeError) -> Error {
    match error {
        StripeError::Refused { status: 400 | 404, .. } => Error::PaymentMethodRefused(UNUSABLE),
        other => other.into(),
    }
}
