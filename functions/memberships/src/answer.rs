//! Telling the buyer where a subscription stands.

use serde::Serialize;
use shared::error::Error;
use shared::http::view::SubscriptionView;
use shared::http::{Response, response};
use shared::membership::{Status, Subscription};
use shared::purchase::Failure;
use shared::stripe::memberships::Heard;

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

/// 201 with the subscription and what its buyer has to do; or why it never began.
pub(crate) fn answer(subscription: &Subscription, heard: Heard) -> Result<Response, Error> {
    if subscription.status == Status::Failed {
        return Err(subscription.failure.as_ref().map_or_else(|| Error::PaymentProviderError("failed".to_owned()), failure));
    }
    let waits = subscription.status == Status::Incomplete;
    Ok(response::json(
        201,
        &Answer {
            subscription: subscription.into(),
            client_secret: heard.client_secret.filter(|_| waits),
            stripe_account: subscription.account.clone().filter(|_| waits),
            checkout_url: heard.checkout_url,
        },
    ))
}

fn failure(failure: &Failure) -> Error {
    match failure.code.as_str() {
        code if failure.declined => Error::CardDeclined { reason: code.to_owned(), decline_code: failure.decline_code.clone() },
        "payment_method" => Error::PaymentMethodRefused("Stripe does not know it, or it cannot be used again".to_owned()),
        code => Error::PaymentProviderError(code.to_owned()),
    }
}
