//! `/sellers/{id}/membership`: a seller's offer.

use serde::{Deserialize, Serialize};
use shared::domain::error::Error;
use shared::domain::ids::UserId;
use shared::domain::membership::Offer;
use shared::domain::money::Currency;
use shared::domain::user::User;
use shared::http::view::MembershipView;
use shared::http::{Request, Response, identity, request, response};
use shared::work::Services;

use crate::begin::{check_price, seller_link};

pub(crate) const NOT_FOUND: Error = Error::NotFound("membership");

#[derive(Deserialize)]
struct Body {
    title: Option<String>,
    monthly: Option<Amount>,
    yearly: Option<Amount>,
    currency: Currency,
}

#[derive(Deserialize)]
struct Amount {
    amount: i64,
}

#[derive(Serialize)]
struct NoMembership {
    offered: bool,
}

/// `GET`: public. One trip to DynamoDB. Having no offer is not an error, because every course page asks.
pub(crate) async fn show(services: &Services, id: &str) -> Result<Response, Error> {
    let seller: UserId = id.parse().map_err(|_| NOT_FOUND)?;
    let (offer, seller) = services.app.store.offer_and_seller(&seller).await?;
    Ok(match offer {
        Some(offer) => {
            let available = seller.is_some_and(|seller| is_available(services, &seller, &offer));
            response::json(200, &MembershipView::new(offer, Some(available)))
        }
        None => response::json(200, &NoMembership { offered: false }),
    })
}

/// Whether buyers can join at one of the prices, as far as is known before Stripe is asked.
fn is_available(services: &Services, seller: &User, offer: &Offer) -> bool {
    let Ok((_, charge_type)) = seller_link(services, seller) else { return false };
    let mut prices = [offer.monthly, offer.yearly].into_iter().flatten();
    prices.any(|amount| check_price(services, seller, charge_type, amount, offer.currency).is_ok())
}

/// `POST`: creates or replaces the offer; existing subscribers keep their price.
/// Two trips to DynamoDB. Prices at Stripe are created with the first subscription.
pub(crate) async fn put(services: &Services, request: &Request, id: &str) -> Result<Response, Error> {
    let app = &services.app;
    let seller = own(services, request, id).await?;
    app.config.check_terms(&seller)?;
    let body: Body = request::json(request)?;
    let offer = Offer {
        seller_id: seller.id.clone(),
        title: body.title.as_deref().unwrap_or("Membership").trim().to_owned(),
        monthly: body.monthly.map(|price| price.amount),
        yearly: body.yearly.map(|price| price.amount),
        currency: body.currency,
        updated_at: app.clock.now(),
    };
    if let Some(fault) = offer.fault() {
        return Err(Error::InvalidRequest(fault));
    }
    let charge_type = seller.charge_type_of_memberships(&app.config.terms);
    if let Some(capability) = seller.stripe.as_ref().and_then(|link| link.never_takes(charge_type, &app.config.platform_country)) {
        return Err(Error::NotSellable { capability: capability.as_str() });
    }
    let least = seller.least_price(&app.config.platform_country, charge_type, offer.currency);
    for (name, amount) in [("monthly", offer.monthly), ("yearly", offer.yearly)] {
        if amount.is_some_and(|amount| amount < least) {
            let code = offer.currency.code();
            return Err(Error::InvalidRequest(format!(
                "{name}.amount must be at least {least} minor units of {code}: your sales are settled in another currency, which has a minimum"
            )));
        }
    }
    app.store.put_offer(&offer).await?;
    let available = is_available(services, &seller, &offer);
    Ok(response::json(200, &MembershipView::new(offer, Some(available))))
}

/// `DELETE`: nobody can subscribe any more; existing subscriptions continue. Two trips to DynamoDB.
pub(crate) async fn end(services: &Services, request: &Request, id: &str) -> Result<Response, Error> {
    let seller = own(services, request, id).await?;
    services.app.store.end_offer(&seller.id).await?;
    Ok(response::no_content())
}

/// The signed-in seller, who must own the membership.
async fn own(services: &Services, request: &Request, id: &str) -> Result<User, Error> {
    let user = identity::user(request, &services.app).await?;
    if user.id.as_str() != id {
        return Err(Error::Forbidden);
    }
    if user.is_seller { Ok(user) } else { Err(Error::NotASeller) }
}
