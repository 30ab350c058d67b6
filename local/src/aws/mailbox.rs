//! The mailbox as web pages, and as JSON for tests: `/mailbox`, `/mailbox/{id}`, `/mailbox.json`, `/mailbox/outage`.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, put};
use serde_json::json;

use super::ses::{Mail, Mailbox, Outage};

type Box = State<Arc<Mailbox>>;

/// The routes of the mailbox.
pub(super) fn routes(mailbox: Arc<Mailbox>) -> Router {
    Router::new()
        .route("/mailbox", get(list).delete(clear))
        .route("/mailbox.json", get(json_list))
        .route("/mailbox/outage", put(begin_outage).delete(end_outage))
        .route("/mailbox/{id}", get(one))
        .with_state(mailbox)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

/// A mail's content is displayed but cannot run scripts.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'";

fn page(title: &str, body: &str) -> Response {
    let page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, \
         initial-scale=1\"><title>{title}</title>\n<style>:root{{color-scheme:light dark}}body{{font:16px/1.5 system-ui,sans-serif;\
         max-width:44rem;margin:2rem auto;padding:0 1rem}}li{{margin:.75rem 0}}small{{display:block}}pre{{white-space:pre-wrap;\
         overflow-wrap:anywhere}}iframe{{width:100%;height:32rem;border:1px solid #8888;border-radius:.5rem;background:#fff}}</style>\
         </head>\n<body><main><h1>{title}</h1>\n{body}\n</main></body></html>\n"
    );
    ([(header::CONTENT_SECURITY_POLICY, POLICY)], Html(page)).into_response()
}

async fn list(State(mailbox): Box) -> Response {
    let mails = mailbox.mails();
    let lines: String = mails
        .iter()
        .rev()
        .map(|mail| {
            let (id, subject, to) = (&mail.id, escape(&mail.subject), escape(&mail.to.join(", ")));
            format!("<li><a href=\"/mailbox/{id}\">{subject}</a><small>to {to}</small></li>\n")
        })
        .collect();
    let lines = if lines.is_empty() { "<p>No mail yet.</p>".to_owned() } else { format!("<ol reversed>\n{lines}</ol>") };
    let outage = mailbox.outage().map_or(String::new(), |_| "<p>SES is set to fail.</p>".to_owned());
    page("Mailbox", &format!("<p>Mails that the functions sent. None of them left this machine.</p>\n{outage}{lines}"))
}

async fn one(State(mailbox): Box, Path(id): Path<String>) -> Response {
    let Some(Mail { from, to, subject, text, html, .. }) = mailbox.mails().into_iter().find(|mail| mail.id == id) else {
        return (StatusCode::NOT_FOUND, page("No such mail", "<p><a href=\"/mailbox\">Mailbox</a></p>")).into_response();
    };
    // Links in the mail open in the whole window.
    let html = html.replacen("<head>", "<head><base target=\"_top\">", 1);
    let body = format!(
        "<p>From {}<br>to {}</p>\n<iframe title=\"The mail as HTML\" sandbox=\"allow-top-navigation-by-user-activation\" \
         srcdoc=\"{}\"></iframe>\n<h2>As text</h2>\n<pre>{}</pre>\n<p><a href=\"/mailbox\">Mailbox</a></p>",
        escape(&from),
        escape(&to.join(", ")),
        escape(&html),
        linked(&text)
    );
    page(&escape(&subject), &body)
}

/// Text with URLs turned into links.
fn linked(text: &str) -> String {
    let line = |line: &str| match line.starts_with("http://") || line.starts_with("https://") {
        true => format!("<a href=\"{0}\">{0}</a>", escape(line)),
        false => escape(line),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

async fn json_list(State(mailbox): Box) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], json!({"items": mailbox.mails()}).to_string()).into_response()
}

async fn clear(State(mailbox): Box) -> StatusCode {
    mailbox.clear();
    StatusCode::NO_CONTENT
}

/// `{"refuses":{"status":429,"code":"TooManyRequestsException"}}` or `"loses_answers"`
async fn begin_outage(State(mailbox): Box, body: Bytes) -> Response {
    match serde_json::from_slice::<Outage>(&body) {
        Ok(outage) => {
            mailbox.fail(Some(outage));
            StatusCode::NO_CONTENT.into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}

async fn end_outage(State(mailbox): Box) -> StatusCode {
    mailbox.fail(None);
    StatusCode::NO_CONTENT
}
