//! `POST /users/me/stripe/dashboard`: a login link to the Express Dashboard.

use shared::domain::error::Error;
use shared::domain::user::AccountType;
use shared::http::{Request, Response, identity, response};
use shared::stripe::error::StripeError;
use shared::work::Services;

use crate::link::link_of;
use crate::view;

/// One DynamoDB trip and one Stripe call. The URL works once and is only for the account's owner; each request gets a new one.
///
/// # Errors
/// [`Error::NoExpressDashboard`] for accounts of another type, [`Error::OnboardingUnfinished`] before its owner has
/// completed Stripe's form.
pub async fn dashboard(services: &Services, request: &Request) -> Result<Response, Error> {
    let app = &services.app;
    let user = identity::user_with_password(request, app).await?;
    let link = link_of(&user)?;
    if link.account_type != AccountType::Express {
        return Err(Error::NoExpressDashboard);
    }
    match services.stripe.login_link(&link.account_id, &app.entropy.secret()).await {
        Ok(address) => Ok(response::json(200, &view::AddressView { url: address.url, expires_at: None, account_id: None })),
        // That has no code. A key without the permission, for example, is refused otherwise.
        Err(StripeError::Refused { status: 400, message, .. }) if message.contains("not completed onboarding") => {
            Err(Error::OnboardingUnfinished)
        }
        Err(StripeError::AccountRevoked) => Err(Error::NotConnected),
        Err(error) => Err(error.into()),
    }
}
