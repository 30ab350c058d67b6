//! `/purchases`

use shared::app::App;
use shared::domain::error::Error;
use shared::domain::ids::PurchaseId;
use shared::http::view::PurchaseView;
use shared::http::{Request, Response, identity, request, response};

/// `GET /purchases`: the signed-in user's purchases and attempted purchases,
/// newest first. One trip to DynamoDB: user and page are read in parallel.
pub(crate) async fn list(app: &App, request: &Request) -> Result<Response, Error> {
    let session = identity::required(request, &app.config)?;
    let page = request::page(request)?;

    let (user, purchases) = tokio::join!(identity::user(request, app), app.store.purchases_of(session.token.user_id(), &page));
    user?;
    Ok(response::json(200, &response::list(purchases?, |purchase| PurchaseView::from(&purchase))))
}

/// `GET /purchases/{id}`: one of the signed-in user's purchases. One trip to DynamoDB.
pub(crate) async fn show(app: &App, request: &Request, id: &str) -> Result<Response, Error> {
    let session = identity::required(request, &app.config)?;
    let unknown = || Error::NotFound("purchase");
    // The id contains its buyer, and the token its user.
    let id: Option<PurchaseId> = id.parse().ok().filter(|id: &PurchaseId| id.buyer() == *session.token.user_id());
    let Some(id) = id else {
        identity::user(request, app).await?;
        return Err(unknown());
    };

    let (user, purchase) = tokio::join!(identity::user(request, app), app.store.purchase(&id));
    let user = user?;
    let purchase = purchase?.filter(|purchase| purchase.buyer_id == user.id).ok_or_else(unknown)?;
    Ok(response::json(200, &PurchaseView::from(&purchase)))
}
