//! `POST /sellers/{id}/membership/subscribe`: who subscribes to what, at which price: everything that is decided before Stripe is
//! asked.

use serde::Deserialize;
use shared::error::Error;
use shared::http::{Request, Response, identity, request};
use shared::ids::UserId;
use shared::membership::{Interval, Offer};
use shared::stripe::cards::is_payment_method;
use shared::user::User;

use crate::offer::NOT_FOUND;
use crate::{Memberships, begin, resume};

#[derive(Deserialize)]
struct Body {
    interval: Interval,
    payment_method: Option<String>,
}

/// A subscription that may be made.
#[derive(Debug)]
pub struct Order {
    /// Who subscribes.
    pub buyer: User,
    /// Whose courses it opens.
    pub seller: User,
    /// What is offered.
    pub offer: Offer,
    /// How often it is to be paid for.
    pub interval: Interval,
    /// What that costs, in the minor unit.
    pub amount: i64,
    /// The card; none for hosted Checkout.
    pub payment_method: Option<String>,
}

/// Subscribes to a seller's membership, once.
///
/// With a saved card of a known customer: three DynamoDB trips (read, intent, outcome) and, one after the other, calls to Stripe for
/// the card, the price, the subscription, and what its first payment came to. For a direct charge the card is cloned and attached, two
/// calls more. What is made only once (customer, product, price) costs its calls the first time.
///
/// # Errors
/// See `openapi.yaml`. Whatever was begun is on record, and the same request finds it.
pub async fn subscribe(this: &Memberships, request: &Request, seller: &str) -> Result<Response, Error> {
    let app = &this.app;
    let presented = identity::required(request, &app.config)?;
    let body: Body = request::json(request)?;
    if body.payment_method.as_deref().is_some_and(|id| !is_payment_method(id)) {
        return Err(Error::InvalidRequest("payment_method must be a Stripe payment method (pm_…)".to_owned()));
    }
    let now = app.clock.now();
    let Ok(seller) = seller.parse::<UserId>() else {
        app.store.user_by_token(&presented.token, now).await?.ok_or(Error::NotSignedIn)?;
        return Err(NOT_FOUND);
    };

    let read = app.store.read_for_subscription(&presented.token, &seller, now).await?;
    let buyer = read.buyer.ok_or(Error::NotSignedIn)?;
    if buyer.id == seller {
        return Err(Error::OwnMembership);
    }
    if read.slot.as_ref().is_some_and(|slot| slot.status.runs()) {
        return Err(Error::AlreadySubscribed);
    }
    let offer = read.offer.ok_or(NOT_FOUND)?;
    let amount = offer.price(body.interval).ok_or(Error::IntervalNotOffered)?;
    let seller = read.seller.ok_or(Error::SellerNotConnected)?;
    let order = Order { buyer, seller, offer, interval: body.interval, amount, payment_method: body.payment_method };
    match read.slot {
        Some(slot) if slot.status.is_open() => resume::resume(this, &order, &slot).await,
        slot => begin::begin(this, &order, slot.as_ref()).await,
    }
}
