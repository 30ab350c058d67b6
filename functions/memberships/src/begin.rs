//! Beginning a subscription: the request is written down, exactly, before it is sent.

use shared::customers;
use shared::error::Error;
use shared::http::Response;
use shared::ids::{SubscriptionId, UserId};
use shared::membership::{Slot, Subscription, Terms};
use shared::memberships::settle;
use shared::purchase::ChargeType;
use shared::store::Written;
use shared::stripe::error::StripeError;
use shared::stripe::memberships;
use shared::stripe::objects::Identified;
use shared::stripe::requests;
use shared::user::{PLATFORM, StripeLink, Unable, User};
use time::Duration;

use crate::Memberships;
use crate::answer::answer;
use crate::subscribe::Order;

/// For how long a request has a subscription to itself. Longer than the function may run, so that two never work on one.
pub const LEASE: Duration = Duration::seconds(30);

/// Writes the subscription down, asks Stripe for it, and records the outcome. `slot` is the one that was read; it must have none that
/// is open.
pub async fn begin(this: &Memberships, order: &Order, slot: Option<&Slot>) -> Result<Response, Error> {
    let (mut subscription, heard) = Box::pin(send(this, order, slot)).await?;
    if !lost_its_customer(&subscription) {
        return answer(&subscription, heard);
    }
    // Somebody deleted the customer at Stripe. The cards went with it, and a new one is made.
    let account = subscription.account.clone();
    customers::replace(&this.app, &this.stripe, &order.buyer, account.as_deref(), &subscription.customer).await?;
    let buyer = this.app.store.user(&order.buyer.id).await?.ok_or(Error::NotSignedIn)?;
    let again =
        Order { buyer, seller: order.seller.clone(), offer: order.offer.clone(), payment_method: order.payment_method.clone(), ..*order };
    let slot = Slot::of(&subscription);
    let heard;
    (subscription, heard) = Box::pin(send(this, &again, Some(&slot))).await?;
    answer(&subscription, heard)
}

/// Whether it came to nothing because Stripe has the customer no more.
pub fn lost_its_customer(subscription: &Subscription) -> bool {
    subscription.failure.as_ref().is_some_and(|failure| failure.code == "customer")
}

async fn send(this: &Memberships, order: &Order, slot: Option<&Slot>) -> Result<(Subscription, memberships::Heard), Error> {
    let (app, stripe) = (&this.app, &this.stripe);
    let (link, charge_type) = seller_link(this, &order.seller)?;
    let account = (charge_type == ChargeType::Direct).then_some(link.account_id.as_str());
    let seen = slot.map_or(0, |slot| slot.version);
    // The platform keeps the cards, whoever charges them.
    let card = match &order.payment_method {
        Some(method) => Some(card(this, &order.buyer, &order.seller.id, account, method, seen).await?),
        None => None,
    };
    let customer = match &card {
        Some(card) => card.customer.clone(),
        None => customers::find_or_make(app, stripe, &order.buyer, account).await?,
    };
    let price = stripe.price_of(&order.offer, order.interval, order.amount, account).await?;

    let now = app.clock.now();
    let id = SubscriptionId::generate(&order.buyer.id, now, &app.entropy);
    let page = format!("{}/account.html?subscription=", app.config.storefront_url);
    let mut subscription = Subscription::new(Terms {
        id: id.clone(),
        buyer_id: order.buyer.id.clone(),
        seller_id: order.seller.id.clone(),
        title: order.offer.title.clone(),
        interval: order.interval,
        amount: order.amount,
        currency: order.offer.currency,
        charge_type,
        seller_account: link.account_id.clone(),
        customer,
        payment_method: order.payment_method.clone(),
        earlier: slot.map(|slot| slot.passes_on(now)).unwrap_or_default(),
        at: now,
        lease: LEASE,
    });
    let fee = order.seller.fee(&app.config, app.config.default_fee_percent, order.offer.currency).percent_of(order.amount);
    let wanted = memberships::Order {
        price: &price,
        application_fee_percent: fee.as_deref(),
        on_behalf_of: link.on_behalf_of(charge_type, &app.config.platform_country),
        payment_method: card.as_ref().map(|card| card.method.as_str()),
        success_url: &format!("{page}{id}"),
        cancel_url: &format!("{page}canceled"),
    };
    subscription.body = wanted.body(&subscription);
    if let Written::No(_) = app.store.begin_subscription(&mut subscription, slot).await? {
        // Another request was faster, or the buyer has erased their account: then the customer is left to that.
        customers::keep(app, &order.buyer, account, &subscription.customer).await?;
        return Err(Error::SubscriptionInProgress);
    }
    let result = stripe.send_subscription(&subscription).await;
    let heard = settle(app, stripe, &mut subscription, result).await?;
    Ok((subscription, heard))
}

/// The seller's account and how it is charged. There is one payee, so that a seller with separate charges is paid by
/// destination charges.
pub(crate) fn seller_link<'a>(this: &Memberships, seller: &'a User) -> Result<(&'a StripeLink, ChargeType), Error> {
    let config = &this.app.config;
    let charge_type = match seller.charge_type(config) {
        ChargeType::Direct => ChargeType::Direct,
        ChargeType::Destination | ChargeType::Separate => ChargeType::Destination,
    };
    let link = seller.connected_account().ok_or(Error::SellerNotConnected)?;
    match link.check(charge_type, &config.platform_country) {
        Ok(()) => Ok((link, charge_type)),
        Err(Unable::Disabled) => Err(Error::SellerNotConnected),
        Err(Unable::Lacks(capability)) => Err(Error::SellerCapabilityMissing { capability: capability.as_str() }),
    }
}

/// A card that can be charged off session, and whose it is, on the account that charges it.
pub(crate) struct Card {
    pub(crate) method: String,
    customer: String,
}

/// The buyer's card, which a subscription keeps with the platform's customer where it is not kept yet; for a direct charge its clone,
/// with the buyer's customer there.
pub(crate) async fn card(
    this: &Memberships,
    buyer: &User,
    seller: &UserId,
    account: Option<&str>,
    method: &str,
    seen: u64,
) -> Result<Card, Error> {
    let (app, stripe) = (&this.app, &this.stripe);
    let key = |what: &str, place: &str| format!("{place}:{what}:{}:{seller}:{seen}:{method}", buyer.id);
    let customer = customers::on_platform(app, stripe, buyer).await?;
    let kept = if stripe.is_saved(&customer, method).await? {
        Card { method: method.to_owned(), customer }
    } else {
        attach(this, buyer, None, method, customer, &key("attach", PLATFORM)).await?
    };
    let Some(account) = account else { return Ok(kept) };

    let clone = requests::clone_payment_method(&kept.method, Some(&kept.customer));
    let cloned: Result<Identified, _> = stripe.send_harmless(&clone, Some(account), &key("clone", account)).await;
    let cloned = cloned.map_err(method_error)?;
    let customer = customers::find_or_make(app, stripe, buyer, Some(account)).await?;
    attach(this, buyer, Some(account), &cloned.id, customer, &key("attach", account)).await
}

/// Has the buyer's customer keep a payment method, whose id may be another from then on. A customer that somebody deleted at Stripe is
/// made anew.
async fn attach(
    this: &Memberships,
    buyer: &User,
    account: Option<&str>,
    method: &str,
    mut customer: String,
    key: &str,
) -> Result<Card, Error> {
    let (app, stripe) = (&this.app, &this.stripe);
    let mut attached: Result<Identified, _> = stripe.send_harmless(&requests::attach(method, &customer), account, key).await;
    if attached.as_ref().is_err_and(|error| error.is_missing("customer")) {
        customer = customers::replace(app, stripe, buyer, account, &customer).await?;
        attached = stripe.send_harmless(&requests::attach(method, &customer), account, &format!("{key}:again")).await;
    }
    Ok(Card { method: attached.map_err(method_error)?.id, customer })
}

/// A refusal of a payment method is the buyer's to mend.
pub(crate) fn method_error(error: StripeError) -> Error {
    match error {
        StripeError::Refused { status: 400 | 404, code, .. } => Error::PaymentMethodRefused(code),
        other => other.into(),
    }
}
