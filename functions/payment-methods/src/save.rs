//! Saves a card for later use.

use serde::{Deserialize, Serialize};
use shared::domain::error::{Error, UNUSABLE};
use shared::domain::user::User;
use shared::http::view::PaymentMethodView;
use shared::http::{Request, Response, identity, request, response};
use shared::stripe::cards::{Saved, Saver, is_payment_method};
use shared::stripe::error::StripeError;
use shared::work::Services;
use shared::work::{customers, declines};

#[derive(Default, Deserialize)]
struct Body {
    payment_method: Option<String>,
    /// The answer to the browser's challenge, see [`declines`].
    challenge: Option<String>,
}

#[derive(Default, Serialize)]
struct Answer {
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_method: Option<PaymentMethodView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checkout_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_action_url: Option<String>,
}

/// `POST /users/me/payment-methods`: saves a card for later. The request counts as the user's consent.
///
/// Three trips to DynamoDB and one call to Stripe, a SetupIntent; without a payment method two trips, and a hosted page that asks for one.
/// Users whose cards keep being declined are stopped before Stripe is called, see [`declines`]. Counting a decline costs two more trips.
///
/// If the cardholder must authenticate, the SetupIntents that the buyer began before are listed and canceled: one call more, and one for each.
/// Making the first card the default takes a second call. Creating a customer takes one more call and one more trip.
pub(crate) async fn save(services: &Services, request: &Request) -> Result<Response, Error> {
    let app = &services.app;
    let token = identity::required(request, &app.config)?.token;
    let address = identity::address(request, &app.config);
    let (user, counts) = app.store.user_and_declines(&token, &address, app.clock.now()).await?;
    let user = user.ok_or(Error::NotSignedIn)?;
    let body: Body = if request::bytes(request)?.is_empty() { Body::default() } else { request::json(request)? };
    let payment_method = body.payment_method.as_deref();
    if payment_method.is_some_and(|id| !is_payment_method(id)) {
        return Err(Error::InvalidRequest("payment_method must be a Stripe payment method (pm_…)".to_owned()));
    }

    if let Some(card) = payment_method {
        declines::check(app, &user, &address, counts, body.challenge.as_deref()).await?;
        declines::take_try(app, &declines::card_try(app, &user.id, &address, card)).await?;
    }

    let customer = customers::on_platform(&services.app, &services.stripe, &user).await?;
    let answer = match keep(services, &user, &customer, payment_method).await {
        Err(error) if error.is_missing("customer") => {
            let customer = customers::replace(&services.app, &services.stripe, &user, None, &customer).await?;
            keep(services, &user, &customer, payment_method).await
        }
        other => other,
    };
    // Stripe has answered with a card, a decline or a page, so the next
    // request needs a new key. After a lost answer the key must stay the same.
    if !answer.as_ref().is_err_and(StripeError::outcome_is_unknown) {
        services.app.store.count_card_change(&user.id).await?;
    }
    let answer = answer.map_err(refused);
    declines::count(app, &user, &address, &answer).await?;
    Ok(response::json(201, &answer?))
}

async fn keep(services: &Services, user: &User, customer: &str, payment_method: Option<&str>) -> Result<Answer, StripeError> {
    let page = format!("{}/account.html", services.app.config.storefront_url);
    let return_url = format!("{page}?card=saved");
    let saver = Saver { customer, buyer_id: user.id.as_str(), changes: user.card_changes, return_url: &return_url };
    let Some(payment_method) = payment_method else {
        let session = services.stripe.save_card_at_checkout(&saver, &format!("{page}?card=canceled")).await?;
        return Ok(Answer { checkout_url: session.url, ..Answer::default() });
    };
    match services.stripe.save_card(&saver, payment_method).await? {
        Saved::Yes(card) => Ok(Answer { payment_method: Some(PaymentMethodView::from(&*card)), ..Answer::default() }),
        Saved::Authenticate { client_secret, url } => Ok(Answer { client_secret, next_action_url: url, ..Answer::default() }),
        Saved::Unsettled => Err(StripeError::Unreadable),
    }
}

/// The owner can fix a refused payment method. Stripe's reason is not revealed.
fn refused(error: StripeError) -> Error {
    match error {
        StripeError::Refused { status: 400 | 404, .. } => Error::PaymentMethodRefused(UNUSABLE),
        other => other.into(),
    }
}
