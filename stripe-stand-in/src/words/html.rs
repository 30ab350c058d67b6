//! Building blocks of hosted pages.

/// Escapes text for HTML.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

/// A self-contained page that loads nothing else.
pub(crate) fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n<style>\
         body{{font:16px/1.5 system-ui,sans-serif;max-width:30rem;margin:3rem auto;padding:0 1rem;color:#1a1f36}}\
         input,select,button{{font:inherit;padding:.5rem;border:1px solid #697386;border-radius:.25rem}}\
         label{{display:block}}input,select{{width:100%;box-sizing:border-box}}\
         button{{background:#4b45c6;color:#fff;border-color:#4b45c6}}button.plain{{background:#fff;color:#1a1f36}}\
         .error{{color:#a41c4e}}.note{{color:#4f566b}}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n{body}\n\
         <p class=\"note\">Test mode: this page is a local stand-in for Stripe's. No money moves.</p>\n</main>\n</body>\n\
         </html>\n"
    )
}
