//! The environment and the secrets: the template provides exactly what the functions read.

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde_json::json;
use shared::http::identity;
use shared::settings::config::Config;

use super::template::{Template, referred};
use super::{sources, strings, text};

/// The variables that the functions read.
fn read_by_the_code() -> BTreeSet<String> {
    let names = RefCell::new(BTreeSet::new());
    Config::from_lookup(|name| {
        names.borrow_mut().insert(name.to_owned());
        None
    })
    .expect("every setting has a default");
    let mut names = names.into_inner();
    for (path, source) in sources("shared").into_iter().chain(sources("functions")) {
        for call in source.split("env::var(").chain(source.split("env::var_os(")).skip(1) {
            if let Some(name) = call.strip_prefix('"').and_then(|rest| rest.split('"').next()) {
                names.insert(name.to_owned());
            }
        }
        if source.contains("EnvFilter::try_from_default_env()") {
            names.insert("RUST_LOG".to_owned());
        }
        assert!(!source.contains("env::vars"), "{} reads the whole environment", path.display());
    }
    // Lambda sets these itself; locally they point to the stand-ins.
    names.retain(|name| !name.starts_with("AWS_"));
    names
}

#[test]
fn the_template_sets_every_variable_that_is_read_and_no_other() {
    let template = Template::read();
    let set: BTreeSet<_> =
        template.functions().into_values().flat_map(|id| template.environment(id).into_keys()).map(str::to_owned).collect();
    assert_eq!(set, read_by_the_code());
}

#[test]
fn deployed_functions_call_nobody_without_tls() {
    let template = Template::read();
    let environment = template.at("/Globals/Function/Environment/Variables");
    for (variable, parameter) in
        [("STRIPE_API_BASE", "StripeApiBase"), ("STRIPE_CONNECT_BASE", "StripeConnectBase"), ("CHALLENGE_URL", "ChallengeUrl")]
    {
        assert_eq!(referred(&environment[variable]), parameter);
        let pattern = text(template.at(&format!("/Parameters/{parameter}/AllowedPattern")));
        assert!(pattern.starts_with("https://") || pattern.starts_with("(https://") && pattern.ends_with(")?"), "{parameter}: {pattern}");
        assert!(!pattern.contains('|'), "{parameter}: {pattern}");
    }
    // AWS's own endpoints are https unless a variable names others.
    let elsewhere = |(name, _): (&str, &serde_json::Value)| name.starts_with("AWS_ENDPOINT");
    assert!(template.functions().into_values().all(|id| !template.environment(id).into_iter().any(elsewhere)));
}

#[test]
fn local_and_deployed_functions_read_the_same_variables() {
    let local = super::file("local/functions.env");
    let local =
        local.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('=')).map(|(name, _)| name.to_owned());
    let mut missing: BTreeSet<_> = local.filter(|name| !name.starts_with("AWS_")).collect();
    assert!(!missing.is_empty());
    missing.retain(|name| !read_by_the_code().contains(name));
    assert_eq!(missing, BTreeSet::new());
}

#[test]
fn settings_except_secrets_are_the_same_for_every_function() {
    let template = Template::read();
    for id in template.functions().into_values() {
        let own = template.at(&format!("/Resources/{id}/Properties")).pointer("/Environment/Variables");
        for (name, value) in own.into_iter().flat_map(super::entries) {
            if ["ORIGIN_SECRET", "CHALLENGE_SECRET"].contains(&name) {
                // Checked by storefront.rs.
                continue;
            }
            assert!(name.ends_with("_SECRET_ARN"), "{id} has its own {name}");
            assert_eq!(template.at(&format!("/Resources/{}/Type", referred(value))), "AWS::SecretsManager::Secret");
        }
    }
}

#[test]
fn the_parameters_allow_only_what_the_functions_accept() {
    let template = Template::read();
    let environment = template.at("/Globals/Function/Environment/Variables");
    let parameter = |name: &str| environment.get(name).and_then(|value| value.get("Ref")).map(text);
    let default = |name: &str| match environment.get(name)?.get("Ref") {
        Some(parameter) => template.parameter_default(text(parameter)),
        None => environment.get(name),
    };
    let written = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let config =
        Config::from_lookup(|name| default(name).filter(|value| !value.is_object()).map(written)).expect("the defaults are settings");
    assert_eq!(config.stripe_timeout.as_millis(), 8000);

    let takes = |name: &str, value: &str| Config::from_lookup(|asked| (asked == name).then(|| value.to_owned())).is_ok();
    for name in ["ACCOUNTS_API", "CHARGE_TYPE", "OAUTH_SCOPE"] {
        for value in strings(template.at(&format!("/Parameters/{}/AllowedValues", parameter(name).expect("it is a parameter")))) {
            assert!(takes(name, value), "{name} may be {value}");
        }
        assert!(!takes(name, "other"), "{name}");
    }
    let fee = template.at(&format!("/Parameters/{}", parameter("DEFAULT_FEE_PERCENT").expect("it is a parameter")));
    let (least, most) = (fee["MinValue"].as_i64().expect("a number"), fee["MaxValue"].as_i64().expect("a number"));
    for (percent, sound) in [(least - 1, false), (least, true), (most, true), (most + 1, false)] {
        assert_eq!(takes("DEFAULT_FEE_PERCENT", &percent.to_string()), sound, "{percent}");
    }
}

#[test]
fn cors_allows_the_origins_that_the_functions_allow() {
    let template = Template::read();
    let cors = &template.property("HttpApi", "CorsConfiguration")["Fn::If"][1];
    assert_eq!(cors["AllowOrigins"], json!({ "Ref": "AllowedOrigins" }));
    assert_eq!(cors["AllowCredentials"], true);
    for id in template.functions().into_values() {
        assert_eq!(template.environment(id)["ALLOWED_ORIGINS"], &json!({ "Fn::Join": [",", { "Ref": "AllowedOrigins" }] }), "{id}");
    }

    // The resulting value, checked with the functions' own code.
    let config = Config::from_lookup(|name| match name {
        "ALLOWED_ORIGINS" => Some(["https://one.example", "https://two.example"].join(",")),
        "STOREFRONT_URL" => Some("https://shop.example".to_owned()),
        _ => None,
    });
    let config = config.expect("the settings are sound");
    let is_allowed = |origin: &str| {
        let request = lambda_http::http::Request::post("/users").header("origin", origin).body(lambda_http::Body::Empty);
        identity::check_origin(&request.expect("it is a request"), &config).is_ok()
    };
    // The storefront's own pages reach the API on their own origin, without CORS.
    for origin in ["https://one.example", "https://two.example", "https://shop.example"] {
        assert!(is_allowed(origin), "{origin}");
    }
    for origin in ["https://three.example", "http://one.example", "https://one.example.evil.example", "null", ""] {
        assert!(!is_allowed(origin), "{origin}");
    }
}

#[test]
fn cors_lets_every_route_and_header_through_and_nothing_is_a_wildcard() {
    let template = Template::read();
    let cors = &template.property("HttpApi", "CorsConfiguration")["Fn::If"][1];
    let routes = template.resources("AWS::ApiGatewayV2::Route");
    let methods = routes.values().map(|route| text(&route["Properties"]["RouteKey"]).split(' ').next().expect("a method"));
    // Browsers ask for no permission to send HEAD. https://fetch.spec.whatwg.org/#cors-safelisted-method
    let methods: BTreeSet<_> = methods.filter(|method| *method != "HEAD").collect();
    assert_eq!(strings(&cors["AllowMethods"]), methods);
    assert_eq!(strings(&cors["AllowHeaders"]), BTreeSet::from(["authorization", "content-type", "if-none-match"]));
    assert_eq!(strings(&cors["ExposeHeaders"]), BTreeSet::from(["etag", "location", "retry-after"]));
    let pattern = text(template.at("/Parameters/AllowedOrigins/AllowedPattern"));
    assert!(
        pattern.starts_with("^(https?://[^") && pattern.contains('*') && pattern.ends_with("]+)?$"),
        "{pattern} may let a wildcard through"
    );
}

#[test]
fn functions_only_get_the_arns_of_secrets_they_may_read() {
    let template = Template::read();
    for (folder, id) in template.functions() {
        let named: BTreeSet<_> = template
            .environment(id)
            .into_iter()
            .filter(|(name, _)| name.ends_with("_SECRET_ARN"))
            .map(|(_, value)| referred(value))
            .collect();
        let statements = template.statements(id);
        let granted: BTreeSet<_> = statements
            .iter()
            .filter(|statement| statement["Action"] == "secretsmanager:GetSecretValue")
            .flat_map(|statement| {
                statement["Resource"].as_array().map_or_else(|| vec![&statement["Resource"]], |many| many.iter().collect())
            })
            .map(referred)
            .collect();
        assert_eq!(named, granted, "{folder}");
        let manifest = super::file(&format!("functions/{folder}/Cargo.toml"));
        assert_eq!(named.contains("StripeSecret"), manifest.contains("\"stripe\""), "{folder}");
    }
}
