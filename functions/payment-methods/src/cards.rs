//! Lists the saved cards, sets the default and removes cards.

use serde::{Deserialize, Serialize};
use shared::domain::charging::PLATFORM;
use shared::domain::error::Error;
use shared::domain::user::User;
use shared::http::view::PaymentMethodView;
use shared::http::{Request, Response, identity, request, response};
use shared::store::page::Page;
use shared::stripe::cards::is_payment_method;
use shared::work::Services;

const NOT_FOUND: Error = Error::NotFound("payment method");

#[derive(Serialize)]
struct List {
    items: Vec<PaymentMethodView>,
    next_cursor: Option<String>,
}

/// `GET /users/me/payment-methods`: the signed-in user's saved cards, newest first.
///
/// One trip to DynamoDB and one call to Stripe; no call if the user has no customer yet.
pub(crate) async fn list(services: &Services, request: &Request) -> Result<Response, Error> {
    let (app, stripe) = (&services.app, &services.stripe);
    let limit = request::limit(request)?;
    let after = request::parameter(request, "cursor")?;
    if after.as_deref().is_some_and(|after| !is_payment_method(after)) {
        return Err(Error::BadCursor);
    }
    let user = identity::user(request, app).await?;
    let Some(customer) = user.customers.get(PLATFORM) else {
        return Ok(response::json(200, &List { items: Vec::new(), next_cursor: None }));
    };

    let page = stripe.saved_cards(customer, limit, after.as_deref()).await?.ok_or(Error::BadCursor)?;
    let next_cursor = page.data.last().filter(|_| page.has_more).map(|card| card.id.clone());
    Ok(response::json(200, &List { items: page.data.iter().map(PaymentMethodView::from).collect(), next_cursor }))
}

#[derive(Deserialize)]
struct Change {
    is_default: bool,
}

/// `PATCH /users/me/payment-methods/{id}`: makes a card the default. Two trips
/// to DynamoDB and one call to Stripe, which refuses another customer's card.
pub(crate) async fn change(services: &Services, request: &Request, id: &str) -> Result<Response, Error> {
    let (app, stripe) = (&services.app, &services.stripe);
    let user = identity::user(request, app).await?;
    let change: Change = request::json(request)?;
    if !change.is_default {
        return Err(Error::InvalidRequest("is_default can only be true: choose another card in place of this one".to_owned()));
    }
    let customer = user.customers.get(PLATFORM).filter(|_| is_payment_method(id)).ok_or(NOT_FOUND)?;

    // Count first: choosing the same card again later is a new request and needs a new key.
    let number = app.store.count_card_change(&user.id).await?.ok_or(Error::NotSignedIn)?;
    let card = stripe.set_default_card(customer, id, &number.to_string()).await?.ok_or(NOT_FOUND)?;
    Ok(response::json(200, &PaymentMethodView::from(&card)))
}

/// `DELETE /users/me/payment-methods/{id}`: detaches the card at Stripe. If it was the default, there is none until the user chooses
/// or saves another. A card that pays for a membership is only removed with `?in_use=true`. Two trips to DynamoDB, plus one for
/// every further hundred subscriptions, and two calls to Stripe: the card's owner, then the detachment.
pub(crate) async fn remove(services: &Services, request: &Request, id: &str) -> Result<Response, Error> {
    let (app, stripe) = (&services.app, &services.stripe);
    let user = identity::user(request, app).await?;
    let even_if_used = match request::parameter(request, "in_use")?.as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Error::InvalidRequest("in_use must be true or false".to_owned())),
    };
    let customer = user.customers.get(PLATFORM).filter(|_| is_payment_method(id)).ok_or(NOT_FOUND)?;

    if !even_if_used && is_in_use(services, &user, id).await? {
        return Err(Error::CardInUse);
    }
    if !stripe.detach_card(customer, id).await? {
        return Err(NOT_FOUND);
    }
    Ok(response::no_content())
}

/// Whether one of the user's memberships is paid with the card.
async fn is_in_use(services: &Services, user: &User, card: &str) -> Result<bool, Error> {
    let mut after = None;
    loop {
        let page = services.app.store.subscriptions_of(&user.id, &Page { limit: 100, after }).await?;
        if page.items.iter().any(|subscription| subscription.is_paid_with(card)) {
            return Ok(true);
        }
        after = page.next;
        if after.is_none() {
            return Ok(false);
        }
    }
}
