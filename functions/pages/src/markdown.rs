//! Sellers' Markdown as HTML: what `web/js/markdown.js` shows of it, and nothing that could be markup of theirs.

use maud::{Markup, PreEscaped};
use pulldown_cmark::{CowStr, Event, HeadingLevel, LinkType, Options, Parser, Tag, TagEnd, html};

/// The text as HTML. Its headings begin below the page's own. HTML is shown as text, an image as its description, and a link only if it
/// leads to the web or to a mail program.
pub(crate) fn render(text: &str) -> Markup {
    let mut dropped = Vec::new();
    let events = Parser::new_ext(text, Options::empty()).filter_map(move |event| {
        Some(match event {
            Event::Html(text) | Event::InlineHtml(text) => Event::Text(text),
            Event::Start(Tag::HtmlBlock) => Event::Start(Tag::Paragraph),
            Event::End(TagEnd::HtmlBlock) => Event::End(TagEnd::Paragraph),
            Event::Start(Tag::Heading { level, .. }) => {
                Event::Start(Tag::Heading { level: below(level), id: None, classes: Vec::new(), attrs: Vec::new() })
            }
            Event::End(TagEnd::Heading(level)) => Event::End(TagEnd::Heading(below(level))),
            Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image) => return None,
            Event::Start(Tag::Link { link_type, dest_url, .. }) => {
                let is_kept = is_safe(link_type, &dest_url);
                dropped.push(!is_kept);
                return is_kept.then_some(Event::Start(Tag::Link {
                    link_type,
                    dest_url,
                    title: CowStr::Borrowed(""),
                    id: CowStr::Borrowed(""),
                }));
            }
            Event::End(TagEnd::Link) if dropped.pop() == Some(true) => return None,
            other => other,
        })
    });
    let mut html = String::new();
    html::push_html(&mut html, events);
    // The library has no attributes for links, and each `<a href` is its own: those in texts are escaped.
    PreEscaped(html.replace("<a href=", "<a rel=\"nofollow ugc noopener noreferrer\" href="))
}

/// The words of the text, without its marks.
pub(crate) fn plain(text: &str) -> String {
    let mut words = String::new();
    for event in Parser::new_ext(text, Options::empty()) {
        match event {
            Event::Text(text) | Event::Code(text) | Event::Html(text) | Event::InlineHtml(text) => words.push_str(&text),
            Event::End(TagEnd::Emphasis | TagEnd::Strong | TagEnd::Link | TagEnd::Image) => {}
            Event::SoftBreak | Event::HardBreak | Event::Rule | Event::End(_) => words.push(' '),
            _ => {}
        }
    }
    words
}

/// The page's title is a heading of the first level.
fn below(level: HeadingLevel) -> HeadingLevel {
    match level {
        HeadingLevel::H1 => HeadingLevel::H2,
        HeadingLevel::H2 => HeadingLevel::H3,
        HeadingLevel::H3 => HeadingLevel::H4,
        HeadingLevel::H4 => HeadingLevel::H5,
        HeadingLevel::H5 | HeadingLevel::H6 => HeadingLevel::H6,
    }
}

fn is_safe(kind: LinkType, target: &str) -> bool {
    let target = target.to_ascii_lowercase();
    kind == LinkType::Email || ["https://", "http://", "mailto:"].iter().any(|scheme| target.starts_with(scheme))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_becomes_html_and_html_becomes_text() {
        for (text, html) in [
            ("# One\n\nTwo **three** *four* `five`", "<h2>One</h2>\n<p>Two <strong>three</strong> <em>four</em> <code>five</code></p>\n"),
            ("- a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>\n"),
            ("<script>alert(1)</script>", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>\n"),
            ("a <b onclick=x>b</b>", "<p>a &lt;b onclick=x&gt;b&lt;/b&gt;</p>\n"),
            ("![alt](https://example.com/x.png)", "<p>alt</p>\n"),
            ("[x](javascript:alert(1)) [y](/z) [z](data:text/html,x)", "<p>x y z</p>\n"),
            ("[x](JaVaScRiPt:alert(1))", "<p>x</p>\n"),
            (
                "[site](https://example.com/?a=\"b \"t\") <me@example.com>",
                "<p><a rel=\"nofollow ugc noopener noreferrer\" href=\"https://example.com/?a=%22b\">site</a> <a rel=\"nofollow ugc noopener noreferrer\" href=\"mailto:me@example.com\">me@example.com</a></p>\n",
            ),
            (
                "[*a*](https://example.com \"t\")",
                "<p><a rel=\"nofollow ugc noopener noreferrer\" href=\"https://example.com\"><em>a</em></a></p>\n",
            ),
            ("`<a href=x>`", "<p><code>&lt;a href=x&gt;</code></p>\n"),
        ] {
            assert_eq!(render(text).0, html, "{text}");
        }
    }

    #[test]
    fn a_summary_has_the_words_only() {
        let words = plain("# One\n\nTwo **three**, [four](https://example.com).\n- five");
        assert_eq!(words.split_whitespace().collect::<Vec<_>>(), ["One", "Two", "three,", "four.", "five"]);
    }
}
