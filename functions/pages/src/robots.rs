//! `GET /pages/sitemap.xml` and `GET /pages/robots.txt`: what search engines read first. <https://www.sitemaps.org/protocol.html>

use std::collections::BTreeSet;

use maud::{Markup, html};
use shared::app::App;
use shared::base::clock::written;
use shared::domain::error::Error;
use shared::domain::ids::UserId;
use shared::http::{Request, Response, request, response};
use shared::store::page::Page;
use time::{Date, Month, OffsetDateTime};

use crate::{course, seller};

const XML: &str = "application/xml; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";
const SCHEMA: &str = "http://www.sitemaps.org/schemas/sitemap/0.9";

/// What one sitemap reads at most: this many pages of this many courses.
const PAGES: usize = 10;
const PAGE: i32 = 100;

/// A month of the calendar, in which courses were created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Of {
    year: i32,
    month: Month,
}

impl Of {
    fn at(time: OffsetDateTime) -> Self {
        Self { year: time.year(), month: time.month() }
    }

    /// From `2026-11`.
    fn parse(text: &str) -> Option<Self> {
        let (year, month) = text.split_once('-')?;
        let is_sound = year.len() == 4 && month.len() == 2 && [year, month].concat().bytes().all(|byte| byte.is_ascii_digit());
        let month = Month::try_from(month.parse::<u8>().ok()?).ok()?;
        is_sound.then_some(Self { year: year.parse().ok()?, month })
    }

    fn begin(self) -> Option<OffsetDateTime> {
        Some(Date::from_calendar_date(self.year, self.month, 1).ok()?.midnight().assume_utc())
    }

    fn next(self) -> Self {
        let year = if self.month == Month::December { self.year + 1 } else { self.year };
        Self { year, month: self.month.next() }
    }
}

/// `GET /pages/sitemap.xml`: without `month`, the list of the sitemaps, one for each month since the first course: one trip to DynamoDB. With
/// it, the courses that were created in this month, a hundred a trip, up to a thousand, and the pages of their sellers, a hundred a trip.
pub(crate) async fn sitemap(app: &App, request: &Request) -> Result<Response, Error> {
    let body = match request::parameter(request, "month")? {
        None => index(app).await?,
        Some(month) => {
            let fault = || Error::InvalidRequest("month must be a year and a month, for example 2026-11".to_owned());
            let month = Of::parse(&month).ok_or_else(fault)?;
            let (begin, end) = month.begin().zip(month.next().begin()).ok_or_else(fault)?;
            of_month(app, begin, end).await?
        }
    };
    Ok(response::public(200, XML, format!(r#"<?xml version="1.0" encoding="UTF-8"?>{}"#, body.0)))
}

async fn index(app: &App) -> Result<Markup, Error> {
    let shop = &app.config.storefront_url;
    let last = Of::at(app.clock.now());
    let mut months = Vec::new();
    let mut month = app.store.oldest_course().await?.map_or(last, |course| Of::at(course.created_at));
    while month <= last {
        months.push(format!("{shop}/sitemap.xml?month={:04}-{:02}", month.year, u8::from(month.month)));
        month = month.next();
    }
    Ok(html! {
        sitemapindex xmlns=(SCHEMA) {
            @for month in months { sitemap { loc { (month) } } }
        }
    })
}

async fn of_month(app: &App, begin: OffsetDateTime, end: OffsetDateTime) -> Result<Markup, Error> {
    let shop = &app.config.storefront_url;
    let mut courses = Vec::new();
    let mut after = Some(app.store.published_before(end));
    for _ in 0..PAGES {
        let page = app.store.published_courses(&Page { limit: PAGE, after }).await?;
        let (of_month, older): (Vec<_>, Vec<_>) = page.items.into_iter().partition(|course| course.created_at >= begin);
        courses.extend(of_month);
        after = page.next;
        if after.is_none() || !older.is_empty() {
            break;
        }
    }
    let sellers: BTreeSet<UserId> = courses.iter().map(|course| course.seller_id.clone()).collect();
    let mut pages = app.store.pages_of(&sellers).await?;
    pages.retain(|page| !page.hidden);
    pages.sort_by(|one, other| one.handle.cmp(&other.handle));
    Ok(html! {
        urlset xmlns=(SCHEMA) {
            // A sitemap names at least one page.
            url { loc { (shop) "/" } }
            @for course in courses {
                url {
                    loc { (course::address(shop, &course.slug)) }
                    lastmod { (written(course.updated_at)) }
                }
            }
            @for page in pages {
                url {
                    loc { (seller::address(shop, &page.handle)) }
                    lastmod { (written(page.updated_at)) }
                }
            }
        }
    })
}

/// `GET /pages/robots.txt`: what search engines may read, which is all but the API, and where the sitemaps are. No trip to DynamoDB.
pub(crate) fn robots(app: &App) -> Response {
    let text = format!("User-agent: *\nAllow: /api/courses\nDisallow: /api/\n\nSitemap: {}/sitemap.xml\n", app.config.storefront_url);
    response::public(200, TEXT, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_read_and_follow_each_other() {
        let december = Of::parse("2026-12").expect("it is a month");
        assert_eq!(december.next(), Of { year: 2027, month: Month::January });
        assert_eq!(december.begin().map(written).as_deref(), Some("2026-12-01T00:00:00Z"));
        for text in ["", "2026", "2026-13", "2026-00", "2026-1", "26-01", "+026-01", "2026-01-01", "2026-0a", "２０２６-01"] {
            assert_eq!(Of::parse(text), None, "{text}");
        }
    }
}
