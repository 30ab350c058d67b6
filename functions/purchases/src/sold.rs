//! `/sales`

use std::collections::BTreeMap;

use serde::Serialize;
use shared::app::App;
use shared::error::Error;
use shared::http::view::{SaleView, TotalsView};
use shared::http::{Request, Response, identity, request, response};
use shared::purchase::{Purchase, Sums};
use shared::store::page::Paged;

#[derive(Serialize)]
struct Answer<List> {
    #[serde(flatten)]
    list: List,
    totals: Vec<TotalsView>,
}

/// A page of sales, and what all of the seller's come to.
pub(crate) fn answer(sales: Paged<Purchase>, totals: BTreeMap<String, Sums>) -> Response {
    let list = response::list(sales, |purchase| SaleView::from(&purchase));
    let totals = totals.into_iter().map(|(currency, sums)| TotalsView::new(currency, sums)).collect();
    response::json(200, &Answer { list, totals })
}

/// `GET /sales`: what the seller sold, paid at some time, the newest first, with the totals of all their sales by currency.
/// One trip to DynamoDB: who asks, the page and the totals are read side by side.
pub(crate) async fn list(app: &App, request: &Request) -> Result<Response, Error> {
    let session = identity::required(request, &app.config)?;
    let page = request::page(request)?;
    let seller = session.token.user_id();

    let (user, sales, totals) = tokio::join!(identity::user(request, app), app.store.sales_of(seller, &page), app.store.totals_of(seller));
    if !user?.is_seller {
        return Err(Error::NotASeller);
    }
    Ok(answer(sales?, totals?))
}
