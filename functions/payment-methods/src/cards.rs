//! Looking at the saved cards, choosing the default, and taking one away.

use serde::{Deserialize, Serialize};
use shared::error::Error;
use shared::http::view::PaymentMethodView;
use shared::http::{Request, Response, identity, request, response};
use shared::stripe::cards::is_payment_method;
use shared::user::PLATFORM;

use crate::PaymentMethods;

const NOT_FOUND: Error = Error::NotFound("payment method");

#[derive(Serialize)]
struct List {
    items: Vec<PaymentMethodView>,
    next_cursor: Option<String>,
}

/// `GET /users/me/payment-methods`: the signed-in user's saved cards, the newest first.
///
/// One trip to DynamoDB and one call to Stripe; none for who has no customer yet.
pub(crate) async fn list(this: &PaymentMethods, request: &Request) -> Result<Response, Error> {
    let (app, stripe) = (&this.app, &this.stripe);
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

/// `PATCH /users/me/payment-methods/{id}`: makes a card the one that is charged where none is named. Two trips to DynamoDB and
/// one call to Stripe, which refuses a card that is another customer's.
pub(crate) async fn change(this: &PaymentMethods, request: &Request, id: &str) -> Result<Response, Error> {
    let (app, stripe) = (&this.app, &this.stripe);
    let user = identity::user(request, app).await?;
    let change: Change = request::json(request)?;
    if !change.is_default {
        return Err(Error::InvalidRequest("is_default can only be true: choose another card in place of this one".to_owned()));
    }
    let customer = user.customers.get(PLATFORM).filter(|_| is_payment_method(id)).ok_or(NOT_FOUND)?;

    // Counted first: to choose a card again that was chosen before is another request, and another key.
    let number = app.store.count_card_change(&user.id).await?.ok_or(Error::NotSignedIn)?;
    let card = stripe.set_default_card(customer, id, &number.to_string()).await?.ok_or(NOT_FOUND)?;
    Ok(response::json(200, &PaymentMethodView::from(&card)))
}

/// `DELETE /users/me/payment-methods/{id}`: Stripe forgets the card. Where it was the default there is none, until the
/// user chooses one or saves the next. One trip to DynamoDB and two calls to Stripe: whose card it is, and the detachment.
pub(crate) async fn remove(this: &PaymentMethods, request: &Request, id: &str) -> Result<Response, Error> {
    let (app, stripe) = (&this.app, &this.stripe);
    let user = identity::user(request, app).await?;
    let customer = user.customers.get(PLATFORM).filter(|_| is_payment_method(id)).ok_or(NOT_FOUND)?;

    if !stripe.detach_card(customer, id).await? {
        return Err(NOT_FOUND);
    }
    Ok(response::no_content())
}
