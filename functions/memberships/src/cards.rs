//! The card that pays for a membership.

use shared::domain::charging::PLATFORM;
use shared::domain::error::{Error, UNUSABLE};
use shared::domain::ids::UserId;
use shared::domain::membership::Subscription;
use shared::domain::money::Currency;
use shared::domain::user::User;
use shared::stripe::error::StripeError;
use shared::stripe::objects::Identified;
use shared::stripe::requests;
use shared::work::Services;
use shared::work::customers::{self, Keeper};

/// Who pays whom, and on which account.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paying<'a> {
    pub(crate) buyer: &'a User,
    pub(crate) seller: &'a UserId,
    /// The charged account; `None` is the platform.
    pub(crate) account: Option<&'a str>,
    /// The customer of a running subscription on a connected account.
    pub(crate) customer: Option<&'a str>,
    pub(crate) currency: Currency,
    /// The version on record, for the idempotency keys.
    pub(crate) seen: u64,
}

impl Paying<'_> {
    fn key(&self, what: &str, place: &str, method: &str) -> String {
        format!("{place}:{what}:{}:{}:{}:{method}", self.buyer.id, self.seller, self.seen)
    }
}

/// The customer that pays, and the buyer's card as the charged account knows it: saved with that customer if it
/// was not, and cloned for a direct charge. No card if Stripe holds it for a customer with another currency.
pub(crate) async fn card(services: &Services, paying: &Paying<'_>, method: &str) -> Result<(String, Option<String>), Error> {
    let (app, stripe, buyer) = (&services.app, &services.stripe, paying.buyer);
    let Some(account) = paying.account else {
        let payer = customers::for_membership(app, stripe, buyer, paying.currency, Some(method)).await?;
        return match payer.card {
            Keeper::Payer => Ok((payer.customer, Some(method.to_owned()))),
            Keeper::Another => Ok((payer.customer, None)),
            Keeper::Nobody => keep_card(services, method, payer.customer, &paying.key("attach", PLATFORM, method)).await,
        };
    };
    // The platform holds the cards, whichever account charges them.
    let mut keeper = customers::on_platform(app, stripe, buyer).await?;
    let mut kept = method.to_owned();
    if !stripe.is_saved(&keeper, method).await? {
        (keeper, kept) = attach(services, buyer, None, method, keeper, &paying.key("attach", PLATFORM, method)).await?;
    }
    let clone = requests::clone_payment_method(&kept, Some(&keeper));
    let cloned: Result<Identified, _> = stripe.send_harmless(&clone, Some(account), &paying.key("clone", account, method)).await;
    let cloned = cloned.map_err(method_error)?;
    let customer = match paying.customer {
        Some(customer) => customer.to_owned(),
        None => customers::for_direct_membership(app, stripe, buyer, account).await?,
    };
    // A retry may come after the customer was replaced.
    let key = format!("{}:{customer}", paying.key("attach", account, method));
    let (customer, card) = attach(services, buyer, Some(account), &cloned.id, customer, &key).await?;
    Ok((customer, Some(card)))
}

/// Saves a payment method with the paying customer. Its id may differ from then on.
async fn keep_card(services: &Services, method: &str, customer: String, key: &str) -> Result<(String, Option<String>), Error> {
    let attached: Result<Identified, _> = services.stripe.send_harmless(&requests::attach(method, &customer), None, key).await;
    Ok((customer, Some(attached.map_err(method_error)?.id)))
}

/// The same for the customer that holds the cards or pays on a connected account. One that was deleted at Stripe is replaced.
async fn attach(
    services: &Services,
    buyer: &User,
    account: Option<&str>,
    method: &str,
    mut customer: String,
    key: &str,
) -> Result<(String, String), Error> {
    let (app, stripe) = (&services.app, &services.stripe);
    let mut attached: Result<Identified, _> = stripe.send_harmless(&requests::attach(method, &customer), account, key).await;
    if attached.as_ref().is_err_and(|error| error.is_missing("customer")) {
        customer = customers::replace(app, stripe, buyer, account, &customer).await?;
        attached = stripe.send_harmless(&requests::attach(method, &customer), account, &format!("{key}:again")).await;
    }
    Ok((customer, attached.map_err(method_error)?.id))
}

/// The card that will pay for a subscription from now on, as the charged account knows it.
///
/// # Errors
/// [`Error::PaymentMethodRefused`] if Stripe holds the card for the buyer's
/// customer with another currency, because it cannot be charged here.
pub(crate) async fn for_subscription(
    services: &Services,
    buyer: &User,
    subscription: &Subscription,
    method: &str,
) -> Result<String, Error> {
    let (customer, seen) = (&subscription.customer, subscription.version);
    let account = subscription.account.as_deref();
    let paying = Paying {
        buyer,
        seller: &subscription.seller_id,
        account,
        customer: Some(customer.as_str()),
        currency: subscription.currency,
        seen,
    };
    if account.is_some() {
        return card(services, &paying, method).await?.1.ok_or_else(kept_elsewhere);
    }
    if services.stripe.is_saved(customer, method).await? {
        return Ok(method.to_owned());
    }
    if let Some(first) = buyer.customers.get(PLATFORM).filter(|first| *first != customer)
        && services.stripe.is_saved(first, method).await?
    {
        return Err(kept_elsewhere());
    }
    keep_card(services, method, customer.clone(), &paying.key("attach", PLATFORM, method)).await?.1.ok_or_else(kept_elsewhere)
}

fn kept_elsewhere() -> Error {
    Error::PaymentMethodRefused("it is saved for payments in another currency; enter the card again")
}

/// A refused payment method is the buyer's to fix.
pub(crate) fn method_error(error: StripeError) -> Error {
    match error {
        StripeError::Refused { status: 400 | 404, .. } => Error::PaymentMethodRefused(UNUSABLE),
        other => other.into(),
    }
}
