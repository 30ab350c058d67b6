//! Records what Stripe said and answers the buyer.

use serde::Serialize;
use shared::domain::charging::Failure;
use shared::domain::error::{Error, UNUSABLE};
use shared::domain::purchase::{Attempt, Purchase, Status};
use shared::http::view::PurchaseView;
use shared::http::{Response, response};
use shared::store::Written;
use shared::stripe::error::{NO_TRANSFERS, StripeError};
use shared::stripe::find::Heard;
use shared::work::Services;
use shared::work::{customers, declines, settlement};

use crate::order::Order;

/// [`Failure::code`] if Stripe refused the payment method itself.
pub const PAYMENT_METHOD_REFUSED: &str = "payment_method";

/// [`Failure::code`] if the customer no longer exists at Stripe.
pub const CUSTOMER_GONE: &str = "customer";

/// How many times to retry when a concurrent write wins.
const TRIES: usize = 5;

/// What only the buyer's browser may see: returned, never stored.
#[derive(Debug, Default)]
pub struct ForTheBrowser {
    client_secret: Option<String>,
    next_action_url: Option<String>,
    /// The hosted Checkout page, while it is open.
    pub checkout_url: Option<String>,
    /// The fingerprint of a declined card. Used only to count declines.
    fingerprint: Option<String>,
}

/// Records the outcome of the newest attempt and releases its lease. If the outcome stays unknown, the attempt stays open,
/// and the next request, event or reconciliation run resolves it.
pub async fn settle(
    services: &Services,
    purchase: &mut Purchase,
    result: Result<Heard, StripeError>,
    cause: &str,
) -> Result<ForTheBrowser, Error> {
    let number = purchase.attempt().number;
    let written = record(services, purchase, number, &result, cause).await;
    tracing::info!(purchase_id = %purchase.id, attempt = number, status = ?purchase.status(), "purchase settled");
    // An error from Stripe takes precedence over a failed write; the lease then expires by itself.
    let heard = result?;
    written?;
    Ok(ForTheBrowser {
        client_secret: heard.client_secret,
        next_action_url: heard.next_action_url,
        checkout_url: heard.checkout_url,
        fingerprint: heard.fingerprint,
    })
}

async fn record(
    services: &Services,
    purchase: &mut Purchase,
    number: u32,
    result: &Result<Heard, StripeError>,
    cause: &str,
) -> Result<(), Error> {
    for _ in 0..TRIES {
        let now = services.app.clock.now();
        if let Ok(heard) = result {
            purchase.observe(number, &heard.observation, cause, now);
        }
        purchase.plan(services.app.config.take_back_lost_disputes, cause, now);
        purchase.release(number, now);
        match services.app.store.write_outcome(purchase, None).await? {
            Written::Yes => return Ok(()),
            Written::No(_) => {
                // An event was written first. Keep what it wrote and add what we know.
                let gone = || Error::Internal(format!("the purchase {} is gone", purchase.id));
                *purchase = services.app.store.purchase(&purchase.id).await?.ok_or_else(gone)?;
            }
        }
    }
    Err(Error::Internal(format!("the purchase {} changes too fast to be written", purchase.id)))
}

/// The error for a request that lost a race, either to another request for this purchase or to the erasure of the buyer.
pub async fn lost_race(services: &Services, order: &Order, attempt: &Attempt) -> Result<Error, Error> {
    // This customer was made for this request and nothing names it: remember it, or leave it to the erasure.
    customers::keep(&services.app, &order.buyer, attempt.account.as_deref(), &attempt.customer).await?;
    let slot = services.app.store.slot(&order.buyer.id, &order.course.id).await?;
    let owned = slot.is_some_and(|slot| slot.ownership().is_paid());
    Ok(if owned { Error::AlreadyOwned } else { Error::PurchaseInProgress })
}

#[derive(Serialize)]
struct Answer {
    purchase: PurchaseView,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stripe_account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_action_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checkout_url: Option<String>,
}

/// Tells the buyer the state of the purchase. If they are to authenticate, that is counted first: one more trip to DynamoDB. If too many
/// of their payments wait, this one is withdrawn instead: one call to Stripe and one trip.
pub async fn answer(services: &Services, order: &Order, mut purchase: Purchase, browser: ForTheBrowser) -> Result<Response, Error> {
    let is_handed_out = browser.client_secret.is_some() || browser.next_action_url.is_some();
    if purchase.status().is_with_buyer() && is_handed_out {
        // Each attempt is a PaymentIntent of its own.
        let payment = format!("{}:{}", purchase.id, purchase.attempt().number);
        match declines::take_secret(&services.app, &order.buyer.id, &order.address, &payment).await {
            Err(error @ Error::TooManyCards { .. }) => {
                settlement::withdraw(&services.app, &services.stripe, &mut purchase, &order.cause).await?;
                // It may have been paid first, if an earlier answer handed the secret out.
                if !purchase.ownership().is_paid() {
                    return Err(error);
                }
            }
            counted => counted?,
        }
    }
    let attempt = purchase.attempt();
    match purchase.status() {
        Status::Failed => {
            let unknown = || Error::PaymentProviderError("failed".to_owned());
            return Err(attempt.failure.as_ref().map_or_else(unknown, |cause| failure(cause, browser.fingerprint)));
        }
        Status::Canceled => return Err(Error::PurchaseInProgress),
        Status::Pending | Status::RequiresAction | Status::Paid | Status::PartiallyRefunded | Status::Refunded | Status::Disputed => {}
    }
    let waits = purchase.status().is_with_buyer();
    Ok(response::json(
        201,
        &Answer {
            purchase: (&purchase).into(),
            client_secret: browser.client_secret.filter(|_| waits),
            stripe_account: attempt.account.clone().filter(|_| waits),
            next_action_url: browser.next_action_url.filter(|_| waits),
            checkout_url: browser.checkout_url,
        },
    ))
}

fn failure(failure: &Failure, fingerprint: Option<String>) -> Error {
    match failure.code.as_str() {
        code if failure.declined => {
            Error::CardDeclined { reason: code.to_owned(), decline_code: failure.decline_code.clone(), fingerprint }
        }
        PAYMENT_METHOD_REFUSED => Error::PaymentMethodRefused(UNUSABLE),
        "account_invalid" => Error::SellerNotConnected,
        NO_TRANSFERS => Error::SellerCapabilityMissing { capability: "transfers" },
        "amount_too_small" => Error::PriceTooLow,
        "rate_limit" => Error::PaymentProviderUnavailable("rate limited".to_owned()),
        code => Error::PaymentProviderError(code.to_owned()),
    }
}
