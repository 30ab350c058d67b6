//! `GET /pages/sellers/{handle}`, which the storefront shows under `/sellers/{handle}`. It is complete: `web/js/pages/seller-page.js` only
//! adds what needs a browser.

use maud::{Markup, html};
use serde_json::{Value, json};
use shared::app::App;
use shared::base::clock::written;
use shared::domain::course::Course;
use shared::domain::error::Error;
use shared::domain::membership::Offer;
use shared::domain::money::Price;
use shared::domain::seller_page::SellerPage;
use shared::http::{Request, Response, request, response};
use shared::store::courses::Address;
use shared::store::page::{Page, Paged};
use shared::store::seller_pages::PublicSeller;

use crate::markdown;
use crate::template::{HTML, Head, SELLER, name, summary, written_price};

/// How many courses a page shows; `?cursor=` leads to the next ones.
const COURSES: i32 = 24;

/// How much of a course's description a card has, in characters. Cards show less.
const EXCERPT: usize = 240;

/// The address of a seller's page.
pub(crate) fn address(shop: &str, handle: &str) -> String {
    format!("{shop}/sellers/{handle}")
}

/// Two trips to DynamoDB: whose the handle is, then the seller's page and courses in parallel. A former handle redirects for good. Somebody
/// without a page, or who may not sell, is not found.
pub(crate) async fn show(app: &App, request: &Request, handle: &str) -> Result<Response, Error> {
    let shop = &app.config.storefront_url;
    let page = Page { limit: COURSES, ..request::page(request)? };
    let Some(seller) = app.store.owner_of_handle(handle).await? else { return Ok(not_found()) };
    let (found, courses) = tokio::join!(app.store.public_seller(&seller, handle), app.store.published_courses_of(&seller, &page));
    Ok(match found? {
        Address::Offered(seller) => response::public(200, HTML, render(shop, &seller, &courses?)),
        Address::Moved(to) => response::moved(&address(shop, &to)),
        Address::Nothing => not_found(),
    })
}

fn not_found() -> Response {
    let main = html! {
        div class="empty" {
            h1 { "We couldn’t find this teacher." }
            p { "The address may be mistyped, or the page was removed." }
            div class="actions actions-center" { a class="button button-main" href="/" { "Browse courses" } }
        }
    };
    response::public(404, HTML, SELLER.absent(&main))
}

fn render(shop: &str, PublicSeller { page, offer }: &PublicSeller, courses: &Paged<Course>) -> String {
    let url = address(shop, &page.handle);
    let summary = summary(&markdown::plain(&page.text)).unwrap_or_else(|| format!("Courses by {} on {}.", page.name, name()));
    let structured = structured(page, &url, &summary);
    let head = Head { shop, url: &url, title: &page.name, summary: &summary, kind: "profile", structured };
    SELLER.fill(&head.render(), &article(page, offer.as_ref(), courses))
}

/// What search engines read: <https://developers.google.com/search/docs/appearance/structured-data/profile-page>
fn structured(page: &SellerPage, url: &str, summary: &str) -> Value {
    let mut person = json!({
        "@type": "Person",
        "name": page.name,
        "alternateName": page.handle,
        "identifier": page.seller_id,
        "description": summary,
        "url": url,
    });
    if !page.links.is_empty() {
        person["sameAs"] = page.links.iter().map(|link| link.url.as_str()).collect();
    }
    json!({
        "@context": "https://schema.org",
        "@type": "ProfilePage",
        "url": url,
        "dateCreated": written(page.created_at),
        "dateModified": written(page.updated_at),
        "mainEntity": person,
    })
}

fn article(page: &SellerPage, offer: Option<&Offer>, courses: &Paged<Course>) -> Markup {
    html! {
        article class="teacher" {
            h1 dir="auto" { (page.name) }
            @if !page.text.is_empty() { div class="markdown" id="teacher-text" dir="auto" { (markdown::render(&page.text)) } }
            @if !page.links.is_empty() {
                ul class="teacher-links" aria-label="Links" {
                    @for link in &page.links {
                        li { a href=(link.url) rel="nofollow ugc noopener noreferrer" { bdi { (link.title) } } }
                    }
                }
            }
            section class="teacher-courses" aria-labelledby="courses-title" {
                h2 id="courses-title" { "Courses" }
                @if courses.items.is_empty() { p class="muted" { "There are no courses here at the moment." } }
                ul class="cards" id="courses" { @for course in &courses.items { (card(course)) } }
                @if let Some(next) = &courses.next {
                    p class="actions" { a class="button" href={ "/sellers/" (page.handle) "?cursor=" (next.encode()) } { "More courses" } }
                }
            }
            // It gives access to the courses, so it is only shown next to one.
            @if let (Some(offer), Some(course)) = (offer, courses.items.first()) { (membership(page, offer, course)) }
        }
    }
}

/// As `courseCard` of `web/js/course-card.js`.
fn card(course: &Course) -> Markup {
    let excerpt: String = course.description.chars().take(EXCERPT).collect();
    html! {
        li class="card" {
            div class="card-cover" data-seed=(course.slug) {}
            h3 { a href={ "/courses/" (course.slug) } dir="auto" { (course.title) } }
            @if !excerpt.is_empty() { p class="card-text" dir="auto" { (excerpt) } }
            p class="card-foot" { (written_price(course.price)) }
        }
    }
}

/// As `membershipForm` of `web/js/course-membership.js`, which takes its place. What it needs is in the data of the element.
fn membership(page: &SellerPage, offer: &Offer, course: &Course) -> Markup {
    let price = |amount| written_price(Price { amount, currency: offer.currency });
    html! {
        section class="teacher-membership" id="membership-offer" data-seller=(page.seller_id) data-course=(course.id) data-title=(course.title)
            aria-labelledby="membership-title" {
            h2 id="membership-title" dir="auto" { (offer.title) }
            p class="muted" { "Or get access to all of this teacher’s courses with a membership." }
            p {
                @if let Some(monthly) = offer.monthly { (price(monthly)) " a month" }
                @if offer.monthly.is_some() && offer.yearly.is_some() { ", or " }
                @if let Some(yearly) = offer.yearly { (price(yearly)) " a year" }
            }
        }
    }
}
