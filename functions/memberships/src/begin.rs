//! Starts a subscription: the exact request is recorded before it is sent.

use shared::domain::charging::ChargeType;
use shared::domain::error::Error;
use shared::domain::ids::SubscriptionId;
use shared::domain::membership::{Slot, Subscription, Terms};
use shared::domain::money::Currency;
use shared::domain::user::{StripeLink, Unable, User};
use shared::store::Written;
use shared::stripe::memberships::{self, Heard};
use shared::work::Services;
use shared::work::customers;
use shared::work::subscriptions::settle;
use time::Duration;

use crate::cards::{Paying, card};
use crate::order::Order;

/// How long one request holds a subscription. Longer than the function may run, so two requests never work on the same one.
pub const LEASE: Duration = Duration::seconds(30);

/// Records the subscription, sends it to Stripe and records the outcome. `slot`
/// is the one that was read; it must not belong to an open subscription.
pub async fn begin(services: &Services, order: &Order, slot: Option<&Slot>) -> Result<(Subscription, Heard), Error> {
    let (subscription, heard) = Box::pin(send(services, order, slot)).await?;
    if !lost_its_customer(&subscription) {
        return Ok((subscription, heard));
    }
    // Somebody deleted the customer at Stripe, and the cards with it. A new one is created.
    if let Some(account) = subscription.account.clone() {
        customers::replace(&services.app, &services.stripe, &order.buyer, Some(&account), &subscription.customer).await?;
    }
    let buyer = services.app.store.user(&order.buyer.id).await?.ok_or(Error::NotSignedIn)?;
    let again = Order { buyer, ..order.clone() };
    let slot = Slot::of(&subscription);
    Box::pin(send(services, &again, Some(&slot))).await
}

/// Whether it failed because the customer no longer exists at Stripe.
pub fn lost_its_customer(subscription: &Subscription) -> bool {
    subscription.failure.as_ref().is_some_and(|failure| failure.code == "customer")
}

async fn send(services: &Services, order: &Order, slot: Option<&Slot>) -> Result<(Subscription, Heard), Error> {
    let (app, stripe) = (&services.app, &services.stripe);
    let (link, charge_type) = seller_link(services, &order.seller)?;
    check_price(services, &order.seller, charge_type, order.amount, order.offer.currency)?;
    let account = (charge_type == ChargeType::Direct).then_some(link.account_id.as_str());
    let seen = slot.map_or(0, |slot| slot.version);
    let paying = Paying { buyer: &order.buyer, seller: &order.seller.id, account, customer: None, currency: order.offer.currency, seen };
    let (customer, card) = match (&order.payment_method, account) {
        (Some(method), _) => card(services, &paying, method).await?,
        (None, Some(account)) => (customers::for_direct_membership(app, stripe, &order.buyer, account).await?, None),
        (None, None) => (customers::for_membership(app, stripe, &order.buyer, order.offer.currency, None).await?.customer, None),
    };
    let price = stripe.price_of(&order.offer, order.interval, order.amount, account).await?;

    let config = &app.config;
    let fee = order.seller.fee(&config.terms, &config.platform_country, config.default_fee_percent, order.offer.currency);
    let fee = fee.percent_of(order.amount);
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
        fee_percent: fee.clone(),
        charge_type,
        seller_account: link.account_id.clone(),
        customer,
        // If Stripe holds the card for another currency, its page asks for the card again.
        payment_method: order.payment_method.clone().filter(|_| card.is_some()),
        earlier: slot.map(|slot| slot.passes_on(now)).unwrap_or_default(),
        contested_earlier: slot.map(|slot| slot.contested.clone()).unwrap_or_default(),
        at: now,
        lease: LEASE,
    });
    let wanted = memberships::Order {
        price: &price,
        application_fee_percent: fee.as_deref(),
        on_behalf_of: link.on_behalf_of(charge_type, &app.config.platform_country),
        payment_method: card.as_deref(),
        stack_id: &app.config.stack_id,
        success_url: &format!("{page}{id}"),
        cancel_url: &format!("{page}canceled"),
    };
    subscription.body = wanted.body(&subscription);
    if let Written::No(_) = app.store.begin_subscription(&mut subscription, slot).await? {
        // Another request was faster, or the buyer has erased their account. In that case `keep` leaves the customer to the erasure.
        if account.is_some() {
            customers::keep(app, &order.buyer, account, &subscription.customer).await?;
        }
        // An event about the earlier subscription may have been written in the meantime. It has ended either way.
        let current = app.store.member_slot(&order.buyer.id, &order.seller.id).await?;
        let (Some(before), Some(current)) = (slot, current.filter(|current| !current.status.is_open())) else {
            return Err(Error::SubscriptionInProgress);
        };
        if current.subscription_id != before.subscription_id || current.version == before.version {
            return Err(Error::SubscriptionInProgress);
        }
        return Box::pin(send(services, order, Some(&current))).await;
    }
    if link.rules_out(charge_type) {
        let account = &link.account_id;
        tracing::warn!(subscription_id = %id, account, ?charge_type, "Stripe rules out this charge for the account, whose losses it bears");
    }
    let (result, turned_away) = match stripe.send_subscription(&subscription).await {
        // Nothing was sent before, so nothing was done.
        Err(error) if error.is_turned_away() => (Ok(Heard::never_made()), Some(error)),
        result => (result, None),
    };
    let heard = settle(app, stripe, &mut subscription, result).await?;
    turned_away.map_or(Ok((subscription, heard)), |error| Err(error.into()))
}

/// Refuses a price that Stripe would refuse in the seller's settlement currency.
///
/// # Errors
/// [`Error::PriceTooLow`].
pub(crate) fn check_price(
    services: &Services,
    seller: &User,
    charge_type: ChargeType,
    amount: i64,
    currency: Currency,
) -> Result<(), Error> {
    let least = seller.least_price(&services.app.config.platform_country, charge_type, currency);
    if amount < least { Err(Error::PriceTooLow) } else { Ok(()) }
}

/// The seller's account, and how it is charged.
pub(crate) fn seller_link<'a>(services: &Services, seller: &'a User) -> Result<(&'a StripeLink, ChargeType), Error> {
    let config = &services.app.config;
    let charge_type = seller.charge_type_of_memberships(&config.terms);
    let link = seller.connected_account().ok_or(Error::SellerNotConnected)?;
    match link.check(charge_type, &config.platform_country) {
        Ok(()) => Ok((link, charge_type)),
        Err(Unable::Disabled) => Err(Error::SellerNotConnected),
        Err(Unable::Lacks(capability)) => Err(Error::SellerCapabilityMissing { capability: capability.as_str() }),
    }
}
