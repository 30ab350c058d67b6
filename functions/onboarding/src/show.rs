//! `GET /users/me/stripe`: how a seller's account stands.

use shared::error::Error;
use shared::http::{Request, Response, identity, response};
use shared::stripe::error::StripeError;

use crate::Onboarding;
use crate::view::AccountView;

/// One DynamoDB trip where nothing is missing: Stripe's events keep that current. While something is, or Stripe wants
/// something, its owner waits for it: Stripe is asked as well, and what it says is noted, a call and a trip.
///
/// # Errors
/// Where the user is no seller. Where Stripe fails, the answer is what was last heard.
pub async fn show(onboarding: &Onboarding, request: &Request) -> Result<Response, Error> {
    let app = &onboarding.app;
    let user = identity::user(request, app).await?;
    if !user.is_seller {
        return Err(Error::NotASeller);
    }
    let Some(mut link) = user.stripe else { return Ok(response::json(200, &AccountView::none())) };
    if !link.state.is_settled() {
        let asked_at = app.clock.now();
        match onboarding.stripe.account(&link.account_id).await {
            Ok(account) => {
                link.state = account.state(asked_at);
                let _gone_or_newer = app.store.set_account_state(&user.id, &link.account_id, &link.state).await?;
            }
            // The event that says so ends the link.
            Err(StripeError::AccountRevoked) => tracing::warn!(user_id = %user.id, account = link.account_id, "the access is gone"),
            Err(error) => tracing::warn!(user_id = %user.id, account = link.account_id, %error, "the account is shown as last heard"),
        }
    }
    Ok(response::json(200, &AccountView::from(&link)))
}
