//! `GET /users/me/stripe`: the state of a seller's account.

use shared::domain::error::Error;
use shared::http::{Request, Response, identity, response};
use shared::stripe::error::StripeError;
use shared::work::{Services, accounts};

use crate::view::AccountView;

/// One DynamoDB trip if nothing is missing, because Stripe's events keep the record current. Otherwise the owner is waiting for a
/// change, so Stripe is asked too and its answer is stored: one more call and one more trip.
///
/// # Errors
/// If the user is not a seller. If Stripe fails, the last known state is returned instead.
pub async fn show(services: &Services, request: &Request) -> Result<Response, Error> {
    let app = &services.app;
    let mut user = identity::user(request, app).await?;
    if !user.is_seller {
        return Err(Error::NotASeller);
    }
    let seen = user.clone();
    let Some(link) = &mut user.stripe else { return Ok(response::json(200, &AccountView::none())) };
    if !link.state.is_settled() {
        let asked_at = app.clock.now();
        match services.stripe.account(&link.account_id).await {
            Ok(account) => {
                let said = account.state(asked_at);
                link.state = accounts::take_in(app, &user.id, &link.account_id, Some(seen), &said).await?.unwrap_or(said);
            }
            // Stripe's event for this will remove the link.
            Err(StripeError::AccountRevoked) => tracing::warn!(user_id = %user.id, account = link.account_id, "access was revoked"),
            Err(error) => tracing::warn!(user_id = %user.id, account = link.account_id, %error, "showing the last known account state"),
        }
    }
    Ok(response::json(200, &AccountView::new(&user, &app.config.terms)))
}
