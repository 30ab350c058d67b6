//! `POST /users/me/stripe/onboarding`: an account, made once, and the way to the form where its owner tells Stripe what
//! it wants to know.

use serde::Deserialize;
use shared::config::is_country;
use shared::error::Error;
use shared::http::view::written;
use shared::http::{Request, Response, identity, request, response};
use shared::stripe::accounts::LinkKind;
use shared::user::{AccountType, StripeLink};
use time::OffsetDateTime;

use crate::{Onboarding, make, view};

#[derive(Deserialize)]
struct Body {
    #[serde(rename = "type")]
    account_type: AccountType,
    #[serde(default)]
    country: Option<String>,
}

/// Makes the account where there is none, and answers a new Account Link: one DynamoDB trip and one Stripe call where the
/// account is linked; four and two the first time (read, intent, outcome).
///
/// What the page at Stripe leads back to proves nothing. The account's own state counts, see [`crate::show`].
///
/// # Errors
/// [`Error::AlreadyConnected`] where another account is linked: of another type or country, or a Standard one through
/// OAuth, which its owner completes at Stripe.
pub async fn onboard(onboarding: &Onboarding, request: &Request) -> Result<Response, Error> {
    let app = &onboarding.app;
    let user = identity::user(request, app).await?;
    if !user.is_seller {
        return Err(Error::NotASeller);
    }
    let Body { account_type, country } = request::json(request)?;
    if country.as_deref().is_some_and(|country| !is_country(country)) {
        return Err(Error::InvalidRequest("country must be two upper-case letters, such as US".to_owned()));
    }
    let link = match user.stripe.clone() {
        Some(link) => link,
        None => make::make(onboarding, &user, account_type, country.as_deref()).await?,
    };
    let is_meant =
        link.account_type == account_type && country.is_none_or(|country| link.state.country.as_ref().is_none_or(|of| *of == country));
    // Stripe gives no Account Links to a Standard account that came by OAuth.
    let has_links = link.made_by_platform || link.account_type == AccountType::Express;
    if !(is_meant && has_links) {
        return Err(Error::AlreadyConnected);
    }

    let page = format!("{}/seller.html", app.config.storefront_url);
    let address = onboarding.stripe.account_link(&link.account_id, kind(&link), &page, &app.entropy.secret()).await?;
    let expires_at = address.expires_at.and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok());
    Ok(response::json(200, &view::AddressView { url: address.url, expires_at: expires_at.map(written), account_id: Some(link.account_id) }))
}

/// Where nothing is due and the platform collects what will be, all of it can be looked over.
fn kind(link: &StripeLink) -> LinkKind {
    let wanted = &link.state.requirements;
    let is_done = link.state.details_submitted && wanted.currently_due.is_empty() && wanted.past_due.is_empty();
    if is_done && link.account_type == AccountType::Custom { LinkKind::Update } else { LinkKind::Onboarding }
}
