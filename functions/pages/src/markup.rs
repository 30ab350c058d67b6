//! Fills `web/course.html`, which is the only source of the page's markup. What is inserted is what `web/js/pages/course.js` shows first, so
//! that nothing moves when it takes over.

use maud::{Markup, PreEscaped, html};
use serde_json::json;
use shared::base::clock::written;
use shared::domain::course::Course;
use shared::domain::money::Price;

const PAGE: &str = include_str!("../../../web/course.html");

/// For the description in the head, in characters. Search engines show about this much.
const SUMMARY: usize = 160;

/// The address of a course's page.
pub(crate) fn address(shop: &str, slug: &str) -> String {
    format!("{shop}/courses/{slug}")
}

/// The parts of the page around what is filled in, and what the page itself has as its head.
struct Parts<'a> {
    top: &'a str,
    head: &'a str,
    middle: &'a str,
    bottom: &'a str,
}

fn parts() -> Parts<'static> {
    let split = |text: &'static str, mark: &str| text.split_once(mark).expect("web/course.html has the mark");
    let (top, rest) = split(PAGE, "<!-- head -->");
    let (head, rest) = split(rest, "<!-- /head -->");
    let (middle, bottom) = split(rest, "<!-- course -->");
    Parts { top, head, middle, bottom }
}

/// The storefront's name, from the page's own title: `Course – Lectern`.
fn name() -> &'static str {
    let title = parts().head.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next()).unwrap_or_default();
    title.rsplit(" – ").next().unwrap_or_default()
}

fn fill(head: &Markup, main: &Markup) -> String {
    let Parts { top, middle, bottom, .. } = parts();
    [top, &head.0, middle, &main.0, bottom].concat()
}

/// The page of a course.
pub(crate) fn course(shop: &str, course: &Course) -> String {
    fill(&head(shop, course), &article(course))
}

/// The page of a course that is not there, or not for everybody.
pub(crate) fn absent() -> String {
    let head = html! {
        meta name="robots" content="noindex";
        title { "Not found – " (name()) }
    };
    let main = html! {
        div class="empty" {
            h1 { "We couldn’t find this course." }
            p { "It may have been removed, or its address may have changed. If you bought it, you’ll find it in your library." }
            div class="actions actions-center" {
                a class="button button-main" href="/" { "Browse courses" }
                a class="button" href="/account.html#library" { "Your library" }
            }
        }
    };
    fill(&head, &main)
}

fn head(shop: &str, course: &Course) -> Markup {
    let url = address(shop, &course.slug);
    let summary = summary(course);
    // A generated cover is an SVG drawn by the browser, which previews of links do not show.
    let picture = format!("{shop}/card.png");
    html! {
        meta name="description" content=(summary);
        title { (course.title) " – " (name()) }
        link rel="canonical" href=(url);
        meta property="og:type" content="website";
        meta property="og:site_name" content=(name());
        meta property="og:title" content=(course.title);
        meta property="og:description" content=(summary);
        meta property="og:url" content=(url);
        meta property="og:image" content=(picture);
        meta property="og:image:width" content="1200";
        meta property="og:image:height" content="630";
        meta property="og:image:alt" content=(name());
        meta name="twitter:card" content="summary_large_image";
        script type="application/ld+json" { (PreEscaped(structured(shop, course, &url, &summary))) }
    }
}

/// The description's first words on one line.
fn summary(course: &Course) -> String {
    let words = course.description.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.is_empty() {
        return format!("A course on {}.", name());
    }
    let mut letters = words.char_indices();
    match letters.nth(SUMMARY) {
        None => words,
        Some((end, _)) => {
            let cut = words[..end].rfind(' ').unwrap_or(end);
            format!("{}…", &words[..cut])
        }
    }
}

/// What search engines read: <https://developers.google.com/search/docs/appearance/structured-data/course>
fn structured(shop: &str, course: &Course, url: &str, summary: &str) -> String {
    let data = json!({
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
    // Otherwise a text with `</script` would end the element.
    data.to_string().replace('<', "\\u003c")
}

/// An amount in the currency's unit: `49.50`.
fn figures(price: Price) -> String {
    let decimals = price.currency.decimals();
    let figures = format!("{:0>width$}", price.amount, width = decimals + 1);
    match figures.split_at(figures.len() - decimals) {
        (whole, "") => whole.to_owned(),
        (whole, rest) => format!("{whole}.{rest}"),
    }
}

fn article(course: &Course) -> Markup {
    let published = course.created_at.date().to_string();
    html! {
        article class="course" {
            div class="course-head" { h1 dir="auto" { (course.title) } }
            div class="course-about" {
                @if course.description.is_empty() {
                    p class="course-text muted" { "There’s no description yet." }
                } @else {
                    div class="course-text prose" dir="auto" { (course.description) }
                }
            }
            section class="card course-side" id="offer" aria-label="Price and purchase" {
                div class="course-cover" {}
                p class="price price-large" { (course.price.currency.code().to_uppercase()) " " (figures(course.price)) }
                dl class="facts" {
                    dt { "Published" }
                    dd { time datetime=(published) { (published) } }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_the_marks_and_names_the_storefront() {
        let Parts { top, head, middle, bottom } = parts();
        assert!(top.contains("<head>") && head.contains("noindex") && middle.ends_with("id=\"course\">") && bottom.starts_with("</div>"));
        assert_eq!(name(), "Lectern");
    }
}
