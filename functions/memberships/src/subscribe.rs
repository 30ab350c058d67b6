//! `POST /sellers/{id}/membership/subscribe`: who subscribes to what, at which price; everything that is decided before Stripe is called.

use serde::Deserialize;
use shared::domain::error::Error;
use shared::domain::ids::UserId;
use shared::domain::membership::{Interval, Slot};
use shared::domain::money::{Currency, Price};
use shared::http::{Request, Response, identity, request};
use shared::stripe::cards::is_payment_method;
use shared::work::Services;
use shared::work::declines;

use crate::answer::answer;
use crate::offer::NOT_FOUND;
use crate::order::Order;
use crate::{begin, resume};

#[derive(Deserialize)]
struct Body {
    interval: Interval,
    payment_method: Option<String>,
    expected_amount: Option<i64>,
    expected_currency: Option<Currency>,
    /// The response from the browser's challenge, see [`declines`].
    challenge: Option<String>,
}

/// Subscribes to a seller's membership, once.
///
/// With a saved card of a known customer: four DynamoDB trips (two reads in parallel, count the card, intent, outcome) and sequential calls to Stripe
/// for the card, the price, the subscription and its first payment. For a direct charge the card is cloned and
/// attached: two more calls, and two side by side for what its owner may have added to the customer. Customer, product and price are created the first time only, at the cost of their calls.
/// A first payment that the buyer must authenticate costs one more trip.
///
/// # Errors
/// See `openapi.yaml`. Work in progress is stored, and repeating the request continues it.
pub async fn subscribe(services: &Services, request: &Request, seller: &str) -> Result<Response, Error> {
    let app = &services.app;
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

    let address = identity::address(request, &app.config);
    let (read, is_taken_down) =
        tokio::try_join!(app.store.read_for_subscription(&presented.token, &seller, &address, now), app.store.is_taken_down(&seller))?;
    let buyer = read.buyer.ok_or(Error::NotSignedIn)?;
    if buyer.id == seller {
        return Err(Error::OwnMembership);
    }
    if read.slot.as_ref().is_some_and(|slot| slot.status.runs()) {
        return Err(Error::AlreadySubscribed);
    }
    app.config.check_terms(&buyer)?;
    let offer = read.offer.filter(|_| !is_taken_down).ok_or(NOT_FOUND)?;
    let amount = offer.price(body.interval).ok_or(Error::IntervalNotOffered)?;
    Price { amount, currency: offer.currency }.check_shown(body.expected_amount, body.expected_currency)?;
    let seller = read.seller.ok_or(Error::SellerNotConnected)?;
    if let Some(card) = &body.payment_method {
        declines::check(app, &buyer, &address, read.declines, body.challenge.as_deref()).await?;
        declines::take_try(app, &declines::card_try(app, &buyer.id, &address, card)).await?;
    }
    let order = Order { buyer, seller, offer, interval: body.interval, amount, payment_method: body.payment_method, address };
    let answer = join(services, &order, read.slot.as_ref()).await;
    declines::count(app, &order.buyer, &order.address, &answer).await?;
    answer
}

async fn join(services: &Services, order: &Order, slot: Option<&Slot>) -> Result<Response, Error> {
    let (subscription, heard) = match slot {
        Some(slot) if slot.status.is_open() => resume::resume(services, order, slot).await?,
        slot => begin::begin(services, order, slot).await?,
    };
    answer(services, order, subscription, heard).await
}
