//! Recording what Stripe said, and telling the buyer.

use serde::Serialize;
use shared::customers;
use shared::error::Error;
use shared::http::view::PurchaseView;
use shared::http::{Response, response};
use shared::purchase::{Attempt, Failure, Purchase, Status};
use shared::store::Written;
use shared::stripe::error::StripeError;
use shared::stripe::find::Heard;

use crate::Charge;
use crate::charge::Order;

/// [`Failure::code`] where Stripe refused the payment method itself.
pub const PAYMENT_METHOD_REFUSED: &str = "payment_method";

/// [`Failure::code`] where Stripe has the customer no more.
pub const CUSTOMER_GONE: &str = "customer";

/// How often a record that others write as well is read again.
const TRIES: usize = 5;

/// What only the buyer's browser may have: answered, never stored.
#[derive(Debug, Default)]
pub struct ForTheBrowser {
    client_secret: Option<String>,
    next_action_url: Option<String>,
    /// The hosted Checkout, while it is open.
    pub checkout_url: Option<String>,
}

/// Records what became of the newest attempt and gives it free. Where the outcome stays unknown, the attempt stays
/// open, and the next request, event or reconciliation finds it.
pub async fn settle(
    charge: &Charge,
    purchase: &mut Purchase,
    result: Result<Heard, StripeError>,
    cause: &str,
) -> Result<ForTheBrowser, Error> {
    let number = purchase.attempt().number;
    let written = record(charge, purchase, number, &result, cause).await;
    tracing::info!(purchase_id = %purchase.id, attempt = number, status = ?purchase.status(), "purchase settled");
    // Where Stripe's answer is unknown, that is the better answer; the lease then ends by itself.
    let heard = result?;
    written?;
    Ok(ForTheBrowser { client_secret: heard.client_secret, next_action_url: heard.next_action_url, checkout_url: heard.checkout_url })
}

async fn record(
    charge: &Charge,
    purchase: &mut Purchase,
    number: u32,
    result: &Result<Heard, StripeError>,
    cause: &str,
) -> Result<(), Error> {
    for _ in 0..TRIES {
        let now = charge.app.clock.now();
        if let Ok(heard) = result {
            purchase.observe(number, &heard.observation, cause, now);
        }
        purchase.plan(charge.app.config.take_back_lost_disputes, cause, now);
        purchase.release(number, now);
        match charge.app.store.write_outcome(purchase, None).await? {
            Written::Yes => return Ok(()),
            Written::No(_) => {
                // An event was faster. What it wrote stays, and what we know is added to it.
                let gone = || Error::Internal(format!("the purchase {} is gone", purchase.id));
                *purchase = charge.app.store.purchase(&purchase.id).await?.ok_or_else(gone)?;
            }
        }
    }
    Err(Error::Internal(format!("the purchase {} changes too fast to be written", purchase.id)))
}

/// What to tell a request that another was faster than: one of the same purchase, or the one that erased the buyer.
pub async fn lost_race(charge: &Charge, order: &Order, attempt: &Attempt) -> Result<Error, Error> {
    // Made for this request, and named by nobody: remembered, or left to the erasure.
    customers::keep(&charge.app, &order.buyer, attempt.account.as_deref(), &attempt.customer).await?;
    let slot = charge.app.store.slot(&order.buyer.id, &order.course.id).await?;
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

/// Tells the buyer where the purchase stands.
pub fn answer(purchase: &Purchase, browser: ForTheBrowser) -> Result<Response, Error> {
    let attempt = purchase.attempt();
    match purchase.status() {
        Status::Failed => return Err(attempt.failure.as_ref().map_or_else(|| Error::PaymentProviderError("failed".to_owned()), failure)),
        Status::Canceled => return Err(Error::PurchaseInProgress),
        _ => {}
    }
    let waits = purchase.status() == Status::RequiresAction;
    Ok(response::json(
        201,
        &Answer {
            purchase: purchase.into(),
            client_secret: browser.client_secret.filter(|_| waits),
            stripe_account: attempt.account.clone().filter(|_| waits),
            next_action_url: browser.next_action_url.filter(|_| waits),
            checkout_url: browser.checkout_url,
        },
    ))
}

fn failure(failure: &Failure) -> Error {
    match failure.code.as_str() {
        code if failure.declined => Error::CardDeclined { reason: code.to_owned(), decline_code: failure.decline_code.clone() },
        PAYMENT_METHOD_REFUSED => Error::PaymentMethodRefused("Stripe does not know it, or it cannot be used again".to_owned()),
        "account_invalid" => Error::SellerNotConnected,
        "rate_limit" => Error::PaymentProviderUnavailable("rate limited".to_owned()),
        code => Error::PaymentProviderError(code.to_owned()),
    }
}
