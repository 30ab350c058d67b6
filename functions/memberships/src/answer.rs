//! Tells the buyer the state of a subscription.

use serde::Serialize;
use shared::domain::charging::Failure;
use shared::domain::error::{Error, UNUSABLE};
use shared::domain::membership::Subscription;
use shared::http::view::SubscriptionView;
use shared::http::{Response, response};
use shared::stripe::memberships::Heard;
use shared::work::subscriptions::settle;
use shared::work::{Services, declines};

use crate::order::Order;

#[derive(Serialize)]
struct Answer {
    subscription: SubscriptionView,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stripe_account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checkout_url: Option<String>,
}

/// 201 with the subscription and what the buyer must do next, or the reason why it never started. If they are to authenticate the first
/// payment, that is counted first: one more trip to DynamoDB. If too many of their payments wait, this one is withdrawn instead.
pub(crate) async fn answer(services: &Services, order: &Order, mut subscription: Subscription, heard: Heard) -> Result<Response, Error> {
    if subscription.status.is_incomplete() && heard.client_secret.is_some() {
        let (app, stripe) = (&services.app, &services.stripe);
        match declines::take_secret(app, &order.buyer.id, &order.address, &subscription.id.to_string()).await {
            Err(error @ Error::TooManyCards { .. }) => {
                let withdrawn = Box::pin(stripe.withdraw_subscription(&subscription, app.clock.now())).await;
                settle(app, stripe, &mut subscription, withdrawn).await?;
                // It may have been paid first, if an earlier answer handed the secret out.
                if !subscription.status.runs() {
                    return Err(error);
                }
            }
            counted => counted?,
        }
    }
    if subscription.status.is_failed() {
        return Err(subscription
            .failure
            .as_ref()
            .map_or_else(|| Error::PaymentProviderError("failed".to_owned()), |cause| failure(cause, heard.fingerprint)));
    }
    let waits = subscription.status.is_incomplete();
    Ok(response::json(
        201,
        &Answer {
            subscription: (&subscription).into(),
            client_secret: heard.client_secret.filter(|_| waits),
            stripe_account: subscription.account.clone().filter(|_| waits),
            checkout_url: heard.checkout_url,
        },
    ))
}

fn failure(failure: &Failure, fingerprint: Option<String>) -> Error {
    match failure.code.as_str() {
        code if failure.declined => {
            Error::CardDeclined { reason: code.to_owned(), decline_code: failure.decline_code.clone(), fingerprint }
        }
        "payment_method" => Error::PaymentMethodRefused(UNUSABLE),
        code => Error::PaymentProviderError(code.to_owned()),
    }
}
