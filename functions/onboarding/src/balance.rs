//! `GET /users/me/stripe/balance`: the balance of a seller's account, and the payouts to its bank.

use shared::domain::error::Error;
use shared::http::{Request, Response, identity, response};
use shared::stripe::error::StripeError;
use shared::stripe::objects::{Balance, List};
use shared::work::Services;

use crate::link::link_of;
use crate::view::{BalanceView, PayoutView};

/// How many payouts are shown, newest first.
const PAYOUTS: usize = 10;

/// One DynamoDB trip, then two Stripe calls in parallel.
///
/// # Errors
/// [`Error::NotConnected`] if there is no account, or the platform no longer has access to it.
pub async fn balance(services: &Services, request: &Request) -> Result<Response, Error> {
    let user = identity::user(request, &services.app).await?;
    let account = Some(link_of(&user)?.account_id.as_str());
    let payouts = format!("/payouts?limit={PAYOUTS}");
    let (balance, payouts) =
        tokio::join!(services.stripe.get::<Balance>("/balance", account), services.stripe.get::<List<PayoutView>>(&payouts, account));
    let balance = balance.map_err(gone)?;
    let payouts = payouts.map_err(gone)?.data;
    Ok(response::json(200, &BalanceView { available: balance.available, pending: balance.pending, payouts }))
}

fn gone(error: StripeError) -> Error {
    match error {
        StripeError::AccountRevoked => Error::NotConnected,
        error => error.into(),
    }
}
