//! How many requests API Gateway lets through: the stage's limit, and the routes that have a share of their own.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::template::Template;
use super::{entries, file, list, routes, text};

/// The routes with a share of their own.
fn shares(template: &Template) -> BTreeMap<&str, (u64, u64)> {
    let limit = |settings: &Value, name: &str| settings[name].as_u64().unwrap_or_else(|| panic!("{settings} has no number as its {name}"));
    entries(template.property("DefaultStage", "RouteSettings"))
        .map(|(route, settings)| {
            // What is not set here falls back to the account's limit, not to the stage's.
            assert_eq!(entries(settings).count(), 2, "{route}");
            (route, (limit(settings, "ThrottlingRateLimit"), limit(settings, "ThrottlingBurstLimit")))
        })
        .collect()
}

#[test]
fn the_api_is_throttled_and_webhooks_can_have_reserved_concurrency() {
    let template = Template::read();
    let limits = template.property("DefaultStage", "DefaultRouteSettings");
    for (name, parameter) in [("ThrottlingRateLimit", "ThrottlingRate"), ("ThrottlingBurstLimit", "ThrottlingBurst")] {
        assert_eq!(limits[name], json!({ "Ref": parameter }));
        assert!(template.parameter_default(parameter).and_then(Value::as_u64).is_some_and(|limit| limit > 0), "{parameter}");
    }
    assert_eq!(
        template.property("WebhookFunction", "ReservedConcurrentExecutions"),
        &json!({ "Fn::If": ["HasWebhookReservation", { "Ref": "WebhookReservedConcurrency" }, { "Ref": "AWS::NoValue" }] })
    );
}

#[test]
fn every_share_is_a_routes_and_the_stage_is_made_after_it() {
    let template = Template::read();
    let ids: BTreeMap<_, _> = template
        .resources("AWS::ApiGatewayV2::Route")
        .into_iter()
        .map(|(id, route)| (text(&route["Properties"]["RouteKey"]), id))
        .collect();
    let shares = shares(&template);
    let awaited: BTreeSet<_> = list(template.at("/Resources/DefaultStage/DependsOn")).iter().map(text).collect();
    let named: BTreeSet<_> =
        shares.keys().map(|route| *ids.get(route).unwrap_or_else(|| panic!("{route} has a share and is no route"))).collect();
    assert_eq!(awaited, named);
    // The smallest default of an account, in regions that have the smaller one, holds all of them next to the rest of the API.
    // https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
    let rest = template.parameter_default("ThrottlingRate").and_then(Value::as_u64).expect("a number");
    assert!(shares.values().map(|(rate, _)| rate).sum::<u64>() + rest <= 2500);
    assert!(shares.values().all(|(rate, burst)| (1..=*burst).contains(rate)));
}

/// Whether the handler of a route in `accounts` hashes a password.
fn hashes_a_password(module: &str, handler: &str) -> bool {
    let source = file(&format!("functions/accounts/src/{module}.rs"));
    let body = source.split_once(&format!("fn {handler}(")).unwrap_or_else(|| panic!("{module} has no {handler}")).1;
    let body = body.split("\n}\n").next().expect("there is a first part");
    ["password::hash(", "password::verify(", "second_factor::with_password("].iter().any(|call| body.contains(call))
}

/// The routes of `accounts` that hash a password, from its router.
fn hashing_routes() -> BTreeSet<String> {
    let router = file("functions/accounts/src/lib.rs");
    let mut found = BTreeSet::new();
    for arm in router.lines().filter_map(|line| line.trim().strip_prefix("(&Method::")) {
        let (method, rest) = arm.split_once(", [").expect("a method and a path");
        let (path, call) = rest.split_once("]) => ").expect("a path and a handler");
        let path: Vec<_> = path.split(", ").map(|part| part.strip_prefix('"').map_or("{id}", |part| part.trim_end_matches('"'))).collect();
        let (module, handler) = call.trim_start_matches("Box::pin(").split_once("::").expect("a module and a function");
        if hashes_a_password(module, handler.split('(').next().expect("there is a first part")) {
            found.insert(format!("{method} /{}", path.join("/")));
        }
    }
    found
}

#[test]
fn events_searches_passwords_and_cards_each_have_their_share() {
    let template = Template::read();
    let shares = shares(&template);
    let routes = routes::of_template(&template);
    let of_webhook = routes.iter().filter(|(_, function)| *function == "webhook");
    let events: BTreeSet<_> = of_webhook.map(|((method, path), _)| format!("{method} {path}")).collect();
    assert_eq!(events.len(), 2);
    let passwords = hashing_routes();
    assert!(passwords.len() > 4, "{passwords:?}");
    let cards = [
        "POST /courses/charge",
        "POST /sellers/{id}/membership/subscribe",
        "POST /subscriptions/{id}/resume",
        "POST /users/me/payment-methods",
    ];
    let public = [
        "GET /courses",
        "GET /courses/{slug}",
        "GET /courses/{slug}/outline",
        "GET /courses/{slug}/lessons/{id}",
        "GET /sellers/{handle}",
        "GET /pages/courses/{slug}",
        "GET /pages/sellers/{handle}",
        "GET /pages/sitemap.xml",
    ];
    let expected: BTreeSet<_> = events.iter().chain(&passwords).map(String::as_str).chain(cards).chain(public).collect();
    assert_eq!(shares.keys().copied().collect::<BTreeSet<_>>(), expected);
    // No flood gets more than Stripe's events.
    let most = events.iter().map(|event| shares[event.as_str()].0).min().expect("there are two");
    assert!(shares.iter().all(|(route, (rate, _))| events.contains(*route) || *rate < most));
}
