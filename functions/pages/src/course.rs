//! `GET /pages/courses/{slug}`, which the storefront shows under `/courses/{slug}`. What is filled in is what `web/js/pages/course.js` shows
//! first, so that nothing moves when it takes over.

use maud::{Markup, html};
use serde_json::{Value, json};
use shared::app::App;
use shared::base::clock::written;
use shared::domain::course::Course;
use shared::domain::error::Error;
use shared::domain::outline::{Lesson, Outline};
use shared::domain::seller_page::SellerPage;
use shared::http::{Response, response};
use shared::store::courses::Address;

use crate::seller;
use crate::template::{COURSE, HTML, Head, figures, name, summary, written_price};

/// The address of a course's page.
pub(crate) fn address(shop: &str, slug: &str) -> String {
    format!("{shop}/courses/{slug}")
}

/// The page of a course that is offered: two trips to DynamoDB, the course, then its seller's page with its outline. A former slug redirects
/// for good. Any other course is not found, also if it is unpublished or taken down; for its seller and buyers, the page's modules then ask
/// the API.
pub(crate) async fn show(app: &App, slug: &str) -> Result<Response, Error> {
    let shop = &app.config.storefront_url;
    Ok(match app.store.address(slug).await? {
        Address::Offered(course) => {
            let (seller, outline) = app.store.beside_course(&course).await?;
            response::public(200, HTML, page(shop, &course, seller.as_ref(), outline.as_ref()))
        }
        Address::Moved(to) => response::moved(&address(shop, &to)),
        Address::Nothing => response::public(404, HTML, COURSE.absent(&absent())),
    })
}

fn page(shop: &str, course: &Course, seller: Option<&SellerPage>, outline: Option<&Outline>) -> String {
    let url = address(shop, &course.slug);
    let summary = summary(&course.description).unwrap_or_else(|| format!("A course on {}.", name()));
    let structured = structured(shop, course, seller, &url, &summary);
    let head = Head { shop, url: &url, title: &course.title, summary: &summary, kind: "website", structured };
    COURSE.fill(&head.render(), &article(course, seller, outline))
}

fn absent() -> Markup {
    html! {
        div class="empty" {
            h1 { "We couldn’t find this course." }
            p { "It may have been removed, or its address may have changed. If you bought it, you’ll find it in your library." }
            div class="actions actions-center" {
                a class="button button-main" href="/" { "Browse courses" }
                a class="button" href="/account.html#library" { "Your library" }
            }
        }
    }
}

/// What search engines read: <https://developers.google.com/search/docs/appearance/structured-data/course>
fn structured(shop: &str, course: &Course, seller: Option<&SellerPage>, url: &str, summary: &str) -> Value {
    let mut data = json!({
        "@context": "https://schema.org",
        "@type": "Course",
        "name": course.title,
        "description": summary,
        "url": url,
        "datePublished": written(course.created_at),
        "dateModified": written(course.updated_at),
        "provider": { "@type": "Organization", "name": name(), "url": shop },
        "offers": [{
            "@type": "Offer",
            "category": "Paid",
            "url": url,
            "price": figures(course.price),
            "priceCurrency": course.price.currency.code().to_uppercase(),
            "availability": "https://schema.org/InStock",
        }],
    });
    if let Some(seller) = seller {
        data["author"] = json!({ "@type": "Person", "name": seller.name, "url": seller::address(shop, &seller.handle) });
    }
    data
}

fn article(course: &Course, seller: Option<&SellerPage>, outline: Option<&Outline>) -> Markup {
    let published = course.created_at.date().to_string();
    html! {
        article class="course" {
            div class="course-head" {
                h1 dir="auto" { (course.title) }
                @if let Some(seller) = seller {
                    p class="lead course-teacher" { "By " a href={ "/sellers/" (seller.handle) } { bdi { (seller.name) } } }
                }
            }
            div class="course-about" {
                @if course.description.is_empty() {
                    p class="course-text muted" { "There’s no description yet." }
                } @else {
                    div class="course-text prose" dir="auto" { (course.description) }
                }
                @if let Some(outline) = outline.filter(|outline| outline.lessons().next().is_some()) { (contents(outline)) }
            }
            section class="card course-side" id="offer" aria-label="Price and purchase" {
                div class="course-cover" {}
                p class="price price-large" { (written_price(course.price)) }
                dl class="facts" {
                    dt { "Published" }
                    dd { time datetime=(published) { (published) } }
                }
            }
        }
    }
}

/// As `contents` of `web/js/outline.js`.
fn contents(outline: &Outline) -> Markup {
    let count = outline.lessons().count();
    let minutes: u32 = outline.lessons().filter_map(|lesson| lesson.minutes).map(u32::from).sum();
    let is_all = outline.lessons().all(|lesson| lesson.minutes.is_some());
    html! {
        section class="outline" id="outline" aria-labelledby="outline-title" {
            h2 id="outline-title" { "In this course" }
            p class="muted" {
                (count) @if count == 1 { " lesson" } @else { " lessons" }
                @if minutes > 0 { @if is_all { ", " } @else { ", over " } (duration(minutes)) }
            }
            @for section in outline.sections.iter().filter(|section| !section.lessons.is_empty()) {
                h3 dir="auto" { (section.title) }
                ol class="lessons" { @for lesson in &section.lessons { li { (line(lesson)) } } }
            }
        }
    }
}

fn line(lesson: &Lesson) -> Markup {
    html! {
        span class="lesson-title" dir="auto" { (lesson.title) }
        @if let Some(minutes) = lesson.minutes { span class="muted small lesson-time" { (duration(minutes.into())) } }
        // Without JavaScript, nobody can open it.
        @if lesson.preview { span class="button button-small" aria-disabled="true" { "Preview" } }
    }
}

/// Such as `1 h 20 min`.
fn duration(minutes: u32) -> String {
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}
