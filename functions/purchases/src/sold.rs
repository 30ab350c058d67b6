//! `/sales`

use shared::app::App;
use shared::error::Error;
use shared::http::view::SaleView;
use shared::http::{Request, Response, identity, request, response};

/// `GET /sales`: what the seller sold, paid at some time, the newest first. One trip to DynamoDB: who asks and the page
/// are read side by side.
pub(crate) async fn list(app: &App, request: &Request) -> Result<Response, Error> {
    let session = identity::required(request, &app.config)?;
    let page = request::page(request)?;

    let (user, sales) = tokio::join!(identity::user(request, app), app.store.sales_of(session.token.user_id(), &page));
    if !user?.is_seller {
        return Err(Error::NotASeller);
    }
    Ok(response::json(200, &response::list(sales?, |purchase| SaleView::from(&purchase))))
}
