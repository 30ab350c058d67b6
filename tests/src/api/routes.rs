//! What holds for every route, and requests that none matches.

use serde_json::{Value, json};

use crate::contract::openapi;
use crate::harness::World;

/// Every operation in openapi.yaml: its method, a path of its form, and whether it takes a session, and does nothing without one.
fn operations(document: &Value) -> Vec<(&'static str, String, bool)> {
    let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
    let operations = openapi::operations(document).into_iter().map(|((method, path), operation)| {
        let method = methods.into_iter().find(|one| *one == method).expect("one of these");
        let path: Vec<&str> = path.split('/').map(|part| if part.starts_with('{') { "nothing" } else { part }).collect();
        let ways = operation.get("security").unwrap_or(&document["security"]).as_array().expect("a list");
        (method, path.join("/"), !ways.is_empty() && !ways.contains(&json!({})))
    });
    operations.collect()
}

#[tokio::test]
async fn every_private_operation_is_refused_without_a_session() {
    let world = World::start().await;
    let document = openapi::read();
    let (mut asked, mut wrong) = (0, Vec::new());
    for (method, path, is_private) in operations(&document) {
        // Logging out twice is fine, and a browser without a session is sent to log in.
        if !is_private || [("DELETE", "/sessions/current"), ("GET", "/users/authorize")].contains(&(method, &path)) {
            continue;
        }
        for token in [None, Some("0000000000000000.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")] {
            let call = world.call(method, &path).undescribed();
            let call = if method == "GET" { call } else { call.json(&json!({"course_id": "nothing", "interval": "month", "share": 1})) };
            let answer = if let Some(token) = token { call.bearer(token) } else { call }.await;
            asked += 1;
            if !(answer.status == 401 && answer.body.contains("not_signed_in")) {
                wrong.push(format!("{method} {path}: {} {}", answer.status, answer.body));
            }
        }
    }
    assert!(asked > 100, "{asked} requests were made");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn every_writing_operation_is_refused_from_another_sites_page() {
    let world = World::start().await;
    let buyer = world.buyer("buyer@example.com").await;
    world.operations();
    let document = openapi::read();
    let (mut asked, mut wrong) = (0, Vec::new());
    for (method, path, _) in operations(&document) {
        // Stripe signs its events.
        if ["GET", "HEAD"].contains(&method) || path.starts_with("/webhooks/") {
            continue;
        }
        let call = world.call(method, &path).undescribed().json(&json!({})).cookie(&buyer.token).origin("https://elsewhere.example");
        let answer = call.await;
        asked += 1;
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{method} {path}");
        if !(answer.status == 403 && answer.body.contains("foreign_origin")) {
            wrong.push(format!("{method} {path}: {} {}", answer.status, answer.body));
        }
    }
    assert!(asked > 30, "{asked} requests were made");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(world.operations(), Vec::<String>::new(), "DynamoDB was not asked");
}

#[tokio::test]
async fn answers_are_no_pages_and_keep_browsers_on_https() {
    let world = World::start().await;
    for (path, status) in [("/courses", 200), ("/users/me", 401), ("/courses/unknown", 404)] {
        let local = world.get(path).await;
        assert_eq!(local.status, status, "{path}");
        assert_eq!(local.header("content-security-policy"), Some("default-src 'none'; base-uri 'none'; frame-ancestors 'none'"), "{path}");
        assert_eq!(local.header("strict-transport-security"), None, "{path}");
        let deployed = world.get(path).header("x-forwarded-proto", "https").await;
        assert_eq!(deployed.header("strict-transport-security"), Some("max-age=63072000"), "{path}");
    }
}

#[tokio::test]
async fn unknown_routes_and_methods_are_refused() {
    let world = World::start().await;
    for function in ["accounts", "courses", "pages", "purchases"] {
        for path in ["/", "/unknown", "/users/me/unknown", "/courses/a/b", "/purchases/a/b", "/%F0%9F%A6%80"] {
            let answer = world.get(path).to(function).await;
            answer.is_problem(404, "not_found", "there is no such address");
        }
    }
    for (function, method, path) in [
        ("accounts", "GET", "/users"),
        ("accounts", "PUT", "/sessions"),
        ("accounts", "POST", "/sessions/current"),
        ("accounts", "POST", "/users/me"),
        ("accounts", "POST", "/users/me/export"),
        ("accounts", "DELETE", "/admin/users"),
        ("accounts", "DELETE", "/admin/users/usr_0000000000000000"),
        ("purchases", "POST", "/admin/findings"),
        ("purchases", "POST", "/admin/disputes"),
        ("refunds", "DELETE", "/admin/disputes/dp_1/evidence"),
        ("accounts", "DELETE", "/users/me/application"),
        ("accounts", "POST", "/admin/applications"),
        ("accounts", "GET", "/admin/applications/usr_0000000000000000/decline"),
        ("purchases", "DELETE", "/admin/audit"),
        ("courses", "PUT", "/courses"),
        ("courses", "POST", "/courses/slug"),
        ("courses", "POST", "/users/me/courses"),
        ("courses", "POST", "/config"),
        ("pages", "POST", "/pages/courses/slug"),
        ("pages", "DELETE", "/pages/sitemap.xml"),
        ("pages", "PUT", "/pages/robots.txt"),
        ("purchases", "POST", "/purchases"),
        ("purchases", "DELETE", "/purchases/pur_x"),
        ("purchases", "POST", "/sales"),
    ] {
        let answer = world.call(method, path).to(function).await;
        answer.is_problem(405, "method_not_allowed", "this path does not support that method");
    }
    assert_eq!(world.operations(), Vec::<String>::new());
}
