//! Fills pages of `web/`, which are the only source of their markup.

use maud::{Markup, PreEscaped, html};
use serde_json::Value;
use shared::domain::money::Price;

/// The media type of a page.
pub(crate) const HTML: &str = "text/html; charset=utf-8";

/// For the description in the head, in characters. Search engines show about this much.
const SUMMARY: usize = 160;

/// A page of `web/` with two marked places: its head, and an element of its body.
pub(crate) struct Template {
    page: &'static str,
    place: &'static str,
}

/// The page of a course.
pub(crate) const COURSE: Template = Template { page: include_str!("../../../web/course.html"), place: "<!-- course -->" };

/// The page of a seller.
pub(crate) const SELLER: Template = Template { page: include_str!("../../../web/seller-page.html"), place: "<!-- seller -->" };

/// The parts of a page around what is filled in, and what the page itself has as its head.
struct Parts {
    top: &'static str,
    head: &'static str,
    middle: &'static str,
    bottom: &'static str,
}

impl Template {
    fn parts(&self) -> Parts {
        let split = |text: &'static str, mark: &str| text.split_once(mark).expect("the page has the mark");
        let (top, rest) = split(self.page, "<!-- head -->");
        let (head, rest) = split(rest, "<!-- /head -->");
        let (middle, bottom) = split(rest, self.place);
        Parts { top, head, middle, bottom }
    }

    /// The page with a head and a content.
    pub(crate) fn fill(&self, head: &Markup, main: &Markup) -> String {
        let Parts { top, middle, bottom, .. } = self.parts();
        [top, &head.0, middle, &main.0, bottom].concat()
    }

    /// The page that says that there is nothing.
    pub(crate) fn absent(&self, main: &Markup) -> String {
        let head = html! {
            meta name="robots" content="noindex";
            title { "Not found – " (name()) }
        };
        self.fill(&head, main)
    }
}

/// The storefront's name, from the title of a page: `Course – Lectern`.
pub(crate) fn name() -> &'static str {
    let title = COURSE.parts().head.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next()).unwrap_or_default();
    title.rsplit(" – ").next().unwrap_or_default()
}

/// What the head says about a page.
pub(crate) struct Head<'a> {
    pub(crate) shop: &'a str,
    pub(crate) url: &'a str,
    pub(crate) title: &'a str,
    pub(crate) summary: &'a str,
    /// Of <https://ogp.me>.
    pub(crate) kind: &'static str,
    /// Of <https://schema.org>.
    pub(crate) structured: Value,
}

impl Head<'_> {
    pub(crate) fn render(&self) -> Markup {
        let Self { shop, url, title, summary, kind, structured } = self;
        // A generated cover is an SVG drawn by the browser, which previews of links do not show.
        let picture = format!("{shop}/card.png");
        // Otherwise a text with `</script` would end the element.
        let structured = structured.to_string().replace('<', "\\u003c");
        html! {
            meta name="description" content=(summary);
            title { (title) " – " (name()) }
            link rel="canonical" href=(url);
            meta property="og:type" content=(kind);
            meta property="og:site_name" content=(name());
            meta property="og:title" content=(title);
            meta property="og:description" content=(summary);
            meta property="og:url" content=(url);
            meta property="og:image" content=(picture);
            meta property="og:image:width" content="1200";
            meta property="og:image:height" content="630";
            meta property="og:image:alt" content=(name());
            meta name="twitter:card" content="summary_large_image";
            script type="application/ld+json" { (PreEscaped(structured)) }
        }
    }
}

/// A text's first words on one line; nothing if it has none.
pub(crate) fn summary(text: &str) -> Option<String> {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut letters = words.char_indices();
    let end = letters.nth(SUMMARY).map(|(end, _)| end);
    match end {
        _ if words.is_empty() => None,
        None => Some(words),
        Some(end) => {
            let cut = words[..end].rfind(' ').unwrap_or(end);
            Some(format!("{}…", &words[..cut]))
        }
    }
}

/// An amount in the currency's unit: `49.50`.
pub(crate) fn figures(price: Price) -> String {
    let decimals = price.currency.decimals();
    let figures = format!("{:0>width$}", price.amount, width = decimals + 1);
    match figures.split_at(figures.len() - decimals) {
        (whole, "") => whole.to_owned(),
        (whole, rest) => format!("{whole}.{rest}"),
    }
}

/// A price for people: `EUR 49.50`.
pub(crate) fn written_price(price: Price) -> String {
    format!("{} {}", price.currency.code().to_uppercase(), figures(price))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_have_the_marks_and_name_the_storefront() {
        for (template, id) in [(COURSE, "id=\"course\">"), (SELLER, "id=\"seller\">")] {
            let Parts { top, head, middle, bottom } = template.parts();
            assert!(top.contains("<head>") && head.contains("noindex") && middle.ends_with(id) && bottom.starts_with("</div>"));
            assert!(head.contains(" – Lectern</title>"));
        }
        assert_eq!(name(), "Lectern");
    }
}
