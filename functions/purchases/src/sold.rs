//! `/sales`

use serde::Serialize;
use shared::app::App;
use shared::domain::error::Error;
use shared::domain::purchase::Purchase;
use shared::http::sale_view::{SaleView, TotalsView};
use shared::http::{Request, Response, identity, request, response};
use shared::store::books::Totals;
use shared::store::debts::Debt;
use shared::store::page::Paged;

#[derive(Serialize)]
struct Answer<List> {
    #[serde(flatten)]
    list: List,
    totals: Vec<TotalsView>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    debts: Vec<Debt>,
}

/// A page of sales, the seller's totals, and what they owe.
pub(crate) fn answer(sales: Paged<Purchase>, totals: Totals) -> Response {
    let list = response::list(sales, |purchase| SaleView::from(&purchase));
    let Totals { by_currency, debts } = totals;
    let totals = by_currency.into_iter().map(|(currency, sums)| TotalsView::new(currency, sums)).collect();
    response::json(200, &Answer { list, totals, debts })
}

/// `GET /sales`: the seller's sales that were ever paid, newest first, with the totals of all their sales by currency.
/// One trip to DynamoDB: user, page and totals are read in parallel.
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
