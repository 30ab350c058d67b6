//! Requests that no route matches.

use crate::harness::World;

#[tokio::test]
async fn unknown_routes_and_methods_are_refused() {
    let world = World::start().await;
    for function in ["accounts", "courses", "purchases"] {
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
        ("purchases", "DELETE", "/admin/audit"),
        ("courses", "PUT", "/courses"),
        ("courses", "POST", "/courses/slug"),
        ("courses", "POST", "/users/me/courses"),
        ("courses", "POST", "/config"),
        ("purchases", "POST", "/purchases"),
        ("purchases", "DELETE", "/purchases/pur_x"),
        ("purchases", "POST", "/sales"),
    ] {
        let answer = world.call(method, path).to(function).await;
        answer.is_problem(405, "method_not_allowed", "this path does not support that method");
    }
    assert_eq!(world.operations(), Vec::<String>::new());
}
