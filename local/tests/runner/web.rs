//! The storefront's server.

use std::path::PathBuf;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::any;
use hyper::Method;
use local::web::{self, Web};
use serde_json::json;

use crate::support::send;

/// An API that echoes the request, sets two cookies and redirects.
async fn api() -> String {
    async fn answer(request: Request) -> impl IntoResponse {
        let (head, body) = request.into_parts();
        let body: Bytes = axum::body::to_bytes(Body::new(body), usize::MAX).await.unwrap();
        let header = |name: &str| head.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        let seen = json!({
            "method": head.method.as_str(), "uri": head.uri.to_string(), "body": String::from_utf8(body.to_vec()).unwrap(),
            "cookie": header("cookie"), "origin": header("origin"), "host": header("host"),
        });
        let headers = [(header::LOCATION, "http://elsewhere.invalid/"), (header::CONTENT_TYPE, "application/json")];
        let cookies = axum::response::AppendHeaders([(header::SET_COOKIE, "a=1; HttpOnly"), (header::SET_COOKIE, "b=2")]);
        (hyper::StatusCode::FOUND, headers, cookies, seen.to_string())
    }
    use axum::body::Body;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(any(answer))).await });
    format!("http://localhost:{port}")
}

/// A site with one page, one script and files that must stay hidden.
fn site() -> PathBuf {
    let folder = std::env::temp_dir().join(format!("local-web-{}-{:?}", std::process::id(), std::thread::current().id()));
    std::fs::create_dir_all(folder.join("js")).unwrap();
    std::fs::create_dir_all(folder.join("tests")).unwrap();
    for (name, text) in [
        ("index.html", "<h1>Courses</h1>"),
        ("404.html", "<h1>Not here</h1>"),
        ("js/app.js", "export {};"),
        ("logo.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>"),
        ("tests/secret.js", "secret"),
        (".env", "secret"),
    ] {
        std::fs::write(folder.join(name), text).unwrap();
    }
    folder
}

async fn storefront(api: &str) -> Web {
    web::start(0, &site(), api, None, "").await.unwrap()
}

#[tokio::test]
async fn serves_pages_with_their_types_and_a_strict_policy() {
    let web = storefront("http://127.0.0.1:1").await;
    for (path, kind) in
        [("/", "text/html"), ("/index.html", "text/html"), ("/js/app.js", "text/javascript"), ("/logo.svg", "image/svg+xml")]
    {
        let page = send(Method::GET, &format!("{}{path}", web.url()), &[], "").await.unwrap();
        assert_eq!(page.status, 200, "{path}");
        assert!(page.header("content-type").starts_with(kind), "{path}: {}", page.header("content-type"));
        let policy = page.header("content-security-policy");
        assert!(policy.contains("default-src 'self'") && !policy.contains("unsafe-inline"), "{policy}");
        assert_eq!(page.header("x-content-type-options"), "nosniff");
    }
}

#[tokio::test]
async fn answers_404_with_a_page_and_hides_what_is_not_the_site() {
    let web = storefront("http://127.0.0.1:1").await;
    let missing = send(Method::GET, &format!("{}/nothing.html", web.url()), &[], "").await.unwrap();
    assert_eq!(missing.status, 404);
    assert_eq!(missing.body, "<h1>Not here</h1>");
    for path in ["/tests/secret.js", "/.env", "/js/../.env", "/%2e%2e/%2e%2e/etc/passwd", "//tests/secret.js", "/js/%2e%2e/tests/secret.js"]
    {
        let hidden = send(Method::GET, &format!("{}{path}", web.url()), &[], "").await.unwrap();
        assert_eq!(hidden.status, 404, "{path}");
        assert_ne!(hidden.body, "secret");
    }
}

#[tokio::test]
async fn strips_the_prefix_and_forwards_everything_else() {
    let api = api().await;
    let web = storefront(&api).await;
    let headers = [("cookie", "session=x"), ("origin", "http://localhost:3000"), ("content-type", "application/json")];
    let answer = send(Method::PATCH, &format!("{}/api/courses/a%20b?q=1&q=2", web.url()), &headers, r#"{"title":"T"}"#).await.unwrap();
    assert_eq!(answer.status, 302, "the browser follows redirects");
    assert_eq!(answer.header("location"), "http://elsewhere.invalid/");
    let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=1; HttpOnly", "b=2"]);
    let seen = answer.json();
    assert_eq!(seen["method"], "PATCH");
    assert_eq!(seen["uri"], "/courses/a%20b?q=1&q=2");
    assert_eq!(seen["body"], r#"{"title":"T"}"#);
    assert_eq!(seen["cookie"], "session=x");
    assert_eq!(seen["origin"], "http://localhost:3000");
    assert_eq!(seen["host"], api.trim_start_matches("http://"));
}

#[tokio::test]
async fn rendered_pages_come_from_the_api_with_the_headers_of_pages_and_without_cookies() {
    let api = api().await;
    let web = storefront(&api).await;
    for (path, target) in [
        ("/courses/flask", "/pages/courses/flask"),
        ("/sellers/ada?cursor=x", "/pages/sellers/ada?cursor=x"),
        ("/sitemap.xml?month=2026-11", "/pages/sitemap.xml?month=2026-11"),
        ("/robots.txt", "/pages/robots.txt"),
    ] {
        let answer = send(Method::GET, &format!("{}{path}", web.url()), &[("cookie", "session=x")], "").await.unwrap();
        let seen = answer.json();
        assert_eq!((seen["uri"].as_str(), &seen["cookie"]), (Some(target), &serde_json::Value::Null));
        assert!(answer.header("content-security-policy").contains("default-src 'self'"), "{path}");
    }
}

#[tokio::test]
async fn the_former_address_of_a_course_leads_to_the_present_one() {
    let web = storefront("http://127.0.0.1:1").await;
    let old = send(Method::GET, &format!("{}/course.html?checkout=canceled&slug=flask-2", web.url()), &[], "").await.unwrap();
    assert_eq!((old.status, old.header("location")), (hyper::StatusCode::MOVED_PERMANENTLY, "/courses/flask-2"));
    for path in
        ["/course.html?id=crs_1", "/course.html?slug=", "/course.html?slug=//evil.example", "/course.html?slug=A%0a", "/index.html?slug=a"]
    {
        let page = send(Method::GET, &format!("{}{path}", web.url()), &[], "").await.unwrap();
        assert_ne!(page.status, 301, "{path}");
    }
}

#[tokio::test]
async fn forwards_to_the_stripe_stand_in_if_it_is_in_use() {
    let (api, stripe) = (api().await, api().await);
    let web = web::start(0, &site(), &api, Some(&stripe), "").await.unwrap();
    let answer = send(Method::POST, &format!("{}/stripe-stand-in/embedded/payments?a=1", web.url()), &[], "{}").await.unwrap();
    let seen = answer.json();
    assert_eq!((&seen["method"], &seen["uri"], &seen["body"]), (&json!("POST"), &json!("/embedded/payments?a=1"), &json!("{}")));
    assert_eq!(seen["host"], stripe.trim_start_matches("http://"));
    let without = storefront(&api).await;
    let answer = send(Method::GET, &format!("{}/stripe-stand-in/v1.0/connect.js", without.url()), &[], "").await.unwrap();
    assert_eq!(answer.status, 404);
}

#[tokio::test]
async fn says_so_when_the_api_is_down() {
    let web = storefront("http://127.0.0.1:1").await;
    let answer = send(Method::GET, &format!("{}/api/courses", web.url()), &[], "").await.unwrap();
    assert_eq!(answer.status, 502);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(answer.json()["code"], "api_unreachable");
}
