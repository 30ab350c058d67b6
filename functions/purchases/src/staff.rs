//! `/admin/users/{id}/purchases`, `/admin/users/{id}/sales` and `/admin/findings`: what somebody asks the staff about, and what
//! nobody had to.
//!
//! Nobody is looked up by the id: an erased user has no profile, but what they bought and sold is still there.

use shared::app::App;
use shared::error::Error;
use shared::http::view::{FindingView, PurchaseView};
use shared::http::{Request, Response, identity, request, response};
use shared::ids::UserId;

use crate::sold;

/// `GET /admin/users/{id}/purchases`: what a user bought and tried to buy, the newest first. One trip to DynamoDB: who asks and
/// the page are read side by side.
pub(crate) async fn bought(app: &App, request: &Request, id: &str) -> Result<Response, Error> {
    let Ok(buyer) = id.parse::<UserId>() else { return nobody(app, request).await };
    identity::required(request, &app.config)?;
    let page = request::page(request)?;

    let (staff, purchases) = tokio::join!(identity::staff(request, app), app.store.purchases_of(&buyer, &page));
    staff?;
    Ok(response::json(200, &response::list(purchases?, |purchase| PurchaseView::from(&purchase))))
}

/// `GET /admin/users/{id}/sales`: what a user sold, paid at some time, the newest first, with the totals of all their sales by
/// currency; also of one who is no seller any more. One trip to DynamoDB, as for [`bought`].
pub(crate) async fn sold(app: &App, request: &Request, id: &str) -> Result<Response, Error> {
    let Ok(seller) = id.parse::<UserId>() else { return nobody(app, request).await };
    identity::required(request, &app.config)?;
    let page = request::page(request)?;

    let (staff, sales, totals) =
        tokio::join!(identity::staff(request, app), app.store.sales_of(&seller, &page), app.store.totals_of(&seller));
    staff?;
    Ok(sold::answer(sales?, totals?))
}

/// `GET /admin/findings`: what the reconciliation found, the newest first. One trip to DynamoDB, as for [`bought`].
pub(crate) async fn findings(app: &App, request: &Request) -> Result<Response, Error> {
    identity::required(request, &app.config)?;
    let page = request::page(request)?;

    let (staff, findings) = tokio::join!(identity::staff(request, app), app.store.findings(&page));
    staff?;
    Ok(response::json(200, &response::list(findings?, FindingView::from)))
}

/// To others than the staff the id makes no difference.
async fn nobody(app: &App, request: &Request) -> Result<Response, Error> {
    identity::staff(request, app).await?;
    Err(Error::NotFound("user"))
}
