//! `GET /sellers/{id}/members`

use shared::domain::error::Error;
use shared::domain::ids::UserId;
use shared::http::view::MemberView;
use shared::http::{Request, Response, identity, request, response};
use shared::work::Services;

/// A seller's current and former members, newest first, with the payments of each
/// period; for the seller and for staff. Two trips to DynamoDB: the user, then the page.
pub(crate) async fn list(services: &Services, request: &Request, id: &str) -> Result<Response, Error> {
    let app = &services.app;
    let user = identity::in_role(identity::user(request, app).await?, &app.config);
    let page = request::page(request)?;
    if user.id.as_str() != id && !user.is_staff {
        return Err(Error::Forbidden);
    }
    let seller: UserId = id.parse().map_err(|_| Error::NotFound("seller"))?;
    let members = app.store.members_of(&seller, &page).await?;
    Ok(response::json(200, &response::list(members, |subscription| MemberView::from(&subscription))))
}
