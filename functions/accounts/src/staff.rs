//! `/admin/users`: what the staff sees and does.

use serde::Deserialize;
use shared::app::App;
use shared::error::Error;
use shared::http::view::UserView;
use shared::http::{Request, Response, identity, request, response};
use shared::ids::UserId;
use shared::user::SellerTerms;

/// The longest search text, in characters.
const SEARCH_MAX: usize = 254;

/// `GET /admin/users`: all users, the newest first; `?q=` finds a part of the e-mail address. Two trips to DynamoDB:
/// who asks, and the page.
pub(crate) async fn list(app: &App, request: &Request) -> Result<Response, Error> {
    identity::staff(request, app).await?;
    let page = request::page(request)?;
    let part = request::parameter(request, "q")?.map(|part| part.trim().to_owned()).filter(|part| !part.is_empty());
    if part.as_ref().is_some_and(|part| part.chars().count() > SEARCH_MAX) {
        return Err(Error::InvalidRequest(format!("q must have at most {SEARCH_MAX} characters")));
    }

    let users = app.store.users(&page, part.as_deref()).await?;
    Ok(response::json(200, &response::list(users, |user| UserView::from(&user))))
}

/// `GET /admin/users/{id}`: one user. One trip to DynamoDB: who asks and the user are read side by side.
pub(crate) async fn show(app: &App, request: &Request, id: &str) -> Result<Response, Error> {
    identity::required(request, &app.config)?;
    let Ok(id) = id.parse::<UserId>() else {
        identity::staff(request, app).await?;
        return Err(Error::NotFound("user"));
    };

    let (staff, user) = tokio::join!(identity::staff(request, app), app.store.user(&id));
    staff?;
    let user = user?.ok_or(Error::NotFound("user"))?;
    Ok(response::json(200, &UserView::from(&user)))
}

#[derive(Deserialize)]
struct Roles {
    is_seller: Option<bool>,
    is_staff: Option<bool>,
    /// `null` takes a seller's own terms away.
    #[serde(default, deserialize_with = "given")]
    terms: Option<Option<SellerTerms>>,
}

/// Tells a `null` from nothing at all.
fn given<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Option<SellerTerms>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// `PATCH /admin/users/{id}`: makes and unmakes sellers and members of staff, and agrees on a seller's own terms; nothing that is theirs is touched. Two
/// trips to DynamoDB: who asks, and the change; one more for terms.
///
/// Nobody takes the staff's role from themselves (422), so that the last member cannot lock everybody out.
pub(crate) async fn change_roles(app: &App, request: &Request, id: &str) -> Result<Response, Error> {
    let staff = identity::staff(request, app).await?;
    let id: UserId = id.parse().map_err(|_| Error::NotFound("user"))?;
    let roles: Roles = request::json(request)?;
    if roles.is_seller.is_none() && roles.is_staff.is_none() && roles.terms.is_none() {
        return Err(Error::InvalidRequest("give is_seller, is_staff or terms".to_owned()));
    }
    let amounts = roles.terms.iter().flatten().flat_map(|terms| [&terms.fee_fixed, &terms.fee_minimum]).flatten();
    if amounts.into_iter().any(|amounts| !amounts.is_sound()) {
        return Err(Error::InvalidRequest("terms: amounts must lie between 0 and 99999999 minor units".to_owned()));
    }
    if id == staff.id && roles.is_staff == Some(false) {
        return Err(Error::InvalidRequest("is_staff: another member of staff must take this role from you".to_owned()));
    }

    let mut user = app.store.set_roles(&id, roles.is_seller, roles.is_staff).await?.ok_or(Error::NotFound("user"))?;
    if let Some(terms) = roles.terms {
        user = app.store.set_terms(&id, terms.as_ref()).await?.ok_or(Error::NotFound("user"))?;
    }
    Ok(response::json(200, &UserView::from(&user)))
}
