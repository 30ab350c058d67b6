//! Renders a letter as text and HTML from the same parts. All escaping happens here and nowhere else.

/// A mail that is ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Letter {
    pub(crate) to: String,
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
    /// It leaves out a title that another user wrote, because nobody has confirmed the address: few of these are sent.
    pub(crate) nameless: bool,
}

/// A part of a letter, in plain text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// A paragraph.
    Says(String),
    /// A table of names and values.
    Facts(Vec<(&'static str, String)>),
    /// A link and its label.
    Link(&'static str, String),
}

const PAGE: &str =
    "margin:0;padding:24px 12px;background:#f4f4f1;color:#1d1d1b;font:16px/1.5 system-ui,-apple-system,'Segoe UI',sans-serif";
const SHEET: &str = "max-width:540px;margin:0 auto;padding:28px;background:#ffffff;border-radius:12px";
const BUTTON: &str =
    "display:inline-block;padding:12px 20px;border-radius:8px;background:#1f5f4a;color:#ffffff;text-decoration:none;font-weight:600";

fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

/// Joins a text to one line, as a header requires; titles may contain line breaks.
fn line(text: &str) -> String {
    text.split(|letter: char| letter.is_control() || letter.is_whitespace()).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Renders a letter. It ends with `why` its reader got it.
pub(crate) fn letter(to: &str, subject: &str, parts: &[Part], why: &str) -> Letter {
    let subject = line(subject);
    let mut text = String::new();
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title></head>\n<body style=\"{PAGE}\"><div style=\"{SHEET}\">\n<h1 style=\"margin:0 0 16px;font-size:22px\">{title}</h1>\n",
        title = escape(&subject)
    );
    for part in parts {
        match part {
            Part::Says(says) => {
                text += &format!("{says}\n\n");
                html += &format!("<p>{}</p>\n", escape(says));
            }
            Part::Facts(facts) if facts.is_empty() => {}
            Part::Facts(facts) => {
                html += "<table role=\"presentation\" style=\"border-collapse:collapse;margin:16px 0\">\n";
                for (name, value) in facts {
                    let value = line(value);
                    text += &format!("{name}: {value}\n");
                    html += &format!(
                        "<tr><td style=\"padding:4px 16px 4px 0;color:#5c5c57\">{name}</td><td style=\"padding:4px 0\">{}</td></tr>\n",
                        escape(&value)
                    );
                }
                text.push('\n');
                html += "</table>\n";
            }
            Part::Link(label, address) => {
                text += &format!("{label}:\n{address}\n\n");
                let address = escape(address);
                html += &format!("<p style=\"margin:24px 0\"><a href=\"{address}\" style=\"{BUTTON}\">{}</a></p>\n", escape(label));
            }
        }
    }
    text += &format!("--\n{why}\n");
    html += &format!("<p style=\"margin:24px 0 0;color:#5c5c57;font-size:14px\">{}</p>\n</div></body></html>\n", escape(why));
    Letter { to: to.to_owned(), subject, text, html, nameless: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_title_becomes_markup_or_a_header() {
        let title = "<script>alert('x')</script>\r\nBcc: all@example.com \"&amp;\"";
        let parts = [Part::Says(title.to_owned()), Part::Facts(vec![("Course", title.to_owned())])];
        let letter = letter("to@example.com", &format!("Sold: {title}"), &parts, "Why");
        assert_eq!(letter.subject, "Sold: <script>alert('x')</script> Bcc: all@example.com \"&amp;\"");
        assert!(!letter.html.contains("<script") && letter.html.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;"));
        assert!(letter.html.contains("&quot;&amp;amp;&quot;"));
        assert!(letter.text.contains("Course: <script>alert('x')</script> Bcc: all@example.com"), "{}", letter.text);
    }

    #[test]
    fn both_forms_say_the_same() {
        let parts = [Part::Says("Hello.".to_owned()), Part::Link("Open it", "https://shop.example/a?b=1&c=2".to_owned())];
        let letter = letter("to@example.com", "Subject", &parts, "Because.");
        assert_eq!(letter.text, "Hello.\n\nOpen it:\nhttps://shop.example/a?b=1&c=2\n\n--\nBecause.\n");
        assert!(letter.html.contains("<p>Hello.</p>") && letter.html.contains("href=\"https://shop.example/a?b=1&amp;c=2\""));
        assert!(letter.html.contains(">Open it</a>") && letter.html.contains("Because."));
    }
}
