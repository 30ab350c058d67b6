//! `GET /courses`

use std::collections::{BTreeSet, HashMap};

use shared::app::App;
use shared::domain::course::Course;
use shared::domain::error::Error;
use shared::domain::ids::UserId;
use shared::domain::seller_page::SellerPage;
use shared::http::view::CourseView;
use shared::http::{Request, Response, request, response};

/// Limits of `?q=`, in characters and words.
const SEARCH_MAX: usize = 200;
const WORDS_MAX: usize = 10;

/// Published courses, newest first. `?q=` keeps those with all its words in the
/// title or description, `?seller=` those of a seller. Two trips to DynamoDB: the courses, then their sellers' pages. The answer is the same
/// for everybody.
pub(crate) async fn list(app: &App, request: &Request) -> Result<Response, Error> {
    let page = request::page(request)?;
    let words = words(request::parameter(request, "q")?.as_deref().unwrap_or_default())?;

    let courses = match request::parameter(request, "seller")? {
        Some(_) if !words.is_empty() => return Err(Error::InvalidRequest("q and seller cannot be given together".to_owned())),
        Some(seller) => {
            let seller: UserId = seller.parse().map_err(|_| Error::InvalidRequest("seller must be a seller's id".to_owned()))?;
            app.store.published_courses_of(&seller, &page).await?
        }
        None if words.is_empty() => app.store.published_courses(&page).await?,
        None => app.store.search_courses(&words, &page).await?,
    };
    let sellers: BTreeSet<UserId> = courses.items.iter().map(|course| course.seller_id.clone()).collect();
    let pages = app.store.pages_of(&sellers).await?.into_iter().filter(|page| !page.hidden);
    let pages: HashMap<UserId, SellerPage> = pages.map(|page| (page.seller_id.clone(), page)).collect();
    let view = |course: Course| {
        let page = pages.get(&course.seller_id);
        CourseView::new(course, None).by(page)
    };
    Ok(response::shared(request, &response::list(courses, view)))
}

fn words(text: &str) -> Result<Vec<String>, Error> {
    if text.chars().count() > SEARCH_MAX {
        return Err(Error::InvalidRequest(format!("q must have at most {SEARCH_MAX} characters")));
    }
    let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    if words.len() > WORDS_MAX {
        return Err(Error::InvalidRequest(format!("q must have at most {WORDS_MAX} words")));
    }
    Ok(words)
}
