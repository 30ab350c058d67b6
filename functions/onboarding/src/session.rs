//! `POST /users/me/stripe/session`: what a page needs to show Stripe's components for a seller's account.

use shared::domain::error::Error;
use shared::http::{Request, Response, identity, response};
use shared::stripe::account_sessions::components;
use shared::stripe::error::StripeError;
use shared::work::Services;

use crate::link::link_of;
use crate::view::SessionView;

/// One DynamoDB trip and one Stripe call. The components show and change where the seller's money goes, so the password must have been
/// entered lately, with the second factor where there is one. What the seller may do in them is in [`shared::stripe::account_sessions`].
///
/// # Errors
/// [`Error::NotConnected`] if there is no account, or the platform no longer has access to it. [`Error::ComponentsRefused`] if Stripe
/// has no components for it; Stripe's own pages still work.
pub async fn session(services: &Services, request: &Request) -> Result<Response, Error> {
    let app = &services.app;
    let user = identity::user_with_password(request, app).await?;
    let link = link_of(&user)?;
    match services.stripe.account_session(link, &app.entropy.secret()).await {
        Ok(session) => Ok(response::json(200, &SessionView::new(link, session, components(link)))),
        Err(StripeError::AccountRevoked) => Err(Error::NotConnected),
        Err(error) if error.is_missing("account") => Err(Error::NotConnected),
        // A key without the permission is refused with 403.
        Err(StripeError::Refused { status: 400, code, param, message }) => {
            tracing::warn!(user_id = %user.id, account = link.account_id, code, param, message, "Stripe refused an account session");
            Err(Error::ComponentsRefused)
        }
        Err(error) => Err(error.into()),
    }
}
