//! `/admin/users/{id}/purchases`, `/admin/users/{id}/sales`, `/admin/findings`, `/admin/disputes` and `/admin/audit`:
//! for support requests, and for problems that nobody has reported yet.
//!
//! These do not look up the user: an erased user has no profile, but their purchases and sales still exist.

use shared::app::App;
use shared::domain::error::Error;
use shared::domain::ids::UserId;
use shared::http::staff_view::{AuditView, CaseView, FindingView};
use shared::http::view::PurchaseView;
use shared::http::{Request, Response, identity, request, response};

use crate::sold;

/// `GET /admin/users/{id}/purchases`: a user's purchases and attempted purchases, newest
/// first. One trip to DynamoDB: the staff member and the page are read in parallel.
pub(crate) async fn bought(app: &App, request: &Request, id: &str) -> Result<Response, Error> {
    let Ok(buyer) = id.parse::<UserId>() else { return nobody(app, request).await };
    identity::required(request, &app.config)?;
    let page = request::page(request)?;

    let (staff, purchases) = tokio::join!(identity::staff(request, app), app.store.purchases_of(&buyer, &page));
    staff?;
    Ok(response::json(200, &response::list(purchases?, |purchase| PurchaseView::for_staff(&purchase))))
}

/// `GET /admin/users/{id}/sales`: a user's sales that were ever paid, newest first, with the totals of all their sales by
/// currency. Works for former sellers too. One trip to DynamoDB, as for [`bought`].
pub(crate) async fn sold(app: &App, request: &Request, id: &str) -> Result<Response, Error> {
    let Ok(seller) = id.parse::<UserId>() else { return nobody(app, request).await };
    identity::required(request, &app.config)?;
    let page = request::page(request)?;

    let (staff, sales, totals) =
        tokio::join!(identity::staff(request, app), app.store.sales_of(&seller, &page), app.store.totals_of(&seller));
    staff?;
    Ok(sold::answer(sales?, totals?))
}

/// `GET /admin/findings`: the reconciliation's findings, newest first. One trip to DynamoDB, as for [`bought`].
pub(crate) async fn findings(app: &App, request: &Request) -> Result<Response, Error> {
    identity::required(request, &app.config)?;
    let page = request::page(request)?;

    let (staff, findings) = tokio::join!(identity::staff(request, app), app.store.findings(&page));
    staff?;
    Ok(response::json(200, &response::list(findings?, FindingView::from)))
}

/// `GET /admin/disputes`: the undecided disputes, first those that wait for an answer, soonest due first; with `?state=closed` those decided
/// within a year, latest opened first. One trip to DynamoDB, as for [`bought`].
pub(crate) async fn disputes(app: &App, request: &Request) -> Result<Response, Error> {
    identity::required(request, &app.config)?;
    let page = request::page(request)?;
    let is_closed = match request::parameter(request, "state")?.as_deref() {
        None | Some("open") => false,
        Some("closed") => true,
        Some(_) => return Err(Error::InvalidRequest("state must be open or closed".to_owned())),
    };

    let disputes = async { if is_closed { app.store.closed_disputes(&page).await } else { app.store.open_disputes(&page).await } };
    let (staff, disputes) = tokio::join!(identity::staff(request, app), disputes);
    staff?;
    Ok(response::json(200, &response::list(disputes?, CaseView::from)))
}

/// `GET /admin/audit`: what staff and operators did, newest first; with `?user=` to one user. One trip to DynamoDB, as for [`bought`].
pub(crate) async fn audit(app: &App, request: &Request) -> Result<Response, Error> {
    identity::required(request, &app.config)?;
    let page = request::page(request)?;
    let user = request::parameter(request, "user")?.map(|id| id.parse::<UserId>());
    let Ok(user) = user.transpose() else { return nobody(app, request).await };

    let entries = async {
        match &user {
            Some(user) => app.store.audit_of(user, &page).await,
            None => app.store.audit(&page).await,
        }
    };
    let (staff, entries) = tokio::join!(identity::staff(request, app), entries);
    staff?;
    Ok(response::json(200, &response::list(entries?, AuditView::from)))
}

/// Non-staff must not learn whether an id is valid.
async fn nobody(app: &App, request: &Request) -> Result<Response, Error> {
    identity::staff(request, app).await?;
    Err(Error::NotFound("user"))
}
