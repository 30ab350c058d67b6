//! `POST /users/me/stripe/onboarding`: creates an account once, and links
//! to the form in which its owner gives Stripe the required information.

use serde::Deserialize;
use shared::base::clock::written;
use shared::domain::error::Error;
use shared::domain::user::{AccountType, StripeLink};
use shared::http::{Request, Response, identity, request, response};
use shared::settings::config::is_country;
use shared::stripe::accounts::LinkKind;
use shared::work::Services;

use crate::{make, view};

#[derive(Deserialize)]
struct Body {
    #[serde(rename = "type")]
    account_type: AccountType,
    #[serde(default)]
    country: Option<String>,
}

/// Creates the account if there is none, and answers with a new Account Link. With a linked account: one DynamoDB trip and one
/// Stripe call. The first time: six trips (read, debts, intent, outcome) and two calls, and three more trips and one more call if Stripe
/// refuses Accounts v2 to the platform.
///
/// Returning from Stripe's page proves nothing. Only the account's own state counts, see [`crate::show`].
///
/// # Errors
/// [`Error::AlreadyConnected`] if another account is linked: one of another type or country, or a Standard account through
/// OAuth, whose owner completes it at Stripe.
pub async fn onboard(services: &Services, request: &Request) -> Result<Response, Error> {
    let app = &services.app;
    let user = identity::user_with_password(request, app).await?;
    if !user.is_seller {
        return Err(Error::NotASeller);
    }
    let Body { account_type, country } = request::json(request)?;
    if country.as_deref().is_some_and(|country| !is_country(country)) {
        return Err(Error::InvalidRequest("country must be two upper-case letters, such as US".to_owned()));
    }
    let link = match user.stripe.clone() {
        Some(link) => link,
        None => make::make(services, &user, account_type, country.as_deref()).await?,
    };
    let is_meant =
        link.account_type == account_type && country.is_none_or(|country| link.state.country.as_ref().is_none_or(|of| *of == country));
    // Stripe offers no Account Links for a Standard account linked by OAuth.
    let has_links = link.made_by_platform || link.account_type == AccountType::Express;
    if !(is_meant && has_links) {
        return Err(Error::AlreadyConnected);
    }

    let page = format!("{}/seller.html", app.config.storefront_url);
    let address = services.stripe.account_link(&link, kind(&link), &page, &app.entropy.secret()).await?;
    Ok(response::json(
        200,
        &view::AddressView { url: address.url, expires_at: address.expires_at.map(written), account_id: Some(link.account_id) },
    ))
}

/// If nothing is due on a Custom account, its owner can review all information; otherwise the form asks for what is missing.
fn kind(link: &StripeLink) -> LinkKind {
    if !link.state.waits_for_owner() && link.account_type == AccountType::Custom { LinkKind::Update } else { LinkKind::Onboarding }
}
