//! `GET /pages/courses/{slug}`, which the storefront shows under `/courses/{slug}`

use shared::app::App;
use shared::domain::error::Error;
use shared::http::{Response, response};
use shared::store::courses::Address;

use crate::markup;

const HTML: &str = "text/html; charset=utf-8";

/// The page of a course that is offered: one trip to DynamoDB. A former slug redirects for good, after two. Any other course is not found, also if it
/// is unpublished or taken down; for its seller and buyers, the page's modules then ask the API.
pub(crate) async fn show(app: &App, slug: &str) -> Result<Response, Error> {
    let shop = &app.config.storefront_url;
    Ok(match app.store.address(slug).await? {
        Address::Offered(course) => response::public(200, HTML, markup::course(shop, &course)),
        Address::Moved(to) => response::moved(&markup::address(shop, &to)),
        Address::Nothing => response::public(404, HTML, markup::absent()),
    })
}
